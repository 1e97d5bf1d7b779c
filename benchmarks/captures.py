"""Captures of 100,000 packets beside scapy, dpkt and tshark: `python
benchmarks/captures.py`.

Building packets, writing them, reading them, reassembling the streams of a day of mail.
Each figure is packets for each second of processor time, the best of some runs; a
program that is slow gets fewer packets, one that is not installed has no figure.

The letters are small, as most are: 3,000 octets; a packet has 170 on average.
"""

import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from shutil import which
from typing import Any

from maillab.trace import Trace, pcapng
from maillab.trace.packets import Packet
from maillab.trace.reading.capture_file import CaptureFile
from maillab.trace.sample import MS, Talk

PACKETS = 100_000
FEW = 5_000  # for what builds an object of each layer
RUNS = 3
CLIENT = "alpha.example"
_SAID = (
    ("S", "220 mx.beta.example ESMTP"),
    ("C", "EHLO alpha.example"),
    ("S", "250-mx.beta.example\r\n250-SIZE 10485760\r\n250 PIPELINING"),
    ("C", "MAIL FROM:<alice@alpha.example>"),
    ("S", "250 2.1.0 Ok"),
    ("C", "RCPT TO:<bob@beta.example>"),
    ("S", "250 2.1.5 Ok"),
    ("C", "DATA"),
    ("S", "354 End data with <CRLF>.<CRLF>"),
    ("C", "\r\n".join(["A line of some length."] * 125 + ["."])),
    ("S", "250 2.0.0 Queued as B-0001"),
    ("C", "QUIT"),
    ("S", "221 2.0.0 Bye"),
)
_IN_A_SESSION = 23  # packets at least


def mail(packets: int) -> Trace:
    """Letters until there are so many packets."""
    trace = Trace()
    for number in range(packets // _IN_A_SESSION + 1):
        begin, port = number * 300 * MS, 1024 + number % 60_000
        talk = Talk(trace, f"c{number}", src=("192.0.2.10", port), now=begin)
        talk.connect()
        for side, text in _SAID:
            what = "content" if len(text) > 1000 else ""
            talk.say(side, text, what=what)  # type: ignore[arg-type]
        talk.close("C")
    return trace


def rate(packets: int, work: Callable[[], object], runs: int = RUNS) -> float:
    """Packets per second of processor time, of this process and of its children."""
    return packets / min(_took(work) for _ in range(runs))


def _took(work: Callable[[], object]) -> float:
    began = _processor()
    work()
    return max(_processor() - began, 1e-9)


def _processor() -> float:
    children = getrusage(RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def peak(work: Callable[[], object]) -> float:
    """MiB that `work` needs at most beyond what was there before."""
    tracemalloc.start()
    held = work()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    del held
    return most / 2**20


# maillab ------------------------------------------------------------------------------


def encoded(packets: list[Packet]) -> list[bytes]:
    """The block of each packet."""
    return [
        pcapng.packet(p.data, p.time_ns, pcapng.OUTBOUND, p.comment) for p in packets
    ]


def reassembled(file: Path) -> Trace:
    """The streams, as events."""
    return CaptureFile.read(file).trace


def joined(file: Path) -> int:
    """Octets in all streams, each in one piece."""
    sessions = CaptureFile.read(file).sessions
    return sum(len(s.wire("C")) + len(s.wire("S")) for s in sessions)


def maillab(trace: Trace, file: Path) -> dict[str, float]:
    """Figures of our own code; writes the file that the others read."""
    capture = trace.capture(CLIENT)
    count = len(capture.packets)
    capture.write(file)
    return {
        "build": rate(count, lambda: trace.capture(CLIENT).packets),
        "write": rate(count, lambda: encoded(capture.packets)),
        "write a file": rate(count, lambda: capture.write(file)),
        "read": rate(count, lambda: CaptureFile.read(file).packets),
        "reassemble": rate(count, lambda: reassembled(file)),
        "join streams": rate(count, lambda: joined(file)),
    }


def memory(trace: Trace, file: Path) -> dict[str, float]:
    """Peaks, in MiB."""
    capture = trace.capture(CLIENT)
    return {
        "build": peak(lambda: capture.packets),
        "write a file": peak(lambda: capture.write(file)),
        "read": peak(lambda: CaptureFile.read(file).packets),
        "reassemble": peak(lambda: reassembled(file)),
        "join streams": peak(lambda: joined(file)),
    }


# The others ---------------------------------------------------------------------------


def scapy(packets: list[Packet], file: Path) -> dict[str, float]:
    """Figures of scapy, which makes objects that can be changed."""
    from scapy.layers.inet import IP, TCP
    from scapy.sendrecv import sniff
    from scapy.sessions import TCPSession
    from scapy.utils import PcapWriter, RawPcapNgReader

    some = [p.data for p in packets[:FEW]]
    made = [IP(data) for data in some]
    few = file.with_name("few.pcapng")
    few.write_bytes(head() + b"".join(encoded(packets[:FEW])))

    def build() -> list[bytes]:
        return [bytes(_again(IP, TCP, one)) for one in made]

    def write() -> None:
        with PcapWriter(str(file.with_name("scapy.pcap")), linktype=101) as out:
            for data in some:
                out.write(data)

    def reassemble() -> object:
        return sniff(offline=str(few), session=TCPSession, store=False, quiet=True)

    return {
        "build": rate(FEW, build, 1),
        "write": rate(FEW, write, 1),
        "read": rate(len(packets), lambda: list(RawPcapNgReader(str(file))), 1),
        "reassemble": rate(FEW, reassemble, 1),
    }


def _again(ip: Any, tcp: Any, one: Any) -> Any:
    """A new packet with the fields of this one; lengths and checksums are computed."""
    segment = one["TCP"]
    fields = {name: segment.getfieldval(name) for name in ("seq", "ack", "flags")}
    head = tcp(sport=segment.sport, dport=segment.dport, **fields)
    head.options = segment.options
    return ip(src=one.src, dst=one.dst, id=one.id) / head / bytes(segment.payload)


def head() -> bytes:
    """What stands before the packets in a file."""
    return pcapng.section("") + pcapng.interface("any", pcapng.LINK_RAW, "")


def dpkt(packets: list[Packet], file: Path) -> dict[str, float]:
    """Figures of dpkt, which knows packets and no streams."""
    import dpkt as library

    made = [library.ip.IP(packet.data) for packet in packets[:FEW]]

    def build() -> list[bytes]:
        return [bytes(_summed(one)) for one in made]

    def write() -> None:
        with file.with_name("dpkt.pcapng").open("wb") as out:
            writer = library.pcapng.Writer(out, linktype=101)
            for packet in packets:
                writer.writepkt(packet.data, packet.time_ns / 1e9)

    def read() -> None:
        with file.open("rb") as source:
            for _, data in library.pcapng.Reader(source):
                library.ip.IP(data)

    return {
        "build": rate(FEW, build, 1),
        "write": rate(len(packets), write, 1),
        "read": rate(len(packets), read, 1),
    }


def _summed(one: Any) -> Any:
    one.sum = one.data.sum = 0  # it computes what is 0
    return one


def tshark(count: int, file: Path) -> dict[str, float]:
    """Figures of tshark, which takes every layer apart."""
    quiet = ["tshark", "-n", "-q", "-r", str(file)]

    def run(*options: str) -> Callable[[], object]:
        command = [*quiet, *options]
        return lambda: subprocess.run(command, capture_output=True, check=True)

    return {
        "read": rate(count, run(), 1),
        "reassemble": rate(count, run("-zfollow,tcp,raw,0"), 1),
    }


# The table ----------------------------------------------------------------------------

ROWS = ("build", "write", "write a file", "read", "reassemble", "join streams")


def rows(table: dict[str, dict[str, float]], mib: dict[str, float]) -> Iterator[str]:
    """The table as text."""
    yield "packets/s".ljust(14) + "".join(name.rjust(12) for name in table) + "     MiB"
    for row in ROWS:
        cells = (found.get(row) for found in table.values())
        shown = "".join(f"{c:12,.0f}" if c else "-".rjust(12) for c in cells)
        peak_mib = f"{mib[row]:8.1f}" if row in mib else ""
        yield f"{row:<14}{shown}{peak_mib}"


def main() -> None:
    """Print the table; `python benchmarks/captures.py 10000` takes fewer packets."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else PACKETS
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mail.pcapng"
        trace = mail(wanted)
        table = {"maillab": maillab(trace, file)}
        packets = trace.capture(CLIENT).packets
        mib = memory(trace, file)
        if find_spec("dpkt"):
            table["dpkt"] = dpkt(packets, file)
        if find_spec("scapy"):
            table["scapy"] = scapy(packets, file)
        if which("tshark"):
            table["tshark"] = tshark(len(packets), file)
        size = file.stat().st_size / 2**20
    sys.stdout.write(f"{len(packets):,} packets, a file of {size:.0f} MiB\n")
    sys.stdout.write("\n".join(rows(table, mib)) + "\n")


if __name__ == "__main__":
    main()
