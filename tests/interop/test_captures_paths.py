"""tshark at every place of a network with gateways, firewalls and loss."""

import shutil

import pytest

from maillab.net.effects import Loss, Rate
from maillab.net.host import Host
from tests.interop.test_tshark import complaints, followed, tshark
from tests.networks import MX, MX6, PUBLIC, HomeNetwork, echo
from tests.sniffer import sniff

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed"),
]

PLACES = ("pc", "router/outside", "isp/outside", "mx")
ISP, RELAY = "203.0.113.1", "198.51.100.99"
PORT = 7777  # of no protocol that tshark would take apart
DATA = bytes(range(256)) * 300
BAD = " || ".join(
    ["_ws.malformed", *(f"{p}.checksum.status == 0" for p in ("ip", "tcp", "udp"))]
)
TRUE = (  # what experts say of a network that loses packets
    "TCP window specified by the receiver is now completely full",  # 65,535 octets
    "Previous segment(s) not captured (common at capture start)",
    "This frame is a (suspected) out-of-order segment",
    "This frame is a (suspected) fast retransmission",
    "This frame is a (suspected) spurious retransmission",
    "D-SACK Sequence",
    "TCP Zero Window segment",
)
AGAIN = ("retransmission", "fast_retransmission", "out_of_order")
AGAIN += ("spurious_retransmission",)
MISSING = ("lost_segment", "duplicate_ack")


def lose(net):
    net.isp.uplink.append(Loss(0.06))
    net.isp.downlink.append(Loss(0.06))


def queue(net):
    net.isp.uplink.append(Rate(50_000))
    net.isp.uplink.append(Loss(0.04))


def rule(action, **keys):
    return lambda net: net.rule(net.isp, action, ports=PORT, **keys)


TROUBLE = {
    "nothing": lambda net: None,
    "loss": lose,
    "a slow line": queue,
    "delay": rule("delay", seconds=0.3),
    "throttle": rule("throttle", rate=40_000),
    "drop": rule("drop"),
    "reject": rule("reject"),
    "prohibit": rule("prohibit"),
    "tarpit": rule("tarpit"),
    "reset-after": rule("reset-after", octets=20_000),
}


@pytest.fixture(scope="module", params=TROUBLE)
def net(request):
    with HomeNetwork(seed="2") as network:
        network.run(network.mx.listen(PORT, echo))
        TROUBLE[request.param](network)
        network.tcp(network.pc, MX, port=PORT, data=DATA)
        network.udp(network.pc, MX, port=99)
        network.advance(2)
        yield network


def places(net):
    """Where there is something to see."""
    return [p for p in PLACES if p != "mx" or "mx" in net.trace.hosts]


def write(trace, place, folder):
    file = folder / f"{place.replace('/', '-')}.pcapng"
    trace.capture(place).write(file)
    return file


def frames(file):
    """For each flag of `AGAIN` and `MISSING`: the frames that have it."""
    flags = [*AGAIN, *MISSING]
    shown = [f"-etcp.analysis.{flag}" for flag in flags]
    rows = tshark(file, "-Tfields", *shown).splitlines()
    cells = [row.split("\t") for row in rows]
    return {
        flag: {number for number, row in enumerate(cells, 1) if row[at]}
        for at, flag in enumerate(flags)
    }


def test_nothing_is_malformed_and_experts_say_what_is_true(net, tmp_path):
    for place in places(net):
        file = write(net.trace, place, tmp_path)
        assert tshark(file, "-Y", BAD) == "", place
        said = [row for row in complaints(file) if not row.endswith(TRUE)]
        said = [row for row in said if "Duplicate ACK (#" not in row]
        assert said == [], place


def test_each_stream_is_what_the_trace_says(net, tmp_path):
    session = net.trace.session(port=PORT)
    whole = session.outcome == "closed" and session.server == "mx"
    assert not whole or session.wire("C") == session.wire("S") == DATA
    for place in PLACES if whole else ():
        assert followed(write(net.trace, place, tmp_path), 0) == (DATA, DATA), place


def test_what_tshark_takes_for_lost_was_lost_and_for_sent_again_was_sent_again(
    net, tmp_path
):
    for place in places(net):
        file = write(net.trace, place, tmp_path)
        holes, again, acks = judged(sniff(net.trace, place))
        found = frames(file)
        assert found["lost_segment"] == holes, place
        assert set().union(*(found[flag] for flag in AGAIN)) == again, place
        assert found["duplicate_ack"] <= acks, place


def judged(packets):
    """Frames behind a hole, frames with octets from before, ACKs that tell of either.

    From sequence numbers alone, in the order in which packets passed.
    """
    holes, again, acks = set(), set(), set()
    ends = {}  # of each direction: behind the last octet that passed
    for number, p in enumerate(packets, 1):
        if p.protocol != 6:
            continue
        size = len(p.payload) + ("S" in p.flags) + ("F" in p.flags)
        end = ends.setdefault(p.src, p.seq)
        if p.seq > end and "R" not in p.flags:
            holes.add(number)
        if p.seq < end and size:
            again.add(number)
        if not size and p.sack:
            acks.add(number)
        ends[p.src] = max(end, p.seq + size)
    return holes, again, acks


def test_loss_shows_as_every_kind_of_trouble(tmp_path):
    with HomeNetwork(seed="2") as net:
        net.run(net.mx.listen(PORT, echo))
        lose(net)
        net.tcp(net.pc, MX, port=PORT, data=DATA)
        behind = frames(write(net.trace, "mx", tmp_path))
        for flag in ("lost_segment", "retransmission", "duplicate_ack"):
            assert behind[flag], flag
        assert frames(write(net.trace, "pc", tmp_path))["fast_retransmission"]


def test_ipv6_has_no_nat_but_all_the_rest(tmp_path):
    with HomeNetwork(seed="2") as net:
        lose(net)
        net.rule(net.isp, "prohibit", ports=26)
        net.tcp(net.pc, MX6, data=DATA)
        net.tcp(net.pc, MX6, port=26)
        net.udp(net.pc, MX6, port=99)
        for place in PLACES:
            file = write(net.trace, place, tmp_path)
            assert tshark(file, "-Y", BAD.replace("_ws.malformed || ", "")) == ""
            assert tshark(file, "-Y", "icmpv6.checksum.status == 0") == ""
            hops = tshark(file, "-Tfields", "-eipv6.src", "-eipv6.hlim", "-Ytcp")
            first = hops.split("\n")[0].split("\t")
            expected = {"pc": "64", "router/outside": "63"}.get(place, "62")
            assert first == ["2001:db8:1::10", expected]
        codes = tshark(file, "-Tfields", "-eicmpv6.code", "-Yicmpv6").split()
        assert codes == ["4"]  # port unreachable; the other never comes so far
        pc = write(net.trace, "pc", tmp_path)
        assert "1" in tshark(pc, "-Tfields", "-eicmpv6.code", "-Yicmpv6").split()


# Telling apart ------------------------------------------------------------------------


def close(net):
    """The server itself says no."""


def redirect(net):
    net.rule(net.isp, "redirect", ports=PORT, to=(RELAY, PORT))
    net.run(Host(net.network, "relay", [RELAY]).listen(PORT, greets(b"220 relay\r\n")))


def greets(text):
    async def serve(stream):
        stream.write(text)
        await stream.read()
        await stream.close()

    return serve


def open_port(net):
    net.run(net.mx.listen(PORT, greets(b"220 mx\r\n")))


CAUSES = {
    "open": open_port,
    "closed": close,
    "drop": rule("drop"),
    "reject": rule("reject"),
    "prohibit": rule("prohibit"),
    "tarpit": rule("tarpit"),
    "redirect": redirect,
}


@pytest.mark.parametrize("cause", CAUSES)
def test_a_capture_at_the_client_tells_the_causes_apart(cause, tmp_path):
    with HomeNetwork() as net:
        net.udp(net.pc, MX)  # so that the round trip to the server is known
        CAUSES[cause](net)
        net.tcp(net.pc, MX, port=PORT, data=b"220 mx\r\n")
        assert diagnosis(write(net.trace, "pc", tmp_path)) == cause


def diagnosis(file):
    """From what tshark shows at the client, and nothing else."""
    fields = ("frame.time_relative", "ip.src", "ip.ttl", "tcp.flags", "icmp.code")
    fields += ("tcp.window_size_value", "tcp.payload", "udp.port")
    shown = [f"-e{field}" for field in fields]
    rows = [r.split("\t") for r in tshark(file, "-Tfields", *shown).splitlines()]
    asked, answered = (row for row in rows if row[-1])
    round_trip = float(answered[0]) - float(asked[0])
    first, *rest = (row for row in rows if not row[-1])
    came = [row for row in rest if not row[1].startswith("192.168.")]
    if not came:
        return "drop"
    answer = came[0]
    waited = float(answer[0]) - float(first[0])
    if answer[4]:
        assert answer[1].split(",")[0] == ISP
        return "prohibit"
    near = waited < 0.9 * round_trip and int(answer[2]) > int(answered[2])
    if int(answer[3], 16) & 4:
        return "reject" if near else "closed"
    if answer[5] == "0":
        return "tarpit"
    said = bytes.fromhex("".join(row[6] for row in came))
    return "open" if said == b"220 mx\r\n" else "redirect"


def test_a_redirection_shows_behind_the_gateway(tmp_path):
    with HomeNetwork() as net:
        redirect(net)
        net.tcp(net.pc, MX, port=PORT)
        ends = {}
        for place in ("isp/inside", "isp/outside"):
            file = write(net.trace, place, tmp_path)
            ends[place] = set(tshark(file, "-Tfields", "-eip.src", "-eip.dst").split())
        assert ends == {"isp/inside": {PUBLIC, MX}, "isp/outside": {PUBLIC, RELAY}}
