"""No acknowledged message is lost, and none that was not sent whole is kept.

A complete SMTP session is cut after each octet that the client sends: by a close, by
a half-close, by a reset.
"""

import asyncio

import pytest

from maillab import open_world
from tests.worlds import Journal, plain_world

GREETING = (
    b"EHLO pc.example\r\nMAIL FROM:<x@pc.example>\r\nRCPT TO:<bob@beta.example>\r\n"
)
DATA = b"DATA\r\n"
SCRIPT = GREETING + DATA + b"Subject: 000000\r\n\r\n..one dot\r\n.\r\n" + b"QUIT\r\n"
END = SCRIPT.index(b"\r\n.\r\n") + len(b"\r\n.\r\n")  # the message is whole here


@pytest.fixture
def world():
    with plain_world() as opened:
        yield opened
        assert Journal(opened).failures == []


class Client:
    """Sends the script up to a cut; remembers what the server said."""

    def __init__(self, world, number):
        self.world = world
        self.host = world.hosts["alice-pc"]
        self.script = SCRIPT.replace(b"000000", b"%06d" % number)
        self.said = b""

    @property
    def acknowledged(self):
        return self.said.count(b"250 2.0.0 Queued") == 1

    async def run(self, cut, end):
        stream = await self.host.connect("203.0.113.25", 25)
        listening = self.host.spawn(self.listen(stream))
        await asyncio.sleep(0.1)
        for step in self.steps(cut):
            stream.write(step)
            await asyncio.sleep(0.1)
        end(self, stream)
        await listening
        stream.abort()

    def steps(self, cut):
        """The script as a client sends it: what must wait for a reply waits."""
        marks = [len(GREETING), len(GREETING + DATA), END, len(self.script)]
        starts = [0, *marks]
        for start, stop in zip(starts, marks, strict=False):
            if start < cut:
                yield self.script[start : min(stop, cut)]

    async def listen(self, stream):
        try:
            async with asyncio.timeout(1):
                while data := await stream.read():
                    self.said += data
        except (TimeoutError, ConnectionResetError):
            return


def close(client, stream):
    stream.hang_up()


def half_close(client, stream):
    stream.send_eof()


def reset(client, stream):
    for endpoint in list(client.world.network.endpoints):
        if endpoint.host is client.host and endpoint.id == stream.id:
            endpoint.reset()


@pytest.mark.parametrize("end", [close, half_close, reset])
def test_a_session_that_is_cut_after_any_octet(world, end):
    clients = [Client(world, cut) for cut in range(len(SCRIPT) + 1)]

    async def all_of_them():
        await asyncio.gather(
            *(client.run(cut, end) for cut, client in enumerate(clients))
        )

    world.run(all_of_them(), on="alice-pc")
    world.settle()
    stored = [message.content for message in world.mailbox("bob").messages]
    for cut, client in enumerate(clients):
        subject = b"Subject: %06d\r\n" % cut
        times = sum(subject in content for content in stored)
        assert client.acknowledged == (cut >= END), cut
        assert times == (1 if cut >= END else 0), cut
    assert all(content.endswith(b"\r\n.one dot\r\n") for content in stored)


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_a_session_that_is_cut_while_the_reply_is_under_way(world, ending):
    """The client cannot know; the server has the message or not, never half of it."""

    async def send_and_run(number):
        stream = await world.hosts["alice-pc"].connect("203.0.113.25", 25)
        client = Client(world, number)
        steps = list(client.steps(END))
        for step in steps[:-1]:
            stream.write(step)
            await asyncio.sleep(0.1)
        stream.write(steps[-1])
        await asyncio.sleep(number / 1000)
        if ending == "close":
            stream.hang_up()
        else:
            reset(client, stream)

    for number in range(40):
        world.run(send_and_run(number), on="alice-pc")
        world.advance(1)
    stored = [message.content for message in world.mailbox("bob").messages]
    assert all(content.endswith(b"\r\n.one dot\r\n") for content in stored)
    assert len(stored) == len({c.partition(b"Subject: ")[2][:6] for c in stored}) == 40


def test_a_relay_that_is_cut_at_any_moment_delivers_at_last(world):
    """Alpha's relay loses its connection to beta after any number of octets."""
    letters = 25
    for number in range(letters):
        world.user("alice").send("bob@beta.example", f"letter {number}", "Hello")
        cut_the_relay(world, after=number / 200)
        world.settle()
    world.advance("3 h")
    stored = [message.content for message in world.mailbox("bob").messages]
    for number in range(letters):
        subject = f"Subject: letter {number}\r\n".encode()
        assert any(subject in content for content in stored), number
    assert len(world.server("mail.alpha.example").mta.queue) == 0
    assert not world.mailbox("alice").messages, "nothing bounced"


def cut_the_relay(world, after):
    world.advance(after)
    for endpoint in list(world.network.endpoints):
        if endpoint.host.name == "mail.alpha.example" and endpoint.remote[1] == 25:
            endpoint.reset()


def test_a_server_that_stops_for_a_night_gets_its_mail_in_the_morning():
    with open_world("two-domains") as world:
        beta = world.hosts["mx.beta.example"]
        beta.up = False
        for number in range(10):
            world.user("alice").send("bob@beta.example", f"night {number}")
        world.advance("8 h")
        beta.up = True
        world.advance("2 h")
        assert len(world.mailbox("bob").messages) == 10
