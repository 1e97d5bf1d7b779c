"""SMTP smuggling (CVE-2023-51764, CVE-2023-51765, CVE-2023-51766), in both directions.

One host ends mail data at other octets than the next one. What it took for text, the
next one takes for commands: a second message, from whomever the author liked.
"""

import pytest

from maillab.protocol.smtp_client import SMTPClient
from maillab.protocol.smtp_client_plan import Wishes
from maillab.protocol.smtp_server import SMTPServer
from maillab.protocol.smtp_server_limits import ALL_EXTENSIONS
from maillab.wire.smtp import Envelope
from maillab.wire.smtp_path import Address
from tests.test_smtp_client import Line
from tests.test_smtp_server import server, tell

OPEN = b"EHLO c.example\r\nMAIL FROM:<z@c.example>\r\nRCPT TO:<ann@example.org>\r\n"
SECOND = (
    b"MAIL FROM:<admin@example.org>\r\nRCPT TO:<bob@example.org>\r\n"
    b"DATA\r\nSubject: send me your password\r\n\r\nNow.\r\n"
)
END = b"\r\n.\r\n"
ZOE, ANN = Address("zoe", "example.net"), Address("ann", "example.org")

LINE_ENDS = (b"\r\n", b"\n", b"\r")
# What a server of the bad times took for the end, and never was: RFC 5321 §4.1.1.4.
ENDS = [
    before + nul + b"." + after
    for before in LINE_ENDS
    for nul in (b"", b"\0")
    for after in LINE_ENDS
    if (before, nul, after) != (b"\r\n", b"", b"\r\n")
]
# What even those servers did not take for the end.
HARMLESS = [
    b"\r\n. \r\n",
    b"\r\n.\0\r\n",
    b"\r\n..\r\n",
    b"\n..\n",
    b"\r\n\t.\r\n",
    b"\n .\n",
    b"\x0b.\x0b",
    b"\x0c.\r\n",
    b"\x85.\x85",
    b"\xe2\x80\xa8.\xe2\x80\xa8",
    b".\r\n",
    b".\n",
    b"\r\n.",
]
# The same ends with something around them, as the papers had it.
VARIANTS = [
    *ENDS,
    b"\r\r\n.\r\r\n",
    b"\n\n.\n",
    b"\r\n\n.\r\n",
    b"\r\n\r.\r\n",
    b"\n\r\n.\n",
    b"\r\n.\r\r\n",
    b"\r\r.\r",
]
cuts = pytest.mark.parametrize("size", [0, 1, 2, 3, 7])


def pieces(stream: bytes, size: int) -> list[bytes]:
    step = size or len(stream)
    return [stream[at : at + step] for at in range(0, len(stream), step)]


def messages(engine: SMTPServer, stream: bytes, size: int) -> list[bytes]:
    """The contents that the server asks about, from a stream in pieces."""
    found = [
        message for piece in pieces(stream, size) for message in tell(engine, piece)
    ]
    return [message.content for message in found]


def by_data(content: bytes) -> bytes:
    return OPEN + b"DATA\r\n" + content + END


@cuts
@pytest.mark.parametrize("end", [*VARIANTS, *HARMLESS], ids=repr)
def test_a_strict_server_takes_no_second_message(end, size):
    stream = by_data(b"Subject: x\r\n\r\nHi" + end + SECOND)
    engine = server()
    assert len(messages(engine, stream, size)) <= 1
    assert b"admin@" not in engine.data_to_send()
    assert str(engine.envelope.reverse_path) == ""


@cuts
@pytest.mark.parametrize("end", [*VARIANTS, *HARMLESS], ids=repr)
def test_a_server_that_keeps_bare_line_ends_takes_exactly_one_message(end, size):
    content = b"Subject: x\r\n\r\nHi" + end + SECOND
    [taken] = messages(server(bare_lf="keep"), by_data(content), size)
    assert taken == (b"\r\n" + content).replace(b"\r\n.", b"\r\n")[2:] + b"\r\n"


@cuts
@pytest.mark.parametrize("end", VARIANTS, ids=repr)
def test_a_vulnerable_server_takes_two_messages(end, size):
    stream = by_data(b"Subject: x\r\n\r\nHi" + end + SECOND)
    taken = messages(server(smuggling="vulnerable"), stream, size)
    assert len(taken) == 2
    assert b"password" in taken[1]
    assert b"password" not in taken[0]


@pytest.mark.parametrize("end", HARMLESS, ids=repr)
def test_what_is_no_end_of_any_kind_is_none_for_a_vulnerable_server(end):
    stream = by_data(b"Subject: x\r\n\r\nHi" + end + SECOND)
    assert len(messages(server(smuggling="vulnerable"), stream, 1)) == 1


@pytest.mark.parametrize("end", VARIANTS, ids=repr)
@pytest.mark.parametrize("smuggling", ["strict", "vulnerable"])
def test_a_chunk_has_no_end_but_its_size(end, smuggling):
    content = b"Subject: x\r\n\r\nHi" + end + SECOND
    stream = OPEN + b"BDAT %d LAST\r\n%b" % (len(content), content)
    options = {"extensions": ALL_EXTENSIONS, "bare_lf": "keep"}
    taken = messages(server(smuggling=smuggling, **options), stream, 3)
    assert taken == [content]


@cuts
def test_what_is_pipelined_behind_the_true_end_is_a_second_message(size):
    stream = by_data(b"Subject: one") + SECOND + b".\r\n"
    assert len(messages(server(), stream, size)) == 2


def test_the_first_line_may_be_the_end():
    assert messages(server(), OPEN + b"DATA\r\n.\r\n", 0) == [b""]
    assert messages(server(smuggling="vulnerable"), OPEN + b"DATA\r\n.\n", 0) == [b""]


# Our client to a vulnerable server --------------------------------------------------


def relay(content: bytes, stuffing: str, **options) -> list[bytes]:
    """What a vulnerable server takes from our client, which was given `content`."""
    client = SMTPClient(wishes=Wishes(stuffing=stuffing))
    engine = server(smuggling="vulnerable", **options)
    talk = Line(client, engine)
    client.ehlo("c.example")
    talk.run()
    client.send(Envelope(ZOE, (ANN,)), content)
    talk.run()
    return [message.content for message in talk.messages]


def has_bare_beginning(end: bytes) -> bool:
    """Dots behind CRLF are stuffed by everybody."""
    return not end.startswith((b"\r\n.", b"\r\n\0."))


# A NUL before the dot is the next server's mistake: nothing is wrong with such text.
WITHOUT_NUL = [end for end in VARIANTS if b"\0" not in end]


@pytest.mark.parametrize("end", WITHOUT_NUL, ids=repr)
def test_a_strict_client_smuggles_nothing(end):
    taken = relay(b"Subject: x\r\n\r\nHi" + end + SECOND + b"\r\n.\r\n", "strict")
    assert len(taken) == 1
    assert b"password" in taken[0]


@pytest.mark.parametrize("end", [*filter(has_bare_beginning, ENDS)], ids=repr)
def test_a_client_that_sends_bare_line_ends_smuggles(end):
    taken = relay(b"Subject: x\r\n\r\nHi" + end + SECOND + b"\n.\n", "vulnerable")
    assert len(taken) == 2


def test_there_are_enough_variants():
    assert len(set(VARIANTS) | set(HARMLESS)) >= 30
