"""Start what a host of the scenario serves.

Goes in: a virtual host and its table. Comes out: running services.

Rule: which role opens which ports stands in the table `PORTS` and nowhere else.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from maillab.agents.faults import Faults
from maillab.agents.imap_access import ImapAccess
from maillab.agents.mta import MTA
from maillab.agents.pop3_access import Pop3Access
from maillab.agents.reception import SMTPReception
from maillab.agents.relay import Relay, SmartHost
from maillab.agents.serving import Security, Service
from maillab.dns.answers import Lookups
from maillab.net.ca import LabCA
from maillab.net.host import Host
from maillab.protocol.smtp_server_limits import SMTPServerOptions
from maillab.store.accounts import Directory

RELAY_PORT = 25
MAX_SIZE = 36_700_160  # octets: 25 MB of attachments in base64, as large providers take


class Port(NamedTuple):
    """A port that a role opens; with `implicit_tls`, TLS from the first byte."""

    number: int
    protocol: str
    implicit_tls: bool = False


PORTS: dict[str, tuple[Port, ...]] = {
    "smtp": (Port(RELAY_PORT, "SMTP"),),
    "submission": (Port(587, "SMTP"), Port(465, "SMTP", implicit_tls=True)),
    "pop3": (Port(110, "POP3"), Port(995, "POP3", implicit_tls=True)),
    "imap": (Port(143, "IMAP"), Port(993, "IMAP", implicit_tls=True)),
    "resolver": (),  # port 53, with the zones of the host: dns/nameserver.py
}


@dataclass(frozen=True, slots=True)
class MailServer:
    """Everything that runs on one mail host.

    `tls` is None when the host has no certificate; `plain_login` lets passwords through
    without TLS.
    """

    host: Host
    directory: Directory
    mta: MTA
    tls: ssl.SSLContext | None
    plain_login: bool

    @property
    def name(self) -> str:
        """Its host name."""
        return self.host.name

    def use_smart_host(self, host: SmartHost | None) -> None:
        """Send all that goes elsewhere to one server; None: to whom it is for."""
        self.mta.relay.smart_host = host

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
        match port.protocol:
            case "SMTP":
                plain = self.plain_login
                options = SMTPServerOptions(
                    self.name, MAX_SIZE, auth_needs_tls=not plain
                )
                submission = port.number != RELAY_PORT
                return SMTPReception(
                    self.mta,
                    security,
                    submission=submission,
                    options=options,
                    faults=faults,
                )
            case "POP3":
                agent = Pop3Access
            case _:
                agent = ImapAccess
        return agent(
            self.host,
            self.directory,
            security,
            plain_login=self.plain_login,
            faults=faults,
        )


def make_mail_server(
    host: Host,
    directory: Directory,
    resolver: Lookups,
    ca: LabCA | None,
    plain_login: bool,
) -> MailServer:
    """Put the parts together; nothing runs yet. No `ca`: no TLS."""
    outbound = ca.opportunistic_context if ca is not None else None
    relay = Relay(host, host.name, resolver, outbound)
    mta = MTA(host, host.name, directory, relay)
    tls = ca.server_context(*certificate_names(host.name, directory)) if ca else None
    return MailServer(host, directory, mta, tls, plain_login)


def certificate_names(hostname: str, directory: Directory) -> list[str]:
    """The host's own name, and those that clients of its domains are told to use."""
    usual = [
        f"{service}.{domain}"
        for domain in sorted(directory.domains)
        for service in ("mail", "imap", "pop3", "smtp")
    ]
    return list(dict.fromkeys([hostname, *usual]))
