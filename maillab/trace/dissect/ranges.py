"""Taking octets apart: a cursor that walks over them and notes what it sees.

Goes in: octets. Comes out: a `Range` for each field, in the order of the octets, each
layer before what is inside it.

Rule 1: octets that were announced and are not here end the walk; what was seen until
        then stays.
Rule 2: secret octets never become text here; `Range.secret` says which ranges have
        some.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from maillab.trace.lines import masked, printable

Told = Mapping[int, str] | Callable[[int], str] | None
Span = tuple[int, int]
_SHOWN = 24  # octets of a raw field that its value shows


class Truncated(Exception):
    """A field says that more octets follow than there are; `missing` of them."""

    def __init__(self, missing: int) -> None:
        super().__init__(missing)
        self.missing = missing


@dataclass(frozen=True, slots=True)
class Range:
    """The octets from `start` up to, but without, `end`, and what they mean.

    ref     the section that defines the field, such as "RFC 791 §3.1"
    level   0 for a layer, 1 for its fields, 2 for what is inside these …
    bits    which bits of the octets, where not all: "0100...."
    secret  a part of these octets is a secret; `value` does not show it
    """

    start: int
    end: int
    name: str
    value: str = ""
    ref: str = ""
    level: int = 0
    bits: str = ""
    secret: bool = False

    @property
    def size(self) -> int:
        """How many octets."""
        return self.end - self.start


@dataclass
class Layer:
    """A range that is still open: `value` is what it will say."""

    value: str = ""


@dataclass
class Cursor:
    """Walks from `at` to `end`. `secret` are the spans of octets that are secrets."""

    octets: bytes
    at: int = 0
    end: int = -1
    level: int = 0
    ranges: list[Range] = field(default_factory=list[Range])
    secret: list[Span] = field(default_factory=list[Span])

    def __post_init__(self) -> None:
        if self.end < 0:
            self.end = len(self.octets)

    @property
    def left(self) -> int:
        """How many octets there are still."""
        return self.end - self.at

    def peek(self, size: int, ahead: int = 0) -> bytes:
        """The next octets, at most so many, without going on."""
        start = self.at + ahead
        return self.octets[start : min(start + size, self.end)]

    # Fields ---------------------------------------------------------------------------

    def raw(
        self, size: int, name: str, value: str | None = None, ref: str = ""
    ) -> bytes:
        """A field; its value is hexadecimal unless it is given."""
        octets = self._take(size)
        shown = _hex(octets) if value is None else value
        self._add(size, name, shown, ref)
        return octets

    def number(self, size: int, name: str, told: Told = None, ref: str = "") -> int:
        """A number in network order; `told` gives numbers their names."""
        found = int.from_bytes(self._take(size), "big")
        self._add(size, name, named(found, told), ref)
        return found

    def text(self, size: int, name: str, ref: str = "") -> bytes:
        """A field of characters, without its CRLF."""
        start = self.at
        octets = self._take(size)
        self._add(size, name, self.said(start, self.at), ref)
        return octets

    def bits(
        self, size: int, parts: Sequence[tuple[int, str, Told]], ref: str = ""
    ) -> list[int]:
        """Several fields in the same octets; each part has so many bits."""
        whole = int.from_bytes(self._take(size), "big")
        found: list[int] = []
        used = 0
        for width, name, told in parts:
            behind = 8 * size - used - width
            value = (whole >> behind) & ((1 << width) - 1)
            pattern = "." * used + f"{value:0{width}b}" + "." * behind
            self._add(size, name, named(value, told), ref, pattern)
            found.append(value)
            used += width
        return found

    def rest(self, name: str, ref: str = "") -> bytes:
        """All that is left, if there is something."""
        return self.raw(self.left, name, ref=ref) if self.left else b""

    # Structure ------------------------------------------------------------------------

    @contextmanager
    def layer(self, name: str, ref: str = "") -> Generator[Layer, None, None]:
        """What is noted inside stands one level deeper."""
        start, place = self.at, len(self.ranges)
        self._add(0, name, "", ref)
        self.level += 1
        opened = Layer()
        try:
            yield opened
        finally:
            self.level -= 1
            made = self.ranges[place]
            hidden = self._is_secret(start, self.at)
            self.ranges[place] = replace(
                made, start=start, end=self.at, value=opened.value, secret=hidden
            )

    @contextmanager
    def within(self, size: int) -> Generator[None, None, None]:
        """The walk ends after `size` octets for a while (or earlier, at the end)."""
        before = self.end
        self.end = min(before, self.at + max(0, size))
        try:
            yield
        finally:
            self.end = before

    def said(self, start: int, end: int) -> str:
        """Octets as printable text, secrets masked, without a CRLF at the end."""
        spans = [
            (max(a, start) - start, min(b, end) - start)
            for a, b in self.secret
            if a < end and start < b
        ]
        text = masked(self.octets[start:end], spans)
        return printable(text.removesuffix(b"\r\n"))

    def missing(self, size: int) -> None:
        """Note that octets were announced that are not here."""
        told = f"{size} more octet{'s' if size > 1 else ''} expected"
        self._add(0, "cut short", told, "")

    def _take(self, size: int) -> bytes:
        if size > self.left:
            raise Truncated(size - self.left)
        self.at += size
        return self.octets[self.at - size : self.at]

    def _add(self, size: int, name: str, value: str, ref: str, bits: str = "") -> None:
        start = self.at - size
        hidden = self._is_secret(start, self.at)
        found = Range(start, self.at, name, value, ref, self.level, bits, hidden)
        self.ranges.append(found)

    def _is_secret(self, start: int, end: int) -> bool:
        return any(a < end and start < b for a, b in self.secret)


def named(value: int, told: Told) -> str:
    """A number, with its name if it has one: "6 (TCP)"."""
    if told is None:
        return str(value)
    name = told(value) if callable(told) else told.get(value, "")
    return f"{value} ({name})" if name else str(value)


def _hex(octets: bytes) -> str:
    shown = octets[:_SHOWN].hex(" ")
    return shown if len(octets) <= _SHOWN else f"{shown} … {len(octets):,} octets"
