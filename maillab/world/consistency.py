"""Does a scenario fit together? Checks that need more than one table.

Goes in: a loaded scenario. Comes out: everything that cannot work, with its line.
"""

from collections.abc import Iterator

from maillab.errors import ScenarioError
from maillab.world.directory_checks import bad_accounts, one_directory
from maillab.world.faults import mistakes
from maillab.world.mail_checks import settings_mistakes
from maillab.world.name_checks import bad_dns_faults, bad_resolvers
from maillab.world.network_checks import network_mistakes
from maillab.world.scenario import LoadedScenario


def inconsistencies(loaded: LoadedScenario) -> list[ScenarioError]:
    """All mistakes between the tables."""
    found = [
        *network_mistakes(loaded),
        *duplicate_domains(loaded),
        *bad_zones(loaded),
        *homeless_users(loaded),
        *servers_without_domains(loaded),
        *bad_accounts(loaded),
        *bad_settings(loaded),
        *bad_faults(loaded),
        *bad_resolvers(loaded),
        *bad_dns_faults(loaded),
    ]
    return sorted(found, key=lambda error: (str(error.file), error.line or 0))


def duplicate_domains(loaded: LoadedScenario) -> Iterator[ScenarioError]:
    """Two servers with the mailboxes of one domain."""
    owner: dict[str, str] = {}
    for name, host in loaded.scenario.hosts.items():
        for domain in host.domains:
            first = owner.setdefault(domain, name)
            if first != name and not one_directory(loaded, first, name):
                yield loaded.complaint(
                    ("hosts", name, "domains"),
                    f"the mailboxes of {domain} are at {first} already",
                )


def bad_zones(loaded: LoadedScenario) -> Iterator[ScenarioError]:
    """Zone files that are missing or wrong, and a world without a root."""
    for name in loaded.scenario.hosts:
        try:
            loaded.check_zones(name)
        except ScenarioError as error:
            yield error
    if not loaded.scenario.roots:
        yield loaded.complaint(
            ("hosts",),
            'no host serves the root zone: give one of them zones = { "." = "FILE" }',
        )


def homeless_users(loaded: LoadedScenario) -> Iterator[ScenarioError]:
    """Users whose domain has no server, or whose PC does not exist."""
    hosts = loaded.scenario.hosts
    for address, user in loaded.scenario.users.items():
        domain = address.rpartition("@")[2]
        if not loaded.scenario.server_of(domain):
            yield loaded.complaint(
                ("users", address),
                f"no host has the mailboxes of {domain}: add it to the domains of one",
            )
        if user.host and user.host not in hosts:
            known = ", ".join(hosts)
            yield loaded.complaint(
                ("users", address, "host"),
                f"there is no host {user.host!r}; the hosts are {known}",
            )


def servers_without_domains(loaded: LoadedScenario) -> Iterator[ScenarioError]:
    """Mail services with nobody to serve, and domains without a service."""
    for name, host in loaded.scenario.hosts.items():
        mail = [role for role in host.serves if role != "resolver"]
        if mail and not host.domains:
            yield loaded.complaint(
                ("hosts", name, "serves"),
                f"{name} serves {', '.join(mail)} for no domain: add "
                f'domains = ["name.example"]',
            )
        if host.domains and not mail:
            yield loaded.complaint(
                ("hosts", name, "domains"),
                f"{name} has mailboxes but serves no mail: add "
                f'serves = ["smtp", "submission", "pop3", "imap"]',
            )


def bad_settings(loaded: LoadedScenario) -> Iterator[ScenarioError]:
    """Settings of mail servers that cannot be meant, or that nobody reads."""
    for name, host in loaded.scenario.hosts.items():
        if host.mail.model_fields_set and not host.domains:
            yield loaded.complaint(
                ("hosts", name, "mail"),
                f"{name} is no mail server: its settings need domains and serves",
            )
        found = settings_mistakes(
            host.settings, reversible_passwords=host.reversible_passwords
        )
        for path, message in found:
            yield loaded.complaint(
                ("hosts", name, "mail", *path.split(".")), f"{path}: {message}"
            )


def bad_faults(loaded: LoadedScenario) -> Iterator[ScenarioError]:
    """Planned faults that can never strike, or that cannot be meant."""
    serving = [name for name, host in loaded.scenario.hosts.items() if host.serves]
    for number, table in enumerate(loaded.scenario.faults):
        for key, message in mistakes(table.fault, serving):
            yield loaded.complaint(("faults", str(number), key), f"{key}: {message}")
