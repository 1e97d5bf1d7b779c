"""The agents of one mail server, put together for real ports.

Goes in: a machine, a directory, settings, a certificate. Comes out: services that
`ServingHost.accept` serves, and a report of how they are.

Rule 1: the same agents as in a world (`world.servers`); which name has which protocol
        and role stands in `PORTS` and nowhere else.
Rule 2: settings that change are replaced as a whole; agents read them when they decide.
"""

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from maillab.agents.doorkeeper import Doorkeeper
from maillab.agents.mta import MTA
from maillab.agents.reception_options import Entrance, Manners, Role
from maillab.agents.relay_session import ClientTLS
from maillab.agents.serving import Security
from maillab.gateway.serving.host import ServingHost
from maillab.gateway.serving.lookups import SystemLookups
from maillab.gateway.serving.outbound import PHRASES, Outbound
from maillab.gateway.serving.sessions import (
    ServedIMAP,
    ServedPOP3,
    ServedSMTP,
    Sessions,
)
from maillab.net.stream import Stream
from maillab.policy.settings import Settings
from maillab.store.accounts import Directory
from maillab.store.queue import Storage


class Port(NamedTuple):
    """What a port is for; `usual` is its number in the register (RFC 6335)."""

    usual: int
    protocol: str
    implicit: bool = False
    role: Role = "relay"


PORTS: dict[str, Port] = {
    "smtp": Port(25, "smtp"),
    "smtp_tls": Port(25, "smtp", implicit=True),  # deviation: no RFC has such a port
    "submission": Port(587, "smtp", role="submission"),
    "submissions": Port(465, "smtp", implicit=True, role="submission"),
    "pop3": Port(110, "pop3"),
    "pop3s": Port(995, "pop3", implicit=True),
    "imap": Port(143, "imap"),
    "imaps": Port(993, "imap", implicit=True),
}


@dataclass(slots=True)
class Parts:
    """What a server is made of. `limit`: sessions at one time, 0 is any number."""

    host: ServingHost
    directory: Directory
    policies: Settings
    tls: ssl.SSLContext
    storage: Storage | None = None
    limit: int = 0
    outbound: bool = False
    lookups: SystemLookups = field(default_factory=SystemLookups)


class MailService:
    """One mail server. `mta` has the queue, `sessions` who is connected."""

    def __init__(self, parts: Parts) -> None:
        host, name = parts.host, parts.host.name
        self.parts = parts
        self.relay = Outbound(host, name, parts.lookups, client_tls())
        self.mta = MTA(host, name, parts.directory, self.relay, parts.storage)
        self.doorkeeper = Doorkeeper(host, parts.lookups, lambda: self.mta.settings)
        self.sessions = Sessions(host, parts.limit)
        self._receptions: list[ServedSMTP] = []
        self.configure(parts.policies, outbound=parts.outbound)

    @property
    def manners(self) -> Manners:
        """How SMTP speaks: it says why mail for elsewhere is refused."""
        closed = not (self.relay.open or self.mta.settings.delivery.smart_host)
        return Manners(phrases=PHRASES if closed else {})

    def configure(self, policies: Settings, *, outbound: bool) -> None:
        """Go on with other settings."""
        self.mta.settings = policies
        self.relay.open = outbound
        for reception in self._receptions:
            old = reception.entrance
            reception.entrance = Entrance(
                old.role, old.port, old.security, self.manners
            )

    def service(
        self, name: str, number: int = 0
    ) -> Callable[[Stream], Awaitable[None]]:
        """What serves the connections to a port of this name."""
        port = PORTS[name]
        security = Security(self.parts.tls, port.implicit)
        if port.protocol == "smtp":
            serve = self._reception(port, number or port.usual, security).serve
        else:
            kind = ServedPOP3 if port.protocol == "pop3" else ServedIMAP
            serve = self._access(kind, security).serve
        return self.sessions.guarded(port.protocol, serve, tls=port.implicit)

    def _reception(self, port: Port, number: int, security: Security) -> ServedSMTP:
        entrance = Entrance(port.role, number, security, self.manners)
        made = ServedSMTP(self.mta, entrance, self.doorkeeper)
        made.sessions = self.sessions
        self._receptions.append(made)
        return made

    def _access(
        self, kind: type[ServedPOP3 | ServedIMAP], security: Security
    ) -> ServedPOP3 | ServedIMAP:
        made = kind(
            self.parts.host,
            self.parts.directory,
            security,
            plain_login=self._plain_login,
        )
        made.door, made.sessions = self.doorkeeper, self.sessions
        made.secrets = self.doorkeeper.secrets
        made.settings = lambda: self.mta.settings
        return made

    def _plain_login(self) -> bool:
        return self.mta.settings.access.plain_login

    def report(self) -> dict[str, Any]:
        """How many are connected, and how much waits."""
        open_at = self.parts.host.open_at
        return {
            "sessions": len(self.parts.host.streams),
            "open": {name: count for name, count in open_at.items() if count},
            "queue": len(self.mta.queue),
        }


def client_tls() -> ClientTLS:
    """TLS to other servers: as the system trusts, or whatever there is (RFC 7435)."""

    def anybody() -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    return ClientTLS(anybody, ssl.create_default_context)
