"""Captures that others made, read as tshark reads them; and ours, read by both."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from maillab.trace import Trace
from maillab.trace.reading.capture_file import CaptureFile
from tests.capture_making import Wire, ng, pcap
from tests.interop.test_tshark import random_talk, tshark

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed"),
]
SHARED = Path(__file__).resolve().parents[3] / "shared" / "captures"
FILES = sorted(SHARED.glob("*.pcap*")) or [None]
TEXT = b"".join(b"%05d of a letter that is long enough\r\n" % n for n in range(300))


@pytest.fixture(params=FILES, ids=lambda file: file.name if file else "none")
def file(request):
    if request.param is None:
        pytest.skip("there are no captures of others here")
    return request.param


def followed(file, stream):
    """What tshark puts together: each side, with words for what is missing."""
    told = tshark(file, "-q", f"-zfollow,tcp,raw,{stream}")
    node = told.split("Node 0: ")[1].split("\n")[0]
    rows = told.split("Node 1:")[1].splitlines()[1:]
    sides = ["", ""]
    for row in rows:
        if row and not row.startswith("="):
            sides[row.startswith("\t")] += row.strip()
    return node, *map(bytes.fromhex, sides)


def with_words(session, side):
    """The stream as tshark shows it, where a capture lacks something."""
    found, at = b"", 0
    for offset, octets in session.runs(side):
        found += missing(offset - at) + octets
        at = offset + len(octets)
    return found


def missing(size):
    return b"[%d bytes missing in capture file]\0" % size if size else b""


def compare(file):
    sessions = CaptureFile.read(file).sessions
    count = len(set(tshark(file, "-Tfields", "-etcp.stream", "-Ytcp").split()))
    assert len(sessions) == count
    for stream, session in enumerate(sessions):
        node, first, second = followed(file, stream)
        ip, port = node.rsplit(":", 1)
        is_client = (ip.strip("[]"), int(port)) == session.client_address
        expected = (first, second) if is_client else (second, first)
        found = (with_words(session, "C"), with_words(session, "S"))
        assert [without_zeros(s) for s in found] == list(map(without_zeros, expected))
    return sessions


def without_zeros(octets):
    """Some versions of tshark end their own words with a zero, others do not."""
    return octets.replace(b"]\0", b"]")


def test_streams_of_others_are_those_of_tshark(file):
    if "one-side" in file.name:
        pytest.skip("tshark says nothing of a side of which it has no octet")
    assert compare(file)


def test_a_capture_with_a_hole_has_a_gap(file):
    (session,) = CaptureFile.read(file).sessions
    lacks = list(session.all("gap"))
    assert bool(lacks) == ("gap" in file.name or "one-side" in file.name)


def test_each_packet_of_others_has_the_number_and_time_of_tshark(file):
    capture = CaptureFile.read(file)
    rows = tshark(file, "-Tfields", "-eframe.number", "-eframe.time_epoch")
    for row, packet in zip(rows.splitlines(), capture.packets, strict=True):
        seconds = row.split("\t")[1]
        whole, _, part = seconds.partition(".")
        time = int(whole) * 10**9 + int(part.ljust(9, "0"))
        assert capture.epoch_ns + packet.time_ns == time


@pytest.mark.parametrize("seed", range(2))
def test_streams_of_random_flows_are_those_of_tshark(seed, tmp_path):
    rng = random.Random(seed)
    trace = Trace(strict=True)
    for number in range(1, 8):
        random_talk(trace, number, rng)
    file = tmp_path / "flows.pcapng"
    trace.capture("alpha.example", link=rng.choice(["raw", "ethernet"])).write(file)
    sessions = {(s.client_address, s.wire("C"), s.wire("S")) for s in compare(file)}
    assert sessions == {
        (s.client_address, s.wire("C"), s.wire("S")) for s in trace.sessions
    }


@pytest.mark.parametrize("seed", range(4))
def test_disorder_is_put_in_order_as_tshark_does(seed, tmp_path):
    """Neighbours change places, segments come twice, numbers wrap."""
    rng = random.Random(seed)
    wire = Wire(isn=(0xFFFFFFFF - rng.randrange(4000))).shake()
    spans, at = [], 0
    while at < len(TEXT):
        end = min(len(TEXT), at + rng.randrange(1, 900))
        spans += [(at, end)] * rng.choice([1, 1, 1, 2])
        at = end
    for i in range(0, len(spans) - 1, 2):
        if rng.random() < 0.4:
            spans[i], spans[i + 1] = spans[i + 1], spans[i]
    for start, end in spans:
        wire.say("C", start, TEXT[start:end])
    wire.close(len(TEXT), 0)
    file = tmp_path / "disorder.pcap"
    file.write_bytes(rng.choice([pcap, ng])(wire.packets))
    (session,) = compare(file)
    assert session.wire("C") == TEXT


def in_vlan(packets):
    """Ethernet with two tags (IEEE 802.1Q), as a provider's switch shows it."""
    head = bytes(12) + bytes.fromhex("88a8 0007 8100 002a 0800")
    return [(time, head + data) for time, data in packets]


def test_merged_sorted_and_tagged_captures_are_those_of_tshark(tmp_path):
    """Two files in one, the second an hour later with the same ports; out of order."""
    wire = Wire().shake().say("C", 0, TEXT[:900]).say("S", 0, b"250 Ok\r\n", 900)
    packets = wire.close(900, 8).packets
    packets[3], packets[4] = packets[4], packets[3]
    one, later, both, sorted_ = (tmp_path / f"{name}.pcapng" for name in "abcd")
    one.write_bytes(pcap(in_vlan(packets), link=1))
    for command in (
        ("editcap", "-t", "3600", one, later),
        ("mergecap", "-w", both, one, later),
        ("reordercap", both, sorted_),
    ):
        subprocess.run(command, check=True, capture_output=True)
    for file in (one, both, sorted_):
        assert compare(file)[0].wire("C") == TEXT[:900]


def test_editcap_and_gzip_change_nothing(tmp_path):
    wire = Wire().shake().say("C", 0, TEXT[:1000]).close(1000, 0)
    (tmp_path / "a.pcap").write_bytes(pcap(wire.packets))
    expected = CaptureFile.read(tmp_path / "a.pcap")
    for kind in ("pcap", "nsecpcap", "pcapng"):
        file = tmp_path / f"b.{kind}"
        subprocess.run(["editcap", "-F", kind, tmp_path / "a.pcap", file], check=True)
        subprocess.run(["gzip", "-k", file], check=True)
        for one in (file, Path(f"{file}.gz")):
            read = CaptureFile.read(one)
            assert list(read.packets) == list(expected.packets)
            assert read.trace.to_jsonl() == expected.trace.to_jsonl()
