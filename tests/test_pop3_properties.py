"""What must hold for the POP3 engines, whoever is at the other end."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from maillab.protocol.pop3_client import POP3Client
from maillab.wire.pop3_surrogate import surrogate
from maillab.wire.smtp_downgrade import has_utf8_header
from tests import pop3_player
from tests.test_engine_properties import converse, hear

SAID = [
    b"USER ann",
    "USER jörg".encode(),
    b"PASS secret",
    b"APOP ann 3f18b52881e44c0cc6067f46e0ced7bc",
    b"APOP ann 0",
    b"AUTH",
    b"AUTH CRAM-MD5",
    b"AUTH PLAIN AGFubgBzZWNyZXQ=",
    b"AUTH SCRAM-SHA-256 biwsbj1hbm4scj1jMA==",
    b"AUTH SCRAM-SHA-256",
    b"biwsbj1hbm4scj1jMA==",
    b"YW5uIGY=",
    b"*",
    b"UTF8",
    b"LANG",
    b"LANG en",
    b"CAPA",
    b"STLS",
    b"STAT",
    b"LIST",
    b"UIDL 2",
    b"RETR 1",
    b"RETR 3",
    b"TOP 3 1",
    b"DELE 1",
    b"RSET",
    b"QUIT",
    b"\xff",
    b"x" * 300,
]
LINE = re.compile(rb"(?:\+OK|-ERR)(?: [ -~]*)?\r\n|\+ [A-Za-z0-9+/=]*\r\n")
MANY = re.compile(
    rb"(\+OK (?:\d+ octets|\d+ messages.*|Top of message|Capabilities follow"
    rb"|Mechanisms follow|Language listing follows:)\r\n)(?:[^\r\n]*\r\n)*?\.\r\n"
)


def streams(words: list[bytes]) -> st.SearchStrategy[bytes]:
    word = st.sampled_from(words)
    odd = st.tuples(word, st.binary(max_size=4)).map(b"".join)
    lines = st.lists(word | word | odd | st.binary(max_size=8), max_size=25)
    return lines.map(lambda some: b"\r\n".join([*some, b""]))


cuts = st.lists(st.integers(1, 40), min_size=1, max_size=8)
quick = settings(derandomize=True, max_examples=150, deadline=None)
logged_in = streams(SAID).map(b"USER ann\r\nPASS secret\r\n".__add__)


def served(stream: bytes, sizes: list[int]):
    offered = {"starttls": "yes", "apop": "yes"}
    mechanisms = "PLAIN,CRAM-MD5,SCRAM-SHA-256"
    return converse(pop3_player, stream, sizes, mechanisms=mechanisms, **offered)


@quick
@given(streams(SAID) | logged_in)
def test_every_answer_is_a_reply_and_names_its_section(stream):
    said, server = served(stream, [1_000_000])
    assert LINE.sub(b"", MANY.sub(rb"\1", said)) == b""
    assert all(spoken.ref for spoken in server.lines_spoken())


@quick
@given(streams(SAID) | logged_in, cuts)
def test_how_tcp_cuts_the_stream_does_not_matter(stream, sizes):
    assert served(stream, sizes)[0] == served(stream, [1_000_000])[0]


ANSWERS = [
    b"+OK hello <1.2@x>",
    b"+OK",
    b"-ERR [AUTH] no",
    b"+ ",
    b"+ !",
    b"+ cj1jMCxzPWMsaT00MDk2",
    b"PIPELINING",
    b"SASL PLAIN",
    b"1 120",
    b".",
    b"..",
    b"220 x",
    b"+OKAY",
    b"\xff",
    b"z" * 2100,
]
CALLS = [
    lambda c: c.command("CAPA"),
    lambda c: c.command("RETR", "1"),
    lambda c: c.command("LIST"),
    lambda c: c.command("UTF8"),
    lambda c: c.login("ann", "x"),
    lambda c: c.authenticate("SCRAM-SHA-256", "ann", "x", lambda: "c0"),
    lambda c: c.authenticate("LOGIN", "ann", "x"),
    lambda c: c.starttls(),
    lambda c: c.command("QUIT"),
]


def asked(stream: bytes, sizes: list[int], calls):
    client = POP3Client()
    for call in calls:
        call(client)
    return hear(client, stream, sizes)


@quick
@given(streams(ANSWERS), cuts, st.lists(st.sampled_from(CALLS), max_size=5))
def test_the_client_never_raises_whatever_the_server_says(stream, sizes, calls):
    opened = b"+OK hi\r\n" + stream
    whole, said = asked(opened, [1_000_000], calls)
    pieces, said_in_pieces = asked(opened, sizes, calls)
    assert pieces == whole
    assert said_in_pieces == said
    assert re.fullmatch(rb"(?:[ -~]*\r\n)*", said)


HEADERS = [
    "From: Zoë <zoë@x.org>",
    "To: a@b, ü <",
    "Subject: ü",
    "X: ü",
    " ü",
    "ü",
    "A",
]


@quick
@given(st.lists(st.sampled_from(HEADERS) | st.text(max_size=12), max_size=6))
def test_a_surrogate_has_an_ascii_header_or_is_the_message(rows):
    letter = ("\r\n".join(rows) + "\r\n\r\nbody ü\r\n").encode("utf-8", "replace")
    made = surrogate(letter)
    assert not has_utf8_header(made)
    assert made.endswith(letter[-8:])
