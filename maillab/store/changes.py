"""What can happen to the mailboxes of one user, as values; and who keeps it.

Goes in: steps. Comes out: a tree of mailboxes that has them done, in memory and,
with a `Keeper` that has a disk, also after a crash.

    memory   steps -> NOTHING_KEPT.commit -> applied
    disk     steps -> Maildir files and an index, synced -> applied

Rule 1: all steps of one `commit` are done, or none of them.
Rule 2: they are kept first and applied to memory then: nobody is told what a crash
        could take back.
Rule 3: a mailbox is named by its UIDVALIDITY, which no two mailboxes of a user ever
        share; names change.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from maillab.store.messages import StoredMessage


@dataclass(frozen=True, slots=True)
class Added:
    """A message is in a mailbox, and recent (RFC 3501 §2.3.2)."""

    mailbox: int
    message: StoredMessage


@dataclass(frozen=True, slots=True)
class Flagged:
    """A message has these flags now, and no others."""

    mailbox: int
    uid: int
    flags: frozenset[str]
    modseq: int


@dataclass(frozen=True, slots=True)
class Removed:
    """A message is gone for ever."""

    mailbox: int
    uid: int
    modseq: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """These messages are no longer recent. To keep this never fails."""

    mailbox: int
    uids: frozenset[int]


@dataclass(frozen=True, slots=True)
class Made:
    """There is a new mailbox, perhaps with a special use such as "\\\\Sent"."""

    mailbox: int
    name: str
    use: str = ""


@dataclass(frozen=True, slots=True)
class Deleted:
    """A mailbox is gone, with its messages."""

    mailbox: int


@dataclass(frozen=True, slots=True)
class Renamed:
    """A mailbox has another name."""

    mailbox: int
    name: str


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A name is on the list of LSUB, or no longer."""

    name: str
    wanted: bool


Step = Added | Flagged | Removed | Claimed | Made | Deleted | Renamed | Subscribed


@dataclass(frozen=True, slots=True)
class KeptMailbox:
    """A mailbox as a keeper knows it; its messages come when they are needed.

    vanished  (modseq, UID) of messages that are gone, ascending
    floor     what vanished at this modseq or before is not in `vanished`
    size      octets of all messages; None: ask the messages
    """

    name: str
    uid_validity: int
    uid_next: int = 1
    highest_modseq: int = 1
    use: str = ""
    vanished: tuple[tuple[int, int], ...] = ()
    floor: int = 0
    recent: frozenset[int] = frozenset()
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """All that is kept of a user. `last_validity`: the highest UIDVALIDITY ever used.

    With no mailboxes it is a user who was never here.
    """

    last_validity: int = 0
    mailboxes: tuple[KeptMailbox, ...] = ()
    subscriptions: frozenset[str] = field(default_factory=frozenset[str])


class Keeper(Protocol):
    """Where the mailboxes of one user are kept. Everything raises StoreUnavailable."""

    def load(self) -> Kept:
        """What is there."""
        ...

    def messages(self, mailbox: int) -> Iterable[StoredMessage]:
        """The messages of a mailbox, ascending by UID."""
        ...

    def commit(self, steps: Sequence[Step]) -> Sequence[Step]:
        """Keep this for ever. Returns the steps, `Added` with the place of its octets.

        When it raises, nothing has changed.
        """
        ...

    def refresh(self) -> Sequence[Step]:
        """What other programs did to the mailboxes meanwhile; it is kept already."""
        ...


class _Nothing:
    """The keeper of those who forget: worlds."""

    def load(self) -> Kept:
        """Nothing."""
        return Kept()

    def messages(self, mailbox: int) -> Iterable[StoredMessage]:
        """None."""
        del mailbox
        return ()

    def commit(self, steps: Sequence[Step]) -> Sequence[Step]:
        """Nothing to do."""
        return steps

    def refresh(self) -> Sequence[Step]:
        """Nobody else is here."""
        return ()


NOTHING_KEPT: Keeper = _Nothing()
