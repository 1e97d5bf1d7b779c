"""The segments of one TCP connection, as they passed one place.

Goes in: a session's network events. Comes out: packets in the order in which they
passed the vantage point.

The trace knows what mattered: who sent which octets when, how long they travelled, and
where they were lost. Segments and acknowledgements follow from that, so they are
derived here.

Rule 1: times of the trace are never changed; what is derived falls between them.
Rule 2: at one instant what arrives comes before what is sent, and that before bare
        ACKs: an answer carries the ACK.
Rule 3: every second full segment is acknowledged at once, any other after 40 ms
        (RFC 9293 §3.8.6.3: at most one half second).
"""

from collections.abc import Callable
from hashlib import blake2s
from heapq import heappop, heappush
from itertools import count

from maillab.trace.events import Event
from maillab.trace.handshake import Try, syn_acks, syns
from maillab.trace.packets import (
    ACK,
    FIN,
    PSH,
    RST,
    SYN,
    WORD,
    Address,
    Packet,
    Segment,
    TcpPath,
    aged,
    unreachable_packet,
)
from maillab.trace.session import Session
from maillab.trace.tcp_end import MS, SYN_WINDOW, Span, TcpEnd
from maillab.trace.ways import PEER, Passage, Trip, Ways
from maillab.wire.lines import Side

DELAYED_ACK = 40 * MS
_MSS = {4: 1460, 6: 1440}  # RFC 6691: 1,500 less the fixed headers
_TIMESTAMPS = 12  # octets of that option in every segment (RFC 7323 §3)
_ARRIVE, _SEND, _ACKNOWLEDGE = range(3)
Comments = dict[tuple[Side, int], str]  # (side, offset) -> comment of a packet


class Flow:
    """Replays one session. `mss`: the largest segment (0: what Ethernet can carry)."""

    def __init__(
        self, session: Session, place: str, comments: Comments, mss: int = 0
    ) -> None:
        self.session = session
        self.ways = Ways(session, place)
        self._told: dict[Side, list[tuple[int, str]]] = {"C": [], "S": []}
        for (side, offset), comment in sorted(comments.items(), reverse=True):
            self._told[side].append((offset, comment))  # the next one is the last
        self.packets: list[Packet] = []
        client, server = session.client_address, session.server_address
        self._addresses: dict[Side, tuple[Address, Address]] = {
            "C": (client, server),
            "S": (server, client),
        }
        seeds = [_seed(f"{session.id} {client} {server}", n) for n in range(7)]
        began = session.began_ns
        self._c = TcpEnd("C", began, ident=seeds[1], isn=seeds[2], clock=seeds[5] >> 1)
        self._s = TcpEnd("S", began, ident=seeds[3], isn=seeds[4], clock=seeds[6] >> 1)
        self._mss = mss or _MSS[6 if ":" in client[0] else 4]
        self._paths: dict[tuple[Address, Address], TcpPath] = {}
        self._syns = {tried.event.number: tried for tried in syns(session)}
        self._syn_acks = {tried.event.number: tried for tried in syn_acks(session)}
        self._order = count()
        self._todo: list[tuple[int, int, int, Callable[[int], None]]] = []

    def replay(self) -> list[Packet]:
        """All packets of this connection that passed the vantage point."""
        self._c.latency = self._s.latency = self.session.latency_ns
        if self.session.is_tarpit:
            self._s.window = 0
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

    # The handshake --------------------------------------------------------------------

    def _connect(self, event: Event) -> None:
        tried = self._syns[event.number]
        comment = f"connect to {event.get('to')} [RFC 9293 §3.5]".replace("to  [", "[")
        if event.kind == "syn":
            which = event["attempt"] + 1
            comment = f"SYN number {which}: no answer yet [RFC 9293 §3.8.1]"
        self._at(event.time_ns, _SEND, lambda _: self._syn(self._c, tried, comment))

    def _accept(self, event: Event) -> None:
        tried = self._syn_acks[event.number]
        self._at(tried.sent_ns, _SEND, lambda _: self._syn(self._s, tried, ""))
        if tried.arrived_ns is not None:
            self._at(tried.arrived_ns, _SEND, lambda now: self._bare_ack(self._c, now))

    def _syn(self, end: TcpEnd, tried: Try, comment: str) -> None:
        """A SYN; that of the server is a SYN-ACK."""
        time, flags = tried.sent_ns, SYN if end is self._c else SYN | ACK
        options = end.syn_options(time, self._mss)
        window = SYN_WINDOW if end.window else 0
        syn = end.bare(flags, self._peer(end), window, options)._replace(seq=end.isn)
        trip = Trip(end.side, time, tried.arrived_ns, tried.lost_at)
        self._show(trip, self._wrapped(end.side, syn), comment)
        end.sent = max(end.sent, 1)
        self._brings(trip, (0, 1))

    def _refused(self, event: Event) -> None:
        """A RST answers the last SYN: from the server, or from who stands between."""
        last = list(self._syns.values())[-1]
        asked = last.arrived_ns or (last.sent_ns + event.time_ns) // 2
        comment = f"refused: {event['reason']} [RFC 9293 §3.5.2]"
        trip = Trip("S", asked, event.time_ns, origin=self._origin("S", event["by"]))

        def act(_: int) -> None:
            self._s.received = 1
            self._s.isn = self._s.sent = 0
            answer = self._s.bare(RST | ACK, self._c)
            self._show(trip, self._wrapped("S", answer), comment)

        self._at(asked, _SEND, act)

    def _origin(self, side: Side, host: str) -> str:
        """Who sent something in the name of one side; "" when it was that side."""
        ends = (self.session.client, self.session.server)
        return host if self.ways.known and host != ends[side == "S"] else ""

    def _unreachable(self, event: Event) -> None:
        """ICMP about the last SYN; without a router, the client found out alone."""
        last = list(self._syns.values())[-1]
        asked = max(last.arrived_ns or 0, event.time_ns - event.get("latency", 0))

        def act(_: int) -> None:
            options = self._c.syn_options(last.sent_ns, self._mss)
            syn = self._c.bare(SYN, self._s, SYN_WINDOW, options)
            self._tell_icmp(self._c, asked, event, syn._replace(seq=self._c.isn))

        if event.get("router"):
            self._at(asked, _SEND, act)

    def _icmp(self, event: Event) -> None:
        """ICMP about a segment of an open connection."""
        end, asked = self._end(event["side"]), event.time_ns - event["latency"]

        def act(_: int) -> None:
            peer, offset = self._peer(end), event["offset"] + 1
            segment = end.segment(asked, ACK | PSH, peer, offset)
            self._tell_icmp(end, asked, event, segment)

        self._at(asked, _SEND, act)

    def _tell_icmp(
        self, end: TcpEnd, asked: int, event: Event, segment: Segment
    ) -> None:
        """From a router to the one who sent `segment`, which it quotes."""
        way = self.ways.find(end.side, event.time_ns)
        comment = f"{event['reason']} [RFC 1812 §5.2.7.1]"

        def made(at: Passage) -> bytes:
            src, dst = self._addresses[end.side]
            if at.point:
                src, dst = at.point.dst, at.point.src
            quoted = aged(self._path(src, dst).packet(segment), way.hops if way else 0)
            router, code = event["router"], event["code"]
            return aged(unreachable_packet(router, src[0], code, quoted, 1), at.hops)

        side, origin = PEER[end.side], event["by"]
        self._show(Trip(side, asked, event.time_ns, origin=origin), made, comment)

    # Data, and the end ----------------------------------------------------------------

    def _bytes(self, event: Event) -> None:
        self._at(event.time_ns, _SEND, lambda time: self._burst(time, event))

    def _burst(self, time: int, event: Event) -> None:
        end = self._end(event["side"])
        trip = self._trip(end, time, event)
        data: bytes = event["data"]
        arrived: bytes = event.get("arrived", data)
        room = self._mss - _TIMESTAMPS
        for start in range(0, len(data), room):
            piece = slice(start, start + room)
            last = start + room >= len(data)
            first = event["offset"] + 1 + start  # the SYN took one number
            flags = ACK | PSH if last else ACK
            segment = end.segment(time, flags, self._peer(end), first, data[piece])
            self._show(
                trip,
                self._wrapped(end.side, segment, arrived[piece]),
                self._comment(end, first + len(data[piece])),
            )
            self._carry(trip, (first, first + len(data[piece])))

    def _fin(self, event: Event) -> None:
        def act(time: int) -> None:
            end = self._end(event["side"])
            trip = self._trip(end, time, event)
            end.fin = end.sent if end.fin is None else end.fin
            segment = end.segment(time, FIN | ACK, self._peer(end), end.fin)
            self._show(trip, self._wrapped(end.side, segment), "")
            self._carry(trip, (end.fin, end.fin + 1), urgent=True)

        self._at(event.time_ns, _SEND, act)

    def _reset(self, event: Event) -> None:
        def act(time: int) -> None:
            end = self._end(event["side"])
            trip = self._trip(end, time, event)
            trip = trip._replace(origin=self._origin(end.side, event.host))
            segment = end.bare(RST | ACK, self._peer(end))
            comment = "reset [RFC 9293 §3.5.2]"
            self._show(trip, self._wrapped(end.side, segment), comment)
            end.gone = end.gone or not trip.origin
            self._ends(trip)

        self._at(event.time_ns, _SEND, act)

    def _cut(self, event: Event) -> None:
        """A middlebox sends each side a RST in the name of the other."""
        sides: dict[Side, int] = {"S": event["to_client"], "C": event["to_server"]}

        def act(time: int) -> None:
            for side, latency in sides.items():
                if latency >= 0:
                    self._forge(Trip(side, time, time + latency, origin=event.host))

        self._at(event.time_ns, _SEND, act)

    def _forge(self, trip: Trip) -> None:
        """It stands where the next octet would have stood that the victim expects."""
        end = self._end(trip.side)
        number, end.ident = end.ident, -1  # Linux numbers such packets 0
        segment = end.bare(RST | ACK, self._peer(end))
        segment = segment._replace(seq=(end.isn + end.carried) & WORD)
        end.ident = number
        comment = f"reset by {trip.origin} [RFC 3360 §2]"
        self._show(trip, self._wrapped(end.side, segment), comment)
        self._ends(trip)

    def _ends(self, trip: Trip) -> None:
        """A RST is on its way: who gets it says nothing any more."""
        if trip.arrives_ns is not None:
            peer = self._end(PEER[trip.side])
            self._at(trip.arrives_ns, _ARRIVE, lambda _: setattr(peer, "gone", True))

    # Acknowledgements -----------------------------------------------------------------

    def _carry(self, trip: Trip, span: Span, *, urgent: bool = False) -> None:
        """What was just made takes sequence numbers, and is acknowledged on arrival."""
        end, peer = self._end(trip.side), self._end(PEER[trip.side])
        end.sent = max(end.sent, span[1])
        end.unacknowledged.clear()  # it carried an ACK
        end.promise += 1
        if trip.arrives_ns is None:
            return
        end.carried = max(end.carried, span[1])
        stamp = end.stamp(trip.sent_ns)

        def arrive(now: int) -> None:
            at_once = peer.learn(span, stamp) and not peer.gone
            peer.unacknowledged.append(span[1] - span[0])
            if at_once or sum(peer.unacknowledged) >= 2 * (self._mss - _TIMESTAMPS):
                self._bare_ack(peer, now)
            elif urgent:
                self._promise(peer, now)
            elif len(peer.unacknowledged) == 1:
                self._promise(peer, now + DELAYED_ACK)

        self._at(trip.arrives_ns, _ARRIVE, arrive)

    def _promise(self, end: TcpEnd, time: int) -> None:
        """`end` will acknowledge at `time`, unless something else does before."""
        end.promise += 1
        number = end.promise

        def act(now: int) -> None:
            if number == end.promise and end.unacknowledged and not end.gone:
                self._bare_ack(end, now)

        self._at(time, _ACKNOWLEDGE, act)

    def _bare_ack(self, end: TcpEnd, time: int) -> None:
        end.unacknowledged.clear()
        lost_at = self.ways.stops(end.side, time)
        arrives = None if lost_at else self._arrival(end, time, end.latency)
        trip = Trip(end.side, time, arrives, lost_at or "")
        segment = end.segment(time, ACK, self._peer(end), end.sent)
        self._show(trip, self._wrapped(end.side, segment), "")
        self._brings(trip, (end.sent, end.sent))

    def _brings(self, trip: Trip, span: Span) -> None:
        """On arrival the peer learns; it says nothing."""
        if trip.arrives_ns is not None:
            end, peer = self._end(trip.side), self._end(PEER[trip.side])
            end.carried = max(end.carried, span[1])
            stamp = end.stamp(trip.sent_ns)

            def arrive(_: int) -> None:
                peer.learn(span, stamp)

            self._at(trip.arrives_ns, _ARRIVE, arrive)

    # Packets --------------------------------------------------------------------------

    def _show(self, trip: Trip, made: Callable[[Passage], bytes], comment: str) -> None:
        """Let a packet pass the vantage point, when and if it gets there."""
        for at in self.ways.passages(trip):
            packet = Packet(at.time_ns, made(at), at.outbound, comment)
            if at.time_ns == trip.sent_ns and at.outbound:
                self.packets.append(packet)
            else:
                self._at(
                    at.time_ns, _ARRIVE, lambda _, it=packet: self.packets.append(it)
                )

    def _wrapped(
        self, side: Side, segment: Segment, arrived: bytes | None = None
    ) -> Callable[[Passage], bytes]:
        """Makes the packet of a segment; `arrived`: what a middlebox made of it."""

        def made(at: Passage) -> bytes:
            src, dst = self._addresses[side]
            if at.point:
                src, dst = at.point.src, at.point.dst
            seen = segment
            if at.changed and arrived is not None:
                seen = segment._replace(payload=arrived)
            return aged(self._path(src, dst).packet(seen), at.hops)

        return made

    def _path(self, src: Address, dst: Address) -> TcpPath:
        if (src, dst) not in self._paths:
            self._paths[src, dst] = TcpPath(src, dst)
        return self._paths[src, dst]

    # Small things ---------------------------------------------------------------------

    def _comment(self, end: TcpEnd, up_to: int) -> str:
        """What the lines say that begin before this sequence number."""
        told = self._told[end.side]
        found: list[str] = []
        while told and told[-1][0] + 1 < up_to:
            found.append(told.pop()[1])
        return "\n".join(found)

    def _trip(self, end: TcpEnd, time: int, event: Event) -> Trip:
        arrives = self._arrival(end, time, event["latency"])
        return Trip(end.side, time, arrives, event.get("lost_at"))

    def _arrival(self, end: TcpEnd, time: int, latency: int) -> int | None:
        """When what leaves now arrives: in order, whatever the latency."""
        if latency < 0:
            return None
        end.latency = min(end.latency, latency) if self.ways.known else latency
        end.last_arrival = max(end.last_arrival, time + latency)
        return end.last_arrival

    def _end(self, side: Side) -> TcpEnd:
        return self._c if side == "C" else self._s

    def _peer(self, end: TcpEnd) -> TcpEnd:
        return self._s if end is self._c else self._c


_PLANS: dict[str, Callable[[Flow, Event], None]] = {
    "connect": Flow._connect,  # pyright: ignore[reportPrivateUsage]
    "syn": Flow._connect,  # pyright: ignore[reportPrivateUsage]
    "accept": Flow._accept,  # pyright: ignore[reportPrivateUsage]
    "synack": Flow._accept,  # pyright: ignore[reportPrivateUsage]
    "refused": Flow._refused,  # pyright: ignore[reportPrivateUsage]
    "unreachable": Flow._unreachable,  # pyright: ignore[reportPrivateUsage]
    "icmp": Flow._icmp,  # pyright: ignore[reportPrivateUsage]
    "bytes": Flow._bytes,  # pyright: ignore[reportPrivateUsage]
    "fin": Flow._fin,  # pyright: ignore[reportPrivateUsage]
    "reset": Flow._reset,  # pyright: ignore[reportPrivateUsage]
    "cut": Flow._cut,  # pyright: ignore[reportPrivateUsage]
}


def _seed(name: str, use: int) -> int:
    """A number that looks random and is always the same."""
    digest = blake2s(f"{name} {use}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big")
