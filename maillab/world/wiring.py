"""The network of a world: how it is laid, and how people change it while it runs.

Goes in: the tables of the scenario, later the calls of scripts and notebooks. Comes
out: subnets, gateways, firewalls, and what happens to them when their time comes.
"""

from typing import Any

from pydantic import ValidationError

from maillab.dns.nameserver import NameServer
from maillab.dns.resolver import Resolver
from maillab.dns.stub import StubResolver
from maillab.errors import LabError
from maillab.net import presets
from maillab.net.effects import Loss, Rate
from maillab.net.firewall import Firewall
from maillab.net.gateway import Gateway
from maillab.net.host import Host
from maillab.net.network import Network
from maillab.net.path import Address
from maillab.net.rules import Rule, parsed
from maillab.net.subnet import INTERNET, Subnet
from maillab.world.choices import pick
from maillab.world.complaints import first_sentence
from maillab.world.explain import Explanation
from maillab.world.network_checks import is_port
from maillab.world.published import published_addresses
from maillab.world.scenario import HostTable, Scenario
from maillab.world.servers import MailServer
from maillab.world.topology import (
    Filter,
    ForwardTable,
    GatewayTable,
    Line,
    RuleTable,
    TimelineTable,
)
from maillab.world.user import User


class Wiring:
    """The part of a `World` that is about the network."""

    scenario: Scenario
    network: Network
    hosts: dict[str, Host]
    gateways: dict[str, Gateway]
    users: dict[str, User]
    servers: dict[str, MailServer]
    name_servers: dict[str, NameServer]
    resolvers: dict[str, Resolver | StubResolver]

    # Laying it ------------------------------------------------------------------------

    def _lay_networks(self) -> None:
        """Networks first, then gateways from the internet inwards."""
        self.gateways = {}
        for name, table in self.scenario.networks.items():
            self.network.add_subnet(Subnet(name, table.prefix))
        for name, table in self.scenario.gateways.items():
            self.gateways[name] = self._gateway(name, table)

    def _gateway(self, name: str, table: GatewayTable) -> Gateway:
        subnets = self.network.subnets
        gateway = Gateway(
            self.network,
            name,
            subnets[table.inside],
            subnets[table.outside],
            table.inside_address,
            table.address,
            latency=table.latency_ms / 1000,
        )
        gateway.nat = table.nat
        gateway.hairpin = table.hairpin
        gateway.unsolicited = table.unsolicited
        lay_line(gateway, table)
        return gateway

    def _set_up_filters(self) -> None:
        """Rules, presets, forwards: they name hosts, so hosts come first."""
        places: dict[str, HostTable | GatewayTable] = {
            **self.scenario.gateways,
            **self.scenario.hosts,
        }
        for name, table in places.items():
            self._filter(self.place(name), table)
        for name, table in self.scenario.gateways.items():
            for forward in table.forward:
                self._forward(self.gateways[name], forward)
        for happening in self.scenario.timeline:
            self.network.loop.call_at(happening.at, self._happen, happening)

    def _filter(self, place: Host, table: Filter) -> None:
        for rule in table.rules:
            place.firewall.add(rule.rule(self.target(rule.to)))
        for preset in table.presets:
            presets.apply(preset.name, place, self.target(preset.to))
        if table.tracking is not None:
            place.firewall.tracking = table.tracking

    def _forward(self, gateway: Gateway, table: ForwardTable) -> None:
        target = self._forward_target(table.to)
        for ports in table.ports:
            gateway.forward(table.protocol, ports, target[0], table.to_port)

    def _forward_target(self, text: str) -> Address:
        """An IPv4 address, if it has one: no other is translated."""
        target = self.target(text)
        if target is None:
            raise LabError("forward(gateway, ports, to): to must be a host")
        found = {**self.hosts, **self.gateways}.get(text.partition(":")[0])
        mine = [ip for ip in found.addresses if ":" not in ip] if found else []
        return (mine or [target[0]])[0], target[1]

    def _happen(self, table: TimelineTable) -> None:
        """One entry of the timeline."""
        if table.address is not None:
            self.change_address(table.host, table.address, table.old_address or "")
        elif table.power == "off":
            self.power_off(table.host)
        else:
            self.power_on(table.host)

    # Looking things up ----------------------------------------------------------------

    def place(self, name: str | Host) -> Host:
        """A host or a gateway. Raises LabError."""
        if isinstance(name, Host):
            return name
        return pick(name, {**self.hosts, **self.gateways}, "host or gateway")

    def gateway(self, name: str) -> Gateway:
        """A gateway. Raises LabError."""
        return pick(name, self.gateways, "gateway")

    def firewall(self, name: str | Host) -> Firewall:
        """The rules of a host or gateway, with their hit counters. Raises LabError."""
        return self.place(name).firewall

    def target(self, text: str) -> Address | None:
        """`HOST`, `HOST:PORT` or an address, as an IP address and a port (or 0)."""
        if not text:
            return None
        try:
            return str(parsed(text)), 0
        except ValueError:
            name, _, port = text.partition(":")
        try:
            address = str(parsed(name))
        except ValueError:
            address = self.place(name).addresses[0]
        return address, check_port(port, text)

    def explain(
        self, source: str | Host, target: str, port: int, protocol: str = "tcp"
    ) -> Explanation:
        """Would a connection get through? Hop by hop, with the rule that decides.

        `source`: a host, a user, or a domain (its mail server). `target`: an address, a
        name, or a host. Nothing is sent and nothing is counted. Raises LabError.
        """
        place = self._seat(source)
        found = self._addresses_of_name(target)
        mine = [text for text in found if place.address_for(text)]
        address = (mine or found or [""])[0]
        return Explanation(place, target, (address, port), protocol, found)

    def _seat(self, name: str | Host) -> Host:
        """A host by its name, by a user who sits there, or by a domain it serves."""
        if isinstance(name, Host) or name in self.hosts or name in self.gateways:
            return self.place(name)
        for user in self.users.values():
            if name in (user.address, user.local_part):
                return user.host
        for server in self.servers.values():
            domains = server.directory.domains
            if any(name in (domain, domain.partition(".")[0]) for domain in domains):
                return server.host
        return self.place(name)

    def _addresses_of_name(self, text: str) -> list[str]:
        """What the zones say, without asking anybody; or the addresses of a host."""
        try:
            return [str(parsed(text))]
        except ValueError:
            pass
        found = published_addresses(self.name_servers.values(), text)
        if not found and text in self.network.hosts:
            return list(self.network.hosts[text].addresses)
        return found

    # Changing it ----------------------------------------------------------------------

    def add_rule(
        self, place: str | Host, *, at: int | None = None, **keys: Any
    ) -> Rule:
        """Give a host or gateway one more rule; return it, with its `hits`.

        The keys are those of scenario files: `world.add_rule("isp", action="drop",
        direction="out", protocol="tcp", ports=25)`. It comes last, or before the rule
        number `at` (from 0). Raises LabError.
        """
        try:
            table = RuleTable.model_validate(keys)
        except ValidationError as error:
            raise LabError(
                f"this is no rule: {first_sentence(error, RuleTable)}"
            ) from None
        return self.firewall(place).add(table.rule(self.target(table.to)), at)

    def remove_rule(self, place: str | Host, rule: Rule) -> None:
        """Take a rule out again. Raises LabError."""
        self.firewall(place).remove(rule)

    def add_preset(self, place: str | Host, name: str, to: str = "") -> list[Rule]:
        """Give a host or gateway the rules of a preset. Raises LabError."""
        return presets.apply(name, self.place(place), self.target(to))

    def forward(
        self, gateway: str, ports: int | range, to: str, protocol: str = "tcp"
    ) -> None:
        """Forward ports of a gateway's outside to a host inside. Raises LabError."""
        target = self._forward_target(to)
        self.gateway(gateway).forward(protocol, ports, *target)

    def power_off(self, name: str | Host) -> None:
        """Pull the plug of a host or gateway. Nobody hears a goodbye.

        What was in memory only is gone: connections, translations, answers of the DNS.
        """
        place = self.place(name)
        place.power_off()
        resolver = self.resolvers.get(place.name)
        if isinstance(resolver, Resolver):
            resolver.cache.flush()

    def power_on(self, name: str | Host) -> None:
        """Switch it on again. What it kept on disk is there: the queue, mailboxes."""
        self.place(name).power_on()

    def change_address(self, name: str | Host, new: str, old: str = "") -> None:
        """Give a host or gateway another address. Open connections end in silence.

        `old` may be left out: then it is the first one of the same IP version (of a
        gateway, on the outside). The DNS is not told. Raises LabError.
        """
        place = self.place(name)
        mine = (
            place.outside_addresses if isinstance(place, Gateway) else place.addresses
        )
        same = [text for text in mine if (":" in text) == (":" in new)]
        if not old and not same:
            raise LabError(f"{place.name} has no address to change: {', '.join(mine)}")
        place.renumber(old or same[0], new)


def subnet_of(network: Network, table: HostTable | None) -> Subnet:
    """The network that a host belongs to."""
    return network.subnets[table.network if table is not None else INTERNET]


def check_port(port: str, text: str) -> int:
    """What stands behind the colon; 0 when nothing does. Raises LabError."""
    if not is_port(port):
        raise LabError(f"{text!r}: {port!r} is no port; write a number up to 65535")
    return int(port or 0)


def lay_line(host: Host, table: Line) -> None:
    """Give a host its line: bandwidth and loss."""
    for rate, effects in (
        (table.bandwidth.up, host.uplink),
        (table.bandwidth.down, host.downlink),
    ):
        if rate:
            effects.append(Rate(rate))
        if table.loss:
            effects.append(Loss(table.loss))
