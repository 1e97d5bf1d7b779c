"""A mailbox: messages in the order of their UIDs, and what happened to them.

Goes in: messages and flags. Comes out: the same, and calls to all who watch.

Rule 1: a UID is never used twice in a mailbox, and grows (RFC 3501 §2.3.1.1). Every
        change has a modseq that is higher than all before (RFC 7162 §3.1).
Rule 2: every change is kept first (`store.changes`), then told to all watchers, in the
        order of the changes.
Rule 3: nothing depends on chance or on the real clock.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from maillab.store.changes import (
    NOTHING_KEPT,
    Added,
    Claimed,
    Deleted,
    Flagged,
    Keeper,
    KeptMailbox,
    Removed,
    Step,
)
from maillab.store.messages import NewMessage, StoredMessage, limited, stored

INBOX = "INBOX"
MAX_VANISHED = 10_000  # expunged messages that a mailbox remembers

Commit = Callable[[Sequence[Step]], None]


@dataclass(frozen=True, slots=True)
class Change:
    """What happened: "added", "flags", "removed", or "deleted" (the whole mailbox)."""

    what: str
    uid: int = 0
    flags: frozenset[str] = frozenset()
    modseq: int = 0


Watcher = Callable[[Change], None]


class Mailbox:
    """Messages, ascending by UID.

    >>> from datetime import UTC
    >>> inbox = Mailbox(KeptMailbox("INBOX", uid_validity=1))
    >>> inbox.append(b"To: bob\\r\\n\\r\\nHi", datetime(2026, 1, 1, tzinfo=UTC))
    1
    >>> inbox.get(1).content, inbox.uid_next, sorted(inbox.recent)
    (b'To: bob\\r\\n\\r\\nHi', 2, [1])
    """

    def __init__(
        self,
        kept: KeptMailbox,
        keeper: Keeper = NOTHING_KEPT,
        commit: Commit | None = None,
    ) -> None:
        self.name = kept.name
        self.use = kept.use
        self.uid_validity = kept.uid_validity
        self.uid_next = kept.uid_next
        self.highest_modseq = kept.highest_modseq
        self._keeper = keeper
        self._commit = commit or self._apply_all
        self._loaded: dict[int, StoredMessage] | None = None
        if keeper is NOTHING_KEPT:
            self._loaded = {}
        self._size = kept.size
        self._recent = set(kept.recent)
        self._vanished = list(kept.vanished)
        self._floor = kept.floor
        self._watchers: list[Watcher] = []

    # Asking ---------------------------------------------------------------------------

    @property
    def mailbox_id(self) -> str:
        """Stays when the name changes (RFC 8474 §4)."""
        return f"F{self.uid_validity}"

    @property
    def messages(self) -> tuple[StoredMessage, ...]:
        """All messages, ascending by UID."""
        return tuple(self._messages.values())

    @property
    def uids(self) -> tuple[int, ...]:
        """The UIDs of all messages, ascending."""
        return tuple(self._messages)

    @property
    def size(self) -> int:
        """All octets of all messages."""
        if self._size is None:
            self._size = sum(message.size for message in self._messages.values())
        return self._size

    @property
    def count(self) -> int:
        """How many messages."""
        return len(self._messages)

    def get(self, uid: int) -> StoredMessage | None:
        """The message with this UID, or None when it is not (or no longer) here."""
        return self._messages.get(uid)

    def existing(self, uids: Iterable[int]) -> list[StoredMessage]:
        """Those of these messages that are (still) here."""
        found = (self._messages.get(uid) for uid in uids)
        return [message for message in found if message]

    def vanished_since(self, modseq: int) -> tuple[int, ...]:
        """The UIDs that were expunged after `modseq`, ascending (RFC 7162 §3.2.10).

        What is too long ago to be remembered counts as expunged after it.
        """
        if modseq >= self._floor:
            return tuple(sorted(uid for at, uid in self._vanished if at > modseq))
        here = self._messages
        return tuple(uid for uid in range(1, self.uid_next) if uid not in here)

    # Changing -------------------------------------------------------------------------

    def append(self, content: bytes, date: datetime, flags: Iterable[str] = ()) -> int:
        """Add a message, and return its UID. `date` must know its time zone."""
        return self.append_all([NewMessage(content, date, flags)])[0]

    def append_all(self, new: Sequence[NewMessage]) -> list[int]:
        """Add messages, all or none; return their UIDs."""
        steps = self.steps_to_add(new)
        self._commit(steps)
        return [step.message.uid for step in steps]

    def steps_to_add(self, new: Sequence[NewMessage]) -> list[Added]:
        """What `append_all` would do."""
        modseq = self.highest_modseq + 1
        return [
            Added(self.uid_validity, stored(one, self.uid_next + at, modseq))
            for at, one in enumerate(new)
        ]

    def set_flags(self, uid: int, flags: Iterable[str]) -> None:
        """Replace the flags of a message. Nothing happens if it is not here."""
        self.set_all_flags({uid: frozenset(flags)})

    def set_all_flags(self, flags: Mapping[int, frozenset[str]]) -> None:
        """Replace the flags of these messages; those that are not here are ignored."""
        modseq = self.highest_modseq + 1
        steps = [
            Flagged(self.uid_validity, message.uid, wanted, modseq)
            for message in self.existing(flags)
            if (wanted := limited(flags[message.uid])) != message.flags
        ]
        if steps:
            self._commit(steps)

    def expunge(self, uids: Iterable[int]) -> list[int]:
        """Remove messages for ever; return the UIDs that were there, ascending."""
        steps = self.steps_to_remove(uids)
        if steps:
            self._commit(steps)
        return [step.uid for step in steps]

    def steps_to_remove(self, uids: Iterable[int]) -> list[Removed]:
        """What `expunge` would do."""
        modseq = self.highest_modseq + 1
        gone = sorted(uid for uid in set(uids) if uid in self._messages)
        return [Removed(self.uid_validity, uid, modseq) for uid in gone]

    @property
    def recent(self) -> frozenset[int]:
        """The UIDs of messages that no session was told of yet (RFC 3501 §2.3.2)."""
        return frozenset(self._recent)

    def claim_recent(self) -> frozenset[int]:
        """Take the recent messages for one session; for the next they are old."""
        recent = self.recent
        if recent:
            self._commit([Claimed(self.uid_validity, recent)])
        return recent

    # Telling --------------------------------------------------------------------------

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher` on every change from now on; call the result to stop that."""
        self._watchers.append(watcher)

        def unwatch() -> None:
            if watcher in self._watchers:
                self._watchers.remove(watcher)

        return unwatch

    def apply(self, step: Step) -> None:
        """Do what was kept; for the tree."""
        match step:
            case Added(_, message):
                self._add(message)
            case Flagged(_, uid, flags, modseq):
                if self._loaded is not None and uid in self._loaded:
                    old = self._loaded[uid]
                    self._loaded[uid] = replace(old, flags=flags, modseq=modseq)
                self._tell(Change("flags", uid, flags, modseq))
            case Removed(_, uid, modseq):
                self._remove(uid, modseq)
            case Claimed(_, uids):
                self._recent -= uids
            case Deleted():
                self._tell(Change("deleted"))
            case _:
                raise AssertionError(f"no step of a mailbox: {step}")

    def _apply_all(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self.apply(step)

    # What is not loaded yet is kept already: it will be loaded with the change.

    def _add(self, message: StoredMessage) -> None:
        if self._loaded is not None:
            self._loaded[message.uid] = message
        if self._size is not None:
            self._size += message.size
        self.uid_next = message.uid + 1
        self._recent.add(message.uid)
        self._tell(Change("added", message.uid, message.flags, message.modseq))

    def _remove(self, uid: int, modseq: int) -> None:
        gone = self._loaded.pop(uid, None) if self._loaded is not None else None
        if gone is None or self._size is None:
            self._size = None
        else:
            self._size -= gone.size
        self._recent.discard(uid)
        self._vanished.append((modseq, uid))
        if len(self._vanished) > MAX_VANISHED:
            self._floor, _ = self._vanished[MAX_VANISHED // 2]
            self._vanished = [one for one in self._vanished if one[0] > self._floor]
        self._tell(Change("removed", uid, modseq=modseq))

    def _tell(self, change: Change) -> None:
        self.highest_modseq = max(self.highest_modseq, change.modseq)
        for watcher in tuple(self._watchers):
            watcher(change)

    # Loading --------------------------------------------------------------------------

    @property
    def _messages(self) -> dict[int, StoredMessage]:
        """A mailbox that nobody has asked for yet is only a name."""
        if self._loaded is None:
            found = self._keeper.messages(self.uid_validity)
            self._loaded = {message.uid: message for message in found}
        return self._loaded
