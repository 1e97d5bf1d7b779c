"""Does the network of a scenario fit together?

Goes in: a loaded scenario. Comes out: everything about networks, gateways, addresses,
rules, forwards and the timeline that cannot work, with its line.
"""

import ipaddress
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import combinations

from maillab.errors import ScenarioError
from maillab.net.presets import PRESETS
from maillab.net.rules import Block, parsed
from maillab.net.subnet import INTERNET
from maillab.world.scenario import LoadedScenario, Scenario
from maillab.world.topology import Filter, ForwardTable, GatewayTable, TimelineTable

Found = Iterator[ScenarioError]
MOST_PORTS = 65535


def network_mistakes(loaded: LoadedScenario) -> Found:
    """All of them. What builds on a mistake is looked at when that is repaired."""
    unknown = [*unknown_networks(loaded), *bad_gateways(loaded)]
    yield from unknown
    yield from unknown_places(loaded)
    if unknown:
        return
    yield from overlaps(loaded)
    yield from bad_addresses(loaded)
    yield from bad_forwards(loaded)
    yield from bad_timeline(loaded)


def unknown_networks(loaded: LoadedScenario) -> Found:
    """Hosts and gateways in networks that do not exist."""
    scenario = loaded.scenario
    for name, host in scenario.hosts.items():
        yield from unknown_network(loaded, ("hosts", name, "network"), host.network)
        if name in scenario.gateways:
            where = ("gateways", name)
            yield loaded.complaint(where, f"{name} is a host, too: rename one of them")
    for name, gateway in scenario.gateways.items():
        for key, network in (("inside", gateway.inside), ("outside", gateway.outside)):
            yield from unknown_network(loaded, ("gateways", name, key), network)
    if INTERNET in scenario.networks:
        where = ("networks", INTERNET)
        yield loaded.complaint(where, "the network internet is always there: rename")


def unknown_network(loaded: LoadedScenario, where: tuple[str, ...], name: str) -> Found:
    """A network that is not in the file."""
    known = [INTERNET, *loaded.scenario.networks]
    if name not in known:
        yield loaded.complaint(
            where, f"there is no network {name!r}{meant(name, known)}"
        )


def bad_gateways(loaded: LoadedScenario) -> Found:
    """Networks with two ways out, circles, gateways without an address outside."""
    ways: dict[str, str] = {INTERNET: "nobody"}
    for name, gateway in loaded.scenario.gateways.items():
        where = ("gateways", name, "inside")
        first = ways.setdefault(gateway.inside, name)
        if gateway.inside == INTERNET:
            yield loaded.complaint(where, "the internet is outside of every gateway")
        elif first != name:
            yield loaded.complaint(
                where,
                f"{gateway.inside} has the gateway {first} already; a network has one "
                f"way out",
            )
        elif gateway.inside in outwards(loaded.scenario, gateway.outside):
            yield loaded.complaint(where, f"{name} leads back into {gateway.inside}")
        yield from homeless_gateway(loaded, name, gateway)


def homeless_gateway(loaded: LoadedScenario, name: str, gateway: GatewayTable) -> Found:
    """NAT needs an address to translate to, and so does a port forwarding."""
    nat = gateway.nat or any(PRESETS[one.name].nat for one in gateway.presets)
    version_4 = [text for text in gateway.address if ":" not in text]
    if nat and not version_4:
        yield loaded.complaint(
            ("gateways", name),
            f"{name} translates addresses and has none outside: add address = "
            f'"IPV4 ADDRESS"',
        )
    if gateway.forward and not gateway.address:
        yield loaded.complaint(
            ("gateways", name, "forward"),
            f"{name} forwards ports and has no address outside: add address = …",
        )


def outwards(scenario: Scenario, network: str) -> list[str]:
    """A network and all behind its gateways, up to the internet."""
    found: list[str] = []
    while network not in found:
        found.append(network)
        ways = [g.outside for g in scenario.gateways.values() if g.inside == network]
        network = ways[0] if ways else network
    return found


# Addresses ----------------------------------------------------------------------------


def overlaps(loaded: LoadedScenario) -> Found:
    """Networks that share addresses, unless NAT keeps them apart."""
    networks = loaded.scenario.networks
    for (first, a), (second, b) in combinations(networks.items(), 2):
        shared = [(x, y) for x in a.prefix for y in b.prefix if overlap(x, y)]
        if shared and not kept_apart(loaded.scenario, first, second):
            x, y = shared[0]
            yield loaded.complaint(
                ("networks", second, "prefix"),
                f"{y} overlaps with {x} of {first}: give one of them another prefix",
            )


def overlap(a: Block, b: Block) -> bool:
    """Do two prefixes share an address?"""
    return a.version == b.version and a.overlaps(b)  # type: ignore[arg-type]


def kept_apart(scenario: Scenario, first: str, second: str) -> bool:
    """Each lies behind a NAT, and neither behind the other."""
    ways = [outwards(scenario, one) for one in (first, second)]
    if first in ways[1] or second in ways[0]:
        return False
    return all(behind_nat(scenario, one) for one in (first, second))


def behind_nat(scenario: Scenario, network: str) -> bool:
    """The gateway of this network translates."""
    return any(
        g.inside == network and (g.nat or any(PRESETS[p.name].nat for p in g.presets))
        for g in scenario.gateways.values()
    )


def bad_addresses(loaded: LoadedScenario) -> Found:
    """Addresses that two places have, or that are not of their network."""
    owners: dict[tuple[str, str], str] = {}
    for where, network, address in all_addresses(loaded.scenario):
        name = where[1]
        elsewhere = network_of(loaded.scenario, address) if network == INTERNET else ""
        if elsewhere:
            yield loaded.complaint(
                where,
                f"{name} is on the internet, but its address {address} is of the "
                f"network {elsewhere}",
            )
        first = owners.setdefault((network, address), name)
        if first != name:
            yield loaded.complaint(
                where,
                f"{name} and {first} both have the address {address}: give one of them "
                f"another",
            )
        prefixes = prefixes_of(loaded.scenario, network)
        if prefixes and not any(parsed(address) in block for block in prefixes):
            wanted = " or ".join(str(block) for block in prefixes)
            yield loaded.complaint(
                where,
                f"{name} is in the network {network}, but its address {address} is not "
                f"in {wanted}",
            )


def network_of(scenario: Scenario, address: str) -> str:
    """The network that an address of the internet would lead to; "" for none."""
    for name, table in scenario.networks.items():
        hidden = ":" not in address and behind_nat(scenario, name)
        if not hidden and any(parsed(address) in block for block in table.prefix):
            return name
    return ""


def all_addresses(
    scenario: Scenario,
) -> Iterator[tuple[tuple[str, str, str], str, str]]:
    """Where it stands, the network, the address."""
    for name, host in scenario.hosts.items():
        for address in host.address:
            yield ("hosts", name, "address"), host.network, address
    for name, gateway in scenario.gateways.items():
        for address in gateway.address:
            yield ("gateways", name, "address"), gateway.outside, address
        for address in gateway.inside_address:
            yield ("gateways", name, "inside_address"), gateway.inside, address


def prefixes_of(scenario: Scenario, network: str) -> list[Block]:
    """The prefixes of a network; [] of the internet."""
    table = scenario.networks.get(network)
    return list(table.prefix) if table else []


# Places that rules, forwards and the timeline name ------------------------------------


def unknown_places(loaded: LoadedScenario) -> Found:
    """Names of hosts that are not there."""
    scenario = loaded.scenario
    tables = (("hosts", scenario.hosts), ("gateways", scenario.gateways))
    for kind, places in tables:
        for name, place in places.items():
            yield from filter_mistakes(loaded, (kind, name), place)
    for number, table in enumerate(scenario.timeline):
        where = ("timeline", str(number), "host")
        yield from unknown_place(loaded, where, table.host)


def filter_mistakes(
    loaded: LoadedScenario, where: tuple[str, str], place: Filter
) -> Found:
    """Redirections to nowhere, and presets that a host cannot have."""
    for number, rule in enumerate(place.rules):
        if rule.to:
            yield from unknown_place(
                loaded, (*where, "rules", str(number), "to"), rule.to
            )
    for preset in place.presets:
        if preset.to:
            yield from unknown_place(loaded, (*where, "presets"), preset.to)
        if where[0] == "hosts" and PRESETS[preset.name].for_gateways_only:
            message = f"{where[1]} is no gateway: it cannot have {preset.name}"
            yield loaded.complaint((*where, "presets"), message)


def unknown_place(loaded: LoadedScenario, where: tuple[str, ...], text: str) -> Found:
    """`HOST`, `HOST:PORT` or an address."""
    name, _, port = text.partition(":") if text.count(":") == 1 else (text, "", "")
    if not is_port(port):
        message = f"{port!r} is no port; write a number up to 65535"
        yield loaded.complaint(where, f"{text!r}: {message}")
    known = [*loaded.scenario.hosts, *loaded.scenario.gateways]
    if name not in known and not is_address(name):
        yield loaded.complaint(where, f"there is no host {name!r}{meant(name, known)}")


def bad_forwards(loaded: LoadedScenario) -> Found:
    """Forwards to nobody, to somebody who is not inside, or of one port to two."""
    for name, gateway in loaded.scenario.gateways.items():
        inside = {
            address: where[1]
            for where, network, address in all_addresses(loaded.scenario)
            if ":" not in address and is_inside(loaded.scenario, gateway, network)
        }
        for number, forward in enumerate(gateway.forward):
            where = ("gateways", name, "forward", str(number))
            if forward.to not in inside and forward.to not in inside.values():
                yield loaded.complaint(
                    (*where, "to"),
                    f"{name} cannot forward to {forward.to!r}: nobody of this name or "
                    f"address is in {gateway.inside}; there are "
                    f"{', '.join(dict.fromkeys(inside.values()))}",
                )
            for port in taken_ports(gateway.forward[:number], forward):
                message = f"{name} forwards {forward.protocol} port {port} already"
                yield loaded.complaint((*where, "ports"), message)


def is_inside(scenario: Scenario, gateway: GatewayTable, network: str) -> bool:
    """Does the gateway reach IPv4 addresses of this network, behind no other NAT?"""
    way = outwards(scenario, network)
    if gateway.inside not in way:
        return False
    between = way[: way.index(gateway.inside)]
    return not any(behind_nat(scenario, one) for one in between)


def taken_ports(before: list[ForwardTable], forward: ForwardTable) -> list[int]:
    """The first port that an earlier forward has, if there is one."""
    spans = [s for one in before if one.protocol == forward.protocol for s in one.ports]
    mine = [port for span in forward.ports for port in span]
    return [port for port in mine if any(port in span for span in spans)][:1]


# The timeline -------------------------------------------------------------------------


def bad_timeline(loaded: LoadedScenario) -> Found:
    """Addresses that cannot be given when their time comes."""
    scenario = loaded.scenario
    owners = {(net, ip): where[1] for where, net, ip in all_addresses(scenario)}
    entries = sorted(enumerate(scenario.timeline), key=lambda entry: entry[1].at)
    for number, entry in entries:
        new = entry.address
        if new is None or entry.host not in owners.values():
            continue
        where = ("timeline", str(number), "address")
        old = old_address(owners, scenario, entry)
        if old is None:
            given = entry.old_address or "of this IP version to change"
            yield loaded.complaint(where, f"{entry.host} has no address {given} then")
            continue
        network, other = old[0], owners.get((old[0], new), entry.host)
        prefixes = prefixes_of(scenario, network)
        if other != entry.host:
            message = f"{other} has the address {new} then"
            yield loaded.complaint(where, message)
        elif prefixes and not any(parsed(new) in block for block in prefixes):
            wanted = " or ".join(str(block) for block in prefixes)
            yield loaded.complaint(where, f"{new} is not in {wanted} of {network}")
        else:
            del owners[old]
            owners[network, new] = entry.host


def old_address(
    owners: dict[tuple[str, str], str], scenario: Scenario, entry: TimelineTable
) -> tuple[str, str] | None:
    """The network and the address that changes; of a gateway one outside."""
    mine = [place for place, owner in owners.items() if owner == entry.host]
    if entry.old_address:
        return next((one for one in mine if one[1] == entry.old_address), None)
    gateway = scenario.gateways.get(entry.host)
    return next(
        (
            (network, address)
            for network, address in mine
            if gateway is None or network == gateway.outside
            if (":" in address) == (":" in (entry.address or ""))
        ),
        None,
    )


def is_port(text: str) -> bool:
    """A port number, or nothing."""
    return not text or (text.isdecimal() and 0 < int(text) <= MOST_PORTS)


def is_address(text: str) -> bool:
    """It is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def meant(name: str, known: list[str]) -> str:
    """`; did you mean 'isp'?` or the list of what there is."""
    close = get_close_matches(name, known, 1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
