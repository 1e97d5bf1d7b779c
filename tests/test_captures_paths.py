"""Captures at every place of a network with NAT, firewalls and loss."""

from itertools import pairwise

import pytest

from maillab.errors import LabError
from maillab.net.effects import Loss, Rate
from maillab.net.host import Host
from tests.networks import MX, PUBLIC, SERVER, HomeNetwork
from tests.sniffer import decode, sniff

PLACES = ("pc", "router/inside", "router/outside", "isp/inside", "isp/outside", "mx")
PC, ISP, RELAY = "192.168.1.10", "203.0.113.1", "198.51.100.99"
LETTER = b"A line of a letter, as long as most.\r\n" * 1600


@pytest.fixture
def net():
    with HomeNetwork() as network:
        yield network


def flags(packets):
    return [packet.flags for packet in packets]


def data_of(packets, sender):
    """The octets from one address, each once."""
    segments = {p.seq: p.payload for p in packets if p.src == sender and p.payload}
    return b"".join(segments[seq] for seq in sorted(segments))


# NAT ----------------------------------------------------------------------------------


def test_addresses_are_those_of_the_place(net):
    net.tcp(net.pc, MX)
    clients = {p: sniff(net.trace, p)[0][1:3] for p in PLACES}
    inside, outside = (PC, MX), (PUBLIC, MX)
    expected = (inside, inside, outside, outside, outside, outside)
    assert clients == dict(zip(PLACES, expected, strict=True))
    answers = {p: sniff(net.trace, p)[1][1:3] for p in PLACES}
    assert answers == {place: pair[::-1] for place, pair in clients.items()}


def test_times_are_those_of_the_place(net):
    net.tcp(net.pc, MX)
    times = [
        [round(p.time, 6) for p in sniff(net.trace, place)[:2]] for place in PLACES
    ]
    assert times == [
        [0, 0.032],
        [0.001, 0.031],
        [0.001, 0.031],
        [0.006, 0.026],
        [0.006, 0.026],
        [0.016, 0.016],
    ]


def test_each_router_takes_one_from_the_ttl(net):
    net.tcp(net.pc, MX)
    ttls = [[p.ttl for p in sniff(net.trace, place)[:2]] for place in PLACES]
    assert ttls == [[64, 62], [64, 62], [63, 63], [63, 63], [62, 64], [62, 64]]


def test_a_packet_leaves_a_gateway_on_one_side_and_comes_in_on_the_other(net):
    net.tcp(net.pc, MX)
    directions = [sniff(net.trace, place)[0].outbound for place in PLACES]
    assert directions == [True, False, True, False, True, False]


def test_port_forwarding_changes_the_destination(net):
    net.tcp(net.mx, PUBLIC)
    assert sniff(net.trace, "router/outside")[0][1:3] == (MX, PUBLIC)
    assert sniff(net.trace, "router/inside")[0][1:3] == (MX, SERVER)
    assert sniff(net.trace, "server")[0][1:3] == (MX, SERVER)


def test_a_hairpin_passes_the_inside_twice_and_the_outside_never(net):
    net.tcp(net.pc, PUBLIC)
    seen = sniff(net.trace, "router/inside")
    assert [p[1:3] for p in seen[:2]] == [(PC, PUBLIC), (PUBLIC, SERVER)]
    assert [p.ttl for p in seen[:2]] == [64, 63]
    assert sniff(net.trace, "router/outside") == []


def test_all_octets_pass_everywhere(net):
    net.tcp(net.pc, MX, data=LETTER)
    for place in PLACES:
        assert data_of(sniff(net.trace, place), MX) == LETTER


def test_a_gateway_needs_a_side(net):
    net.tcp(net.pc, MX)
    with pytest.raises(LabError, match=r"capture\('router/inside'\) or"):
        net.trace.capture("router")
    with pytest.raises(LabError, match="router/outside, isp/inside"):
        net.trace.capture("modem")
    both = net.trace.capture("router", "outside"), net.trace.capture("router/outside")
    assert both[0].to_bytes() == both[1].to_bytes()


def test_a_gateway_that_talks_itself_is_a_host_too(net):
    net.tcp(net.router, MX)
    assert flags(sniff(net.trace, "router"))[:3] == ["S", "SA", "A"]
    assert sniff(net.trace, "router")[0].src == PUBLIC


def test_names_in_a_file_are_those_that_are_seen_there(net):
    net.tcp(net.pc, MX)
    inside = net.trace.capture("router/inside").to_bytes()
    outside = net.trace.capture("router/outside").to_bytes()
    assert b"the outside of router" in outside
    assert b"pc\0" in inside
    assert b"pc\0" not in outside
    assert b"router\0" in outside
    assert b"mx\0" in outside


# Firewalls ----------------------------------------------------------------------------


def test_what_is_dropped_is_seen_up_to_there(net):
    net.rule(net.isp, "drop")
    assert net.tcp(net.pc, MX).what == "timed out"
    counts = [len(sniff(net.trace, place)) for place in PLACES[:5]]
    assert counts == [7, 7, 7, 7, 0]
    times = [round(p.time) for p in sniff(net.trace, "pc")]
    assert times == [0, 1, 3, 7, 15, 31, 63]


def test_a_forged_rst_begins_at_the_gateway(net):
    net.rule(net.isp, "reject")
    net.tcp(net.pc, MX)
    syn, rst = sniff(net.trace, "isp/inside")
    assert (rst.src, rst.dst, rst.flags, rst.ttl) == (MX, PUBLIC, "RA", 64)
    assert rst.time == syn.time
    syn, rst = sniff(net.trace, "pc")
    assert (rst.src, rst.dst, rst.flags, rst.ttl) == (MX, PC, "RA", 63)
    assert rst.ack == syn.seq + 1
    assert sniff(net.trace, "isp/outside") == []


def test_icmp_comes_from_the_gateway_and_quotes_what_is_seen_there(net):
    net.rule(net.isp, "prohibit")
    net.tcp(net.pc, MX)
    for place, client, ttl in (("isp/inside", PUBLIC, 64), ("pc", PC, 63)):
        syn, icmp = net.trace.capture(place).packets
        answer = decode(icmp)
        assert (answer.src, answer.dst, answer.protocol) == (ISP, client, 1)
        assert answer.ttl == ttl
        assert answer.payload[:2] == b"\x03\x0d"  # administratively prohibited
        quoted = decode(syn._replace(data=answer.payload[8:]))
        assert (quoted.src, quoted.dst, quoted.flags) == (client, MX, "S")
        assert quoted.seq == decode(syn).seq


def test_a_redirected_flow_has_another_destination_behind_the_gateway(net):
    net.rule(net.isp, "redirect", to=(RELAY, 25))
    net.run(Host(net.network, "relay", [RELAY]).listen(25, hello))
    net.tcp(net.pc, MX)
    for place in PLACES[:4]:
        assert {p.src for p in sniff(net.trace, place)} < {PC, PUBLIC, MX}
    for place in ("isp/outside", "relay"):
        assert {p.src for p in sniff(net.trace, place)} == {PUBLIC, RELAY}
    assert "mx" not in net.trace.hosts
    assert net.trace.as_seen_by("pc").session().server == MX
    assert RELAY not in net.trace.as_seen_by("pc").to_jsonl()
    assert f"isp: {RELAY}:25 answers instead" in net.trace.session().transcript().text()


async def hello(stream):
    stream.write(b"220 relay.provider.example\r\n")
    await stream.close()


def test_a_tarpit_opens_no_window(net):
    net.rule(net.isp, "tarpit")
    assert net.tcp(net.pc, MX).what == "patience ended"
    seen = sniff(net.trace, "pc")
    assert flags(seen)[:3] == ["S", "SA", "A"]
    assert {p.window for p in seen if p.src == MX} == {0}
    assert sniff(net.trace, "isp/outside") == []


def test_a_middlebox_resets_both_sides(net):
    net.rule(net.isp, "reset-after", octets=3000)
    net.tcp(net.pc, MX, data=LETTER)
    for place, victim in (("pc", PC), ("mx", MX)):
        (rst,) = [p for p in sniff(net.trace, place) if "R" in p.flags]
        assert rst.dst == victim
        before = [p for p in sniff(net.trace, place) if p.src == rst.src and p.payload]
        expected = before[-1].seq + len(before[-1].payload) if before else rst.seq
        assert rst.seq == expected
    assert not any("R" in f for f in flags(sniff(net.trace, "isp/inside")[:3]))


def test_starttls_is_rewritten_at_the_middlebox(net):
    net.rule(net.isp, "strip-starttls", ports=2525)
    net.run(net.mx.listen(2525, offers_starttls))
    net.tcp(net.pc, MX, port=2525)
    net.advance(1)
    offers = {
        place: data_of(sniff(net.trace, place), MX).split(b"\r\n")[1]
        for place in PLACES
    }
    hidden = dict.fromkeys(PLACES[:4], b"250 XXXXXXXA")
    assert offers == hidden | dict.fromkeys(PLACES[4:], b"250 STARTTLS")
    session = net.trace.session(port=2525)
    assert session.wire("S").endswith(b"STARTTLS\r\n")
    seen = net.trace.as_seen_by("pc").session(port=2525)
    assert seen.wire("S").endswith(b"XXXXXXXA\r\n")


async def offers_starttls(stream):
    stream.write(b"250-mx\r\n250 STARTTLS\r\n")
    await stream.read()
    await stream.close()


# Loss ---------------------------------------------------------------------------------


def lossy(net, probability=0.1):
    net.isp.uplink.append(Loss(probability))
    net.isp.downlink.append(Loss(probability))


def test_what_was_lost_is_seen_before_and_not_behind():
    with HomeNetwork(seed="3") as net:
        lossy(net)
        net.tcp(net.pc, MX, data=LETTER)
        session = net.trace.session()
        lost = [b for b in session.bursts["C"] if b.lost_at == "isp/outside"]
        assert lost
        for place, seen in (("pc", True), ("isp/outside", True), ("mx", False)):
            sent = [p for p in sniff(net.trace, place) if p.dst == MX and p.payload]
            copies = len(session.bursts["C"]) - (0 if seen else len(lost))
            assert len(sent) == copies, place
        assert data_of(sniff(net.trace, "mx"), PUBLIC) == LETTER
        assert session.wire("C") == session.wire("S") == LETTER
        heard = net.trace.as_seen_by("mx").session()
        assert heard.wire("C") == LETTER


def test_a_hole_makes_duplicate_acks_with_sack_at_once():
    with HomeNetwork(seed="3") as net:
        lossy(net)
        net.tcp(net.pc, MX, data=LETTER)
        seen = sniff(net.trace, "mx")
        expected, holes = None, 0
        for packet, answer in pairwise(seen):
            if packet.dst != MX or not packet.payload:
                continue
            if expected is not None and packet.seq > expected:
                holes += 1
                assert answer.src == MX, "the duplicate ACK"
                assert answer.ack == expected
                assert answer.sack[:2] == (packet.seq, packet.seq + len(packet.payload))
                break
            expected = packet.seq + len(packet.payload)
        assert holes


def test_a_black_hole_hears_sixteen_transmissions(net):
    async def talk():
        stream = await net.pc.connect(MX, 25)
        net.rule(net.isp, "drop")
        net.isp.firewall.tracking = "none"
        stream.write(b"NOOP\r\n")
        await stream.read()

    with pytest.raises(TimeoutError):
        net.run(talk())
    for place, count in (("pc", 16), ("isp/inside", 16), ("isp/outside", 0)):
        sent = [p for p in sniff(net.trace, place) if p.payload]
        assert len(sent) == count, place
        assert len({p.seq for p in sent}) == min(count, 1)


def test_acks_are_lost_when_the_way_back_is_blocked(net):
    async def talk():
        stream = await net.pc.connect(MX, 25)
        net.rule(net.isp, "drop", direction="in", ports=())
        net.isp.firewall.tracking = "none"
        stream.write(b"NOOP\r\n")
        await stream.read()

    with pytest.raises(TimeoutError):
        net.run(talk())
    answers = [p for p in sniff(net.trace, "mx") if p.src == MX]
    passed = [p for p in sniff(net.trace, "isp/outside") if p.src == MX]
    behind = [p for p in sniff(net.trace, "isp/inside") if p.src == MX]
    assert len(answers) == len(passed) > 10
    assert flags(behind) == ["SA"]


def test_lost_syn_acks_are_answers_to_each_syn():
    with HomeNetwork() as net:
        net.rule(net.isp, "drop", direction="in", ports=())
        net.isp.firewall.tracking = "none"
        assert net.tcp(net.pc, MX).what == "timed out"
        assert flags(sniff(net.trace, "mx")) == ["S", "SA"] * 7
        assert flags(sniff(net.trace, "pc")) == ["S"] * 7


def test_nothing_overtakes_in_a_queue():
    with HomeNetwork() as net:
        net.isp.uplink.append(Rate(100_000))
        net.isp.uplink.append(Loss(0.1))
        net.tcp(net.pc, MX, data=LETTER)
        for place in PLACES:
            first = {}
            for p in sniff(net.trace, place):
                if p.dst == MX and p.payload:
                    first.setdefault(p.seq, p.time)
            again = {b.offset for b in net.trace.session().bursts["C"] if b.is_again}
            base = min(first)
            times = [t for seq, t in first.items() if seq - base not in again]
            assert times == sorted(times), place


# UDP ----------------------------------------------------------------------------------


def test_datagrams_and_their_icmp_are_translated(net):
    net.udp(net.pc, MX)
    net.udp(net.pc, MX, port=99)
    for place, client in (("pc", PC), ("mx", PUBLIC)):
        asked, answered, lost, icmp = sniff(net.trace, place)
        assert (asked.src, answered.dst, lost.src) == (client, client, client)
        assert (icmp.src, icmp.dst, icmp.protocol) == (MX, client, 1)
        assert icmp.payload[:2] == b"\x03\x03"  # port unreachable


def test_icmp_for_a_forbidden_datagram_comes_from_the_gateway(net):
    net.rule(net.isp, "prohibit", ports=53)
    net.udp(net.pc, MX)
    counts = [len(sniff(net.trace, place)) for place in PLACES[:5]]
    assert counts == [2, 2, 2, 2, 0]
    assert sniff(net.trace, "pc")[1][1:3] == (ISP, PC)
