"""`maillab world NAME --live` and its options."""

import os
import signal
import subprocess
import sys

import pytest

from maillab import cli, open_world
from maillab.gateway.invitation import correspondents

WORLD = [sys.executable, "-m", "maillab", "world"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--door", "mail.hello.example:25"], "need --live or --netns"),
        (["--rate", "60"], "need --live or --netns"),
        (["--listen", "0.0.0.0"], "need --live or --netns"),
        (["--live", "--outside", "alice-pc:25"], "'alice-pc:25' should be HOST:PORT="),
        (["--live", "--listen", "192.0.2.1"], "has no such address"),
        (["--", "dig"], "a command needs --netns"),
        (["--live", "--door", "mail.hello.example"], "should be HOST:PORT"),
        (
            ["--live", "--door", "mail.hullo.example:25"],
            "did you mean 'mail.hello.example'?",
        ),
        (["--live", "--seat", "carol-pc"], "no host or gateway 'carol-pc'"),
        (["--live", "--rate", "0"], "such as 1 or 60"),
        (["--live", "--listen", "here"], "is not an IP address"),
        (
            ["--live", "--outside", "alice-pc:25=192.0.2.1:25"],
            "loopback only",
        ),
        (
            ["--live", "--outside", "mail.hello.example:25=127.0.0.1:2525"],
            "open already",
        ),
    ],
)
def test_a_wrong_option_is_one_clear_line(words, complaint, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["maillab", "world", "hello", *words])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there Ctrl-C is sent otherwise")
def test_the_command_says_how_to_come_in():
    words = [
        "hello",
        "--live",
        "--rate",
        "60",
        "--seat",
        "bob-pc",
        "--listen",
        "0.0.0.0",
    ]
    words += ["--door", "mail.hello.example:25@alice-pc"]
    words += ["--outside", "ns.hello.example:25=127.0.0.1:2525"]
    with subprocess.Popen([*WORLD, *words], stdout=subprocess.PIPE, text=True) as run:
        lines = []
        for line in run.stdout:
            lines.append(line)
            if "Ctrl-C stops it" in line:
                break
        run.send_signal(signal.SIGINT)
        rest = run.stdout.read()
    told = "".join(lines)
    assert run.returncode == 0
    assert "WARNING: listening on 0.0.0.0" in told
    assert "(from alice-pc)" in told
    assert "ns.hello.example:25 leads to the real server 127.0.0.1:2525" in told
    assert "curl --socks5-hostname 127.0.0.1:" in told
    assert "  bob-pc  127.0.0.1:" in told
    assert "at 60 seconds for each real one" in told
    assert "Nobody came in." in rest


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, getattr(signal, "SIGHUP", 0)])
def test_who_is_told_to_stop_tidies_up(number, tmp_path):
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    words = [*WORLD, "hello", "--live"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, env=environment
    ) as run:
        for line in run.stdout:
            if "Ctrl-C stops it" in line:
                break
        assert list(tmp_path.iterdir())
        run.send_signal(number)
        assert "Nobody came in." in run.stdout.read()
    assert run.returncode == 0
    assert not list(tmp_path.iterdir())


def test_the_letter_to_copy_is_one_that_arrives():
    with open_world("home-server") as world:
        sender, reader = correspondents(world)
        assert sender.address != "alice@home.example"  # hers would not get through
        world.send(sender.address, reader.address, "Hello")
        assert len(reader.inbox.messages) == 1
