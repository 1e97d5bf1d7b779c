"""Nothing takes long. The bounds are generous; exact figures: benchmarks/figures.py."""

import asyncio
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from maillab import open_world
from maillab.net.host import Host
from maillab.net.network import Network
from maillab.net.sockets import WorldLoop


@contextmanager
def within(seconds):
    """Processor time, so that a busy machine does not matter much."""
    began = time.process_time()
    yield
    took = time.process_time() - began
    assert took < seconds, f"{took:.2f} s"


@pytest.fixture
def world():
    with open_world("two-domains") as opened:
        yield opened


def test_maillab_is_imported_without_what_is_heavy():
    code = (
        "import sys, time; began = time.process_time(); import maillab; "
        "took = time.process_time() - began; assert took < 0.5, took; "
        "heavy = {'IPython', 'matplotlib', 'scapy', 'pydantic'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_lab_boots_in_a_moment():
    open_world("two-domains").close()  # what is imported is imported
    with within(0.5):
        open_world("two-domains").close()


def test_a_hundred_hosts_boot_and_serve():
    """0.2 s is what is promised."""

    async def serve(stream):
        await stream.close()

    with within(1.0):
        loop = WorldLoop()
        network = Network(loop)
        hosts = [Host(network, f"h{n}", [f"192.0.2.{n}"]) for n in range(1, 101)]
        for host in hosts:
            loop.run_until_complete(host.listen(25, serve))
        network.close()


def test_five_idle_days_pass_at_once(world):
    """0.5 s is what is promised."""
    world.send("alice", "bob@beta.example", "Hello")
    with within(2.0):
        world.advance("5 days")


def test_eleven_megabytes_cross_the_net(world):
    total = 11_000_000

    async def sink(stream):
        count = 0
        while data := await stream.read():
            count += len(data)
        stream.write(str(count).encode())

    async def pour():
        await world.hosts["mx.beta.example"].listen(9, sink)
        stream = await world.hosts["alice-pc"].connect("203.0.113.25", 9)
        stream.write(bytes(total))
        stream.send_eof()
        return await stream.read()

    with within(3.0):
        assert world.run(pour(), on="alice-pc") == str(total).encode()


def test_a_letter_of_nine_megabytes_is_submitted_relayed_and_read(world):
    text = ("x" * 70 + "\n") * 130_000
    with within(10.0):
        world.send("alice", "bob@beta.example", "Big", text)
        (letter,) = world.read("bob", "POP3")
    assert len(letter) > 9_000_000


def test_fifty_sessions_at_once(world):
    alice = world.user("alice")
    letter = b"Subject: many\r\n\r\nx\r\n"

    async def all_of_them():
        submissions = (
            alice.mua.submit(letter, ["bob@beta.example"]) for _ in range(50)
        )
        return await asyncio.gather(*submissions)

    with within(10.0):
        replies = world.run(all_of_them(), on=alice.host)
        world.settle()
    assert all(reply.positive for reply in replies)
    assert len(world.mailbox("bob").messages) == 50
