"""What two foreign programs said, as far as one can know from outside."""

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maillab import open_world
from maillab.trace import Trace
from tests.tls_talk import Wiretap, alike, said
from tests.worlds import plain_world

BOB = "bob@beta.example"
ENGINES = ("line", "tls", "tls_failed")


def heard(port, *rows):
    """What is heard of a script; commands, replies and so on in short."""
    tap = Wiretap(port)
    tap.script(*rows)
    return tap.session()


def words(session, side="C"):
    """What each line of a side is."""
    return [line.what for line in session.lines if line.speaker == side]


# Beside our engines -------------------------------------------------------------------


def without(trace, *kinds):
    """The same trace, as if nobody had noted these events."""
    kept = [event for event in trace if event.kind not in kinds]
    return Trace(epoch_ns=trace.epoch_ns, recorded=kept)


def live_a_day(world):
    world.send("alice", BOB, "Hello", "How are you?\n.\n..\nMAIL FROM:<x@y>\n")
    world.send("alice", BOB, "Large", "A line of some length.\n" * 3000)
    world.send("alice", "nobody@beta.example", "Anybody?")
    world.read("bob", "POP3")
    world.read("bob", "IMAP")
    with world.console("bob-pc", "mx.beta.example", 143) as console:
        console.say("a LOGIN bob {6}")
        console.say("sponge b NOOP")
        console.say("c IDLE")
        console.say("DONE")
        console.say("d LOGIN bob sponge")
        console.say("e LOGOUT")


@pytest.fixture(scope="module", params=["plain", "TLS"])
def day(request):
    opened = plain_world() if request.param == "plain" else open_world("two-domains")
    with opened as world:
        live_a_day(world)
        yield world.trace


def test_from_outside_one_hears_what_the_engines_told(day):
    bare = without(day, *ENGINES)
    assert len(day.sessions) > 7
    for told, overheard in zip(day.sessions, bare.sessions, strict=True):
        assert alike(overheard) == alike(told)
        assert overheard.tls == told.tls or overheard.tls.names
        assert str(overheard.tls) == str(told.tls)
        assert overheard.opened is None or overheard.opened.why == ""


def test_from_outside_one_hears_it_at_the_same_time(day):
    bare = without(day, *ENGINES)
    for told, overheard in zip(day.sessions, bare.sessions, strict=True):
        times = {(n.speaker, n.offset): n.sent_ns for n in told.lines if n.octets}
        found = {(n.speaker, n.offset): n.sent_ns for n in overheard.lines}
        both = times.keys() & found.keys()
        assert len(both) > len(times) // 2
        # An engine inside TLS has said it before TCP had the room to send it.
        assert all(times[place] <= found[place] for place in both)
        if told.tls is None:
            assert all(times[place] == found[place] for place in both)


def test_no_secret_is_told_from_outside(day):
    text = "".join(s.transcript().text() for s in without(day, *ENGINES).sessions)
    assert "********" in text
    for secret in ("rabbit-hole", "sponge"):
        assert secret not in text


# SMTP ---------------------------------------------------------------------------------


def test_content_that_did_not_wait_for_354_is_content():
    rows = ["C: DATA", "C: AUTH", "C: .", "C: QUIT", "S: 354 go on", "S: 250", "S: 221"]
    session = heard(25, "S: 220 mx", *rows)
    assert words(session) == ["command", "content", "command"]


def test_what_follows_a_refused_data_is_commands():
    rows = ["C: RCPT TO:<a>", "C: DATA", "S: 550 no", "S: 554 no", "C: QUIT", "S: 221"]
    assert words(heard(25, "S: 220 mx", *rows)) == ["command"] * 3


def test_a_refused_recipient_before_the_354_changes_nothing():
    rows = ["C: RCPT TO:<a>", "C: RCPT TO:<b>", "C: DATA", "C: hi", "C: .", "C: QUIT"]
    replies = ["S: 550 no", "S: 250 ok", "S: 354 go", "S: 250 ok", "S: 221 bye"]
    session = heard(25, "S: 220 mx", *rows, *replies)
    assert words(session) == ["command"] * 3 + ["content", "command"]


def test_each_recipient_of_lmtp_has_its_answer():
    rows = ["C: MAIL FROM:<a>", "C: DATA", "C: AUTH", "C: .", "C: QUIT"]
    second = ["S: 250 b has it", "S: 250 c has it", "S: 250 a", "S: 354 go", "S: 250"]
    first = ["C: DATA", "S: 354 go", "C: hi", "C: ."]
    session = heard(24, "S: 220 mx", *first, *rows, *second, "S: 221 bye")
    assert words(session)[2:] == ["command", "command", "content", "command"]


def test_chunks_are_content_whatever_is_in_them():
    tap = Wiretap(25)
    tap.script("S: 220 mx", "C: EHLO a", "S: 250 mx")
    tap.put("C", b"BDAT 13\r\nQUIT\r\nAUTH ab")
    tap.put("C", b"BDAT 3 LAST\r\n\x16\x03\x01QUIT\r\n")
    tap.script("S: 250 ok", "S: 250 ok", "S: 221 bye")
    lines = [line for line in tap.session().lines if line.speaker == "C"]
    contents = [line.octets for line in lines if line.what == "content"]
    assert contents == [b"QUIT\r\nAUTH ab", b"\x16\x03\x01"]
    assert lines[-1].octets == b"QUIT\r\n"


@pytest.mark.parametrize(
    "rows",
    [
        ["C: AUTH PLAIN c2VjcmV0", "S: 235 ok"],
        ["C: AUTH LOGIN", "S: 334 ", "C: c2VjcmV0", "S: 334 ", "C: c2VjcmV0", "S: 235"],
        ["C: AUTH LOGIN", "C: c2VjcmV0", "C: c2VjcmV0", "S: 334 ", "S: 334 ", "S: 235"],
        ["C: AUTH LOGIN", "C: c2VjcmV0", "S: 504 no"],
        ["C: AUTH LOGIN", "C: c2VjcmV0"],
        ["S: 334 ", "C: c2VjcmV0"],
    ],
)
def test_what_a_client_says_to_log_in_is_secret(rows):
    session = heard(587, "S: 220 mx", "C: EHLO a", "S: 250 mx", *rows)
    text = session.transcript().text()
    assert "c2VjcmV0" not in text
    assert "EHLO a" in text


def test_commands_behind_a_login_are_no_secret():
    rows = ["C: AUTH PLAIN c2VjcmV0", "C: MAIL FROM:<a@b>", "S: 235 ok", "S: 250 ok"]
    session = heard(587, "S: 220 mx", *rows)
    assert said(session)[1:3] == ["C: AUTH PLAIN ********", "C: MAIL FROM:<a@b>"]


def test_what_was_injected_behind_starttls_is_noise(tmp_path):
    tap = Wiretap(25)
    tap.script("S: 220 mx", "C: EHLO a", "S: 250 STARTTLS")
    tap.script("C: STARTTLS", "C: RSET", "S: 220 go ahead")
    tap.put("C", b"MAIL FROM")
    keys = tap.start_tls(tmp_path)
    tap.script("C: EHLO b", "S: 250 mx")
    session = tap.session(keys)
    assert words(session) == ["command", "command", "noise", "noise", "command"]
    assert said(session)[-2:] == ["C= EHLO b", "S= 250 mx"]
    assert session.lines[4].ref == "RFC 3207 §4.2"


def test_one_side_alone_is_understood():
    rows = ["C: EHLO a", "C: MAIL FROM:<a@b>", "C: RCPT TO:<c@d>", "C: DATA", "C: AUTH"]
    assert words(heard(25, *rows, "C: .", "C: QUIT")) == [
        *["command"] * 4,
        "content",
        "command",
    ]
    login = heard(587, "C: EHLO a", "C: AUTH LOGIN", "C: YQ==", "C: Yg==", "C: QUIT")
    assert said(login)[1:] == [
        "C: AUTH LOGIN",
        "C: ********",
        "C: ********",
        "C: QUIT",
    ]


# POP3 and IMAP ------------------------------------------------------------------------


def test_long_answers_of_pop3_are_content():
    rows = ["C: CAPA", "C: LIST 1", "C: RETR 1", "C: QUIT"]
    replies = ["S: +OK", "S: UIDL", "S: .", "S: +OK 1 9", "S: +OK", "S: -ERR?", "S: ."]
    session = heard(110, "S: +OK hello", *rows, *replies, "S: +OK bye")
    assert words(session, "S") == [
        "reply",
        "reply",
        "content",
        "reply",
        "reply",
        "content",
        "reply",
    ]


@pytest.mark.parametrize(
    "rows",
    [
        ["C: USER a", "S: +OK", "C: PASS s3cret word", "S: +OK"],
        ["C: APOP a s3cret", "S: +OK"],
        ["C: AUTH PLAIN s3cret", "S: +OK"],
        ["C: AUTH PLAIN", "S: + ", "C: s3cret", "S: +OK"],
        ["C: AUTH PLAIN", "C: s3cret", "S: -ERR no"],
    ],
)
def test_secrets_of_pop3_are_masked(rows):
    session = heard(110, "S: +OK hello", *rows, "C: STAT", "S: +OK 0 0")
    text = session.transcript().text()
    assert "s3cret" not in text
    assert "STAT" in text


@pytest.mark.parametrize(
    "rows",
    [
        ["C: a LOGIN bob s3cret", "S: a OK"],
        ["C: a LOGIN bob {6}", "S: + go", "C: s3cret", "S: a OK"],
        ["C: a LOGIN {3+}", "C: bob {6+}", "C: s3cret", "S: a OK"],
        ["C: a LOGIN bob {6}", "C: s3cret", "S: a NO too big"],
        ["C: a AUTHENTICATE PLAIN", "S: + ", "C: s3cret", "S: a OK"],
        ["C: a AUTHENTICATE PLAIN s3cret", "S: a OK"],
        ["C: x NOOP", "C: a AUTHENTICATE PLAIN", "S: x OK", "S: + ", "C: s3cret"],
        ["S: + ", "C: s3cret", "S: a OK"],
    ],
)
def test_secrets_of_imap_are_masked(rows):
    text = heard(143, "S: * OK hello", *rows).transcript().text()
    assert "s3cret" not in text


def test_literals_are_no_lines():
    rows = ["C: a APPEND in {12}", "S: + go", "C: b LOGIN x y"]
    fetch = ["C: b FETCH 1 RFC822", "S: * 1 FETCH (RFC822 {10}", "S: c OK no", "S: )"]
    session = heard(143, "S: * OK", *rows, "C: ", "S: a OK", *fetch, "S: b OK")
    assert words(session)[:3] == ["command", "literal", "command"]
    assert [n.octets for n in session.lines if n.what == "literal"] == [
        b"b LOGIN x y\r",
        b"c OK no\r\n)",
    ]
    assert words(session, "S")[-1] == "reply"


def test_idling_is_no_secret():
    rows = ["C: a IDLE", "S: + idling", "S: * 1 EXISTS", "C: DONE", "S: a OK"]
    assert said(heard(143, "S: * OK", *rows))[4] == "C: DONE"


def test_compressed_imap_is_unpacked():
    tap = Wiretap(143)
    tap.script("S: * OK", "C: a COMPRESS DEFLATE", "S: a OK active")
    for side, text in (("C", b"b NOOP\r\n"), ("S", b"b OK fine\r\n")):
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        tap.put(side, packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH))
    tap.put("C", b"this is no deflate stream")
    session = tap.session()
    assert said(session)[3:] == ["C: b NOOP", "S: b OK fine"]
    assert [line.compressed for line in session.lines] == [False] * 3 + [True] * 2
    assert session.lines[3].offset == len("a COMPRESS DEFLATE\r\n")


# Gaps ---------------------------------------------------------------------------------


def test_what_is_left_of_a_line_is_shown_as_a_part_of_it():
    tap = Wiretap(25)
    tap.script("S: 220 mx")
    tap.put("C", b"EHLO a\r\nMAIL FRO")
    tap.lose("C", b"M:<a@b>\r\nRCP")
    tap.put("C", b"T TO:<c@d>\r\nRSET\r\n")
    tap.put("S", b"250 m")
    tap.lose("S", b"x\r\n250 ok\r\n2")
    tap.put("S", b"50 ok\r\n250 reset\r\n")
    session = tap.session()
    assert said(session) == [
        "S: 220 mx",
        "C: EHLO a",
        "C: MAIL FRO",
        "C: ********",
        "C: RSET",
        "S: 250 m",
        "S: 50 ok",
        "S: 250 reset",
    ]
    assert "lacks the end" in session.lines[2].why
    assert "lacks the beginning" in session.lines[3].why


def test_the_rest_of_a_password_is_secret():
    tap = Wiretap(110)
    tap.script("S: +OK", "C: USER bob", "S: +OK")
    tap.put("C", b"PASS won")
    tap.lose("C", b"der")
    tap.put("C", b"land\r\nSTAT\r\n")
    text = tap.session().transcript().text()
    assert "won" not in text
    assert "land" not in text
    assert "STAT" in text


def test_a_password_whose_invitation_is_missing_is_secret():
    tap = Wiretap(143)
    tap.script("S: * OK", "C: a LOGIN bob {6}")
    tap.lose("S", b"+ go\r\n")
    tap.script("C: sponge", "S: a OK", "C: b NOOP")
    assert said(tap.session())[2:] == [
        "C: ********",
        "C: ",
        "S: a OK",
        "C: b NOOP",
    ]


def test_a_gap_in_content_does_not_swallow_the_rest_of_the_session():
    tap = Wiretap(25)
    tap.script("S: 220 mx", "C: DATA", "S: 354 go")
    tap.put("C", b"Subject: a\r\n\r\nhal")
    tap.lose("C", b"f a line\r\n.\r\n")
    tap.script("S: 250 ok", "C: QUIT", "S: 221 bye")
    assert said(tap.session())[3:] == [
        "C: Subject: a",
        "C: ",
        "C: hal",
        "S: 250 ok",
        "C: QUIT",
        "S: 221 bye",
    ]


def test_a_gap_in_a_literal_is_counted():
    tap = Wiretap(143)
    tap.script("S: * OK", "C: a FETCH 1 RFC822")
    tap.put("S", b"* 1 FETCH (RFC822 {20}\r\n01234567")
    tap.lose("S", b"89012345")
    tap.put("S", b"6789)\r\na OK\r\n")
    session = tap.session()
    assert words(session, "S")[1:] == ["reply", "literal", "literal", "reply", "reply"]
    assert said(session)[-1] == "S: a OK"


# Whatever is said ---------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([25, 110, 143, 9999]),
    st.lists(st.tuples(st.sampled_from("CS"), st.binary(max_size=30)), max_size=8),
)
def test_whatever_is_said_every_octet_is_told_at_most_once(port, said_by):
    tap = Wiretap(port)
    for side, octets in said_by:
        tap.put(side, octets + b"\r\n" * (len(octets) % 2))
    session = tap.session()
    for side in "CS":
        at = 0
        for line in session.lines:
            if line.speaker == side:
                assert line.offset >= at
                at = line.offset + len(line.octets)
                assert session.wire(side)[line.offset : at] == line.octets
