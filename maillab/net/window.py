"""How much may be under way: TCP's window (RFC 9293 §3.8.6).

Goes in: what was sent, and when its acknowledgement will be back. Comes out: how much
more may be sent now.
"""

import math
from collections import deque
from dataclasses import dataclass

WINDOW = 65_535  # octets


@dataclass(slots=True, eq=False)
class Sent:
    """A piece under way; `acknowledged_at` is infinite while it is lost."""

    octets: int
    acknowledged_at: float = math.inf


class Window:
    """The octets of one direction that nobody has acknowledged yet.

    Acknowledgements are cumulative: behind a lost piece nothing is acknowledged.

    >>> window = Window()
    >>> piece = window.sent(60_000, acknowledged_at=0.020)
    >>> window.room(now=0.010, unread=0), window.room(now=0.020, unread=0)
    (5535, 65535)
    """

    def __init__(self) -> None:
        self._unacked: deque[Sent] = deque()
        self._in_flight = 0

    def sent(self, octets: int, *, acknowledged_at: float = math.inf) -> Sent:
        """So much has left."""
        piece = Sent(octets, acknowledged_at)
        self._unacked.append(piece)
        self._in_flight += octets
        return piece

    def room(self, *, now: float, unread: int, size: int = WINDOW) -> int:
        """Octets that may leave now; `unread` lie at the receiver, who is slow."""
        while self._unacked and self._unacked[0].acknowledged_at <= now:
            self._in_flight -= self._unacked.popleft().octets
        return size - self._in_flight - unread

    @property
    def next_acknowledgement(self) -> float | None:
        """When there will be more room, as far as the network is concerned.

        None when nothing is under way, or when the oldest piece is lost.
        """
        if not self._unacked or self._unacked[0].acknowledged_at == math.inf:
            return None
        return self._unacked[0].acknowledged_at
