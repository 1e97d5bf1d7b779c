"""The octets of one side in order, whatever order they came in.

Goes in: bursts as they left, lost ones and repeated ones among them. Comes out: each
octet once, when it left for the first time, when it could be read.

Rule: an octet can be read when all before it are there.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

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


class Pieces:
    """The bursts of one side, as a stream."""

    def __init__(self, bursts: Sequence[Burst]) -> None:
        by_place: dict[tuple[int, int], list[Burst]] = {}
        for burst in sorted(bursts, key=lambda b: (b.offset, b.end)):
            by_place.setdefault((burst.offset, burst.end), []).append(burst)
        self._pieces = [copies[0] for copies in by_place.values()]
        self._ends = [piece.end for piece in self._pieces]
        self._readable: list[int | None] = []  # when, for each piece
        last: int | None = 0
        for copies in by_place.values():
            came = [b.arrived_ns for b in copies if b.arrived_ns is not None]
            last = max(last, min(came)) if came and last is not None else None
            self._readable.append(last)

    def stream(self) -> bytes:
        """The octets, in order, each once, up to the first that is missing."""
        stream = bytearray()
        for piece in self._pieces:
            if piece.offset > len(stream):
                break
            if piece.end > len(stream):
                stream[piece.offset :] = piece.data
        return bytes(stream)

    def sent_ns(self, offset: int) -> int | None:
        """When an octet left for the first time."""
        at = bisect_right(self._ends, offset)
        return self._pieces[at].sent_ns if at < len(self._pieces) else None

    def arrived_ns(self, end: int) -> int | None:
        """When all up to `end` could be read; None when that never happened."""
        at = bisect_left(self._ends, end)
        return self._readable[at] if at < len(self._pieces) else None
