"""What becomes of open flows when rules, power or addresses change in the middle."""

import asyncio

import pytest

from maillab.net.host import Host
from tests.networks import MX, PUBLIC, SERVER, HomeNetwork, watched
from tests.packets import kinds
from tests.sniffer import sniff


@pytest.fixture
def net():
    with HomeNetwork() as network:
        yield network
        assert network.kinds("failure") == []


async def say_twice(net, between, data=b"STARTTLS\r\n"):
    """An echo, then something happens, then one more echo."""
    stream = await net.pc.connect(MX, 25)
    stream.write(b"first")
    assert await stream.read() == b"first"
    between()
    stream.write(data)
    return await stream.read()


def twice(net, between):
    return net.run(watched(net.loop, say_twice(net, between)))


EFFECTS = {
    "delay": ({"seconds": 0.5}, lambda n, seconds: seconds > 0.064 + 0.5 * n - 0.001),
    "throttle": ({"rate": 10.0}, lambda n, seconds: seconds > 6 * n),
}
# How often a rule for all ports meets a packet of the echo: there, and back.
TIMES = {
    ("none", "out"): 1,
    ("none", "in"): 1,
    ("none", "both"): 2,
    ("recheck", "out"): 2,
    ("recheck", "in"): 0,
    ("recheck", "both"): 2,
    ("keep", "out"): 0,
    ("keep", "in"): 0,
    ("keep", "both"): 0,
}


@pytest.mark.parametrize("action", EFFECTS)
@pytest.mark.parametrize(("tracking", "direction"), TIMES)
def test_a_new_rule_slows_open_flows_as_its_tracking_says(
    net, action, tracking, direction
):
    net.isp.firewall.tracking = tracking
    keys, is_right = EFFECTS[action]
    add = {"direction": direction, "ports": (), **keys}
    result = twice(net, lambda: net.rule(net.isp, action, **add))
    times = TIMES[tracking, direction]
    assert result.what == "done"
    assert is_right(times, result.seconds)
    assert times or result.seconds == pytest.approx(0.096)


@pytest.mark.parametrize(
    ("direction", "heard"), [("out", b"XXXXXXXX\r\n"), ("in", b"XXXXXXXA\r\n")]
)
def test_without_memory_each_direction_has_its_own_rule(net, direction, heard):
    net.isp.firewall.tracking = "none"
    keys = {"direction": direction, "ports": ()}
    result = twice(net, lambda: net.rule(net.isp, "strip-starttls", **keys))
    assert result.data == heard


def test_a_throttle_counts_each_direction_whoever_began(net):
    """Who sends from inside and who sends from outside do not share a queue."""
    net.rule(net.isp, "throttle", ports=26, rate=10_000.0)
    net.router.forward("tcp", 26, SERVER)

    async def take(stream):
        while await stream.read():
            pass

    async def upload(host, address):
        stream = await host.connect(address, 26)
        stream.write(bytes(20_000))
        stream.send_eof()
        assert await stream.read() == b""
        return net.loop.time()

    async def both():
        return await asyncio.gather(upload(net.pc, MX), upload(net.mx, PUBLIC))

    for host in (net.mx, net.server):
        net.run(host.listen(26, take))
    for seconds in net.run(both()):
        assert seconds == pytest.approx(2.0, rel=0.2)


def test_a_reset_after_goes_on_counting_when_it_comes_back(net):
    net.isp.firewall.tracking = "recheck"
    cut = net.rule(net.isp, "reset-after", octets=12)

    def there_and_back():
        net.isp.firewall.remove(cut)
        net.isp.firewall.add(cut)

    assert twice(net, there_and_back).what == "connection reset by peer"


@pytest.mark.parametrize("tracking", ["recheck", "none"])
def test_a_tarpit_in_the_middle_holds_what_is_sent_for_ever(net, tracking):
    net.isp.firewall.tracking = tracking
    result = twice(net, lambda: net.rule(net.isp, "tarpit", direction="out"))
    assert result.what == "patience ended", "TCP would have given up after 924.6 s"
    said = [e["data"] for e in net.trace.of_kind("bytes") if e.host == "mx"]
    assert said == [b"first"]
    windows = {p.window for p in sniff(net.trace, "pc") if p.src == MX}
    assert 0 not in windows, "it was no tarpit when it began"


def test_a_flow_without_an_answer_is_new_still(net):
    """Linux: a SYN that comes again is no part of an established connection."""
    net.rule(net.isp, "accept", ports=9)
    net.mx.power_off()
    net.loop.call_at(5, lambda: net.rule(net.isp, "drop", direction="out"))
    net.loop.call_at(6, net.mx.power_on)
    result = net.tcp(net.pc, MX)
    assert (result.what, result.seconds) == ("timed out", 127)


def test_a_datagram_without_an_answer_is_new_still(net):
    net.rule(net.isp, "accept", ports=9)
    rule = None

    async def ask_again():
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=(MX, 54)
        )
        transport.sendto(b"one")
        nonlocal rule
        net.mx.up = False
        rule = net.rule(net.isp, "drop", ports=54)
        transport.sendto(b"two")

    net.run(net.pc.spawn(ask_again()))
    assert rule.hits == 1


# Power --------------------------------------------------------------------------------


def test_a_half_close_to_a_host_that_started_again_is_reset(net):
    async def script():
        stream = await net.pc.connect(MX, 25)
        stream.write(b"a")
        await stream.read()
        net.mx.power_off()
        net.mx.power_on()
        stream.send_eof()
        return await stream.read()

    result = net.run(watched(net.loop, script()))
    assert result.what == "connection reset by peer"
    assert kinds(net.trace.capture("pc"))[-2:] == ["> ACK-FIN", "< RST"]


def test_a_datagram_does_not_reach_a_host_that_went_off_meanwhile(net):
    heard = []

    class Ears(asyncio.DatagramProtocol):
        def datagram_received(self, data, addr):
            heard.append(data)

    async def open_port(**where):
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Ears, **where)
        return transport

    net.run(net.mx.spawn(open_port(local_addr=("0.0.0.0", 99))))
    mouth = net.run(net.pc.spawn(open_port(remote_addr=(MX, 99))))
    mouth.sendto(b"one")
    net.advance(1)
    mouth.sendto(b"two")
    net.mx.power_off()
    net.advance(1)
    assert heard == [b"one"]


# Ports --------------------------------------------------------------------------------


def test_a_port_is_free_again_when_its_translation_is_forgotten(net):
    net.udp(net.pc, MX)
    net.advance(301)
    net.udp(net.server, MX)
    outside = [event["outside"] for event in net.trace.of_kind("nat")]
    assert outside == [(PUBLIC, 49152), (PUBLIC, 49152)]


def test_a_router_does_not_use_a_port_itself_that_it_has_lent(net):
    async def script():
        theirs = await net.pc.connect(MX, 25)
        own = await net.router.connect(MX, 25)
        for stream, data in ((own, b"own"), (theirs, b"theirs"), (own, b"own")):
            stream.write(data)
            assert await asyncio.wait_for(stream.read(), 10) == data
        return theirs.local[1], own.local[1]

    assert net.run(script()) == (49152, 49153)


def test_a_nat_without_a_free_port_drops_new_flows(net, monkeypatch):
    monkeypatch.setattr("maillab.net.conntrack.PORTS", range(1024, 1025))
    third = Host(net.network, "third", ["192.168.1.30"], subnet=net.home)

    async def three():
        for host in (net.pc, net.server):
            assert (await host.connect(MX, 25)).is_open
        await third.connect(MX, 25)

    result = net.run(watched(net.loop, three()))
    assert result.what == "timed out"
    assert len(net.router.conntrack) == 2


def test_a_router_without_a_free_port_turns_nothing_back(net, monkeypatch):
    monkeypatch.setattr("maillab.net.conntrack.PORTS", range(0))

    third = Host(net.network, "third", ["192.168.1.30"], subnet=net.home)

    async def two():
        assert (await net.pc.connect(PUBLIC, 25)).is_open
        await third.connect(PUBLIC, 25)

    assert net.run(watched(net.loop, two())).what == "timed out"
    assert len(net.router.conntrack) == 1
