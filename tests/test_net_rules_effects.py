"""Actions that let packets pass and do something to them: both directions, TCP, UDP."""

import pytest

from maillab.net.host import Host
from tests.networks import MX, MX6, PUBLIC, SERVER6, HomeNetwork, echo
from tests.packets import kinds, read

# Where the firewall stands, and who calls whom through it.
PLACES = {
    "isp out": ("isp", "out", "pc", MX),
    "isp in": ("isp", "in", "mx", PUBLIC),
    "pc out": ("pc", "out", "pc", MX),
    "server in": ("server", "in", "mx", PUBLIC),
    "isp out, IPv6": ("isp", "out", "pc", MX6),
    "server in, IPv6": ("server", "in", "mx", SERVER6),
}
places = pytest.mark.parametrize("where", PLACES)
protocols = pytest.mark.parametrize("protocol", ["tcp", "udp"])


@pytest.fixture
def net():
    with HomeNetwork() as network:
        yield network
        assert network.kinds("failure") == []


def call(net, where, protocol, action, data=b"hello", **keys):
    """Add the rule, call through it; what the caller sees, and its capture."""
    place, direction, caller, address = PLACES[where]
    host = net.network.hosts[place]
    port = 25 if protocol == "tcp" else 53
    keys |= {"direction": direction, "protocol": protocol, "ports": port}
    rule = net.rule(host, action, **keys)
    speak = net.tcp if protocol == "tcp" else net.udp
    result = speak(net.network.hosts[caller], address, data=data)
    net.advance(1)
    assert rule.hits >= 1
    return result, net.trace.capture(caller)


@places
@protocols
def test_all_is_lost(net, where, protocol):
    result, capture = call(net, where, protocol, "lose", probability=1.0)
    if protocol == "tcp":
        assert (result.what, result.seconds) == ("timed out", 127)
        assert kinds(capture) == ["> SYN"] * 7
    else:
        assert result.what == "patience ended"
        assert kinds(capture) == ["> UDP"]


@places
@protocols
def test_a_slow_line_is_slow_each_way(net, where, protocol):
    data = b"x" * 1000
    result, capture = call(net, where, protocol, "throttle", data, rate=500.0)
    assert (result.what, result.data) == ("done", data)
    assert 4 < result.seconds < 5.5
    octets = sum(len(read(packet.data).data) for packet in capture.packets)
    assert octets >= 2 * len(data)


@places
def test_a_connection_is_reset_after_so_much(net, where):
    result, capture = call(net, where, "tcp", "reset-after", octets=2)
    assert result.what == "connection reset by peer"
    ours = where == "pc out"  # then only the RST to the other side is on a wire
    assert kinds(capture)[-1] == ("> RST" if ours else "< RST")
    assert net.kinds("cut") == [("cut", PLACES[where][0])]


@places
def test_udp_is_silenced_after_so_much(net, where):
    result, capture = call(net, where, "udp", "reset-after", octets=2)
    assert (result.what, kinds(capture)) == ("patience ended", ["> UDP"])


@places
def test_the_word_starttls_is_masked(net, where):
    said = b"STARTTLS\r\n"
    result, capture = call(net, where, "tcp", "strip-starttls", said)
    assert result.data == b"XXXXXXXX\r\n"
    texts = [read(packet.data).data for packet in capture.packets]
    left = result.data if where == "pc out" else said  # sniffers sit behind firewalls
    assert left in texts
    assert result.data in texts


@pytest.mark.parametrize(
    ("where", "to"),
    [
        ("isp out", "198.51.100.99"),
        ("pc out", "198.51.100.99"),
        ("isp in", "203.0.113.99"),
        ("isp out, IPv6", "2001:db8:25::99"),
    ],
)
@protocols
def test_somebody_else_answers(net, where, to, protocol):
    subnet = net.access if where == "isp in" else net.network.internet
    proxy = Host(net.network, "proxy", [to], subnet=subnet)
    net.run(proxy.listen(25, echo))
    result, capture = call(net, where, protocol, "redirect", to=(to, 0))
    _, _, caller, address = PLACES[where]
    if protocol == "udp":  # nobody listens there
        assert result.what == "connection refused"
        return
    assert (result.what, result.data) == ("done", b"hello")
    [accept] = net.trace.of_kind("accept")
    assert (accept.host, accept["dst"]) == ("proxy", (to, 25))
    answers = {read(p.data).src for p in capture.packets if not p.outbound}
    seen = to if where == "pc out" else address  # on the wire it goes to the proxy
    assert answers == {f"{seen} 25"}, caller
