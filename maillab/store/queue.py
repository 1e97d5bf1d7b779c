"""The queue: messages that this server answers for and has not got rid of yet.

Goes in: accepted messages. Comes out: entries, until every recipient is settled.

Rule 1: a recipient leaves by `settle` only, and the last one takes the entry along.
Rule 2: who changes a recipient or an entry calls `note`: a queue on disk writes it down
        (`store.spool`), this one has nothing to do.
"""

from dataclasses import dataclass, field
from typing import Literal, Protocol

from maillab.wire.smtp_path import Address

Ret = Literal["", "FULL", "HDRS"]


def as_ret(text: str | None) -> Ret:
    """The RET parameter of MAIL (RFC 3461 §4.3), or "".

    >>> as_ret("hdrs"), as_ret(None)
    ('HDRS', '')
    """
    known: dict[str, Ret] = {"FULL": "FULL", "HDRS": "HDRS"}
    return known.get((text or "").upper(), "")


@dataclass(slots=True, eq=False)
class Recipient:
    """One recipient of a message that waits, and what happened to him so far.

    notify    which reports the sender wants (RFC 3461 §4.1): "NEVER", or some of
              "SUCCESS" "FAILURE" "DELAY"; empty: not said
    original  the address that the sender wrote (ORCPT): "rfc822;ann@x.example", or ""
    attempts  failed tries; next_try: when the next one is due, in seconds since the
              world began; 0: now
    obeyed    rules have had their copies sent: a further try sends them no more
    warned    the sender has been told of the delay
    reason, code, reply, host   why the last try failed; `reply` as the host said it
    """

    address: Address
    notify: frozenset[str] = frozenset()
    original: str = ""
    attempts: int = 0
    next_try: float = 0.0
    warned: bool = False
    reason: str = ""
    code: str = ""
    reply: str = ""
    host: str = ""
    obeyed: bool = False

    def __str__(self) -> str:
        return str(self.address)

    def wants(self, report: str) -> bool:
        """The sender wants to hear of "SUCCESS", "FAILURE" or "DELAY".

        "If no NOTIFY parameter is present": failure for certain, delay if the server
        likes (RFC 3461 §4.1).

        >>> ann = Address("ann", "alpha.example")
        >>> Recipient(ann).wants("FAILURE"), Recipient(ann).wants("SUCCESS")
        (True, False)
        >>> Recipient(ann, frozenset({"NEVER"})).wants("FAILURE")
        False
        """
        return report in (self.notify or ("FAILURE", "DELAY"))


@dataclass(slots=True, eq=False)
class QueueEntry:
    """One message and those of its recipients who still wait for it.

    id        the queue id, unique on this server, as in Received fields
    message   the trace id: the Message-ID, or the first queue id
    arrived   seconds since the world began
    body      "7BIT", "8BITMIME" or "BINARYMIME" (RFC 6152, RFC 3030)
    ret       what reports bring back: "FULL", "HDRS", or "" (RFC 3461 §4.3)
    envid     the sender's own name for the message (RFC 3461 §4.4), or ""
    utf8      the message needs SMTPUTF8 (RFC 6531)
    held      nobody tries it until it is released
    """

    id: str
    message: str
    reverse_path: Address
    recipients: list[Recipient]
    content: bytes
    arrived: float
    body: str = "7BIT"
    ret: Ret = ""
    envid: str = ""
    utf8: bool = False
    held: bool = False

    @property
    def attempts(self) -> int:
        """How often somebody tried in vain, at most."""
        return max((one.attempts for one in self.recipients), default=0)

    @property
    def next_try(self) -> float:
        """When the next recipient is due."""
        return min((one.next_try for one in self.recipients), default=0.0)


class Storage(Protocol):
    """What keeps the entries: in memory (`Queue`) or on disk (`store.spool.Spool`)."""

    entries: dict[str, QueueEntry]

    def add(self, entry: QueueEntry) -> None:
        """Take responsibility (RFC 5321 §6.1): when this returns, it is stored."""
        ...

    def settle(self, entry: QueueEntry, recipients: list[Recipient]) -> None:
        """These recipients have it, or never will. The last one removes the entry."""
        ...

    def note(self, entry: QueueEntry) -> None:
        """Something about the entry or its recipients has changed."""
        ...

    def __len__(self) -> int: ...


@dataclass(slots=True)
class Queue:
    """All entries, oldest first, in memory."""

    entries: dict[str, QueueEntry] = field(default_factory=dict[str, QueueEntry])

    def add(self, entry: QueueEntry) -> None:
        """Take responsibility (RFC 5321 §6.1)."""
        self.entries[entry.id] = entry

    def settle(self, entry: QueueEntry, recipients: list[Recipient]) -> None:
        """These recipients have it, or never will. The last one removes the entry."""
        for recipient in recipients:
            if recipient in entry.recipients:
                entry.recipients.remove(recipient)
        if not entry.recipients:
            self.entries.pop(entry.id, None)

    def note(self, entry: QueueEntry) -> None:
        """Something has changed: memory knows it already."""

    def __len__(self) -> int:
        return len(self.entries)
