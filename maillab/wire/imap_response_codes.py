"""Response codes of IMAP that carry numbers: UIDs of what was added, and the like.

Goes in: a `Status`. Comes out: values; what cannot be read is as if it were not there.

Rule: sets stay ranges. "1:4294967295" costs nothing until somebody counts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from maillab.wire.imap import Status
from maillab.wire.imap_response_tokens import BadResponse

MAX_PAIRS = 1_000_000  # of one COPYUID that are read

_RANGE = re.compile(r"([0-9]{1,10})(?::([0-9]{1,10}))?")


@dataclass(frozen=True, slots=True)
class NumberSet:
    """Numbers as ranges, both ends inside, in the order in which they were told.

    >>> found = NumberSet.from_text("4,9:7")
    >>> found.ranges, list(found), 8 in found, len(found)
    (((4, 4), (7, 9)), [4, 7, 8, 9], True, 4)
    """

    ranges: tuple[tuple[int, int], ...] = ()

    @classmethod
    def from_text(cls, text: str) -> "NumberSet":
        """Read `1,4:7`. Raises BadResponse."""
        if not text:
            return cls()
        found = [_RANGE.fullmatch(part) for part in text.split(",")]
        ends = [(int(m[1]), int(m[2] or m[1])) for m in found if m]
        if len(ends) != len(found):
            raise BadResponse("a set has numbers, colons and commas")
        return cls(tuple((min(pair), max(pair)) for pair in ends))

    def to_text(self) -> str:
        """As it is written."""
        pairs = self.ranges
        return ",".join(str(a) if a == b else f"{a}:{b}" for a, b in pairs)

    def __iter__(self) -> Iterator[int]:
        for first, last in self.ranges:
            yield from range(first, last + 1)

    def __contains__(self, number: int) -> bool:
        return any(first <= number <= last for first, last in self.ranges)

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.ranges)


def code_number(status: Status, name: str) -> int | None:
    """The number of a code such as UIDNEXT, UIDVALIDITY, HIGHESTMODSEQ, APPENDLIMIT.

    >>> code_number(Status("OK", "", "UIDNEXT 4392"), "UIDNEXT")
    4392
    """
    words = _arguments(status, name)
    found = _RANGE.fullmatch(words[0]) if words and len(words) == 1 else None
    return int(found[1]) if found and not found[2] else _long(words)


def _long(words: list[str] | None) -> int | None:
    """A modseq has 63 bits (RFC 7162 §7)."""
    if words and len(words) == 1 and re.fullmatch(r"[0-9]{1,19}", words[0]):
        return int(words[0])
    return None


def appended(status: Status) -> tuple[int, NumberSet] | None:
    """UIDVALIDITY and the UIDs of what APPEND has added (RFC 4315 §3).

    >>> appended(Status("OK", "", "APPENDUID 38505 3955"))
    (38505, NumberSet(ranges=((3955, 3955),)))
    """
    words = _arguments(status, "APPENDUID")
    try:
        return (int(words[0]), NumberSet.from_text(words[1])) if words else None
    except (ValueError, IndexError):
        return None


def copied(status: Status) -> tuple[int, dict[int, int]] | None:
    """UIDVALIDITY, and the new UID for each old one, after COPY or MOVE.

    >>> copied(Status("OK", "", "COPYUID 38505 304,319:320 3956:3958"))
    (38505, {304: 3956, 319: 3957, 320: 3958})
    """
    words = _arguments(status, "COPYUID")
    try:
        if not words:
            return None
        old, new = (NumberSet.from_text(word) for word in words[1:])
        if len(old) != len(new) or len(old) > MAX_PAIRS:
            return None
        return int(words[0]), dict(zip(old, new, strict=True))
    except (ValueError, IndexError):
        return None


def modified(status: Status) -> NumberSet:
    """The messages that STORE has left alone: others changed them (RFC 7162 §3.1.3)."""
    words = _arguments(status, "MODIFIED")
    try:
        return NumberSet.from_text(words[0]) if words else NumberSet()
    except BadResponse:
        return NumberSet()


def _arguments(status: Status, name: str) -> list[str] | None:
    found, _, rest = status.code.partition(" ")
    return rest.split() if found.upper() == name else None
