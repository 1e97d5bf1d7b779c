"""One rule of a firewall: which flows it is for, and what becomes of them.

Goes in: a flow and the direction in which it was opened. Comes out: whether the rule is
for it; the effects on its packets.

Rule 1: a rule speaks of connections. `direction` is that of the first packet: "out"
        from the inside (or from the host), "in" from the outside. Answers belong to
        the flow that they answer.
Rule 2: everything that a rule leaves open fits.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from maillab.errors import LabError
from maillab.net.effects import Cut, Delay, Loss, Rate
from maillab.net.middlebox import Stripper
from maillab.net.path import Address, Direction, Effect, FiveTuple, shown

Action = Literal[
    "accept",
    "drop",
    "reject",  # TCP RST; ICMP port unreachable for UDP
    "prohibit",  # ICMP administratively prohibited (RFC 1812 §5.2.7.1)
    "redirect",
    "throttle",
    "delay",
    "lose",
    "reset-after",
    "tarpit",
    "strip-starttls",
]
Protocol = Literal["tcp", "udp", "any"]
Block = ipaddress.IPv4Network | ipaddress.IPv6Network

# What an action needs beside its name, and in which unit.
NEEDS: dict[str, str] = {
    "redirect": "to",
    "throttle": "rate",
    "delay": "seconds",
    "lose": "probability",
    "reset-after": "octets",
}
ENDS = frozenset({"drop", "reject", "prohibit", "tarpit"})


@dataclass(eq=False)
class Rule:
    """A line of a firewall's table.

    ports, source_ports   ranges of port numbers; () fits every port
    source, destination   prefixes such as 192.0.2.0/24; () fits every address
    to                    where `redirect` sends a flow of the same IP version: address,
                          port (0: the same)
    rate                  octets each second, for each direction of all its flows
    seconds               for `delay`, each way
    probability           for `lose`, of each packet
    octets                for `reset-after`, of data, both directions together
    hits                  packets that this rule decided about
    enabled               False: it keeps its place and its counter, and fits nothing
                          (`Firewall.turn_off`)
    """

    action: Action
    direction: Literal["in", "out", "both"] = "both"
    protocol: Protocol = "any"
    ports: tuple[range, ...] = ()
    source_ports: tuple[range, ...] = ()
    source: tuple[Block, ...] = ()
    destination: tuple[Block, ...] = ()
    to: Address | None = None
    rate: float = 0.0
    seconds: float = 0.0
    probability: float = 0.0
    octets: int = 0
    comment: str = ""
    hits: int = 0
    enabled: bool = True
    _queues: dict[bool, Rate] = field(default_factory=dict[bool, Rate])

    def __post_init__(self) -> None:
        need = NEEDS.get(self.action)
        if need and not getattr(self, need):
            raise LabError(f"a rule that says {self.action!r} needs {need!r}")
        for other in NEEDS.values():
            if other != need and getattr(self, other):
                raise LabError(
                    f"{other!r} means nothing in a rule that says {self.action!r}"
                )

    def fits(self, flow: FiveTuple, direction: Direction) -> bool:
        """Is this rule for that flow? Nothing is redirected to the other IP version."""
        return (
            self.direction in (direction, "both")
            and self.protocol in (flow.protocol, "any")
            and within(flow.dst[1], self.ports)
            and within(flow.src[1], self.source_ports)
            and inside(flow.src[0], self.source)
            and inside(flow.dst[0], self.destination)
            and (self.to is None or (":" in self.to[0]) == (":" in flow.dst[0]))
        )

    def redirected(self, flow: FiveTuple) -> FiveTuple:
        """The flow as it goes on behind a `redirect`."""
        if self.to is None:
            return flow
        ip, port = self.to
        return flow._replace(dst=(ip, port or flow.dst[1]))

    @property
    def ends(self) -> bool:
        """Nothing goes on behind this rule."""
        return self.action in ENDS

    def effects(self, opened: str = "out") -> "FlowEffects":
        """What happens to the packets of a new flow."""
        match self.action:
            case "throttle":
                queues = self._queues or {False: Rate(self.rate), True: Rate(self.rate)}
                self._queues = queues
                inwards = opened == "in"
                return FlowEffects(queues[inwards], queues[not inwards])
            case "delay":
                delay = Delay(self.seconds)
                return FlowEffects(delay, delay)
            case "lose":
                loss = Loss(self.probability)
                return FlowEffects(loss, loss)
            case "reset-after":
                cut = Cut(self.octets)
                return FlowEffects(cut, cut)
            case "strip-starttls":
                return FlowEffects(Stripper(offers=False), Stripper(offers=True))
            case _:
                return FlowEffects()

    def __str__(self) -> str:
        return describe(self)


@dataclass(frozen=True, slots=True)
class FlowEffects:
    """What one flow meets at one place: on its way there, and on the way of answers."""

    there: Effect | None = None
    back: Effect | None = None

    def towards(self, *, reply: bool) -> Effect | None:
        """The effect for one direction."""
        return self.back if reply else self.there


NO_EFFECTS = FlowEffects()


def within(port: int, ranges: Sequence[range]) -> bool:
    """Is the port in one of the ranges? All are when there is none."""
    return not ranges or any(port in one for one in ranges)


def inside(address: str, blocks: Sequence[Block]) -> bool:
    """Is the address in one of the prefixes? All are when there is none."""
    return not blocks or any(parsed(address) in block for block in blocks)


@lru_cache(maxsize=4096)
def parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An IP address as a value."""
    return ipaddress.ip_address(address)


def describe(rule: Rule) -> str:
    """A rule in one line: `drop out tcp to port 25 (the provider's port block)`."""
    words: list[str] = [rule.action]
    if rule.direction != "both":
        words.append(rule.direction)
    if rule.protocol != "any":
        words.append(rule.protocol)
    words += place_words("from", rule.source, rule.source_ports)
    words += place_words("to", rule.destination, rule.ports)
    words += amount(rule)
    comment = f" ({rule.comment})" if rule.comment else ""
    return " ".join(words) + comment


def amount(rule: Rule) -> list[str]:
    """How much, how long, where to."""
    match rule.action:
        case "redirect" if rule.to is not None:
            return [f"→ {shown(rule.to)}"]
        case "throttle":
            return [f"at {rule.rate * 8 / 1000:g} kbit/s"]
        case "delay":
            return [f"by {rule.seconds:g} s"]
        case "lose":
            return [f"{rule.probability:.0%} of the packets"]
        case "reset-after":
            return [f"{rule.octets:,} octets"]
        case _:
            return []


def place_words(
    word: str, blocks: Sequence[Block], ports: Sequence[range]
) -> list[str]:
    """`from 192.0.2.0/24 port 25`."""
    if not blocks and not ports:
        return []
    found = [word, *[str(block) for block in blocks]]
    if ports:
        many = len(ports) > 1 or len(ports[0]) > 1
        names = ", ".join(port_range(one) for one in ports)
        found.append(f"port{'s' if many else ''} {names}")
    return found


def port_range(ports: range) -> str:
    """`25`, `6000-6063`."""
    return f"{ports[0]}" if len(ports) == 1 else f"{ports[0]}-{ports[-1]}"
