"""The queue: messages that this server answers for and has not got rid of yet.

Goes in: accepted messages. Comes out: entries, until every recipient is settled.
"""

from dataclasses import dataclass, field

from maillab.wire.smtp_path import Address


@dataclass(slots=True)
class QueueEntry:
    """One message and those of its recipients who still wait for it.

    id        the queue id, unique on this server, as in Received fields
    message   the trace id: the Message-ID, or the first queue id
    arrived   seconds since the world began
    body      "7BIT" or "8BITMIME" (RFC 6152)
    attempts  failed tries so far
    """

    id: str
    message: str
    reverse_path: Address
    recipients: list[Address]
    content: bytes
    arrived: float
    body: str = "7BIT"
    attempts: int = 0
    next_try: float | None = None
    last_reason: str = ""


@dataclass(slots=True)
class Queue:
    """All entries, oldest first."""

    entries: dict[str, QueueEntry] = field(default_factory=dict[str, QueueEntry])

    def add(self, entry: QueueEntry) -> None:
        """Take responsibility (RFC 5321 §6.1)."""
        self.entries[entry.id] = entry

    def settle(self, entry: QueueEntry, recipients: list[Address]) -> None:
        """These recipients have it, or never will. The last one removes the entry."""
        for recipient in recipients:
            entry.recipients.remove(recipient)
        if not entry.recipients:
            self.entries.pop(entry.id, None)

    def __len__(self) -> int:
        return len(self.entries)
