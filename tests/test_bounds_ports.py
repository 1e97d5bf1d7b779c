"""Whatever a stranger sends to a real port: the session ends, and others are served.

Before the login a connection costs little memory, however much comes in.
"""

import base64
import random
import tracemalloc

import pytest

from maillab.protocol.imap_server import IMAPServer
from maillab.protocol.imap_server_options import IMAPServerOptions
from maillab.protocol.pop3_server import POP3Server
from maillab.protocol.pop3_server_events import POP3ServerOptions
from maillab.protocol.smtp_server import SMTPServer
from maillab.protocol.smtp_server_events import Connected
from maillab.protocol.smtp_server_limits import SMTPServerOptions
from tests.bounds import TLS_PORTS, Peer, mail_server, serve_somebody

MB = 1024 * 1024
CHUNK = 64 * 1024  # what a stream gives at a time
BEFORE_LOGIN = 256 * 1024  # octets of memory; a chunk in some copies is most of it
TLS = sorted(TLS_PORTS)
PORTS = ["smtp", "submission", "pop3", "imap", *TLS]
NOISE = random.Random(4).randbytes(100_000)
LONG_BASE64 = base64.b64encode(bytes(200_000))

BOMBS = {
    "noise": NOISE,
    "noise with line ends": NOISE.replace(b"\0", b"\r\n"),
    "half commands": b"EHL\r\nUSE\r\na LOG\r\na AUTHENTICATE PL\r\nAUTH\r\nMAIL FRO",
    "a command without its end": b"a LOGIN ann",
    "NUL octets": b"\0" * 100_000 + b"\r\n",
    "a line of 10 MiB": b"x" * (10 * MB) + b"\r\n",
    "lines without CRLF": b"NOOP\n" * 200_000,
    "lines with CR only": b"NOOP\r" * 200_000,
    "a literal of 4 GiB": b"a LOGIN {4294967295}\r\n" + b"x" * MB,
    "a literal of 4 GiB at once": b"a LOGIN {4294967295+}\r\n" + b"x" * MB,
    "a literal of 99 MiB at once": b"a LOGIN {103809024+}\r\n" + b"a b c\r\n" * 99_999,
    "empty literals in a row": b"a LOGIN" + b" {0+}\r\n" * 5_000,
    "empty commands in a row": b"a NOOP {0+}\r\n\r\n" * 5_000,
    "a message before the login": b"a APPEND INBOX {20000000+}\r\n" + b"x" * MB,
    "thousands of good commands": b"NOOP\r\n" * 3_000,
    "thousands of tagged commands": b"a NOOP\r\n" * 3_000,
    "a response of SASL without end": b"a AUTHENTICATE PLAIN " + LONG_BASE64,
    "responses of SASL": b"AUTH PLAIN\r\na AUTHENTICATE PLAIN\r\n" + LONG_BASE64,
    "SASL that is not finished": b"EHLO x\r\nAUTH LOGIN\r\na AUTHENTICATE LOGIN\r\n",
    "words without end": b"a ID (" + b'"x" "y" ' * 20_000 + b")\r\n",
}


@pytest.fixture(scope="module")
def server():
    with mail_server() as opened:
        yield opened


@pytest.mark.parametrize("service", PORTS)
def test_every_bomb_ends_its_session_and_the_next_client_is_served(server, service):
    for octets in BOMBS.values():
        with Peer(server, service) as peer:
            peer.throw(octets)
    serve_somebody(server.newcomer())


@pytest.mark.parametrize("service", TLS)
def test_plain_text_at_a_port_of_tls_ends_the_session(server, service):
    for octets in BOMBS.values():
        with Peer(server, service, plain=True) as peer:
            assert b"OK" not in peer.throw(octets[:MB])
    serve_somebody(server.newcomer())


def test_connections_that_say_nothing_or_half_a_hello_hold_up_nobody(server):
    silent = [Peer(server, name, plain=True) for name in PORTS for _ in range(5)]
    for peer in silent[::2]:
        peer.send(b"\x16\x03\x01\x02\x00\x01\x00")
    serve_somebody(server.newcomer())
    for peer in silent:
        peer.close()


# Memory, without a network ------------------------------------------------------------

ENGINES = {
    "smtp": lambda: SMTPServer(SMTPServerOptions("mx.here.example")),
    "pop3": lambda: POP3Server(POP3ServerOptions("mx.here.example")),
    "imap": lambda: IMAPServer(IMAPServerOptions("mx.here.example", plain_login=True)),
}


class Meter:
    """Feeds an engine as an agent does, and looks at the memory after each chunk."""

    def __init__(self, engine):
        self.engine = engine
        self.most = 0

    def feed(self, octets):
        tracemalloc.start()
        try:
            self._work()
            before = tracemalloc.get_traced_memory()[0]
            for at in range(0, len(octets), CHUNK):
                self.engine.receive(octets[at : at + CHUNK])
                self._work()
                self.most = max(self.most, tracemalloc.get_traced_memory()[0] - before)
        finally:
            tracemalloc.stop()
        return self

    def _work(self):
        engine = self.engine
        while not (engine.closed or engine._question) and (
            event := engine.next_event()
        ):
            if isinstance(event, Connected):
                engine.answer(engine.phrases.reply("banner"))
            engine.lines_spoken(), engine.data_to_send()
        # A question stays open: that is a directory which does not answer.
        engine.lines_spoken(), engine.data_to_send()


@pytest.mark.parametrize("protocol", ENGINES)
@pytest.mark.parametrize("name", BOMBS)
def test_memory_before_the_login_is_bounded(protocol, name):
    assert Meter(ENGINES[protocol]()).feed(BOMBS[name]).most < BEFORE_LOGIN


@pytest.mark.parametrize("protocol", ENGINES)
def test_of_a_line_that_never_ends_nothing_is_kept_though_it_comes_in_octets(protocol):
    engine = ENGINES[protocol]()
    for _ in range(20_000):
        engine.receive(b"y")
        Meter(engine)._work()
    assert len(engine._lines) <= 12_290
