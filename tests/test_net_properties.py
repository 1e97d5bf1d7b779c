"""Whatever a line does, TCP brings every octet once and in order, or says so."""

import asyncio
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from maillab.net.effects import Loss, Rate
from tests.networks import MX, HomeNetwork

SIZES = st.integers(min_value=1, max_value=120_000)
EVENTS = st.sampled_from(
    ["drop", "allow", "router off", "router on", "mx off", "mx on", "renumber"]
)


def data_of(size):
    return (b"%d " % size) * (size // 4 + 1)


async def talk(net, sizes):
    """Say something, hear it back, and so on; then half-close and wait for the end."""
    stream = await net.pc.connect(MX, 25)
    for size in sizes:
        data = data_of(size)
        stream.write(data)
        got = bytearray()
        while len(got) < len(data):
            more = await stream.read()
            assert more, "the echo ended too soon"
            got += more
        assert got == data
    stream.send_eof()
    assert await stream.read() == b""
    await stream.close()


@settings(max_examples=60)
@given(
    loss=st.sampled_from([0.0, 0.01, 0.1, 0.2]),
    rate=st.sampled_from([None, 20_000.0, 1_000_000.0]),
    sizes=st.lists(SIZES, min_size=1, max_size=4),
    seed=st.integers(0, 9),
)
def test_a_bad_line_costs_time_and_nothing_else(loss, rate, sizes, seed):
    with HomeNetwork(str(seed)) as net:
        for effects in (net.isp.uplink, net.isp.downlink, net.router.uplink):
            effects += [Rate(rate)] if rate else []
            effects += [Loss(loss)] if loss else []
        net.run(net.pc.spawn(talk(net, sizes)))
        net.advance(300)
        assert not net.network.endpoints, "both ends have ended"
        assert net.kinds("failure") == []
        assert {event["reason"] for event in net.trace.of_kind("lost")} == {""}


@settings(max_examples=60)
@given(
    plan=st.lists(st.tuples(st.floats(0, 30), EVENTS), max_size=5),
    sizes=st.lists(SIZES, min_size=1, max_size=3),
    seed=st.integers(0, 9),
)
def test_whatever_happens_on_the_way_ends_well_or_with_an_error(plan, sizes, seed):
    with HomeNetwork(str(seed)) as net:
        net.isp.uplink += [Loss(0.05), Rate(50_000.0)]
        net.isp.firewall.tracking = "recheck"
        net.rule(net.isp, "accept", ports=9)
        for when, what in plan:
            net.loop.call_at(when, happen, net, what)
        net.loop.call_at(40, restore, net)

        async def try_to_talk():
            with suppress(OSError, AssertionError):
                await talk(net, sizes)

        net.run(net.pc.spawn(try_to_talk()))
        net.advance(2000)
        assert net.kinds("failure") == []
        assert net.tcp(net.pc, net.mx.addresses[0]).what == "done"
        for place in ("pc", "router/inside", "router/outside", "isp/outside", "mx"):
            net.trace.capture(place).to_bytes()


def happen(net, what):
    rules = net.isp.firewall
    match what:
        case "drop":
            net.rule(net.isp, "drop", ports=(), direction="both")
            rules.add(rules[len(rules) - 1], at=0)
        case "allow":
            rules.clear()
        case "renumber":
            old = net.router.public_address
            new = "203.0.113.99" if old != "203.0.113.99" else "203.0.113.77"
            net.router.renumber(old, new)
        case _:
            name, on = what.split()
            host = net.network.hosts[name]
            host.power_on() if on == "on" else host.power_off()


def restore(net):
    net.isp.firewall.clear()
    net.router.power_on()
    net.mx.power_on()


def test_two_hundred_connections_at_once_over_a_bad_line():
    with HomeNetwork() as net:
        for effects in (net.isp.uplink, net.isp.downlink):
            effects += [Rate(500_000.0), Loss(0.02)]

        async def all_of_them():
            await asyncio.gather(*(talk(net, [1000, 5000]) for _ in range(200)))

        net.run(net.pc.spawn(all_of_them()))
        net.advance(300)
        assert not net.network.endpoints
        assert len(list(net.router.conntrack)) == 200
