"""Where the octets of a packet stand in their connection."""

from itertools import pairwise
from pathlib import Path

import pytest

from maillab.trace import Trace, pcapng
from maillab.trace.dissect.conversations import Conversations, conversations
from maillab.trace.packet_list import PacketList
from maillab.trace.packets import SYN, Segment, TcpPath
from maillab.trace.reading.capture_file import CaptureFile
from maillab.trace.sample import MS, Talk
from maillab.world.files import find_scenario, load
from maillab.world.world import World

CAPTURES = Path(__file__).parents[2] / "shared/captures"  # where they are
A, B = ("192.0.2.10", 40001), ("198.51.100.25", 25)


def compared(packets: PacketList) -> int:
    """How many segments have the octets that stand at their place in the stream."""
    known, count = conversations(packets), 0
    for number, packet in enumerate(packets.packets, 1):
        place = known.place(number)
        if place is None or not place.head.size:
            continue
        state = known.state(place)
        assert state is not None
        assert place.offset is not None
        start, size = place.offset, place.head.size
        octets = packet.data[place.head.start : place.head.start + size]
        said = state.wires[place.side][start : start + size]
        assert said == octets or not said, number  # nothing: behind a gap
        found = state.stretches(place.side, start, start + size)
        assert found[0].start <= start
        assert found[-1].end >= start + size
        assert all(a.end == b.start for a, b in pairwise(found))
        count += 1
    return count


@pytest.fixture(scope="module")
def behind_nat() -> Trace:
    with World(load(find_scenario("nas-office"))) as world:
        world.send(next(iter(world.users)), list(world.users)[-1], "Hi", "x\n" * 2000)
        return world.trace


@pytest.mark.parametrize("side", ["inside", "outside"])
def test_addresses_that_nat_changed_are_those_of_the_same_session(
    behind_nat: Trace, side: str
) -> None:
    gateway = "office-router"
    assert compared(behind_nat.capture(gateway, side)) > 10


def test_a_capture_that_begins_in_the_middle_has_places(behind_nat: Trace) -> None:
    capture = behind_nat.capture("mail.office.example")
    blocks = [pcapng.section(""), pcapng.interface("a", 101, "")]
    late = [packet for packet in capture.packets[6:] if packet.data]
    blocks += [pcapng.packet(p.data, capture.epoch_ns + p.time_ns, 1) for p in late]
    assert compared(CaptureFile.from_bytes(b"".join(blocks))) > 10


@pytest.mark.parametrize("file", sorted(CAPTURES.glob("*.pcap")), ids=lambda f: f.stem)
def test_captures_of_other_programs(file: Path) -> None:
    packets = CaptureFile.read(file)
    assert compared(packets) > 0
    assert all(packets.dissect(n).text() for n in range(1, len(packets.packets) + 1))
    assert len(packets.listing().rows) == len(packets.packets)


def test_sequence_numbers_that_wrap() -> None:
    path = TcpPath(A, B)
    first = 0xFFFFFFF0
    blocks = [pcapng.section(""), pcapng.interface("a", 101, "")]
    sent = [Segment(first, 0, SYN, 9)]
    for at in range(0, 60, 6):
        seq = (first + 1 + at) & 0xFFFFFFFF
        sent.append(Segment(seq, 1, 24, 9, payload=b"NOOP\r\n"))
    blocks += [pcapng.packet(path.packet(s), n, 1) for n, s in enumerate(sent)]
    assert compared(CaptureFile.from_bytes(b"".join(blocks))) == 10


def test_only_the_packets_that_are_needed_are_looked_at() -> None:
    trace = Trace(strict=True)
    talk = Talk(trace, engines="")
    talk.connect()
    for _ in range(20):
        talk.burst("C", b"NOOP\r\n")
        talk.now += 50 * MS
    capture = trace.capture("alpha.example")
    known = Conversations(capture)
    known.place(5)
    assert known.looked == 5
    assert conversations(capture) is conversations(capture)
