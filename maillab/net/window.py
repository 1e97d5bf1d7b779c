"""How much may be under way: TCP's window (RFC 9293 §3.8.6).

Goes in: what was sent, and when its acknowledgement will be back. Comes out: how much
more may be sent now.
"""

from collections import deque

WINDOW = 65_535  # octets


class Window:
    """The octets of one direction that nobody has acknowledged yet.

    >>> window = Window()
    >>> window.sent(60_000, acknowledged_at=0.020)
    >>> window.room(now=0.010, unread=0), window.room(now=0.020, unread=0)
    (5535, 65535)
    """

    def __init__(self) -> None:
        self._unacked: deque[tuple[float, int]] = deque()
        self._in_flight = 0

    def sent(self, octets: int, *, acknowledged_at: float) -> None:
        """So much has left."""
        self._unacked.append((acknowledged_at, octets))
        self._in_flight += octets

    def room(self, *, now: float, unread: int) -> int:
        """Octets that may leave now; `unread` lie at the receiver, who is slow."""
        while self._unacked and self._unacked[0][0] <= now:
            self._in_flight -= self._unacked.popleft()[1]
        return WINDOW - self._in_flight - unread

    @property
    def next_acknowledgement(self) -> float | None:
        """When there will be more room, as far as the network is concerned."""
        return self._unacked[0][0] if self._unacked else None
