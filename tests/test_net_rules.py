"""Every action of a firewall, in both directions, for TCP and UDP."""

import asyncio
import ipaddress

import pytest

from maillab.errors import LabError
from maillab.net.host import Host
from maillab.net.rules import Rule
from tests.networks import (
    MX,
    MX6,
    PUBLIC,
    SERVER6,
    HomeNetwork,
    say_by_tcp,
    watched,
)
from tests.packets import kinds

# Where the firewall stands, and who calls whom through it.
PLACES = {
    "isp out": ("isp", "out", "pc", MX),
    "isp in": ("isp", "in", "mx", PUBLIC),
    "pc out": ("pc", "out", "pc", MX),
    "server in": ("server", "in", "mx", PUBLIC),
    "isp out, IPv6": ("isp", "out", "pc", MX6),
    "server in, IPv6": ("server", "in", "mx", SERVER6),
}
ONE_WAY = 0.016  # seconds from pc or server to mx
TO_PLACE = {"isp out": 0.006, "isp in": 0.010, "pc out": 0.0, "server in": ONE_WAY}

# What a program sees by TCP and by UDP, as a word and a function of the round trips
# to the place and to the other end.
SEEN = {
    "accept": (("done", lambda p, e: 2 * e), ("done", lambda p, e: e)),
    "drop": (("timed out", lambda p, e: 127), ("patience ended", lambda p, e: 2000)),
    "reject": (
        ("connection refused", lambda p, e: p),
        ("connection refused", lambda p, e: p),
    ),
    "prohibit": (
        ("no route to host", lambda p, e: p),
        ("no route to host", lambda p, e: p),
    ),
    "tarpit": (
        ("patience ended", lambda p, e: 2000),
        ("patience ended", lambda p, e: 2000),
    ),
    "delay": (("done", lambda p, e: 2 * e + 2), ("done", lambda p, e: e + 1)),
}
MORE = {"delay": {"seconds": 0.5}}


@pytest.fixture
def net():
    with HomeNetwork() as network:
        yield network
        assert network.kinds("failure") == []


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("action", SEEN)
def test_what_a_program_sees(net, where, protocol, action):
    place, direction, caller, address = PLACES[where]
    host = net.network.hosts[place]
    keys = {"direction": direction, "protocol": protocol, **MORE.get(action, {})}
    rule = net.rule(host, action, ports=25 if protocol == "tcp" else 53, **keys)
    call = net.tcp if protocol == "tcp" else net.udp
    what, seconds = SEEN[action][protocol == "udp"]
    result = call(net.network.hosts[caller], address)
    to_place = 2 * TO_PLACE[where.partition(",")[0]]
    six = what.replace("no route to host", "permission denied")  # of ICMPv6, in Linux
    assert result.what == (six if ":" in address else what)
    assert result.seconds == pytest.approx(seconds(to_place, 2 * ONE_WAY))
    assert result.data == (b"hello" if what == "done" else b"")
    assert rule.hits >= 1


# The first packets at the caller, by TCP and by UDP; ICMP as IPv4 and as IPv6 has it.
CAPTURED = {
    "accept": (["> SYN", "< SYN-ACK", "> ACK"], ["> UDP", "< UDP"]),
    "drop": (["> SYN"] * 7, ["> UDP"]),
    "reject": (["> SYN", "< RST"], ["> UDP", "< ICMP port"]),
    "prohibit": (["> SYN", "< ICMP prohibited"], ["> UDP", "< ICMP prohibited"]),
    "tarpit": (["> SYN", "< SYN-ACK", "> ACK"], ["> UDP"]),
    "delay": (["> SYN", "> SYN", "< SYN-ACK"], ["> UDP", "< UDP"]),
}
ICMP = {
    4: {"port": "3/3", "prohibited": "3/13"},  # RFC 792, RFC 1812 §5.2.7.1
    6: {"port": "1/4", "prohibited": "1/1"},  # RFC 4443 §3.1
}
PASSES = ("accept", "delay")


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("action", CAPTURED)
def test_what_captures_show(net, where, protocol, action):
    """At the caller, at the place itself, and behind it."""
    place, direction, caller, address = PLACES[where]
    keys = {"direction": direction, "protocol": protocol, **MORE.get(action, {})}
    host = net.network.hosts[place]
    net.rule(host, action, ports=25 if protocol == "tcp" else 53, **keys)
    call = net.tcp if protocol == "tcp" else net.udp
    call(net.network.hosts[caller], address)

    numbers = ICMP[6 if ":" in address else 4]
    expected = CAPTURED[action][protocol == "udp"]
    for word, number in numbers.items():
        expected = [kind.replace(word, number) for kind in expected]
    seen = kinds(net.trace.capture(caller))
    if place == caller and action not in PASSES:
        expected = []  # it never was on any wire
        assert seen == []
    assert seen[: len(expected)] == expected
    callee = "server" if caller == "mx" else "mx"
    arrived = "< SYN" if protocol == "tcp" else "< UDP"
    behind = kinds(net.trace.capture(callee)) if callee in net.trace.hosts else []
    reaches = action in PASSES or place == callee  # sniffers sit before firewalls
    assert (arrived in behind) == reaches


@pytest.mark.parametrize("direction", ["in", "out"])
@pytest.mark.parametrize("action", ["drop", "reject", "prohibit", "tarpit"])
def test_the_other_direction_is_not_touched(net, direction, action):
    rule = net.rule(net.isp, action, direction=direction, protocol="tcp")
    result = net.tcp(net.pc, MX) if direction == "in" else net.tcp(net.mx, PUBLIC)
    assert (result.what, rule.hits) == ("done", 0)


@pytest.mark.parametrize("direction", ["in", "out"])
def test_a_rule_for_one_protocol_does_not_touch_the_other(net, direction):
    net.rule(net.isp, "drop", direction=direction, protocol="udp", ports=())
    assert net.tcp(net.pc, MX).what == "done"
    assert net.tcp(net.mx, PUBLIC).what == "done"


def test_the_first_rule_that_fits_decides(net):
    net.rule(net.isp, "accept", destination=blocks(MX))
    never = net.rule(net.isp, "drop")
    assert net.tcp(net.pc, MX).what == "done"
    assert net.tcp(net.pc, MX6).what == "timed out"
    assert never.hits == 7


def test_a_rule_may_name_ports_ranges_and_prefixes(net):
    rule = Rule(
        "drop",
        ports=(range(25, 26), range(6000, 6064)),
        source=blocks("203.0.113.0/24"),
        destination=blocks("198.51.100.0/24"),
    )
    net.isp.firewall.add(rule)
    assert str(rule) == (
        "drop from 203.0.113.0/24 to 198.51.100.0/24 ports 25, 6000-6063"
    )
    assert net.tcp(net.pc, MX, 25).what == "timed out"
    assert net.tcp(net.pc, MX, 6063).what == "timed out"
    assert net.tcp(net.pc, MX, 6064).what == "connection refused"
    assert net.tcp(net.pc, MX6, 25).what == "done"


def test_a_redirect_brings_the_caller_to_somebody_else(net):
    async def proxy(stream):
        stream.write(b"proxy")

    other = Host(net.network, "proxy", ["198.51.100.99"])
    net.run(other.listen(25, proxy))
    net.rule(net.isp, "redirect", direction="out", to=("198.51.100.99", 0))
    result = net.tcp(net.pc, MX)
    assert (result.what, result.data) == ("done", b"proxy")
    session = net.trace.session(port=25)
    assert (session.server_address, session.server) == ((MX, 25), "proxy")
    accept = session.find("accept")
    assert accept["dst"] == ("198.51.100.99", 25)


@pytest.mark.parametrize("octets", [3000, 20_000])
def test_a_reset_after_so_many_octets_hits_both_sides(net, octets):
    net.rule(net.isp, "reset-after", octets=octets)
    result = net.tcp(net.pc, MX, data=b"x" * 50_000)
    assert result.what == "connection reset by peer"
    net.advance(1)
    assert net.kinds("cut") == [("cut", "isp")]
    ends = {e.host: e["reason"] for e in net.trace.of_kind("lost")}
    assert ends == {"pc": "reset", "mx": "reset"}
    arrived = sum(
        len(e["data"])
        for e in net.trace.of_kind("bytes")
        if e["latency"] >= 0 and e["side"] == "C"
    )
    assert octets - 2 * 1448 < arrived <= octets


def test_a_throttle_lets_so_much_through_each_second(net):
    net.rule(net.isp, "throttle", rate=10_000.0)
    result = net.tcp(net.pc, MX, data=b"x" * 50_000)
    assert result.what == "done"
    assert 5 < result.seconds < 11


def test_two_flows_share_a_throttle(net):
    net.rule(net.isp, "throttle", rate=10_000.0)

    async def both():
        data = b"x" * 25_000
        callers = [
            say_by_tcp(net.pc, MX, 25, data),
            say_by_tcp(net.server, MX, 25, data),
        ]
        return await asyncio.gather(*callers)

    began = net.loop.time()
    assert [len(data) for data in net.run(both())] == [25_000, 25_000]
    assert 5 < net.loop.time() - began < 11


def test_a_lossy_rule_costs_time_and_no_octet(net):
    net.rule(net.isp, "lose", probability=0.2)
    data = bytes(range(256)) * 400
    result = net.tcp(net.pc, MX, data=data)
    assert (result.what, result.data) == ("done", data)
    lost = [e for e in net.trace.of_kind("bytes") if e["latency"] < 0]
    assert len(lost) > 10
    assert {e["lost_at"] for e in lost} == {"isp/inside", "isp/outside"}


def test_starttls_is_stripped_in_both_directions(net):
    async def offer(stream):
        stream.write(b"250-SIZE 1000\r\n250-STAR")
        await asyncio.sleep(0.1)  # the word comes in two segments
        stream.write(b"TTLS\r\n250 DSN\r\n")
        heard.append(await stream.read())

    heard = []
    net.run(net.mx.listen(587, offer))
    net.rule(net.isp, "strip-starttls", ports=587)

    async def ask():
        stream = await net.pc.connect(MX, 587)
        got = b""
        while not got.endswith(b"DSN\r\n"):
            got += await stream.read()
        stream.write(b"STARTTLS\r\n")
        await stream.close()
        return got

    assert net.run(ask()) == b"250-SIZE 1000\r\n250-STARXXXA\r\n250 DSN\r\n"
    net.advance(1)
    assert heard == [b"XXXXXXXX\r\n"]


# Rules that change while flows are open -----------------------------------------------


@pytest.mark.parametrize(
    ("tracking", "outcome", "seconds"),
    [
        ("keep", "done", 0.032),
        ("recheck", "timed out", 924.6),
        ("none", "timed out", 924.6),
    ],
)
def test_what_a_new_rule_does_to_an_open_flow(net, tracking, outcome, seconds):
    net.isp.firewall.tracking = tracking
    net.rule(net.isp, "accept", ports=9)  # so that the firewall looks at flows

    async def script():
        stream = await net.pc.connect(MX, 25)
        net.rule(net.isp, "drop", direction="out")
        return await timed(net, hear_echo(stream))

    assert net.run(script()) == (outcome, pytest.approx(seconds))


def test_a_flow_that_is_refused_in_the_middle_is_reset(net):
    async def script():
        stream = await net.pc.connect(MX, 25)
        net.isp.firewall.tracking = "recheck"
        net.rule(net.isp, "reject", direction="out")
        return await timed(net, hear_echo(stream))

    net.rule(net.isp, "accept", ports=9)
    assert net.run(script()) == ("connection reset by peer", pytest.approx(0.012))
    assert net.kinds("cut") == [("cut", "isp")]


def test_icmp_in_the_middle_is_only_a_hint(net):
    async def script():
        stream = await net.pc.connect(MX, 25)
        net.isp.firewall.tracking = "recheck"
        net.rule(net.isp, "prohibit", direction="out")
        return await timed(net, hear_echo(stream))

    net.rule(net.isp, "accept", ports=9)
    assert net.run(script()) == ("no route to host", pytest.approx(924.6))


def test_a_flow_goes_on_when_the_rule_is_taken_out_in_time(net):
    async def script():
        stream = await net.pc.connect(MX, 25)
        net.isp.firewall.tracking = "recheck"
        rule = net.rule(net.isp, "drop", direction="out")
        net.loop.call_later(5, net.isp.firewall.remove, rule)
        return await timed(net, hear_echo(stream))

    net.rule(net.isp, "accept", ports=9)
    what, seconds = net.run(script())
    assert what == "done"
    assert 5 < seconds < 13  # the next of 0.2, 0.6, 1.4, 3, 6.2 … s


def test_an_access_list_without_memory_drops_answers_too(net):
    net.isp.firewall.tracking = "none"
    net.rule(net.isp, "drop", direction="in", ports=())
    assert net.tcp(net.pc, MX).what == "timed out"
    assert [e.host for e in net.trace.of_kind("accept")] == ["mx"]
    assert len(net.trace.of_kind("synack")) == 6


def test_a_firewall_with_memory_lets_answers_in(net):
    net.rule(net.isp, "drop", direction="in", ports=())
    assert net.tcp(net.pc, MX).what == "done"
    assert net.tcp(net.mx, PUBLIC).what == "timed out"


def test_one_way_that_is_blocked_in_the_middle_kills_the_flow(net):
    """What is sent arrives; no acknowledgement comes back."""
    net.isp.firewall.tracking = "none"
    net.rule(net.isp, "accept", ports=9)

    async def script():
        stream = await net.pc.connect(MX, 25)
        net.rule(net.isp, "drop", direction="in", ports=())
        return await timed(net, hear_echo(stream))

    assert net.run(script()) == ("timed out", pytest.approx(924.6))
    sent = [e for e in net.trace.of_kind("bytes") if e.host == "pc"]
    assert len(sent) == 16
    assert all(event["latency"] > 0 for event in sent)


# Words and mistakes -------------------------------------------------------------------


def test_the_table_of_a_firewall_counts_hits(net):
    net.rule(net.isp, "drop", direction="out", protocol="tcp", comment="blocked")
    net.tcp(net.pc, MX)
    assert net.isp.firewall.text().splitlines() == [
        "     packets  rule",
        "  1        7  drop out tcp to port 25 (blocked)",
        "              (else: accept; open flows: keep)",
    ]


def test_a_rule_that_decides_is_told_with_its_flow(net):
    net.rule(net.isp, "drop", direction="out", comment="blocked")
    net.tcp(net.pc, MX)
    [first, *rest] = net.trace.of_kind("rule")
    assert (first.host, first["action"], first["number"]) == ("isp", "drop", 1)
    assert (first["src"], first["dst"]) == ((PUBLIC, 49152), (MX, 25))
    assert len(rest) == 6


@pytest.mark.parametrize(
    ("action", "keys", "words"),
    [
        ("throttle", {}, "needs 'rate'"),
        ("redirect", {}, "needs 'to'"),
        ("drop", {"rate": 5.0}, "'rate' means nothing in a rule that says 'drop'"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(action, keys, words):
    with pytest.raises(LabError, match=words):
        Rule(action, **keys)


def test_a_rule_that_is_not_there_cannot_be_removed(net):
    with pytest.raises(LabError, match="this rule is not here: drop"):
        net.isp.firewall.remove(Rule("drop"))


# Helping ------------------------------------------------------------------------------


def blocks(*texts):
    return tuple(ipaddress.ip_network(text) for text in texts)


async def hear_echo(stream):
    stream.write(b"still there?")
    return await stream.read()


async def timed(net, saying):
    result = await watched(net.loop, saying)
    return result.what, result.seconds
