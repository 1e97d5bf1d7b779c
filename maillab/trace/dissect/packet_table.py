"""The packets of a capture as a list, as Wireshark's own list shows them.

Goes in: a packet list, the first number and how many. Comes out: a row for each packet:
number, time, source, destination, protocol, length, info.

Rule 1: only the rows that are asked for are made; nobody pays for the others.
Rule 2: secrets are masked: a list is a text view.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from maillab.trace.dissect.conversations import (
    Place,
    Stretch,
    conversations,
    ends_of,
    transport,
)
from maillab.trace.dissect.dissection import dissect_dns_message, dissect_octets
from maillab.trace.dissect.ip import PROTOCOLS
from maillab.trace.dissect.tcp import flag_names
from maillab.trace.hearing.tls_records import CONTENT, HANDSHAKE, HANDSHAKES
from maillab.trace.lines import Line, clean
from maillab.trace.packet_list import PacketList
from maillab.trace.packets import ACK, FIN, ICMP, ICMP6, RST, SYN, TCP, UDP, WORD
from maillab.trace.reading.dns_over_tcp import DNS_PORT
from maillab.trace.reading.frames import NO_LINK
from maillab.trace.view import Table, View, clip, plural

if TYPE_CHECKING:
    from maillab.trace.dissect.conversations import Conversations

_COLUMNS = ("No.", "Time (s)", "Source", "Destination", "Protocol", "Length", "Info")
_WIDTH = 100  # of Info in the text
_LONGEST = 400  # characters of Info
_NS = 1_000_000_000


class Row(NamedTuple):
    """One packet; `time_ns` counts from the first packet of the list."""

    number: int
    time_ns: int
    source: str
    destination: str
    protocol: str
    length: int
    info: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        seconds, rest = divmod(abs(self.time_ns), _NS)
        sign = "-" if self.time_ns < 0 else ""
        time = f"{sign}{seconds}.{rest // 1000:06}"
        return (str(self.number), time, *self[2:5], str(self.length), self.info)


class PacketTable(View):
    """The rows of packets `first` … `first + count - 1`, as far as there are such."""

    def __init__(
        self, packets: PacketList, first: int = 1, count: int | None = None
    ) -> None:
        self.packets = packets
        self.total = len(packets.packets)
        self.first = max(1, first)
        behind = self.total + 1 if count is None else self.first + max(0, count)
        self.numbers = range(self.first, min(behind, self.total + 1))

    @cached_property
    def rows(self) -> Sequence[Row]:
        """One for each packet."""
        maker = _Maker(self.packets)
        return [maker.row(number) for number in self.numbers]

    def describe(self) -> str:
        """One sentence: the alt text."""
        if not self.numbers:
            return f"No packets, of {self.total:,} in the capture."
        last = self.numbers[-1]
        if (self.first, last) == (1, self.total):
            return f"{plural(self.total, 'packet')}, all of the capture."
        return f"Packets {self.first:,} to {last:,} of {self.total:,}."

    def table(self) -> Table:
        """All of it as rows and columns."""
        rows = [row.cells for row in self.rows]
        return Table(f"Packets: {self.describe()}", _COLUMNS, rows)

    def text(self) -> str:
        """All of it for a terminal."""
        rows = [(*row.cells[:-1], clip(row.info, _WIDTH)) for row in self.rows]
        return f"{self.describe()}\n\n{Table('Packets', _COLUMNS, rows).text()}"


class _Maker:
    def __init__(self, packets: PacketList) -> None:
        self._list = packets
        self._began = packets.packets[0].time_ns if packets.packets else 0
        self._known: Conversations = conversations(packets)

    def row(self, number: int) -> Row:
        packet = self._list.packets[number - 1]
        time = packet.time_ns - self._began
        size = len(self._list.frame(number))
        ends = ends_of(packet.data)
        if ends is None:
            protocol, info = self._no_packet(number)
            return Row(number, time, "", "", protocol, size, info)
        protocol, info = self._told(number, packet.data)
        info = clip(clean(info), _LONGEST)
        return Row(number, time, *ends, protocol, size, info)

    def _no_packet(self, number: int) -> tuple[str, str]:
        """A frame without an IP packet: an entry of a log, ARP …"""
        is_log = self._list.link_of(number) == NO_LINK
        said = clean(self._list.packets[number - 1].comment)
        return "log" if is_log else "frame", clip(said, _LONGEST)

    def _told(self, number: int, packet: bytes) -> tuple[str, str]:
        """The protocol, and what the packet says."""
        kind, at, end = transport(packet)
        if kind == TCP:
            place = self._known.place(number)
            return self._tcp(place) if place else ("TCP", "a part of a header")
        if kind == UDP:
            return _udp(packet[at:end])
        if kind in (ICMP, ICMP6):
            return PROTOCOLS[kind], _icmp(packet, PROTOCOLS[kind])
        if not at:
            return "IP", "a later fragment"
        return PROTOCOLS.get(kind, f"IP {kind}"), plural(end - at, "octet")

    def _tcp(self, place: Place) -> tuple[str, str]:
        state = self._known.state(place) if place.head.size else None
        if state is None or place.offset is None:
            return "TCP", _segment(place)
        protocol = state.session.protocol
        start, end = max(0, place.offset), place.offset + place.head.size
        found = state.stretches(place.side, start, end)
        told = _stretches(found, start, end, state.wires[place.side])
        if not told or place.head.flags & (SYN | RST):
            return "TCP", _segment(place)
        shown = "TLS" if any(one.is_record for one in found) else protocol
        inside = state.inside(place.side, start, end)
        if inside:
            lines = dict.fromkeys(map(_said, inside))
            told += f" (inside: {' | '.join(lines)})"
        told += " [FIN]" if place.head.flags & FIN else ""
        return shown, f"{place.side}: {told}"


def _stretches(found: list[Stretch], start: int, end: int, wire: bytes) -> str:
    """Lines and records, in a few words; of content only how much is here."""
    told: list[str] = []
    for what, group in groupby(found, _content):
        same = list(group)
        if what:
            here = min(same[-1].end, end) - max(same[0].start, start)
            told.append(f"{what}, {plural(here, 'octet')}")
        else:
            told += filter(None, (_stretch(one, start, wire) for one in same))
    return " | ".join(dict.fromkeys(told))


def _content(one: Stretch) -> str:
    sized = one.line and one.line.is_content and not one.line.secret
    return one.line.what if one.line and sized else ""


def _stretch(one: Stretch, start: int, wire: bytes) -> str:
    if one.line:
        return ("" if one.start >= start else "… ") + _said(one.line)
    if not one.is_record:
        return ""
    return _record(one, wire) if one.start >= start else "more of a TLS record"


def _said(line: Line) -> str:
    sized = line.is_content and not line.secret
    return line.what if sized else " | ".join(line.rows)


def _record(one: Stretch, wire: bytes) -> str:
    kind = wire[one.start]
    if kind != HANDSHAKE or one.is_hidden:
        return CONTENT.get(kind, f"TLS record of type {kind}")
    message = wire[one.start + 5] if len(wire) > one.start + 5 else -1
    return HANDSHAKES.get(message, "handshake")


def _segment(place: Place) -> str:
    """As Wireshark writes it: ports, flags, numbers counted from the SYN."""
    head, origin = place.head, place.origin
    seq = head.seq - (origin.seq or 0) & WORD
    told = f"{head.src[1]} → {head.dst[1]} [{flag_names(head.flags)}] Seq={seq}"
    if head.flags & ACK:
        told += f" Ack={head.ack - (origin.ack or 0) & WORD}"
    return f"{told} Win={head.window} Len={head.size}"


def _udp(datagram: bytes) -> tuple[str, str]:
    if len(datagram) < 8:
        return "UDP", "a part of a header"
    ports = (int.from_bytes(datagram[:2], "big"), int.from_bytes(datagram[2:4], "big"))
    if DNS_PORT in ports and len(datagram) > 8:
        layers = dissect_dns_message(datagram[8:]).ranges
        return "DNS", layers[0].value or "a part of a message"
    return "UDP", f"{ports[0]} → {ports[1]} Len={len(datagram) - 8}"


def _icmp(packet: bytes, name: str) -> str:
    """Its type; and which packet it is about."""
    about = dissect_octets(packet)
    quoted = next(about.all("the packet that it is about"), None)
    told = about.find(name).value
    if quoted is None:
        return told
    layers = [r for r in about.ranges if r.level == quoted.level + 1]
    ends = next((r.value for r in layers if r.name in ("TCP", "UDP")), "")
    kind = next((r.name for r in layers if r.name in ("TCP", "UDP")), "")
    between = ends_of(packet[quoted.start : quoted.end])
    if between is None:
        return told
    told += f", about {kind} {ends}" if kind else ", about a packet"
    return f"{told} from {between[0]} to {between[1]}"
