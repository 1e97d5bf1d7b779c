"""The receiving half of a TCP connection: order, and a reader who may be slow.

Goes in: pieces of the stream as they arrive, in any order. Comes out: the same octets
in order, for as long as the reader takes them.
"""

from collections import deque

from maillab.net.window import WINDOW


class Receiver:
    """What has arrived at one end."""

    def __init__(self) -> None:
        self.window = WINDOW
        self._next = 0  # the offset of the octet that we wait for
        self._early: dict[int, bytes] = {}  # offset -> octets behind a hole
        self._fin_at: int | None = None
        self._unread: deque[bytes] = deque()
        self.unread_size = 0

    def take(self, offset: int, data: bytes) -> bool:
        """A piece arrived. Returns whether there is something new to read."""
        if offset + len(data) <= self._next:
            return False  # it was here already: its acknowledgement got lost
        self._early[offset] = data
        found = False
        while self._next in self._early:
            piece = self._early.pop(self._next)
            self._next += len(piece)
            self._unread.append(piece)
            self.unread_size += len(piece)
            found = True
        return found

    def take_fin(self, offset: int) -> None:
        """The peer has no more to send than `offset` octets."""
        self._fin_at = offset

    def has(self, offset: int) -> bool:
        """All up to this octet is here."""
        return self._next >= offset

    @property
    def unread(self) -> bool:
        """Something waits for the reader."""
        return bool(self._unread)

    def next_piece(self) -> bytes:
        """Take the oldest piece that waits."""
        piece = self._unread.popleft()
        self.unread_size -= len(piece)
        return piece

    def ended(self) -> bool:
        """All is read, and FIN comes next. True once."""
        if self._fin_at != self._next or self._unread:
            return False
        self._fin_at = None
        return True
