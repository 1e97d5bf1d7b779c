"""The way of a packet through firewalls and gateways, place by place.

Goes in: a host and a flow. Comes out: a `Path`. What stateful places must remember of
a new flow, they remember here; a `probe` leaves no trace anywhere.
"""

from typing import TYPE_CHECKING

from maillab.errors import LabError
from maillab.net.conntrack import Tracked
from maillab.net.path import (
    Direction,
    Effect,
    Fate,
    FiveTuple,
    Path,
    Placed,
    Point,
    Step,
)
from maillab.net.rules import NO_EFFECTS, Rule

if TYPE_CHECKING:
    from maillab.net.gateway import Forward, Gateway
    from maillab.net.host import Host
    from maillab.net.network import Network
    from maillab.net.subnet import Subnet

MOST_HOPS = 32
NOWHERE = ""  # where a packet is seen that its own host's firewall stops
FATES: dict[str, tuple[Fate, str]] = {
    "drop": ("lost", "is dropped"),
    "reject": ("refused", "is refused"),
    "prohibit": ("prohibited", "is prohibited"),
    "tarpit": ("tarpit", "is held in a tarpit"),
}


class Walk:
    """One packet on its way."""

    def __init__(
        self,
        network: "Network",
        host: "Host",
        flow: FiveTuple,
        *,
        probe: bool = False,
        connection: str = "",
    ) -> None:
        self._network = network
        self._probe = probe
        self._connection = connection
        self._now = network.loop.time()
        self._flow = flow
        self._points = [Point(host.name, 0.0, flow)]
        self._steps: list[Step] = []
        self._effects: list[Placed] = []
        self._tracked: list[Tracked] = []
        self._counted: list[Rule] = []
        self._router: Gateway | None = None  # the last one that passed it on
        self._unsaved: list[tuple[Host, Tracked]] = []
        self.path = Path(network.version, host, flow, flow)

    def go(self) -> Path:
        """Walk until the packet ends somewhere."""
        from maillab.net.gateway import Gateway

        host = self.path.source
        if not self._leaves(host):
            return self._finished()
        subnet: Subnet | None = host.towards(self._flow.dst[0])
        hops = 0
        while subnet is not None:
            hops += 1
            if hops > MOST_HOPS:
                raise LabError(f"{self._flow} goes round in circles at {subnet.name}")
            node = subnet.owner(self._flow.dst[0])
            if isinstance(node, Gateway):
                side = node.subnet_of(self._flow.dst[0])
                subnet = (
                    self._own_address(node)
                    if side is node.inside
                    else (self._inward(node))
                )
            elif node is not None:
                subnet = self._arrive(node)
            else:
                subnet = self._next(subnet)
        return self._finished()

    # The two ends ---------------------------------------------------------------------

    def _leaves(self, host: "Host") -> bool:
        if not host.up or self._flow.src[0] not in host.addresses:
            self._end("lost", None)
            return False
        if not self._screen(host, "out"):
            self._points[0] = Point(NOWHERE, 0.0, self._flow)
            self.path.lost_at = ""
            return False
        self._points[0] = Point(host.name, 0.0, self._flow)
        self._ride(host, host.uplink)
        return True

    def _arrive(self, node: "Host") -> None:
        """At the last host; through its firewall."""
        self._ride(node, node.downlink)
        if not node.up:
            self._end("lost", None)
            return
        self._point(node.name)
        if self._screen(node, "in"):
            self._end("delivered", node)

    def _finished(self) -> Path:
        path = self.path
        path.arrives = self._flow
        between = self._steps or any("/" in point.place for point in self._points)
        path.points = tuple(self._points) if between else ()
        path.steps = tuple(self._steps)
        path.effects = tuple(self._effects)
        path.tracked = tuple(self._tracked)
        path.counted = tuple(self._counted)
        path.unsaved = tuple(self._unsaved)
        return path

    # Gateways -------------------------------------------------------------------------

    def _next(self, subnet: "Subnet") -> "Subnet | None":
        """Nobody here has the address: inwards, outwards, or nowhere."""
        inner = subnet.find_inner(self._flow.dst[0])
        if inner is not None and inner is not self.path.source:
            return self._inward(inner)
        uplink = subnet.uplink
        if uplink is None or (subnet.prefixes and subnet.covers(self._flow.dst[0])):
            self._end("no host", self._router)
            return None
        return self._outward(uplink)

    def _outward(self, gateway: "Gateway") -> "Subnet | None":
        if not self._is_on(gateway):
            return None
        self._point(f"{gateway.name}/inside")
        if self._flow.dst[0] in gateway.outside_addresses:
            return self._turn_back(gateway)
        if not self._screen(gateway, "out"):
            return None
        self._point(f"{gateway.name}/outside")
        self._router = gateway
        self._ride(gateway, gateway.uplink)
        return gateway.outside

    def _inward(self, gateway: "Gateway") -> "Subnet | None":
        self._ride(gateway, gateway.downlink)
        if not self._is_on(gateway):
            return None
        self._point(f"{gateway.name}/outside")
        known = gateway.conntrack.find(self._flow, self._now)
        mine = self._flow.dst[0] in gateway.outside_addresses
        own = known is not None and known.original.src == self._flow.dst
        new = known is None and gateway.find_forward(self._flow) is None
        if mine and (own or new):  # an answer to the router itself, or unsolicited
            return self._own_address(gateway)
        if not self._screen(gateway, "in"):
            return None
        self._router = gateway
        self._point(f"{gateway.name}/inside")
        return gateway.inside

    def _own_address(self, gateway: "Gateway") -> None:
        """To the router itself: a service of its own, or an unsolicited packet."""
        inside = self._flow.dst[0] in gateway.inside_addresses
        if not self._is_on(gateway):
            return
        if inside or gateway.expects(self._flow):
            self._end("delivered", gateway)
            return
        drops = gateway.unsolicited == "drop"
        what = "is unsolicited: dropped" if drops else "is unsolicited: refused"
        self._step(gateway, "in", None, what, self._flow)
        if drops:
            self._end("lost", None)
        else:
            self._end("refused", gateway)

    def _turn_back(self, gateway: "Gateway") -> "Subnet | None":
        """From inside to our own outside address: hairpin (RFC 4787 §6, REQ-9)."""
        known = gateway.conntrack.find(self._flow, self._now)
        forward = gateway.find_forward(self._flow)
        if known is None and (forward is None or not gateway.hairpin):
            what = "is for the router itself: refused"
            self._step(gateway, "out", None, what, self._flow)
            self._end("refused", gateway)
            return None
        if known is None:
            known = self._turned_back(gateway, forward)
        before = self._flow
        self._flow = self._translated(known)
        self._tracked.append(known)
        self._step(gateway, "out", None, "is turned back", before)
        self._point(f"{gateway.name}/inside")
        return gateway.inside

    def _turned_back(self, gateway: "Gateway", forward: "Forward | None") -> Tracked:
        """A new hairpin flow. No rule sees it: it does not leave the network."""
        assert forward is not None, "the caller has looked"
        before = self._flow
        inner = before._replace(dst=forward.target(before))
        entry = self._entry(gateway, "out", before, gateway.masked(inner))
        step = Step(gateway.name, "out", None, "is turned back", before, before)
        self._remember(gateway, entry, step)
        return entry

    def _remember(self, place: "Host", entry: Tracked, step: Step) -> None:
        if self._probe:
            self._unsaved.append((place, entry))
        else:
            self._network.remember(place, entry, step, self._connection)

    def _entry(
        self, place: "Host", direction: Direction, before: FiveTuple, after: FiveTuple
    ) -> Tracked:
        """What a place remembers of a new flow; its rule is still to come."""
        version = place.firewall.version
        return Tracked(before, after, before, direction, None, version, self._now)

    def _is_on(self, place: "Host") -> bool:
        if place.up:
            return True
        self._end("lost", None)
        return False

    # Firewalls ------------------------------------------------------------------------

    def _screen(self, place: "Host", direction: Direction) -> bool:
        """Through the rules and the translation of one place."""
        if not place.filters:
            if place is not self.path.source and place.passes_on:
                self._step(place, direction, None, "passes", self._flow)
            return True
        entry = place.conntrack.find(self._flow, self._now)
        if entry is None:
            return self._new_flow(place, direction)
        reply = entry.original != self._flow
        if reply and not self._probe:
            entry.answered()
        rule = self._recheck(place, direction, entry)
        return self._pass_on(place, direction, entry, rule, reply=reply)

    def _new_flow(self, place: "Host", direction: Direction) -> bool:
        before = self._flow
        seen = place.translated_in(before) if direction == "in" else before
        rule = place.firewall.match(seen, direction)
        if rule is not None:
            self._counted.append(rule)
            if rule.ends:
                return self._stop(place, direction, rule)
        after = place.translated_out(seen, rule) if direction == "out" else seen
        entry = self._entry(place, direction, before, after)
        entry.seen, entry.rule = seen, rule
        if rule is not None:
            entry.effects = rule.effects()
        passed = self._pass_on(place, direction, entry, rule, reply=False)
        self._remember(place, entry, self._steps[-1])
        return passed

    def _recheck(
        self, place: "Host", direction: Direction, entry: Tracked
    ) -> Rule | None:
        """The rule for a packet of a flow that is open."""
        firewall = place.firewall
        if firewall.tracking == "keep":
            return entry.rule
        if firewall.tracking == "none":
            seen = self._flow if direction == "out" else self._translated(entry)
            rule = firewall.match(seen, direction)
        elif entry.rules_version == firewall.version:
            rule = entry.rule
        else:
            opened: Direction = "out" if entry.opened == "out" else "in"
            rule = firewall.match(entry.seen, opened)
            if not self._probe:
                if rule is not entry.rule:
                    entry.effects = rule.effects() if rule else NO_EFFECTS
                entry.rule, entry.rules_version = rule, firewall.version
        if rule is not None:
            self._counted.append(rule)
        return rule

    def _translated(self, entry: Tracked) -> FiveTuple:
        """How the packet looks behind this place."""
        if entry.original == self._flow:
            return entry.translated
        return entry.original.reply

    def _pass_on(
        self,
        place: "Host",
        direction: Direction,
        entry: Tracked,
        rule: Rule | None,
        *,
        reply: bool,
    ) -> bool:
        if rule is not None and rule.ends:
            return self._stop(place, direction, rule)
        before = self._flow
        self._flow = self._translated(entry)
        effect = entry.effects.towards(reply=reply)
        if effect is not None:
            self._place(place, effect)
        self._tracked.append(entry)
        self._step(place, direction, rule, self._what(before, rule), before)
        return True

    def _what(self, before: FiveTuple, rule: Rule | None) -> str:
        after = self._flow
        if rule is not None and rule.action == "redirect" and before.dst != after.dst:
            return "is redirected"
        if before.src != after.src and before.dst != after.dst:
            return "is turned back"
        if before.src != after.src:
            return "is translated"
        return "is forwarded" if before.dst != after.dst else "passes"

    def _stop(self, place: "Host", direction: Direction, rule: Rule) -> bool:
        fate, what = FATES[rule.action]
        if fate == "tarpit" and self._flow.protocol != "tcp":
            fate = "lost"
        self._step(place, direction, rule, what, self._flow)
        self._end(fate, place if fate != "lost" else None)
        return False

    # What is noted --------------------------------------------------------------------

    def _ride(self, host: "Host", effects: list[Effect]) -> None:
        """Along the line of a host."""
        for effect in effects:
            self._place(host, effect)
        self.path.latency += host.latency

    def _place(self, host: "Host", effect: Effect) -> None:
        point = self._points[-1].place
        self._effects.append(Placed(host, point, self.path.latency, effect))

    def _point(self, place: str) -> None:
        self._points.append(Point(place, self.path.latency, self._flow))

    def _step(
        self,
        place: "Host",
        direction: Direction,
        rule: Rule | None,
        what: str,
        before: FiveTuple,
    ) -> None:
        self._steps.append(Step(place.name, direction, rule, what, before, self._flow))

    def _end(self, fate: Fate, node: "Host | None") -> None:
        self.path.fate = fate
        self.path.node = node
        self.path.lost_at = self._points[-1].place if fate == "lost" else ""
