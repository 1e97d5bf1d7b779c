"""`python -m maillab.x` shows what x does."""

import runpy
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "shows"),
    [
        ("maillab.net", "TimeoutError: Connection timed out"),
        ("maillab.policy", "relay network: relay.networks"),
        ("maillab.dns", "MX 10 mail.alpha.example."),
        ("maillab.trace", "RFC 5321 §4.1.1.1"),
    ],
)
def test_a_module_demonstrates_itself(module, shows, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [module])
    # pytest rewrites the asserts of whoever brings a plugin; `run_module` cannot.
    finders = [one for one in sys.meta_path if "Rewriting" not in type(one).__name__]
    monkeypatch.setattr(sys, "meta_path", finders)
    runpy.run_module(module, run_name="__main__")
    assert shows in capsys.readouterr().out


def test_the_smtp_engine_can_be_spoken_to(capsys):
    from maillab.protocol.__main__ import talk

    talk(["EHLO pc", "MAIL FROM:<a@b.example>", "QUIT", "never reached"])
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("220 ")
    assert said[-2:] == [
        "250 2.0.0 Yes to MailFrom",
        "221 2.0.0 mx.example.org closes the connection",
    ]


def test_the_demo_shows_the_letter_whole():
    from maillab.ui.demo import demo

    text = "\n".join(demo())
    for word in ("RFC 5321 §4.1.1.3", "MX 10 mx.beta.example.", "SYN", "How are you?"):
        assert word in text
    assert max(len(line) for line in text.splitlines()) <= 100


def test_two_demonstrations_are_equal_but_for_keys():
    from maillab.ui.demo import demo

    assert list(demo()) == list(demo())
