"""Where packets pass: at which places, when, and with which addresses.

Goes in: the points that the network told, and one packet's `Trip`. Comes out: a
`Passage` for each time that the packet passed one place, the vantage point.

Rule 1: without points there are two places, the two hosts.
Rule 2: a packet is seen at the point where it was lost, and at none behind it.
Rule 3: what took longer than its way (it stood in a queue) took longer everywhere, in
        proportion; nothing overtakes at a point what left before it.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from maillab.trace.packets import Address
from maillab.trace.session import SIDES, Session
from maillab.wire.lines import Side

PEER: dict[Side, Side] = {"C": "S", "S": "C"}
PointFacts = tuple[str, int, str, int, str, int]


class Point(NamedTuple):
    """A place on the way, and how a packet looks there."""

    place: str
    after: int  # nanoseconds since it left
    src: Address
    dst: Address

    @property
    def node(self) -> str:
        """The host or gateway."""
        return node_of(self.place)


class Trip(NamedTuple):
    """One packet: when it left, when it arrived (None: never), who made it.

    lost_at  the last place that saw it; "" when that is the end of its way
    origin   the host or gateway where it began; "" for the host of its side
    """

    side: Side
    sent_ns: int
    arrives_ns: int | None
    lost_at: str = ""
    origin: str = ""


class Passage(NamedTuple):
    """A packet at the vantage point.

    outbound  it leaves this place
    point     its addresses here; None when they are those of the two hosts
    hops      routers that it has passed
    changed   a middlebox may have changed its octets before
    """

    time_ns: int
    outbound: bool
    point: Point | None = None
    hops: int = 0
    changed: bool = False
    at: int = 0  # the number of the point on its way


class Way:
    """The points of one direction, in order."""

    def __init__(self, points: Sequence[Point]) -> None:
        self.points = tuple(points)
        self._routed = [0]  # routers passed, for each point
        for before, here in pairwise(self.points):
            self._routed.append(self._routed[-1] + _is_one_router(before, here))

    @classmethod
    def from_facts(cls, facts: Iterable[PointFacts]) -> "Way":
        """As the trace keeps it."""
        return cls([Point(f[0], f[1], (f[2], f[3]), (f[4], f[5])) for f in facts])

    @property
    def latency(self) -> int:
        """Nanoseconds to its end."""
        return self.points[-1].after

    @property
    def hops(self) -> int:
        """Routers on it."""
        return self._routed[-1]

    def ends_at(self, host: str) -> bool:
        """Does it come to this host?"""
        return self.points[-1].node == host

    def backwards(self) -> "Way":
        """The same way back, for an answer from where it ends."""
        last = self.latency
        turned = [Point(p.place, last - p.after, p.dst, p.src) for p in self.points]
        return Way(turned[::-1])

    def exit_of(self, node: str) -> int | None:
        """The number of the last point of a host or gateway."""
        found = [i for i, point in enumerate(self.points) if point.node == node]
        return found[-1] if found else None

    def entry_of(self, nodes: Iterable[str]) -> int | None:
        """The number of the first point of any of these hosts and gateways."""
        wanted = set(nodes)
        return next((i for i, p in enumerate(self.points) if p.node in wanted), None)

    def passages(self, trip: Trip, place: str, ends: Iterable[str]) -> list[Passage]:
        """Each time that a packet passes `place`. `ends` are the two hosts."""
        origin = self.exit_of(trip.origin) if trip.origin else 0
        first = origin or 0
        last = self.last_seen(trip.lost_at if trip.arrives_ns is None else "", first)
        return [
            Passage(
                self._time(trip, first, i),
                i == first or self._routed[i] > self._routed[i - 1],
                self.points[i],
                self._routed[i] - self._routed[first],
                at=i,
            )
            for i in range(first, last + 1)
            if self._is_at(i, place, ends)
        ]

    def _is_at(self, i: int, place: str, ends: Iterable[str]) -> bool:
        """A service of a gateway is seen at its side, and at the gateway as a host."""
        point = self.points[i]
        if point.place == place:
            return True
        return point.node == place in ends and i in (0, len(self.points) - 1)

    def last_seen(self, lost_at: str, first: int = 0) -> int:
        """The number of the last point that saw a packet; lost_at "": that is all."""
        last = len(self.points) - 1
        if not lost_at:
            return last
        places = [point.place for point in self.points]
        return next((i for i in range(last, first, -1) if places[i] == lost_at), first)

    def _time(self, trip: Trip, first: int, i: int) -> int:
        start = self.points[first].after
        gone, whole = self.points[i].after - start, self.latency - start
        if trip.arrives_ns is None or not whole:
            return trip.sent_ns + gone
        return trip.sent_ns + (trip.arrives_ns - trip.sent_ns) * gone // whole


class Ways:
    """The ways of both sides of one connection, seen from one place."""

    def __init__(self, session: Session, place: str) -> None:
        self._place = place
        self._hosts: dict[Side, str] = {"C": session.client, "S": session.server}
        self._told: dict[Side, list[tuple[int, Way | None]]] = {"C": [], "S": []}
        for event in session.all("path"):
            way = Way.from_facts(event["points"]) if event["points"] else None
            self._told[event["side"]].append((event.time_ns, way))
        rules = session.all("rule")
        self._writers = [e.host for e in rules if e["action"] == "strip-starttls"]
        cuts = session.all("cut")
        self._cuts = [e for e in cuts if e["to_client"] >= 0 <= e["to_server"]]
        self._passed: dict[tuple[Side, int], int] = {}  # the last time, for each point
        self._here = next((s for s in SIDES if self._hosts[s] == place), None)
        self.known = any(self._told.values())  # the network told of at least one

    def find(self, side: Side, time: int) -> Way | None:
        """The way of what leaves one side at `time`; None: nothing lies between.

        Who never told is answered on the way on which it is asked.
        """
        told = self._told[side]
        if told:
            at = bisect_right(told, time, key=lambda entry: entry[0])
            return told[max(at - 1, 0)][1]
        other = self.find(PEER[side], time) if self._told[PEER[side]] else None
        return other.backwards() if other else None

    def stops(self, side: Side, time: int) -> str | None:
        """Where a bare ACK that leaves now is lost; None: it arrives."""
        way = self.find(side, time) if self.known else None
        if way is None:
            return None
        for cut in self._cuts:  # a middlebox lets nothing pass behind its RST
            at = way.entry_of([cut.host])
            if at is not None and time + way.points[at].after >= cut.time_ns:
                return way.points[at].place
        return None if way.ends_at(self._hosts[PEER[side]]) else way.points[-1].place

    def passages(self, trip: Trip) -> Iterable[Passage]:
        """Each time that a packet passes the vantage point, in order."""
        way = self._way_of(trip)
        return self._between_two(trip) if way is None else self._on(way, trip)

    def _on(self, way: Way, trip: Trip) -> Iterator[Passage]:
        changed = self.changed_behind(way)
        for passage in way.passages(trip, self._place, self._hosts.values()):
            time = passage.time_ns
            if not trip.origin:
                key = (trip.side, passage.at)
                time = self._passed[key] = max(time, self._passed.get(key, 0))
            yield passage._replace(time_ns=time, changed=passage.at > changed)

    def _way_of(self, trip: Trip) -> Way | None:
        way = self.find(trip.side, trip.sent_ns) if self.known else None
        if way is None or not trip.origin or way.exit_of(trip.origin) is not None:
            return way
        other = self.find(PEER[trip.side], trip.sent_ns)
        return other.backwards() if other else way

    def changed_behind(self, way: Way) -> int:
        """The last point that sees what was sent, if a middlebox changes it."""
        writer = way.entry_of(self._writers)
        return len(way.points) - 2 if writer is None else writer

    def _between_two(self, trip: Trip) -> Sequence[Passage]:
        if self._here == trip.side:
            return () if trip.origin else (Passage(trip.sent_ns, outbound=True),)
        if self._here and trip.arrives_ns is not None:
            return (Passage(trip.arrives_ns, outbound=False, changed=True),)
        return ()


def node_of(place: str) -> str:
    """The host or gateway of a place.

    >>> node_of("router/outside"), node_of("pc")
    ('router', 'pc')
    """
    return place.partition("/")[0]


def _is_one_router(a: Point, b: Point) -> bool:
    """Between these two points a router decrements the TTL."""
    return a.node == b.node and "/" in a.place and "/" in b.place
