"""A router between two networks: it filters, translates addresses, forwards ports.

Goes in: a packet on one side. Comes out: the packet as it looks on the other side.

Rule 1: NAT is that of Linux: a table of flows (`net.conntrack`), the source port is
        kept when it is free, each remote address has its own mapping (RFC 4787 calls
        that address and port-dependent).
Rule 2: rules see the addresses of the inside: before translation on the way out, after
        it on the way in (Linux's FORWARD chain).
Rule 3: IPv6 is never translated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from maillab.errors import LabError
from maillab.net.host import DEFAULT_LATENCY, EPHEMERAL_PORTS, Host
from maillab.net.network import Network
from maillab.net.path import Address, FiveTuple
from maillab.net.rules import within
from maillab.net.subnet import Subnet

Unsolicited = Literal["drop", "reject"]


@dataclass(frozen=True, slots=True)
class Forward:
    """Port forwarding: what comes to our outside address goes to a host inside.

    to_port 0 keeps the port.
    """

    protocol: str
    ports: range
    to: str
    to_port: int = 0

    def target(self, flow: FiveTuple) -> Address:
        """Where a flow goes."""
        return (self.to, self.to_port or flow.dst[1])

    def __str__(self) -> str:
        first, last = self.ports[0], self.ports[-1]
        ports = f"{first}" if first == last else f"{first}-{last}"
        port = f" port {self.to_port}" if self.to_port else ""
        return f"{self.protocol} {ports} → {self.to}{port}"


class Gateway(Host):
    """A router. It is a host, too: it has addresses, and may be switched off."""

    def __init__(  # noqa: PLR0913 — a gateway has two sides
        self,
        network: Network,
        name: str,
        inside: Subnet,
        outside: Subnet,
        inside_addresses: Sequence[str],
        outside_addresses: Sequence[str] = (),
        *,
        latency: float = DEFAULT_LATENCY,
    ) -> None:
        if inside.uplink is not None:
            raise LabError(
                f"{inside.name} has the gateway {inside.uplink.name} already; a "
                f"network has one way out"
            )
        self.inside = inside
        self.outside = outside
        self.inside_addresses = tuple(inside_addresses)
        self.outside_addresses = tuple(outside_addresses)
        self.nat = False
        self.hairpin = True
        self.unsolicited: Unsolicited = "drop"
        self.forwards: list[Forward] = []
        addresses = (*self.outside_addresses, *self.inside_addresses)
        super().__init__(network, name, addresses, latency)
        inside.uplink = self
        outside.inner.append(self)

    def __repr__(self) -> str:
        return f"<Gateway {self.name}: {self.inside.name} | {self.outside.name}>"

    # The two sides --------------------------------------------------------------------

    def subnet_of(self, address: str) -> Subnet:
        """The side on which it has this address."""
        return self.inside if address in self.inside_addresses else self.outside

    def towards(self, destination: str) -> Subnet:
        """The side on which a packet of its own leaves."""
        inward = self.inside.owner(destination) or self.inside.find_inner(destination)
        near = self.inside.prefixes and self.inside.covers(destination)
        return self.inside if inward is not None or near else self.outside

    def uses_line(self, destination: str) -> bool:
        """Its line leads outwards."""
        return self.towards(destination) is self.outside

    def interface(self, destination: str) -> str:
        """One of its two sides."""
        side = "outside" if self.uses_line(destination) else "inside"
        return f"{self.name}/{side}"

    def address_for(self, destination: str) -> str:
        """Its address on the side of the destination (same IP version)."""
        side = self.towards(destination)
        mine = self.inside_addresses if side is self.inside else self.outside_addresses
        wants_v6 = ":" in destination
        same = [text for text in mine if (":" in text) == wants_v6]
        return same[0] if same else super().address_for(destination)

    def reaches(self, address: str) -> bool:
        """Does a packet from outside to this address go in here?"""
        return not (self.nat and ":" not in address) and self.leads_to(address)

    def leads_to(self, address: str) -> bool:
        """Is it an address of the inside?"""
        return bool(self.inside.prefixes) and (
            self.inside.covers(address) or self.inside.find_inner(address) is not None
        )

    def free_port(self) -> int:
        """The next ephemeral port that it has not lent to somebody inside."""
        lent = {entry.translated.src[1] for entry in self.conntrack}
        for _ in EPHEMERAL_PORTS:
            port = super().free_port()
            if port not in lent:
                return port
        raise LabError(f"{self.name} has no free port left")

    def expects(self, flow: FiveTuple) -> bool:
        """Is this for a service, or for a connection, of the router itself?"""
        port = flow.dst[1]
        if flow.protocol == "udp":
            return port in self.udp_ports
        return port in self.tcp_ports or port in self.busy_ports

    # Translation ----------------------------------------------------------------------

    def translated_out(self, flow: FiveTuple) -> FiveTuple:
        """How a new flow looks outside (source NAT)."""
        own = flow.src[0] in self.addresses
        if not (self.nat and self.public_address) or own or ":" in flow.dst[0]:
            return flow
        return self.masked(flow)

    def masked(self, flow: FiveTuple) -> FiveTuple:
        """The flow with our outside address as its source."""
        public, port = self.public_address, flow.src[1]
        now = self.loop.time()
        source = self.conntrack.free_source(flow, (public, port), now)
        return flow._replace(src=source)

    def translated_in(self, flow: FiveTuple) -> FiveTuple:
        """How a new flow from outside looks inside (port forwarding)."""
        if flow.dst[0] not in self.outside_addresses:
            return flow
        forward = self.find_forward(flow)
        return flow._replace(dst=forward.target(flow)) if forward else flow

    @property
    def passes_on(self) -> bool:
        """That is what it is for."""
        return True

    @property
    def filters(self) -> bool:
        """It looks at packets, rather than just passing them on."""
        return self.nat or bool(self.forwards) or super().filters

    @property
    def public_address(self) -> str:
        """The IPv4 address that stands for all inside."""
        return next((text for text in self.outside_addresses if ":" not in text), "")

    def find_forward(self, flow: FiveTuple) -> Forward | None:
        """The port forwarding for a flow to an outside address (IPv4 only: rule 3)."""
        if ":" in flow.dst[0]:
            return None
        return next(
            (
                one
                for one in self.forwards
                if one.protocol == flow.protocol and within(flow.dst[1], [one.ports])
            ),
            None,
        )

    def forward(
        self, protocol: str, ports: int | range, to: str, to_port: int = 0
    ) -> Forward:
        """Forward ports to an address inside. Raises LabError when nobody is there."""
        if ":" in to:
            raise LabError(
                f"{self.name} cannot forward to {to}: only IPv4 is translated; by IPv6 "
                f"who is inside can be reached at its own address"
            )
        if self.inside.owner(to) is None and self.inside.find_inner(to) is None:
            raise LabError(
                f"{self.name} cannot forward to {to}: nobody in {self.inside.name} has "
                f"this address"
            )
        span = ports if isinstance(ports, range) else range(ports, ports + 1)
        made = Forward(protocol, span, to, to_port)
        self.forwards.append(made)
        self.network.changed()
        return made

    def renumber(self, old: str, new: str) -> None:
        """Change an address. What was translated to the old one is forgotten."""
        sides = (self.outside_addresses, self.inside_addresses)
        super().renumber(old, new)
        outside, inside = (
            tuple(new if text == old else text for text in side) for side in sides
        )
        self.outside_addresses, self.inside_addresses = outside, inside
        self.conntrack.clear()

    def nat_text(self) -> str:
        """The translations as a table: inside, outside, remote, seconds left."""
        now = self.loop.time()
        rows = ["protocol inside                outside               remote"]
        for entry in self.conntrack:
            if entry.expired(now) or entry.original == entry.translated:
                continue
            a, b = entry.original, entry.translated
            inside, outside, remote = (
                (a.src, b.src, b.dst)
                if entry.opened == "out"
                else (b.dst, a.dst, b.src)
            )
            left = entry.lifetime - (now - entry.used)
            cells = [f"{ip}:{port}" for ip, port in (inside, outside, remote)]
            row = "{:<8} {:<21} {:<21} {:<21}".format(a.protocol, *cells)
            rows.append(f"{row} {left:,.0f} s left")
        return "\n".join(rows)
