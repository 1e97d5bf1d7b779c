"""A world in words: who is there, with which address, serving what."""

from collections.abc import Iterator

from maillab.world.scenario import HostTable
from maillab.world.world import World


def describe(world: World) -> str:
    """Hosts, users and what to do next, for a terminal."""
    scenario = world.scenario
    parts = [scenario.title, scenario.story, "", *hosts(world), "", *people(world)]
    parts += ["", f"Let real programs in: maillab world {world.name} --live"]
    return "\n".join(parts)


def hosts(world: World) -> Iterator[str]:
    """One row for each computer."""
    tables = world.scenario.hosts
    width = max(len(name) for name in tables)
    for name, table in tables.items():
        what = f"  {purpose(table)}".rstrip()
        yield f"  {name:<{width}}  {', '.join(table.address):<15}{what}"


def purpose(table: HostTable) -> str:
    """What a host is for."""
    words: list[str] = []
    if table.serves:
        words.append(f"{', '.join(table.serves)} for {', '.join(table.domains)}")
    if table.zones:
        words.append(f"DNS for {', '.join(table.zones)}")
    return "; ".join(words)


def people(world: World) -> Iterator[str]:
    """One row for each user."""
    for user in world.users.values():
        yield f"  {user.address}, password {user.password}, sits at {user.host.name}"
