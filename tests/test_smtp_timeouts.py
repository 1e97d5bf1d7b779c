"""How long a client waits for each answer (RFC 5321 §4.5.3.2), and a server for it."""

import asyncio

import pytest

from maillab import open_world
from maillab.agents.smtp_dialogue import SessionEnded, SMTPDialogue
from maillab.wire.smtp import Envelope
from maillab.wire.smtp_path import Address

ZOE, ANN = Address("zoe", "example.net"), Address("ann", "example.org")
ADDRESS = "198.51.100.71"
ANSWERS = {"EHLO": "250 x", "MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go"}

# Up to which command the server answers; how long the client waits then, in seconds.
PATIENCE = [
    ("", 300),  # RFC 5321 §4.5.3.2.1: the greeting
    ("EHLO", 300),
    ("MAIL", 300),  # RFC 5321 §4.5.3.2.2
    ("RCPT", 300),  # RFC 5321 §4.5.3.2.3
    ("DATA", 120),  # RFC 5321 §4.5.3.2.4
    ("content", 600),  # RFC 5321 §4.5.3.2.6
]


class SilentServer(asyncio.Protocol):
    """Answers until it comes to `falls_silent_at`; then never again."""

    def __init__(self, falls_silent_at: str) -> None:
        self.silent_at = falls_silent_at

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        if self.silent_at:
            self.say("220 here")

    def data_received(self, data: bytes) -> None:
        for line in data.decode().splitlines():
            verb = line[:4].upper()
            if verb == self.silent_at:
                self.say = lambda _text: None
            elif verb in ANSWERS:
                self.say(ANSWERS[verb])

    def say(self, text: str) -> None:
        self.transport.write(f"{text}\r\n".encode())


@pytest.fixture
def world():
    with open_world("two-domains") as opened:
        yield opened


def silent_server(world, at: str, kind=SilentServer) -> None:
    host = world.add_host("silent.example", ADDRESS)
    server = world.loop.create_server(lambda: kind(at), port=25)
    world.run(server, on=host)


class StuckServer(SilentServer):
    """Says 354, and reads nothing more, or only now and then."""

    every = 0.0  # seconds between two looks at what came

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if b"DATA" in data or self.every:
            self.transport.pause_reading()
        if self.every:
            loop = asyncio.get_running_loop()
            loop.call_later(self.every, self.transport.resume_reading)
        if data.endswith(b"\r\n.\r\n"):
            self.say("250 ok")


class SlowServer(StuckServer):
    every = 100.0


async def send(host, content=b"Subject: x\r\n\r\n") -> None:
    dialogue = SMTPDialogue(host, await host.connect(ADDRESS, 25))
    await dialogue.greeting()
    await dialogue.ehlo("alice-pc.example")
    await dialogue.send(Envelope(ZOE, (ANN,)), content)


@pytest.mark.parametrize(("at", "seconds"), PATIENCE)
def test_a_client_waits_as_long_as_the_command_deserves(world, at, seconds):
    silent_server(world, at)
    began = world.time
    with pytest.raises(SessionEnded, match="did not answer in time"):
        world.run(send(world.hosts["alice-pc"]), on="alice-pc")
    assert world.time - began == pytest.approx(seconds, abs=2)


BIG = b"Subject: x\r\n\r\n" + b"x" * 70 * 1000 * 5


def test_a_client_waits_three_minutes_for_a_server_that_takes_no_content(world):
    # RFC 5321 §4.5.3.2.5
    silent_server(world, "never", StuckServer)
    began = world.time
    with pytest.raises(TimeoutError):
        world.run(send(world.hosts["alice-pc"], BIG), on="alice-pc")
    assert world.time - began == pytest.approx(180, abs=5)


def test_a_server_that_takes_a_little_now_and_then_is_slow_and_not_stuck(world):
    silent_server(world, "never", SlowServer)
    began = world.time
    world.run(send(world.hosts["alice-pc"], BIG), on="alice-pc")
    assert world.time - began > 300


def test_our_server_waits_five_minutes_for_the_next_command(world):
    # RFC 5321 §4.5.3.2.7
    with world.console("alice-pc", "mx.beta.example", 25) as console:
        console.say("EHLO pc.example")
        began = world.time
        world.advance(299)
        assert console.say("NOOP").startswith("250")
        world.advance(301)
    lines = [line.text for line in world.trace.session(port=25).lines]
    assert "421 4.4.2 mx.beta.example timeout, closing the connection" in lines
    assert world.time - began == pytest.approx(600, abs=2)
