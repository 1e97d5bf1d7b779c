"""The scenario file: which hosts, services, zones and users a world has.

Goes in: `world.toml` and the zone files beside it. Comes out: a checked `Scenario`.

Rule: whatever is wrong is said with the file, the line, what was found and what was
expected, before anything runs. `maillab check FILE` shows all of it at once.
"""

import ipaddress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)

from maillab.dns.zones import Zone
from maillab.errors import ScenarioError
from maillab.net.ca import RESERVED_NAMES
from maillab.net.network import EPOCH
from maillab.world.positions import line_of

Service = Literal["smtp", "submission", "pop3", "imap"]


def check_address(text: str) -> str:
    """An IP address in its canonical form."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(
            f"{text!r} is not an IP address; write one such as 192.0.2.25 or "
            f"2001:db8::25"
        ) from None


def check_domain(text: str) -> str:
    """A domain name that no real site has (RFC 2606 §2, RFC 6761)."""
    name = text.rstrip(".").lower()
    if any(name == top or name.endswith("." + top) for top in RESERVED_NAMES):
        return name
    raise ValueError(
        f"{text!r} may belong to somebody; a world uses names that are reserved for "
        f"examples (RFC 2606): end it in .example or .test"
    )


def check_mailbox_name(text: str) -> str:
    """user@domain."""
    local, at, domain = text.rpartition("@")
    if not (local and at and domain) or " " in text:
        raise ValueError(f"{text!r} is not a mail address; write user@domain")
    check_domain(domain)
    return text


def as_list(value: Any) -> Any:
    """One value may stand for a list of one."""
    return [value] if isinstance(value, str) else value


Addresses = Annotated[
    list[Annotated[str, AfterValidator(check_address)]],
    BeforeValidator(as_list),
    Field(min_length=1),
]
Domain = Annotated[str, AfterValidator(check_domain)]
MailAddress = Annotated[str, AfterValidator(check_mailbox_name)]


class Table(BaseModel):
    """A TOML table in which unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class HostTable(Table):
    """`[hosts.NAME]`: one computer. NAME is its host name, or a word for a PC."""

    address: Addresses
    latency_ms: float = Field(default=5.0, ge=0, le=10_000)
    serves: Annotated[list[Service], BeforeValidator(as_list)] = []
    domains: Annotated[list[Domain], BeforeValidator(as_list)] = []
    tls: bool = True  # offers STARTTLS, and TLS on ports of its own
    plain_login: bool = False  # passwords may be sent without TLS
    zones: dict[str, str] = {}
    comment: str = ""


class UserTable(Table):
    """`[users."NAME@DOMAIN"]`: a person with a mailbox."""

    password: str = Field(min_length=1)
    name: str = ""
    host: str = ""


class Scenario(Table):
    """A whole world, as its file describes it."""

    title: str = Field(min_length=1)
    story: str = ""
    seed: str = "0"
    epoch: datetime = EPOCH
    hosts: dict[str, HostTable] = Field(min_length=1)
    users: dict[MailAddress, UserTable] = {}

    @property
    def roots(self) -> list[tuple[str, str]]:
        """Names and addresses of the hosts that serve the root zone."""
        return [
            (name, address)
            for name, host in self.hosts.items()
            if "." in host.zones
            for address in host.address
        ]

    def server_of(self, domain: str) -> str:
        """The host that has the mailboxes of a domain, or ""."""
        for name, host in self.hosts.items():
            if domain.lower() in host.domains:
                return name
        return ""


class LoadedScenario:
    """A scenario with its folder and its zones."""

    def __init__(self, file: Path, text: str, scenario: Scenario) -> None:
        self.file = file
        self.text = text
        self.scenario = scenario
        self.name = file.parent.name

    def complaint(self, path: tuple[str, ...], message: str) -> ScenarioError:
        """An error that points at the line of `path`."""
        return ScenarioError(self.file, line_of(self.text, path), message)

    def zones_of(self, host: str) -> list[Zone]:
        """The zones that a host serves. Raises ScenarioError."""
        zones: list[Zone] = []
        for origin, name in self.scenario.hosts[host].zones.items():
            path = self.file.parent / name
            if not path.is_file():
                where = ("hosts", host, "zones", origin)
                raise self.complaint(where, f"there is no zone file {name}")
            zones.append(Zone.from_file(path, origin))
        return zones
