"""What the TCP segments of one connection say of octets, one after the other.

Goes in: IP packets of one connection, as they passed one place. Comes out: a `Dot` for
each segment: which octets it carried, for the first time or again, and what it
acknowledged.

Rule 1: octets are counted from 0, which is the first one behind the SYN (RFC 9293
        §3.4); where no SYN was seen, from the first octet that was.
Rule 2: a window is only known where both SYNs were seen: they tell its scale
        (RFC 7323 §2.2).
"""

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from maillab.trace.packets import ACK, FIN, RST, SYN, TCP, Address, Packet, addresses
from maillab.wire.lines import Side

_HEAD = struct.Struct("!HHIIBBH")
_WORD, _HALF = 1 << 32, 1 << 31
_SCALE_OPTION = 3  # RFC 7323 §2.2
_MOST_SCALE = 14
Flow = tuple[Address, Address]


class Segment(NamedTuple):
    """A TCP segment as it stands in its IP packet (RFC 9293 §3.1)."""

    flow: Flow
    seq: int
    ack: int
    flags: int
    window: int
    options: bytes
    size: int  # of its data


class Dot(NamedTuple):
    """One segment on the plot.

    packet   its number in the capture
    side     who sent it
    what     "SYN", "sent", "again", "late" (behind its successors), "ACK", "ACK again"
             (RFC 5681 §2), "FIN", "RST"
    start    the first octet that it carries; `end` is behind the last one
    ack      the octet that its sender expects next; None without the flag
    edge     behind the last octet that its sender's window has room for; None: unknown
    lost     it never arrived
    """

    packet: int
    time_ns: int
    side: Side
    what: str
    start: int
    end: int
    ack: int | None
    edge: int | None
    lost: bool = False

    @property
    def size(self) -> int:
        """Octets of data."""
        return self.end - self.start


def segment_of(data: bytes) -> Segment | None:
    """The TCP segment in an IP packet; None when there is none, or only a part."""
    if len(data) < 20:
        return None
    if data[0] >> 4 == 6:
        at, size = 40, 40 + int.from_bytes(data[4:6], "big")
        is_tcp = data[6] == TCP
    else:
        at, size = (data[0] & 15) * 4, int.from_bytes(data[2:4], "big")
        is_tcp = data[9] == TCP and not int.from_bytes(data[6:8], "big") & 0x1FFF
    if not is_tcp or len(data) < at + 20:
        return None
    return _parsed(data, at, size)


def _parsed(data: bytes, at: int, size: int) -> Segment | None:
    sport, dport, seq, ack, offset, flags, window = _HEAD.unpack_from(data, at)
    body = at + (offset >> 4) * 4
    if not at + 20 <= body <= len(data):
        return None
    src, dst = addresses(data)
    flow = ((src, sport), (dst, dport))
    length = max(0, (size or len(data)) - body)
    return Segment(flow, seq, ack, flags, window, data[at + 20 : body], length)


def scale_in(options: bytes) -> int | None:
    """The window scale that a SYN offers (RFC 7323 §2.2); None: it offers none.

    >>> scale_in(bytes([2, 4, 5, 180, 1, 3, 3, 7])), scale_in(b"")
    (7, None)
    """
    at = 0
    while at + 1 < len(options) and options[at]:
        kind = options[at]
        if kind == _SCALE_OPTION and at + 2 < len(options):
            return min(options[at + 2], _MOST_SCALE)
        at += 1 if kind == 1 else max(2, options[at + 1])
    return None


class _End:
    """What one side has sent, as far as it passed here."""

    def __init__(self) -> None:
        self.base: int | None = None  # the sequence number of octet 0
        self.near = 0  # the last octet that was sent: numbers are close to it
        self.syn = False  # its SYN was seen
        self.scale: int | None = None
        self.said: tuple[int, int] | None = None  # the last ACK, with its window
        self._starts: list[int] = []  # spans of octets that were seen, in order, joined
        self._ends: list[int] = []

    def place(self, number: int) -> int:
        """A sequence number as a count of octets, however often it has wrapped."""
        if self.base is None:
            self.base = number
        expected = (self.base + self.near) % _WORD
        step = (number - expected + _HALF) % _WORD - _HALF
        return self.near + step

    def carry(self, start: int, end: int) -> str:
        """Octets pass: "sent", "again", or "late"."""
        starts, ends = self._starts, self._ends
        late = bool(ends) and start < ends[-1]
        first, last = bisect_left(ends, start), bisect_right(starts, end)
        again = bisect_right(ends, start) < bisect_left(starts, end)
        if first < last:  # they touch these spans
            start, end = min(start, starts[first]), max(end, ends[last - 1])
        starts[first:last], ends[first:last] = [start], [end]
        self.near = max(self.near, end)
        return "again" if again else "late" if late else "sent"


class Reader:
    """Reads the packets of one connection. `flow` is that of its client."""

    def __init__(self, flow: Flow | None = None) -> None:
        self._flow = flow
        self._ends: dict[Side, _End] = {"C": _End(), "S": _End()}

    def dots(self, packets: Iterable[tuple[int, Packet]]) -> Iterator[Dot]:
        """A dot for each segment of this connection. Packets come with numbers."""
        for number, packet in packets:
            segment = segment_of(packet.data)
            side = self._side(segment) if segment else None
            if segment and side:
                yield self._dot(number, packet.time_ns, side, segment)

    def _side(self, segment: Segment) -> Side | None:
        if self._flow is None:  # who sends first is the client
            self._flow = segment.flow
        if segment.flow == self._flow:
            return "C"
        return "S" if segment.flow == self._flow[::-1] else None

    def _dot(self, number: int, time: int, side: Side, segment: Segment) -> Dot:
        end, peer = self._ends[side], self._ends["S" if side == "C" else "C"]
        if segment.flags & SYN:
            end.base, end.syn = segment.seq + 1, True
            end.scale = scale_in(segment.options)
            start = 0
        else:
            start = end.place(segment.seq)
        ack = edge = None
        if segment.flags & ACK:
            ack = peer.place(segment.ack)
            edge = _edge(ack, segment, end, peer)
        stop = start + segment.size
        what = _what(segment, end, (start, stop), ack)
        return Dot(number, time, side, what, start, stop, ack, edge)


def _edge(ack: int, segment: Segment, end: _End, peer: _End) -> int | None:
    """How far the sender's window reaches."""
    if segment.flags & SYN:  # RFC 7323 §2.2: that of a SYN is never scaled
        return ack + segment.window
    if not (end.syn and peer.syn):
        return None
    both = end.scale is not None and peer.scale is not None
    return ack + (segment.window << (end.scale or 0) if both else segment.window)


def _what(segment: Segment, end: _End, span: tuple[int, int], ack: int | None) -> str:
    """What a segment is in the first place."""
    said = (ack or 0, segment.window)
    before, end.said = end.said, said
    if segment.flags & RST:
        return "RST"
    if segment.flags & SYN:
        return "SYN"
    if segment.size:
        return end.carry(*span)
    if segment.flags & FIN:
        return "FIN"
    return "ACK again" if before == said else "ACK"
