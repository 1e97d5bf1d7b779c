"""Mailboxes, in memory: what MDA, POP3 and IMAP share.

Goes in: messages, flags, names. Comes out: the same, and calls to all who watch.

Rule 1: a message never changes; only its flags do. A UID is never used twice in a
        mailbox, and grows (RFC 3501 §2.3.1.1).
Rule 2: every change is told to all watchers, in the order of the changes.
Rule 3: nothing depends on chance or on the real clock: UIDVALIDITY counts the mailboxes
        that a tree has ever had.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

DELIMITER = "/"
INBOX = "INBOX"
MAX_NAME = 255  # characters
MAX_MAILBOXES = 1000  # of one user
MAX_FLAGS = 100  # of one message

# What a new account usually has, with its use (RFC 6154 §2).
STANDARD_FOLDERS: Mapping[str, str] = {
    "Archive": "\\Archive",
    "Drafts": "\\Drafts",
    "Junk": "\\Junk",
    "Sent": "\\Sent",
    "Trash": "\\Trash",
}


class MailboxError(Exception):
    """A mailbox cannot be made, found or changed so.

    `code` is the response code of RFC 5530 §3 that says why.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message in a mailbox. `internal_date` is aware: when it was delivered."""

    uid: int
    content: bytes
    internal_date: datetime
    flags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a message: "added", "flags" or "removed"."""

    what: str
    uid: int
    flags: frozenset[str] = frozenset()


Watcher = Callable[[Change], None]


class Mailbox:
    """Messages in the order of their UIDs.

    >>> from datetime import UTC
    >>> inbox = Mailbox("INBOX", uid_validity=1)
    >>> inbox.append(b"To: bob\\r\\n\\r\\nHi", datetime(2026, 1, 1, tzinfo=UTC))
    1
    >>> inbox.get(1).content, inbox.uid_next, sorted(inbox.recent)
    (b'To: bob\\r\\n\\r\\nHi', 2, [1])
    """

    def __init__(self, name: str, uid_validity: int) -> None:
        self.name = name
        self.uid_validity = uid_validity
        self.uid_next = 1
        self._messages: dict[int, StoredMessage] = {}
        self._recent: set[int] = set()
        self._watchers: list[Watcher] = []

    @property
    def messages(self) -> tuple[StoredMessage, ...]:
        """All messages, ascending by UID."""
        return tuple(self._messages.values())

    @property
    def size(self) -> int:
        """All octets of all messages."""
        return sum(len(message.content) for message in self._messages.values())

    def get(self, uid: int) -> StoredMessage | None:
        """The message with this UID, or None when it is not (or no longer) here."""
        return self._messages.get(uid)

    def append(self, content: bytes, date: datetime, flags: Iterable[str] = ()) -> int:
        """Add a message, and return its UID. `date` must know its time zone."""
        if date.tzinfo is None:
            raise ValueError("The internal date needs a time zone")
        uid = self.uid_next
        self.uid_next += 1
        message = StoredMessage(uid, content, date, _limited(flags))
        self._messages[uid] = message
        self._recent.add(uid)
        self._tell(Change("added", uid, message.flags))
        return uid

    def set_flags(self, uid: int, flags: Iterable[str]) -> None:
        """Replace the flags of a message. Nothing happens if it is not here."""
        message = self._messages.get(uid)
        wanted = _limited(flags)
        if message and message.flags != wanted:
            self._messages[uid] = replace(message, flags=wanted)
            self._tell(Change("flags", uid, wanted))

    def expunge(self, uids: Iterable[int]) -> list[int]:
        """Remove messages for ever; return the UIDs that were there, ascending."""
        gone = sorted(uid for uid in set(uids) if uid in self._messages)
        for uid in gone:
            del self._messages[uid]
            self._recent.discard(uid)
            self._tell(Change("removed", uid))
        return gone

    @property
    def recent(self) -> frozenset[int]:
        """The UIDs of messages that no session was told of yet (RFC 3501 §2.3.2)."""
        return frozenset(self._recent)

    def claim_recent(self) -> frozenset[int]:
        """Take the recent messages for one session; for the next they are old."""
        recent, self._recent = self._recent, set()
        return frozenset(recent)

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher` on every change from now on; call the result to stop that."""
        self._watchers.append(watcher)

        def unwatch() -> None:
            if watcher in self._watchers:
                self._watchers.remove(watcher)

        return unwatch

    def _tell(self, change: Change) -> None:
        for watcher in tuple(self._watchers):
            watcher(change)


class MailboxTree:
    """All mailboxes of one user; INBOX is always there.

    >>> tree = MailboxTree(STANDARD_FOLDERS)
    >>> tree.names
    ('INBOX', 'Archive', 'Drafts', 'Junk', 'Sent', 'Trash')
    >>> tree.create("lists/mail").name, tree.find("Inbox") is tree.inbox
    ('lists/mail', True)
    """

    def __init__(self, folders: Mapping[str, str] | None = None) -> None:
        self._validity = 0
        self._mailboxes: dict[str, Mailbox] = {}
        self._subscriptions: set[str] = set()
        self._uses: dict[str, str] = {}
        for name, use in {INBOX: "", **(folders or {})}.items():
            self._add(name)
            self.subscribe(name)
            if use:
                self._uses[name] = use

    @property
    def inbox(self) -> Mailbox:
        """Where new mail goes."""
        return self._mailboxes[INBOX]

    @property
    def names(self) -> tuple[str, ...]:
        """All mailboxes, INBOX first, then by name."""
        return tuple(sorted(self._mailboxes, key=lambda name: (name != INBOX, name)))

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """All subscribed names. A mailbox of that name need not exist."""
        return tuple(sorted(self._subscriptions, key=lambda n: (n != INBOX, n)))

    def find(self, name: str) -> Mailbox | None:
        """The mailbox of this name, or None."""
        return self._mailboxes.get(_canonical(name))

    def require(self, name: str) -> Mailbox:
        """The mailbox of this name. Raises MailboxError when there is none."""
        found = self.find(name)
        if found is None:
            raise MailboxError("NONEXISTENT", "No such mailbox")
        return found

    def use_of(self, name: str) -> str:
        """Its special use, such as "\\\\Sent", or ""."""
        return self._uses.get(_canonical(name), "")

    def special(self, use: str) -> Mailbox | None:
        """The mailbox for a special use such as "\\\\Sent", or None."""
        names = [name for name, its_use in self._uses.items() if its_use == use]
        return self.find(names[0]) if names else None

    def create(self, name: str) -> Mailbox:
        """Make a mailbox, and the superior names it needs (RFC 3501 §6.3.3)."""
        name = _valid(name.removesuffix(DELIMITER))
        if name in self._mailboxes:
            raise MailboxError("ALREADYEXISTS", "There is such a mailbox already")
        superiors = [name[:at] for at, char in enumerate(name) if char == DELIMITER]
        missing = [n for n in map(_canonical, superiors) if n not in self._mailboxes]
        if len(self._mailboxes) + len(missing) >= MAX_MAILBOXES:
            raise MailboxError("LIMIT", "Too many mailboxes")
        for superior in missing:
            self._add(superior)
        return self._add(name)

    def delete(self, name: str) -> None:
        """Remove a mailbox with its messages. Inferior names stay (RFC 3501 §6.3.4)."""
        name = _canonical(name)
        if name == INBOX:
            raise MailboxError("CANNOT", "INBOX cannot be deleted")
        self.require(name)
        del self._mailboxes[name]
        self._uses.pop(name, None)

    def rename(self, old: str, new: str) -> None:
        """Give a mailbox, and all below it, another name (RFC 3501 §6.3.5)."""
        old, new = _canonical(old), _valid(new.removesuffix(DELIMITER))
        if old == INBOX:
            return self._move_inbox(new)
        below = f"{old}{DELIMITER}"
        affected = [n for n in self.names if n == old or n.startswith(below)]
        if not affected:
            raise MailboxError("NONEXISTENT", "No such mailbox")
        if new.startswith(below):
            raise MailboxError("CANNOT", "A mailbox cannot be moved below itself")
        renamed = {name: _valid(new + name[len(old) :]) for name in affected}
        if any(name in self._mailboxes for name in renamed.values()):
            raise MailboxError("ALREADYEXISTS", "There is such a mailbox already")
        self._rename(renamed)
        return None

    def subscribe(self, name: str) -> None:
        """Put a name on the list of LSUB."""
        if len(self._subscriptions) >= MAX_MAILBOXES:
            raise MailboxError("LIMIT", "Too many subscriptions")
        self._subscriptions.add(_valid(name))

    def unsubscribe(self, name: str) -> None:
        """Take a name off the list of LSUB."""
        name = _canonical(name)
        if name not in self._subscriptions:
            raise MailboxError("NONEXISTENT", "That name is not subscribed")
        self._subscriptions.discard(name)

    def _add(self, name: str) -> Mailbox:
        self._validity += 1
        self._mailboxes[name] = Mailbox(name, self._validity)
        return self._mailboxes[name]

    def _rename(self, renamed: Mapping[str, str]) -> None:
        for old, new in renamed.items():
            mailbox = self._mailboxes.pop(old)
            mailbox.name = new
            self._mailboxes[new] = mailbox
            if old in self._uses:
                self._uses[new] = self._uses.pop(old)

    def _move_inbox(self, new: str) -> None:
        # "It moves all messages in INBOX to a new mailbox with the given name, leaving
        # INBOX empty. ... inferior hierarchical names of INBOX are unaffected"
        target = self.create(new)
        for message in self.inbox.messages:
            target.append(message.content, message.internal_date, message.flags)
        self.inbox.expunge(message.uid for message in self.inbox.messages)


def _canonical(name: str) -> str:
    first, *rest = name.split(DELIMITER)
    if first.upper() == INBOX:  # also as superior, so that no second INBOX can exist
        first = INBOX
    return DELIMITER.join([first, *rest])


def _valid(name: str) -> str:
    """Raises MailboxError for a name that no mailbox may have (RFC 3501 §5.1)."""
    if not 0 < len(name) <= MAX_NAME:
        raise MailboxError("CANNOT", f"A name has 1 to {MAX_NAME} characters")
    if any(part == "" for part in name.split(DELIMITER)):
        raise MailboxError("CANNOT", "A level of the hierarchy needs a name")
    if any(char in "*%" or not char.isprintable() for char in name):
        raise MailboxError("CANNOT", "A name has no wildcard or control characters")
    return _canonical(name)


def _limited(flags: Iterable[str]) -> frozenset[str]:
    limited = frozenset(flags)
    if len(limited) > MAX_FLAGS:
        raise MailboxError("LIMIT", "Too many flags on one message")
    return limited
