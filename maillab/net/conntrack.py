"""What a firewall or a NAT remembers of the flows that pass it.

Goes in: the first packet of a flow, as it came and as it went on. Comes out: for every
later packet of it, in both directions, how it must look behind this place.

Rule 1: one entry for a flow, found by either direction (as Linux's conntrack does).
Rule 2: a flow that is silent for too long is forgotten: TCP after 2 h 4 min, and after
        4 min when it is not open yet or closed (RFC 5382 §5 REQ-5); UDP after 5 min
        (RFC 4787 §4.3 REQ-5).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

from maillab.net.path import Address, FiveTuple
from maillab.net.rules import NO_EFFECTS, FlowEffects, Rule

LIFETIME = {"tcp": 7440.0, "udp": 300.0}  # seconds
TRANSITORY = 240.0  # seconds, for TCP that is not open
MANY = 1024  # entries; then the forgotten ones are thrown away
PORTS = range(1024, 65536)


@dataclass(slots=True, eq=False)
class Tracked:
    """One flow.

    original    as its first packet came
    translated  as its first packet went on
    seen        how rules see it: with the addresses of the inside
    """

    original: FiveTuple
    translated: FiveTuple
    seen: FiveTuple
    opened: str  # "in" or "out"
    rule: Rule | None
    rules_version: int
    used: float
    lifetime: float = TRANSITORY
    closed: bool = False
    replied: bool = False
    _effects: dict[Rule, FlowEffects] = field(default_factory=dict[Rule, FlowEffects])

    def expired(self, now: float) -> bool:
        """Nothing has passed for too long."""
        return now - self.used > self.lifetime

    def answered(self) -> None:
        """A packet has come back."""
        self.replied = True
        if not self.closed:
            self.lifetime = LIFETIME[self.original.protocol]

    def effects_of(self, rule: Rule | None) -> FlowEffects:
        """What a rule does to this flow. It goes on counting when it comes back."""
        if rule is None:
            return NO_EFFECTS
        if rule not in self._effects:
            self._effects[rule] = rule.effects(self.opened)
        return self._effects[rule]

    def close(self) -> None:
        """It has ended."""
        self.closed = True
        self.lifetime = TRANSITORY


class ConnTrack:
    """The table of one host or gateway."""

    def __init__(self) -> None:
        self._entries: dict[FiveTuple, Tracked] = {}
        self._many = MANY
        self._given: dict[tuple[str, Address], int] = {}  # the last port, per remote

    def find(self, flow: FiveTuple, now: float) -> Tracked | None:
        """The entry of a flow; `entry.original == flow` tells its direction."""
        entry = self._entries.get(flow)
        if entry is not None and entry.expired(now):
            self.forget(entry)
            return None
        return entry

    def add(self, entry: Tracked) -> None:
        """Remember a flow."""
        if len(self._entries) > self._many:
            self._forget_expired(entry.used)
            self._many = max(MANY, 2 * len(self._entries))
        self._entries[entry.original] = entry
        self._entries[entry.translated.reply] = entry
        protocol, source, remote = entry.translated
        if entry.original.src[1] != source[1]:
            self._given[protocol, remote] = source[1]

    def forget(self, entry: Tracked) -> None:
        """As if it never had been."""
        self._entries.pop(entry.original, None)
        self._entries.pop(entry.translated.reply, None)

    def clear(self) -> None:
        """Forget everything (a power cut, a new address)."""
        self._entries.clear()
        self._given.clear()

    def _forget_expired(self, now: float) -> None:
        for entry in [e for e in self if e.expired(now)]:
            self.forget(entry)

    def __iter__(self) -> Iterator[Tracked]:
        """Each flow once, oldest first."""
        return iter(dict.fromkeys(self._entries.values()))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def free_source(self, flow: FiveTuple, wanted: Address, now: float) -> Address:
        """An outside address for a flow: the port that it wants if nobody has it.

        Else the next free one (RFC 5382 §7.1, as Linux does: unique for each remote
        address); port 0 when there is none.
        """
        ip, port = wanted
        last = self._given.get((flow.protocol, flow.dst), 0)
        after = PORTS.index(last) + 1 if last in PORTS else 0
        for number in chain((port,), PORTS[after:], PORTS[:after]):
            source = (ip, number)
            if self.find(FiveTuple(flow.protocol, flow.dst, source), now) is None:
                return source
        return (ip, 0)
