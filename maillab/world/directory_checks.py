"""Do the directories of a scenario fit together?

Goes in: a loaded scenario. Comes out: what cannot work, with its line.
"""

from collections.abc import Iterator

from maillab.errors import ScenarioError
from maillab.world.scenario import LoadedScenario

PREFIX = "directory:"


def one_directory(loaded: LoadedScenario, one: str, other: str) -> bool:
    """Two mail servers ask one directory: then both may have a domain."""
    hosts = loaded.scenario.hosts
    places = {hosts[one].accounts, hosts[other].accounts}
    return len(places) == 1 and places.pop().startswith(PREFIX)


def bad_accounts(loaded: LoadedScenario) -> Iterator[ScenarioError]:
    """Directories on hosts that do not exist, or on one that has its own users."""
    hosts = loaded.scenario.hosts
    for name, table in hosts.items():
        place = table.accounts.removeprefix(PREFIX)
        where = ("hosts", name, "accounts")
        if place == table.accounts:
            continue
        if place not in hosts:
            known = ", ".join(hosts)
            message = f"there is no host {place!r}; the hosts are {known}"
            yield loaded.complaint(where, message)
        elif hosts[place].domains and hosts[place].accounts != table.accounts:
            message = f"{place} keeps users of its own: give it the same accounts"
            yield loaded.complaint(where, message)
