"""What one end of a TCP connection knows: for segments that are derived.

Goes in: the segments that arrive. Comes out: what the next one says: sequence number,
acknowledgement, SACK blocks, timestamps.

Rule 1: a segment behind a hole, one that fills a hole, and one that was here before are
        acknowledged at once (RFC 5681 §4.2).
Rule 2: the first SACK block has the segment that came last (RFC 2018 §4); it tells of
        what came twice (RFC 2883 §4).
"""

import struct
from dataclasses import dataclass, field

from maillab.trace.packets import ACK, WORD, Segment
from maillab.wire.lines import Side

MS = 1_000_000
WINDOW = 2048  # in units of 128 octets
SYN_WINDOW = 65_535
_SCALE = 7  # RFC 7323 §2
_STAMPS = struct.Struct("!BBBBII")  # two times "no operation" before (RFC 7323 A)
_SACK_BLOCKS = 3  # that fit beside timestamps (RFC 2018 §3)
Span = tuple[int, int]  # sequence numbers: from the first, to behind the last


@dataclass
class TcpEnd:
    """Sequence numbers count from 0, without wrapping."""

    side: Side
    began: int
    isn: int
    ident: int  # of its last IP packet
    clock: int  # of its timestamps, when it began
    sent: int = 0  # the next octet that it will send for the first time
    carried: int = 0  # the same of what arrives at the peer
    received: int = 0  # the next octet it expects; 0: no SYN yet
    fin: int | None = None  # where its FIN stands
    window: int = WINDOW
    echo: int = 0  # the peer's last timestamp
    latency: int = 0  # of what it sends
    last_arrival: int = 0  # of what it sent: nothing overtakes
    unacknowledged: list[int] = field(default_factory=list[int])  # sizes
    promise: int = 0  # number of the delayed ACK that counts
    gone: bool = False  # it reset the connection, or heard that the peer did
    _early: list[Span] = field(default_factory=list[Span])  # the newest first
    _twice: Span | None = None  # came again

    def learn(self, span: Span, stamp: int) -> bool:
        """A segment arrived. Returns whether it is acknowledged at once."""
        start, end = span
        if start <= self.received:
            self.echo = stamp  # RFC 7323 §4.3: not that of what came too early
        if start == end:
            return False
        if end <= self.received or any(a <= start and end <= b for a, b in self._early):
            self._twice = span if start else None
            return True
        if start > self.received:
            self._keep(span)
            return True
        self.received = end
        if not self._early:
            return False
        self._take_early()
        return True

    def _keep(self, span: Span) -> None:
        """Behind a hole: a new block, or a longer one, and the newest in any case."""
        start, end = span
        joined = [b for b in self._early if b[0] <= end and start <= b[1]]
        first = min([start, *(b[0] for b in joined)])
        last = max([end, *(b[1] for b in joined)])
        self._early = [(first, last), *(b for b in self._early if b not in joined)]

    def _take_early(self) -> None:
        """What waited behind the hole counts now."""
        for start, end in sorted(self._early):
            if start <= self.received:
                self.received = max(self.received, end)
        self._early = [block for block in self._early if block[0] > self.received]

    def segment(
        self,
        time: int,
        flags: int,
        peer: "TcpEnd",
        start: int,
        payload: bytes = b"",
    ) -> Segment:
        """A segment with ACK that leaves now, with the octets from number `start`."""
        options = _STAMPS.pack(1, 1, 8, 10, self.stamp(time), self.echo)
        if not payload:
            options += self._sack(peer.isn)
        self.ident += 1
        seq = (self.isn + start) & WORD
        ack = (peer.isn + self.received) & WORD
        return Segment(seq, ack, flags, self.window, options, payload, self.ident)

    def bare(
        self, flags: int, peer: "TcpEnd", window: int = 0, options: bytes = b""
    ) -> Segment:
        """A segment with other options than usual: SYN, RST."""
        self.ident += 1
        seq = (self.isn + self.sent) & WORD
        ack = (peer.isn + self.received) & WORD if flags & ACK else 0
        return Segment(seq, ack, flags, window, options, ident=self.ident)

    def syn_options(self, time: int, mss: int) -> bytes:
        """MSS, SACK permitted, timestamps, window scale: in Linux's order."""
        stamps = (8, 10, self.stamp(time), self.echo)
        return struct.pack("!BBHBBBBIIBBBB", 2, 4, mss, 4, 2, *stamps, 1, 3, 3, _SCALE)

    def stamp(self, time: int) -> int:
        """Its clock, in milliseconds (RFC 7323 §5.4)."""
        return (self.clock + (time - self.began) // MS) & WORD

    def _sack(self, isn: int) -> bytes:
        """The SACK option, if there is something to tell."""
        twice = [self._twice] if self._twice else []
        self._twice = None
        blocks = [*twice, *self._early][:_SACK_BLOCKS]
        if not blocks:
            return b""
        edges = [(isn + edge) & WORD for block in blocks for edge in block]
        head = struct.pack("!BBBB", 1, 1, 5, 2 + 8 * len(blocks))
        return head + struct.pack(f"!{len(edges)}I", *edges)
