"""Files follow the index: after each commit, and after a crash.

Goes in: an index that says how things are. Comes out: folders that show it.

Rule 1: the same is done after a commit and after a crash: what is not settled in the
        index is put right. Doing it twice does no harm.
Rule 2: many files are settled at once: first their folders are synced, then the index
        may forget what was to be done.
"""

from maillab.store.mail_index import FileRow, MailIndex
from maillab.store.mail_index_steps import IndexSteps
from maillab.store.maildir_files import UserFiles
from maillab.store.maildir_names import to_folder

SUBSCRIPTIONS = "subscriptions"
KEYWORDS = "dovecot-keywords"
SETTLE_AFTER = 64  # messages


class Follower:
    """Puts files right. Raises OSError, sqlite3.Error.

    behind  something is to be done still
    """

    def __init__(self, files: UserFiles, index: MailIndex, steps: IndexSteps) -> None:
        self.behind = True
        self._files = files
        self._index = index
        self._steps = steps
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

    def follow(self, *, names: bool = False) -> None:
        """Do what the index says and the folders do not show yet.

        names  of mailboxes or subscriptions have changed
        """
        self._names_behind = self._names_behind or names
        self.behind = True
        self._remove()
        if self._names_behind:
            self._follow_names()
        self._place()
        self.behind = False
        if len(self._done) + len(self._gone) >= SETTLE_AFTER:
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

    def _remove(self) -> None:
        rows = [row for row in self._index.doomed() if self._key(row) not in self._gone]
        for row in sorted(rows, key=lambda row: not row.base):  # a folder comes last
            if row.base:
                self._files.discard(row)
            else:
                self._files.remove_folder(row.folder)
            self._gone.add(self._key(row))

    @staticmethod
    def _key(row: FileRow) -> tuple[str, str]:
        return row.folder, row.base

    def _follow_names(self) -> None:
        if self._index.unsettled_mailboxes():
            for mailbox in self._index.mailboxes():
                if mailbox.folder_was is not None:
                    self._files.rename_folder(mailbox.folder_was, mailbox.folder)
                self._files.make(mailbox.folder)
        names = self._index.subscriptions()
        if names or self._index.mailboxes():
            lines = [to_folder(name)[1:] or name for name in names]
            self._files.write_list(self._files.root / SUBSCRIPTIONS, lines)
        self._names_behind = False

    def _place(self) -> None:
        written: set[int] = set()
        for row in self._index.unsettled():
            key, letters = (row.mailbox, row.uid), row.written[-1]
            if self._done.get(key) == letters:
                continue
            if row.mailbox not in written:
                written.add(row.mailbox)
                self._write_keywords(row.mailbox, row.folder)
            self._files.place(row)
            self._done[key] = letters

    def _write_keywords(self, mailbox: int, folder: str) -> None:
        known = self._index.keywords(mailbox)
        if known:
            lines = [
                f"{ord(letter) - ord('a')} {name}" for name, letter in known.items()
            ]
            self._files.write_list(self._files.root / folder / KEYWORDS, lines)
