"""The DNS of a world: who asks whom, who serves what, and how people change it.

Goes in: the tables of the scenario, later the calls of scripts and notebooks. Comes
out: resolvers and name servers on hosts.

Rule: what a host asks is decided here and nowhere else: the resolver on its own, else
      the one of its host table, else of its network, else of the world; a host without
      any walks down from the root itself.
"""

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import dns.name
from dns.rdatatype import RdataType

from maillab.dns.answers import find_name, reverse_of, text_of
from maillab.dns.editing import delegation
from maillab.dns.faults import DnsFault, checked_type
from maillab.dns.nameserver import NameServer
from maillab.dns.resolver import Resolver, Step
from maillab.dns.stub import StubResolver
from maillab.dns.zones import Zone
from maillab.errors import LabError
from maillab.net.host import Host
from maillab.net.network import checked_address
from maillab.trace.dnswalk import FreshWalk
from maillab.world.choices import pick
from maillab.world.lookups import Asking, CacheView, Dig, look_up
from maillab.world.scenario import LoadedScenario, Scenario
from maillab.world.zone_handle import ZoneHandle, parent_of, served_zones

RESOLVES = "resolver"  # the role in `serves`
Result = TypeVar("Result")


class ResolverHandle:
    """What one host remembers of the DNS."""

    def __init__(self, host: str, resolver: Resolver) -> None:
        self._host = host
        self._resolver = resolver

    def cache(self) -> CacheView:
        """What it remembers at this moment, with the seconds that are left."""
        return CacheView(self._host, self._resolver.cache.rows())

    def flush(self) -> None:
        """Forget everything."""
        self._resolver.cache.flush()

    def __repr__(self) -> str:
        return f"<Resolver at {self._host}>"


class Names:
    """The part of a `World` that is about names: docs/dns.md.

    resolvers     host name -> what its programs ask with
    name_servers  host name -> what answers on its port 53
    """

    scenario: Scenario
    hosts: dict[str, Host]
    resolvers: dict[str, Resolver | StubResolver]
    name_servers: dict[str, NameServer]

    def run(
        self, coroutine: Coroutine[Any, Any, Result], *, on: str | Host = ""
    ) -> Result:
        """`World.run`."""
        raise NotImplementedError

    def host(self, name: str | Host) -> Host:
        """`World.host`."""
        raise NotImplementedError

    # Asking ---------------------------------------------------------------------------

    def dig(  # noqa: PLR0913  (the options of dig)
        self,
        name: str,
        rdtype: str = "A",
        *,
        host: str = "",
        server: str = "",
        recurse: bool = True,
        tcp: bool = False,
    ) -> Dig:
        """Ask the DNS, from a host (the first one if none is named).

        Without `server` it is asked as the programs of that host ask; else that server,
        a host name or an address. `name` may be an address, for its PTR record.
        Raises LabError.
        """
        place = self._place(host)
        resolver = self.resolvers[place.name]
        if server:
            address = self._address_of(server, place)
        elif isinstance(resolver, StubResolver):
            direct = not recurse or tcp
            address = resolver.servers[0] if direct else ""
        elif recurse and not tcp:
            address = ""
        else:
            known = ", ".join(self.name_servers)
            raise LabError(
                f"{place.name} asks no server but walks from the root itself: say "
                f"which one is meant, by server=; there are {known}"
            )
        owner, kind = asked_name(name, rdtype), checked_type(rdtype)
        asking = Asking(owner, RdataType.make(kind), address, recurse, tcp)
        return self.run(look_up(place, resolver, asking), on=place)

    def dns_walk(self, name: str, rdtype: str = "A", *, host: str = "") -> FreshWalk:
        """Look a name up from the root down, with an empty memory; forget it again.

        The questions really travel, so they are in the trace. Raises LabError.
        """
        place = self._place(host)
        steps: list[Step] = []
        resolver = Resolver(self.scenario.roots, place, watch=steps.append)
        owner, kind = asked_name(name, rdtype), RdataType.make(checked_type(rdtype))
        answer = self.run(resolver.look_up(owner, kind), on=place)
        return FreshWalk(place.name, answer, steps)

    def resolver(self, host: str) -> ResolverHandle:
        """What a host remembers of the DNS: `.cache()`, `.flush()`. Raises LabError."""
        resolver = pick(host, self.resolvers, "host")
        if isinstance(resolver, StubResolver):
            asks = ", ".join(resolvers_of(self.scenario, host))
            raise LabError(f"{host} remembers nothing: it asks {asks}; look there")
        return ResolverHandle(host, resolver)

    def _place(self, name: str) -> Host:
        return self.host(name) if name else next(iter(self.hosts.values()))

    def _address_of(self, server: str, place: Host) -> str:
        """The address of a server, as `place` can reach it. Raises LabError."""
        if server not in self.hosts and find_address(server):
            return checked_address(server)
        addresses = self.host(server).addresses
        return next(filter(place.address_for, addresses), addresses[0])

    # Changing -------------------------------------------------------------------------

    def zone(self, name: str) -> ZoneHandle:
        """A zone, to look at and to edit, wherever it is served. Raises LabError."""
        return pick(plain(name), self._zones(), "zone")

    def delegate(self, domain: str, servers: Mapping[str, str | Sequence[str]]) -> None:
        """Let these name servers serve a domain from now on, new or moved.

        `world.delegate("beta.example", {"ns1.dnshost.example": ["198.51.100.9"]})`
        replaces the NS records and the glue in the zone above. Resolvers that remember
        the servers of before ask those until the TTL has passed. Raises LabError.
        """
        child = asked_name(domain, "NS")
        parent = parent_of(plain(domain), self._zones())
        wanted = {asked_name(name, "A"): listed(a) for name, a in servers.items()}
        what = f"{text_of(child)} is now served by {', '.join(servers)}"
        parent.change_all(lambda zone: delegation(zone, child, wanted), what)

    def serve_zone(self, host: str, origin: str, zone_text: str) -> ZoneHandle:
        """Let a host serve a zone, new or in place of that of before.

        Port 53 is opened if it is not open yet. Raises ScenarioError for a bad zone.
        """
        place = self.host(host)
        zone = Zone.from_text(zone_text, origin)
        server = self.name_servers.get(place.name)
        if server is None:
            server = self.name_servers[place.name] = NameServer(place)
            self.run(server.start(), on=place)
        server.zones[zone.origin] = zone
        place.emit("note", text=f"serves {plain(origin)}, serial {zone.serial}")
        return self.zone(origin)

    def dns_fault(
        self, host: str, name: str = "*", kind: str = "servfail", **keys: Any
    ) -> DnsFault:
        """Let a name server do something wrong from now on: docs/dns.md has all kinds.

        `world.dns_fault("ns.beta.example", "*.beta.example", "slow", seconds=3)`
        Returns it, with its `hits` and `remove()`. Raises LabError.
        """
        server = pick(host, self.name_servers, "name server")
        return server.plan(make_fault(kind, name, keys))

    def _zones(self) -> dict[str, ZoneHandle]:
        return served_zones(list(self.name_servers.values()))

    # Building -------------------------------------------------------------------------

    def _begin_names(self) -> None:
        self.resolvers = {}
        self.name_servers = {}

    def _add_resolver(self, host: Host) -> None:
        """Tell a host whom to ask."""
        serves = serves_resolver(self.scenario, host.name)
        asks = [] if serves else resolvers_of(self.scenario, host.name)
        resolver: Resolver | StubResolver
        if asks:
            resolver = StubResolver(lambda: self._addresses_of(asks), host)
        else:
            resolver = Resolver(self.scenario.roots, host, hurried=serves)
        host.resolve = resolver.addresses
        self.resolvers[host.name] = resolver

    def _addresses_of(self, names: list[str]) -> list[str]:
        return [address for name in names for address in self.hosts[name].addresses]

    async def _start_names(self, name: str, loaded: LoadedScenario) -> None:
        """Start the name server of a host, if it has one."""
        table = self.scenario.hosts[name]
        own = self.resolvers[name] if RESOLVES in table.serves else None
        if table.zones or own is not None:
            assert not isinstance(own, StubResolver)
            server = NameServer(self.hosts[name], loaded.zones_of(name), own)
            self.name_servers[name] = server
            for fault in self.scenario.dns_faults:
                if fault.host == name:
                    server.plan(fault.fault)
            await server.start()


def serves_resolver(scenario: Scenario, name: str) -> bool:
    """This host resolves for others."""
    table = scenario.hosts.get(name)
    return table is not None and RESOLVES in table.serves


def resolvers_of(scenario: Scenario, name: str) -> list[str]:
    """The hosts that this host asks; [] when it walks from the root itself."""
    table = scenario.hosts.get(name)
    network = scenario.networks.get(table.network) if table is not None else None
    for place in (table, network, scenario):
        if place is not None and place.resolver:
            return place.resolver
    return []


# What people type ---------------------------------------------------------------------


def make_fault(kind: str, name: str, keys: Mapping[str, Any]) -> DnsFault:
    """A fault. Raises LabError for what it cannot be."""
    known = [field.name for field in fields(DnsFault) if field.init]
    for key in keys:
        pick(key, dict.fromkeys(known), "key of a DNS fault")
    return DnsFault(kind, name, **keys)


def asked_name(name: str, rdtype: str) -> dns.name.Name:
    """A domain name; of an address, for PTR, the name in the reverse tree.

    Raises LabError.
    """
    if rdtype.upper() == "PTR" and find_address(name):
        name = reverse_of(name)
    found = find_name(name)
    if found is None:
        raise LabError(
            f"{name!r} is no domain name: labels of 1 to 63 octets with dots between "
            f"them, 255 in all (RFC 1035 §2.3.4)"
        )
    return found


def find_address(text: str) -> str:
    """The IP address that a text is, or ""."""
    try:
        return checked_address(text)
    except LabError:
        return ""


def plain(name: str) -> str:
    """A zone's name as the table of zones has it."""
    return name.lower().rstrip(".") or "."


def listed(addresses: str | Sequence[str]) -> list[str]:
    """One address may stand for a list of one."""
    return [addresses] if isinstance(addresses, str) else list(addresses)
