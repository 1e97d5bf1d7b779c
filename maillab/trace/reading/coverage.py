"""Which octets of one side a capture has, and which it lacks.

Goes in: the sequence numbers of segments and acknowledgements, in any order. Comes out:
their offsets in the stream; the holes.

Rule 1: offsets count from 0 without wrapping (RFC 9293 §3.4: numbers wrap at 2**32).
Rule 2: a hole is what an ACK passed, or what was missing at the end, and never came
        later.
Rule 3: where a capture begins in the middle of a connection, its first octet is offset
        0, until one with a lower number comes.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import islice

from maillab.trace.packets import WORD
from maillab.wire.lines import Side

FARTHEST = 1 << 30  # RFC 7323 §2.3: no window is larger
Span = tuple[int, int]  # offsets: of the first octet, and behind the last


@dataclass(slots=True)
class Hole:
    """Octets that were missing; `place` and `time_ns` say when that was noticed."""

    start: int
    end: int
    place: int
    time_ns: int


@dataclass(slots=True, eq=False)
class Coverage:
    """One direction of a connection.

    expect   sequence number of the octet at `offset`; -1 while it is unknown
    offset   up to here everything came, or is known to be missing
    is_firm  a SYN told where the stream begins
    is_odd   something came too early, or is missing: look closely
    """

    side: Side
    expect: int = -1
    offset: int = 0
    is_firm: bool = False
    is_odd: bool = False
    lowest: int = 0
    fin_at: int | None = None
    holes: list[Hole] = field(default_factory=list[Hole])
    _early: list[Span] = field(default_factory=list[Span])
    _late: list[Span] = field(default_factory=list[Span])

    def begin(self, number: int, *, is_firm: bool) -> None:
        """`number` is that of the octet at offset 0."""
        self.expect, self.is_firm = number, is_firm

    def offset_of(self, number: int) -> int:
        """The offset that is nearest to what is expected."""
        ahead = (number - self.expect) & WORD
        return self.offset + (ahead - WORD - 1 if ahead > WORD >> 1 else ahead)

    def is_near(self, offset: int) -> bool:
        """Can a segment with this offset belong to this stream?"""
        lowest = self.lowest if self.is_firm else -FARTHEST
        return lowest - 1 <= offset < self.offset + FARTHEST

    def starts_at(self, number: int) -> None:
        """A SYN that came late tells where the stream begins."""
        self.lowest = min(self.lowest, self.offset_of(number))
        self.is_firm = self.is_odd = True

    def cover(self, start: int, end: int) -> None:
        """These octets were captured."""
        if start > self.offset:
            self.is_odd = True
            heappush(self._early, (start, end))
            return
        if start < self.offset and (self.holes or start < 0):
            self.is_odd = True
            self.lowest = min(self.lowest, start)
            heappush(self._late, (start, min(end, self.offset)))
        self._advance(end)

    def acknowledge(self, number: int, place: int, time_ns: int) -> bool:
        """The peer has all before `number`. Returns whether that opens a hole."""
        end = self.offset_of(number)
        if self.fin_at is not None:
            end = min(end, self.fin_at)
        if not self.offset < end < self.offset + FARTHEST:
            return False
        return self._open_holes(end, place, time_ns)

    def finish(self, place: int, time_ns: int) -> bool:
        """Nothing more will come. Returns whether something is missing at the end."""
        last = max((start for start, _ in self._early), default=self.offset)
        if self.fin_at is not None:
            last = max(last, self.fin_at)
        found = self._open_holes(last, place, time_ns)
        self._late = _joined(self._late)
        if self.lowest < 0:
            self.holes.append(Hole(self.lowest, 0, place, time_ns))
            found = True
        return found

    def missing(self, hole: Hole) -> list[Span]:
        """What of a hole never came, in order. To be asked after `finish`."""
        found: list[Span] = []
        at, last = hole.start, hole.end
        if self.fin_at is not None:
            last = min(last, self.fin_at)
        first = max(0, bisect_right(self._late, (at, at)) - 1)
        for start, end in islice(self._late, first, None):
            if start >= last:
                break
            found.append((at, start))
            at = max(at, end)
        found.append((at, last))
        return [(start, end) for start, end in found if start < end]

    def ends_with_one_octet(self, hole: Hole) -> bool:
        """Of the last hole one octet is left that nobody saw: that was a FIN."""
        is_last = hole.end == self.offset and hole.end == hole.start + 1
        return is_last and self.fin_at is None and bool(self.missing(hole))

    def _open_holes(self, end: int, place: int, time_ns: int) -> bool:
        found = False
        while self.offset < end:
            stop = min(end, self._early[0][0]) if self._early else end
            self.holes.append(Hole(self.offset, stop, place, time_ns))
            self.is_odd = found = True
            self._advance(stop)
        return found

    def _advance(self, end: int) -> None:
        """Everything up to `end` is there; what came early may follow at once."""
        while end > self.offset or (self._early and self._early[0][0] <= self.offset):
            if end > self.offset:
                self.expect = (self.expect + end - self.offset) & WORD
                self.offset = end
            if self._early and self._early[0][0] <= self.offset:
                end = heappop(self._early)[1]
        self.is_odd = bool(self._early or self.holes or self.lowest)


def _joined(spans: Iterable[Span]) -> list[Span]:
    """The same octets in spans that do not touch, in order."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found
