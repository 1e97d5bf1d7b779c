"""Hand messages to the hosts that take mail for a destination (RFC 5321 §5.1).

Goes in: a queue entry, recipients of one destination, perhaps an open session there.
Comes out: an `Attempt`: an `Outcome` for each recipient, and the session for the next
message.

Rule 1: every host of the route is tried, best first, until one takes the message or
        refuses it for good.
Rule 2: a session that was open already may have died: then the message gets a new one,
        at once.
Rule 3: when no host could be talked to at all, the destination is not `reached`: that
        is no fault of the message, and its other messages need not try now.
"""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from maillab.agents.machine import Machine
from maillab.agents.outcome import Outcome
from maillab.agents.relay_session import (
    ClientTLS,
    HostUnusable,
    Opener,
    RelaySession,
    words,
)
from maillab.agents.routing import (
    Candidate,
    Route,
    candidates,
    find_route,
    literal_address,
)
from maillab.agents.smtp_dialogue import SessionEnded, Transfer
from maillab.dns.answers import Lookups
from maillab.policy.routes import RouteChoice
from maillab.policy.settings import Delivery
from maillab.store.queue import QueueEntry, Recipient
from maillab.wire.smtp import Reply


@dataclass(slots=True)
class Errand:
    """One message for some recipients of one destination."""

    entry: QueueEntry
    recipients: Sequence[Recipient]
    choice: RouteChoice
    delivery: Delivery


@dataclass(slots=True)
class Attempt:
    """How one try went.

    again    recipients that were too many for one transaction: send them at once
    session  still open, if there is one
    reached  some host was talked to
    """

    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    again: list[Recipient] = field(default_factory=list[Recipient])
    session: RelaySession | None = None
    reached: bool = True

    @property
    def put_off(self) -> bool:
        """Every recipient was told "later"."""
        return not self.again and all(o.status == "deferred" for o in self.outcomes)


class Relay:
    """The client side of an MTA.

    addresses  this host's own: mail never goes there
    """

    def __init__(
        self,
        machine: Machine,
        hostname: str,
        resolver: Lookups,
        tls: ClientTLS | None = None,
    ) -> None:
        self.machine = machine
        self.hostname = hostname
        self.resolver = resolver
        self.tls = tls
        self.addresses: tuple[str, ...] = getattr(machine, "addresses", ())
        self._random = machine.random("mail exchangers")

    async def attempt(
        self, errand: Errand, session: RelaySession | None = None
    ) -> Attempt:
        """Try to get rid of a message."""
        if session is not None and session.choice != errand.choice:
            await session.quit()  # the settings have changed: it may lack TLS now
            session = None
        if session is not None:
            try:
                return await self._use(errand, session)
            except (SessionEnded, OSError):
                session.abort()
        route = await self._route(errand.choice)
        if not route.hosts:
            return _refused(errand, route)
        return await self._try_hosts(errand, route)

    async def _route(self, choice: RouteChoice) -> Route:
        if not choice.direct:
            return await find_route(
                self.resolver, choice.host, self._random, self.hostname
            )
        literal = choice.host.startswith("[")
        return Route((literal_address(choice.host) if literal else choice.host,))

    async def _try_hosts(self, errand: Errand, route: Route) -> Attempt:
        """Every host, best first, until one takes the message or refuses it for good.

        "The SMTP client MUST be prepared to try (and retry) each of the relevant
        addresses in this list in order, until a delivery attempt succeeds" (RFC 5321
        §5.1): a host that says 4yz to everybody is no success.
        """
        trouble = HostUnusable("no mail exchanger has an address")
        host, tried = "", False
        attempt: Attempt | None = None  # at the last host that was reached
        found = candidates(self.resolver, route, self.addresses, errand.delivery.max_mx)
        async with aclosing(found):  # else asyncio starts a task to close it
            async for candidate in found:
                if candidate.problem:
                    self._tell_problem(errand, candidate)
                    if not tried:
                        host = candidate.host
                        trouble = HostUnusable(candidate.problem, code=candidate.code)
                        tried = candidate.code[:1] == "4"  # it may work later
                    continue
                host, tried = candidate.host, True
                try:
                    attempt = await self._try_host(errand, candidate, attempt)
                except HostUnusable as problem:
                    problem.reached |= trouble.reached
                    trouble = problem
                else:
                    if not attempt.put_off:
                        return attempt
        return attempt or _unusable(errand, host, trouble)

    async def _try_host(
        self, errand: Errand, candidate: Candidate, before: Attempt | None
    ) -> Attempt:
        """One host; that of the attempt before is left. Raises HostUnusable."""
        if before is not None and before.session is not None:
            await before.session.quit()
            before.session = None
        host, session = candidate.host, None
        try:
            session = await self._open(errand, candidate)
            return await self._use(errand, session, fresh=True)
        except SessionEnded as problem:
            trouble = HostUnusable(f"{host}: {problem}")
        except OSError as problem:
            trouble = HostUnusable(f"{host} [{candidate.address}]: {words(problem)}")
        except Exception:
            if session is not None:
                session.abort()  # ours to end: nobody else has it
            raise
        trouble.reached = session is not None
        raise trouble

    def _tell_problem(self, errand: Errand, candidate: Candidate) -> None:
        text = f"{errand.entry.id}: {candidate.problem}"
        self.machine.emit("note", text=text)

    async def _open(self, errand: Errand, candidate: Candidate) -> RelaySession:
        event = self._tell_attempt(errand, candidate)
        helo = errand.delivery.helo or self.hostname
        opener = Opener(
            self.machine, errand.choice, self.tls, helo, errand.delivery.mechanisms
        )
        with self.machine.because(event):
            return await opener.open(candidate.host, candidate.address)

    def _tell_attempt(
        self, errand: Errand, to: Candidate | RelaySession, connection: str = ""
    ) -> int:
        """`connection`: where one is open already. Returns the event's number."""
        return self.machine.emit(
            "attempt",
            connection,
            message=errand.entry.message,
            queue_id=errand.entry.id,
            to_host=to.host,
            address=to.address,
            recipients=tuple(map(str, errand.recipients)),
        )

    async def _use(
        self, errand: Errand, session: RelaySession, *, fresh: bool = False
    ) -> Attempt:
        """Send by an open session. Raises SessionEnded, OSError."""
        if not fresh:
            self._tell_attempt(errand, session, session.dialogue.stream.id)
        most = session.most_recipients or len(errand.recipients)
        part = replace(errand, recipients=errand.recipients[:most])
        transfer = await session.send(errand.entry, part.recipients)
        closing = transfer.final.code == 421 and not transfer.accepted
        if closing and not fresh:
            raise SessionEnded(f"the server closed the session: {transfer.final}")
        attempt = _results(part, transfer, session)
        attempt.again += errand.recipients[most:]
        if transfer.accepted:
            self.machine.emit(
                "relayed",
                session.dialogue.stream.id,
                message=errand.entry.message,
                queue_id=errand.entry.id,
                to_host=session.host,
                reply=str(transfer.final),
            )
        return attempt


def _unusable(errand: Errand, host: str, trouble: HostUnusable) -> Attempt:
    """No host did; the last one had this trouble."""
    permanent = trouble.permanent or trouble.code[:1] == "5"
    status = "failed" if permanent else "deferred"
    outcomes = [
        Outcome(one, status, trouble.reason, trouble.code, trouble.reply, host)
        for one in errand.recipients
    ]
    return Attempt(outcomes, reached=trouble.reached or permanent)


def _refused(errand: Errand, route: Route) -> Attempt:
    """There is no host to try."""
    status = "deferred" if route.temporary else "failed"
    outcomes = [
        Outcome(one, status, route.reason, route.code) for one in errand.recipients
    ]
    return Attempt(outcomes, reached=not route.temporary)


def _results(errand: Errand, transfer: Transfer, session: RelaySession) -> Attempt:
    """What the replies mean for each recipient."""
    attempt = Attempt(session=session)
    dsn = session.offers("DSN")
    finals = dict(transfer.results)  # LMTP has one for each recipient
    accepted = set(transfer.accepted)
    for one in errand.recipients:
        final = finals.get(one.address, transfer.final)
        reply = transfer.recipients.get(one.address, final)
        if one.address in accepted:
            said = final
            attempt.outcomes.append(
                Outcome(one, "relayed", "", "2.0.0", said, session.host, dsn)
            )
            continue
        if accepted and _too_many(reply):
            attempt.again.append(one)
            continue
        if reply.positive:  # the recipient was fine, the message was not
            reply = final
        status = "failed" if reply.permanent else "deferred"
        reason = f"{session.host} said {reply}"
        attempt.outcomes.append(
            Outcome(one, status, reason, reply.enhanced, reply, session.host)
        )
    return attempt


def _too_many(reply: Reply) -> bool:
    """The transaction is full: the rest goes by another one. RFC 821 had 552 for it:
    "Clients SHOULD treat a 552 code in this case as temporary" (RFC 5321 §4.5.3.1.10).
    """
    old = reply.code == 552 and reply.enhanced in ("", "5.5.3")
    return reply.code == 452 or old
