"""Packets taken apart: link layers, IP, TCP, UDP, ICMP, DNS, TLS; broken ones too."""

import random
import re
import struct
from functools import cache

import pytest

from maillab.errors import LabError
from maillab.trace import Trace
from maillab.trace.dissect.dissection import (
    Dissection,
    dissect_dns_message,
    dissect_octets,
)
from maillab.trace.packets import (
    ACK,
    PSH,
    Segment,
    TcpPath,
    ethernet_frame,
    ip_packet,
    udp_packet,
    unreachable_packet,
)
from maillab.trace.sample import MS, Talk, letter

A, B = ("192.0.2.10", 40001), ("198.51.100.25", 25)
A6, B6 = ("2001:db8::10", 40001), ("2001:db8::25", 25)
QUERY = bytes.fromhex("1234010000010000000000000561") + b"lpha\x00\0\x01\0\x01"


def segment(payload: bytes = b"", options: bytes = b"", six: bool = False) -> bytes:
    path = TcpPath(A6, B6) if six else TcpPath(A, B)
    return path.packet(Segment(1000, 2000, PSH | ACK, 512, options, payload, 7))


def value(found: Dissection, name: str) -> str:
    return found.find(name).value


@cache
def trace() -> Trace:
    return letter()


def test_every_octet_of_a_frame_is_in_a_range() -> None:
    capture = trace().capture("alpha.example", link="ethernet")
    for number in range(1, len(capture.packets) + 1):
        found = capture.dissect(number)
        assert found.octets == capture.frame(number)
        assert all(found.at(at) for at in range(34)), number
        sizes = [r.end for r in found.ranges if r.level == 0]
        assert max(sizes) == len(found.octets)


def test_the_fields_of_ipv4_and_tcp_are_what_they_were_made_of() -> None:
    found = dissect_octets(segment())
    assert value(found, "IPv4") == "192.0.2.10 → 198.51.100.25"
    assert value(found, "IPv4/time to live") == "64"
    assert value(found, "IPv4/identification") == "7"
    assert value(found, "IPv4/protocol") == "6 (TCP)"
    assert value(found, "TCP") == "40001 → 25 [PSH, ACK]"
    assert value(found, "TCP/sequence number") == "1000"
    assert value(found, "TCP/acknowledgment number") == "2000"
    assert value(found, "TCP/window") == "512"
    assert found.find("TCP/source port").ref == "RFC 9293 §3.1"
    assert found.find("TCP/source port").start == 20


@pytest.mark.parametrize("six", [False, True])
def test_checksums_are_checked(six: bool) -> None:
    packet = segment(b"hello", six=six)
    assert value(dissect_octets(packet), "TCP/checksum").endswith("(correct)")
    flipped = packet[:-1] + bytes([packet[-1] ^ 1])
    assert value(dissect_octets(flipped), "TCP/checksum").endswith("(wrong)")


def test_a_bit_field_says_which_bits_it_has() -> None:
    found = dissect_octets(segment())
    assert found.find("header length").bits == "....0101"
    assert found.find("must not be cut").bits == ".1.............."
    assert found.find("PSH").value == "1 (set)"
    assert found.find("SYN").value == "0 (not set)"


def test_the_options_of_a_segment_are_named() -> None:
    sack = struct.pack("!BBBBII", 1, 1, 5, 10, 70, 90)
    others = struct.pack("!BBH", 2, 4, 1460) + bytes([3, 3, 7, 1, 4, 2, 1, 1])
    found = dissect_octets(segment(options=sack + others))
    assert value(found, "SACK") == "70–90"
    assert value(found, "maximum segment size") == "1460 octets"
    assert value(found, "window scale") == "windows count × 128"
    assert found.find("SACK permitted").ref == "RFC 2018 §2"
    stamps = bytes([8, 10]) + struct.pack("!II", 5, 6) + bytes([0, 0])
    assert (
        value(dissect_octets(segment(options=stamps)), "timestamps") == "5, echo of 6"
    )


def test_an_option_of_length_zero_ends_the_walk_and_nothing_else() -> None:
    found = dissect_octets(segment(options=bytes([9, 0, 9, 0]), payload=b"x"))
    assert max(r.end for r in found.ranges) == len(found.octets)


@pytest.mark.parametrize(
    ("link", "head"),
    [
        (1, b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\x00"),
        (1, b"\2\0\0\0\0\1\2\0\0\0\0\2\x81\x00\x00\x05\x08\x00"),
        (1, b"\2\0\0\0\0\1\2\0\0\0\0\2\x88\xa8\x00\x05\x81\x00\x00\x06\x08\x00"),
        (113, b"\0\4\0\1\0\6\2\0\0\0\0\2\0\0\x08\x00"),
        (276, b"\x08\x00\0\0\0\0\0\2\0\1\4\6\2\0\0\0\0\2\0\0"),
        (0, b"\2\0\0\0"),
        (108, b"\0\0\0\2"),
        (101, b""),
        (228, b""),
    ],
)
def test_every_link_type_leads_to_the_packet(link: int, head: bytes) -> None:
    found = dissect_octets(head + segment(), link)
    assert found.find("IPv4").start == len(head)
    assert value(found, "TCP/destination port") == "25"


def test_a_vlan_tag_tells_its_number() -> None:
    frame = ethernet_frame(segment())
    tagged = frame[:12] + b"\x81\x00\x60\x05" + frame[12:]
    assert value(dissect_octets(tagged, 1), "VLAN tag") == "VLAN 5"


def test_octets_behind_a_short_packet_are_padding() -> None:
    found = dissect_octets(ethernet_frame(segment()) + bytes(6), 1)
    assert found.find("padding").size == 6


def test_ipv6_extension_headers_and_fragments() -> None:
    tcp = segment(b"hi", six=True)[40:]
    hop = bytes([44, 0, 1, 4, 0, 0, 0, 0])
    first = bytes([6, 0, 0, 1, 0, 0, 0, 9])
    found = dissect_octets(ip_packet(A6[0], B6[0], 0, hop + first + tcp, 1))
    assert value(found, "TCP/source port") == "40001"
    assert "correct" not in value(found, "TCP/checksum")  # a part of a packet
    later = bytes([6, 0, 0, 9, 0, 0, 0, 9])
    found = dissect_octets(ip_packet(A6[0], B6[0], 44, later + tcp, 1))
    assert value(found, "IPv6 fragment header") == "from octet 8"
    assert found.find("a later fragment").size == len(tcp)


def test_a_later_fragment_of_ipv4_has_no_tcp_header() -> None:
    packet = bytearray(segment(b"hello"))
    packet[6:8] = b"\x00\x02"
    found = dissect_octets(bytes(packet))
    assert value(found, "fragment offset") == "2 (octet 16)"
    assert not list(found.all("TCP"))


@pytest.mark.parametrize(("a", "b"), [(A, B), (A6, B6)])
def test_icmp_quotes_the_packet_that_it_is_about(
    a: tuple[str, int], b: tuple[str, int]
) -> None:
    lost = udp_packet(a, (b[0], 53), QUERY, 1)
    found = dissect_octets(unreachable_packet(b[0], a[0], "port", lost, 2))
    name = "ICMPv6" if ":" in a[0] else "ICMP"
    assert value(found, name) == "destination unreachable: port"
    assert value(found, f"{name}/checksum").endswith("(correct)")
    quoted = found.find("the packet that it is about")
    assert found.octets[quoted.start : quoted.end] == lost
    assert value(found, "the packet that it is about/destination port") == "53"
    assert value(found, "question") == "A alpha."


def test_icmp_in_icmp_in_icmp_has_an_end() -> None:
    packet = segment()
    for _ in range(40):
        packet = unreachable_packet(B[0], A[0], "host", packet, 1)
    assert dissect_octets(packet).text()


# DNS ----------------------------------------------------------------------------------

ANSWER = (
    bytes.fromhex("abcd 8580 0001 0002 0000 0001")
    + b"\5alpha\7example\0\0\x0f\0\1"
    + b"\xc0\x0c\0\x0f\0\1\0\0\x0e\x10\0\x09\0\x0a\4mail\xc0\x0c"
    + b"\xc0\x0c\0\x10\0\1\0\0\0\x3c\0\x0c\x0bv=spf1 -all"
    + b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
)


def test_a_dns_answer_is_read_to_its_last_record() -> None:
    found = dissect_dns_message(ANSWER)
    assert value(found, "question") == "MX alpha.example."
    assert value(found, "mail exchange") == "mail.alpha.example."
    assert value(found, "text") == "v=spf1 -all"
    assert value(found, "TTL") == "3600 (3600 s)"
    assert value(found, "size of datagrams") == "1232"
    assert value(found, "rcode") == "0 (NOERROR)"
    assert value(found, "DNS").endswith('MX 10 mail.alpha.example., TXT "v=spf1 -all"')
    assert found.ranges[0].end == len(ANSWER)


@pytest.mark.parametrize("name", [b"\xc0\x0c", b"\xc0\x0e\xc0\x0c", b"\1a\xc0\x0c"])
def test_pointers_that_go_round_have_an_end(name: bytes) -> None:
    message = bytes.fromhex("0001 0100 0001 0000 0000 0000") + name + b"\0\1\0\1"
    assert "DNS" in dissect_dns_message(message).text()


def test_dns_over_tcp_has_a_length_before_it() -> None:
    trace = Trace(strict=True)
    talk = Talk(trace, port=53, engines="")
    talk.connect()
    talk.burst("C", len(QUERY).to_bytes(2, "big") + QUERY)
    found = trace.capture("alpha.example").dissect(4)
    assert value(found, "length of the message") == str(len(QUERY))
    assert value(found, "question") == "A alpha."


# TLS ----------------------------------------------------------------------------------


def hello(name: bytes = b"mx.beta.example") -> bytes:
    """A ClientHello in its record (RFC 8446 §4.1.2)."""
    sni = struct.pack("!HBH", len(name) + 3, 0, len(name)) + name
    versions = b"\x04\x03\x04\x03\x03"
    listed = struct.pack("!HH", 0, len(sni)) + sni
    listed += struct.pack("!HH", 43, len(versions)) + versions
    body = b"\x03\x03" + bytes(32) + b"\0" + b"\0\2\x13\x01" + b"\1\0"
    body += struct.pack("!H", len(listed)) + listed
    message = b"\1" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + struct.pack("!H", len(message)) + message


def talk_tls(trace: Trace, *bursts: tuple[str, bytes]) -> None:
    talk = Talk(trace, port=465, engines="")
    talk.connect()
    for side, data in bursts:
        talk.burst(side, data)  # type: ignore[arg-type]
        talk.now += 50 * MS


def test_a_client_hello_tells_name_versions_and_ciphers() -> None:
    trace = Trace(strict=True)
    talk_tls(trace, ("C", hello()))
    found = trace.capture("alpha.example").dissect(4)
    assert value(found, "handshake message") == "ClientHello"
    shown = [r.value for r in found.all("extension")]
    assert shown == [
        "server name: mx.beta.example",
        "supported versions: TLS 1.3, TLS 1.2",
    ]
    assert value(found, "cipher suite") == "4865 (0x1301, TLS_AES_128_GCM_SHA256)"


def test_a_record_that_spans_segments_is_found_in_each() -> None:
    trace = Trace(strict=True)
    talk_tls(trace, ("C", hello()), ("C", b"\x17\x03\x03\x0f\xa0" + bytes(4000)))
    capture = trace.capture("alpha.example")
    sent = [n for n, p in enumerate(capture.packets, 1) if len(p.data) > 200]
    names = [[r.name for r in capture.dissect(n).ranges] for n in sent]
    assert "goes on" in value(capture.dissect(sent[0]), "TLS record")
    assert all("more of a TLS record" in one for one in names[1:])
    assert len(names) == 3


def test_what_comes_behind_a_change_of_ciphers_is_not_read() -> None:
    trace = Trace(strict=True)
    change, hidden = b"\x14\x03\x03\0\1\1", b"\x16\x03\x03\0\x20" + bytes(32)
    talk_tls(trace, ("C", hello()), ("C", change + hidden))
    capture = trace.capture("alpha.example")
    last = max(n for n, p in enumerate(capture.packets, 1) if hidden in p.data)
    found = capture.dissect(last)
    kinds = [r.value for r in found.all("TLS record")]
    assert kinds == ["change cipher spec", "encrypted handshake"]
    assert found.find("encrypted data").size == 32


def test_an_alert_is_named() -> None:
    trace = Trace(strict=True)
    talk_tls(trace, ("C", hello()), ("S", b"\x15\x03\x03\0\2\2\x30"))
    capture = trace.capture("alpha.example")
    found = next(d for d in map(capture.dissect, (5, 6)) if list(d.all("TLS record")))
    assert value(found, "description") == "48 (unknown CA)"
    assert found.find("description").ref == "RFC 8446 §6.2"


# Views --------------------------------------------------------------------------------


def test_the_text_has_a_number_for_each_range_and_each_octet_once() -> None:
    found = dissect_octets(segment(b"hello"))
    dump = found.dump().splitlines()
    rows = [row for row in dump if re.match(r"[0-9a-f]{6} ", row)]
    octets = "".join(row[7:55].replace(" ", "") for row in rows)
    assert bytes.fromhex(octets) == found.octets
    assert len(found.table().rows) == len(found.ranges)
    numbers = {int(n) for row in dump if row not in rows for n in row.split()}
    assert numbers <= set(range(1, len(found.ranges) + 1))
    assert found.find("TCP/window") in [found.ranges[n - 1] for n in numbers]


def test_a_long_range_is_folded_and_says_how_much_it_hides() -> None:
    found = dissect_octets(segment(bytes(1000)))
    assert "octets of the same" in found.text()
    shown = found.shown(fold=None).text()
    assert "octets of the same" not in shown
    assert shown.count("\n") > found.text().count("\n")


def test_the_html_is_a_table_and_escapes() -> None:
    capture = trace().capture("alpha.example")
    assert ">Packet 4" in capture.dissect(4).html()
    found = dissect_octets(b"\x45" + b"<b>" * 30)
    assert "<b>" not in found.html()


def test_a_name_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(LabError, match="time to live"):
        dissect_octets(segment()).find("nonsense")
    with pytest.raises(LabError, match="from 1 to"):
        trace().capture("alpha.example").dissect(999)


def test_two_runs_give_the_same_text() -> None:
    texts = [letter().capture("alpha.example").dissect(5).text() for _ in range(2)]
    assert texts[0] == texts[1]


# Broken octets ------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_broken_octets_give_a_dissection_and_no_error(seed: int) -> None:
    rng = random.Random(seed)
    whole = [
        ethernet_frame(segment(b"EHLO x\r\n", six=seed % 2 == 0)),
        ethernet_frame(udp_packet((A[0], 53), (B[0], 53), ANSWER, 1)),
        ethernet_frame(unreachable_packet(B[0], A[0], "port", segment(), 2)),
    ]
    for _ in range(40):
        frame = bytearray(rng.choice(whole))
        for _ in range(rng.randrange(4)):
            frame[rng.randrange(12, len(frame))] = rng.randrange(256)
        octets = bytes(frame[: rng.randrange(len(frame) + 1)])
        found = dissect_octets(octets, rng.choice([1, 1, 1, 0, 101, 113, 276, 999]))
        assert all(0 <= r.start <= r.end <= len(octets) for r in found.ranges)
        assert found.text()
        assert found.html()


def test_cut_frames_say_what_is_missing() -> None:
    found = dissect_octets(segment()[:30])
    assert value(found, "cut short").endswith("expected")
    assert value(dissect_octets(b"\x45"), "cut short") == "1 more octet expected"


@pytest.mark.parametrize("seed", range(10))
def test_random_records_and_hellos_do_no_harm(seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(hello())
    for _ in range(5):
        data[rng.randrange(5, len(data))] = rng.randrange(256)
    trace = Trace(strict=True)
    talk_tls(trace, ("C", bytes(data)))
    assert trace.capture("alpha.example").dissect(4).text()
