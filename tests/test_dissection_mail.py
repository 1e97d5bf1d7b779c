"""Lines and messages taken apart; secrets stay masked."""

from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maillab.trace import Trace
from maillab.trace.dissect.dissection import Dissection, dissect_line, dissect_message
from maillab.trace.lines import Line
from maillab.trace.sample import MS, Talk

CLIENT = "alpha.example"


def line(
    octets: bytes, protocol: str = "SMTP", what: str = "command", **more: object
) -> Line:
    facts = {"secret": (), "secure": False, "ref": "", "why": ""} | more
    speaker = "S" if what == "reply" else "C"
    times = {"sent_ns": 0, "arrived_ns": 1, "number": 1}
    return Line(speaker, 0, octets, what, protocol=protocol, **facts, **times)  # type: ignore[arg-type]


def parts(found: Dissection) -> list[tuple[str, str]]:
    return [(r.name, r.value) for r in found.ranges if r.level == 1][:-1]


COMMANDS = {
    ("SMTP", "MAIL FROM:<zoe@x.example> SIZE=9 BODY=8BITMIME"): [
        ("command", "MAIL"),
        ("keyword", "FROM:"),
        ("reverse_path", "<zoe@x.example>"),
        ("parameter", "SIZE=9"),
        ("parameter", "BODY=8BITMIME"),
    ],
    ("SMTP", "rcpt to:<bob@beta.example>"): [
        ("command", "rcpt"),
        ("keyword", "to:"),
        ("forward_path", "<bob@beta.example>"),
    ],
    ("SMTP", "EHLO alpha.example"): [("command", "EHLO"), ("argument", CLIENT)],
    ("SMTP", "QUIT"): [("command", "QUIT")],
    ("LMTP", "LHLO me"): [("command", "LHLO"), ("argument", "me")],
    ("POP3", "TOP 3 10"): [("command", "TOP"), ("argument", "3"), ("argument", "10")],
    ("POP3", "PASS two words"): [("command", "PASS"), ("argument", "two words")],
    ("IMAP", "a1 UID FETCH 1:* (FLAGS)"): [
        ("tag", "a1"),
        ("command", "UID"),
        ("command", "FETCH"),
        ("arguments", "1:* (FLAGS)"),
    ],
    ("SMTP", ""): [],
    ("SMTP", "  odd one"): [("argument", "odd one")],
}
REPLIES = {
    ("SMTP", "250-SIZE 1000"): [
        ("code", "250"),
        ("separator", "more lines follow"),
        ("text", "SIZE 1000"),
    ],
    ("SMTP", "550 5.1.1 No such user"): [
        ("code", "550"),
        ("separator", "the last line"),
        ("enhanced code", "5.1.1"),
        ("text", "No such user"),
    ],
    ("POP3", "-ERR [AUTH] No"): [
        ("status", "-ERR"),
        ("response code", "[AUTH]"),
        ("text", "No"),
    ],
    ("IMAP", "* 3 EXISTS"): [("tag", "*"), ("number", "3"), ("response", "EXISTS")],
    ("IMAP", "a1 NO [AUTHENTICATIONFAILED] No"): [
        ("tag", "a1"),
        ("status", "NO"),
        ("response code", "[AUTHENTICATIONFAILED]"),
        ("text", "No"),
    ],
    ("IMAP", "+ go on"): [("tag", "+"), ("text", "go on")],
    ("SMTP", "garbage"): [("text", "garbage")],
}


@pytest.mark.parametrize(("protocol", "text"), COMMANDS)
def test_a_command_is_cut_into_words(protocol: str, text: str) -> None:
    found = line(text.encode() + b"\r\n", protocol).dissect()
    assert parts(found) == COMMANDS[protocol, text]
    assert found.ranges[-1].name == "end of line"


@pytest.mark.parametrize(("protocol", "text"), REPLIES)
def test_a_reply_is_cut_into_words(protocol: str, text: str) -> None:
    found = line(text.encode() + b"\r\n", protocol, "reply").dissect()
    assert parts(found) == REPLIES[protocol, text]


def test_each_row_of_a_long_reply_is_a_reply() -> None:
    found = line(b"250-mx\r\n250-SIZE 10\r\n250 HELP\r\n", what="reply").dissect()
    assert [r.value for r in found.all("text")] == ["mx", "SIZE 10", "HELP"]
    assert [r.value for r in found.all("code")] == ["250"] * 3


def test_a_word_has_the_section_that_defines_it() -> None:
    found = line(b"MAIL FROM:<>\r\n").dissect()
    assert found.find("command").ref == "RFC 5321 §4.1.1.2"
    assert found.find("reverse_path").value == "<>"
    found = line(b"a SELECT x\r\n", "IMAP").dissect()
    assert found.find("command").ref == "RFC 9051 §6.3.2"


@settings(max_examples=50)
@given(
    st.binary(max_size=60).map(lambda b: b.replace(b"\r\n", b"")),
    st.sampled_from(["SMTP", "POP3", "IMAP", "LMTP", "HTTP", ""]),
    st.sampled_from(["command", "reply", "continuation", "noise", "content"]),
)
def test_any_line_can_be_taken_apart(octets: bytes, protocol: str, what: str) -> None:
    found = dissect_line(line(octets + b"\r\n", protocol, what))
    assert found.text()
    ends = [r.end for r in found.ranges]
    assert max(ends) == len(octets) + 2


# Secrets ------------------------------------------------------------------------------

SECRET = b"hunter2"


def views(found: Dissection) -> Iterator[str]:
    yield found.text()
    yield found.html()
    yield repr(found)
    yield found.describe()


def is_shown(found: Dissection) -> bool:
    texts = "".join(views(found))
    hexed = SECRET.hex(" ")
    plain = SECRET.decode() in texts or hexed in texts
    return plain or any(SECRET.decode() in r.value for r in found.ranges)


def test_a_secret_is_masked_in_words_and_in_the_dump() -> None:
    said = line(b"PASS " + SECRET + b"\r\n", "POP3", secret=((5, 12),))
    found = said.dissect()
    assert not is_shown(found)
    assert found.find("argument").value == "********"
    assert "50 41 53 53 20 ** **" in found.text()
    assert found.find("argument").secret


def test_a_secret_is_shown_when_asked_for() -> None:
    said = line(b"PASS " + SECRET + b"\r\n", "POP3", secret=((5, 12),))
    shown = said.dissect().shown(secrets=True)
    assert SECRET.decode() in shown.text()
    assert SECRET.hex(" ") in shown.text()
    assert not is_shown(shown.shown())


def login(protocol: str = "POP3", *bursts: tuple[str, bytes]) -> Trace:
    """Two foreign programs: nobody says what is a secret."""
    trace = Trace(strict=True)
    talk = Talk(
        trace, port={"POP3": 110, "SMTP": 25, "IMAP": 143}[protocol], engines=""
    )
    talk.connect()
    for side, data in bursts:
        talk.burst(side, data)  # type: ignore[arg-type]
        talk.now += 100 * MS
    return trace


SESSIONS = {
    "a password": ("POP3", ("S", b"+OK\r\n"), ("C", b"PASS hunter2\r\n")),
    "half a line": ("POP3", ("S", b"+OK\r\n"), ("C", b"PASS hunter2")),
    "in two pieces": (
        "POP3",
        ("S", b"+OK\r\n"),
        ("C", b"PAS"),
        ("C", b"S hunter2\r\n"),
    ),
    "cut in the middle": (
        "IMAP",
        ("S", b"* OK x\r\n"),
        ("C", b"a LOGIN joe "),
        ("C", b"hunter2\r\n"),
    ),
    "a response": (
        "SMTP",
        ("S", b"220 x\r\n"),
        ("C", b"AUTH LOGIN\r\n"),
        ("S", b"334 \r\n"),
        ("C", b"hunter2\r\n"),
    ),
}


@pytest.mark.parametrize("what", SESSIONS)
def test_no_packet_and_no_row_shows_a_secret(what: str) -> None:
    trace = login(SESSIONS[what][0], *SESSIONS[what][1:])
    capture = trace.capture(CLIENT, link="ethernet")
    numbers = range(1, len(capture.packets) + 1)
    assert not any(is_shown(capture.dissect(n)) for n in numbers)
    assert SECRET.decode() not in capture.listing().text() + capture.listing().html()
    sent = b"".join(p.data for p in capture.packets)
    shown = "".join(capture.dissect(n).shown(secrets=True).text() for n in numbers)
    assert SECRET in sent
    assert "hunter2" in shown


# In packets ---------------------------------------------------------------------------


def test_lines_of_one_packet_are_told_apart() -> None:
    trace = login("SMTP", ("S", b"220 x\r\n"), ("C", b"EHLO a\r\nNOOP\r\n"))
    capture = trace.capture(CLIENT)
    found = next(
        d for d in map(capture.dissect, range(1, 9)) if list(d.all("SMTP command"))
    )
    shown = [r.value for r in found.all("SMTP command")]
    assert shown == ["client: EHLO a", "client: NOOP"]


def test_content_is_content_even_if_it_looks_like_a_command() -> None:
    bursts = [
        ("S", b"220 x\r\n"),
        ("C", b"DATA\r\n"),
        ("S", b"354 go\r\n"),
        ("C", b"RSET\r\nQUIT\r\n.\r\n"),
    ]
    capture = login("SMTP", *bursts).capture(CLIENT)
    last = max(n for n, p in enumerate(capture.packets, 1) if b"RSET" in p.data)
    names = {r.name for r in capture.dissect(last).ranges if r.level == 0}
    assert "SMTP content" in names
    assert "SMTP command" not in names


def test_a_packet_that_was_sent_again_is_explained_again() -> None:
    trace = login("SMTP", ("S", b"220 x\r\n"))
    first = next(e for e in trace if e.kind == "bytes")
    trace.emit("bytes", first.host, "c1", 10**9, **(first.facts | {"latency": 1}))
    capture = trace.capture("mx.beta.example")
    again = [n for n, p in enumerate(capture.packets, 1) if b"220 x" in p.data]
    assert len(again) == 2
    values = [capture.dissect(n).find("SMTP reply").value for n in again]
    assert values == ["server: 220 x"] * 2


# Messages -----------------------------------------------------------------------------


def letter_with_parts() -> bytes:
    message = EmailMessage()
    message["From"], message["Subject"] = "ann@alpha.example", "Parts"
    message.set_content("Grüße\n")
    message.add_attachment(b"\0\1\2" * 30, maintype="image", subtype="png")
    inner = EmailMessage()
    inner["Subject"] = "inside"
    inner.set_content("x")
    message.add_attachment(inner)
    return message.as_bytes().replace(b"\n", b"\r\n")


def test_a_message_is_cut_into_fields_and_parts() -> None:
    octets = letter_with_parts()
    found = dissect_message(octets)
    assert found.find("From field").value == "ann@alpha.example"
    assert found.find("From field").ref == "RFC 5322 §3.6.2"
    kinds = [r.value.split(",")[0] for r in found.ranges if r.name.startswith("part")]
    assert kinds == ["text/plain", "image/png", "message/rfc822"]
    assert [r.value for r in found.all("Subject field")] == ["Parts", "inside"]
    assert "90 octets plain" in found.text()
    picture = next(r for r in found.ranges if r.value.startswith("image/png"))
    assert octets[picture.start :].startswith(b"Content-Type: image/png")


def test_the_ranges_of_a_message_cover_it() -> None:
    octets = letter_with_parts()
    found = dissect_message(octets)
    leaves = [r for r in found.ranges if r.size]
    covered = {at for r in leaves if r.level for at in range(r.start, r.end)}
    assert covered == set(range(len(octets)))
    starts = [r.start for r in leaves]
    assert starts == sorted(starts)


PIECES = b"--b|--b--|\r\n|\r\n\r\n|Content-Type: multipart/x;| boundary=b|text|\n|\0"


@settings(max_examples=50)
@given(st.lists(st.sampled_from(PIECES.split(b"|")), max_size=30))
def test_any_octets_are_some_message(pieces: list[bytes]) -> None:
    octets = b"".join(pieces)
    found = dissect_message(octets)
    assert all(0 <= r.start <= r.end <= len(octets) for r in found.ranges)
    assert max((r.end for r in found.ranges), default=0) == len(octets)
    assert found.text()


def test_a_bomb_of_parts_is_not_taken_apart_for_ever() -> None:
    head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    bomb = head + b"--b\r\n\r\nx\r\n" * 20_000
    found = dissect_message(bomb)
    assert len(found.ranges) < 10_000
    deep = b"".join(b"Content-Type: message/rfc822\r\n\r\n" for _ in range(3000))
    assert len(dissect_message(deep).ranges) < 10_000
