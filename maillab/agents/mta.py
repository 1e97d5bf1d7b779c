"""The mail transfer agent: takes messages, keeps them in a queue, gets rid of them.

Goes in: what `reception` accepted. Comes out: deliveries here, relays elsewhere,
bounces.

Rule 1: a recipient leaves the queue delivered, relayed or bounced; never otherwise.
Rule 2: what failed for now is tried again (`policy.retry`); what failed for good is
        bounced at once; a bounce itself is never bounced (RFC 5321 §6.1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from maillab.agents.bounce import bounce_message
from maillab.agents.machine import Machine
from maillab.agents.mda import MDA
from maillab.agents.relay import Outcome, Relay
from maillab.agents.serving import tell_failure
from maillab.policy.retry import RetrySchedule
from maillab.store.accounts import Directory
from maillab.store.queue import Queue, QueueEntry
from maillab.wire.message import (
    add_if_missing,
    date_text,
    message_id,
    prepend,
    received,
)
from maillab.wire.smtp import Envelope
from maillab.wire.smtp_path import NULL_PATH, Address


@dataclass(frozen=True, slots=True)
class Submission:
    """A message at the door, with what is known of who brought it."""

    envelope: Envelope
    content: bytes
    client_name: str
    client_address: str
    protocol: str  # "ESMTP", "ESMTPSA", … (RFC 3848)
    user: str = ""  # who logged in: then this is a submission (RFC 6409)


class MTA:
    """The queue of one mail server and everything that empties it."""

    def __init__(
        self,
        machine: Machine,
        hostname: str,
        directory: Directory,
        relay: Relay,
        schedule: RetrySchedule | None = None,
    ) -> None:
        self.machine = machine
        self.hostname = hostname
        self.directory = directory
        self.queue = Queue()
        self.schedule = schedule or RetrySchedule()
        self.relay = relay
        self._mda = MDA(machine, directory)
        self._ids = machine.random("queue ids")

    # Taking messages ------------------------------------------------------------------

    def accept(self, submission: Submission) -> QueueEntry:
        """Take responsibility for a message and begin to work on it."""
        id = self._new_id()
        content = submission.content
        if submission.user:
            content = self._completed(content, id)
        trace_field = self._received(submission, id)
        envelope = submission.envelope
        body = envelope.parameters.get("BODY") or "7BIT"
        return self._enqueue(
            QueueEntry(
                id,
                message_id(content) or id,
                envelope.reverse_path,
                list(dict.fromkeys(envelope.forward_paths)),
                prepend(content, trace_field),
                self.machine.time(),
                body,
            )
        )

    def _received(self, submission: Submission, id: str) -> bytes:
        """Who brought it, to whom, how and when (RFC 5321 §4.4)."""
        address = submission.client_address
        literal = f"[IPv6:{address}]" if ":" in address else f"[{address}]"
        return received(
            f"{submission.client_name} ({literal})",
            f"{self.hostname} with {submission.protocol} id {id}",
            self._date(),
        )

    def _completed(self, content: bytes, id: str) -> bytes:
        """Add what a submission may lack (RFC 6409 §8.1, §8.3)."""
        date = self._date()
        stamp = self.machine.now().strftime("%Y%m%d%H%M%S")
        content = add_if_missing(content, "Date", date)
        name = f"<{stamp}.{id}@{self.hostname}>"
        return add_if_missing(content, "Message-ID", name)

    def _date(self) -> str:
        return date_text(self.machine.now())

    def _new_id(self) -> str:
        return f"{self._ids.getrandbits(32):08X}"

    def _enqueue(self, entry: QueueEntry) -> QueueEntry:
        self.queue.add(entry)
        self.machine.emit(
            "accepted",
            message=entry.message,
            queue_id=entry.id,
            sender=str(entry.reverse_path),
            recipients=tuple(str(path) for path in entry.recipients),
            size=len(entry.content),
        )
        self.machine.spawn(self._work(entry), f"{self.hostname}: queue {entry.id}")
        return entry

    # Getting rid of them --------------------------------------------------------------

    async def _work(self, entry: QueueEntry) -> None:
        """Try, wait, try again, until nobody waits for this message."""
        while entry.recipients:
            outcomes = self._deliver_here(entry)
            outcomes += await self._relay_elsewhere(entry)
            deferred = self._settle(entry, outcomes)
            if not deferred:
                continue
            entry.attempts += 1
            age = self.machine.time() - entry.arrived
            wait = self.schedule.next_try(entry.attempts, age)
            if wait is None:
                self._bounce(entry, deferred)
                continue
            entry.next_try = self.machine.time() + wait
            entry.last_reason = deferred[0].reason
            for outcome in deferred:
                self._tell(
                    "deferred",
                    entry,
                    recipient=str(outcome.recipient),
                    reason=outcome.reason,
                    next_try=wait,
                )
            await self.machine.sleep(wait)

    def _deliver_here(self, entry: QueueEntry) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for recipient in list(entry.recipients):
            if recipient.domain and not self.directory.is_local(recipient.domain):
                continue
            if self._mda.deliver(entry, recipient):
                outcomes.append(Outcome(recipient, "delivered"))
            else:
                reason = "there is no mailbox of this name"
                outcomes.append(Outcome(recipient, "failed", reason, "5.1.1"))
        return outcomes

    async def _relay_elsewhere(self, entry: QueueEntry) -> list[Outcome]:
        """One SMTP session, and one copy, for each domain (RFC 5321 §3.3)."""
        domains: dict[str, list[Address]] = {}
        for recipient in entry.recipients:
            if recipient.domain and not self.directory.is_local(recipient.domain):
                domains.setdefault(recipient.domain.lower(), []).append(recipient)
        outcomes: list[Outcome] = []
        for domain, recipients in domains.items():
            outcomes += await self._relay_to(domain, recipients, entry)
        return outcomes

    async def _relay_to(
        self, domain: str, recipients: list[Address], entry: QueueEntry
    ) -> list[Outcome]:
        """One domain. A failure of ours is no reason to lose a message."""
        try:
            return await self.relay.send(entry, domain, recipients)
        except Exception as error:  # noqa: BLE001  (the agent's top loop)
            tell_failure(self.machine, error)
            reason = "the server failed: see the trace"
            return [Outcome(one, "deferred", reason, "4.3.0") for one in recipients]

    def _settle(self, entry: QueueEntry, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Strike out who has it and bounce what failed for good; return the rest."""
        done = [one.recipient for one in outcomes if one.status == "delivered"]
        self.queue.settle(entry, done)
        failed = [one for one in outcomes if one.status == "failed"]
        if failed:
            self._bounce(entry, failed)
        return [one for one in outcomes if one.status == "deferred"]

    def _bounce(self, entry: QueueEntry, failed: Sequence[Outcome]) -> None:
        """Give up on recipients and tell the sender, unless there is none."""
        for outcome in failed:
            recipient = str(outcome.recipient)
            self._tell("bounced", entry, recipient=recipient, reason=outcome.reason)
        self.queue.settle(entry, [outcome.recipient for outcome in failed])
        if entry.reverse_path.is_null:
            return
        id = self._new_id()
        content = bounce_message(entry, failed, self.hostname, self._date(), id)
        self._enqueue(
            QueueEntry(
                id,
                message_id(content),
                NULL_PATH,
                [entry.reverse_path],
                content,
                self.machine.time(),
                entry.body,
            )
        )

    def _tell(self, kind: str, entry: QueueEntry, **facts: Any) -> None:
        self.machine.emit(kind, message=entry.message, queue_id=entry.id, **facts)
