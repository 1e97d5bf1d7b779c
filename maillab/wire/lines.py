"""Cut a byte stream into CRLF lines, and say what was said.

Goes in: bytes as TCP delivers them. Comes out: whole lines, each with its offset.

Rule 1: only CRLF ends a line. A bare CR or a bare LF is data (RFC 5321 §2.3.8):
        treating either as an end of line is what makes SMTP smuggling possible.
Rule 2: memory is bounded. Of a line that is too long only its end is looked for.
"""

from dataclasses import dataclass
from typing import Literal

CRLF = b"\r\n"

Side = Literal["C", "S"]


class LineTooLong(ValueError):
    """A line went past its limit. All of it was dropped, up to its CRLF."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """One thing that one side of a session said, as the trace keeps it.

    speaker  "C" for the client, "S" for the server
    offset   of its first octet in the stream of that side (in octets, from 0; the
             stream inside TLS goes on counting where the plain one ended)
    octets   exactly what was said, with its CRLF
    what     "command", "reply", "content", "literal", "continuation" or "noise"
    secret   spans (start, end) of `octets` that text views must mask
    secure   said inside TLS
    ref      the RFC section of whoever handled it, such as "RFC 5321 §4.1.1.3"
    why      the reason for a reply, which is never sent to the peer
    compressed  other octets were on the wire (RFC 4978); `offset` counts these
    """

    speaker: Side
    offset: int
    octets: bytes
    what: str
    secret: tuple[tuple[int, int], ...] = ()
    secure: bool = False
    ref: str = ""
    why: str = ""
    compressed: bool = False


class LineBuffer:
    """Collects bytes as TCP delivers them and gives them back as lines or blocks.

    `limit` counts the octets of a line with its CRLF and may be changed between lines.

    >>> buffer = LineBuffer(limit=12)
    >>> buffer.feed(b"NOOP\\r\\nQUI")
    >>> buffer.next_line(), buffer.next_line(), buffer.offset
    (b'NOOP', None, 6)
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.offset = 0  # of the next octet that will be read
        self._data = bytearray()
        self._searched = 0  # no CRLF starts before this index
        self._skipping = False  # inside a line that was too long

    def __len__(self) -> int:
        return len(self._data)

    def feed(self, data: bytes) -> None:
        """Add what arrived."""
        self._data += data

    def next_line(self) -> bytes | None:
        """Return the next line without its CRLF, or None when more bytes are needed.

        Raises LineTooLong, once, when the end of a line that was too long is found.
        """
        end = self._data.find(CRLF, self._searched)
        if end < 0:
            self._searched = max(0, len(self._data) - 1)  # the CR may already be here
            if self._skipping or len(self._data) > self.limit:
                self._skipping = True
                self._drop(self._searched)
            return None
        line = bytes(self._data[:end])
        self._drop(end + len(CRLF))
        if self._skipping or len(line) + len(CRLF) > self.limit:
            self._skipping = False
            raise LineTooLong(f"a line is longer than {self.limit} octets")
        return line

    def next_block(self, size: int) -> bytes | None:
        """Return up to `size` octets of what is here; None when nothing is."""
        if not self._data or not size:
            return None
        block = bytes(self._data[:size])
        self._drop(len(block))
        return block

    def next_until(self, mark: bytes) -> tuple[bytes, bool]:
        """Return what is here, at most up to and with `mark`; and whether that came.

        A beginning of `mark` at the very end stays here until more has come.
        """
        end = self._data.find(mark)
        found = end >= 0
        size = end + len(mark) if found else len(self._data) - self._overlap(mark)
        block = bytes(self._data[:size])
        self._drop(size)
        return block, found

    def unread(self, octets: bytes) -> None:
        """Put back what was just read."""
        self._data[:0] = octets
        self.offset -= len(octets)
        self._searched = 0

    def clear(self) -> bytes:
        """Forget what arrived and was not read, and return it (RFC 3207 §4.2)."""
        rest = bytes(self._data)
        self._drop(len(rest))
        self._skipping = False
        return rest

    def _overlap(self, mark: bytes) -> int:
        """How many octets at the end may be the beginning of `mark`."""
        sizes = range(len(mark) - 1, 0, -1)
        return next((size for size in sizes if self._data.endswith(mark[:size])), 0)

    def _drop(self, count: int) -> None:
        del self._data[:count]
        self.offset += count
        self._searched = 0
