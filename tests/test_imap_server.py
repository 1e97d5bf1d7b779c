"""What transcripts cannot show: secrets, limits, timing of answers."""

from pathlib import Path
from runpy import run_path

import pytest

from maillab.errors import LocalProtocolError
from maillab.protocol.engine import Question, StartTLS
from maillab.protocol.imap_server import IMAPServer
from maillab.protocol.imap_server_commands import (
    HANDLERS,
    LEGAL_STATES,
    RFC_OF,
    UID_FORMS,
)
from maillab.protocol.imap_server_events import Done, LogIn
from maillab.protocol.imap_server_input import LINE_AFTER_LOGIN, LINE_BEFORE_LOGIN
from maillab.protocol.imap_server_options import IMAPServerOptions
from maillab.wire.sasl import Credentials

TRANSCRIPTS = sorted(Path(__file__).parent.glob("transcripts/imap/*.txt"))


new_session = run_path(str(Path(__file__).with_name("imap_player.py")))["new_session"]


def engine_with(**options) -> IMAPServer:
    return IMAPServer(IMAPServerOptions("mx.alpha.example", **options))


def masked(data: bytes, *, plain_login=True) -> bytes:
    """What a view shows of what the client said."""
    engine = engine_with(plain_login=plain_login)
    engine.receive(data)
    while event := engine.next_event():
        if isinstance(event, Question):
            engine.answer(Done())
    shown = b""
    for spoken in engine.lines_spoken():
        octets = bytearray(spoken.octets)
        for start, end in spoken.secret:
            octets[start:end] = b"#" * (end - start)
        shown += octets if spoken.speaker == "C" else b""
    return shown


@pytest.mark.parametrize(
    "line",
    [
        b"a LOGIN ann wonderland\r\n",
        b'a login "ann" "wonderland"\r\n',
        b"a LOGIN {3}\r\nann {10}\r\nwonderland\r\n",
        b"a LOGIN {3+}\r\nann {10+}\r\nwonderland\r\n",
        b"a LOGIN ann wonderland too much\r\n",
        b'a LOGIN "ann wonderland\r\n',
        b"LOGIN ann wonderland\r\n",
        b"a AUTHENTICATE PLAIN wonderland\r\n",
        b"a AUTHENTICATE PLAIN\r\nwonderland\r\n",
        b"a AUTHENTICATE LOGIN\r\nYW5u\r\nwonderland\r\n",
        b"a LOGIN bob x\r\nb LOGIN ann wonderland\r\n",
    ],
)
@pytest.mark.parametrize("plain_login", [True, False])
def test_no_view_shows_a_password(line, plain_login):
    shown = masked(line, plain_login=plain_login)
    if plain_login or b"\r\nwonder" not in line:  # a refused mechanism asks for nothing
        assert b"wonderland" not in shown
    assert len(shown) == len(line)


def test_the_user_is_no_secret_but_the_size_of_a_password_is():
    assert masked(b"a LOGIN ann {2}\r\nxx\r\n") == b"a LOGIN ann {#}\r\n##\r\n"


def test_what_was_heard_stands_where_the_stream_had_it():
    data = b"a LOGIN {3+}\r\nann {2+}\r\nxx\r\nb NOOP\r\nc LOGIN x {99999+}\r\n"
    engine = engine_with(plain_login=True)
    engine.receive(data)
    while event := engine.next_event():
        if isinstance(event, Question):
            engine.answer(Done())
    heard = [s for s in engine.lines_spoken() if s.speaker == "C"]
    assert [data[s.offset : s.offset + len(s.octets)] for s in heard] == [
        s.octets for s in heard
    ]


def test_a_line_without_end_ends_the_session_and_takes_no_memory():
    session = new_session()
    session.greeting(1)
    for _ in range(50):
        assert session.hear(1, b"x" * LINE_BEFORE_LOGIN) == b""
    assert len(session.sessions[1].engine._lines) <= 1
    assert session.hear(1, b"\r\na NOOP\r\n").startswith(b"* BYE Line too long")
    assert session.closed(1)


def test_a_refused_literal_that_did_not_wait_is_skipped():
    session = new_session()
    session.greeting(1)
    session.hear(1, b"a LOGIN {9000+}\r\n" + b"x" * 8000)
    hidden = b"evil NOOP\r\n" * 100
    answer = session.hear(1, hidden[:1000] + b" {3+}\r\nabc\r\nb NOOP\r\n")
    assert answer == b"a BAD The literal is too big\r\nb OK Nothing done\r\n"


def test_a_message_of_the_largest_size_is_taken_and_no_larger():
    session = new_session()
    session.greeting(1)
    session.hear(1, b"a LOGIN ann wonderland\r\n")
    session.sessions[1].engine.append_limit = 100_000
    fits = b"b APPEND INBOX {100000+}\r\n" + b"x" * 100_000 + b"\r\n"
    assert session.hear(1, fits).startswith(b"b OK [APPENDUID 1 1]")
    larger = b"c APPEND INBOX {100001+}\r\n" + b"x" * 100_001 + b"\r\n"
    assert session.hear(1, larger).startswith(b"c NO [TOOBIG]")
    huge = b"d APPEND INBOX {900000+}\r\n" + b"x" * 900_000 + b"\r\n"
    assert session.hear(1, huge).startswith(b"d NO [TOOBIG]")


def test_nobody_waits_for_a_literal_without_end():
    session = new_session()
    session.greeting(1)
    session.hear(1, b"a LOGIN ann wonderland\r\n")
    said = session.hear(1, b"b APPEND INBOX {9223372036854775807+}\r\nx")
    assert said.startswith(b"b NO [TOOBIG]")
    assert said.endswith(b"* BYE The literal is far too big\r\n")
    assert session.closed(1)


def test_endless_nonsense_ends_the_session():
    session = new_session()
    session.greeting(1)
    assert b"* BYE Too many bad commands" in session.hear(1, b"?\r\n" * 100)


def test_a_command_of_many_lines_takes_no_memory():
    session = new_session()
    session.greeting(1)
    session.hear(1, b"a LOGIN ann wonderland\r\n")
    line = b" x {0+}\r\n".rjust(LINE_AFTER_LOGIN // 2)
    answer = session.hear(1, b"b APPEND INBOX {0+}\r\n" + line * 9 + b"\r\nc NOOP\r\n")
    assert answer == b"b BAD The command is too long\r\nc OK Nothing done\r\n"


def test_all_messages_of_one_append_together_are_bounded():
    session = new_session(append_limit="50000")
    session.greeting(1)
    session.hear(1, b"a LOGIN ann wonderland\r\n")
    letter = b" {40000+}\r\n" + b"x" * 40_000
    answer = session.hear(1, b"b APPEND INBOX" + letter * 4 + b"\r\nc NOOP\r\n")
    assert answer.startswith(b"b NO [TOOBIG]")
    assert session.hear(1, b"d STATUS INBOX (MESSAGES)\r\n").startswith(
        b"* STATUS INBOX (MESSAGES 0)"
    )


@pytest.mark.parametrize("key", [b"(", b"NOT ", b"OR ALL "])
def test_deeply_nested_search_keys_are_refused(key):
    session = new_session(letters=1)
    session.greeting(1)
    session.hear(1, b"a LOGIN ann wonderland\r\nb SELECT INBOX\r\n")
    answer = session.hear(1, b"c SEARCH " + key * 5000 + b"ALL\r\n")
    assert answer == b"c BAD Search keys are nested too deeply\r\n"


def test_nothing_is_read_between_starttls_and_the_handshake():
    engine = engine_with(starttls=True)
    engine.receive(b"a STARTTLS\r\nb LOGIN x y\r\n")
    engine.next_event()
    assert engine.next_event() == StartTLS()
    assert engine.next_event() is None
    engine.tls_started()
    engine.data_to_send()
    engine.receive(b"c NOOP\r\n")
    engine.next_event()
    assert engine.data_to_send() == b"c OK Nothing done\r\n"


def test_a_question_must_be_answered_first():
    engine = engine_with(plain_login=True)
    engine.receive(b"a LOGIN ann x\r\n")
    assert engine.next_event() == LogIn(Credentials("", "ann", "x"))
    with pytest.raises(LocalProtocolError):
        engine.next_event()


def test_a_failure_of_ours_is_no_traceback_for_the_client():
    session = new_session()
    session.greeting(1)
    session.directory.verify = None
    answer = session.hear(1, b"a LOGIN ann x\r\n")
    assert answer == b"a NO [SERVERBUG] Internal error\r\n"
    kinds = [kind for kind, _, _ in session.machine.events]
    assert kinds == ["failure"]


def test_the_trace_hears_of_logins_and_of_messages_fetched():
    session = new_session(letters=1)
    session.greeting(1)
    session.hear(1, b"a LOGIN ann x\r\nb LOGIN ann wonderland\r\nc SELECT INBOX\r\n")
    session.hear(1, b"d FETCH 1 ENVELOPE\r\ne FETCH 1 BODY.PEEK[]\r\n")
    auth, good, fetched = session.machine.events
    assert (auth[2]["ok"], good[2]["ok"], good[2]["user"]) == (False, True, "ann")
    assert fetched[0] == "fetched"
    assert fetched[2]["message"] == "<1@gamma.example>"


@pytest.mark.parametrize("verb", HANDLERS)
def test_every_command_appears_in_a_transcript(verb):
    said = "".join(path.read_text("utf-8") for path in TRANSCRIPTS)
    assert f" {verb}" in said
    assert RFC_OF[verb].startswith("RFC ")


def test_the_table_of_states_knows_only_commands():
    assert LEGAL_STATES.keys() <= HANDLERS.keys()
    assert UID_FORMS.keys() <= HANDLERS.keys()
