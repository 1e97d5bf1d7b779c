"""Something that was said, with its times; and octets made fit to be read.

Goes in: octets. Comes out: text in which every character can be printed.

Rule 1: secrets become `********`, always as long, so that not even the length is told.
Rule 2: what cannot be printed is escaped: control characters, and those that turn text
        around.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from maillab.wire.lines import CRLF, Side

if TYPE_CHECKING:
    from maillab.trace.dissect.dissection import Dissection

MASK = b"********"
CONTENT = ("content", "literal")
Spans = tuple[tuple[int, int], ...]
_SHORT = 512  # octets: longer ones are not kept in two forms
_REFUSALS = {
    "SMTP": re.compile(r"[45]\d\d"),
    "LMTP": re.compile(r"[45]\d\d"),
    "POP3": re.compile(r"-ERR"),
    "IMAP": re.compile(r"\S+ (NO|BAD)\b"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that one side said (`wire.lines.Spoken`), with the times of both ends.

    sent_ns     when its first octet left
    arrived_ns  when its last octet arrived; None when it never did
    number      of the event that tells of it
    compressed  other octets were on the wire: `offset` counts what was meant
    """

    speaker: Side
    offset: int
    octets: bytes
    what: str
    secret: Spans
    secure: bool
    ref: str
    why: str
    sent_ns: int
    arrived_ns: int | None
    number: int
    protocol: str = ""
    compressed: bool = False

    @property
    def is_disguised(self) -> bool:
        """On the wire there were other octets: `offset` says nothing about them."""
        return self.secure or self.compressed

    @property
    def heard_ns(self) -> int:
        """When it arrived; of what never did, when it left."""
        return self.sent_ns if self.arrived_ns is None else self.arrived_ns

    @property
    def rows(self) -> list[str]:
        """The text in printable lines, without CRLF, secrets masked."""
        make = _short_rows if len(self.octets) <= _SHORT else _rows
        return list(make(self.octets, self.secret))

    @property
    def text(self) -> str:
        """The text in one printable line."""
        return " ⏎ ".join(self.rows)

    def dissect(self) -> "Dissection":
        """Its octets, word by word, with numbers; secrets are masked."""
        from maillab.trace.dissect.dissection import dissect_line

        return dissect_line(self)

    @property
    def is_content(self) -> bool:
        """Part of a message or a literal, and not of the dialogue."""
        return self.what in CONTENT

    @property
    def is_refusal(self) -> bool:
        """A reply that says no."""
        pattern = _REFUSALS.get(self.protocol)
        said_no = pattern and pattern.match(self.text)
        return self.speaker == "S" and not self.is_content and bool(said_no)


def _rows(octets: bytes, secret: Spans) -> tuple[str, ...]:
    said = masked(octets, secret).removesuffix(CRLF)
    return tuple(printable(row) for row in said.split(CRLF))


_short_rows = lru_cache(maxsize=4096)(_rows)  # views and hints ask again and again


def masked(octets: bytes, secret: Sequence[tuple[int, int]]) -> bytes:
    """`octets` with each secret span replaced by `********`.

    >>> masked(b"PASS hunter2", [(5, 12)])
    b'PASS ********'
    """
    for start, end in sorted(secret, reverse=True):
        octets = octets[:start] + MASK + octets[end:]
    return octets


def printable(octets: bytes) -> str:
    r"""Text that a terminal shows as it is.

    >>> printable(b"caf\xc3\xa9\x07\xff")
    'café\\x07\\xff'
    """
    text = octets.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def clean(value: object) -> str:
    """Any fact as printable text."""
    text = str(value)
    if text.isprintable():
        return text
    return printable(text.encode("utf-8", "backslashreplace"))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
