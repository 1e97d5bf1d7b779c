"""What stands where in the network of a world, as it was when somebody looked.

Goes in: the running network. Comes out: `Net` values, each with its hosts and with the
gateways that lead further in.

Rule 1: what is taken down here does not change when the world goes on.
Rule 2: rules have the numbers by which `explain` and the trace call them, from 1.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from maillab.net.effects import Loss, Rate
from maillab.net.firewall import Firewall
from maillab.net.gateway import Gateway
from maillab.net.host import Host
from maillab.net.network import Network
from maillab.net.path import Effect
from maillab.net.rules import port_range
from maillab.net.subnet import Subnet
from maillab.trace.lines import clean
from maillab.trace.view import plural, socket_name

RolesOf = Callable[[str], Sequence[str]]
Hosts = dict[str, list[Host]]


@dataclass(frozen=True, slots=True)
class RuleSeen:
    """One rule of one place: its number, how many packets it decided about."""

    number: int
    hits: int
    what: str
    ends: bool  # nothing goes on behind it
    enabled: bool = True

    @property
    def has_stopped(self) -> bool:
        """Packets ended here."""
        return self.ends and self.hits > 0

    @property
    def told(self) -> str:
        """In one line: number, rule, hits."""
        off = "" if self.enabled else ", switched off"
        return f"rule {self.number}: {self.what}, {plural(self.hits, 'packet')}{off}"


@dataclass(frozen=True, slots=True)
class Place:
    """One host or gateway.

    roles     what it is there for, in words
    ports     where it listens: "tcp 25, 587", "udp 53"
    line      what is special about its line: latency, bandwidth, loss
    tracking  what becomes of open flows when rules change (`net.firewall`)
    """

    name: str
    network: str
    addresses: tuple[str, ...]
    up: bool
    line: str
    roles: tuple[str, ...]
    ports: tuple[str, ...]
    rules: tuple[RuleSeen, ...]
    tracking: str


@dataclass(frozen=True, slots=True)
class Translation:
    """One row of a NAT's table; `left` is in seconds."""

    protocol: str
    inside: str
    outside: str
    remote: str
    left: int


@dataclass(frozen=True, slots=True)
class Door:
    """A gateway: a place with a network behind it."""

    place: Place
    outside_addresses: tuple[str, ...]
    inside_addresses: tuple[str, ...]
    nat: str  # the address that stands for all inside; "" when none does
    forwards: tuple[str, ...]
    translations: tuple[Translation, ...]
    inside: "Net"

    @property
    def nat_told(self) -> str:
        """What its NAT does, in words; "" when it has none."""
        flows = plural(len(self.translations), "flow")
        return f"NAT: all inside look like {self.nat}; {flows} now" if self.nat else ""


@dataclass(frozen=True, slots=True)
class Net:
    """One network, with what hangs on it."""

    name: str
    prefixes: tuple[str, ...]
    hosts: list[Place] = field(default_factory=list[Place])
    doors: list[Door] = field(default_factory=list[Door])

    def walk(self) -> "Iterator[Net]":
        """This network and those behind its gateways."""
        yield self
        for door in self.doors:
            yield from door.inside.walk()


def nets_of(network: Network, roles_of: RolesOf) -> list[Net]:
    """Every network that has no way out, with all that lies behind its gateways."""
    hosts = _hosts_by_net(network.hosts.values())
    tops = [one for one in network.subnets.values() if one.uplink is None]
    return [_net(top, hosts, roles_of) for top in tops]


def _hosts_by_net(hosts: Iterable[Host]) -> Hosts:
    """The hosts of each network, without gateways."""
    found: Hosts = {}
    for host in hosts:
        if not isinstance(host, Gateway):
            found.setdefault(host.subnet.name, []).append(host)
    return found


def _net(subnet: Subnet, hosts: Hosts, roles_of: RolesOf) -> Net:
    net = Net(clean(subnet.name), tuple(map(str, subnet.prefixes)))
    net.hosts.extend(_place(h, net.name, roles_of) for h in hosts.get(subnet.name, ()))
    net.doors.extend(_door(one, net.name, hosts, roles_of) for one in subnet.inner)
    return net


def _place(host: Host, network: str, roles_of: RolesOf) -> Place:
    ports = (("tcp", sorted(host.tcp_ports)), ("udp", sorted(host.udp_ports)))
    return Place(
        clean(host.name),
        network,
        host.addresses,
        host.up,
        line_words(host),
        tuple(clean(role) for role in roles_of(host.name)),
        tuple(f"{name} {', '.join(map(str, found))}" for name, found in ports if found),
        tuple(_rules(host.firewall)),
        host.firewall.tracking,
    )


def _door(gateway: Gateway, network: str, hosts: Hosts, roles_of: RolesOf) -> Door:
    return Door(
        _place(gateway, network, roles_of),
        gateway.outside_addresses,
        gateway.inside_addresses,
        gateway.public_address if gateway.nat else "",
        tuple(_forwards(gateway)),
        tuple(_translations(gateway)),
        _net(gateway.inside, hosts, roles_of),
    )


def _rules(firewall: Firewall) -> Iterator[RuleSeen]:
    for number, rule in enumerate(firewall, 1):
        yield RuleSeen(number, rule.hits, clean(rule), rule.ends, rule.enabled)


def _forwards(gateway: Gateway) -> Iterator[str]:
    """One text for each target: "tcp 25, 587 → mail.home.example"."""
    ports: dict[tuple[str, str], list[str]] = {}
    for one in gateway.forwards:
        owner = gateway.inside.owner(one.to)
        port = f" port {one.to_port}" if one.to_port else ""
        target = f"{clean(owner.name) if owner is not None else one.to}{port}"
        ports.setdefault((one.protocol, target), []).append(port_range(one.ports))
    for (protocol, target), names in ports.items():
        yield f"{protocol} {', '.join(names)} → {target}"


def _translations(gateway: Gateway) -> Iterator[Translation]:
    now = gateway.loop.time()
    for entry in gateway.conntrack:
        if entry.expired(now) or entry.original == entry.translated:
            continue
        there, here = entry.original, entry.translated
        out = entry.opened == "out"
        yield Translation(
            there.protocol,
            inside=socket_name(there.src if out else here.dst),
            outside=socket_name(here.src if out else there.dst),
            remote=socket_name(here.dst if out else here.src),
            left=round(entry.lifetime - (now - entry.used)),
        )


def line_words(host: Host) -> str:
    """Latency, bandwidth and loss: "6 ms, up 10 Mbit/s, down 50 Mbit/s"."""
    lines = (("up", host.uplink), ("down", host.downlink))
    words = [f"{host.latency * 1000:g} ms"]
    words += [word for name, found in lines for word in _effect_words(name, found)]
    return ", ".join(words)


def _effect_words(name: str, effects: Sequence[Effect]) -> Iterator[str]:
    for effect in effects:
        if isinstance(effect, Rate):
            yield f"{name} {effect.rate * 8 / 1e6:g} Mbit/s"
        elif isinstance(effect, Loss):
            yield f"{name} {effect.probability:.1%} lost"
