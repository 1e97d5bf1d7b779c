"""What each host could know where gateways stand between, and what views tell of it."""

import pytest

from maillab.net.effects import Loss
from maillab.trace import Trace
from tests.networks import MX, PUBLIC, SERVER, HomeNetwork
from tests.sniffer import decode, sniff

PC = "192.168.1.10"
LETTER = b"A line of a letter, as long as most.\r\n" * 1600


@pytest.fixture
def net():
    with HomeNetwork() as network:
        yield network


def lossy(net, probability=0.1):
    net.isp.uplink.append(Loss(probability))
    net.isp.downlink.append(Loss(probability))


# Seats --------------------------------------------------------------------------------


def test_a_server_knows_no_address_behind_nat(net):
    net.tcp(net.pc, MX)
    net.udp(net.pc, MX)
    seen = net.trace.as_seen_by("mx")
    assert PC not in seen.to_jsonl()
    assert "pc" not in seen.hosts
    assert seen.session().client == PUBLIC
    assert seen.session().client_address == (PUBLIC, 49152)
    assert seen.capture("mx").packets[0].data == net.trace.capture("mx").packets[0].data


def test_a_client_knows_no_server_behind_a_port_forwarding(net):
    net.tcp(net.mx, PUBLIC)
    seen = net.trace.as_seen_by("mx")
    assert SERVER not in seen.to_jsonl()
    assert seen.session().server == PUBLIC


def test_a_capture_from_a_seat_has_the_packets_of_this_host(net):
    lossy(net)
    net.rule(net.isp, "drop", ports=26)
    net.tcp(net.pc, MX, data=LETTER)
    net.tcp(net.pc, MX, port=26)
    net.udp(net.pc, MX)
    for host, place in (("pc", "pc"), ("mx", "mx"), ("isp", "isp/inside")):
        mine = net.trace.as_seen_by(host).capture(place).packets
        whole = net.trace.capture(place).packets
        assert [p.data for p in mine] == [p.data for p in whole]


def test_a_seat_in_a_file_still_captures(net):
    net.tcp(net.pc, MX)
    again = Trace.from_jsonl(net.trace.as_seen_by("mx").to_jsonl())
    seen = [decode(p) for p in again.capture("mx").packets]
    assert [p[1:3] for p in seen] == [p[1:3] for p in sniff(net.trace, "mx")]


def test_a_gateway_sees_what_passes_and_what_it_does(net):
    net.rule(net.isp, "drop", ports=26)
    net.tcp(net.pc, MX)
    net.tcp(net.pc, MX, port=26)
    isp = net.trace.as_seen_by("isp")
    assert {e.host for e in isp.of_kind("rule", "nat")} == {"isp"}
    assert [s.client for s in isp.sessions] == [PUBLIC, PUBLIC]
    assert isp.session(port=25).wire("C") == b"hello"
    assert len(isp.of_kind("syn")) == 6
    router = net.trace.as_seen_by("router")
    assert {s.client for s in router.sessions} == {"pc"}
    assert {e.host for e in router.of_kind("rule", "nat")} == {"router"}


def test_nobody_knows_ways_and_who_was_it(net):
    net.rule(net.isp, "reject")
    net.tcp(net.pc, MX)
    seen = net.trace.as_seen_by("pc")
    assert not seen.of_kind("path", "syn_fate", "rule", "nat")
    assert "isp" not in seen.to_jsonl()
    (refused,) = seen.of_kind("refused")
    assert refused["by"] == MX


def test_what_is_lost_on_the_way_is_silence_behind(net):
    net.rule(net.isp, "drop")
    net.tcp(net.pc, MX)
    net.tcp(net.mx, PUBLIC)
    assert [s.id for s in net.trace.as_seen_by("mx").sessions] == ["c2"]


def test_a_forged_rst_looks_like_one_of_the_peer(net):
    net.rule(net.isp, "reset-after", octets=3000)
    net.tcp(net.pc, MX, data=LETTER)
    for host, peer in (("pc", "mx"), ("mx", PUBLIC)):
        seen = net.trace.as_seen_by(host)
        assert not seen.of_kind("cut")
        assert peer in [e.host for e in seen.of_kind("reset")]
        assert seen.session().outcome == "reset"


# Views --------------------------------------------------------------------------------


def test_views_tell_what_happened_on_the_way(net):
    net.rule(net.isp, "drop", comment="the provider's port block")
    net.tcp(net.pc, MX)
    session = net.trace.session()
    for text in (session.transcript().text(), session.ladder().text()):
        assert "router: 192.168.1.10:49152 is 203.0.113.77:49152 outside" in text
        remark = "isp: drop out tcp to port 25 (the provider's port block)"
        assert text.count(remark) == 1
    assert "drop out tcp" in session.ladder().svg()
    assert session.outcome == "timed out"
    assert session.ladder().text().count("×") == 7


def test_a_ladder_shows_lost_segments_and_those_sent_again():
    with HomeNetwork(seed="3") as net:
        lossy(net)
        net.tcp(net.pc, MX, data=LETTER)
        items = net.trace.session().ladder().items()
        labels = [item.label for item in items if hasattr(item, "arrived_ns")]
        assert any("lost behind isp/outside" in label for label in labels)
        assert any(label.endswith("again") for label in labels)
        text = net.trace.session().transcript().text()
        assert "client: 1,448 octets again" in text
        assert "<svg" in net.trace.session().ladder().svg()


def test_lines_that_were_sent_twice_are_said_once():
    with HomeNetwork(seed="3") as net:
        lossy(net)
        net.tcp(net.pc, MX, data=LETTER)
        for seat in ("pc", "mx"):
            session = net.trace.as_seen_by(seat).session()
            said = [line.octets for line in session.lines if line.speaker == "C"]
            assert b"".join(said) == LETTER
