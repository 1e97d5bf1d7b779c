"""The mail transfer agent: takes messages, keeps them in a queue, gets rid of them.

Goes in: what `reception` accepted, what other agents inject. Comes out: deliveries
here, relays elsewhere, reports.

Rule 1: a recipient leaves the queue delivered, relayed or bounced; never otherwise.
Rule 2: what failed for now is tried again (`policy.retry`); what failed for good is
        bounced at once; a bounce itself is never bounced (RFC 5321 §6.1).
Rule 3: a report is in the queue before the recipient it is about leaves it: a crash in
        between may send it twice, and never lose it (RFC 1047).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from maillab.agents.delivery import LocalDelivery
from maillab.agents.destination import Job
from maillab.agents.injection import Injection
from maillab.agents.machine import Machine
from maillab.agents.mail_queue import MailQueue
from maillab.agents.mailroot import Mailroot
from maillab.agents.outcome import Outcome
from maillab.agents.relay import Attempt, Errand, Relay
from maillab.agents.relay_session import RelaySession
from maillab.agents.reports import Reporter
from maillab.agents.serving import tell_failure
from maillab.policy.networks import find_network
from maillab.policy.retry import Bounce
from maillab.policy.routes import (
    LOCAL,
    UNSURE,
    RouteChoice,
    choose_route,
    to_lmtp,
)
from maillab.policy.settings import Settings
from maillab.store.accounts import Directory, DirectoryUnavailable
from maillab.store.queue import Queue, QueueEntry, Recipient, Storage, as_ret
from maillab.wire.message import (
    add_if_missing,
    date_text,
    message_id,
    prepend,
    received,
)
from maillab.wire.smtp import Envelope
from maillab.wire.smtp_path import Address, literal_of

TOP_RECEIVED = re.compile(rb"Received:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*", re.I)
HERE = RouteChoice(LOCAL, "", reason="the domain is one of ours")
NOBODY_KNOWS = RouteChoice(UNSURE, "", reason="the directory cannot answer")


@dataclass(frozen=True, slots=True)
class Submission:
    """A message at the door, with what is known of who brought it."""

    envelope: Envelope
    content: bytes
    client_name: str
    client_address: str
    protocol: str  # "ESMTP", "ESMTPSA", … (RFC 3848)
    user: str = ""  # who logged in: then this is a submission (RFC 6409)
    connection: str = ""  # by which it came, for the trace


class MTA:
    """The queue of one mail server and everything that empties it.

    settings  how it is configured; replaced as a whole
    queue     what waits, with hold, release, retry and delete
    delivery  what becomes of mail for local recipients
    mailroot  its folders: pickup, drop, badmail
    """

    def __init__(
        self,
        machine: Machine,
        hostname: str,
        directory: Directory,
        relay: Relay,
        storage: Storage | None = None,
    ) -> None:
        self.machine = machine
        self.hostname = hostname
        self.directory = directory
        self.relay = relay
        self.settings = Settings()
        self.queue = MailQueue(
            machine, hostname, Queue() if storage is None else storage, self
        )
        self.reporter = Reporter(self)
        self.delivery = LocalDelivery(
            machine, hostname, directory, lambda: self.settings, self.inject
        )
        self.mailroot = Mailroot(self)
        self._ids = machine.random("queue ids")

    @property
    def busy(self) -> bool:
        """A message is being worked on, rather than waiting for its next try."""
        return self.queue.busy

    def start(self) -> None:
        """Go on with a queue from before, and with files in the folders on disk."""
        self.queue.restore()
        self.mailroot.start()

    # Taking messages ------------------------------------------------------------------

    def accept(self, submission: Submission) -> QueueEntry:
        """Take responsibility for a message and begin to work on it."""
        return self.enqueue(self._entry(submission), submission.connection)

    async def deliver_now(self, submission: Submission) -> list[Outcome]:
        """Deliver without a queue: the next one up keeps what fails (RFC 2033 §4.2).

        One outcome for each forward-path, in order.
        """
        entry = self._entry(submission)
        self._tell_accepted(entry, submission.connection)
        became = {
            one.address: await self._deliver(entry, one) for one in entry.recipients
        }
        # success is ours to report; the next one up hears of the rest and reports that
        good = [one for one in became.values() if one.settled]
        self.reporter.report(entry, good)
        return [became[path] for path in submission.envelope.forward_paths]

    def _entry(self, submission: Submission) -> QueueEntry:
        id = self.new_id()
        content = submission.content
        envelope = submission.envelope
        if self._is_first_hop(submission):
            path = self.masqueraded(envelope.reverse_path)
            envelope = replace(envelope, reverse_path=path)
        if submission.user:
            content = self.completed(content, id)
        trace_field = self._received(submission, id)
        parameters = envelope.parameters
        return QueueEntry(
            id,
            message_id(content) or id,
            envelope.reverse_path,
            recipients_of(envelope),
            prepend(content, trace_field),
            self.machine.time(),
            parameters.get("BODY") or "7BIT",
            as_ret(parameters.get("RET")),
            parameters.get("ENVID") or "",
            utf8="SMTPUTF8" in parameters,
        )

    def inject(self, injection: Injection) -> QueueEntry:
        """Queue a message of this server's own making."""
        id = self.new_id()
        return self.enqueue(
            QueueEntry(
                id,
                message_id(injection.content) or id,
                injection.reverse_path,
                [
                    Recipient(one.address, one.notify, one.original)
                    for one in injection.recipients
                ],
                injection.content,
                self.machine.time(),
                injection.body,
                injection.ret,
                injection.envid,
                injection.utf8,
            )
        )

    def enqueue(self, entry: QueueEntry, connection: str = "") -> QueueEntry:
        """Put an entry into the queue and tell."""
        self.queue.storage.add(entry)
        self._tell_accepted(entry, connection)
        self.queue.sort(entry, entry.recipients)
        return entry

    def _tell_accepted(self, entry: QueueEntry, connection: str) -> None:
        self.machine.emit(
            "accepted",
            connection,
            message=entry.message,
            queue_id=entry.id,
            sender=str(entry.reverse_path),
            recipients=tuple(str(one) for one in entry.recipients),
            size=len(entry.content),
            received=first_received(entry.content),
        )

    def completed(self, content: bytes, id: str) -> bytes:
        """Add what a submission may lack (RFC 6409 §8.1, §8.3)."""
        date = self.date()
        stamp = self.machine.now().strftime("%Y%m%d%H%M%S")
        content = add_if_missing(content, "Date", date)
        name = f"<{stamp}.{id}@{self.hostname}>"
        return add_if_missing(content, "Message-ID", name)

    def _is_first_hop(self, submission: Submission) -> bool:
        """It comes from somebody of ours: by a login, or by an address that relays."""
        networks = self.settings.relay.networks
        address = submission.client_address
        return bool(submission.user) or find_network(address, networks) is not None

    def masqueraded(self, path: Address) -> Address:
        """RFC5321.MailFrom as others shall see it (`delivery.masquerade`)."""
        domain = self.settings.delivery.masquerade
        if not domain or not path.domain or not self.is_local(path.domain):
            return path
        return Address(path.local_part, domain)

    def date(self) -> str:
        """Now, as a Date field writes it."""
        return date_text(self.machine.now())

    def new_id(self) -> str:
        """A queue id that nothing in the queue has."""
        id = f"{self._ids.getrandbits(32):08X}"
        while id in self.queue.entries:
            id = f"{self._ids.getrandbits(32):08X}"
        return id

    def _received(self, submission: Submission, id: str) -> bytes:
        """Who brought it, to whom, how and when (RFC 5321 §4.4)."""
        literal = literal_of(submission.client_address)
        return received(
            f"{submission.client_name} ({literal})",
            f"{self.hostname} with {submission.protocol} id {id}",
            self.date(),
        )

    # Where to -------------------------------------------------------------------------

    def is_local(self, domain: str) -> bool:
        """Mail for this domain ends here, or goes on under another name."""
        return self.delivery.is_local(domain)

    def route(self, recipient: Recipient) -> RouteChoice:
        """Where mail for him goes, by the settings of now."""
        domain = recipient.address.domain
        try:
            if not self.is_local(domain):
                return choose_route(domain, self.settings)
        except DirectoryUnavailable:
            return NOBODY_KNOWS
        delivery = self.settings.delivery
        return to_lmtp(delivery.lmtp) if delivery.lmtp else HERE

    # Getting rid of them --------------------------------------------------------------

    async def attempt(
        self, job: Job, choice: RouteChoice, session: RelaySession | None
    ) -> Attempt:
        """Deliver here, or relay elsewhere."""
        if choice.key == UNSURE:
            outcomes = [
                Outcome(one, "deferred", choice.reason, "4.3.0")
                for one in job.recipients
            ]
            return Attempt(outcomes, reached=False)
        if choice.key == LOCAL:
            return Attempt(await self._deliver_here(job))
        delivery = self.settings.delivery
        errand = Errand(job.entry, job.recipients, choice, delivery)
        return await self.relay.attempt(errand, session)

    async def _deliver_here(self, job: Job) -> list[Outcome]:
        if self.settings.delivery.drop_folder:
            return self.mailroot.drop_off(job.entry, job.recipients)
        return [await self._deliver(job.entry, one) for one in job.recipients]

    async def _deliver(self, entry: QueueEntry, recipient: Recipient) -> Outcome:
        """One recipient. A failure of ours is no reason to lose a message."""
        try:
            return await self.delivery.deliver(entry, recipient)
        except Exception as error:  # noqa: BLE001  (the agent's top loop)
            tell_failure(self.machine, error)
            reason = "the server failed: see the trace"
            return Outcome(recipient, "deferred", reason, "4.3.0")

    def conclude(self, entry: QueueEntry, outcomes: Sequence[Outcome]) -> None:
        """These recipients have it, or never will: report, then strike out."""
        for outcome in outcomes:
            if outcome.status == "failed":
                self._tell_bounced(entry, outcome)
        try:
            self.reporter.report(entry, outcomes)
        except OSError:  # the disk is full; who has the message shall not get it again
            self._strike_out(entry, [one for one in outcomes if one.settled])
            raise
        self._strike_out(entry, outcomes)

    def give_up(
        self, entry: QueueEntry, outcome: Outcome, report: Bounce | None
    ) -> None:
        """Strike one recipient out, with this report or without one."""
        self._tell_bounced(entry, outcome)
        if report is not None:
            self.reporter.report_as(entry, outcome, report)
        self._strike_out(entry, [outcome])

    def _tell_bounced(self, entry: QueueEntry, outcome: Outcome) -> None:
        self.machine.emit(
            "bounced",
            message=entry.message,
            queue_id=entry.id,
            recipient=str(outcome.recipient),
            reason=outcome.reason,
        )

    def _strike_out(self, entry: QueueEntry, outcomes: Sequence[Outcome]) -> None:
        if not outcomes:
            return
        recipients = [one.recipient for one in outcomes]
        self.queue.storage.settle(entry, recipients)
        self.queue.tell(entry, "settled", recipients)

    def warn(self, entry: QueueEntry, recipients: Sequence[Recipient]) -> None:
        """Tell the sender that it takes longer."""
        self.reporter.warn(entry, recipients)


def first_received(content: bytes) -> str:
    """The Received field on top of a message: whoever has it last has written it.

    >>> first_received(b"Received: from pc\\r\\n\\tby mx; now\\r\\nTo: bob\\r\\n")
    'Received: from pc\\r\\n\\tby mx; now\\r\\n'
    """
    found = TOP_RECEIVED.match(content)
    return found[0].decode("utf-8", "backslashreplace") if found else ""


def recipients_of(envelope: Envelope) -> list[Recipient]:
    """Each recipient once, with what was asked for him (RFC 3461 §4)."""
    found: list[Recipient] = []
    for path, parameters in envelope.recipients.items():
        notify = (parameters.get("NOTIFY") or "").upper()
        words = frozenset(notify.split(",")) if notify else frozenset[str]()
        original = parameters.get("ORCPT") or ""
        found.append(Recipient(path, words, original))
    return found
