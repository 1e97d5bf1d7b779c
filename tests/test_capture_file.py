"""A capture becomes a trace: links, IP, names, keys, DNS, ICMP; ours come back."""

import struct
from collections import Counter

import dns.message
import pytest

from maillab import open_world
from maillab.errors import LabError
from maillab.trace import Trace
from maillab.trace.packets import (
    ACK,
    FIN,
    ethernet_frame,
    ip_packet,
    udp_packet,
    unreachable_packet,
)
from maillab.trace.reading.capture_file import CaptureFile
from maillab.trace.sample import Talk, letter
from tests.capture_making import (
    CLIENT,
    CLIENT6,
    MS,
    SERVER,
    SERVER6,
    SYN,
    Wire,
    named,
    ng,
    pcap,
)
from tests.worlds import plain_world

HELLO = b"EHLO alpha.example\r\n"
KEY = "CLIENT_RANDOM {} " + "ab" * 48


def talk(*ends):
    return Wire(*ends).shake().say("C", 0, HELLO).packets


def fragments(packet, size=16):
    """An IPv4 packet in pieces (RFC 791 §3.2)."""
    head, body = packet[:20], packet[20:]
    for at in range(0, len(body), size):
        part = body[at : at + size]
        place = at // 8 | (0x2000 if at + size < len(body) else 0)
        total = struct.pack("!HHH", 20 + len(part), 7, place)
        yield head[:2] + total + head[8:] + part


def fragments6(packet, size=16):
    """The same with fragment headers (RFC 8200 §4.5)."""
    head, body = packet[:40], packet[40:]
    for at in range(0, len(body), size):
        part = body[at : at + size]
        more = at + size < len(body)
        extra = struct.pack("!BBHI", head[6], 0, at | more, 9) + part
        yield head[:4] + struct.pack("!HB", len(extra), 44) + head[7:] + extra


def extended(packet):
    """An IPv6 packet with hop-by-hop and destination options in front of TCP."""
    first = bytes([60, 0, 1, 4, 0, 0, 0, 0])
    second = bytes([6, 1, 1, 12]) + bytes(12)
    body = first + second + packet[40:]
    return packet[:4] + struct.pack("!HB", len(body), 0) + packet[7:40] + body


def with_ip_options(packet):
    total = struct.pack("!H", len(packet) + 4)
    return b"\x46" + packet[1:2] + total + packet[4:20] + b"\1\1\1\0" + packet[20:]


def every_kind_of_packet():
    """Something for each road through the reader."""
    packets = [*talk(), *talk(CLIENT6, SERVER6)]
    now, last = packets[-1]
    query = dns.message.make_query("mx.beta.example", "A").to_wire()
    asked = udp_packet(CLIENT, ("192.0.2.53", 53), query, 1)
    quoting = [
        unreachable_packet("192.0.2.1", CLIENT[0], "port", asked, 1),
        unreachable_packet("192.0.2.1", CLIENT[0], "host", packets[0][1], 1),
        unreachable_packet("2001:db8::1", CLIENT6[0], "host", last, 1),
    ]
    odd = [asked, *quoting, *fragments(packets[3][1]), *fragments6(last)]
    odd += [extended(last), with_ip_options(packets[3][1])]
    return packets + [(now, packet) for packet in odd]


def wire_of(octets):
    (session,) = CaptureFile.from_bytes(octets).sessions
    return session.wire("C")


TAG = b"\x81\x00\x00\x05"
QINQ = b"\x88\xa8\x00\x07" + TAG
MAC = bytes(12)
ETHERTYPE = {4: b"\x08\x00", 6: b"\x86\xdd"}


def kind(packet):
    return ETHERTYPE[packet[0] >> 4]


LINKS = {
    "raw": (101, lambda p: p),
    "raw of BSD": (12, lambda p: p),
    "Ethernet": (1, ethernet_frame),
    "Ethernet, padded": (1, lambda p: ethernet_frame(p) + bytes(20)),
    "VLAN": (1, lambda p: MAC + TAG + kind(p) + p),
    "QinQ": (1, lambda p: MAC + QINQ + kind(p) + p),
    "PPPoE": (1, lambda p: MAC + b"\x88\x64" + bytes(6) + PPP[p[0] >> 4] + p),
    "cooked": (113, lambda p: bytes(14) + kind(p) + p),
    "cooked 2": (276, lambda p: kind(p) + bytes(18) + p),
    "loopback, little": (0, lambda p: struct.pack("<I", FAMILY[p[0] >> 4]) + p),
    "loopback, big": (0, lambda p: struct.pack(">I", FAMILY[p[0] >> 4]) + p),
    "loopback of Windows": (0, lambda p: struct.pack("<I", WINDOWS[p[0] >> 4]) + p),
    "loopback of OpenBSD": (108, lambda p: struct.pack(">I", FAMILY[p[0] >> 4]) + p),
}
PPP = {4: b"\x00\x21", 6: b"\x00\x57"}
FAMILY, WINDOWS = {4: 2, 6: 30}, {4: 2, 6: 23}


@pytest.mark.parametrize("ends", [(), (CLIENT6, SERVER6)], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("link", LINKS)
def test_every_link_type_gives_the_same_stream(link, ends):
    number, framed = LINKS[link]
    packets = [(time, framed(packet)) for time, packet in talk(*ends)]
    assert wire_of(pcap(packets, link=number)) == HELLO
    assert wire_of(ng(packets, link=number)) == HELLO


def test_ipv4_and_ipv6_have_link_types_of_their_own():
    assert wire_of(pcap(talk(), link=228)) == HELLO
    assert wire_of(pcap(talk(CLIENT6, SERVER6), link=229)) == HELLO


@pytest.mark.parametrize("ends", [(), (CLIENT6, SERVER6)], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("link", LINKS)
def test_a_frame_that_is_cut_off_anywhere_is_harmless(link, ends):
    number, framed = LINKS[link]
    (time, packet), *_ = talk(*ends)
    frame = framed(packet)
    for size in range(len(frame)):
        capture = CaptureFile.from_bytes(pcap([(time, frame[:size])], link=number))
        assert len(capture.packets[0].data) <= size


def test_an_unknown_link_type_is_told():
    capture = CaptureFile.from_bytes(pcap(talk(), link=105))
    assert [packet.data for packet in capture.packets] == [b""] * 4
    (note,) = capture.trace.of_kind("note")
    assert "105" in note["text"]


def test_linux_says_which_packets_it_sent():
    frames = [(0, bytes([0, 4]) + bytes(12) + b"\x08\x00" + talk()[0][1])]
    assert CaptureFile.from_bytes(pcap(frames, link=113)).packets[0].outbound


@pytest.mark.parametrize("cut", [fragments, lambda p: reversed(list(fragments(p)))])
def test_fragments_are_put_together(cut):
    *shake, (time, data) = talk()
    packets = shake + [(time, part) for part in cut(data)]
    assert wire_of(pcap(packets)) == HELLO


def test_fragments_of_ipv6_and_extension_headers_are_read():
    *shake, (time, data) = talk(CLIENT6, SERVER6)
    packets = shake + [(time, part) for part in fragments6(data)]
    assert wire_of(pcap(packets)) == HELLO
    assert wire_of(pcap([(t, extended(p)) for t, p in [*shake, (time, data)]])) == HELLO


def test_ip_options_are_passed_over():
    assert wire_of(pcap([(t, with_ip_options(p)) for t, p in talk()])) == HELLO


def test_a_missing_fragment_is_noted_and_overlapping_ones_are_void():
    *shake, (time, data) = talk()
    parts = list(fragments(data))
    missing = CaptureFile.from_bytes(pcap([*shake, (time, parts[0])]))
    assert "fragment" in missing.trace.of_kind("note")[0]["text"]
    other = parts[1][:20] + b"X" * 16
    twice = [*shake, *((time, p) for p in (parts[0], other, *parts[1:]))]
    assert wire_of(pcap(twice)) == b""


def test_a_card_that_cuts_up_for_the_system_leaves_the_length_open():
    *shake, (time, data) = talk()
    assert wire_of(pcap([*shake, (time, data[:2] + b"\0\0" + data[4:])])) == HELLO


# Events -------------------------------------------------------------------------------


def test_hosts_have_the_names_of_the_file_else_their_addresses():
    plain = ng(talk())
    names = named({CLIENT[0]: ["alpha.example"], SERVER6[0]: ["other"]})
    (session,) = CaptureFile.from_bytes(plain + names).sessions
    assert (session.client, session.server) == ("alpha.example", SERVER[0])
    assert session.client_address == CLIENT
    (session,) = CaptureFile.from_bytes(plain).sessions
    assert session.client == CLIENT[0]


def test_times_count_from_the_first_packet():
    capture = CaptureFile.from_bytes(pcap(talk()))
    assert capture.epoch_ns == 1_767_603_600 * 1000 * MS
    assert [event.time_ns for event in capture.trace] == [0, MS, 2 * MS, 3 * MS]


def test_an_event_knows_its_packet():
    capture = CaptureFile.from_bytes(ng(talk()))
    (said,) = capture.trace.of_kind("bytes")
    assert capture.number_of(said) == 4
    with pytest.raises(LabError, match="from 1 to 4"):
        capture.number_of(9)


@pytest.mark.parametrize(
    ("code", "kind"), [("host", "unreachable"), ("prohibited", "unreachable")]
)
def test_icmp_about_a_syn_makes_it_unreachable(code, kind):
    (time, syn), *_ = Wire().put("C", SYN).packets
    error = unreachable_packet("192.0.2.1", CLIENT[0], code, syn, 1)
    (session,) = CaptureFile.from_bytes(pcap([(time, syn), (time, error)])).sessions
    found = session.find(kind)
    assert (found["router"], found["code"]) == ("192.0.2.1", code)
    assert session.outcome == "unreachable"


def test_icmp_about_an_open_connection_is_told_and_changes_nothing():
    packets = talk()
    error = unreachable_packet("192.0.2.1", CLIENT[0], "host", packets[-1][1], 1)
    octets = pcap([*packets, (packets[-1][0], error)])
    (session,) = CaptureFile.from_bytes(octets).sessions
    assert session.find("icmp")["side"] == "C"
    assert session.wire("C") == HELLO


def test_what_is_missing_at_the_end_of_a_session_is_told_there():
    first = Wire().shake().say("S", 0, b"220 mx\r\n").put("C", ACK | FIN, 0, 8)
    first.put("S", ACK | FIN, 20, 1)  # and no ACK of the 12 octets before it
    later = Wire(client=("192.0.2.11", 40_002))
    later.now = first.now + 3_600_000 * MS
    capture = CaptureFile.from_bytes(pcap(first.packets + later.shake().packets))
    session = capture.sessions[0]
    assert [gap["size"] for gap in session.all("gap")] == [12]
    assert session.ended_ns < 60_000 * MS


def test_a_datagram_that_nobody_wants_is_answered_by_icmp():
    sent = udp_packet(CLIENT, ("192.0.2.53", 99), b"hello", 1)
    error = unreachable_packet("192.0.2.53", CLIENT[0], "port", sent, 1)
    trace = CaptureFile.from_bytes(pcap([(0, sent), (1, error)])).trace
    said, refused = trace.datagrams
    assert (said["data"], said["dst"]) == (b"hello", ("192.0.2.53", 99))
    assert (refused.kind, refused["src"], refused["data"]) == (
        "port_unreachable",
        CLIENT,
        b"hello",
    )


# Keys ---------------------------------------------------------------------------------


def client_hello(random):
    return b"\x16\x03\x01\x00\x80\x01\x00\x00\x7c\x03\x03" + random + bytes(92)


def test_keys_go_to_the_connection_whose_hello_has_their_number(tmp_path):
    random = bytes(range(32))
    wire = (
        Wire().shake().say("C", 0, b"STARTTLS\r\n").say("C", 10, client_hello(random))
    )
    octets, key = pcap(wire.packets), KEY.format(random.hex().upper())
    log = f"# a comment\n{key}\n{KEY.format('00' * 32)}\nnonsense\n"
    (tmp_path / "keys.txt").write_text(log)
    for keys in (log, key, str(tmp_path / "keys.txt")):
        (session,) = CaptureFile.from_bytes(octets, keys).sessions
        assert [event["line"] for event in session.all("keylog")] == [key]
        assert session.events[-1].kind == "bytes"
    assert not list(CaptureFile.from_bytes(octets).trace.of_kind("keylog"))


@pytest.mark.parametrize("cut", [0, 10, 12, 30, 51])
def test_a_hello_behind_starttls_in_one_segment_or_in_pieces_finds_its_keys(cut):
    random = bytes(range(32))
    said = b"STARTTLS\r\n" + client_hello(random)
    wire = Wire().shake()
    if cut:
        wire.say("C", 0, said[:cut])
    wire.say("C", cut, said[cut:])
    key = KEY.format(random.hex())
    (session,) = CaptureFile.from_bytes(pcap(wire.packets), key).sessions
    assert [event["line"] for event in session.all("keylog")] == [key]


def test_keys_that_are_none_are_answered_with_what_is_expected(tmp_path):
    (tmp_path / "keys.txt").write_text("secret")
    for keys in (str(tmp_path / "none.txt"), str(tmp_path / "keys.txt"), "a\nb\n"):
        with pytest.raises(LabError, match="SSLKEYLOGFILE"):
            CaptureFile.from_bytes(pcap(talk()), keys)


# There and back -----------------------------------------------------------------------


def told(session):
    ends = (session.client_address, session.server_address)
    how = (session.client, session.protocol, session.outcome)
    keys = {event["line"] for event in session.all("keylog")}
    return (*ends, *how, session.wire("C"), session.wire("S"), frozenset(keys))


@pytest.fixture(scope="module", params=["plain", "TLS"])
def world(request):
    opened = plain_world() if request.param == "plain" else open_world("two-domains")
    with opened:
        opened.send("alice", "bob@beta.example", "Hello", "How are you?\n.\n")
        opened.read("bob", "POP3")
        opened.read("bob", "IMAP")
        opened.hosts["mx.beta.example"].up = False
        opened.user("alice").send("bob@beta.example", "Later")
        opened.advance("10 min")
        yield opened


SEATS = ("alice-pc", "mail.alpha.example", "mx.beta.example", "bob-pc")


@pytest.mark.parametrize("seat", SEATS)
@pytest.mark.parametrize("link", ["raw", "ethernet"])
def test_our_own_captures_come_back_whole(world, seat, link):
    capture = world.trace.capture(seat, link=link)
    again = CaptureFile.from_bytes(capture.to_bytes())
    assert Counter(map(told, again.sessions)) == Counter(map(told, capture.sessions))
    ours = [packet.data for packet in capture.packets]
    assert [packet.data for packet in again.packets] == ours
    assert [packet.comment for packet in again.packets] == [
        packet.comment for packet in capture.packets
    ]
    asked = {(e["question"], e["type"]) for e in again.trace.of_kind("dns")}
    known = {(e["question"], e["type"]) for e in world.trace.of_kind("dns")}
    assert asked <= known


def test_refused_and_timed_out_connections_come_back():
    trace = Trace(strict=True)
    Talk(trace, "c1").refuse()
    Talk(trace, "c2", src=("192.0.2.10", 2)).time_out()
    again = CaptureFile.from_bytes(trace.capture("alpha.example").to_bytes())
    assert [s.outcome for s in again.sessions] == ["refused", "timed out"]
    assert again.sessions[1].ended_ns == trace.sessions[1].ended_ns
    for event in again.trace:
        Trace(strict=True).emit(event.kind, "", "", 0, **event.facts)


def test_a_trace_is_read_from_a_file_and_survives_json(tmp_path):
    letter().capture("alpha.example").write(tmp_path / "letter.pcapng")
    trace = Trace.from_capture(tmp_path / "letter.pcapng")
    assert "EHLO" in trace.sessions[0].transcript().text()
    again = Trace.from_jsonl(trace.to_jsonl())
    assert again.sessions[0].wire("C") == trace.sessions[0].wire("C")
    assert list(again) == list(trace) or again.to_jsonl() == trace.to_jsonl()


def test_every_road_through_the_reader_tells_only_known_facts():
    for event in CaptureFile.from_bytes(pcap(every_kind_of_packet())).trace:
        Trace(strict=True).emit(event.kind, event.host, "", 0, **event.facts)


def test_packets_that_carry_something_else_are_packets_only():
    packet = ip_packet(CLIENT[0], SERVER[0], 89, b"OSPF", 1)
    capture = CaptureFile.from_bytes(pcap([(0, packet)]))
    assert len(capture.trace) == 0
    assert capture.packets[0].data == packet
