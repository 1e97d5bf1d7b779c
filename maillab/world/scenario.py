"""The scenario file: which hosts, services, zones and users a world has.

Goes in: `world.toml` and the zone files beside it. Comes out: a checked `Scenario`.

Rule: whatever is wrong is said with the file, the line, what was found and what was
expected, before anything runs. `maillab check FILE` shows all of it at once.
"""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from maillab.agents.reception_options import Manners
from maillab.dns.faults import DnsFault
from maillab.dns.zones import Zone
from maillab.errors import ScenarioError
from maillab.net.network import EPOCH
from maillab.net.subnet import INTERNET
from maillab.policy.fault_plan import Fault
from maillab.policy.fault_words import stage_name
from maillab.policy.settings import Settings, SmartHost
from maillab.protocol.smtp_server_limits import ALL_EXTENSIONS
from maillab.world.fields import (
    Accounts,
    Domain,
    Length,
    MailAddress,
    Names,
    SomeAddresses,
    Table,
    as_list,
)
from maillab.world.mail_tables import MailTable, overlay
from maillab.world.personality import check_personality, personality
from maillab.world.positions import line_of
from maillab.world.renaming import Renaming
from maillab.world.topology import GatewayTable, Line, NetworkTable, TimelineTable

Service = Literal["smtp", "submission", "lmtp", "pop3", "imap", "resolver"]


# Keys of a host that are short for settings of its mail server; the long one counts.
SHORT_KEYS = {
    "plain_login": "access.plain_login",
    "smart_host": "delivery.smart_host",
}


class SmartHostTable(Table):
    """`smart_host = { … }`: short for `mail.delivery.smart_host`, as relays want it.

    By submission (RFC 6409): with a login, inside TLS, and the certificate is checked.
    """

    host: str
    user: str
    password: str = Field(repr=False)
    port: int = Field(default=587, ge=1, le=65535)


class HostTable(Line):
    """`[hosts.NAME]`: one computer. NAME is its host name, or a word for a PC."""

    address: SomeAddresses
    network: str = INTERNET
    serves: Annotated[list[Service], BeforeValidator(as_list)] = []
    domains: Annotated[list[Domain], BeforeValidator(as_list)] = []
    tls: bool = True  # offers STARTTLS, and TLS on ports of its own
    plain_login: bool = False  # passwords may be sent without TLS
    accounts: Accounts = "memory"  # where its users are: world.directories
    reversible_passwords: bool = False  # kept so that they can be read: for CRAM-MD5
    personality: Annotated[str, AfterValidator(check_personality)] = "maillab"
    smart_host: SmartHostTable | None = None
    mail: MailTable = MailTable()
    zones: dict[str, str] = {}
    resolver: Names = []  # whom it asks; none: it walks from the root itself
    comment: str = ""

    @property
    def settings(self) -> Settings:
        """How its mail server is configured: a personality, and what differs."""
        settings = personality(self.personality).settings
        if self.smart_host is not None:
            smart = SmartHost(**self.smart_host.model_dump(), tls="verify")
            delivery = replace(settings.delivery, smart_host=smart)
            settings = replace(settings, delivery=delivery)
        if "plain_login" in self.model_fields_set:
            access = replace(settings.access, plain_login=self.plain_login)
            settings = replace(settings, access=access)
        return overlay(settings, self.mail)

    @property
    def manners(self) -> Manners:
        """How its mail server speaks."""
        clothes = personality(self.personality)
        return Manners(clothes.phrases, clothes.extensions or ALL_EXTENSIONS)


class UserTable(Table):
    """`[users."NAME@DOMAIN"]`: a person with a mailbox."""

    password: str = Field(min_length=1)
    name: str = ""
    host: str = ""


class FaultTable(Table):
    """`[[faults]]`: something that goes wrong as planned (`policy.fault_plan`)."""

    stage: Annotated[str, AfterValidator(stage_name)]
    host: str = "*"
    client: str = "*"
    protocol: Annotated[str, AfterValidator(str.lower)] = "*"
    port: int = Field(default=0, ge=0, le=65535)
    sender: str = ""
    recipient: str = ""
    times: int = 0
    every: int = 1
    chance: float = 1.0
    reply: str = ""
    delay: Length = 0.0
    disconnect: bool = False
    reset: bool = False
    half_reply: bool = False
    truncated_tls: bool = False
    comment: str = ""

    @property
    def fault(self) -> Fault:
        """What the servers' plan wants."""
        return Fault(**self.model_dump())


class DnsFaultTable(Table):
    """`[[dns_faults]]`: something that a DNS server does wrong (`dns.faults`)."""

    host: str
    kind: str
    name: str = "*"
    type: str = ""
    seconds: Length = 0.0
    address: str = ""
    times: int | None = None
    chance: float = 1.0
    comment: str = ""

    @property
    def fault(self) -> DnsFault:
        """What the server is told. Raises LabError."""
        return DnsFault(**self.model_dump(exclude={"host"}))


class VariantsTable(Table):
    """`[variants]`: what is called otherwise in the world of another student.

    domains    that are replaced, with all names below them
    addresses  that are replaced by others of the same /24 (IPv4)
    names      what notebooks call things: `lab.names.server`
    """

    domains: list[Domain] = []
    addresses: list[str] = []
    names: dict[str, str] = {}


class Scenario(Table):
    """A whole world, as its file describes it."""

    title: str = Field(min_length=1)
    story: str = ""
    seed: str = "0"
    epoch: datetime = EPOCH
    resolver: Names = []  # for hosts that name none
    networks: dict[str, NetworkTable] = {}
    gateways: dict[str, GatewayTable] = {}
    hosts: dict[str, HostTable] = Field(min_length=1)
    users: dict[MailAddress, UserTable] = {}
    timeline: list[TimelineTable] = []
    faults: list[FaultTable] = []
    dns_faults: list[DnsFaultTable] = []
    variants: VariantsTable = VariantsTable()

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
    """A scenario with its folder and its zones, perhaps under other names."""

    def __init__(
        self,
        file: Path,
        text: str,
        scenario: Scenario,
        renaming: Renaming | None = None,
    ) -> None:
        self.file = file
        self.text = text
        self.scenario = scenario
        self.renaming = renaming or Renaming()
        self._checked: dict[str, list[Zone]] = {}  # host -> its zones, for one world
        self.name = file.parent.name

    def complaint(self, path: tuple[str, ...], message: str) -> ScenarioError:
        """An error that points at the line of `path`."""
        return ScenarioError(self.file, line_of(self.text, path), message)

    def check_zones(self, host: str) -> None:
        """Read the zones of a host, which is most of the work of opening a world.

        The first world takes them as they are. Raises ScenarioError.
        """
        self._checked[host] = self._read_zones(host)

    def zones_of(self, host: str) -> list[Zone]:
        """The zones that a host serves, each time others. Raises ScenarioError."""
        return self._checked.pop(host, None) or self._read_zones(host)

    def _read_zones(self, host: str) -> list[Zone]:
        zones: list[Zone] = []
        for origin, name in self.scenario.hosts[host].zones.items():
            path = self.file.parent / name
            if not path.is_file():
                where = ("hosts", host, "zones", origin)
                raise self.complaint(where, f"there is no zone file {name}")
            zones.append(Zone.from_file(path, origin, self.renaming))
        return zones
