"""TCP segments in any order become connections, told as events.

Goes in: segments as a capture has them. Comes out: events of `trace.events`, in the
order of the segments; octets stand at their offset, whenever they came.

Rule 1: a segment that is new, in order, of an open connection takes the short way; all
        others the long one.
Rule 2: a SYN with another number than the last one begins another connection on the
        same ports (RFC 9293 §3.4.3).
Rule 3: who sent the SYN is the client; where no SYN was captured, the side whose port
        is no known service; else the side with the higher port.
Rule 4: what a capture lacks is told by a "gap", where an ACK passed it, or at the end.
Rule 5: one place, one clock: latency is 0, for nobody knows it.
"""

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from maillab.trace.packets import ACK, FIN, RST, SYN, WORD, Address
from maillab.trace.reading.coverage import FARTHEST, Coverage, Hole
from maillab.trace.reading.ip_reader import address_text
from maillab.trace.recorder import Told
from maillab.trace.session import PORTS
from maillab.wire.lines import Side

Head = tuple[int, int, int]  # sequence number, acknowledgement, flags
Name = Callable[[bytes], str]
SECOND = 1_000_000_000
_PLAIN = FIN | SYN | RST | ACK
_AHEAD = WORD >> 1


@dataclass(slots=True, eq=False)
class Half(Coverage):
    """One side of a connection, with what its events say."""

    talk: "Talk" = field(kw_only=True)
    key: bytes = field(kw_only=True)  # its address, the peer's, its port, the peer's
    host: str = field(kw_only=True)
    id: str = field(kw_only=True)
    isn: int = -1  # the number of its SYN
    was_reset: bool = False

    @property
    def peer(self) -> "Half":
        """The other side."""
        return self.talk.server if self.side == "C" else self.talk.client


@dataclass(slots=True, eq=False)
class Talk:
    """One connection. `is_open`: the handshake is over, or was never captured."""

    id: str
    client: Half = field(init=False)
    server: Half = field(init=False)
    syns: list[int] = field(default_factory=list[int])  # when each was sent
    syn_acks: int = 0
    is_open: bool = False
    has_failed: bool = False
    is_done: bool = False


class Reassembly:
    """All connections of a capture. `name` gives the host's name for an address.

    `number` is the frame that is being read; `numbers` has it for each event.
    """

    def __init__(self, name: Name) -> None:
        self.told: list[Told] = []
        self.numbers: array[int] = array("L")
        self.number = 0
        self._name = name
        self._open: dict[bytes, tuple[Half, Half]] = {}
        self._halves: dict[bytes, Half] = {}
        self._talks: list[Talk] = []

    def segment(self, time: int, key: bytes, head: Head, data: bytes) -> None:
        """A segment of which every octet was captured."""
        pair = self._open.get(key)
        if pair is not None:
            half, peer = pair
            seq, ack, flags = head
            if (
                seq == half.expect
                and flags & _PLAIN == ACK
                and not half.is_odd
                and (peer.expect - ack) & WORD <= _AHEAD
            ):
                if data:
                    facts = {
                        "side": half.side,
                        "offset": half.offset,
                        "data": data,
                        "latency": 0,
                    }
                    self.told.append((time, "bytes", half.host, half.id, facts))
                    self.numbers.append(self.number)
                    half.offset += len(data)
                    half.expect = (seq + len(data)) & WORD
                return
        self.odd_segment(time, key, head, data, len(data))

    def odd_segment(
        self, time: int, key: bytes, head: Head, data: bytes, size: int
    ) -> None:
        """Any segment; `size` octets were sent, of which `data` was captured."""
        seq, ack, flags = head
        half = self._half_of(time, key, head)
        if half is None:
            return
        if flags & SYN:
            seq += 1
        elif flags & RST:
            self._reset(time, half)
            return
        elif not half.talk.is_open:
            self._establish(time, half)
        if half.expect < 0:
            half.begin(seq & WORD, is_firm=False)
        if flags & ACK:
            self._acknowledged(time, half.peer, ack)
        self._take(time, half, (half.offset_of(seq), data, size))
        if flags & FIN:
            self._fin(time, half, half.offset_of(seq) + size)

    def refuse_by_icmp(
        self, time: int, key: bytes, seq: int, facts: dict[str, Any]
    ) -> None:
        """ICMP quotes a segment with this key: `facts` are reason, by, router, code."""
        half = self._halves.get(key)
        if half is None:
            return
        facts = {**facts, "latency": 0}
        if half.talk.is_open or half.talk.syn_acks:
            offset = max(0, half.offset_of(seq)) if half.expect >= 0 else 0
            self._tell(time, "icmp", half, side=half.side, offset=offset, **facts)
        elif half.side == "C" and not half.talk.has_failed:
            half.talk.has_failed = True
            self._tell(time, "unreachable", half, **facts)

    def finish(self, time: int) -> dict[int, list[Told]]:
        """The capture has ended. Returns what stands in the place of some events."""
        ends = {told[3]: told[0] for told in self.told}
        for talk in self._talks:
            self._give_up(talk, time, ends[talk.id])
        instead: dict[int, list[Told]] = {}
        shifts: dict[tuple[str, str], int] = {}
        for talk in self._talks:
            for half in (talk.client, talk.server):
                for hole in half.holes:
                    instead.setdefault(hole.place, []).extend(_gaps(half, hole))
                if half.lowest < 0:
                    shifts[half.id, half.side] = -half.lowest
        self._shift(shifts, instead)
        self._forget()
        return instead

    def _forget(self) -> None:
        """Let go at once what would wait for the collector: circles of values."""
        for talk in self._talks:
            del talk.client, talk.server
        self._talks.clear()
        self._halves.clear()
        self._open.clear()

    # Beginnings -----------------------------------------------------------------------

    def _half_of(self, time: int, key: bytes, head: Head) -> Half | None:
        """The side that sent a segment, known or new; None when it belongs nowhere."""
        half = self._halves.get(key)
        seq, ack, flags = head
        if flags & SYN:
            return self._syn(time, half, key, head)
        if half is None or (half.expect >= 0 and self._is_over(half, seq)):
            if flags & RST or not flags & ACK:
                return None
            half = self._begin(time, key, is_client=_is_client(key))
            self._tell(time, "note", half, text=_MIDDLE)
            half.peer.begin(ack, is_firm=False)
            self._open_up(half.talk)
        elif half.expect >= 0 and not half.is_near(half.offset_of(seq)):
            return None
        return half

    def _is_over(self, half: Half, seq: int) -> bool:
        """Both sides had closed, and this number has nothing to do with it."""
        ended = half.was_reset or half.fin_at is not None
        return ended and abs(half.offset_of(seq) - half.offset) > FARTHEST

    def _syn(self, time: int, half: Half | None, key: bytes, head: Head) -> Half:
        seq, ack, flags = head
        is_answer = bool(flags & ACK)
        if half is None or _is_another(half, seq):
            half = self._begin(time, key, is_client=not is_answer)
            if is_answer:
                half.peer.begin(ack, is_firm=True)
        if half.isn < 0 and half.expect >= 0:
            half.starts_at((seq + 1) & WORD)
        elif half.expect < 0:
            half.begin((seq + 1) & WORD, is_firm=True)
        half.isn = seq
        self._tell_syn(time, half)
        return half

    def _tell_syn(self, time: int, half: Half) -> None:
        talk = half.talk
        if half.side == "C":
            if talk.syns and not talk.is_open:
                self._tell(time, "syn", half, attempt=len(talk.syns))
            talk.syns.append(time)
        elif talk.syn_acks:
            self._tell(time, "synack", half, attempt=talk.syn_acks)
        else:
            src, dst = addresses_of(half.peer.key)
            self._tell(time, "accept", half, latency=0, src=src, dst=dst)
        talk.syn_acks += half.side == "S"

    def _begin(self, time: int, key: bytes, *, is_client: bool) -> Half:
        """A connection; what was on the same ports before is over."""
        before = self._halves.get(key)
        if before is not None:
            self._give_up(before.talk, time, time)
            self._open.pop(before.key, None)
            self._open.pop(before.peer.key, None)
        talk = Talk(f"c{len(self._talks) + 1}")
        self._talks.append(talk)
        mine, yours = ("C", "S") if is_client else ("S", "C")
        here = self._make(talk, mine, key)
        there = self._make(talk, yours, turned(key))
        talk.client, talk.server = (here, there) if is_client else (there, here)
        src, dst = addresses_of(talk.client.key)
        to = talk.server.host if talk.server.host != dst[0] else ""
        self._tell(time, "connect", talk.client, src=src, dst=dst, to=to)
        return here

    def _make(self, talk: Talk, side: Side, key: bytes) -> Half:
        host = self._name(key[: (len(key) - 4) // 2])
        half = Half(side, talk=talk, key=key, host=host, id=talk.id)
        self._halves[key] = half
        return half

    def _establish(self, time: int, half: Half) -> None:
        """The handshake is over when anything but a SYN follows it."""
        if half.side == "S" and not half.talk.syn_acks:
            return
        self._tell(time, "established", half.talk.client)
        self._open_up(half.talk)

    def _open_up(self, talk: Talk) -> None:
        talk.is_open = True
        self._open[talk.client.key] = talk.client, talk.server
        self._open[talk.server.key] = talk.server, talk.client

    # Octets ---------------------------------------------------------------------------

    def _take(self, time: int, half: Half, piece: tuple[int, bytes, int]) -> None:
        """Octets at an offset; what stands before the beginning is left out."""
        offset, data, size = piece
        early = half.lowest - offset
        if half.is_firm and early > 0:
            offset, data, size = half.lowest, data[early:], size - early
        if not data:
            return
        facts = {"side": half.side, "offset": offset, "data": data, "latency": 0}
        self._tell(time, "bytes", half, **facts)
        half.cover(offset, offset + len(data))

    def _acknowledged(self, time: int, half: Half, ack: int) -> None:
        """`half` is the one whose octets are acknowledged."""
        if half.expect < 0:
            half.begin(ack, is_firm=False)
        elif half.acknowledge(ack, len(self.told), time):
            self._tell(time, "gap", half)

    # Endings --------------------------------------------------------------------------

    def _fin(self, time: int, half: Half, at: int) -> None:
        if half.fin_at is None:
            half.fin_at = at
            self._tell(time, "fin", half, side=half.side, latency=0)

    def _reset(self, time: int, half: Half) -> None:
        talk = half.talk
        if half.was_reset or talk.has_failed:
            return
        half.was_reset = True
        if half.side == "S" and not talk.is_open and not talk.syn_acks:
            talk.has_failed = True
            facts = {"reason": "a RST answered the SYN", "by": half.host}
            self._tell(time, "refused", talk.client, latency=0, **facts)
        else:
            self._tell(time, "reset", half, side=half.side, latency=0)

    def _give_up(self, talk: Talk, time: int, ended: int) -> None:
        """Nothing more will come: SYNs without an answer, octets that never came.

        ended  when the last of it came; `time` is now
        """
        if talk.is_done:
            return
        talk.is_done = True
        for half in (talk.client, talk.server):
            if half.finish(len(self.told), ended):
                self._tell(ended, "gap", half)
        answered = talk.syn_acks or talk.is_open or talk.client.was_reset
        if answered or talk.has_failed or not talk.syns:
            return
        talk.has_failed = True
        last = talk.syns[-1]
        wait = 2 * (last - talk.syns[-2]) if len(talk.syns) > 1 else SECOND
        if len(talk.syns) > 1 or time - last >= SECOND:  # RFC 6298 §2.1, §5.5
            count = len(talk.syns)
            reason = f"no answer to {count} SYN{'s' * (count > 1)}"
            self._tell(last + wait, "timed_out", talk.client, reason=reason, by="")

    def _shift(
        self, shifts: dict[tuple[str, str], int], instead: dict[int, list[Told]]
    ) -> None:
        """Offset 0 is the lowest octet that was captured, whenever it came."""
        if not shifts:
            return
        for told in (self.told, *instead.values()):
            for _, _, _, id, facts in told:
                shift = shifts.get((id, facts.get("side", "")))
                if shift and "offset" in facts:
                    facts["offset"] += shift

    def _tell(self, time: int, kind: str, half: Half, **facts: Any) -> None:
        self.told.append((time, kind, half.host, half.id, facts))
        self.numbers.append(self.number)


_MIDDLE = "the capture begins in the middle of this connection"


def _gaps(half: Half, hole: Hole) -> list[Told]:
    """What is told of a hole at last: nothing, when all of it came later."""
    time, host, id = hole.time_ns, half.host, half.id
    if half.ends_with_one_octet(hole):
        return [(time, "fin", host, id, {"side": half.side, "latency": 0})]
    return [
        (
            time,
            "gap",
            host,
            id,
            {"side": half.side, "offset": start, "size": end - start},
        )
        for start, end in half.missing(hole)
    ]


def _is_another(half: Half, seq: int) -> bool:
    """Is a SYN with this number that of another connection?"""
    if half.isn >= 0:
        return half.isn != seq
    if half.expect < 0 or half.is_firm:
        return False
    return not -FARTHEST < half.offset_of(seq + 1) <= half.lowest


def _is_client(key: bytes) -> bool:
    """Does the sender look like the client?"""
    src, dst = addresses_of(key)
    if (src[1] in PORTS) != (dst[1] in PORTS):
        return dst[1] in PORTS
    return src[1] >= dst[1]


def turned(key: bytes) -> bytes:
    """The key of the other direction."""
    size = (len(key) - 4) // 2
    return key[size : 2 * size] + key[:size] + key[-2:] + key[-4:-2]


def addresses_of(key: bytes) -> tuple[Address, Address]:
    """Source and destination of a key: two addresses, then two ports."""
    size = (len(key) - 4) // 2
    return (
        (address_text(key[:size]), int.from_bytes(key[-4:-2], "big")),
        (address_text(key[size : 2 * size]), int.from_bytes(key[-2:], "big")),
    )
