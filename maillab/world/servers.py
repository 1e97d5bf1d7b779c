"""Start what a host of the scenario serves.

Goes in: a virtual host and its table. Comes out: running services.

Rule: which role opens which ports stands in the table `PORTS` and nowhere else.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from maillab.agents.doorkeeper import Doorkeeper
from maillab.agents.faults import Faults
from maillab.agents.imap_access import ImapAccess
from maillab.agents.mail_queue import MailQueue
from maillab.agents.mta import MTA
from maillab.agents.pop3_access import Pop3Access
from maillab.agents.reception import SMTPReception
from maillab.agents.reception_options import Entrance, Manners, Role
from maillab.agents.relay import Relay
from maillab.agents.relay_session import ClientTLS
from maillab.agents.serving import Security, Service
from maillab.dns.answers import Lookups
from maillab.net.ca import LabCA
from maillab.net.host import Host
from maillab.policy.settings import SmartHost
from maillab.store.accounts import DirectoryBase
from maillab.world.scenario import HostTable


class Port(NamedTuple):
    """A port that a role opens; with `implicit_tls`, TLS from the first byte."""

    number: int
    protocol: str
    implicit_tls: bool = False
    role: Role | None = None  # of SMTP and LMTP


PORTS: dict[str, tuple[Port, ...]] = {
    "smtp": (Port(25, "SMTP", role="relay"),),
    "submission": (
        Port(587, "SMTP", role="submission"),
        Port(465, "SMTP", implicit_tls=True, role="submission"),
    ),
    "lmtp": (Port(24, "LMTP", role="lmtp"),),
    "pop3": (Port(110, "POP3"), Port(995, "POP3", implicit_tls=True)),
    "imap": (Port(143, "IMAP"), Port(993, "IMAP", implicit_tls=True)),
    "resolver": (),  # port 53, with the zones of the host: dns/nameserver.py
}


@dataclass(frozen=True, slots=True)
class MailServer:
    """Everything that runs on one mail host.

    `tls` is None when the host has no certificate; `manners` are how it speaks.
    """

    host: Host
    directory: DirectoryBase
    mta: MTA
    doorkeeper: Doorkeeper
    manners: Manners
    tls: ssl.SSLContext | None

    @property
    def plain_login(self) -> bool:
        """Passwords may be sent without TLS."""
        return self.mta.settings.access.plain_login

    @property
    def name(self) -> str:
        """Its host name."""
        return self.host.name

    @property
    def queue(self) -> MailQueue:
        """What waits here; with `hold`, `release`, `retry` and `delete`."""
        return self.mta.queue

    def use_smart_host(self, host: SmartHost | None) -> None:
        """Send all that goes elsewhere to one server; None: to whom it is for."""
        delivery = replace(self.mta.settings.delivery, smart_host=host)
        self.mta.settings = replace(self.mta.settings, delivery=delivery)

    async def start(self, roles: Sequence[str], faults: Faults | None = None) -> None:
        """Open the ports of these roles. `faults`: what shall go wrong there."""
        for role in roles:
            for port in PORTS[role]:
                if self.tls is not None or not port.implicit_tls:
                    await self.host.listen(
                        port.number, self._service(port, faults).serve
                    )

    def _service(self, port: Port, faults: Faults | None) -> Service:
        security = Security(self.tls, port.implicit_tls)
        if port.role:
            entrance = Entrance(port.role, port.number, security, self.manners)
            return SMTPReception(self.mta, entrance, self.doorkeeper, faults)
        agent = Pop3Access if port.protocol == "POP3" else ImapAccess
        access = agent(
            self.host,
            self.directory,
            security,
            plain_login=lambda: self.plain_login,
            faults=faults,
        )
        access.door = self.doorkeeper
        access.secrets = self.doorkeeper.secrets
        access.settings = lambda: self.mta.settings
        return access


def make_mail_server(
    host: Host,
    directory: DirectoryBase,
    resolver: Lookups,
    ca: LabCA | None,
    table: HostTable,
) -> MailServer:
    """Put the parts together; nothing runs yet. No `ca`: no TLS."""
    outbound = None
    if ca:
        verified = partial(ca.client_context, host.name)
        outbound = ClientTLS(ca.opportunistic_context, verified)
    relay = Relay(host, host.name, resolver, outbound)
    mta = MTA(host, host.name, directory, relay)
    mta.settings = table.settings
    doorkeeper = Doorkeeper(host, resolver, lambda: mta.settings)
    tls = ca.server_context(*certificate_names(host.name, directory)) if ca else None
    manners = table.manners
    return MailServer(host, directory, mta, doorkeeper, manners, tls)


def certificate_names(hostname: str, directory: DirectoryBase) -> list[str]:
    """The host's own name, and those that clients of its domains are told to use."""
    usual = [
        f"{service}.{domain}"
        for domain in sorted(directory.domains)
        for service in ("mail", "imap", "pop3", "smtp")
    ]
    return list(dict.fromkeys([hostname, *usual]))
