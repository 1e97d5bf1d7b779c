"""Both streams of a session in the order in which they left, each octet once.

Goes in: bursts (repeated, overlapping, out of order), and the gaps of a capture. Comes
out: bursts that follow each other, and gaps where octets will never come.

Rule: what came behind a hole waits until that is filled; a gap fills it when something
      behind it is there.
"""

from bisect import insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from maillab.trace.pieces import Burst, Gap
from maillab.wire.lines import Side


class _Sorter:
    """One side."""

    def __init__(self, gaps: Sequence[Gap]) -> None:
        self._expected = 0
        self._waiting: list[tuple[int, int, Burst]] = []
        self._gaps = gaps

    def take(self, burst: Burst) -> Iterator[Burst | Gap]:
        """What can be told now that this burst is there."""
        if burst.offset == self._expected and not self._waiting:
            self._expected = burst.end
            yield burst
            return
        insort(self._waiting, (burst.offset, burst.number, burst), key=lambda w: w[:2])
        yield from self._ready()

    def _ready(self) -> Iterator[Burst | Gap]:
        while self._waiting:
            offset, _, burst = self._waiting[0]
            if offset > self._expected:
                gap = self._gap(offset)
                if gap is None:
                    return
                yield gap
                continue
            self._waiting.pop(0)
            if burst.end > self._expected:
                yield _from(burst, self._expected)
                self._expected = burst.end

    def _gap(self, end: int) -> Gap | None:
        """The gap that begins here; it ends at `end` or before."""
        found = (g for g in self._gaps if g.offset <= self._expected < g.end)
        gap = next(found, None)
        if gap is None:
            return None
        told = Gap(gap.side, self._expected, min(gap.end, end) - self._expected)
        self._expected = told.end
        return told

    def rest(self) -> Iterator[Gap]:
        """A gap behind all that was seen."""
        gap = self._gap(max((g.end for g in self._gaps), default=0))
        if gap is not None:
            yield gap


def in_order(
    bursts: Mapping[Side, Sequence[Burst]], gaps: Sequence[Gap]
) -> Iterator[Burst | Gap]:
    """As they left, each octet once."""
    sorters = {
        side: _Sorter([gap for gap in gaps if gap.side == side]) for side in bursts
    }
    both = (burst for side in bursts for burst in bursts[side])
    for burst in sorted(both, key=lambda b: b.number):
        yield from sorters[burst.side].take(burst)
    for sorter in sorters.values():
        yield from sorter.rest()


def _from(burst: Burst, offset: int) -> Burst:
    """The part of a burst from `offset` on."""
    if offset == burst.offset:
        return burst
    return replace(burst, offset=offset, data=burst.data[offset - burst.offset :])
