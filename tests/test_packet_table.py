"""The list of packets: rows as Wireshark shows them, and only those asked for."""

import random
import time
from collections.abc import Callable

import pytest

from maillab.trace import Trace
from maillab.trace.dissect.ranges import Range
from maillab.trace.packet_list import PacketList
from maillab.trace.packets import ACK, SYN, Packet, Segment, TcpPath, udp_packet
from maillab.trace.reading.capture_file import CaptureFile
from maillab.trace.sample import MS, Talk, letter
from maillab.world.files import find_scenario, load
from maillab.world.world import World
from tests.worlds import plain_world

A, B = ("192.0.2.10", 40001), ("198.51.100.25", 25)
QUERY = bytes.fromhex("1234010000010000000000000561") + b"lpha\x00\0\x01\0\x01"


class Packets(PacketList):
    """Packets without a session: what a list can say without one."""

    def __init__(self, *packets: bytes) -> None:
        self.trace = Trace()
        self._made = [Packet(n * MS, data, True, "") for n, data in enumerate(packets)]

    @property
    def packets(self) -> list[Packet]:  # type: ignore[override]
        return self._made

    @property
    def sessions(self) -> list:  # type: ignore[override]
        return []

    def frame(self, number: int) -> bytes:
        return self._made[number - 1].data

    def link_of(self, number: int) -> int:
        return 101


def info(packets: PacketList, number: int) -> str:
    return packets.listing(number, 1).rows[0].info


def test_a_list_has_a_row_for_each_packet() -> None:
    capture = letter().capture("alpha.example", link="ethernet")
    rows = capture.listing().rows
    assert [row.number for row in rows] == list(range(1, len(capture.packets) + 1))
    assert rows[0].source == "192.0.2.10"
    assert rows[0].length == len(capture.frame(1))
    assert rows[3].cells[1] == "0.060000"
    assert rows[3].protocol == "SMTP"
    assert rows[3].info == "S: 220 mx.beta.example ESMTP"


def test_a_page_of_the_list_is_the_same_as_in_the_whole() -> None:
    capture = letter().capture("alpha.example")
    whole = capture.listing().rows
    page = letter().capture("alpha.example").listing(10, 5)
    assert page.rows == whole[9:14]
    assert page.describe() == f"Packets 10 to 14 of {len(whole)}."
    assert capture.listing(9999, 5).rows == []
    assert "No packets" in capture.listing(9999).text()
    assert capture.listing(-3, 2).numbers == range(1, 3)


def test_numbers_count_from_the_syn() -> None:
    there, back = TcpPath(A, B), TcpPath(B, A)
    packets = Packets(
        there.packet(Segment(0xFFFFFFFF, 0, SYN, 10)),
        back.packet(Segment(700, 0, SYN | ACK, 10)),
        there.packet(Segment(0, 701, ACK, 10)),
        there.packet(Segment(4, 701, ACK, 10, payload=b"x")),
    )
    assert info(packets, 1) == "40001 → 25 [SYN] Seq=0 Win=10 Len=0"
    assert info(packets, 2) == "25 → 40001 [SYN, ACK] Seq=0 Ack=1 Win=10 Len=0"
    assert info(packets, 3) == "40001 → 25 [ACK] Seq=1 Ack=1 Win=10 Len=0"
    assert info(packets, 4) == "40001 → 25 [ACK] Seq=5 Ack=1 Win=10 Len=1"


def test_a_port_that_is_used_again_is_another_connection() -> None:
    trace = Trace(strict=True)
    for number, words in ((1, "220 first"), (2, "220 second")):
        talk = Talk(trace, f"c{number}", now=number * 10**9)
        talk.connect()
        talk.say("S", words)
        talk.close("C")
    rows = trace.capture("alpha.example").listing().rows
    assert [r.info for r in rows if r.protocol == "SMTP"] == [
        "S: 220 first",
        "S: 220 second",
    ]
    assert [r.info for r in rows if "[SYN] Seq=0 " in r.info] == [rows[0].info] * 2


def test_names_and_answers_of_the_dns_are_told() -> None:
    packets = Packets(udp_packet(("192.0.2.1", 5), ("192.0.2.2", 53), QUERY, 1))
    row = packets.listing().rows[0]
    assert (row.protocol, row.info) == ("DNS", "query 0x1234 A alpha.")


def test_icmp_says_what_it_is_about() -> None:
    trace = Trace(strict=True)
    ends = {"src": ("192.0.2.1", 5), "dst": ("192.0.2.2", 99), "data": b"x"}
    trace.emit("datagram", "a", "", 0, **ends, latency=MS, to_host="b")
    trace.emit("port_unreachable", "b", "", MS, **ends, latency=MS)
    row = trace.capture("a").listing().rows[1]
    assert row.protocol == "ICMP"
    assert row.info == (
        "destination unreachable: port, about UDP 5 → 99 from 192.0.2.1 to 192.0.2.2"
    )


def test_what_is_inside_tls_stands_with_its_record() -> None:
    trace = Trace(strict=True)
    talk = Talk(trace, port=465)
    talk.connect()
    record = b"\x17\x03\x03\0\x20" + bytes(32)
    facts = {"what": "command", "secret": ((5, 9),), "ref": "", "why": ""}
    said = {"speaker": "C", "offset": 0, "octets": b"PASS xyzq\r\n", "secure": True}
    talk.emit("line", "C", **facts, **said)
    talk.burst("C", record)
    row = trace.capture("alpha.example").listing().rows[3]
    assert row.protocol == "TLS"
    assert row.info == "C: application data (inside: PASS ********)"
    inside = trace.capture("alpha.example").dissect(4).find("inside: SMTP command")
    assert inside.value == "C: PASS ********"


def tls_world() -> World:
    return World(load(find_scenario("two-domains")))


@pytest.mark.parametrize("make", [plain_world, tls_world])
def test_what_was_written_and_read_again_has_the_same_rows(
    make: Callable[[], World],
) -> None:
    with make() as w:
        w.send("alice", "bob@beta.example", "Hi", "line\n" * 600)
        w.read("bob", "POP3")
        capture = w.trace.capture("mx.beta.example")
        again = CaptureFile.from_bytes(capture.to_bytes())
    assert len(capture.packets) > 40
    assert again.listing().text() == capture.listing().text()
    for number in (4, 5, 20, 30):
        ours, theirs = (one.dissect(number).ranges for one in (capture, again))
        assert [*map(fields, ours)] == [*map(fields, theirs)]


def fields(one: Range) -> tuple[str, str]:
    return one.name, one.value


def test_random_packets_have_rows() -> None:
    rng = random.Random(5)
    path = TcpPath(A, B)
    made = [path.packet(Segment(1, 2, 16, 3, payload=b"hello"))] * 200
    broken = [bytearray(p[: rng.randrange(len(p) + 1)]) for p in made]
    for packet in broken:
        if len(packet) > 1:
            packet[rng.randrange(len(packet))] = rng.randrange(256)
    packets = Packets(*map(bytes, broken))
    assert len(packets.listing().rows) == 200
    assert all(packets.dissect(n).text() for n in range(1, 201))


def test_a_page_of_a_long_list_costs_little() -> None:
    path = TcpPath(A, B)
    packet = path.packet(Segment(1, 2, 16, 3, payload=b"hello"))
    packets = Packets(*[packet] * 20_000)
    began = time.perf_counter()
    packets.listing(1, 50).text()
    first = time.perf_counter() - began
    packets.listing(19_900, 50).text()
    assert first < 0.3  # the others are not looked at
    assert time.perf_counter() - began < 3


def test_the_html_escapes() -> None:
    trace = Trace(strict=True)
    talk = Talk(trace)
    talk.connect()
    talk.say("S", "220 <script>alert(1)</script> \x1b[31m")
    html = trace.capture("alpha.example").listing().html()
    assert "<script>" not in html
    assert "\x1b" not in html
    assert 'scope="col"' in html
