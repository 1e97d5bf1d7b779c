"""TCP between virtual hosts behaves as Linux does."""

import asyncio
import errno

import pytest

from maillab.errors import Deadlock, LabError, Livelock
from maillab.net.driver import Driver
from maillab.net.host import Host
from maillab.net.network import Network
from maillab.net.sockets import WorldLoop


class TwoHosts:
    """a and b, 10 ms apart."""

    def __init__(self):
        self.loop = WorldLoop()
        self.network = Network(self.loop)
        self.events = []
        self.network.observer = self.note
        self.a = Host(self.network, "a", ["192.0.2.1"])
        self.b = Host(self.network, "b", ["192.0.2.2", "2001:db8::2"])
        self.driver = Driver(self.loop)

    def note(self, kind, host, connection, time_ns, **facts):
        self.events.append((kind, host, connection, time_ns, facts))

    def run(self, coroutine):
        return self.driver.run(coroutine)

    def kinds(self, connection="c1"):
        return [event[0] for event in self.events if event[2] == connection]


@pytest.fixture
def two():
    world = TwoHosts()
    yield world
    world.network.close()


async def echo(stream):
    while data := await stream.read():
        stream.write(data)


async def silent(stream):
    await asyncio.Event().wait()


def test_a_connection_is_open_after_one_round_trip(two):
    async def script():
        await two.b.listen(25, echo)
        stream = await two.a.connect("192.0.2.2", 25)
        assert two.loop.time() == pytest.approx(0.020)
        stream.write(b"hello")
        assert await stream.read() == b"hello"
        assert two.loop.time() == pytest.approx(0.040)

    two.run(script())
    assert two.kinds()[:4] == ["connect", "accept", "established", "bytes"]


def test_a_closed_port_refuses_after_one_round_trip(two):
    async def script():
        with pytest.raises(ConnectionRefusedError):
            await two.a.connect("192.0.2.2", 26)
        assert two.loop.time() == pytest.approx(0.020)

    two.run(script())
    assert two.kinds() == ["connect", "refused"]


def test_a_host_that_is_off_times_out_after_127_seconds_and_seven_syns(two):
    two.b.up = False

    async def script():
        with pytest.raises(TimeoutError):
            await two.a.connect("192.0.2.2", 25)

    two.run(script())
    assert two.loop.time() == 127.0
    syns = [event[3] / 1e9 for event in two.events if event[0] in ("connect", "syn")]
    assert syns == [0, 1, 3, 7, 15, 31, 63]


def test_an_address_that_nobody_has_is_unreachable(two):
    async def script():
        with pytest.raises(OSError) as caught:
            await two.a.connect("192.0.2.99", 25)
        assert caught.value.errno == errno.EHOSTUNREACH

    two.run(script())


def test_a_host_without_ipv6_cannot_reach_ipv6(two):
    async def script():
        with pytest.raises(OSError) as caught:
            await two.a.connect("2001:db8::2", 25)
        assert caught.value.errno == errno.ENETUNREACH

    two.run(script())


def test_half_close_lets_the_other_side_finish(two):
    async def answer_after_eof(stream):
        received = bytearray()
        while data := await stream.read():
            received += data
        stream.write(b"got %d" % len(received))

    async def script():
        await two.b.listen(25, answer_after_eof)
        stream = await two.a.connect("192.0.2.2", 25)
        stream.write(b"x" * 1000)
        stream.send_eof()
        assert await stream.read() == b"got 1000"
        assert await stream.read() == b""

    two.run(script())


def test_a_reset_is_not_a_close(two):
    async def hit_and_run(stream):
        await stream.read()
        next(e for e in two.network.endpoints if e.host is two.b).reset()

    async def script():
        await two.b.listen(25, hit_and_run)
        stream = await two.a.connect("192.0.2.2", 25)
        stream.write(b"x")
        with pytest.raises(ConnectionResetError):
            await stream.read()

    two.run(script())
    assert "reset" in two.kinds()


def test_a_slow_reader_makes_the_writer_wait(two):
    started = []

    async def slow(stream):
        started.append(stream)
        await asyncio.sleep(60)
        total = 0
        while data := await stream.read():
            total += len(data)
        stream.write(b"%d" % total)

    async def script():
        await two.b.listen(25, slow)
        stream = await two.a.connect("192.0.2.2", 25)
        stream.write(b"x" * 1_000_000)
        await stream.drain()
        assert two.loop.time() > 60, "the window is 64 KiB, so the writer waited"
        stream.send_eof()
        assert await stream.read() == b"1000000"

    two.run(script())


def test_a_megabyte_takes_one_round_trip_for_each_window(two):
    async def script():
        await two.b.listen(25, echo)
        stream = await two.a.connect("192.0.2.2", 25)
        stream.write(b"x" * 1_000_000)
        received = 0
        while received < 1_000_000:
            received += len(await stream.read())
        assert 0.3 < two.loop.time() < 0.5

    two.run(script())


def test_a_connection_whose_peer_vanishes_dies_after_924_seconds(two):
    async def script():
        await two.b.listen(25, echo)
        stream = await two.a.connect("192.0.2.2", 25)
        await asyncio.sleep(1)
        start = two.loop.time()
        two.b.up = False
        stream.write(b"anybody?")
        with pytest.raises(TimeoutError):
            await stream.read()
        assert two.loop.time() - start == pytest.approx(924.6)

    two.run(script())


def test_a_connection_survives_a_short_outage(two):
    async def script():
        await two.b.listen(25, echo)
        stream = await two.a.connect("192.0.2.2", 25)
        two.b.up = False
        stream.write(b"hello")
        await asyncio.sleep(20)
        two.b.up = True
        assert await stream.read() == b"hello"

    two.run(script())


def test_two_hosts_cannot_share_an_address(two):
    with pytest.raises(LabError, match="both have the address"):
        Host(two.network, "c", ["192.0.2.1"])


def test_a_deadlock_says_who_waits_for_whom(two):
    async def script():
        await two.b.listen(25, silent)
        stream = await two.a.connect("192.0.2.2", 25)
        await stream.read()

    with pytest.raises(Deadlock, match="a waits for b on c1, port 25"):
        two.run(script())


def test_a_livelock_says_who_is_busy(two, monkeypatch):
    monkeypatch.setattr("maillab.net.loop.LIVELOCK_CALLBACKS", 1000)

    async def spin():
        while True:
            await asyncio.sleep(0)

    with pytest.raises(Livelock, match="without time passing"):
        two.run(spin())


def test_the_clock_stands_where_it_was_told(two):
    two.driver.advance(5 * 86400)
    assert two.loop.time() == 5 * 86400


def test_timers_with_equal_deadlines_fire_in_order(two):
    order = []
    for number in range(50):
        two.loop.call_at(1.0, order.append, number)
    two.driver.advance(2)
    assert order == list(range(50))


def test_a_world_can_run_inside_a_running_loop(two):
    """As in a notebook: the kernel's loop runs already, on the same thread."""

    async def cell():
        before = asyncio.current_task()
        two.driver.advance(10)
        assert asyncio.current_task() is before
        return two.loop.time()

    assert asyncio.run(cell()) == 10


def test_ctrl_c_cancels_the_caller_and_leaves_the_world_intact(two):
    async def wait_for_ever():
        two.loop.call_later(5, setattr, two.loop, "interrupted", True)
        await asyncio.sleep(100)

    with pytest.raises(KeyboardInterrupt):
        two.run(wait_for_ever())
    two.driver.advance(1)
    assert two.loop.time() == 6


def test_closing_a_world_leaves_no_task(two):
    async def script():
        await two.b.listen(25, silent)
        await two.a.connect("192.0.2.2", 25)
        two.a.spawn(asyncio.sleep(1e9))

    two.run(script())
    two.network.close()
    assert not asyncio.all_tasks(two.loop)
    assert two.loop.is_closed()


def test_udp_to_a_closed_port_comes_back_as_icmp(two):
    refused = []

    class Client(asyncio.DatagramProtocol):
        def error_received(self, exc):
            refused.append(exc)

    async def on_a():
        transport, _ = await two.loop.create_datagram_endpoint(
            Client, remote_addr=("192.0.2.2", 53)
        )
        transport.sendto(b"?")
        await asyncio.sleep(1)
        transport.close()

    async def script():
        await two.a.spawn(on_a())

    two.run(script())
    assert isinstance(refused[0], ConnectionRefusedError)
    assert [event[0] for event in two.events] == ["datagram", "port_unreachable"]


def test_two_runs_give_the_same_events():
    def run():
        two = TwoHosts()

        async def script():
            await two.b.listen(25, echo)
            streams = [await two.a.connect("192.0.2.2", 25) for _ in range(5)]
            for stream in streams:
                stream.write(b"y" * 100_000)
            for stream in streams:
                received = 0
                while received < 100_000:
                    received += len(await stream.read())
                await stream.close()

        two.run(script())
        two.network.close()
        return repr(two.events)

    assert run() == run()
