"""Files follow the index: after each commit, and after a crash.

Goes in: an index that says how things are. Comes out: folders that show it.

Rule 1: the same is done after a commit and after a crash: what is not settled in the
        index is put right. Doing it twice does no harm.
Rule 2: many files are settled at once: first their folders are synced, then the index
        may forget what was to be done.
Rule 3: a hundred thousand files follow in slices, so that nobody waits for them all;
        until then messages are read from where they are.
Rule 4: one file that will not follow (there is a folder of that name …) does not keep
        the others from it; it is told, and tried again.
"""

import errno
from collections.abc import Callable, Generator
from contextlib import contextmanager

from maillab.store.mail_index import FileRow, MailIndex
from maillab.store.mail_index_steps import IndexSteps
from maillab.store.maildir_files import UserFiles
from maillab.store.maildir_names import to_folder

SUBSCRIPTIONS = "subscriptions"
KEYWORDS = "dovecot-keywords"
SETTLE_AFTER = 64  # messages
SLICE = 1000  # messages whose files follow at once, after a change
ALL = 1 << 40
# What is wrong with one name, and not with the disk.
_ODD = {
    errno.EISDIR,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ENOTEMPTY,
    errno.ELOOP,
    errno.ENAMETOOLONG,
}


class Follower:
    """Puts files right. Raises OSError, sqlite3.Error.

    behind  something is to be done still
    """

    def __init__(
        self,
        files: UserFiles,
        index: MailIndex,
        steps: IndexSteps,
        tell: Callable[[str], None] = lambda problem: None,
    ) -> None:
        self.behind = True
        self._files = files
        self._index = index
        self._steps = steps
        self._tell = tell
        self._names_behind = True
        self._done: dict[tuple[int, int], str] = {}
        self._gone: set[tuple[str, str]] = set()

    def recover(self, *, is_known: bool) -> None:
        """Make up for what a crash cut off.

        is_known  the index knows mailboxes: then it knows all files of ours, too
        """
        self.follow()
        expected = {row.base for row in self._index.unsettled()}
        for name in self._files.leftovers():
            if name in expected:
                continue
            if is_known:  # its client never heard that it was taken
                self._files.disk.remove(self._files.tmp / name)
            else:
                self._files.rescue(name)
        self.settle()

    def follow(self, *, names: bool = False, most: int = ALL) -> None:
        """Do what the index says and the folders do not show yet.

        names  of mailboxes or subscriptions have changed: then all is done
        most   how many messages; what is left is done when it is called again
        """
        self._names_behind = self._names_behind or names
        self.behind = True
        if self._names_behind:
            most = ALL
        left = self._remove(most)
        if self._names_behind:
            self._follow_names()
        left = self._place(most) or left
        self.behind = left or self._names_behind
        if left or len(self._done) + len(self._gone) >= SETTLE_AFTER:
            self.settle()

    def settle(self) -> None:
        """Names survive from now on, so the index need not look after them."""
        if not (self._files.dirty or self._done or self._gone):
            return
        self._files.sync()
        with self._index.transaction():
            done = ((*place, letters) for place, letters in self._done.items())
            self._steps.settle_messages(done)
            self._steps.settle_doomed(self._gone)
            if not self._names_behind:
                self._steps.settle_mailboxes()
        self._done.clear()
        self._gone.clear()

    # Inside ---------------------------------------------------------------------------

    @contextmanager
    def _one(self, what: str) -> Generator[None]:
        """An odd name is the trouble of one message or mailbox only."""
        try:
            yield
        except OSError as error:
            if error.errno not in _ODD:
                raise
            where = self._files.root
            self._tell(f"{where}: {what} cannot be put right ({error.strerror})")

    def _remove(self, most: int) -> bool:
        """Is there more to do?"""
        rows = self._index.doomed(most + len(self._gone))
        rows = [row for row in rows if self._key(row) not in self._gone]
        for row in sorted(rows, key=lambda row: not row.base):  # a folder comes last
            with self._one(row.base or row.folder):
                if row.base:
                    self._files.discard(row)
                else:
                    self._files.remove_folder(row.folder)
                self._gone.add(self._key(row))
        return len(rows) >= most

    @staticmethod
    def _key(row: FileRow) -> tuple[str, str]:
        return row.folder, row.base

    def _follow_names(self) -> None:
        all_follow = True
        if self._index.unsettled_mailboxes():
            for mailbox in self._index.mailboxes():
                followed = False
                with self._one(mailbox.folder):
                    if mailbox.folder_was is not None:
                        self._files.rename_folder(mailbox.folder_was, mailbox.folder)
                    self._files.make(mailbox.folder)
                    followed = True
                all_follow = all_follow and followed
        names = self._index.subscriptions()
        if names or self._index.mailboxes():
            lines = [to_folder(name)[1:] or name for name in names]
            with self._one(SUBSCRIPTIONS):
                self._files.write_list(self._files.root / SUBSCRIPTIONS, lines)
        self._names_behind = not all_follow

    def _place(self, most: int) -> bool:
        """Is there more to do?"""
        written: set[int] = set()
        rows = self._index.unsettled(most + len(self._done))
        rows = [
            row
            for row in rows
            if self._done.get((row.mailbox, row.uid)) != row.written[-1]
        ]
        for row in rows:
            with self._one(row.base):
                if row.mailbox not in written:
                    written.add(row.mailbox)
                    self._write_keywords(row.mailbox, row.folder)
                self._files.place(row)
                self._done[row.mailbox, row.uid] = row.written[-1]
        return len(rows) >= most

    def _write_keywords(self, mailbox: int, folder: str) -> None:
        known = self._index.keywords(mailbox)
        if known:
            lines = [
                f"{ord(letter) - ord('a')} {name}" for name, letter in known.items()
            ]
            self._files.write_list(self._files.root / folder / KEYWORDS, lines)
