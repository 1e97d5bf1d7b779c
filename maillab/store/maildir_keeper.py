"""Keeps the mailboxes of one user on disk: Maildir folders and an index.

Goes in: steps (`store.changes`). Comes out: the same, when they are certain to survive.

    1  new octets are written to tmp/ and synced
    2  one transaction of the index: from now on it has happened
    3  files follow: renamed, unlinked; folders made, renamed, removed

Rule 1: what fails in 1 or 2 leaves no trace, and StoreUnavailable says why. What fails
        in 3, or is cut off by a crash, is made up for later: before the next commit,
        in `refresh`, or when the index is opened. Until then messages are read from
        where they are.
Rule 2: files that have followed are `settled` in the index some time later, many at
        once: first their folders are synced, then the index may forget.
Rule 3: an index that is missing or damaged is made anew from the folders, with a higher
        UIDVALIDITY. Mail is never deleted because the index does not know it.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from maillab.store.changes import (
    Added,
    Claimed,
    Deleted,
    Kept,
    Made,
    Renamed,
    Step,
    Subscribed,
)
from maillab.store.mail_disk import MailDisk
from maillab.store.mail_index import (
    INDEX,
    IndexDamaged,
    MailboxRow,
    MailIndex,
    is_damage,
)
from maillab.store.mail_index_steps import IndexSteps, Observed, Octets
from maillab.store.mail_trouble import unavailable
from maillab.store.mailboxes import INBOX
from maillab.store.maildir_files import UserFiles
from maillab.store.maildir_following import ALL, SLICE, SUBSCRIPTIONS, Follower
from maillab.store.maildir_incoming import Incoming, KeptOctets
from maillab.store.maildir_names import (
    MAX_FILE_NAME,
    from_folder,
    is_later,
    to_folder,
)
from maillab.store.maildir_watch import Watch
from maillab.store.messages import MailboxError, StoredMessage, StoreUnavailable
from maillab.wire.message import header_length

VALIDITY = "maillab-uidvalidity"
_OF_NAMES = Made | Deleted | Renamed | Subscribed
_TROUBLE = (OSError, sqlite3.Error)


class MaildirKeeper:
    """A `Keeper` with a folder.

    problems  what a person should know, one sentence each
    """

    def __init__(self, root: Path, disk: MailDisk, now: Callable[[], datetime]) -> None:
        self.root = root
        self.problems: list[str] = []
        self.files = UserFiles(root, disk)
        self._disk = disk
        self._now = now
        self._index: MailIndex | None = None

    # Opening --------------------------------------------------------------------------

    def load(self) -> Kept:
        """What is there. Opens the index, and makes it anew where it must be."""
        try:
            self._make_root()
            for _ in range(2):
                try:
                    return self._open()
                except IndexDamaged as error:
                    self._put_aside(str(error))
                except sqlite3.DatabaseError as error:
                    if not is_damage(error):
                        raise
                    self._put_aside(str(error))
            return self._open()
        except (*_TROUBLE, IndexDamaged) as error:
            self.close()
            raise unavailable(error) from error

    def _make_root(self) -> None:
        self._disk.make_folder(self.root)
        self._disk.make_folder(self.files.tmp)

    def _open(self) -> Kept:
        self._index = MailIndex(self.root / INDEX, self._disk)
        self._steps = IndexSteps(self.index)
        self._watch = Watch(self.files, self.index, self.tell)
        self._follower = Follower(self.files, self.index, self._steps, self.tell)
        self._check_age()
        with self.index.transaction():
            self._steps.forget_vanished()
        is_known = bool(self.index.mailboxes())
        self._follower.recover(is_known=is_known)
        if not is_known and (self.root / "cur").is_dir():
            self._adopt()
        self._observe([])
        kept = self.index.load()
        return kept if kept.mailboxes else replace(kept, last_validity=self._highest())

    def _check_age(self) -> None:
        """Is it an older copy? It would give UIDs again that clients know."""
        for mailbox in self.index.mailboxes():
            with suppress(FileNotFoundError, NotADirectoryError):
                for name in self.files.names(mailbox.folder):
                    if is_later(name, mailbox.validity, mailbox.uid_next):
                        raise IndexDamaged("it is older than the folders")

    @property
    def index(self) -> MailIndex:
        """Raises StoreUnavailable when it is closed."""
        if self._index is None:
            raise StoreUnavailable("The mail store is closed")
        return self._index

    def close(self) -> None:
        """Settle what can be settled, and let go of the index."""
        if self._index is None:
            return
        with suppress(*_TROUBLE):
            self._follower.follow()
            self._follower.settle()
        self._index.close()
        self._index = None

    def tell(self, problem: str) -> None:
        """What a person should know, once."""
        if problem not in self.problems:
            self.problems.append(problem)

    def _put_aside(self, reason: str) -> None:
        if self._index is not None:
            self._index.close()
        path = self.root / INDEX
        taken = {name for name in self._disk.names(self.root) if INDEX in name}
        number = next(n for n in range(1, 1000) if f"{INDEX}.damaged-{n}" not in taken)
        aside = f"{INDEX}.damaged-{number}"
        for suffix in ("-wal", "-shm", ""):
            if path.name + suffix in taken:
                self._disk.rename(
                    self.root / (path.name + suffix), self.root / (aside + suffix)
                )
        self.tell(
            f"the index {path} was damaged ({reason}): it is {aside} now, and a new "
            "one was made from the folders; mail programs will fetch all again"
        )

    def _highest(self) -> int:
        """A UIDVALIDITY that is not below any that was ever used here."""
        seconds = int(self._now().timestamp())
        with suppress(FileNotFoundError, ValueError):
            return max(int(self._disk.read(self.root / VALIDITY)), seconds)
        return seconds

    def _adopt(self) -> None:
        """Mailboxes for folders that no index knows."""
        validity = self._highest() + 1
        made = [Observed(Made(validity, INBOX))]
        made += self._watch.folder_news((), validity + 1)
        names = self._subscribed() or [
            one.step.name for one in made if isinstance(one.step, Made)
        ]
        made += [Observed(Subscribed(name, True)) for name in names]
        self._note_validity(one.step for one in made)
        with self.index.transaction():
            for one in made:
                self._steps.observe(one)

    def _subscribed(self) -> list[str]:
        names: list[str] = []
        with suppress(FileNotFoundError, UnicodeDecodeError):
            text = self._disk.read(self.root / SUBSCRIPTIONS).decode("ascii")
            for line in filter(None, text.splitlines()):
                with suppress(ValueError):
                    names.append(INBOX if line == INBOX else from_folder(f".{line}"))
        return names

    # Reading --------------------------------------------------------------------------

    def messages(self, mailbox: int) -> Iterable[StoredMessage]:
        """The messages of a mailbox, ascending by UID."""
        try:
            for row in self.index.messages(mailbox):
                uid, size, flags, modseq, date, saved, email_id, thread_id = row
                when = datetime.fromisoformat(date)
                yield StoredMessage(
                    uid,
                    KeptOctets(self, mailbox, uid, size),
                    when,
                    self.index.flags(flags),
                    modseq,
                    when if saved == date else datetime.fromisoformat(saved),
                    email_id,
                    thread_id,
                )
        except sqlite3.Error as error:
            raise unavailable(error) from error

    def read(self, mailbox: int, uid: int) -> bytes:
        """The octets of a message."""
        try:
            row = self.index.file_row(mailbox, uid)
            octets = self.files.read(row) if row else None
        except _TROUBLE as error:
            raise unavailable(error) from error
        if octets is None:
            raise StoreUnavailable("The message is no longer there")
        return octets

    def read_header(self, mailbox: int, uid: int) -> bytes:
        """The header of a message."""
        try:
            found = self.index.header(mailbox, uid)
        except sqlite3.Error as error:
            raise unavailable(error) from error
        if found is None:
            octets = self.read(mailbox, uid)
            found = octets[: header_length(octets)]
        return found

    # Changing -------------------------------------------------------------------------

    def commit(self, steps: Sequence[Step]) -> Sequence[Step]:
        """Keep this for ever. Returns the steps, `Added` with the place of its octets.

        When it raises, nothing has changed.
        """
        if all(isinstance(step, Claimed) for step in steps):
            with suppress(*_TROUBLE, StoreUnavailable):
                self._transact(steps, {})
            return steps
        incoming = Incoming(self.files, self.index, self)
        try:
            self._be_ready(steps)
            incoming.write_all(steps, self._now().timestamp())
            self._transact(steps, incoming.written)
        except (*_TROUBLE, StoreUnavailable) as error:
            incoming.undo()
            if isinstance(error, StoreUnavailable):
                raise
            raise unavailable(error) from error
        self._catch_up(steps)
        return [self._as_kept(step) for step in steps]

    def _be_ready(self, steps: Sequence[Step]) -> None:
        self._check_index()
        names = any(isinstance(step, Made | Renamed | Deleted) for step in steps)
        if self._follower.behind:
            self._follower.follow(most=ALL if names else SLICE)
        for step in steps:
            if isinstance(step, Made | Renamed):
                self._check_name(step)
        if names:
            self._follower.settle()
        self._note_validity(steps)

    def _check_index(self) -> None:
        if not self.index.is_there():
            self.tell(
                f"{self.root}: cannot look for changes, nor make any: the index was "
                "removed or replaced; put it back, or restart the server"
            )
            raise StoreUnavailable("The mail store was changed; a restart opens it")

    def _check_name(self, step: Made | Renamed) -> None:
        folder = to_folder(step.name)
        if len(folder) > MAX_FILE_NAME:
            # deviation: IMAP has no limit for names, file systems have.
            raise MailboxError("CANNOT", "The name is too long for a folder on disk")
        path = self.root / folder
        if path.exists() and not path.is_dir():
            raise MailboxError("CANNOT", "There is a file of that name on disk")
        if isinstance(step, Renamed) and not self.files.is_free(folder):
            raise StoreUnavailable("Another program has just made a mailbox so named")

    def _note_validity(self, steps: Iterable[Step]) -> None:
        made = [step.mailbox for step in steps if isinstance(step, Made)]
        if made:
            self.files.write_list(self.root / VALIDITY, [str(max(made))])
            self.files.sync()

    def _transact(self, steps: Sequence[Step], written: dict[int, Octets]) -> None:
        with self.index.transaction():
            for at, step in enumerate(steps):
                self._steps.keep(step, written.get(at))

    def _catch_up(self, steps: Sequence[Step]) -> None:
        """After a commit nothing may fail; what does is tried again."""
        try:
            if any(isinstance(step, _OF_NAMES) for step in steps):
                self._watch.forget()
                self._follower.follow(names=True)
                self._follower.settle()
            else:
                self._follower.follow(most=SLICE)
        except _TROUBLE as error:
            self.tell(f"{self.root}: files are behind the index ({error})")

    def _as_kept(self, step: Step) -> Step:
        if not isinstance(step, Added):
            return step
        message = step.message
        blob = KeptOctets(self, step.mailbox, message.uid, message.size)
        return Added(step.mailbox, replace(message, blob=blob))

    # Other programs -------------------------------------------------------------------

    def refresh(self) -> Sequence[Step]:
        """What other programs did to the mailboxes meanwhile; it is kept already."""
        steps: list[Step] = []
        self._check_index()
        try:
            if self._follower.behind:
                self._follower.follow(most=SLICE)
            self._observe(steps)
        except _TROUBLE as error:
            self.tell(f"{self.root}: cannot look for changes ({error})")
            if not steps:
                raise unavailable(error) from error
        return steps

    def _observe(self, steps: list[Step]) -> None:
        """Adds to `steps` what is kept already."""
        rows = self.index.mailboxes()
        if not rows:
            return
        news = self._watch.folder_news(rows, self.index.last_validity + 1)
        self._note_validity(one.step for one in news)
        self._keep_observed(news, steps)
        for mailbox in self.index.mailboxes():
            try:
                self._observe_one(mailbox, steps)
            except OSError as error:
                self.tell(f"{self.root / mailbox.folder} cannot be read ({error})")

    def _observe_one(self, mailbox: MailboxRow, steps: list[Step]) -> None:
        look = self._watch.look_at(mailbox.folder)
        if look is None or look.listing is None:
            return
        found = self._watch.news(mailbox, look.listing)
        foreign = self._watch.foreign_keywords(mailbox) if found else {}
        self._keep_observed(found, steps, (mailbox.validity, foreign))
        self._watch.agreed(mailbox.folder, look)

    def _keep_observed(
        self,
        news: Sequence[Observed],
        steps: list[Step],
        keywords: tuple[int, dict[str, str]] = (0, {}),
    ) -> None:
        if not news:
            return
        mailbox, names = keywords
        with self.index.transaction():
            for letter, name in names.items():
                self._steps.name_keyword(mailbox, letter, name)
            for one in news:
                self._steps.observe(one)
        steps += [self._as_kept(one.step) for one in news]
