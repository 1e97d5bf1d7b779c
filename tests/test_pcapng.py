"""Packets and capture files, without a referee: structure, checksums, determinism."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from maillab.errors import LabError
from maillab.trace import Trace
from maillab.trace.packets import checksum, ethernet_frame, udp_packet
from maillab.trace.sample import Talk, letter


def blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The blocks of a pcapng file, each with both of its lengths checked."""
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        assert size % 4 == 0
        assert struct.unpack_from("<I", data, at + size - 4) == (size,)
        yield kind, data[at + 8 : at + size - 4]
        at += size


def folded(data: bytes) -> int:
    """The Internet checksum as RFC 1071 §4.1 computes it."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@pytest.mark.parametrize(
    "data", [b"", b"\0\0", b"\xff\xff", b"\xff" * 7, bytes(range(256)), b"\x01"]
)
def test_the_checksum_is_that_of_rfc_1071(data: bytes) -> None:
    assert checksum(data) == folded(data)


def test_blocks_come_in_the_order_that_readers_need() -> None:
    trace = letter()
    trace.emit("keylog", "alpha.example", "c1", 1, line="CLIENT_RANDOM 00 00")
    kinds = [kind for kind, _ in blocks(trace.capture("alpha.example").to_bytes())]
    assert kinds[:4] == [0x0A0D0D0A, 1, 4, 10]
    assert set(kinds[4:]) == {6}


def test_a_capture_says_that_it_is_synthetic() -> None:
    data = letter().capture("alpha.example").to_bytes()
    assert b"Synthesised from a maillab trace" in data


def test_the_same_trace_gives_the_same_file(tmp_path: Path) -> None:
    letter().capture("mx.beta.example").write(tmp_path / "a.pcapng")
    again = Trace.from_jsonl(letter().to_jsonl())
    data = again.capture("mx.beta.example").to_bytes()
    assert (tmp_path / "a.pcapng").read_bytes() == data


def test_each_host_sees_packets_at_its_own_time() -> None:
    trace = letter()
    here = trace.capture("alpha.example").packets
    there = trace.capture("mx.beta.example").packets
    assert here[0].time_ns == 0
    assert here[0].outbound
    assert there[0].time_ns == 20_000_000
    assert not there[0].outbound
    assert sorted(p.data for p in here) == sorted(p.data for p in there)


def test_a_syn_that_was_dropped_is_not_seen_by_the_server() -> None:
    trace = Trace(strict=True)
    Talk(trace).time_out()
    Talk(trace, "c2", src=("192.0.2.10", 2)).connect()
    assert len(trace.capture("alpha.example").packets) == 7 + 3
    assert len(trace.capture("mx.beta.example").packets) == 3


def test_every_second_full_segment_is_acknowledged() -> None:
    trace = Trace(strict=True)
    talk = Talk(trace, engines="")
    talk.connect()
    talk.burst("C", bytes(10 * 1448))
    acks = [p for p in trace.capture("alpha.example").packets if not p.outbound]
    assert len(acks) == 1 + 5


def test_frames_carry_addresses_that_can_be_read() -> None:
    packet = udp_packet(("192.0.2.10", 1), ("198.51.100.25", 2), b"x", 1)
    frame = ethernet_frame(packet)
    assert frame[:6].hex(":") == "02:00:c6:33:64:19"
    assert frame[14:] == packet


def test_a_wrong_host_or_link_is_answered_with_what_there_is() -> None:
    trace = letter()
    with pytest.raises(LabError, match=r"alpha\.example"):
        trace.capture("nobody")
    with pytest.raises(LabError, match="'ethernet'"):
        trace.capture("alpha.example", link="token ring")
