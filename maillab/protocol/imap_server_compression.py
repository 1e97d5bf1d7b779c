"""COMPRESS=DEFLATE: both directions through zlib, without any I/O (RFC 4978).

Goes in: compressed octets. Comes out: plain ones, a piece at a time; and back.

Rule: however well the client compresses, no more than `PIECE` octets come out at once;
      the rest stays compressed until it is asked for.
"""

import zlib

PIECE = 64 * 1024  # octets

# "-15 specifies no header and the largest window"; the level is for speed
_RAW = -zlib.MAX_WBITS
_LEVEL = 6


class BrokenStream(ValueError):
    """What the peer sent is no deflate stream, or its end."""


class Deflate:
    """Both directions of one session.

    >>> ours, theirs = Deflate(), Deflate()
    >>> theirs.receive(ours.compressed(b"a NOOP\\r\\n"))
    >>> theirs.next_piece()
    b'a NOOP\\r\\n'
    """

    def __init__(self) -> None:
        self._out = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)
        self._in = zlib.decompressobj(_RAW)
        self._waiting = b""  # compressed

    def compressed(self, octets: bytes) -> bytes:
        """Compress what is said, so that the peer can read all of it now."""
        return self._out.compress(octets) + self._out.flush(zlib.Z_SYNC_FLUSH)

    def receive(self, octets: bytes) -> None:
        """Take what arrived."""
        self._waiting += octets

    def next_piece(self) -> bytes:
        """Plain octets; b"" when more must arrive. Raises BrokenStream."""
        if self._in.eof:
            raise BrokenStream("The compressed stream has ended")
        try:
            piece = self._in.decompress(self._waiting, PIECE)
        except zlib.error:
            raise BrokenStream("This is no deflate stream") from None
        self._waiting = self._in.unconsumed_tail
        return piece
