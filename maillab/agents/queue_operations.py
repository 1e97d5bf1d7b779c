"""What an administrator does to a queue: hold, release, retry now, delete.

Goes in: queue ids, or the name of a destination. Comes out: nothing; the trace tells,
by an event `queue` for each message.

Rule 1: a message that is under way at that moment is not called back: what the other
        side has taken is not ours any more (RFC 5321 §6.1).
Rule 2: a held message does not age: it is neither tried nor given up.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from maillab.agents.outcome import Outcome
from maillab.errors import LabError
from maillab.store.queue import QueueEntry, Recipient

if TYPE_CHECKING:
    from maillab.agents.mail_queue import MailQueue

DELETED = "the administrator of this server has deleted the message from its queue"


class QueueOperations:
    """The part of `MailQueue` that people use."""

    def hold(self, id: str) -> None:
        """Keep a message where it is until it is released. Raises LabError."""
        queue, entry = self._queue, self.find(id)
        entry.held = True
        self._drop_jobs(entry)
        queue.storage.note(entry)
        self.tell(entry, "hold", entry.recipients)

    def release(self, id: str) -> None:
        """Let a held message go, at once. Raises LabError."""
        queue, entry = self._queue, self.find(id)
        if not entry.held:
            raise LabError(f"the message {id} is not held; type .hold({id!r}) first")
        entry.held = False
        for one in entry.recipients:
            one.next_try = 0.0
        queue.storage.note(entry)
        self.tell(entry, "release", entry.recipients)
        # who is under way has his turn already
        waiting = [one for one in entry.recipients if one not in queue.under_way]
        queue.sort(entry, waiting)

    def retry(self, what: str = "all") -> int:
        """Try now: a message by its id, a destination by its name, or "all".

        Returns how many messages are tried. Raises LabError.
        """
        queue = self._queue
        if what in queue.entries:
            return self._retry([self.find(what)])
        if what == "all":
            return self._retry(list(queue.entries.values()))
        destination = queue.destinations.get(what.lower()) or queue.destinations.get(
            what
        )
        if destination is None:
            known = ", ".join(queue.destinations) or "none"
            raise LabError(
                f"there is neither a message nor a destination {what!r}; "
                f'type "all", a queue id, or one of these destinations: {known}'
            )
        return self._retry(destination.entries())

    def retry_for(self, domain: str, subdomains: bool = False) -> int:
        """Try now what waits for a domain (RFC 1985 §5); how many messages those are.

        `subdomains`: and for all domains below it.
        """
        below = f".{domain.lower()}"

        def fits(entry: QueueEntry) -> bool:
            names = (one.address.domain.lower() for one in entry.recipients)
            return any(
                name == below[1:] or (subdomains and name.endswith(below))
                for name in names
            )

        return self._retry([one for one in self._queue.entries.values() if fits(one)])

    def clear(self) -> None:
        """Throw all messages away, tell nobody, and forget which host was late."""
        for id in list(self._queue.entries):
            self.delete(id)
        for destination in self._queue.destinations.values():
            destination.clock, destination.failures = 0.0, 0

    def delete(self, id: str, *, report: bool = False) -> None:
        """Throw a message away; `report`: tell the sender. Raises LabError."""
        queue, entry = self._queue, self.find(id)
        self._drop_jobs(entry)
        self.tell(entry, "delete", entry.recipients)
        outcomes = [
            Outcome(one, "failed", DELETED, "5.7.1") for one in entry.recipients
        ]
        if report:
            queue.courier.conclude(entry, outcomes)
        else:
            queue.storage.settle(entry, list(entry.recipients))

    def find(self, id: str) -> QueueEntry:
        """The message with this queue id. Raises LabError."""
        entries = self._queue.entries
        if id not in entries:
            known = ", ".join(entries) or "none"
            raise LabError(
                f"there is no message {id!r} in the queue; there are: {known}"
            )
        return entries[id]

    @property
    def _queue(self) -> "MailQueue":
        return cast("MailQueue", self)

    def _retry(self, entries: list[QueueEntry]) -> int:
        """Put them in line anew, and let no destination wait for its clock."""
        entries = [entry for entry in entries if not entry.held]
        for entry in entries:
            self.tell(entry, "retry", entry.recipients)
            for one in entry.recipients:
                one.next_try = 0.0
            keys = self._drop_jobs(entry)
            for key in keys:
                self._queue.destinations[key].clock = 0.0
            waiting = [one for key in keys for one in keys[key]]
            self._queue.sort(entry, waiting)
        return len(entries)

    def _drop_jobs(self, entry: QueueEntry) -> dict[str, list[Recipient]]:
        """Take a message out of the lines; return who stood in which."""
        found = {
            key: [one for job in place.drop(entry) for one in job.recipients]
            for key, place in self._queue.destinations.items()
        }
        return {key: recipients for key, recipients in found.items() if recipients}

    def tell(
        self, entry: QueueEntry, action: str, recipients: Sequence[Recipient]
    ) -> None:
        """Tell the trace what was done to these recipients of a message."""
        self._queue.machine.emit(
            "queue",
            message=entry.message,
            queue_id=entry.id,
            action=action,
            recipient=", ".join(map(str, recipients)),
        )
