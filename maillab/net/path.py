"""What a packet meets on its way from one host to another, as values.

Goes in: what `net.walk` found. Comes out: a `Path`: where a packet ends and how it
looks there, how long it takes, what each place on the way decided.

Rule 1: a path is for all packets of one direction of one flow, until
        `Network.version` changes. What differs from packet to packet (loss, queues,
        counters) are its `effects`.
Rule 2: a path between two hosts with nothing in between has no points.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from maillab.net.conntrack import Tracked
    from maillab.net.host import Host
    from maillab.net.rules import Rule

Address = tuple[str, int]  # IP address and port
Direction = Literal["in", "out"]
Fate = Literal["delivered", "lost", "no host", "refused", "prohibited", "tarpit"]

# place, ns from the sender, source IP and port, destination IP and port
PointFacts = tuple[str, int, str, int, str, int]


class FiveTuple(NamedTuple):
    """What all packets of one direction of a flow have in common.

    >>> FiveTuple("tcp", ("192.0.2.1", 50000), ("192.0.2.2", 25)).reply.dst
    ('192.0.2.1', 50000)
    """

    protocol: str  # "tcp" or "udp"
    src: Address
    dst: Address

    @property
    def reply(self) -> "FiveTuple":
        """The other direction."""
        return FiveTuple(self.protocol, self.dst, self.src)

    def __str__(self) -> str:
        return f"{self.protocol} {shown(self.src)} → {shown(self.dst)}"


def shown(address: Address) -> str:
    """`192.0.2.25:25`, `[2001:db8::25]:25`; without a port only the address."""
    ip, port = address
    if not port:
        return ip
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


class Point(NamedTuple):
    """A place where a packet can be seen, and how it looks there.

    place  the name of a host, or "GATEWAY/inside", "GATEWAY/outside"
    after  seconds since it left
    """

    place: str
    after: float
    flow: FiveTuple

    @property
    def facts(self) -> PointFacts:
        """As the trace keeps it."""
        return (self.place, round(self.after * 1e9), *self.flow.src, *self.flow.dst)


@dataclass(frozen=True, slots=True)
class Step:
    """What one place did with the first packet of a flow.

    rule    the rule that matched, or None
    what    "passes", "is translated", "is forwarded", "is turned back" (hairpin),
            "is dropped", "is rejected", …
    """

    place: str
    direction: Direction
    rule: "Rule | None"
    what: str
    before: FiveTuple
    after: FiveTuple


@dataclass(slots=True)
class InFlight:
    """One packet, while effects work on it."""

    time: float  # when it comes to this place
    size: int  # octets on the wire
    data: bytes
    chance: Any  # random.Random
    lost: bool = False
    cut: bool = False  # a middlebox resets the flow


class Effect(Protocol):
    """What may happen to each packet at one place."""

    def work_on(self, packet: InFlight) -> None:
        """Delay it, lose it, change it."""
        ...


class Placed(NamedTuple):
    """An effect, where it works, and the last point that a packet passes before it."""

    place: "Host"
    point: str
    after: float  # seconds from the sender
    effect: Effect


class Memory(NamedTuple):
    """A new flow, for the place that will remember it once a packet gets there."""

    place: "Host"
    entry: "Tracked"
    step: Step
    behind: int  # so many effects


@dataclass(slots=True)
class Path:
    """The way of one direction of a flow.

    node      who gets the packet; who answers when it is refused, prohibited, tarred
    latency   seconds from the sender to where it ends, without queues
    lost_at   the last point that sees it, when its fate is "lost"
    verdict   the step that ended the way, if a rule or a translation did
    off       the place that ended it, if it has no power
    """

    version: int
    source: "Host"
    sent: FiveTuple
    arrives: FiveTuple
    fate: Fate = "delivered"
    node: "Host | None" = None
    latency: float = 0.0
    lost_at: str = ""
    points: tuple[Point, ...] = ()
    steps: tuple[Step, ...] = ()
    effects: tuple[Placed, ...] = ()
    tracked: tuple["Tracked", ...] = ()
    counted: "tuple[tuple[Rule, int], ...]" = ()  # rules, each behind so many effects
    unsaved: tuple[Memory, ...] = ()
    verdict: Step | None = None
    off: "Host | None" = None

    @property
    def facts(self) -> tuple[PointFacts, ...]:
        """The points, as the trace keeps them."""
        return tuple(point.facts for point in self.points)

    @property
    def is_plain(self) -> bool:
        """No rules and no gateways: the second packet goes as the first one did."""
        return not self.steps and not self.points

    def is_stale(self, version: int, now: float) -> bool:
        """Rules, addresses or power have changed, or a gateway has forgotten us."""
        if self.version != version:
            return True
        for tracked in self.tracked:  # noqa: SIM110  (asked for each segment: faster)
            if now - tracked.used > tracked.lifetime:  # `expired`, without a call
                return True
        return False

    def answers(self, asked: "Path") -> bool:
        """What goes this way comes to who asked, from whom it was asked."""
        ours = self.node is asked.source and self.arrives == asked.sent.reply
        return ours and self.fate == "delivered"

    def close(self) -> None:
        """The flow has ended: gateways may forget it soon."""
        for entry in self.tracked:
            entry.close()

    def backwards(self) -> "Path":
        """The same way back, for an answer that is forged where the packet ended."""
        node, end = self.node or self.source, self.latency
        points = tuple(
            Point(point.place, end - point.after, point.flow.reply)
            for point in reversed(self.points)
        )
        return Path(
            self.version,
            node,
            self.arrives.reply,
            self.sent.reply,
            node=self.source,
            latency=end,
            points=points,
        )


class Transit(NamedTuple):  # made for each packet: a frozen dataclass takes longer
    """What happened to one packet.

    latency   seconds until it was where it ended
    lost      nobody got it, and nobody will say so
    lost_at   the last point that saw it before that; "" when none did
    cut_at    the middlebox that reset the flow instead of passing it on, or None
    """

    latency: float
    data: bytes
    lost: bool = False
    lost_at: str = ""
    cut_at: "Host | None" = None
    cut_after: float = 0.0

    @property
    def arrives(self) -> bool:
        """It got where its path ends."""
        return not self.lost and self.cut_at is None
