"""Gateways: NAT tables, forwards, hairpin, double NAT, addresses, power, bad lines."""

import errno

import pytest

from maillab.errors import LabError
from maillab.net.effects import Loss, Rate
from maillab.net.gateway import Gateway
from maillab.net.host import Host
from maillab.net.path import FiveTuple
from tests.networks import (
    MX,
    MX6,
    PUBLIC,
    SERVER,
    SERVER6,
    HomeNetwork,
    add_subnet,
    say_by_tcp,
)


@pytest.fixture
def net():
    with HomeNetwork() as network:
        yield network
        assert network.kinds("failure") == []


def from_outside(net):
    """What mx saw of those who called it."""
    return [e["src"] for e in net.trace.of_kind("accept") if e.host == "mx"]


def translations(net):
    """The translations as they were told."""
    return [(e["inside"], e["outside"], e["remote"]) for e in net.trace.of_kind("nat")]


# NAT ----------------------------------------------------------------------------------


def test_all_inside_share_one_address_outside(net):
    assert net.tcp(net.pc, MX).what == net.tcp(net.server, MX).what == "done"
    assert {ip for ip, _ in from_outside(net)} == {PUBLIC}


def test_a_port_is_kept_when_it_is_free_and_changed_when_it_is_not(net):
    async def both():
        first = await net.pc.connect(MX, 25)
        second = await net.server.connect(MX, 25)
        assert (first.local[1], second.local[1]) == (49152, 49152)
        for stream in (first, second):
            stream.write(b"hello")
            assert await stream.read() == b"hello"

    net.run(both())
    assert from_outside(net) == [(PUBLIC, 49152), (PUBLIC, 1024)]
    assert translations(net) == [
        (("192.168.1.10", 49152), (PUBLIC, 49152), (MX, 25)),
        ((SERVER, 49152), (PUBLIC, 1024), (MX, 25)),
    ]


def test_the_table_can_be_read(net):
    net.tcp(net.pc, MX)
    net.udp(net.server, MX)
    assert net.router.nat_text().splitlines() == [
        "protocol inside                outside               remote",
        "tcp      192.168.1.10:49152    203.0.113.77:49152    198.51.100.25:25"
        "      240 s left",
        "udp      192.168.1.20:49152    203.0.113.77:49152    198.51.100.25:53"
        "      300 s left",
    ]


def test_ipv6_is_routed_and_not_translated(net):
    assert net.tcp(net.pc, MX6).what == "done"
    assert net.tcp(net.mx, SERVER6).what == "done"
    assert translations(net) == []


def test_nobody_comes_in_uninvited(net):
    assert net.tcp(net.mx, PUBLIC, 26).what == "timed out"
    net.router.unsolicited = "reject"
    result = net.tcp(net.mx, PUBLIC, 26)
    assert (result.what, result.seconds) == ("connection refused", pytest.approx(0.03))


def test_an_address_inside_cannot_be_reached_from_outside(net):
    assert net.tcp(net.mx, SERVER).what == "no route to host"


def test_a_translation_is_forgotten_after_silence(net):
    """RFC 4787 §4.3 REQ-5: UDP after 5 min; RFC 5382 §5 REQ-5: TCP after 2 h 4 min."""

    async def script(silence):
        stream = await net.pc.connect(MX, 25)
        stream.write(b"a")
        assert await stream.read() == b"a"
        await net.pc.sleep(silence)
        flow = FiveTuple("tcp", (MX, 25), from_outside(net)[-1])
        return net.network.probe(net.mx, flow).fate

    assert net.run(script(7400)) == "delivered"
    assert net.run(script(7500)) == "lost"


def test_a_client_that_speaks_again_is_translated_again(net):
    """As Linux does: a flow may be picked up in the middle."""

    async def script():
        stream = await net.pc.connect(MX, 25)
        await net.pc.sleep(10_000)
        stream.write(b"again")
        return await stream.read()

    assert net.run(script()) == b"again"
    assert len(translations(net)) == 2


def test_ten_megabytes_pass_in_both_directions(net):
    data = bytes(range(256)) * 40_000
    for caller, address in ((net.pc, MX), (net.mx, PUBLIC)):
        result = net.tcp(caller, address, data=data)
        assert (result.what, result.data == data) == ("done", True)
        assert result.seconds < 30


def test_a_slow_reader_stalls_nobody_else(net):
    async def slow(stream):
        await net.mx.sleep(500)

    async def script():
        stuck = await net.pc.connect(MX, 26)
        stuck.write(b"x" * 1_000_000)
        await net.pc.sleep(1)
        began = net.loop.time()
        assert len(await say_by_tcp(net.pc, MX, 25, b"y" * 1_000_000)) == 1_000_000
        assert net.loop.time() - began < 2
        unread = sum(
            len(e["data"]) for e in net.trace.of_kind("bytes") if e.connection == "c1"
        )
        assert unread <= 3 * 65_535, "what its stream keeps, and TCP's window"

    net.run(net.mx.listen(26, slow))
    net.run(script())


# Forwards and hairpin -----------------------------------------------------------------


def test_a_forwarded_port_leads_inside(net):
    assert net.tcp(net.mx, PUBLIC).what == "done"
    assert net.udp(net.mx, PUBLIC).what == "done"
    accept = net.trace.of_kind("accept")[0]
    assert (accept.host, accept["dst"]) == ("server", (SERVER, 25))
    assert accept["src"][0] == MX


def test_a_forward_may_change_the_port_and_have_a_range(net):
    net.router.forward("tcp", 2525, SERVER, 25)
    net.router.forward("tcp", range(6000, 6003), SERVER)
    assert net.tcp(net.mx, PUBLIC, 2525).what == "done"
    assert net.tcp(net.mx, PUBLIC, 6002).what == "connection refused"
    assert net.tcp(net.mx, PUBLIC, 6003).what == "timed out"
    assert list(map(str, net.router.forwards)) == [
        "tcp 25 → 192.168.1.20",
        "udp 53 → 192.168.1.20",
        "tcp 2525 → 192.168.1.20 port 25",
        "tcp 6000-6002 → 192.168.1.20",
    ]


def test_a_forward_to_nobody_is_refused(net):
    with pytest.raises(LabError, match=r"nobody in home has this address"):
        net.router.forward("tcp", 80, "192.168.1.99")


def test_hairpin_reaches_a_host_inside_by_the_outside_address(net):
    result = net.tcp(net.pc, PUBLIC)
    assert (result.what, result.seconds) == ("done", pytest.approx(4 * 0.002))
    [accept] = net.trace.of_kind("accept")
    assert (accept.host, accept["src"][0]) == ("server", PUBLIC)


def test_a_host_may_reach_itself_by_hairpin(net):
    assert net.tcp(net.server, PUBLIC).what == "done"


def test_without_hairpin_the_router_itself_answers():
    with HomeNetwork(hairpin=False) as net:
        result = net.tcp(net.pc, PUBLIC)
        assert (result.what, result.seconds) == ("connection refused", 0.002)
        assert net.tcp(net.mx, PUBLIC).what == "done"


# Double NAT ---------------------------------------------------------------------------


@pytest.fixture
def carrier(net):
    """The customers' network is private, and the provider translates once more."""
    shared = add_subnet(net.network, "shared", "100.64.0.0/10")
    inside, outside = ["100.64.0.1"], ["198.51.100.64"]
    cgn = Gateway(net.network, "cgn", shared, net.network.internet, inside, outside)
    cgn.nat = True
    flat = add_subnet(net.network, "flat", "192.168.9.0/24")
    inside, outside = ["192.168.9.1"], ["100.64.7.7"]
    box = Gateway(net.network, "box", flat, shared, inside, outside)
    box.nat = True
    net.laptop = Host(net.network, "laptop", ["192.168.9.10"], 0.001, flat)
    box.forward("tcp", 25, "192.168.9.10")
    return cgn


def test_double_nat_lets_out_and_nobody_in(net, carrier):
    assert net.tcp(net.laptop, MX).what == "done"
    assert from_outside(net) == [("198.51.100.64", 49152)]
    assert [inside for inside, _, _ in translations(net)] == [
        ("192.168.9.10", 49152),
        ("100.64.7.7", 49152),
    ]
    assert net.tcp(net.mx, "198.51.100.64").what == "timed out"
    assert net.tcp(net.mx, "100.64.7.7").what == "no route to host"


def test_behind_double_nat_one_home_may_reach_the_other(net, carrier):
    assert net.tcp(net.laptop, PUBLIC).what == "done"


# Lines --------------------------------------------------------------------------------


def test_bandwidth_is_shared_and_counts_each_way(net):
    net.router.uplink.append(Rate(100_000.0))
    data = b"x" * 200_000
    up = net.tcp(net.pc, MX, data=data).seconds
    assert 2 < up < 2.4
    net.router.uplink.clear()
    net.network.changed()
    assert net.tcp(net.pc, MX, data=data).seconds < 0.6


def test_a_lossy_line_loses_no_octet_of_tcp():
    seconds = []
    for seed in ("1", "2", "1"):
        with HomeNetwork(seed) as net:
            for effects in (net.isp.uplink, net.isp.downlink):
                effects.append(Loss(0.1))
            data = bytes(range(256)) * 800
            result = net.tcp(net.pc, MX, data=data)
            assert (result.what, result.data) == ("done", data)
            seconds.append(result.seconds)
    assert seconds[0] == seconds[2] != seconds[1]


@pytest.mark.parametrize("seed", "abcdefghijklmnopqrst")
def test_connections_begin_and_end_cleanly_on_a_bad_line(seed):
    with HomeNetwork(seed) as net:
        for effects in (net.isp.uplink, net.isp.downlink):
            effects.append(Loss(0.3))
        assert net.tcp(net.pc, MX).what == "done"
        net.advance(200)
        assert not net.network.endpoints
        assert {e["reason"] for e in net.trace.of_kind("lost")} == {""}


def test_a_lossy_line_loses_datagrams(net):
    net.isp.uplink.append(Loss(0.5))
    heard = [net.udp(net.pc, MX).what for _ in range(40)]
    assert 5 < heard.count("done") < 35


# Addresses and power ------------------------------------------------------------------


def test_a_new_address_outside_ends_what_was_open(net):
    async def script():
        stream = await net.pc.connect(MX, 25)
        net.router.renumber(PUBLIC, "203.0.113.99")
        stream.write(b"hello")
        with pytest.raises(ConnectionResetError):
            await stream.read()

    net.run(script())
    assert net.tcp(net.mx, PUBLIC).what == "no route to host"
    assert net.tcp(net.mx, "203.0.113.99").what == "done"
    assert net.tcp(net.pc, MX).what == "done"


def test_a_host_with_a_new_address_is_silent_at_the_old_one(net):
    async def script():
        stream = await net.pc.connect(MX, 25)
        net.mx.renumber(MX, "198.51.100.26")
        stream.write(b"hello")
        with pytest.raises(OSError, match="route") as caught:
            await stream.read()
        return caught.value.errno

    assert net.run(script()) == errno.EHOSTUNREACH
    assert net.tcp(net.pc, "198.51.100.26").what == "done"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("198.51.100.99", "198.51.100.98", "mx has no address 198.51.100.99"),
        (MX, "here", "'here' is not an IP address"),
    ],
)
def test_a_wrong_address_is_refused(net, old, new, words):
    with pytest.raises(LabError, match=words):
        net.mx.renumber(old, new)


def test_an_address_of_somebody_else_or_of_elsewhere_is_refused(net):
    with pytest.raises(LabError, match=r"server and pc both have the address"):
        net.server.renumber(SERVER, "192.168.1.10")
    with pytest.raises(LabError, match=r"is not in 192.168.1.0/24 or"):
        net.server.renumber(SERVER, "192.168.2.10")
    assert net.tcp(net.mx, PUBLIC).what == "done"


def test_a_gateway_without_power_is_silence_on_both_sides(net):
    net.router.power_off()
    assert net.tcp(net.pc, MX).what == "timed out"
    assert net.tcp(net.mx, PUBLIC).what == "timed out"
    assert net.tcp(net.pc, SERVER).what == "done"
    net.router.power_on()
    assert net.tcp(net.pc, MX).what == "done"


def test_a_router_that_starts_again_has_forgotten_its_translations(net):
    async def script():
        stream = await net.pc.connect(MX, 25)
        net.router.power_off()
        net.router.power_on()
        flow = FiveTuple("tcp", (MX, 25), (PUBLIC, 49152))
        assert net.network.probe(net.mx, flow).fate == "lost"
        stream.write(b"hello")
        return await stream.read()

    assert net.run(script()) == b"hello"


def test_a_host_without_power_waits_and_has_lost_its_connections(net):
    async def script():
        stream = await net.pc.connect(MX, 25)
        net.pc.power_off()
        net.loop.call_later(3600, net.pc.power_on)
        with pytest.raises(ConnectionAbortedError):
            await stream.read()
        assert net.loop.time() == pytest.approx(3600.032)
        return await net.pc.connect(MX, 25)

    assert net.run(script()).is_open
    assert [e["on"] for e in net.trace.of_kind("power")] == [False, True]


def test_the_peer_of_a_host_that_was_off_is_reset_when_it_speaks(net):
    async def script():
        stream = await net.pc.connect(MX, 25)
        net.mx.power_off()
        net.loop.call_later(60, net.mx.power_on)
        stream.write(b"are you there?")
        with pytest.raises(ConnectionResetError):
            await stream.read()

    net.run(script())
    assert 60 < net.loop.time() < 130


def test_a_host_that_is_off_starts_nothing(net):
    net.pc.power_off()
    net.loop.call_later(500, net.pc.power_on)
    result = net.tcp(net.pc, MX)
    assert (result.what, result.seconds) == ("done", pytest.approx(500.064))
