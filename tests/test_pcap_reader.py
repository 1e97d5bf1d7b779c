"""Capture files of every kind give the same packets; bad ones are told, not raised."""

import gzip
import random
import struct

import pytest

from maillab.errors import LabError
from maillab.trace.reading import pcap_reader
from maillab.trace.reading.capture_file import CaptureFile
from maillab.trace.reading.frames import NO_LINK
from maillab.trace.reading.pcap_reader import read_octets
from maillab.trace.reading.pcapng_reader import remarks_of
from tests.capture_making import (
    MS,
    Wire,
    block,
    enhanced,
    interface,
    ng,
    option,
    pcap,
    section,
)

TALK = Wire().shake().say("S", 0, b"220 hi\r\n").say("C", 0, b"QUIT\r\n", 8)
PACKETS = TALK.packets
DATA = [data for _, data in PACKETS]
TIMES = [time for time, _ in PACKETS]


def read(octets):
    frames = read_octets(octets)
    return [frames.octets_of(n) for n in range(1, len(frames) + 1)], list(frames.times)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_both_byte_orders_and_both_clocks_of_pcap_are_read(order, nanoseconds):
    octets = pcap(PACKETS, order=order, nanoseconds=nanoseconds)
    assert read(octets) == (DATA, TIMES)


@pytest.mark.parametrize("order", "<>")
def test_both_byte_orders_of_pcapng_are_read(order):
    assert read(ng(PACKETS, order=order)) == (DATA, TIMES)


def test_a_gzipped_file_is_unpacked_also_in_several_members():
    octets = pcap(PACKETS)
    packed = gzip.compress(octets[:100]) + gzip.compress(octets[100:])
    assert read(packed) == (DATA, TIMES)


def test_a_gzipped_file_that_ends_too_early_is_read_as_far_as_it_goes():
    frames = read_octets(gzip.compress(ng(PACKETS * 50))[:-30])
    assert len(frames) > 0
    assert frames.damage


def test_what_gzip_unpacks_has_a_limit(monkeypatch):
    monkeypatch.setattr(pcap_reader, "LARGEST_UNPACKED", 1 << 20)
    with pytest.raises(LabError, match="gunzip"):
        read_octets(gzip.compress(bytes(1 << 22)))


def test_a_file_that_is_too_large_is_refused_unread(tmp_path, monkeypatch):
    (tmp_path / "a.pcap").write_bytes(pcap(PACKETS))
    monkeypatch.setattr(pcap_reader, "LARGEST", 100)
    with pytest.raises(LabError, match="editcap"):
        CaptureFile.read(tmp_path / "a.pcap")


@pytest.mark.parametrize(
    ("resolution", "per_second"), [(3, 10**3), (9, 10**9), (0x80 | 10, 1 << 10)]
)
def test_times_count_as_the_interface_says(resolution, per_second):
    offset = struct.pack("<q", 7)
    options = option(9, bytes([resolution])) + option(14, offset)
    octets = section() + interface(options=options) + enhanced(5 * per_second, DATA[0])
    assert read(octets)[1] == [12 * 1000 * MS]


def test_each_section_has_its_own_interfaces_and_byte_order():
    octets = ng(PACKETS[:2]) + ng(PACKETS[2:], order=">")
    assert read(octets) == (DATA, TIMES)


def test_each_interface_has_its_own_link_type():
    frame = bytes(12) + b"\x08\x00" + DATA[1]
    blocks = [enhanced(5, DATA[0]), enhanced(6, frame, number=1)]
    octets = b"".join([section(), interface(101), interface(1), *blocks])
    capture = CaptureFile.from_bytes(octets)
    assert [capture.link_of(n) for n in (1, 2)] == [101, 1]
    assert [p.data for p in capture.packets] == DATA[:2]


def test_simple_and_old_packets_are_read_other_blocks_are_skipped():
    simple = block(3, struct.pack("<I", len(DATA[0])) + DATA[0])
    size = len(DATA[1])
    old = block(2, struct.pack("<HHIIII", 0, 0, 0, 9, size, size) + DATA[1])
    odd = block(0x0BAD, b"anything") + block(5, bytes(12))
    octets = b"".join([section(), interface(), odd, simple, old, odd])
    assert read(octets) == (DATA[:2], [9000, 9000])


def test_a_journal_entry_is_a_frame_without_a_packet():
    entry = b"__REALTIME_TIMESTAMP=1767603600000000\nMESSAGE=hello\n"
    entry += b"SYSLOG_IDENTIFIER=smtp\n"
    octets = (
        section() + interface() + block(9, entry) + enhanced(TIMES[0] // 1000, DATA[0])
    )
    capture = CaptureFile.from_bytes(octets)
    assert [bool(packet.data) for packet in capture.packets] == [False, True]
    assert [packet.time_ns for packet in capture.packets] == [0, 0]
    assert capture.packets[0].comment == "smtp: hello"
    assert capture.frame(1) == entry
    assert capture.link_of(1) == NO_LINK


def test_comments_and_directions_are_those_of_the_file():
    options = option(1, b"one") + option(1, b"two") + option(2, struct.pack("<I", 2))
    octets = section() + interface() + enhanced(1, DATA[0], options=options)
    assert remarks_of(read_octets(octets), 1) == ("one\ntwo", 2)
    packet = CaptureFile.from_bytes(octets).packets[0]
    assert (packet.comment, packet.outbound) == ("one\ntwo", True)


@pytest.mark.parametrize("made", [pcap, ng])
def test_a_file_that_was_cut_off_is_read_as_far_as_it_goes(made):
    whole = made(PACKETS)
    for size in range(30, len(whole)):
        frames = read_octets(whole[:size])
        found = [frames.octets_of(n) for n in range(1, len(frames) + 1)]
        assert found == DATA[: len(found)]
    assert "octet" in read_octets(whole[:-1]).damage


def test_a_damaged_block_ends_the_reading_and_is_told():
    octets = bytearray(ng(PACKETS))
    octets[-4:] = b"\xff\xff\xff\xff"
    capture = CaptureFile.from_bytes(bytes(octets))
    assert len(capture.packets) == len(DATA) - 1
    assert "damaged" in capture.damage
    assert [event["text"] for event in capture.trace.of_kind("note")] == [
        capture.damage
    ]


@pytest.mark.parametrize(
    "octets", [b"", b"PK\x03\x04", b"\xa1\xb2\xc3\xd4", b"\x1f\x8b"]
)
def test_what_is_no_capture_is_answered_with_what_is_expected(octets):
    with pytest.raises(LabError, match="expected a pcap or pcapng file"):
        read_octets(octets)


def test_a_missing_file_is_answered_with_its_name(tmp_path):
    with pytest.raises(LabError, match=r"nothing\.pcap"):
        CaptureFile.read(tmp_path / "nothing.pcap")
    with pytest.raises(LabError, match="expected a capture file"):
        CaptureFile.read(tmp_path)


def spoiled(rng, octets):
    """Some octets changed, cut out, cut off or put in."""
    found = bytearray(octets)
    for _ in range(rng.choice([1, 3, 20])):
        at = rng.randrange(len(found))
        match rng.randrange(4):
            case 0:
                found[at] ^= 1 << rng.randrange(8)
            case 1:
                found[at : at + 4] = rng.choice([b"\0" * 4, b"\xff" * 4])
            case 2:
                del found[at : at + rng.randrange(1, 40)]
            case _:
                found[at:at] = rng.randbytes(rng.randrange(1, 40))
        found = found or bytearray(b"\0")
    return bytes(found)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_stands_in_a_file_only_lab_errors_are_raised(seed, fuzz_files):
    rng = random.Random(seed)
    for _ in range(60):
        octets = spoiled(rng, rng.choice(fuzz_files))
        try:
            capture = CaptureFile.from_bytes(octets)
        except LabError:
            continue
        list(capture.packets)
        for session in capture.sessions:
            session.wire("C"), session.outcome, session.title
        assert len(capture.trace) < 10_000


@pytest.fixture(scope="module")
def fuzz_files():
    from maillab.trace.sample import letter
    from tests.test_capture_file import every_kind_of_packet

    mail = letter().capture("alpha.example", link="ethernet").to_bytes()
    odd = every_kind_of_packet()
    return [mail, pcap(odd), ng(odd, order=">"), gzip.compress(ng(odd))]


def test_random_octets_behind_a_magic_number_are_harmless():
    rng = random.Random(1)
    heads = [pcap([]), ng([]), ng([], link=1), pcap([], link=113, order=">")]
    for _ in range(200):
        octets = rng.choice(heads) + rng.randbytes(rng.randrange(200))
        CaptureFile.from_bytes(octets)
