"""Hand a message to the mail exchangers of a domain (RFC 5321 §5.1).

Goes in: a queue entry and recipients of one domain. Comes out: an `Outcome` for each.

Rule 1: every host of the route is tried, best first, until one takes the message or
        refuses it for good.
Rule 2: TLS is used wherever it is offered and not insisted on (RFC 7435): when the
        handshake fails, the next try on the same host goes without.
Rule 3: with a smart host the DNS is not asked where to: all goes there, by submission
        (RFC 6409), inside TLS, with a login.
"""

import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address

from maillab.agents.machine import Machine
from maillab.agents.routing import Route, find_route
from maillab.agents.smtp_dialogue import SessionEnded, SMTPDialogue, Transfer
from maillab.dns.answers import Lookups
from maillab.store.queue import QueueEntry
from maillab.wire.smtp import Envelope, Reply
from maillab.wire.smtp_path import Address

SMTP_PORT = 25


@dataclass(frozen=True, slots=True)
class SmartHost:
    """The one server that takes everything which goes elsewhere, and the account there.

    `tls` makes the context that checks its certificate: the password is never sent
    without TLS.
    """

    host: str
    user: str
    password: str
    tls: Callable[[], ssl.SSLContext]
    port: int = 587


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one recipient in one try.

    status  "delivered" (somebody has taken responsibility), "deferred" or "failed"
    reason  in words; `code` as RFC 3463; `reply` and `host` when a server said it
    """

    recipient: Address
    status: str
    reason: str = ""
    code: str = ""
    reply: Reply | None = None
    host: str = ""


class HostUnusable(Exception):
    """This host did not work out; another one may."""

    def __init__(self, reason: str, reply: Reply | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reply = reply


class HandshakeFailed(OSError):
    """TLS was offered, and did not begin."""


class Relay:
    """The client side of an MTA."""

    def __init__(
        self,
        machine: Machine,
        hostname: str,
        resolver: Lookups,
        tls: Callable[[], ssl.SSLContext] | None,
    ) -> None:
        self.machine = machine
        self.hostname = hostname
        self.resolver = resolver
        self.smart_host: SmartHost | None = None
        self._tls = tls
        self._random = machine.random("mail exchangers")

    async def send(
        self, entry: QueueEntry, domain: str, recipients: Sequence[Address]
    ) -> list[Outcome]:
        """Try to get rid of a message for some recipients of one domain."""
        route = await self._route(domain)
        if not route.hosts:
            status = "deferred" if route.temporary else "failed"
            return [
                Outcome(path, status, route.reason, route.code) for path in recipients
            ]
        return await self._try_hosts(entry, route, recipients)

    async def _route(self, domain: str) -> Route:
        if self.smart_host is not None:
            return Route((self.smart_host.host,))
        return await find_route(self.resolver, domain, self._random, self.hostname)

    async def _try_hosts(
        self, entry: QueueEntry, route: Route, recipients: Sequence[Address]
    ) -> list[Outcome]:
        trouble = HostUnusable("no mail exchanger has an address")
        host = ""
        for host in route.hosts:
            for address in await self._addresses(host):
                try:
                    return await self._try_host(entry, host, address, recipients)
                except HostUnusable as problem:
                    trouble = problem
        permanent = trouble.reply is not None and trouble.reply.permanent
        status = "failed" if permanent else "deferred"
        code = trouble.reply.enhanced if trouble.reply else "4.4.1"
        return [
            Outcome(path, status, trouble.reason, code, trouble.reply, host)
            for path in recipients
        ]

    async def _addresses(self, host: str) -> list[str]:
        with suppress(ValueError):  # an address literal needs no DNS
            return [str(ip_address(host))]
        return await self.resolver.addresses(host)

    async def _try_host(
        self,
        entry: QueueEntry,
        host: str,
        address: str,
        recipients: Sequence[Address],
    ) -> list[Outcome]:
        """One host. Raises HostUnusable."""
        self.machine.emit(
            "attempt",
            message=entry.message,
            queue_id=entry.id,
            to_host=host,
            address=address,
            recipients=tuple(str(path) for path in recipients),
        )
        try:
            dialogue = await self._open(host, address)
            envelope = Envelope(entry.reverse_path, tuple(recipients), {})
            transfer = await dialogue.send(envelope, entry.content)
        except SessionEnded as problem:
            raise HostUnusable(f"{host}: {problem}") from None
        except OSError as problem:
            raise HostUnusable(f"{host} [{address}]: {words(problem)}") from None
        await dialogue.quit()
        outcomes = [self._outcome(path, transfer, host) for path in recipients]
        self._tell_relayed(entry, host, transfer)
        return outcomes

    async def _open(self, host: str, address: str) -> SMTPDialogue:
        """Connect, greet, and use TLS if it is offered; without, if that fails."""
        if self.smart_host is not None:
            return await self._log_in(address, self.smart_host)
        try:
            return await self._greet(host, address, use_tls=self._tls is not None)
        except HandshakeFailed:
            return await self._greet(host, address, use_tls=False)

    async def _greet(self, host: str, address: str, *, use_tls: bool) -> SMTPDialogue:
        dialogue = await self._connect(host, address, SMTP_PORT)
        if use_tls and self._tls is not None and dialogue.engine.offers("STARTTLS"):
            reply = await dialogue.ask_for_tls()
            if reply.positive:
                await self._shake_hands(dialogue, self._tls(), host)
                await self._expect(dialogue, host, await dialogue.ehlo(self.hostname))
        return dialogue

    async def _connect(self, host: str, address: str, port: int) -> SMTPDialogue:
        """Connect and greet."""
        dialogue = SMTPDialogue(self.machine, await self.machine.connect(address, port))
        await self._expect(dialogue, host, await dialogue.greeting())
        await self._expect(dialogue, host, await dialogue.ehlo(self.hostname))
        return dialogue

    async def _log_in(self, address: str, smart: SmartHost) -> SMTPDialogue:
        """A session with the smart host: TLS, then the login."""
        host = smart.host
        dialogue = await self._connect(host, address, smart.port)
        if not dialogue.engine.offers("STARTTLS"):
            await dialogue.quit()
            raise HostUnusable(f"{host} offers no STARTTLS: the password was not sent")
        await self._expect(dialogue, host, await dialogue.ask_for_tls())
        try:
            await self._shake_hands(dialogue, smart.tls(), host)
        except HandshakeFailed as problem:
            raise HostUnusable(f"{host}: TLS failed: {problem}") from None
        await self._expect(dialogue, host, await dialogue.ehlo(self.hostname))
        reply = await dialogue.login(smart.user, smart.password)
        await self._expect(dialogue, host, reply)
        return dialogue

    async def _shake_hands(
        self, dialogue: SMTPDialogue, context: ssl.SSLContext, host: str
    ) -> None:
        """Begin TLS. Raises HandshakeFailed, also when the connection broke off."""
        try:
            await dialogue.handshake(context, host)
        except OSError as problem:
            dialogue.stream.abort()
            raise HandshakeFailed(words(problem)) from None

    async def _expect(self, dialogue: SMTPDialogue, host: str, reply: Reply) -> None:
        if not reply.positive:
            await dialogue.quit()
            raise HostUnusable(f"{host} said {reply}", reply)

    def _outcome(self, path: Address, transfer: Transfer, host: str) -> Outcome:
        reply = transfer.recipients.get(path, transfer.final)
        if path in transfer.accepted:
            return Outcome(path, "delivered", "", "2.0.0", transfer.final, host)
        if reply.positive:  # the recipient was fine, the message was not
            reply = transfer.final
        status = "failed" if reply.permanent else "deferred"
        return Outcome(
            path, status, f"{host} said {reply}", reply.enhanced, reply, host
        )

    def _tell_relayed(self, entry: QueueEntry, host: str, transfer: Transfer) -> None:
        if transfer.accepted:
            self.machine.emit(
                "relayed",
                message=entry.message,
                queue_id=entry.id,
                to_host=host,
                reply=str(transfer.final),
            )


def words(problem: OSError) -> str:
    """An OS error in words, without the numbers of this machine."""
    return problem.strerror or str(problem) or type(problem).__name__
