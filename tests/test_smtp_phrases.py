"""The phrasebook: everything that the SMTP server says."""

import ast
import re
from pathlib import Path

import pytest

from maillab.policy import reply_names
from maillab.protocol import smtp_server
from maillab.protocol.engine import Question
from maillab.protocol.smtp_phrases import PHRASES, Phrase, Phrases
from maillab.protocol.smtp_phrases_table import ROWS
from maillab.protocol.smtp_server import SMTPServer
from maillab.protocol.smtp_server_limits import SMTPServerOptions
from tests.smtp_player import respond

# "except the initial greeting and any response to HELO or EHLO" -- RFC 2034 §3, and
# replies that are no end: 334 and 354
WITHOUT_CODE = {"banner", "ehlo", "helo", "data", "challenge"}
PACKAGE = Path(smtp_server.__file__).parent
AGENTS = PACKAGE.parent / "agents"
SAID = re.compile(r'(?:_say|\.reply)\(\s*"([a-z-]+)"')


@pytest.mark.parametrize("name", PHRASES)
def test_every_phrase_has_a_section_and_the_codes_of_one_class(name):
    phrase = PHRASES[name]
    assert re.fullmatch(r"RFC \d+ §[\d.]+", phrase.rfc)
    assert phrase.code // 100 in (2, 3, 4, 5)
    if name in WITHOUT_CODE:
        assert phrase.enhanced == ""
    else:
        assert re.fullmatch(rf"{phrase.code // 100}\.\d+\.\d+", phrase.enhanced)


def test_no_name_is_used_twice():
    assert len(PHRASES) == len(ROWS)


def test_every_phrase_that_agents_and_policies_name_exists():
    texts = [file.read_text("utf-8") for file in AGENTS.glob("reception*.py")]
    said = {name for text in texts for name in SAID.findall(text)}
    assert len(said) > 15
    asked = {value for name, value in vars(reply_names).items() if name.isupper()}
    assert said | asked <= PHRASES.keys()


def test_every_phrase_is_said_by_somebody():
    files = (
        file
        for file in PACKAGE.parent.rglob("*.py")
        if file.name != "smtp_phrases_table.py" and file.parent.name != "personalities"
    )
    code = "".join(file.read_text("utf-8") for file in files)
    silent = {name for name in PHRASES if f'"{name}"' not in code}
    assert silent == {"hello-refused"}  # for agents that refuse EHLO; ours does not


def test_every_phrase_that_the_engine_names_exists():
    tree = [ast.parse(file.read_text("utf-8")) for file in PACKAGE.glob("smtp_server*")]
    calls = (node for t in tree for node in ast.walk(t) if isinstance(node, ast.Call))
    named = {
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in ("reject", "reply", "_refuse", "_refusal")
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }
    assert len(named) > 30
    assert named <= PHRASES.keys()


def test_handlers_have_no_replies_of_their_own():
    for file in PACKAGE.glob("smtp_server*.py"):
        literal = re.search(r"Reply\(\d{3}", file.read_text("utf-8"))
        allowed = "Reply(250" if file.name == "smtp_server.py" else None  # EHLO's lines
        assert (literal and literal[0]) in (None, allowed), file.name


@pytest.mark.parametrize(
    "text", ["{", "}", "{}", "{x.y}", "{0}", "{nothing}", "%s", "{hostname!r}", "a\nb"]
)
def test_no_text_makes_a_phrase_fail(text):
    phrase = Phrase(250, "2.0.0", text, "RFC 5321 §4.2")
    wire = Phrases({"noop": phrase}, hostname="x").reply("noop").to_wire()
    assert wire.startswith(b"250")


def test_an_unknown_name_is_our_own_fault_and_told_to_the_trace():
    reply = Phrases().reply("no such thing")
    assert (reply.code, reply.why) == (451, "maillab has no phrase no such thing")


def test_facts_of_the_call_win_over_those_of_the_session():
    phrases = Phrases({}, hostname="mx.example", client="192.0.2.1")
    assert "192.0.2.9 is banned" in phrases.reply("banned", client="192.0.2.9").text
    assert "192.0.2.1 is banned" in phrases.reply("banned").text


def test_a_personality_says_everything_in_its_own_way():
    own = {
        name: Phrase(phrase.code, "", f"<{name}>", phrase.rfc)
        for name, phrase in PHRASES.items()
    }
    options = SMTPServerOptions("mx.example.org", extensions=("SIZE",), phrases=own)
    server = SMTPServer(options)
    server.receive(
        b"EHLO x\r\nXYZZY\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<ann@example.org>\r\n"
        b"DATA\r\n\n\r\n.\r\nHELP\r\nQUIT\r\n"
    )
    while event := server.next_event():
        if isinstance(event, Question):
            respond(server, event)
    assert server.data_to_send().decode().splitlines() == [
        "220 <banner>",
        "250-<ehlo>",
        "250 SIZE 10485760",
        "500 <unknown-command>",
        "250 <sender-ok>",
        "250 <recipient-ok>",
        "354 <data>",
        "554 <bare-cr-or-lf>",
        "214 <help>",
        "221 <quit>",
    ]
