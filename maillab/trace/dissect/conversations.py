"""Which connection a packet belongs to, and what its octets are there.

Goes in: a packet list. Comes out: for each number, the `Place` of its TCP payload: the
session, the side, the offset in that side's octets; and what stands there.

Rule 1: packets are looked at in order, and only up to the number that is asked for.
Rule 2: a SYN with another sequence number begins a new connection (RFC 9293 §3.5).
Rule 3: octets that no line explains may be a secret when a mail client sent them.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from weakref import WeakKeyDictionary, ref

from maillab.trace.dissect.tcp import Origin
from maillab.trace.hearing.tls_records import CHANGE_CIPHER_SPEC, HEAD, LARGEST
from maillab.trace.lines import Line
from maillab.trace.packet_list import PacketList
from maillab.trace.packets import ACK, SYN, TCP, WORD, Address, addresses
from maillab.trace.pieces import Burst
from maillab.trace.session import SIDES, Session
from maillab.wire.lines import Side

MAIL = ("SMTP", "LMTP", "POP3", "IMAP")
_TLS = re.compile(rb"[\x14-\x17]\x03[\x00-\x04]")
_EXTENSIONS = (0, 43, 60)
Ends = tuple[Address, Address]


@dataclass(slots=True)
class Head:
    """The fields of a TCP segment that a list shows."""

    src: Address
    dst: Address
    seq: int
    ack: int
    flags: int
    window: int
    start: int  # of its payload, in the packet
    size: int


@dataclass
class Conversation:
    """One TCP connection: the first sequence number of each end."""

    began_ns: int
    client: Address
    server: Address
    first: dict[Address, int] = field(default_factory=dict[Address, int])


@dataclass(frozen=True)
class Place:
    """Where a segment stands. `offset` of its first octet, from 0 behind the SYN."""

    head: Head
    conversation: Conversation
    side: Side
    offset: int | None

    @property
    def origin(self) -> Origin:
        """What sequence numbers count from, as Wireshark counts them."""
        first = self.conversation.first
        return Origin(first.get(self.head.src), first.get(self.head.dst))


def transport(packet: bytes) -> tuple[int, int, int]:
    """Protocol of a packet, where its header begins, where the packet ends.

    (0, 0, 0) for what is no IP packet, and for later fragments.
    """
    if len(packet) < 20:
        return 0, 0, 0
    if packet[0] >> 4 == 4:
        later = int.from_bytes(packet[6:8], "big") & 0x1FFF
        end = int.from_bytes(packet[2:4], "big") or len(packet)
        found = (packet[9], (packet[0] & 15) * 4, min(end, len(packet)))
        return (0, 0, 0) if later else found
    if packet[0] >> 4 != 6 or len(packet) < 40:
        return 0, 0, 0
    end = min(40 + (int.from_bytes(packet[4:6], "big") or len(packet)), len(packet))
    kind, at = packet[6], 40
    while kind in _EXTENSIONS and at + 8 <= end:  # RFC 8200 §4
        kind, at = packet[at], at + 8 + 8 * packet[at + 1]
    if kind == 44 and at + 8 <= end and not packet[at + 2] and packet[at + 3] < 8:
        kind, at = packet[at], at + 8
    return kind, at, end


def ends_of(packet: bytes) -> tuple[str, str] | None:
    """Source and destination, if there is a whole IP header."""
    version = packet[0] >> 4 if packet else 0
    whole = len(packet) >= {4: 20, 6: 40}.get(version, len(packet) + 1)
    return addresses(packet) if whole else None


def head_of(packet: bytes) -> Head | None:
    """The TCP header in an IP packet, if there is a whole one."""
    kind, at, end = transport(packet)
    if kind != TCP or at + 20 > end:
        return None
    word = int.from_bytes(packet[at : at + 20], "big")
    size = (packet[at + 12] >> 4) * 4
    src, dst = addresses(packet)
    return Head(
        src=(src, word >> 144),
        dst=(dst, word >> 128 & 0xFFFF),
        seq=word >> 96 & WORD,
        ack=word >> 64 & WORD,
        flags=packet[at + 13],
        window=word >> 32 & 0xFFFF,
        start=at + size,
        size=max(0, end - at - size),
    )


class Conversations:
    """The connections of one packet list."""

    def __init__(self, packets: PacketList) -> None:
        self._packets = packets.packets
        self._list = ref(packets)  # which is kept as long as its owner wants
        self.looked = 0  # packets looked at
        self._current: dict[Ends, Conversation] = {}
        self._of: list[Conversation | None] = []  # for each packet
        self._states: dict[str, State] = {}

    def place(self, number: int) -> Place | None:
        """Where the segment of one packet stands; None when it is no TCP segment."""
        while self.looked < number:
            packet = self._packets[self.looked]
            head = head_of(packet.data) if packet.data else None
            self._of.append(self._note(head, packet.time_ns) if head else None)
            self.looked += 1
        found = self._of[number - 1]
        head = head_of(self._packets[number - 1].data) if found else None
        if head is None or found is None:
            return None
        first = found.first.get(head.src)
        offset = None
        if first is not None:
            begin = head.seq + 1 if head.flags & SYN else head.seq
            offset = _nearest(begin - first - 1)
        side: Side = "C" if head.src == found.client else "S"
        return Place(head, found, side, offset)

    def _note(self, head: Head, time_ns: int) -> Conversation:
        key = (min(head.src, head.dst), max(head.src, head.dst))
        found = self._current.get(key)
        is_syn = head.flags & (SYN | ACK) == SYN
        known = found.first.get(head.src) if found else None
        if found is None or (is_syn and known not in (None, head.seq)):
            client, server = _ends(head)
            found = self._current[key] = Conversation(time_ns, client, server)
        if head.src not in found.first:
            back = 0 if head.flags & SYN else 1
            found.first[head.src] = (head.seq - back) & WORD
        if head.flags & ACK and head.dst not in found.first:
            found.first[head.dst] = (head.ack - 1) & WORD
        return found

    def state(self, place: Place) -> "State | None":
        """The session of a segment, if the packet list has it."""
        found = self._find(place.conversation)
        if found is None:
            return None
        return self._states.setdefault(found.id, State(found))

    def _find(self, wanted: Conversation) -> Session | None:
        same = self._by_ends.get((wanted.client, wanted.server), ())
        began = [s for s in same if s.began_ns <= wanted.began_ns]
        return began[-1] if began else next(iter(same), None)

    @cached_property
    def _by_ends(self) -> dict[Ends, list[Session]]:
        """Sessions by their addresses, on every part of the way (NAT changes them)."""
        found: dict[Ends, list[Session]] = {}
        packets = self._list()
        sessions = packets.sessions if packets else []
        for session in sorted(sessions, key=lambda s: s.began_ns):
            for ends in dict.fromkeys(_ends_of(session)):
                found.setdefault(ends, []).append(session)
        return found


def conversations(packets: PacketList) -> Conversations:
    """Those of a packet list; they are kept as long as it is."""
    found = _KEPT.get(packets)
    if found is None:
        found = _KEPT[packets] = Conversations(packets)
    return found


_KEPT: "WeakKeyDictionary[PacketList, Conversations]" = WeakKeyDictionary()


def _nearest(distance: int) -> int:
    """A difference of sequence numbers, which wrap (RFC 9293 §3.4)."""
    distance &= WORD
    return distance - WORD - 1 if distance > WORD >> 1 else distance


def _ends(head: Head) -> Ends:
    """Client and server: a SYN tells, else the lower port is the server's."""
    is_client = head.src[1] > head.dst[1]
    if head.flags & SYN:
        is_client = not head.flags & ACK
    return (head.src, head.dst) if is_client else (head.dst, head.src)


def _ends_of(session: Session) -> Iterator[Ends]:
    yield session.client_address, session.server_address
    for event in session.all("accept"):
        src = event.get("src") or session.client_address
        dst = event.get("dst") or session.server_address
        yield (src[0], src[1]), (dst[0], dst[1])
    for event in session.all("path"):
        for _, _, src, sport, dst, dport in event["points"]:
            a, b = (src, sport), (dst, dport)
            yield (a, b) if event["side"] == "C" else (b, a)


# What stands where --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stretch:
    """Octets of one side: a line, a TLS record, or neither."""

    start: int
    end: int
    line: Line | None = None
    is_record: bool = False
    is_hidden: bool = False  # a record behind a change of ciphers
    is_secret: bool = False  # nobody knows what it is, and it may be one


class State:
    """The octets of both sides of a session, explained."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._known: dict[Side, tuple[list[int], list[Stretch]]] = {}

    @cached_property
    def wires(self) -> dict[Side, bytes]:
        """All octets of both sides."""
        return {side: self.session.wire(side) for side in SIDES}

    def stretches(self, side: Side, start: int, end: int) -> list[Stretch]:
        """All that overlaps with these octets, in order, without holes."""
        starts, known = self._all(side)
        at = max(0, bisect_right(starts, start) - 1)
        found: list[Stretch] = []
        place = start
        for one in known[at : bisect_left(starts, end)]:
            if one.end <= place:
                continue
            if one.start > place:
                found.append(self._unknown(side, place, one.start))
            found.append(one)
            place = one.end
        if place < end:
            found.append(self._unknown(side, place, end))
        return found

    def inside(self, side: Side, start: int, end: int) -> list[Line]:
        """What was said inside TLS, or compressed, in bursts that begin here."""
        return [n for at, n in self._disguised[side] if start <= at < end]

    @cached_property
    def _disguised(self) -> dict[Side, list[tuple[int, Line]]]:
        """Lines whose octets were others on the wire, and where these begin."""
        found: dict[Side, list[tuple[int, Line]]] = {"C": [], "S": []}
        for line in self.session.lines:
            if line.is_disguised:
                at = self._burst_of(line)
                found[line.speaker] += [] if at is None else [(at, line)]
        return found

    @cached_property
    def _bursts(self) -> dict[tuple[Side, int], list[Burst]]:
        """The bursts that left at one instant, in order."""
        found: dict[tuple[Side, int], list[Burst]] = {}
        for burst in (*self.session.bursts["C"], *self.session.bursts["S"]):
            if not burst.is_again:
                found.setdefault((burst.side, burst.sent_ns), []).append(burst)
        return found

    def _burst_of(self, line: Line) -> int | None:
        """An engine says something, and then the octets leave."""
        same = self._bursts.get((line.speaker, line.sent_ns), [])
        behind = [burst for burst in same if burst.number >= line.number]
        chosen = behind[:1] or same[-1:]
        return chosen[0].offset if chosen else None

    def _unknown(self, side: Side, start: int, end: int) -> Stretch:
        may_be = side == "C" and self.session.protocol in MAIL
        return Stretch(start, end, is_secret=may_be)

    def _all(self, side: Side) -> tuple[list[int], list[Stretch]]:
        """What is known of one side, and where each piece of it begins."""
        if side not in self._known:
            known = list(self._explain(side))
            self._known[side] = [one.start for one in known], known
        return self._known[side]

    def _explain(self, side: Side) -> Iterator[Stretch]:
        said = [n for n in self.session.lines if n.speaker == side]
        plain = sorted(
            (n for n in said if not n.is_disguised), key=lambda line: line.offset
        )
        end = 0
        for line in plain:
            if line.offset >= end:  # noted twice otherwise
                end = line.offset + len(line.octets)
                yield Stretch(line.offset, end, line)
        yield from _records(self.wires[side], end)


def _records(wire: bytes, at: int) -> Iterator[Stretch]:
    """TLS records, if there are some; the last one may not be whole."""
    hidden = False
    while _TLS.match(wire, at):
        size = int.from_bytes(wire[at + 3 : at + 5], "big")
        if size > LARGEST:
            return
        yield Stretch(at, at + HEAD.size + size, is_record=True, is_hidden=hidden)
        hidden = hidden or wire[at] == CHANGE_CIPHER_SPEC  # RFC 5246 §7.1
        at += HEAD.size + size
