"""The packets of an event: their numbers in a capture, as Wireshark counts them.

Goes in: a capture and an event. Comes out: the numbers of the packets in which it can
be seen at that place; none when it did not travel, or not there.

Rule 1: a line is in every segment that has octets of it, first sent or sent again.
Rule 2: an answer of the DNS is its query and its response.
"""

from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from maillab.trace.causing.causes_network import last_query
from maillab.trace.dissect.conversations import conversations, transport
from maillab.trace.events import Event
from maillab.trace.packet_list import PacketList
from maillab.trace.packets import ACK, FIN, ICMP, ICMP6, RST, SYN, UDP
from maillab.trace.session import Session
from maillab.wire.lines import Side

PATIENCE_NS = 60_000_000_000  # how long an answer of the DNS may be under way
_SYN_ACK = SYN | ACK
# What flags the packets of an event have, and which side sends them.
_FLAGS: dict[str, tuple[int, int, str]] = {
    "connect": (_SYN_ACK, SYN, "C"),
    "syn": (_SYN_ACK, SYN, "C"),
    "timed_out": (_SYN_ACK, SYN, "C"),
    "syn_fate": (_SYN_ACK, SYN, "C"),
    "accept": (_SYN_ACK, _SYN_ACK, "S"),
    "synack": (_SYN_ACK, _SYN_ACK, "S"),
    "established": (_SYN_ACK, _SYN_ACK, "S"),
    "refused": (RST, RST, "S"),
    "reset": (RST, RST, ""),
    "cut": (RST, RST, ""),
    "fin": (FIN, FIN, ""),
}
_FIRST = ("connect", "accept", "established")  # one packet of several


class Segment(NamedTuple):
    """A TCP segment of a session."""

    number: int
    side: Side
    offset: int | None
    size: int
    flags: int

    def overlaps(self, start: int, end: int) -> bool:
        """It has some of these octets."""
        at = self.offset
        return at is not None and self.size > 0 and at < end and at + self.size > start


class Datagram(NamedTuple):
    """A UDP datagram, or an ICMP message, without its IP header."""

    number: int
    time_ns: int
    data: bytes


class PacketFinder:
    """Finds packets in one capture. Looks at each packet once."""

    def __init__(self, capture: PacketList) -> None:
        self._capture = capture
        self._known = capture.trace.known

    def numbers(self, event: Event) -> tuple[int, ...]:
        """The numbers of its packets."""
        match event.kind:
            case "line" | "bytes":
                found = self._of_octets(event)
            case "datagram":
                found = self._of_datagram(event)
            case "dns":
                found = self._of_answer(event)
            case "port_unreachable" | "prohibited":
                found = self._quoting(event, event["data"])
            case "unreachable" | "icmp":
                found = self._quoting_connection(event)
            case "rule" if event.connection:
                found = self._struck(event)
            case _:
                found = self._of_flags(event)
        return tuple(found)

    # TCP ------------------------------------------------------------------------------

    @cached_property
    def _segments(self) -> dict[str, list[Segment]]:
        """The segments of each session."""
        found: defaultdict[str, list[Segment]] = defaultdict(list)
        known = conversations(self._capture)
        for number in range(1, len(self._capture.packets) + 1):
            place = known.place(number)
            state = known.state(place) if place else None
            if place and state:
                head = place.head
                facts = (place.side, place.offset, head.size, head.flags)
                found[state.session.id].append(Segment(number, *facts))
        return found

    @cached_property
    def _sessions(self) -> dict[str, Session]:
        return {session.id: session for session in self._capture.sessions}

    def _of_flags(self, event: Event) -> Iterator[int]:
        wanted = _FLAGS.get(event.kind)
        if wanted is None:
            return
        mask, flags, side = wanted
        side = event.get("side") or side
        for one in self._segments.get(event.connection, ()):
            if one.flags & mask == flags and side in ("", one.side):
                yield one.number
                if event.kind in _FIRST:
                    return

    def _struck(self, event: Event) -> Iterator[int]:
        """What a rule struck: SYNs that nobody answered."""
        segments = self._segments.get(event.connection, ())
        if all(one.flags & _SYN_ACK == SYN for one in segments):
            yield from (one.number for one in segments)

    def _of_octets(self, event: Event) -> Iterator[int]:
        session = self._sessions.get(event.connection)
        if session is None:
            return
        side: Side = event["speaker"] if event.kind == "line" else event["side"]
        start, end = self._on_the_wire(session, side, event)
        for one in self._segments.get(event.connection, ()):
            if one.side == side and one.overlaps(start, end):
                yield one.number

    def _on_the_wire(
        self, session: Session, side: Side, event: Event
    ) -> tuple[int, int]:
        """Where its octets are among those that this side sent."""
        start: int = event["offset"]
        if event.kind == "bytes":
            return start, start + len(event["data"])
        if not event["secure"] and not event.get("compressed"):
            return start, start + len(event["octets"])
        said = (n for n in session.lines if n.speaker == side and n.offset >= start)
        line = next(said, None)
        burst = session.find_burst(side, line.sent_ns) if line else None
        return (burst.offset, burst.end) if burst else (0, 0)

    # UDP and ICMP ---------------------------------------------------------------------

    @cached_property
    def _datagrams(self) -> dict[int, list[Datagram]]:
        """By protocol."""
        found: defaultdict[int, list[Datagram]] = defaultdict(list)
        for number, packet in enumerate(self._capture.packets, 1):
            kind, at, end = transport(packet.data)
            if kind in (UDP, ICMP, ICMP6):
                body = Datagram(number, packet.time_ns, packet.data[at:end])
                found[kind].append(body)
        return found

    def _of_datagram(self, event: Event) -> Iterator[int]:
        data: bytes = event["data"]
        for one in self._datagrams[UDP]:
            late = one.time_ns - event.time_ns
            if one.data[8:] == data and 0 <= late < PATIENCE_NS:
                yield one.number
                return

    def _of_answer(self, event: Event) -> Iterator[int]:
        query = None if event["cached"] else last_query(self._known, event)
        if query is None:
            return
        yield from self._of_datagram(query)
        response = next(
            self._known.after(
                query.number,
                "datagram",
                lambda e: e["data"][:2] == query["data"][:2] and e["src"][1] == 53,
            ),
            None,
        )
        if response and response.number < event.number:
            yield from self._of_datagram(response)

    def _quoting(self, event: Event, quoted: bytes) -> Iterator[int]:
        """ICMP messages that carry the beginning of what could not be delivered."""
        for one in (*self._datagrams[ICMP], *self._datagrams[ICMP6]):
            if quoted[:64] in one.data and one.time_ns >= event.time_ns:
                yield one.number
                return

    def _quoting_connection(self, event: Event) -> Iterator[int]:
        """They quote a SYN or a segment: its ports stand behind an IP header."""
        connect = self._known.first(event.connection, "connect")
        if connect is None:
            return
        port = connect["dst"][1].to_bytes(2, "big")
        for one in (*self._datagrams[ICMP], *self._datagrams[ICMP6]):
            _, at, _ = transport(one.data[8:])
            between = connect.time_ns <= one.time_ns <= event.time_ns
            if at and between and one.data[8 + at + 2 : 8 + at + 4] == port:
                yield one.number
