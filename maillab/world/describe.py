"""A world in words: who is there, with which address, serving what."""

from collections.abc import Iterator

from maillab.net.gateway import Gateway
from maillab.net.rules import port_range
from maillab.trace.view import plural
from maillab.world.scenario import HostTable
from maillab.world.world import World


def describe(world: World) -> str:
    """Hosts, users and what to do next, for a terminal."""
    scenario = world.scenario
    parts = [scenario.title, scenario.story, "", *networks(world), *hosts(world)]
    parts += ["", *people(world)]
    parts += ["", *how_to_ask(world)]
    parts += ["", f"Let real programs in: maillab world {world.name} --live"]
    return "\n".join(parts)


def networks(world: World) -> Iterator[str]:
    """One row for each gateway, and its rules and forwards below."""
    for name, gateway in world.gateways.items():
        inside, outside = gateway.inside, gateway.outside
        prefixes = ", ".join(str(prefix) for prefix in inside.prefixes)
        nat = f", all as {gateway.public_address} (NAT)" if gateway.nat else ""
        yield f"  {name}: {inside.name} ({prefixes}) to {outside.name}{nat}"
        yield from forwards(world, gateway)
        yield from (f"    {rule}" for rule in gateway.firewall)
    if world.gateways:
        yield ""


def forwards(world: World, gateway: Gateway) -> Iterator[str]:
    """What comes to its outside address goes to whom, one row for each of them."""
    ports: dict[str, list[str]] = {}
    for one in gateway.forwards:
        owner = gateway.inside.owner(one.to)
        target = owner.name if owner is not None else one.to
        port = f" port {one.to_port}" if one.to_port else ""
        row = ports.setdefault(f"{target}{port}", [])
        row.append(f"{one.protocol} {port_range(one.ports)}")
    for target, names in ports.items():
        yield f"    forwards {', '.join(names)} → {target}"


def hosts(world: World) -> Iterator[str]:
    """One row for each computer."""
    tables = world.scenario.hosts
    width = max(len(name) for name in tables)
    for name, table in tables.items():
        what = f"  {purpose(name, table, world)}".rstrip()
        row = f"  {name:<{width}}  {', '.join(table.address):<15}{what}"
        yield row.rstrip()


def purpose(name: str, table: HostTable, world: World) -> str:
    """What a host is for, where it is, what its firewall says."""
    words: list[str] = []
    mail = [role for role in table.serves if role != "resolver"]
    if mail:
        words.append(f"{', '.join(mail)} for {', '.join(table.domains)}")
        if table.personality != "maillab":
            words.append(f"personality {table.personality}")
    if "resolver" in table.serves:
        words.append("resolves names for others")
    if table.zones:
        words.append(f"DNS for {', '.join(table.zones)}")
    if table.network in world.scenario.networks:
        words.append(f"in {table.network}")
    count = len(world.hosts[name].firewall)
    if count:
        words.append(f"a firewall with {plural(count, 'rule')}")
    return "; ".join(words)


def how_to_ask(world: World) -> Iterator[str]:
    """What one types in Python to see how a mail server is configured."""
    for name in list(world.servers)[:1]:
        yield f"In Python: world = maillab.open_world({world.name!r})"
        yield f"  world.settings({name!r})  # all settings of a server; its queue:"
        yield f"  world.queue({name!r})     # and after any refusal: world.why()"


def people(world: World) -> Iterator[str]:
    """One row for each user."""
    for user in world.users.values():
        yield f"  {user.address}, password {user.password}, sits at {user.host.name}"
