"""Does the DNS of a scenario fit together?

Goes in: a loaded scenario. Comes out: what cannot work, with its line.
"""

from collections.abc import Collection, Iterator
from difflib import get_close_matches

from maillab.errors import LabError, ScenarioError
from maillab.world.scenario import LoadedScenario

Where = tuple[str, ...]


def bad_resolvers(loaded: LoadedScenario) -> Iterator[ScenarioError]:
    """Hosts that are to ask somebody who does not answer."""
    scenario = loaded.scenario
    places: list[tuple[Where, list[str]]] = [(("resolver",), scenario.resolver)]
    for name, network in getattr(scenario, "networks", {}).items():
        places.append((("networks", name), getattr(network, "resolver", [])))
    for name, host in scenario.hosts.items():
        places.append((("hosts", name), host.resolver))
        if host.resolver and "resolver" in host.serves:
            yield loaded.complaint(
                ("hosts", name, "resolver"),
                f"{name} resolves for itself and others, from the root down: leave "
                f'out either resolver = … or serves = ["resolver"]',
            )
    for where, names in places:
        path = where if where == ("resolver",) else (*where, "resolver")
        for name in names:
            message = not_resolving(loaded, name)
            if message:
                yield loaded.complaint(path, message)


def not_resolving(loaded: LoadedScenario, name: str) -> str:
    """Why a host cannot be asked, or ""."""
    hosts = loaded.scenario.hosts
    if name not in hosts:
        return f"there is no host {name!r}{meant(name, hosts)}"
    if "resolver" not in hosts[name].serves:
        return f'{name} resolves for nobody: give it serves = ["resolver"]'
    return ""


def bad_dns_faults(loaded: LoadedScenario) -> Iterator[ScenarioError]:
    """Planned faults of the DNS that cannot be."""
    hosts = loaded.scenario.hosts
    serving = [
        name for name, host in hosts.items() if host.zones or "resolver" in host.serves
    ]
    for number, table in enumerate(loaded.scenario.dns_faults):
        where = ("dns_faults", str(number))
        if table.host not in serving:
            yield loaded.complaint(
                (*where, "host"),
                f"no name server is called {table.host!r}{meant(table.host, serving)}",
            )
        try:
            _ = table.fault
        except LabError as error:
            yield loaded.complaint((*where, "kind"), str(error))


def meant(word: str, known: Collection[str]) -> str:
    """`; did you mean …?`, or what there is."""
    close = get_close_matches(word, known, 1)
    return (
        f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(known)}"
    )
