"""The octets of one side in order, whatever order they came in.

Goes in: bursts as they left, lost ones and repeated ones among them. Comes out: each
octet once, when it left for the first time, when it could be read.

Rule 1: an octet can be read when all before it are there, or are known to have been.
Rule 2: what could be read is never replaced by what comes later for the same place.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import accumulate

from maillab.trace.events import Event
from maillab.wire.lines import Side


@dataclass(frozen=True, slots=True)
class Burst:
    """Octets that left one side at once; `arrived_ns` is None when they never did.

    lost_at   the last place that saw them, when it is known
    is_again  they, or a part of them, had been sent before
    """

    side: Side
    offset: int
    data: bytes
    sent_ns: int
    arrived_ns: int | None
    number: int
    lost_at: str = ""
    is_again: bool = False

    @property
    def end(self) -> int:
        """Offset of the octet behind it."""
        return self.offset + len(self.data)


@dataclass(frozen=True, slots=True)
class Gap:
    """Octets that one side sent, and that a capture lacks."""

    side: Side
    offset: int
    size: int

    @property
    def end(self) -> int:
        """Offset of the octet behind them."""
        return self.offset + self.size


class Pieces:
    """The bursts of one side, as a stream. `gaps`: what a capture lacks of it."""

    def __init__(self, bursts: Sequence[Burst], gaps: Sequence[Gap] = ()) -> None:
        self._sent = _in_line(bursts, gaps)
        self._ends = [end for _, end, _ in self._sent]
        arrived = [b for b in bursts if b.arrived_ns is not None]
        arrived.sort(key=lambda burst: burst.arrived_ns or 0)
        self._heard = _in_line(arrived, gaps)
        self._heard_ends = [end for _, end, _ in self._heard]
        times = (burst.arrived_ns or 0 for *_, burst in self._heard)
        self._readable = list(accumulate(times, max))

    def runs(self) -> list[tuple[int, bytes]]:
        """Offset and octets of what stands together: a gap begins another run."""
        found: list[tuple[int, bytearray]] = []
        for start, end, burst in self._sent:
            octets = burst.data[start - burst.offset : end - burst.offset]
            if found and found[-1][0] + len(found[-1][1]) == start:
                found[-1][1].extend(octets)
            else:
                found.append((start, bytearray(octets)))
        return [(start, bytes(octets)) for start, octets in found]

    def stream(self) -> bytes:
        """The octets, in order, each once, up to the first that is missing.

        What a capture lacks is left out: it was there.
        """
        return b"".join(octets for _, octets in self.runs())

    def sent_ns(self, offset: int) -> int | None:
        """When an octet left for the first time."""
        at = bisect_right(self._ends, offset)
        return self._sent[at][2].sent_ns if at < len(self._sent) else None

    def arrived_ns(self, end: int) -> int | None:
        """When all up to `end` could be read; None when that never happened."""
        at = bisect_left(self._heard_ends, end)
        return self._readable[at] if at < len(self._heard) else None


def plain_stream(events: Iterable[Event], side: Side) -> bytes | None:
    """The octets of one side when nothing was sent twice or out of order, else None."""
    parts: list[bytes] = []
    at = 0
    for event in events:
        if event.kind == "bytes":
            facts = event.facts
            if facts["side"] == side:
                if facts["offset"] != at:
                    return None
                parts.append(facts["data"])
                at += len(facts["data"])
    return b"".join(parts)


def _in_line(
    bursts: Iterable[Burst], gaps: Sequence[Gap]
) -> list[tuple[int, int, Burst]]:
    """From where to where each burst brings what was missing next.

    Octets that could be read stay what they were, whatever comes later for them; of two
    that wait behind a hole the one with the lower offset counts, then the earlier one.
    """
    found: list[tuple[int, int, Burst]] = []
    waiting: list[tuple[int, int, Burst]] = []
    holes = sorted(gaps, key=lambda gap: gap.offset, reverse=True)
    expected = 0
    for order, burst in enumerate(bursts):
        heappush(waiting, (burst.offset, order, burst))
        while True:
            while holes and holes[-1].offset <= expected:
                expected = max(expected, holes.pop().end)
            if not waiting or waiting[0][0] > expected:
                break
            came = heappop(waiting)[2]
            if came.end > expected:
                found.append((max(expected, came.offset), came.end, came))
                expected = came.end
    return found
