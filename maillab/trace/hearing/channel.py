"""What one side of a session says, with the times of its octets.

Goes in: bursts that follow each other. Comes out: lines and blocks, and for each octet
the burst that brought it.

Rule: what is compressed (RFC 4978) is unpacked on the way in, and no more of it than
      `MOST_INFLATED` octets: a few octets can stand for a thousand times as many.
"""

import sys
import zlib
from bisect import bisect_right
from dataclasses import replace

from maillab.trace.pieces import Burst
from maillab.wire.lines import CRLF, LineBuffer, Side

# What is due: lines, content up to a lone dot, nothing before the other side has
# answered; a positive number: so many octets as they are.
LINES, DOTS, WAIT = 0, -1, -2
MOST_INFLATED = 64 * 1024 * 1024  # octets of one side
_BLOCK = 64 * 1024  # octets of content that are told at once, at most, of a block


class Channel(LineBuffer):
    """One side.

    is_tls    what is here came out of TLS
    inflates  what comes is compressed
    headless  the beginning of the line is missing
    """

    def __init__(self, side: Side) -> None:
        super().__init__(sys.maxsize)
        self.side: Side = side
        self.is_tls = self.inflates = self.headless = False
        self._bursts: list[Burst] = []
        self._ends: list[int] = []
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._inflated = 0
        self._broken = False  # the compressed stream cannot be followed any more

    @property
    def is_disguised(self) -> bool:
        """On the wire there were other octets."""
        return self.is_tls or self.inflates

    # In -------------------------------------------------------------------------------

    def add(self, burst: Burst) -> None:
        """Take octets that follow all others."""
        if self.inflates:
            octets = self._unpacked(burst.data)
            burst = replace(burst, offset=self.offset + len(self), data=octets)
        if burst.data:
            self._bursts.append(burst)
            self._ends.append(burst.end)
            self.feed(burst.data)

    def skip(self, offset: int) -> None:
        """Octets are missing: go on at `offset`."""
        if not self.is_disguised:
            self.offset = offset
        self._broken |= self.inflates
        self.headless = True

    def inflate(self) -> None:
        """What comes from here on is compressed; so is what is here already."""
        rest = self.rest_as_burst()
        self.inflates = True
        self.add(rest)

    def rest_as_burst(self) -> Burst:
        """Take all that is here, to be read in another way."""
        at = self.offset
        octets = self.clear()
        self.offset = at
        rest = replace(self.find(at), offset=at, data=octets)
        self._bursts.clear()  # what comes now has other offsets
        self._ends.clear()
        return rest

    def _unpacked(self, octets: bytes) -> bytes:
        left = MOST_INFLATED - self._inflated
        if self._broken or left <= 0:
            return b""
        try:
            found = self._inflater.decompress(octets, left)
        except zlib.error:
            self._broken = True
            return b""
        self._inflated += len(found)
        return found

    # Out ------------------------------------------------------------------------------

    def peek(self, count: int) -> bytes:
        """The next octets, which stay here."""
        return bytes(self._data[:count])

    def next_piece(self, due: int) -> bytes:
        """Up to `due` octets, all of them or much; lines are kept whole if possible."""
        here = len(self)
        if here >= due:
            return self.next_block(due) or b""
        if here < _BLOCK:
            return b""
        end = self._data.rfind(CRLF) + len(CRLF)
        return self.next_block(end if end >= len(CRLF) else here) or b""

    def find(self, offset: int) -> Burst:
        """The burst that brought an octet."""
        at = bisect_right(self._ends, offset)
        if at < len(self._bursts):
            return self._bursts[at]
        return self._bursts[-1] if self._bursts else _NOTHING


_NOTHING = Burst("C", 0, b"", 0, None, 0)
