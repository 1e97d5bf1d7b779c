"""What must hold for every possible client of the SMTP and POP3 servers.

An engine never raises. How TCP cuts the stream does not matter. All that is said is
grammatical.
"""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maillab.errors import LocalProtocolError
from maillab.protocol.engine import StartTLS
from maillab.protocol.smtp_client import SMTPClient
from maillab.wire.smtp import Envelope
from maillab.wire.smtp_path import Address
from tests import pop3_player, smtp_player

# RFC 5321 §4.2, §4.5.3.1.5 and RFC 2034 §4
SMTP_LINE = rb"[2-5][0-5][0-9][ -][\t -~\x80-\xff]{0,507}\r\n"
SMTP_REPLY = re.compile(
    rb"(?:(?P<code>[2-5][0-5][0-9])-[\t -~\x80-\xff]{0,506}\r\n(?=(?P=code)))*"
    + SMTP_LINE
)
CODED = re.compile(
    rb"(?:220 mx|250[ -](?![245]\.\d)|354 |334 |([245])\d\d[ -]\1\.\d+\.\d+ )"
)
KINDS = ["smtp", "lmtp", "vulnerable", "plain"]
POP3_LINE = re.compile(rb"(?:\+OK|-ERR)(?: [ -~]*)?\r\n|\+ [A-Za-z0-9+/=]*\r\n")

SMTP_WORDS = [
    b"EHLO x",
    b"HELO x",
    b"MAIL FROM:<a@example.org>",
    b"MAIL FROM:<a@b> SIZE=",
    b"RCPT TO:<ann@example.org>",
    b"RCPT TO:<carol@example.org>",
    b"DATA",
    b".",
    b"..",
    b"RSET",
    b"NOOP",
    b"VRFY ann",
    b"HELP",
    b"EXPN x",
    b"AUTH PLAIN",
    b"AUTH PLAIN AGFubgBzZWNyZXQ=",
    b"AUTH LOGIN",
    b"AUTH CRAM-MD5",
    b"AUTH SCRAM-SHA-256 biwsbj1hbm4scj1jMA==",
    b"AUTH SCRAM-SHA-256",
    b"YW5u",
    b"biwsbj1qw7ZyZyxyPWMw",
    b"*",
    b"=",
    b"STARTTLS",
    b"LHLO x",
    b"MAIL FROM:<a@b> SMTPUTF8 BODY=BINARYMIME RET=FULL ENVID=x+2B",
    "MAIL FROM:<jörg@exämple.org> SMTPUTF8".encode(),
    b"MAIL FROM:<a@b> HOLDFOR=5 BY=9;R MT-PRIORITY=1 AUTH=<>",
    "RCPT TO:<jörg@example.org>".encode(),
    b"RCPT TO:<bob@example.org> NOTIFY=NEVER ORCPT=rfc822;bob",
    b"BDAT 3",
    b"BDAT 0 LAST",
    b"BDAT 12 LAST",
    b"BDAT 99999 LAST",
    b"BDAT x",
    b"EXPN team SMTPUTF8",
    "VRFY jörg SMTPUTF8".encode(),
    b"HELP BDAT",
    b"ETRN @waiting.example",
    b"XCLIENT ADDR=192.0.2.1 HELO=x",
    b"QUIT",
    b"\r",
    b"\n",
    b"x" * 1001,
    b"y" * 13_000,
]
POP3_WORDS = [
    b"USER ann",
    b"PASS secret",
    b"PASS \xff",
    b"AUTH PLAIN",
    b"AUTH LOGIN",
    b"AGFubgBzZWNyZXQ=",
    b"YW5u",
    b"c2VjcmV0",
    b"*",
    b"STAT",
    b"LIST",
    b"LIST 1",
    b"RETR 2",
    b"RETR 3",
    b"DELE 1",
    b"RSET",
    b"NOOP",
    b"TOP 1 1",
    b"UIDL",
    b"CAPA",
    b"STLS",
    b"QUIT",
    b"\r",
    b"\n",
    b"x" * 300,
    b"y" * 13_000,
]


def streams(words: list[bytes], opening: bytes) -> st.SearchStrategy[bytes]:
    word = st.sampled_from(words)
    odd = st.tuples(word, st.binary(max_size=4)).map(b"".join)
    line = word | word | odd | st.binary(max_size=8)
    lines = st.lists(line, max_size=25).map(lambda some: b"\r\n".join([*some, b""]))
    return lines | lines.map(opening.__add__)


SMTP_OPENING = b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<ann@example.org>\r\n"
smtp_streams = streams(SMTP_WORDS, SMTP_OPENING)
pop3_streams = streams(POP3_WORDS, b"USER ann\r\nPASS secret\r\n")
cuts = st.lists(st.integers(1, 40), min_size=1, max_size=8)
quick = settings(derandomize=True, max_examples=120, deadline=None)


def converse(player, stream: bytes, sizes: list[int], **options: str):
    """Say the stream in pieces of these sizes; return the answers and the server."""
    session = player.new_session(**options)
    said = session.greeting(1)
    at = turn = 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        said += session.hear(1, stream[at : at + size])
        at, turn = at + size, turn + 1
    return said, session.servers[1]


def hear(client, stream: bytes, sizes: list[int]) -> tuple[list[object], bytes]:
    """Let a client hear the stream in pieces. Returns its events and its octets.

    TLS ends it: what follows would be no plain text.
    """
    events: list[object] = []
    said = b""
    at = turn = 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        client.receive(stream[at : at + size])
        at, turn = at + size, turn + 1
        while event := client.next_event():
            events.append(event)
            if isinstance(event, StartTLS):
                return events, said + client.data_to_send()
        said += client.data_to_send()
    return events, said


def smtp(stream: bytes, sizes: list[int], kind: str = "smtp"):
    options = {"auth_needs_tls": "no", "starttls": "yes", "max_size": "2000"}
    options["mechanisms"] = "PLAIN,LOGIN,CRAM-MD5,SCRAM-SHA-256"
    options["extensions"] = "more"
    match kind:
        case "lmtp":
            options["lmtp"] = "yes"
            stream = stream.replace(b"EHLO", b"LHLO")
        case "vulnerable":
            options["smuggling"] = "vulnerable"
            options |= {"max_session_size": "40", "max_messages": "3"}
        case "plain":
            del options["extensions"]
    return converse(smtp_player, stream, sizes, **options)


def pop3(stream: bytes, sizes: list[int]):
    return converse(pop3_player, stream, sizes, starttls="yes")


@quick
@given(smtp_streams, st.sampled_from(KINDS))
def test_every_smtp_answer_is_a_well_formed_reply(stream, kind):
    said, server = smtp(stream, [1_000_000], kind)
    assert SMTP_REPLY.sub(b"", said) == b""
    assert all(CODED.match(line) for line in said.splitlines(keepends=True))
    assert all(spoken.ref for spoken in server.lines_spoken())


@quick
@given(smtp_streams, cuts, st.sampled_from(KINDS))
def test_how_tcp_cuts_an_smtp_stream_does_not_matter(stream, sizes, kind):
    whole, _ = smtp(stream, [1_000_000], kind)
    assert smtp(stream, sizes, kind)[0] == whole


@quick
@given(smtp_streams, cuts, st.sampled_from(KINDS))
def test_the_record_of_an_smtp_session_is_its_stream(stream, sizes, kind):
    said, server = smtp(stream, sizes, kind)
    spoken = server.lines_spoken()
    assert b"".join(s.octets for s in spoken if s.speaker == "S") == said
    heard = b"".join(s.octets for s in spoken if s.speaker == "C")
    sent = stream.replace(b"EHLO", b"LHLO") if kind == "lmtp" else stream
    if all(len(line) < 12_000 for line in sent.split(b"\r\n")):  # such are dropped
        assert sent.startswith(heard)


@quick
@given(st.binary(max_size=300), cuts)
def test_binary_noise_is_answered_by_smtp_or_ends_it(noise, sizes):
    said, server = smtp(noise + b"\r\nNOOP\r\n", sizes)
    assert SMTP_REPLY.sub(b"", said) == b""
    assert server.closed or said.endswith(b"250 2.0.0 Nothing done\r\n")


def without_bodies(said: bytes) -> bytes:
    """Take out the multi-line answers: they end with a dot (RFC 1939 §3)."""
    many = (
        rb"(\+OK (?:\d+ octets|\d+ messages.*|Top of message|Capabilities follow)\r\n)"
    )
    return re.sub(many + rb"(?:[^\r\n]*\r\n)*?\.\r\n", rb"\1", said)


@quick
@given(pop3_streams)
def test_every_pop3_answer_is_a_well_formed_reply(stream):
    said, server = pop3(stream, [1_000_000])
    assert POP3_LINE.sub(b"", without_bodies(said)) == b""
    assert all(spoken.ref for spoken in server.lines_spoken())


@quick
@given(pop3_streams, cuts)
def test_how_tcp_cuts_a_pop3_stream_does_not_matter(stream, sizes):
    whole, _ = pop3(stream, [1_000_000])
    assert pop3(stream, sizes)[0] == whole


@quick
@given(st.binary(max_size=300), cuts)
def test_binary_noise_is_answered_by_pop3_or_ends_it(noise, sizes):
    said, server = pop3(noise + b"\r\nCAPA\r\n", sizes)
    assert server.closed or said.endswith(b"\r\n.\r\n")


@pytest.mark.parametrize("converse_with", [smtp, pop3])
def test_the_record_has_the_octets_of_both_sides_in_order(converse_with):
    stream = b"NOOP\r\nQUIT\r\n"
    said, server = converse_with(stream, [3])
    spoken = server.lines_spoken()
    assert b"".join(s.octets for s in spoken if s.speaker == "C") == stream
    assert b"".join(s.octets for s in spoken if s.speaker == "S") == said


# Clients -----------------------------------------------------------------------------

ANSWERS = [
    b"220 x",
    b"250 ok",
    b"250-x",
    b"250 CHUNKING",
    b"250-PIPELINING",
    b"250-LIMITS RCPTMAX=1 MAILMAX=x",
    b"250-BINARYMIME",
    b"250-SMTPUTF8",
    b"250 AUTH SCRAM-SHA-256 CRAM-MD5",
    b"354 go",
    b"334 ",
    b"334 AAAA",
    b"334 cj1vdXJzMSxzPWMyRnNkQT09LGk9NDA5Ng==",
    b"235 ok",
    b"450 4.2.0 later",
    b"550 no",
    b"421 bye",
    b"999",
    b"\xff",
]
LETTER = b"Content-Transfer-Encoding: binary\r\n\r\na\nb\0\xff"


def hear_as_client(stream: bytes, sizes: list[int], lmtp: bool) -> bytes:
    """What our client says to a server that says this, whatever it was asked."""
    client = SMTPClient(lmtp=lmtp, nonce=lambda: "ours")
    said = b""
    at = turn = 0
    client.ehlo("c.example")
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        client.receive(stream[at : at + size])
        at, turn = at + size, turn + 1
        while client.next_event():
            pass
        said += client.data_to_send()
        go_on(client, turn)
        said += client.data_to_send()
    return said


def go_on(client: SMTPClient, turn: int) -> None:
    """Want something more, if that is possible now."""
    joerg = Address("j\xf6rg", "example.org")
    try:
        if turn % 3 == 0 and client.greeted:
            client.send(Envelope(joerg, (Address("a", "b"), joerg)), LETTER)
        elif turn % 3 == 1 and client.mechanisms:
            client.login(client.mechanisms[-1], "ann", "secret")
    except LocalProtocolError:
        pass  # the session is over, or another message is under way


@quick
@given(st.lists(st.sampled_from(ANSWERS), max_size=30), cuts, st.booleans())
def test_no_server_makes_our_client_fail(answers, sizes, lmtp):
    stream = b"220 x\r\n" + b"".join(answer + b"\r\n" for answer in answers)
    said = hear_as_client(stream, sizes, lmtp)
    assert said.startswith(b"LHLO" if lmtp else b"EHLO") or not said
