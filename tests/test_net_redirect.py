"""Where a redirection leads, and whether the answers find back; forwards and IPv6."""

import pytest

from maillab.errors import LabError
from maillab.net.effects import Loss
from maillab.net.host import Host
from maillab.world.explain import Explanation
from tests.networks import MX, MX6, PUBLIC, SERVER, SERVER6, HomeNetwork, echo
from tests.packets import kinds


@pytest.fixture
def net():
    with HomeNetwork() as network:
        yield network
        assert network.kinds("failure") == []


def arrived(net):
    """Who accepted, and whom it saw."""
    events = net.trace.of_kind("accept")
    return [(e.host, e.get("src", ("",))[0], e.get("dst", ("",))[0]) for e in events]


def outcome(source, address, port=25, protocol="tcp"):
    target = (address, port)
    return Explanation(source, address, target, protocol, [address]).outcome


def test_a_redirection_is_for_its_own_ip_version(net):
    Host(net.network, "proxy", ["198.51.100.99"])
    net.run(net.network.hosts["proxy"].listen(25, echo))
    rule = net.rule(net.isp, "redirect", direction="out", to=("198.51.100.99", 0))
    assert net.tcp(net.pc, MX6).what == net.tcp(net.pc, MX).what == "done"
    assert [host for host, *_ in arrived(net)] == ["mx", "proxy"]
    assert rule.hits == 1


def test_a_redirection_of_what_comes_in(net):
    rule = net.rule(net.router, "redirect", direction="in", to=("192.168.1.10", 2525))
    net.run(net.pc.listen(2525, echo))
    assert net.tcp(net.mx, PUBLIC).what == "done"
    assert arrived(net) == [("pc", MX, "192.168.1.10")]
    assert rule.hits == 1
    assert kinds(net.trace.capture("mx"))[:3] == ["> SYN", "< SYN-ACK", "> ACK"]


def test_a_host_redirects_to_another_port_of_its_own(net):
    net.rule(net.mx, "redirect", direction="in", to=(MX, 2525))
    net.run(net.mx.listen(2525, echo))
    assert outcome(net.pc, MX).ok
    assert net.tcp(net.pc, MX).what == "done"
    assert net.trace.of_kind("accept")[0]["dst"] == (MX, 2525)


def test_a_host_passes_nothing_on(net):
    net.rule(net.mx, "redirect", direction="in", to=("198.51.100.99", 0))
    assert net.tcp(net.pc, MX).what == "timed out"


def test_a_router_with_nat_may_redirect_to_a_host_inside(net):
    net.rule(net.router, "redirect", direction="out", to=(SERVER, 0))
    assert outcome(net.pc, MX).ok
    assert net.tcp(net.pc, MX).what == "done"
    assert arrived(net) == [("server", PUBLIC, SERVER)]
    with pytest.raises(LabError, match="is a gateway with two sides"):
        net.trace.capture("router")
    assert kinds(net.trace.capture("router", "inside"))[:2] == ["< SYN", "> SYN"]


def test_answers_that_do_not_come_back_on_the_way_there_are_taken_by_nobody(net):
    """Without NAT the proxy answers the caller itself, who has not asked it."""
    caller = Host(net.network, "caller", ["203.0.113.88"], subnet=net.access)
    proxy = Host(net.network, "proxy", ["203.0.113.25"], subnet=net.access)
    net.run(proxy.listen(25, echo))
    net.rule(net.isp, "redirect", direction="out", to=("203.0.113.25", 0))
    said = outcome(caller, MX)
    assert (said.ok, said.short) == (False, "wrong answer")
    assert said.sees == (
        "the answer comes from 203.0.113.25:25, whom nobody asked: "
        "127 s, then timed out"
    )
    result = net.tcp(caller, MX)
    assert (result.what, result.seconds) == ("timed out", 127)


# Forwards and IPv6 --------------------------------------------------------------------


def test_a_forward_is_for_ipv4_only(net):
    assert net.tcp(net.mx, "2001:db8:2::77").what == "timed out"
    with pytest.raises(LabError, match="only IPv4 is translated"):
        net.router.forward("tcp", 26, SERVER6)


# Nobody there, on a bad line ----------------------------------------------------------


def test_a_lost_syn_to_nobody_is_sent_again(net):
    net.router.uplink.append(Loss(1.0))
    net.loop.call_at(2, net.router.uplink.clear)
    net.loop.call_at(2, net.network.changed)
    result = net.tcp(net.pc, "198.51.100.200")
    assert result.what == "no route to host"
    assert result.seconds == pytest.approx(6)


def test_who_hears_nothing_of_nobody_gives_up(net):
    net.router.uplink.append(Loss(1.0))
    result = net.tcp(net.pc, "203.0.113.200")
    assert (result.what, result.seconds) == ("timed out", 127)


def test_a_rule_counts_only_what_comes_to_it(net):
    net.router.uplink.append(Loss(1.0))
    rule = net.rule(net.isp, "drop", direction="out")
    assert net.tcp(net.pc, MX).what == "timed out"
    assert rule.hits == 0
    assert net.trace.of_kind("rule") == []
    assert len(net.trace.of_kind("nat")) == 1, "before the line, and once"


def test_what_is_lost_before_a_router_is_not_translated(net):
    net.pc.uplink.append(Loss(1.0))
    assert net.tcp(net.pc, MX).what == "timed out"
    assert net.trace.of_kind("nat") == []
    assert len(net.router.conntrack) == 0


def test_icmp_that_is_lost_is_not_captured_behind(net):
    net.mx.uplink.append(Loss(1.0))
    assert net.udp(net.pc, MX, 54).what == "patience ended"
    assert kinds(net.trace.capture("mx")) == ["< UDP", "> ICMP 3/3"]
    assert kinds(net.trace.capture("pc")) == ["> UDP"]


# The router itself --------------------------------------------------------------------


def test_what_a_router_says_itself_is_captured_at_its_side(net):
    net.run(net.router.listen(80, echo))
    result = net.tcp(net.pc, "192.168.1.1", 80)
    assert (result.what, result.seconds) == ("done", pytest.approx(0.004))
    for place in ("router", "router/inside"):
        seen = kinds(net.trace.capture(place))
        assert seen[:3] == ["< SYN", "> SYN-ACK", "< ACK"]
    assert outcome(net.pc, "192.168.1.1", 80).sees == "connected after 2 ms"


# Who is off ---------------------------------------------------------------------------


@pytest.mark.parametrize("off", ["pc", "router", "isp", "mx"])
def test_explain_says_who_is_off(net, off):
    net.rule(net.isp, "accept", ports=9)
    for name in ("server", off):
        net.network.hosts[name].power_off()
    said = outcome(net.pc, MX).sees
    assert said.startswith(f"drop by {off} (it is off): 127 s, then timed out")


def test_a_tarpit_looks_like_who_was_asked(net):
    net.rule(net.isp, "tarpit", direction="out")
    net.tcp(net.pc, MX)
    seen = {event.host for event in net.trace.as_seen_by("pc")}
    assert seen == {"pc", MX}
