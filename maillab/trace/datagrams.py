"""UDP datagrams and the ICMP that answers them, as they passed one place.

Goes in: their events. Comes out: packets.

Rule: ICMP travels back on the way of the datagram that it is about, and quotes it as it
looks there: NAT translates both.
"""

from collections.abc import Iterable, Iterator

from maillab.trace.events import Event
from maillab.trace.packets import Address, Packet, aged, udp_packet, unreachable_packet
from maillab.trace.ways import Passage, Point, Trip, Way

ICMP = ("port_unreachable", "prohibited")
_REASONS = {"port_unreachable": "port", "prohibited": "prohibited"}


class Datagrams:
    """What passed `place`. Events are numbered: that is the IP identification."""

    def __init__(self, events: Iterable[Event], place: str) -> None:
        self._events = list(enumerate(events, 1))
        self._place = place
        self._asked: dict[tuple[Address, Address], Event] = {}

    def packets(self) -> Iterator[Packet]:
        """All of them, in the order of their events."""
        for ident, event in self._events:
            if event.kind == "datagram":
                self._asked[_arrives_as(event)] = event
                yield from self._udp(event, ident)
            else:
                yield from self._icmp(event, ident)

    def _udp(self, event: Event, ident: int) -> Iterator[Packet]:
        way = way_of(event)
        receiver: str = event["to_host"]
        for at in self._passages(event, way, receiver):
            src, dst = event["src"], event["dst"]
            if at.point:
                src, dst = at.point.src, at.point.dst
            data = aged(udp_packet(src, dst, event["data"], ident), at.hops)
            yield Packet(at.time_ns, data, at.outbound, "")

    def _icmp(self, event: Event, ident: int) -> Iterator[Packet]:
        asked = self._asked.get((event["src"], event["dst"]))
        there = way_of(asked) if asked else None
        back = way_of(event) or (there.backwards() if there else None)
        receiver = asked.host if asked else ""
        for at in self._passages(event, back, receiver):
            point = at.point or Point("", 0, event["dst"], event["src"])
            quoted = udp_packet(point.dst, point.src, event["data"], ident)
            quoted = aged(quoted, there.hops if there else 0)
            router, client = event.get("router") or point.src[0], point.dst[0]
            reason = _REASONS[event.kind]
            data = unreachable_packet(router, client, reason, quoted, ident)
            yield Packet(at.time_ns, aged(data, at.hops), at.outbound, "")

    def _passages(
        self, event: Event, way: Way | None, receiver: str
    ) -> Iterable[Passage]:
        sent, latency = event.time_ns, event["latency"]
        arrives = sent + latency if latency >= 0 and not event.get("lost_at") else None
        if way is not None:
            trip = Trip("C", sent, arrives, event.get("lost_at"))
            return way.passages(trip, self._place, (event.host, receiver))
        if event.host == self._place:
            return [Passage(sent, outbound=True)]
        if receiver == self._place and arrives is not None:
            return [Passage(arrives, outbound=False)]
        return []


def way_of(event: Event) -> Way | None:
    """The way of a datagram, when the network told of it."""
    points = event.get("points")
    return Way.from_facts(points) if points else None


def _arrives_as(event: Event) -> tuple[Address, Address]:
    """Source and destination at the end of its way."""
    way = way_of(event)
    return way.points[-1][2:] if way else (event["src"], event["dst"])
