"""Whatever comes in at a port: an error reply or a clean close, and the trace says why.

No traceback, no session that hangs, and the next client is served as if nothing had
happened.
"""

import asyncio
import random
import ssl

import pytest

from maillab import open_world
from maillab.net.stream import Stream
from tests.worlds import Journal

SERVER = "192.0.2.25"
PLAIN_PORTS = (25, 587, 110, 143)
TLS_PORTS = (465, 995, 993)
PORTS = PLAIN_PORTS + TLS_PORTS
HOUR = 3600


def noise(seed, size=5000):
    return random.Random(seed).randbytes(size)


def client_hello():
    """What a TLS client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = ssl.create_default_context().wrap_bio(
        incoming, outgoing, server_hostname="mail.hello.example"
    )
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


INPUTS = {
    "a megabyte without an end of line": b"x" * 1_000_000,
    "a megabyte in one line": b"x" * 1_000_000 + b"\r\n",
    "many lines that are too long": (b"y" * 20_000 + b"\r\n") * 50,
    "NUL": b"NO\0OP\r\na NO\0OP\r\n\0\r\n",
    "bare LF": b"NOOP\na NOOP\nQUIT\n",
    "bare CR": b"NOOP\ra NOOP\rQUIT\r",
    "invalid UTF-8": b"EHLO \xff\xfe\r\nUSER \xc3\r\na LOGIN \xff \xff\r\n\xed\xa0\r\n",
    "binary noise": noise(1),
    "binary noise with line ends": noise(2).replace(b"\0", b"\r\n"),
    "more binary noise": noise(3, 200_000),
    "a TLS hello": client_hello(),
    "half a TLS hello": client_hello()[:100],
    "nothing": b"",
    "empty lines": b"\r\n" * 2000,
    "ten thousand bad commands": b"XYZZY foo\r\n" * 10_000,
    "ten thousand good commands": b"NOOP\r\n" * 10_000,
    "a literal of 4 GiB": b"a LOGIN {4294967296}\r\n",
    "a literal of 4 GiB that does not wait": b"a LOGIN {4294967296+}\r\nx",
    "a literal of absurd size": b"a APPEND INBOX {%s}\r\n" % (b"9" * 5000),
    "many literals": b"a LOGIN {10+}\r\n0123456789 {10+}\r\n0123456789\r\n" * 1000,
    "parentheses without end": b"a FETCH 1 " + b"(" * 7000 + b"\r\n",
    "a set without end": b"a FETCH " + b"1:*," * 2000 + b"1 ALL\r\n",
    "text behind STARTTLS": b"EHLO x\r\nSTARTTLS\r\nMAIL FROM:<injected@x.example>\r\n",
    "text behind STLS": b"STLS\r\nUSER bob\r\n",
    "text behind a STARTTLS": b"a STARTTLS\r\nb LOGIN bob sponge\r\n",
    "commands of another protocol": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "SASL noise": b"EHLO x\r\nAUTH PLAIN\r\n\xff\xfe\r\nAUTH LOGIN\r\n!!!!\r\n",
    "broken base64": b"a AUTHENTICATE PLAIN\r\n=\r\nAUTH PLAIN AAA\r\nAUTH PLAIN =\r\n",
}


@pytest.fixture
def world():
    with open_world("hello") as opened:
        yield opened
        assert Journal(opened).failures == []


class Attack:
    """A client that sends what it likes and listens until the server hangs up."""

    def __init__(self, world, port):
        self.world = world
        self.port = port
        self.heard = b""
        self.end = ""

    def run(self, data):
        self.world.run(self._run(data), on="alice-pc")
        return self

    async def _run(self, data):
        stream = await self.world.hosts["alice-pc"].connect(SERVER, self.port)
        stream.write(data)
        try:
            while True:
                async with asyncio.timeout(HOUR):
                    more = await stream.read()
                if not more:
                    self.end = "closed"
                    break
                self.heard += more
        except ConnectionResetError:
            self.end = "reset"
        except TimeoutError:
            self.end = "hangs"
        await stream.close()


def why(world, session):
    """Every reason that the trace gives for the end of a session."""
    found = [event["text"] for event in session.events if event.kind == "note"]
    found += [event["reason"] for event in session.events if event.kind == "tls_failed"]
    replies = [line for line in session.lines if line.speaker == "S"]
    found += [line.text for line in replies if is_refusal(line.text)]
    return found


def is_refusal(text):
    return text[:1] in "45" or text.startswith(("-ERR", "* BYE")) or " BAD " in text


def serve_somebody(world):
    """The next client is served: by SMTP, POP3 and IMAP."""
    before = len(world.mailbox("bob").messages)
    world.send("alice", "bob@hello.example", "Still there?")
    assert (
        len(world.read("bob", "POP3")) == len(world.read("bob", "IMAP")) == before + 1
    )


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("name", INPUTS)
def test_bad_input_is_answered_or_ends_the_session(world, name, port):
    attack = Attack(world, port).run(INPUTS[name])
    assert attack.end in ("closed", "reset")
    world.advance("1 min")
    assert not world.network.endpoints
    session = world.trace.session(port=port)
    assert why(world, session), session.transcript().text()


@pytest.mark.parametrize("port", PORTS)
def test_after_all_of_that_the_next_client_is_served(world, port):
    for data in INPUTS.values():
        Attack(world, port).run(data)
    serve_somebody(world)


def test_others_notice_nothing_while_all_ports_are_attacked(world):
    async def attack_all():
        await asyncio.gather(
            *(Attack(world, port)._run(noise(port)) for port in PORTS for _ in range(5))
        )

    host = world.hosts["alice-pc"]
    with world.console("bob-pc", SERVER, 25) as console:
        console.say("EHLO pc")
        attacks = host.spawn(attack_all())
        assert console.say("MAIL FROM:<x@y.example>").startswith("250")
        assert console.say("RCPT TO:<bob@hello.example>").startswith("250")
        console.say("DATA")
        assert console.say("Subject: calm", "", "calm", ".").startswith("250")
    serve_somebody(world)
    world.advance("1 h")
    assert attacks.done()
    assert not world.network.endpoints


@pytest.mark.parametrize("port", PORTS)
def test_who_comes_and_goes_leaves_nothing(world, port):
    async def come_and_go():
        for _ in range(20):
            stream = await world.hosts["alice-pc"].connect(SERVER, port)
            stream.abort()

    world.run(come_and_go(), on="alice-pc")
    world.advance("1 s")
    assert not world.network.endpoints


@pytest.mark.parametrize("port", PORTS)
def test_one_octet_a_minute_is_not_patience_enough(world, port):
    """Slow loris: a client that never finishes a command, and never stops."""

    async def drip():
        stream = await world.hosts["alice-pc"].connect(SERVER, port)
        hello = client_hello() if port in TLS_PORTS else b"N" * 1000
        for octet in hello:
            stream.write(bytes([octet]))
            await asyncio.sleep(60)
            if not stream.is_open:
                break
            if not stream.waiting and await ended(stream):
                break
        await stream.close()

    world.run(drip(), on="alice-pc")
    assert world.time < 15 * 60
    session = world.trace.session(port=port)
    assert why(world, session)


async def ended(stream: Stream) -> bool:
    """The server has hung up."""
    try:
        async with asyncio.timeout(0.1):
            while data := await stream.read():
                del data
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
    return True


@pytest.mark.parametrize("port", PLAIN_PORTS)
def test_who_never_listens_is_not_waited_for(world, port):
    """Ten thousand questions, and no answer is read: the windows fill."""
    question = {110: b"CAPA\r\n", 143: b"a CAPABILITY\r\n"}.get(port, b"EHLO x\r\n")

    async def ask():
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(asyncio.Protocol, SERVER, port)
        transport.pause_reading()
        transport.write(question * 10_000)
        await asyncio.sleep(HOUR)
        transport.abort()

    world.run(ask(), on="alice-pc")
    world.advance("1 s")
    assert not world.network.endpoints
    session = world.trace.session(port=port)
    gone = [e.time_ns / 1e9 for e in session.all("lost") if e["side"] == "S"]
    assert gone == [pytest.approx(300, abs=1)]
    assert any("takes nothing" in reason for reason in why(world, session))


@pytest.mark.parametrize("port", [25, 143])
def test_noise_cut_into_single_octets_means_the_same(world, port):
    whole = Attack(world, port).run(INPUTS["invalid UTF-8"])

    async def drip():
        stream = await world.hosts["alice-pc"].connect(SERVER, port)
        heard = b""
        for octet in INPUTS["invalid UTF-8"]:
            stream.write(bytes([octet]))
            await asyncio.sleep(0.01)
        while data := await stream.read():
            heard += data
        await stream.close()
        return heard

    assert world.run(drip(), on="alice-pc") == whole.heard
