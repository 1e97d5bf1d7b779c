"""What a user may ask of an IMAP server: bombs end in a word, and cost little."""

import asyncio
import tracemalloc
import zlib

import pytest

from maillab import open_world
from maillab.store.messages import NewMessage
from tests.bounds import (
    Peer,
    everything_is_closed,
    imap_of,
    mail_server,
    serve_somebody,
)
from tests.interop.mail_server import WHEN
from tests.worlds import Journal

MB = 1024 * 1024
SERVER = "192.0.2.25"


@pytest.fixture(scope="module")
def server():
    with mail_server() as opened:
        yield opened


@pytest.fixture
def ann(server):
    return server.newcomer()


@pytest.fixture
def traced():
    """Memory is measured: `traced()` is the most that was in use, in octets."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


# Slow readers -------------------------------------------------------------------------


@pytest.fixture
def world():
    with open_world("hello") as opened:
        yield opened
        assert Journal(opened).failures == []


def test_who_asks_for_200_mib_and_reads_nothing_costs_little_and_has_to_go(
    world, traced
):
    content = b"Subject: large\r\n\r\n" + b"x" * MB
    inbox = world.mailbox("alice")
    inbox.append_all([NewMessage(content, WHEN) for _ in range(20)])
    before = traced()

    async def ask():
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(asyncio.Protocol, SERVER, 143)
        transport.pause_reading()
        login = b"a LOGIN alice rabbit-hole\r\nb SELECT INBOX\r\n"
        transport.write(login + b"c FETCH 1:* (BODY.PEEK[])\r\n" * 10)
        await asyncio.sleep(600)
        transport.abort()

    world.run(ask(), on="alice-pc")
    assert traced() - before < 32 * MB
    session = world.trace.session(port=143)
    gone = [
        event.time_ns / 1e9 for event in session.all("lost") if event["side"] == "S"
    ]
    assert gone == [pytest.approx(300, abs=5)]
    world.send("alice", "bob@hello.example", "Still there?")
    assert len(world.read("bob", "IMAP")) == 1


def test_a_slow_reader_on_a_real_port_costs_little_and_keeps_nobody_waiting(
    ann, traced
):
    ann.put(*[b"Subject: large\r\n\r\n" + b"x" * MB] * 20)
    with imap_of(ann) as slow:
        before = traced()
        slow.send(b"x FETCH 1:* (BODY.PEEK[])\r\n" * 10)
        for _ in range(3):
            serve_somebody(ann.server.newcomer())
        assert traced() - before < 32 * MB


def test_of_a_long_answer_nothing_is_kept_for_somebody_who_has_gone(ann, traced):
    ann.put(*[b"Subject: large\r\n\r\n" + b"x" * MB] * 20)
    before = traced()
    with imap_of(ann) as hasty:
        hasty.send(b"x FETCH 1:* (BODY.PEEK[])\r\n" * 10)
        hasty.until(b"* 1 FETCH")
    everything_is_closed(ann.server)
    assert traced() - before < 32 * MB


# Literals and compression -------------------------------------------------------------

LITERALS = {
    b"a APPEND INBOX {4294967295}\r\n": b"TOOBIG",
    b"a APPEND INBOX ~{4294967295}\r\n": b"TOOBIG",
    b"a APPEND INBOX {99999999999999999999}\r\n": b"TOOBIG",
    b"a LOGIN {4294967295}\r\n": b"too big",
    b"a SEARCH TEXT {4294967295}\r\n": b"too big",
    b"a APPEND INBOX {4294967295+}\r\n": b"TOOBIG",
    b"a APPEND INBOX {1+}\r\nx {99999999+}\r\n": b"TOOBIG",
}


@pytest.mark.parametrize("command", LITERALS)
def test_a_literal_that_is_too_big_is_refused_before_it_comes(ann, command):
    with imap_of(ann) as peer:
        peer.send(command)
        heard = peer.until(b"a ") if b"{1+}" not in command else [peer.throw(b"")]
        assert LITERALS[command] in heard[-1] or heard == [b""]


def test_of_refused_literals_nothing_is_kept(ann, traced):
    with imap_of(ann) as peer:
        before = traced()
        for _ in range(3):
            peer.send(b"a APPEND INBOX {30000000+}\r\n")
            for _ in range(30):
                peer.send(b"x" * 1_000_000)
            peer.send(b"\r\n")
            assert b"TOOBIG" in peer.until(b"a ")[-1]
        assert traced() - before < 8 * MB
    assert ann.contents() == []


def test_many_messages_in_one_append_are_together_no_larger_than_one(ann, traced):
    with imap_of(ann) as peer:
        before = traced()
        peer.send(b"a APPEND INBOX")
        for _ in range(30):
            peer.send(b" {1000000}\r\n")
            if peer.until(b"")[-1].startswith(b"a "):
                break
            peer.send(b"x" * 1_000_000)
        else:
            pytest.fail("30 MB were taken")
        assert traced() - before < 128 * MB
    assert ann.contents() == []


def test_256_mib_of_zeros_come_in_a_piece_at_a_time_and_are_never_there(ann, traced):
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = (deflate.compress(bytes(MB)) + deflate.flush(zlib.Z_FULL_FLUSH)) * 256
    with imap_of(ann) as peer:
        assert peer.ask(b"COMPRESS DEFLATE")[-1].startswith(b"t OK")
        before = traced()
        peer.socket.sendall(bomb)
        serve_somebody(ann.server.newcomer())
        peer.throw(b"")
        assert traced() - before < 8 * MB


# Deep and wide messages ---------------------------------------------------------------


def multiparts(levels):
    """Each in the other, with a boundary of its own."""
    parts = [b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n)
             for n in range(levels)]  # fmt: skip
    return b"".join(parts) + b"\r\nthe end\r\n"


def one_boundary(levels):
    """Each in the other, with the same boundary."""
    return b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n' * levels


LETTERS = {
    "multiparts": multiparts(10_000),
    "multiparts with one boundary": one_boundary(10_000),
    "letters in letters": b"Content-Type: message/rfc822\r\n\r\n" * 10_000,
    "many parts": one_boundary(1) + b"\r\nx\r\n--b\r\n" * 100_000,
    "many boundaries": one_boundary(1) + b"--b\r\n" * 100_000,
    "nearly boundaries": one_boundary(1) + b"--bb\r\n--" * 100_000,
    "a long line": b"Subject: " + b"x" * MB + b"\r\n\r\n",
    "a long folded line": b"Subject: x" + b"\r\n x" * 60_000 + b"\r\n\r\n",
    "many fields": b"X: y\r\n" * 100_000 + b"\r\n",
    "many subjects": b"Subject: [re: (fwd)\r\n" * 15_000 + b"\r\n",
    "many addresses": b"To: a@b,c@d\r\n" * 10_000 + b"\r\n",
    "brackets": b"Subject: " + b"re: [x] " * 30_000 + b"\r\n\r\n",
    "comments": b"To: " + b"(" * 100_000 + b"\r\nFrom: " + b"a()" * 30_000 + b"\r\n",
    "quotes": b"Content-Type: text/plain" + b'; a="\\"' * 20_000 + b"\r\n\r\n",
    "references": b"References: " + b"<a@b> " * 100_000 + b"\r\n\r\n",
    "a reference of at signs": b"References: <" + b"a@" * 100_000 + b"\r\n\r\n",
    "a reference of quotes": b'In-Reply-To: <"' + b'\\"' * 300_000 + b"@x>\r\n\r\n",
    "encoded words": b"Subject: " + b"=?utf-8?q?a?= " * 20_000 + b"\r\n\r\n",
    "a date": b"Date: Mon, " + b"1 " * 50_000 + b"\r\n\r\n",
    "markup": b"Content-Type: text/html\r\n\r\n" + b"<a" * 300_000 + b"<!--" * 99_999,
    "UTF-8": "Subject: é{}\r\nTo: é{}\r\n\r\n".format("(" * 99, "()" * 20_000).encode(),
}  # fmt: skip

PATH = b".".join([b"1"] * 500)
QUESTIONS = [
    b"FETCH 1 (BODYSTRUCTURE ENVELOPE)",
    b"FETCH 1 (BODY.PEEK[%b]<0.10> BINARY.PEEK[%b]<0.10>)" % (PATH, PATH),
    b"FETCH 1 (PREVIEW BODY.PEEK[HEADER.FIELDS (SUBJECT)]<0.10> BINARY.SIZE[1])",
    b"SEARCH BODY nothing SUBJECT nothing SENTSINCE 1-Jan-2026",
    b"SORT (SUBJECT FROM TO DATE CC) UTF-8 ALL",
    b"THREAD REFERENCES UTF-8 ALL",
    b"THREAD ORDEREDSUBJECT UTF-8 ALL",
]


@pytest.mark.parametrize("name", LETTERS)
def test_a_letter_that_is_a_bomb_can_be_looked_at_from_all_sides(ann, name):
    ann.put(LETTERS[name])
    with imap_of(ann) as peer:
        for question in QUESTIONS:
            assert peer.ask(question)[-1].startswith((b"t OK", b"t NO [")), question
    with Peer(ann.server, "pop3") as peer:
        peer.send(f"USER {ann.address}\r\nPASS tea-for-two\r\n".encode())
        peer.send(b"TOP 1 3\r\nRETR 1\r\nQUIT\r\n")
        assert [peer.line()[:3] for _ in range(3)] == [b"+OK"] * 3
        for _ in range(2):
            assert peer.line().startswith(b"+OK")
            peer.until(b".\r\n")


def test_a_hundred_thousand_references_and_their_loops_are_threaded(ann):
    ring = [b"Message-ID: <%d@x>\r\nReferences: <%d@x>\r\n\r\n" % (n, (n + 1) % 900)
            for n in range(900)]  # fmt: skip
    long = b" ".join(b"<%d@y>" % n for n in range(100_000))
    ann.put(*ring, b"References: " + long + b"\r\n\r\n")
    with imap_of(ann) as peer:
        assert peer.ask(b"THREAD REFERENCES UTF-8 ALL")[-1].startswith(b"t OK")


HUGE = [b"X: ", b"Subject: ", b"References: <x@", b"References: " + b"<a@b>" * 9_000]


@pytest.mark.parametrize("begin", HUGE)
def test_of_many_huge_headers_few_are_in_memory_at_once(ann, traced, begin):
    for number in range(12):
        ann.put(b"%b%b>%d\r\n\r\nbody" % (begin, b"y" * MB, number))
    with imap_of(ann) as peer:
        before = traced()
        for question in (*QUESTIONS[4:6], b"FETCH 1:* BODY.PEEK[HEADER.FIELDS (TO)]"):
            assert peer.ask(question)[-1].startswith(b"t OK")
    assert traced() - before < 8 * MB


# Bombs in commands --------------------------------------------------------------------

COMMANDS = [
    b"SEARCH " + b"NOT " * 9_000 + b"ALL",
    b"SEARCH " + b"OR " * 9_000 + b"ALL ALL",
    b"SEARCH " + b"(" * 30_000 + b"ALL" + b")" * 30_000,
    b"SEARCH " + b" ".join([b"TEXT a"] * 1000),
    b"SEARCH " + b" ".join([b"TEXT a"] * 9000),
    b"SEARCH UID " + b"1:*," * 12_000 + b"1",
    b"SEARCH " + b",".join(b"%d:%d" % (n, 2**32 - n - 1) for n in range(1, 3000)),
    b"UID FETCH 1:4294967295,4294967295:1 FLAGS",
    b"FETCH 1 (" + b" ".join([b"BODY[]"] * 9_000) + b")",
    b"FETCH 1 BODY[HEADER.FIELDS (" + b" ".join([b"X"] * 20_000) + b")]",
    b"FETCH 1 BODY[" + b"1." * 20_000 + b"1]",
    b"STORE 1 +FLAGS (" + b" ".join(b"k%d" % n for n in range(9_000)) + b")",
    b"ENABLE " + b" ".join([b"X"] * 20_000),
    b"STATUS INBOX (" + b" ".join([b"MESSAGES"] * 6_000) + b")",
    b"ID (" + b" ".join([b'"a" "b"'] * 6_000) + b")",
    b'LIST "" "' + b"*%" * 30_000 + b'x"',
    b'LIST "" "' + b"*a" * 30_000 + b'"',
    b'LIST "" (' + b" ".join([b"*"] * 20_000) + b")",
    b"CREATE " + b"a/" * 30_000 + b"a",
    b"CREATE " + b"a" * 60_000,
    b"SORT (" + b" ".join([b"SUBJECT"] * 7_000) + b") UTF-8 ALL",
]


def test_every_bomb_of_a_command_is_answered(ann):
    ann.put(b"Subject: a\r\n\r\naaa\r\n")
    for command in COMMANDS:
        with imap_of(ann) as peer:
            peer.send(b"a " + command + b"\r\n")
            assert peer.until(b"a ")[-1][2:5] in (b"OK ", b"NO ", b"BAD"), command[:40]


def test_a_chain_of_searches_in_what_was_found_stays_as_quick_as_the_first(ann):
    ann.put(*[b"Subject: %d\r\n\r\n" % n for n in range(500)])
    with imap_of(ann) as peer:
        peer.send(b"x SEARCH RETURN (SAVE) OR $ NOT $\r\n" * 100 + b"y NOOP\r\n")
        answers = peer.until(b"y ")
    assert sum(line.startswith(b"x OK") for line in answers) == 100


def test_a_user_has_a_thousand_mailboxes_whatever_the_pattern_of_a_list(ann):
    with imap_of(ann) as peer:
        create = (b"x CREATE a/b/c/%d/%b\r\n" % (n, b"a" * 30) for n in range(1000))
        peer.send(b"".join(create) + b"y NOOP\r\n")
        assert b"x NO [LIMIT]" in peer.until(b"y ")[-2]
        assert len(peer.ask(b'LIST "" "%b"' % (b"*a%" * 33))) == 1
        assert 900 < len(peer.ask(b'LIST "" "*"')) <= 1001
        assert len(peer.ask(b'LIST "" % RETURN (CHILDREN STATUS (MESSAGES))')) < 30


def test_what_waits_for_a_client_that_says_nothing_ends(world):
    """Before the login after three minutes, after it after thirty (RFC 3501 §5.4)."""
    login = b"a LOGIN alice rabbit-hole\r\n"
    assert world.run(silence(b""), on="alice-pc") == pytest.approx(180, abs=1)
    assert world.run(silence(login), on="alice-pc") == pytest.approx(1800, abs=1)


async def silence(octets):
    """How long a server listens to somebody who says only this."""
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    class Silent(asyncio.Protocol):
        def connection_lost(self, exc):
            ended.set_result(loop.time())

    transport, _ = await loop.create_connection(Silent, SERVER, 143)
    transport.write(octets)
    began = loop.time()
    return await ended - began
