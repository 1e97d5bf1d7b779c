"""Python's own smtplib, poplib and imaplib on virtual hosts, without real sockets."""

import asyncio
import errno
import imaplib
import poplib
import smtplib
import socket
import ssl
from email.message import EmailMessage

import pytest

from maillab import open_world
from maillab.clients import IMAP4, IMAP4_SSL, LMTP, POP3, POP3_SSL, SMTP, SMTP_SSL
from maillab.errors import Deadlock, LabError
from maillab.gateway.live import Live
from maillab.net import blocking
from tests.worlds import Journal

ALICE, BOB = "alice@alpha.example", "bob@beta.example"
PASSWORD = {ALICE: "rabbit-hole", BOB: "sponge"}
MAIL, MX = "mail.alpha.example", "mx.beta.example"


@pytest.fixture
def world():
    with open_world("two-domains") as world:
        yield world
        assert Journal(world).failures == []


@pytest.fixture
def pc(world):
    return world.host("alice-pc")


def letter(subject):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = ALICE, BOB, subject
    message.set_content("How are you?\n.\nA lone dot is above.\n")
    return message


def subjects(world, who=BOB):
    return [
        line.removeprefix(b"Subject: ").decode()
        for stored in world.mailbox(who).messages
        for line in stored.content.split(b"\r\n")
        if line.startswith(b"Subject: ")
    ]


# Sending ------------------------------------------------------------------------------


def test_smtplib_sends_with_starttls(world, pc):
    with SMTP(pc, MAIL, 587) as client:
        assert client.starttls()[0] == 220
        assert client.sock.version() == "TLSv1.3"
        client.login(ALICE, PASSWORD[ALICE])
        assert client.send_message(letter("by 587")) == {}
    world.settle()
    assert subjects(world) == ["by 587"]
    (stored,) = world.mailbox(BOB).messages
    assert b"from alice-pc" in stored.content
    assert b"with ESMTPSA id" in stored.content


def test_smtplib_sends_with_implicit_tls(world, pc):
    with SMTP_SSL(pc, MAIL, 465) as client:
        client.login(ALICE, PASSWORD[ALICE])
        client.send_message(letter("by 465"))
    world.settle()
    assert subjects(world) == ["by 465"]


def test_the_session_has_its_transcript(world, pc):
    with SMTP(pc, MAIL, 587) as client:
        number = client.sock.connection
        client.starttls()
        client.login(ALICE, PASSWORD[ALICE])
        client.send_message(letter("seen"))
    world.settle()
    session = world.trace.session(number)
    told = session.transcript().text()
    for line in ("220 mail.alpha.example", "STARTTLS", "AUTH PLAIN", "Subject: seen"):
        assert line in told
    assert PASSWORD[ALICE] not in told
    assert told.index("TLSv1.3") < told.rindex("AUTH PLAIN")
    assert session.outcome == "closed"


def test_a_big_letter_waits_for_the_window(world, pc):
    big = b"Subject: big\r\n\r\n" + b"0123456789abcde\r\n" * 20_000
    with SMTP(pc, MX, 25) as client:
        client.sendmail("x@nowhere.example", [BOB], big)
    world.settle()
    (stored,) = world.mailbox(BOB).messages
    assert stored.content.endswith(big.partition(b"\r\n\r\n")[2])


def test_lmtplib_speaks_lhlo(world, pc):
    with LMTP(pc, MX, 25) as client:
        assert client.ehlo()[0] == 500  # our server at port 25 speaks SMTP


# Reading ------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["plain", "STLS", "implicit TLS"])
def test_poplib_reads(world, how):
    world.send("alice", BOB, "for poplib", "Hello")
    pc = world.host("bob-pc")
    client = POP3_SSL(pc, MX) if how == "implicit TLS" else POP3(pc, MX)
    if how == "STLS":
        client.stls()
    client.user(BOB)
    client.pass_(PASSWORD[BOB])
    assert client.stat()[0] == 1
    assert b"Subject: for poplib" in client.retr(1)[1]
    client.dele(1)
    client.quit()
    world.settle()
    assert subjects(world) == []


@pytest.mark.parametrize("how", ["plain", "STARTTLS", "implicit TLS"])
def test_imaplib_reads(world, how):
    world.send("alice", BOB, "for imaplib", "Hello")
    pc = world.host("bob-pc")
    with IMAP4_SSL(pc, MX) if how == "implicit TLS" else IMAP4(pc, MX) as client:
        if how == "STARTTLS":
            client.starttls()
        client.login(BOB, PASSWORD[BOB])
        client.select("INBOX")
        _, (found,) = client.search(None, "SUBJECT", '"for imaplib"')
        assert b"Hello" in client.fetch(found, "(BODY[])")[1][0][1]


def test_poplib_and_imaplib_read_utf_8(world):
    pc, header = world.host("bob-pc"), "Subject: Grüße".encode()
    with IMAP4(pc, MX) as imap:
        imap.starttls()
        imap.login(BOB, PASSWORD[BOB])
        # Before: imaplib puts "UTF8 (" into the message itself (RFC 6855 §4 does not).
        imap.append("INBOX", "", None, header + b"\r\n\r\nHi\r\n")
        assert imap.enable("UTF8=ACCEPT")[0] == "OK"
        assert imap.create('"Entwürfe"')[0] == "OK"
        imap.select()
        imap.literal = "Grüße".encode()
        assert imap.uid("SEARCH", "SUBJECT") == ("OK", [b"1"])
        assert imap.uid("MOVE", "1", '"Entwürfe"')[0] == "OK"
        imap.select('"Entwürfe"')
        assert imap.fetch("1", "(BODY[HEADER])")[1][0][1].startswith(header)
        imap.uid("MOVE", "1", "INBOX")
    surrogate = b"Subject: =?utf-8?b?R3LDvMOfZQ==?="
    for says_utf8, expected in ((False, surrogate), (True, header)):
        pop3 = POP3(pc, MX)
        assert pop3.capa()["UTF8"] == ["USER"]
        pop3.stls()
        if says_utf8:
            pop3.utf8()
        pop3.user(BOB)
        pop3.pass_(PASSWORD[BOB])
        assert pop3.top(1, 0)[1][0] == expected
        assert pop3.uidl(1).split()[2:] == pop3.uidl()[1][0].split()[1:]
        pop3.quit()


# Time and failures --------------------------------------------------------------------


def test_time_passes_in_calls_only(world, pc):
    with SMTP(pc, MX, 25) as client:
        before = world.time
        assert before < 1
        client.noop()
        assert 0.029 < world.time - before < 0.05  # there and back
    world.settle()


def test_silence_is_a_time_out_after_127_seconds_of_the_world(world, pc):
    world.host(MX).up = False
    began = world.time
    with pytest.raises(TimeoutError):
        SMTP(pc, MX, 25)
    assert 127 <= world.time - began < 128


def test_at_home_the_provider_drops_and_the_cloud_answers():
    with open_world("home-server") as world:
        pc, began = world.host("alice-pc"), world.time
        with pytest.raises(TimeoutError):
            SMTP(pc, "mx.bigmail.example", 25)
        assert 127 <= world.time - began < 128
        with SMTP(pc, "relay.cloud.example", 587) as client:
            assert client.starttls()[0] == 220


@pytest.mark.parametrize("client", [SMTP, POP3, IMAP4])
def test_a_time_out_counts_seconds_of_the_world(world, pc, client):
    world.host(MX).up = False
    began = world.time
    with pytest.raises(TimeoutError):
        client(pc, "203.0.113.25", 25, timeout=20)
    assert world.time - began == pytest.approx(20)


def test_a_server_that_says_nothing_is_a_time_out(world, pc):
    async def serve(stream):
        await stream.read()

    world.run(world.host(MX).listen(26, serve))
    began = world.time
    with pytest.raises((TimeoutError, smtplib.SMTPServerDisconnected)):
        SMTP(pc, MX, 26, timeout=30)
    assert 30 <= world.time - began < 31
    with pytest.raises(Deadlock, match="waits for"):
        SMTP(pc, MX, 26)


@pytest.mark.parametrize(
    ("target", "failure"),
    [
        ((MX, 26), ConnectionRefusedError),
        (("nobody.beta.example", 25), socket.gaierror),
        (("203.0.113.99", 25), OSError),
        (("2001:db8::25", 25), OSError),
    ],
)
def test_failures_are_those_of_a_real_network(world, pc, target, failure):
    for client in (SMTP, POP3, IMAP4, SMTP_SSL, POP3_SSL, IMAP4_SSL):
        with pytest.raises(failure) as caught:
            client(pc, *target)
        assert caught.value.errno in {
            errno.ECONNREFUSED,
            errno.EHOSTUNREACH,
            errno.ENETUNREACH,
            socket.EAI_NONAME,
        }


def test_a_wrong_name_and_an_unknown_authority_are_refused(world, pc):
    with pytest.raises(
        ssl.SSLCertVerificationError, match=r"self-signed|unable to get"
    ):
        SMTP_SSL(pc, MX, 465, context=ssl.create_default_context())
    plain = blocking.connect(pc, (MX, 465), 30)
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for"):
        blocking.TLSOnHost(pc).wrap_socket(plain, server_hostname=MAIL)


def test_a_server_that_hangs_up_is_noticed(world, pc):
    client = SMTP(pc, MX, 25)
    world.advance("1 hour")  # the server loses patience and says 421
    assert client.noop()[0] == 421
    with pytest.raises(smtplib.SMTPServerDisconnected):
        client.noop()
    client.close()
    with pytest.raises(imaplib.IMAP4.abort):
        IMAP4(pc, MX, 25).login("x", "y")
    with pytest.raises(poplib.error_proto):
        POP3(pc, MX, 25)


# The socket ---------------------------------------------------------------------------


@pytest.fixture
def talk(world, pc):
    """A connection to a server that sends back what it hears, and a farewell."""

    async def echo(stream):
        while data := await stream.read():
            stream.write(data)
        stream.write(b"bye")

    world.run(world.host(MX).listen(7, echo))
    return blocking.connect(pc, (MX, 7), None)


def test_a_socket_reads_what_it_is_asked_for(talk):
    talk.sendall(b"one two")
    assert talk.recv(3) == b"one"
    buffer = bytearray(10)
    assert talk.recv_into(buffer) == 4
    assert buffer[:4] == b" two"
    assert talk.send(memoryview(b"more")) == 4
    talk.shutdown(socket.SHUT_WR)
    assert talk.makefile("rb").read() == b"morebye"
    assert talk.recv(10) == b""


def test_a_socket_knows_its_addresses(talk):
    assert talk.getpeername() == ("203.0.113.25", 7)
    assert talk.getsockname()[0] == "192.0.2.101"
    assert talk.family == socket.AF_INET
    assert talk.fileno() == -1
    assert "alice-pc" in repr(talk)


def test_a_socket_that_may_not_wait_says_so(talk):
    talk.setblocking(False)
    with pytest.raises(BlockingIOError):
        talk.recv(1)
    talk.settimeout(5)
    with pytest.raises(TimeoutError, match="timed out"):
        talk.recv(1)
    with pytest.raises(ValueError, match="out of range"):
        talk.settimeout(-1)


def test_a_file_keeps_its_socket_open(world, talk):
    file = talk.makefile("rw", encoding="ascii", newline="\n")
    talk.close()
    file.write("still here\n")
    file.flush()
    assert file.readline() == "still here\n"
    file.close()
    with pytest.raises(OSError) as caught:
        talk.recv(1)
    assert caught.value.errno == errno.EBADF
    world.settle()


def test_a_reset_is_an_error(world, pc):
    async def kick(stream):
        await stream.read()
        stream._transport.reset()

    world.run(world.host(MX).listen(8, kick))
    with blocking.connect(pc, (MX, 8), None) as talk:
        talk.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            talk.recv(1)
        with pytest.raises(BrokenPipeError):
            talk.sendall(b"x")


# Where it runs ------------------------------------------------------------------------


def test_it_works_where_an_event_loop_runs_already(world, pc):
    async def cell():
        with SMTP(pc, MX, 25) as client:
            return client.noop()[0]

    assert asyncio.run(cell()) == 250


def test_inside_the_world_it_would_wait_for_itself(world, pc):
    async def agent():
        SMTP(pc, MX, 25)

    with pytest.raises(LabError, match="use await"):
        world.run(agent(), on=pc)


def test_it_works_in_a_live_world(world, pc):
    with Live(world), SMTP(pc, MX, 25) as client:
        client.starttls()
        assert client.noop()[0] == 250
    assert world.trace.find_sessions(client="alice-pc")


def test_two_runs_are_the_same(pc):
    def run():
        with open_world("two-domains") as world:
            with SMTP(world.host("alice-pc"), MX, 25) as client:
                client.sendmail("x@nowhere.example", [BOB], b"Subject: x\r\n\r\nx\r\n")
            world.settle()
            return world.trace.to_jsonl()

    assert run() == run()


def test_a_world_can_be_closed_where_an_event_loop_runs_already():
    async def cell():
        with open_world("hello") as world:
            SMTP(world.host("alice-pc"), "mail.hello.example").quit()
        return world

    world = asyncio.run(cell())
    with pytest.raises(LabError, match="this world is closed"):
        SMTP(world.host("alice-pc"), "mail.hello.example")
    with pytest.raises(LabError, match="open it anew"):
        world.advance("1 min")
