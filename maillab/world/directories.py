"""The directories of a world: where mail servers look for their users.

Goes in: `accounts` of the host tables, later the calls of an administrator. Comes out:
directories, and consoles for them.

    accounts = "memory"                        the mail server itself (the default)
    accounts = "sql"                           a database in memory, of this server
    accounts = "sql:sqlite:///accounts.db"     ... of this URL
    accounts = "directory:dc.company.example"  a domain controller, for several servers

    reversible_passwords = true                for CRAM-MD5: `store.passwords.Hasher`

Rule: salts come from the generator of the host on which the directory lives.
"""

import random
from collections.abc import Callable
from datetime import datetime

from maillab.net.host import Host
from maillab.net.network import Network
from maillab.store.accounts import Account, DirectoryBase, MemoryDirectory
from maillab.store.company import CompanyDirectory, DirectoryConsole, reachable
from maillab.store.passwords import Hasher
from maillab.world.choices import pick
from maillab.world.scenario import HostTable, Scenario, UserTable

Welcome = Callable[[Account, str], None]


class Directories:
    """The part of a `World` that is about accounts.

    directories   name of the host on which it lives -> `DirectoryBase`
    """

    scenario: Scenario
    network: Network
    hosts: dict[str, Host]
    directories: dict[str, DirectoryBase]

    def directory(self, name: str) -> DirectoryConsole:
        """The console for the users of a domain, a mail server, or a directory.

        `world.directory("company.example").create_user("zhangsan", "Tea-2026")`.
        Raises LabError.
        """
        owner = self.scenario.server_of(name)
        table = self.scenario.hosts.get(owner or name)
        place = place_of(owner or name, table) if table is not None else name
        directory = pick(place, self.directories, "directory")
        return DirectoryConsole(directory, name.lower() if owner else "", self._welcome)

    def _welcome(self, account: Account, password: str) -> None:
        """A new account needs a person who uses it."""
        raise NotImplementedError

    def _directory_of(self, name: str) -> DirectoryBase:
        """The directory that a mail server asks; it is made when nobody has one yet."""
        place = place_of(name, self.scenario.hosts[name])
        if place not in self.directories:
            self.directories[place] = self._make_directory(name, place)
        return self.directories[place]

    def _make_directory(self, name: str, place: str) -> DirectoryBase:
        table = self.scenario.hosts[name]
        kind, _, url = table.accounts.partition(":")
        domains = tuple(table.domains)
        hasher = Hasher(
            random.Random(f"{self.network.seed}:{place}:password salts"),
            reversible=table.reversible_passwords,
        )
        match kind:
            case "sql":
                return make_sql_directory(url, hasher, domains, self.network.now())
            case "directory":
                shared = dict.fromkeys(self._domains_at(place))
                return CompanyDirectory(
                    shared, hasher, reachable=lambda: self.hosts[place].up
                )
            case _:
                return MemoryDirectory(domains, hasher)

    def _domains_at(self, place: str) -> list[str]:
        return [
            domain
            for name, table in self.scenario.hosts.items()
            if place_of(name, table) == place
            for domain in table.domains
        ]


def enrol(directory: DirectoryBase, address: str, table: UserTable) -> Account:
    """Give a user of the scenario an account; a database may have it already."""
    account = directory.find_login(address)
    if account is None:
        return directory.add(address, table.password, table.name)
    directory.set_password(address, table.password)
    return account


def place_of(name: str, table: HostTable) -> str:
    """The host on which the directory of a mail server lives."""
    kind, _, where = table.accounts.partition(":")
    return where if kind == "directory" else name


def make_sql_directory(
    url: str, hasher: Hasher, domains: tuple[str, ...], now: datetime
) -> DirectoryBase:
    """A database, with its tables. Raises LabError.

    SQLAlchemy is imported by worlds that have one.
    """
    from maillab.store.sql_accounts import SqlDirectory

    created = now.replace(tzinfo=None)
    directory = SqlDirectory(
        url or "sqlite://", hasher, domains=domains, created=created
    )
    with reachable():
        directory.prepare()
    return directory
