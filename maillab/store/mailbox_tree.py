"""All mailboxes of one user: their names, what they are for, and how many octets.

Goes in: names, and what to do with them. Comes out: mailboxes.

Rule 1: INBOX is always there, in whatever case it is written.
Rule 2: a UIDVALIDITY is never used twice, so a mailbox made anew is another one.
Rule 3: COPY and MOVE are done as a whole or not at all (RFC 3501 §6.4.7, RFC 6851 §3).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from maillab.store.changes import (
    NOTHING_KEPT,
    Deleted,
    Keeper,
    KeptMailbox,
    Made,
    Renamed,
    Step,
    Subscribed,
)
from maillab.store.mailboxes import INBOX, Mailbox
from maillab.store.messages import MailboxError, NewMessage, StoredMessage

DELIMITER = "/"
MAX_NAME = 255  # characters
MAX_MAILBOXES = 1000  # of one user

# What a new account usually has, with its use (RFC 6154 §2).
STANDARD_FOLDERS: Mapping[str, str] = {
    "Archive": "\\Archive",
    "Drafts": "\\Drafts",
    "Junk": "\\Junk",
    "Sent": "\\Sent",
    "Trash": "\\Trash",
}


class MailboxTree:
    """All mailboxes of one user; INBOX is always there.

    `folders` are made for a user who was never here.

    >>> tree = MailboxTree(STANDARD_FOLDERS)
    >>> tree.names
    ('INBOX', 'Archive', 'Drafts', 'Junk', 'Sent', 'Trash')
    >>> tree.create("lists/mail").name, tree.find("Inbox") is tree.inbox
    ('lists/mail', True)
    """

    def __init__(
        self, folders: Mapping[str, str] | None = None, keeper: Keeper = NOTHING_KEPT
    ) -> None:
        self._keeper = keeper
        self._mailboxes: dict[str, Mailbox] = {}
        self._by_validity: dict[int, Mailbox] = {}
        kept = keeper.load()
        self._validity = kept.last_validity
        self._subscriptions = set(kept.subscriptions)
        for mailbox in kept.mailboxes:
            self._open(mailbox)
        if INBOX not in self._mailboxes:
            self._begin({INBOX: "", **(folders or {})})

    # Asking ---------------------------------------------------------------------------

    @property
    def inbox(self) -> Mailbox:
        """Where new mail goes."""
        return self._mailboxes[INBOX]

    @property
    def names(self) -> tuple[str, ...]:
        """All mailboxes, INBOX first, then by name."""
        return tuple(sorted(self._mailboxes, key=_inbox_first))

    @property
    def mailboxes(self) -> tuple[Mailbox, ...]:
        """All mailboxes, in the order of their names."""
        return tuple(self._mailboxes[name] for name in self.names)

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """All subscribed names. A mailbox of that name need not exist."""
        return tuple(sorted(self._subscriptions, key=_inbox_first))

    @property
    def size(self) -> int:
        """All octets of all messages."""
        return sum(mailbox.size for mailbox in self._mailboxes.values())

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
        found = self.find(name)
        return found.use if found else ""

    # Names ----------------------------------------------------------------------------

    def create(self, name: str, use: str = "") -> Mailbox:
        """Make a mailbox, and the superior names it needs (RFC 3501 §6.3.3).

        `use`: what it is for (RFC 6154 §3).
        """
        name = valid_name(name.removesuffix(DELIMITER))
        self._commit(self._steps_to_create(name, use))
        return self._mailboxes[name]

    def delete(self, name: str) -> None:
        """Remove a mailbox with its messages. Inferior names stay (RFC 3501 §6.3.4)."""
        if _canonical(name) == INBOX:
            raise MailboxError("CANNOT", "INBOX cannot be deleted")
        self._commit([Deleted(self.require(name).uid_validity)])

    def rename(self, old: str, new: str) -> None:
        """Give a mailbox, and all below it, another name (RFC 3501 §6.3.5).

        "The server SHOULD create any superior hierarchical names that are needed".
        """
        old, new = _canonical(old), valid_name(new.removesuffix(DELIMITER))
        if old == INBOX:
            return self._move_inbox(new)
        below = f"{old}{DELIMITER}"
        affected = [n for n in self.names if n == old or n.startswith(below)]
        if not affected:
            raise MailboxError("NONEXISTENT", "No such mailbox")
        if new.startswith(below):
            raise MailboxError("CANNOT", "A mailbox cannot be moved below itself")
        renamed = {name: valid_name(new + name[len(old) :]) for name in affected}
        if any(name in self._mailboxes for name in (new, *renamed.values())):
            raise MailboxError("ALREADYEXISTS", "There is such a mailbox already")
        # deviation: the UIDVALIDITY stays, though a mailbox of the new name may once
        # have had a higher one (RFC 9051 §2.3.1.1); it never had the same.
        made = self._steps_to_make(self._missing_above(new))
        known = self._mailboxes
        self._commit(
            [*made, *(Renamed(known[n].uid_validity, renamed[n]) for n in affected)]
        )
        return None

    def subscribe(self, name: str) -> None:
        """Put a name on the list of LSUB."""
        if len(self._subscriptions) >= MAX_MAILBOXES:
            raise MailboxError("LIMIT", "Too many subscriptions")
        self._commit([Subscribed(valid_name(name), True)])

    def unsubscribe(self, name: str) -> None:
        """Take a name off the list of LSUB."""
        name = _canonical(name)
        if name not in self._subscriptions:
            raise MailboxError("NONEXISTENT", "That name is not subscribed")
        self._commit([Subscribed(name, False)])

    # Messages in two mailboxes --------------------------------------------------------

    def copy(
        self,
        source: Mailbox,
        uids: Iterable[int],
        target: Mailbox,
        now: datetime | None = None,
    ) -> list[tuple[int, int]]:
        """Copy messages, all or none. Returns pairs: the old UID, the new one.

        `now` is when they come into the target; None: when they came into the source.
        """
        return self._transfer(source, uids, target, now, remove=False)

    def move(
        self,
        source: Mailbox,
        uids: Iterable[int],
        target: Mailbox,
        now: datetime | None = None,
    ) -> list[tuple[int, int]]:
        """Move messages, all or none (RFC 6851 §3). Like `copy`."""
        return self._transfer(source, uids, target, now, remove=True)

    def replace(
        self, source: Mailbox, uid: int, target: Mailbox, new: NewMessage
    ) -> int:
        """Add a message and expunge another, both or none (RFC 8508 §3.1).

        Returns the UID of the new one.
        """
        added = target.steps_to_add([new])
        self._commit([*added, *source.steps_to_remove([uid])])
        return added[0].message.uid

    def refresh(self) -> None:
        """Look at what other programs did to the mailboxes meanwhile."""
        self._apply(self._keeper.refresh())

    def _transfer(
        self,
        source: Mailbox,
        uids: Iterable[int],
        target: Mailbox,
        now: datetime | None,
        *,
        remove: bool,
    ) -> list[tuple[int, int]]:
        messages = source.existing(uids)
        new = [_copy_of(message, now) for message in messages]
        added = target.steps_to_add(new)
        olds = [message.uid for message in messages]
        gone = source.steps_to_remove(olds) if remove else []
        if added:
            self._commit([*added, *gone])
        return list(zip(olds, (step.message.uid for step in added), strict=True))

    # Inside ---------------------------------------------------------------------------

    def _begin(self, folders: Mapping[str, str]) -> None:
        made = self._steps_to_make(folders)
        self._commit([*made, *(Subscribed(name, True) for name in folders)])

    def _missing_above(self, name: str) -> dict[str, str]:
        """The superior names that are no mailboxes yet; they have no special use."""
        superiors = [name[:at] for at, char in enumerate(name) if char == DELIMITER]
        names = (n for n in map(_canonical, superiors) if n not in self._mailboxes)
        return dict.fromkeys(names, "")

    def _steps_to_make(self, names: Mapping[str, str]) -> list[Made]:
        return [
            Made(self._validity + at, name, use)
            for at, (name, use) in enumerate(names.items(), 1)
        ]

    def _steps_to_create(self, name: str, use: str = "") -> list[Made]:
        if name in self._mailboxes:
            raise MailboxError("ALREADYEXISTS", "There is such a mailbox already")
        missing = self._missing_above(name)
        if len(self._mailboxes) + len(missing) >= MAX_MAILBOXES:
            raise MailboxError("LIMIT", "Too many mailboxes")
        return self._steps_to_make({**missing, name: use})

    def _move_inbox(self, new: str) -> None:
        # "It moves all messages in INBOX to a new mailbox with the given name, leaving
        # INBOX empty. ... inferior hierarchical names of INBOX are unaffected"
        made = self._steps_to_create(new)
        target = Mailbox(KeptMailbox(new, made[-1].mailbox, size=0))
        added = target.steps_to_add([_copy_of(m, None) for m in self.inbox.messages])
        gone = self.inbox.steps_to_remove(self.inbox.uids)
        self._commit([*made, *added, *gone])

    def _commit(self, steps: Sequence[Step]) -> None:
        self._apply(self._keeper.commit(steps))

    def _apply(self, steps: Sequence[Step]) -> None:
        for step in steps:
            match step:
                case Made(validity, name, use):
                    self._validity = max(self._validity, validity)
                    self._open(KeptMailbox(name, validity, use=use, size=0))
                case Renamed(validity, name):
                    self._rename(self._by_validity[validity], name)
                case Subscribed(name, wanted):
                    change = self._subscriptions.add if wanted else self._drop
                    change(name)
                case Deleted(validity):
                    mailbox = self._by_validity.pop(validity)
                    del self._mailboxes[mailbox.name]
                    mailbox.apply(step)
                case _:
                    self._by_validity[step.mailbox].apply(step)

    def _drop(self, name: str) -> None:
        self._subscriptions.discard(name)

    def _open(self, kept: KeptMailbox) -> None:
        mailbox = Mailbox(kept, self._keeper, self._commit)
        self._mailboxes[kept.name] = mailbox
        self._by_validity[kept.uid_validity] = mailbox

    def _rename(self, mailbox: Mailbox, name: str) -> None:
        del self._mailboxes[mailbox.name]
        mailbox.name = name
        self._mailboxes[name] = mailbox


def _copy_of(message: StoredMessage, now: datetime | None) -> NewMessage:
    return NewMessage(
        message.blob,
        message.internal_date,
        message.flags,
        now or message.save_date,
        message.email_id,
        message.thread_id,
    )


def _inbox_first(name: str) -> tuple[bool, str]:
    return name != INBOX, name


def _canonical(name: str) -> str:
    first, *rest = name.split(DELIMITER)
    if first.upper() == INBOX:  # also as superior, so that no second INBOX can exist
        first = INBOX
    return DELIMITER.join([first, *rest])


def valid_name(name: str) -> str:
    """Raises MailboxError for a name that no mailbox may have (RFC 3501 §5.1)."""
    if not 0 < len(name) <= MAX_NAME:
        raise MailboxError("CANNOT", f"A name has 1 to {MAX_NAME} characters")
    if any(part == "" for part in name.split(DELIMITER)):
        raise MailboxError("CANNOT", "A level of the hierarchy needs a name")
    if any(char in "*%" or not char.isprintable() for char in name):
        raise MailboxError("CANNOT", "A name has no wildcard or control characters")
    return _canonical(name)
