"""The way of a packet through firewalls and gateways, place by place.

Goes in: a host and a flow. Comes out: a `Path`, with what stateful places on it must
remember of a new flow. A `probe` leaves no trace anywhere.
"""

from typing import TYPE_CHECKING

from maillab.errors import LabError
from maillab.net.conntrack import Tracked
from maillab.net.path import (
    Direction,
    Effect,
    Fate,
    FiveTuple,
    Memory,
    Path,
    Placed,
    Point,
    Step,
)
from maillab.net.rules import Rule

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
    ) -> None:
        self._network = network
        self._probe = probe
        self._now = network.loop.time()
        self._flow = flow
        self._points = [Point(host.name, 0.0, flow)]
        self._steps: list[Step] = []
        self._effects: list[Placed] = []
        self._tracked: list[Tracked] = []
        self._counted: list[tuple[Rule, int]] = []
        self._router: Gateway | None = None  # the last one that passed it on
        self._unsaved: list[Memory] = []
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
        if not self._is_on(host):
            return False
        if self._flow.src[0] not in host.addresses:
            self._end("lost", None)
            return False
        if not self._screen(host, "out"):
            self._points[0] = Point(NOWHERE, 0.0, self._flow)
            self.path.lost_at = ""
            return False
        place = host.interface(self._flow.dst[0])
        self._points[0] = Point(place, 0.0, self._flow)
        if host.uses_line(self._flow.dst[0]):
            self._ride(host, host.uplink)
        return True

    def _arrive(self, node: "Host") -> None:
        """At the last host; through its firewall."""
        self._ride(node, node.downlink)
        if not self._is_on(node):
            return
        self._point(node.name)
        if not self._screen(node, "in"):
            return
        if self._flow.dst[0] in node.addresses:
            self._end("delivered", node)
        else:  # redirected to somebody else; but hosts pass nothing on
            self._end("lost", None)

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
        self._router = gateway
        if gateway.leads_to(self._flow.dst[0]):  # redirected to a host inside
            self._point(f"{gateway.name}/inside")
            return gateway.inside
        self._point(f"{gateway.name}/outside")
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
        if inside and self._points[-1].place != f"{gateway.name}/inside":
            self._point(f"{gateway.name}/inside")
        if inside or gateway.expects(self._flow):
            self._end("delivered", gateway)
            return
        drops = gateway.unsolicited == "drop"
        what = "is unsolicited: dropped" if drops else "is unsolicited: refused"
        self._step(gateway, "in", None, what, self._flow)
        if drops:
            self._end("lost", None, decided=True)
        else:
            self._end("refused", gateway, decided=True)

    def _turn_back(self, gateway: "Gateway") -> "Subnet | None":
        """From inside to our own outside address: hairpin (RFC 4787 §6, REQ-9)."""
        known = gateway.conntrack.find(self._flow, self._now)
        forward = gateway.find_forward(self._flow)
        if known is None and (forward is None or not gateway.hairpin):
            what = "is for the router itself: refused"
            self._step(gateway, "out", None, what, self._flow)
            self._end("refused", gateway, decided=True)
            return None
        if known is None:
            known = self._turned_back(gateway, forward)
        if self._is_exhausted(gateway, self._flow, self._translated(known)):
            self._unsaved.pop()  # the one that was just made
            return None
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
        self._unsaved.append(Memory(gateway, entry, step, len(self._effects)))
        return entry

    def _entry(
        self, place: "Host", direction: Direction, before: FiveTuple, after: FiveTuple
    ) -> Tracked:
        """What a place remembers of a new flow; its rule is still to come."""
        version = place.firewall.version
        return Tracked(before, after, before, direction, None, version, self._now)

    def _is_on(self, place: "Host") -> bool:
        if place.up:
            return True
        self.path.off = place
        self._end("lost", None)
        return False

    # Firewalls ------------------------------------------------------------------------

    def _screen(self, place: "Host", direction: Direction) -> bool:
        """Through the rules and the translation of one place."""
        if not place.filters:
            if place is not self.path.source and place.passes_on:
                self._step(place, direction, None, "passes", self._flow)
            if place.firewall.tracking == "keep":
                self._watch(place, direction)
            return True
        entry = place.conntrack.find(self._flow, self._now)
        if entry is None:
            return self._new_flow(place, direction)
        reply = entry.original != self._flow
        if reply and not self._probe:
            entry.answered()
        rule = self._recheck(place, direction, entry)
        return self._pass_on(place, direction, entry, rule, reply=reply)

    def _watch(self, place: "Host", direction: Direction) -> None:
        """A place without rules: what passes now is open when the first one comes."""
        flow = self._flow
        entry = place.conntrack.find(flow, self._now)
        if entry is None:
            entry = self._entry(place, direction, flow, flow)
            step = Step(place.name, direction, None, "passes", flow, flow)
            self._unsaved.append(Memory(place, entry, step, len(self._effects)))
        elif entry.original != flow and not self._probe:
            entry.answered()
        self._tracked.append(entry)

    def _new_flow(self, place: "Host", direction: Direction) -> bool:
        before, behind = self._flow, len(self._effects)
        seen = place.translated_in(before) if direction == "in" else before
        rule = place.firewall.match(seen, direction)
        if rule is not None:
            self._counted.append((rule, behind))
            if rule.ends:
                return self._stop(place, direction, rule)
        after = rule.redirected(seen) if rule is not None else seen
        if direction == "out":
            after = place.translated_out(after)
        if self._is_exhausted(place, before, after):
            return False
        entry = self._entry(place, direction, before, after)
        entry.seen, entry.rule = seen, rule
        passed = self._pass_on(place, direction, entry, rule, reply=False)
        self._unsaved.append(Memory(place, entry, self._steps[-1], behind))
        return passed

    def _is_exhausted(self, place: "Host", flow: FiveTuple, after: FiveTuple) -> bool:
        """A NAT has no port left for one more flow to this remote address."""
        if after.src[1] or not flow.src[1]:
            return False
        self._step(place, "out", None, "has no port left: dropped", flow)
        self._end("lost", None, decided=True)
        return True

    def _recheck(
        self, place: "Host", direction: Direction, entry: Tracked
    ) -> Rule | None:
        """The rule for a packet of a flow that is open."""
        firewall = place.firewall
        if firewall.tracking == "keep" and entry.replied:
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
                entry.rule, entry.rules_version = rule, firewall.version
        if rule is not None:
            self._counted.append((rule, len(self._effects)))
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
        effect = entry.effects_of(rule).towards(reply=reply)
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
        self._end(fate, place if fate != "lost" else None, decided=True)
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

    def _end(self, fate: Fate, node: "Host | None", *, decided: bool = False) -> None:
        """`decided`: by the step that was noted last."""
        self.path.verdict = self._steps[-1] if decided else None
        self.path.fate = fate
        self.path.node = node
        self.path.lost_at = self._points[-1].place if fate == "lost" else ""
