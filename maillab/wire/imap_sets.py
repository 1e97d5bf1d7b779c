"""Sets of messages: `2,4:7,9,12:*` (RFC 3501 §9, sequence-set).

Goes in: the text of a set, and which numbers exist. Comes out: which of them are meant.

Rule 1: "*" is the largest number in use; `9:*` includes it even if it is less than 9.
Rule 2: the two ends of a range may stand in any order.
Rule 3: work grows with the ranges plus the messages, never with their product.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from maillab.wire.imap import LARGEST, BadSyntax, Scanner

_SET = re.compile(rb"[\d:*,]+")
_RANGE = re.compile(rb"(\d{1,10}|\*)(?::(\d{1,10}|\*))?")


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """Message numbers or UIDs.

    ranges      those without "*", ascending, merged
    open_from   the lowest number of all ranges with "*"; None when there is no "*"
    highest     the highest number that was named

    >>> some = SequenceSet.from_wire(b"9:7,2,4:*")
    >>> some.chosen([1, 2, 3, 7, 8]), some.contains(3, 8)
    ([2, 7, 8], False)
    """

    ranges: tuple[tuple[int, int], ...]
    open_from: int | None
    highest: int

    @classmethod
    def from_wire(cls, octets: bytes) -> "SequenceSet":
        """Read a set. Raises BadSyntax."""
        pairs = [_range(part) for part in octets.split(b",")]
        named = [end for pair in pairs for end in pair if end]
        closed = [(min(a, b), max(a, b)) for a, b in pairs if a and b]
        # "*" alone is the largest number: as low as nothing else can be
        opened = [a or b or LARGEST for a, b in pairs if not a or not b]
        return cls(_merged(closed), min(opened, default=None), max(named, default=1))

    @classmethod
    def scan(cls, words: Scanner) -> "SequenceSet":
        """Read the set that comes next in a command."""
        return cls.from_wire(words.word(_SET, "a set of messages such as 1:5,9"))

    def chosen(self, numbers: Sequence[int]) -> list[int]:
        """Those of `numbers` (ascending) that are meant, ascending."""
        if not numbers:
            return []
        ranges = list(self.ranges)
        if self.open_from:
            ranges.append((min(self.open_from, numbers[-1]), numbers[-1]))
        found: list[int] = []
        for low, high in _merged(ranges):
            found += numbers[bisect_left(numbers, low) : bisect_right(numbers, high)]
        return found

    def contains(self, number: int, largest: int) -> bool:
        """Is `number` meant, when `largest` is the largest number in use?"""
        if self.open_from and number >= min(self.open_from, largest):
            return True
        at = bisect_right(self.ranges, (number, LARGEST)) - 1
        return at >= 0 and number <= self.ranges[at][1]

    def exceeds(self, count: int) -> bool:
        """Does it name a message number that does not exist among `count`?"""
        return count < self.highest  # "*" is at least 1


def compact(numbers: Iterable[int]) -> str:
    """Write ascending numbers as a set.

    >>> compact([1, 2, 3, 5, 8, 9])
    '1:3,5,8:9'
    """
    ordered = sorted(numbers)
    if not ordered:
        return ""
    breaks = [(a, b) for a, b in pairwise(ordered) if b != a + 1]
    starts = [ordered[0], *(b for _, b in breaks)]
    ends = [*(a for a, _ in breaks), ordered[-1]]
    return ",".join(
        f"{a}:{b}" if a < b else f"{a}" for a, b in zip(starts, ends, strict=True)
    )


def _merged(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def _range(octets: bytes) -> tuple[int | None, int | None]:
    found = _RANGE.fullmatch(octets)
    if not found:
        raise BadSyntax("A set of messages looks like 1:5,9,12:*")
    first = _end(found[1])
    return first, (_end(found[2]) if found[2] else first)


def _end(octets: bytes) -> int | None:
    if octets == b"*":
        return None
    number = int(octets)
    if not 0 < number <= LARGEST:
        raise BadSyntax("Message numbers and UIDs are between 1 and 4294967295")
    return number
