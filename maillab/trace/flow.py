"""The segments of one TCP connection, as they passed one of its two ends.

Goes in: a session's network events. Comes out: packets in the order in which they
passed the vantage point.

The trace knows what mattered: who sent which octets when, and how long they
travelled. Segments and acknowledgements follow from that, so they are derived here.

Rule 1: times of the trace are never changed; what is derived falls between them.
Rule 2: at one instant what arrives comes before what is sent, and that before bare
        ACKs: an answer carries the ACK.
Rule 3: every second full segment is acknowledged at once, any other after 40 ms
        (RFC 9293 §3.8.6.3: at most one half second).
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2s
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

from maillab.trace.events import Event
from maillab.trace.packets import ACK, FIN, PSH, RST, SYN, TcpPath, unreachable_packet
from maillab.trace.session import Session
from maillab.wire.lines import Side

MS = 1_000_000
DELAYED_ACK = 40 * MS
_MSS = {4: 1460, 6: 1440}  # RFC 6691: 1,500 less the fixed headers
_TIMESTAMPS = 12  # octets of that option in every segment (RFC 7323 §3)
_SCALE = 7  # RFC 7323 §2
_SYN_WINDOW, _WINDOW = 65_535, 2048  # the second one is in units of 128 octets
_ARRIVE, _SEND, _ACKNOWLEDGE = range(3)
_WORD = 0xFFFFFFFF


class Packet(NamedTuple):
    """An IP packet that passed the vantage point."""

    time_ns: int
    data: bytes
    outbound: bool
    comment: str


@dataclass
class _End:
    """What one end knows. Sequence numbers count from 0, without wrapping."""

    side: Side
    path: TcpPath
    isn: int
    clock: int  # of its timestamps
    sent: int = 0  # the next octet it will send
    received: int = 0  # the next octet it expects, by the peer's count; 0: no SYN yet
    echo: int = 0  # the peer's last timestamp
    latency: int = 0  # of what it sends
    last_arrival: int = 0  # of what it sent: TCP delivers in order
    unacknowledged: list[int] = field(default_factory=list[int])  # sizes
    promise: int = 0  # number of the delayed ACK that counts
    gone: bool = False  # it reset the connection, or heard that the peer did


class Flow:
    """Replays one session. `comments` maps (side, offset) to a packet comment."""

    def __init__(
        self, session: Session, vantage: Side, comments: dict[tuple[Side, int], str]
    ) -> None:
        self.session = session
        self.vantage: Side = vantage
        self._told: dict[Side, list[tuple[int, str]]] = {"C": [], "S": []}
        for (side, offset), comment in sorted(comments.items(), reverse=True):
            self._told[side].append((offset, comment))  # the next one is the last
        self.packets: list[Packet] = []
        client, server = session.client_address, session.server_address
        seed = f"{session.id} {client} {server}"
        self._began = session.began_ns
        self._c = _End("C", TcpPath(client, server, _seed(seed, 1)), _seed(seed, 2), 0)
        self._s = _End("S", TcpPath(server, client, _seed(seed, 3)), _seed(seed, 4), 0)
        self._c.clock, self._s.clock = _seed(seed, 5) >> 1, _seed(seed, 6) >> 1
        self._mss = _MSS[6 if ":" in client[0] else 4]
        self._order = count()
        self._todo: list[tuple[int, int, int, Callable[[int], None]]] = []

    def replay(self) -> list[Packet]:
        """All packets of this connection that passed the vantage point."""
        self._c.latency = self._s.latency = self.session.latency_ns
        for event in self.session.events:
            plan = _PLANS.get(event.kind)
            if plan:
                plan(self, event)
        while self._todo:
            time, _, _, act = heappop(self._todo)
            act(time)
        return self.packets

    def _at(self, time: int, phase: int, act: Callable[[int], None]) -> None:
        heappush(self._todo, (time, phase, next(self._order), act))

    # The plan of each kind of event ---------------------------------------------------

    def _connect(self, event: Event) -> None:
        arrives = self._syn_arrival(event.time_ns)
        comment = f"connect to {event.get('to')} [RFC 9293 §3.5]".replace("to  [", "[")
        if event.kind == "syn":
            comment = f"SYN number {event['attempt']}: no answer yet [RFC 9293 §3.8.1]"
        self._at(event.time_ns, _SEND, lambda t: self._syn(t, arrives, comment))

    def _syn_arrival(self, sent: int) -> int | None:
        """When the SYN that left at `sent` arrived at the server, if it did."""
        accept = self.session.find("accept")
        if accept:
            return accept.time_ns if sent == self._answered_syn(accept) else None
        refused = self.session.find("refused")
        last = [e.time_ns for e in self.session.all("connect", "syn")][-1]
        if refused and sent == last:
            return (sent + refused.time_ns) // 2
        return None

    def _answered_syn(self, accept: Event) -> int:
        left = accept.time_ns - accept["latency"]
        sent = [e.time_ns for e in self.session.all("connect", "syn")]
        return min(sent, key=lambda time: abs(time - left))

    def _accept(self, event: Event) -> None:
        established = self.session.find("established")
        arrives = established.time_ns if established else None
        self._at(event.time_ns, _SEND, lambda t: self._syn_ack(t, arrives))
        if arrives is not None:
            self._at(arrives, _SEND, lambda t: self._bare_ack(self._c, t))

    def _refused(self, event: Event) -> None:
        last = [e.time_ns for e in self.session.all("connect", "syn")][-1]
        comment = f"refused: {event['reason']} [RFC 9293 §3.5.2]"
        middle = (last + event.time_ns) // 2

        def act(time: int) -> None:
            self._s.received = 1
            self._s.isn = self._s.sent = 0
            self._emit(self._s, time, RST | ACK, window=0, options=b"")
            self._pass(self._s, time, event.time_ns, comment)

        self._at(middle, _SEND, act)

    def _unreachable(self, event: Event) -> None:
        """ICMP reaches the client; the server's side never saw anything."""
        if self.vantage == "S":
            return

        def act(time: int) -> None:
            syn = self._c.path.packet(self._c.isn, 0, SYN, _SYN_WINDOW)
            router = _address_or(event["by"], self.session.server_address[0])
            client = self.session.client_address[0]
            data = unreachable_packet(router, client, "prohibited", syn, 1)
            comment = f"{event['reason']} [RFC 1812 §5.2.7.1]"
            self.packets.append(Packet(time, data, False, comment))

        self._at(event.time_ns, _ARRIVE, act)

    def _bytes(self, event: Event) -> None:
        self._at(event.time_ns, _SEND, lambda time: self._burst(time, event))

    def _fin(self, event: Event) -> None:
        def act(time: int) -> None:
            end = self._end(event["side"])
            arrives = self._arrival(end, time, event["latency"])
            self._emit(end, time, FIN | ACK)
            self._carry(end, time, arrives, 1, urgent=True)

        self._at(event.time_ns, _SEND, act)

    def _reset(self, event: Event) -> None:
        def act(time: int) -> None:
            end = self._end(event["side"])
            arrives = self._arrival(end, time, event["latency"])
            self._emit(end, time, RST | ACK, window=0, options=b"")
            end.gone = True
            self._pass(end, time, arrives, "reset [RFC 9293 §3.5.2]")
            if arrives is not None:
                peer = self._peer(end)
                self._at(arrives, _ARRIVE, lambda _: setattr(peer, "gone", True))

        self._at(event.time_ns, _SEND, act)

    # Segments -------------------------------------------------------------------------

    def _syn(self, time: int, arrives: int | None, comment: str) -> None:
        self._c.sent = 0
        self._emit(self._c, time, SYN, window=_SYN_WINDOW, options=self._syn_options)
        self._pass(self._c, time, arrives, comment)
        self._c.sent = 1
        if arrives is not None:
            stamp = self._stamp(self._c, time)
            self._at(arrives, _ARRIVE, lambda _: self._learn(self._s, 1, stamp))

    def _syn_ack(self, time: int, arrives: int | None) -> None:
        options = self._syn_options
        self._emit(self._s, time, SYN | ACK, window=_SYN_WINDOW, options=options)
        self._pass(self._s, time, arrives, "")
        self._s.sent = 1
        if arrives is not None:
            stamp = self._stamp(self._s, time)
            self._at(arrives, _ARRIVE, lambda _: self._learn(self._c, 1, stamp))

    def _burst(self, time: int, event: Event) -> None:
        end = self._end(event["side"])
        arrives = self._arrival(end, time, event["latency"])
        end.sent = event["offset"] + 1  # the SYN took one number
        data: bytes = event["data"]
        room = self._mss - _TIMESTAMPS
        for start in range(0, len(data), room):
            payload = data[start : start + room]
            last = start + room >= len(data)
            self._emit(end, time, ACK | PSH if last else ACK, payload)
            comment = self._comment(end, len(payload))
            self._carry(end, time, arrives, len(payload), comment)

    def _comment(self, end: _End, size: int) -> str:
        """What the lines say that begin in the next `size` octets."""
        told = self._told[end.side]
        found: list[str] = []
        while told and told[-1][0] < end.sent - 1 + size:
            found.append(told.pop()[1])
        return "\n".join(found)

    def _carry(  # noqa: PLR0913 — a segment has that many sides
        self,
        end: _End,
        time: int,
        arrives: int | None,
        size: int,
        comment: str = "",
        *,
        urgent: bool = False,
    ) -> None:
        """What was just made takes sequence numbers, and is acknowledged on arrival."""
        end.sent += size
        end.unacknowledged.clear()  # it carried an ACK
        end.promise += 1
        if arrives is None:
            self._pass(end, time, None, comment)
            return
        data, peer = self._made, self._peer(end)
        here = end.side == self.vantage
        if here:
            self.packets.append(Packet(time, data, True, comment))
        expects, stamp = end.sent, self._stamp(end, time)

        def arrive(now: int) -> None:
            if not here:
                self.packets.append(Packet(now, data, False, comment))
            self._learn(peer, expects, stamp)
            peer.unacknowledged.append(size)
            if sum(peer.unacknowledged) >= 2 * (self._mss - _TIMESTAMPS):
                self._bare_ack(peer, now)
            elif urgent:
                self._promise(peer, now)
            elif len(peer.unacknowledged) == 1:
                self._promise(peer, now + DELAYED_ACK)

        self._at(arrives, _ARRIVE, arrive)

    def _promise(self, end: _End, time: int) -> None:
        """`end` will acknowledge at `time`, unless something else does before."""
        end.promise += 1
        number = end.promise

        def act(now: int) -> None:
            if number == end.promise and end.unacknowledged and not end.gone:
                self._bare_ack(end, now)

        self._at(time, _ACKNOWLEDGE, act)

    def _bare_ack(self, end: _End, time: int) -> None:
        end.unacknowledged.clear()
        arrives = self._arrival(end, time, end.latency)
        self._emit(end, time, ACK)
        self._pass(end, time, arrives, "")
        stamp, peer = self._stamp(end, time), self._peer(end)
        if arrives is not None:
            self._at(arrives, _ARRIVE, lambda _: self._learn(peer, 0, stamp))

    # Small things ---------------------------------------------------------------------

    def _emit(  # noqa: PLR0913 — the fields of a segment
        self,
        end: _End,
        time: int,
        flags: int,
        payload: bytes = b"",
        window: int = _WINDOW,
        options: Callable[[int, int], bytes] | bytes | None = None,
    ) -> None:
        """Make a segment; it then waits in `_made`."""
        if options is None:
            options = b"\x01\x01" + self._timestamps(end, time)
        elif not isinstance(options, bytes):
            options = options(self._stamp(end, time), end.echo)
        seq = (end.isn + end.sent) & _WORD
        ack = (self._peer(end).isn + end.received) & _WORD if flags & ACK else 0
        self._made = end.path.packet(seq, ack, flags, window, options, payload)

    def _pass(self, end: _End, time: int, arrives: int | None, comment: str) -> None:
        """Let the segment pass the vantage point, when and if it gets there."""
        data = self._made
        if end.side == self.vantage:
            self.packets.append(Packet(time, data, True, comment))
        elif arrives is not None:
            self._at(
                arrives,
                _ARRIVE,
                lambda now: self.packets.append(Packet(now, data, False, comment)),
            )

    def _learn(self, end: _End, received: int, stamp: int) -> None:
        end.received = max(end.received, received)
        end.echo = stamp

    def _arrival(self, end: _End, time: int, latency: int) -> int | None:
        """When what leaves now arrives: in order, whatever the latency."""
        if latency < 0:
            return None
        end.latency = latency
        end.last_arrival = max(end.last_arrival, time + latency)
        return end.last_arrival

    def _end(self, side: Side) -> _End:
        return self._c if side == "C" else self._s

    def _peer(self, end: _End) -> _End:
        return self._s if end is self._c else self._c

    def _stamp(self, end: _End, time: int) -> int:
        return (end.clock + (time - self._began) // MS) & _WORD

    def _timestamps(self, end: _End, time: int) -> bytes:
        return struct.pack("!BBII", 8, 10, self._stamp(end, time), end.echo)

    def _syn_options(self, stamp: int, echo: int) -> bytes:
        """MSS, SACK permitted, timestamps, window scale: in Linux's order."""
        return struct.pack(
            "!BBHBBBBIIBBBB", 2, 4, self._mss, 4, 2, 8, 10, stamp, echo, 1, 3, 3, _SCALE
        )


_PLANS: dict[str, Callable[[Flow, Event], None]] = {
    "connect": Flow._connect,  # pyright: ignore[reportPrivateUsage]
    "syn": Flow._connect,  # pyright: ignore[reportPrivateUsage]
    "accept": Flow._accept,  # pyright: ignore[reportPrivateUsage]
    "refused": Flow._refused,  # pyright: ignore[reportPrivateUsage]
    "unreachable": Flow._unreachable,  # pyright: ignore[reportPrivateUsage]
    "bytes": Flow._bytes,  # pyright: ignore[reportPrivateUsage]
    "fin": Flow._fin,  # pyright: ignore[reportPrivateUsage]
    "reset": Flow._reset,  # pyright: ignore[reportPrivateUsage]
}


def _seed(name: str, use: int) -> int:
    """A number that looks random and is always the same."""
    digest = blake2s(f"{name} {use}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big")


def _address_or(text: str, default: str) -> str:
    """`text` when it is an IP address like `default` (IPv4 or IPv6)."""
    both_are_6 = ":" in text and ":" in default
    return text if both_are_6 or (_is_ipv4(text) and _is_ipv4(default)) else default


def _is_ipv4(text: str) -> bool:
    parts = text.split(".")
    return len(parts) == 4 and all(part.isdecimal() for part in parts)
