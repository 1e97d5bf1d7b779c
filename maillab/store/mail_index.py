"""What file names cannot say of the mail of a user: an SQLite file beside the folders.

Goes in: steps (`store.changes`). Comes out: what is kept, and which files have still to
be put right.

Rule 1: a transaction here is the point where a change happens, with all its steps.
        Before it, files are only prepared; after it, they follow (`maildir_files`).
Rule 2: `written` of a message: the letters that its file may have by our own doing,
        oldest first; the last are those it should have. What is not `settled` is looked
        at when the index is opened.
Rule 3: an index that cannot be read is no reason to lose mail (`maildir_keeper`).
"""

import sqlite3
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maillab.store.changes import Kept, KeptMailbox
from maillab.store.mail_disk import FILE_MODE, MailDisk

INDEX = "maillab-index.sqlite"
VERSION = 1
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;
CREATE TABLE mailboxes (
    validity INTEGER PRIMARY KEY, name TEXT UNIQUE, folder TEXT, use TEXT,
    uid_next INTEGER DEFAULT 1, modseq INTEGER DEFAULT 1, floor INTEGER DEFAULT 0,
    folder_was TEXT, settled INTEGER);
CREATE TABLE messages (
    mailbox INTEGER, uid INTEGER, base TEXT, flags TEXT, modseq INTEGER, date TEXT,
    saved TEXT, size INTEGER, email_id TEXT, thread_id TEXT, recent INTEGER,
    written TEXT, lf INTEGER, settled INTEGER, PRIMARY KEY (mailbox, uid)
) WITHOUT ROWID;
CREATE INDEX unsettled ON messages (mailbox, uid) WHERE NOT settled;
CREATE INDEX recent ON messages (mailbox, uid) WHERE recent;
CREATE TABLE headers (
    mailbox INTEGER, uid INTEGER, octets BLOB, PRIMARY KEY (mailbox, uid));
CREATE TABLE vanished (mailbox INTEGER, modseq INTEGER, uid INTEGER);
CREATE INDEX when_vanished ON vanished (mailbox, modseq, uid);
CREATE TABLE keywords (
    mailbox INTEGER, letter TEXT, name TEXT, PRIMARY KEY (mailbox, letter)
) WITHOUT ROWID;
CREATE TABLE subscriptions (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE doomed (
    folder TEXT, base TEXT, written TEXT, PRIMARY KEY (folder, base)
) WITHOUT ROWID;
"""


class IndexDamaged(Exception):
    """The file is no index, or no longer."""


@dataclass(frozen=True, slots=True)
class FileRow:
    """Where the octets of a message are. mailbox 0: of one that is to be deleted."""

    mailbox: int
    uid: int
    folder: str
    base: str
    written: tuple[str, ...]
    lf: bool = False  # lines end with LF alone: another program wrote it


@dataclass(frozen=True, slots=True)
class MailboxRow:
    """A mailbox and its folder."""

    validity: int
    name: str
    folder: str
    uid_next: int
    modseq: int
    folder_was: str | None


class MailIndex:
    """The index of one user. Raises sqlite3.Error, and IndexDamaged when opened."""

    def __init__(self, path: Path, disk: MailDisk) -> None:
        self.path = path
        self._disk = disk
        self._keywords: dict[int, dict[str, str]] = {}
        self._flags: dict[str, frozenset[str]] = {}
        path.touch(FILE_MODE)  # headers are for nobody else
        self.sql = sqlite3.connect(path, isolation_level=None)
        self._file = _file_of(path)
        try:
            self._prepare()
        except BaseException:
            self.sql.close()
            raise

    def _prepare(self) -> None:
        unclean = Path(f"{self.path}-wal").exists()
        try:
            self.sql.execute("PRAGMA journal_mode = WAL")
            self.sql.execute(f"PRAGMA synchronous = {self._disk.synchronous}")
            version = self.sql.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                with self.transaction():
                    self._create()
                version = VERSION
            if unclean:
                self._check()
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                raise IndexDamaged(str(error)) from error
            raise
        if version != VERSION:
            raise IndexDamaged(f"its version is {version}, not {VERSION}")

    def _create(self) -> None:
        if self.sql.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise IndexDamaged("it is a database of something else")
        for statement in _SCHEMA.split(";\n"):
            self.sql.execute(statement)
        self.sql.execute(f"PRAGMA user_version = {VERSION}")

    def _check(self) -> None:
        found = self.sql.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise IndexDamaged(found)

    def is_there(self) -> bool:
        """Has nobody removed the file, or put another in its place?

        What is written then is written into nowhere.
        """
        return _file_of(self.path) == self._file

    def close(self) -> None:
        """No more questions."""
        self.sql.close()

    @contextmanager
    def transaction(self) -> Generator[None]:
        """All that is changed within, or nothing."""
        self.sql.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._disk.step("commit", self.path)
            self.sql.execute("COMMIT")
        except BaseException:
            self._keywords.clear()
            with suppress(sqlite3.Error):
                if self.sql.in_transaction:
                    self.sql.execute("ROLLBACK")
            raise

    # Asking ---------------------------------------------------------------------------

    def load(self) -> Kept:
        """All but the messages."""
        names = self.sql.execute("SELECT name FROM subscriptions")
        sizes = dict(
            self.sql.execute("SELECT mailbox, sum(size) FROM messages GROUP BY mailbox")
        )
        return Kept(
            self.last_validity,
            tuple(self._kept(one, sizes) for one in self.mailboxes()),
            frozenset(name for (name,) in names),
        )

    def _kept(self, row: MailboxRow, sizes: dict[int, int]) -> KeptMailbox:
        one = (row.validity,)
        ask = self.sql.execute
        use, floor = ask(
            "SELECT use, floor FROM mailboxes WHERE validity = ?", one
        ).fetchone()
        vanished = ask(
            "SELECT modseq, uid FROM vanished WHERE mailbox = ? AND modseq > ?"
            " ORDER BY modseq, uid",
            (row.validity, floor),
        ).fetchall()
        recent = ask("SELECT uid FROM messages WHERE mailbox = ? AND recent", one)
        return KeptMailbox(
            row.name,
            row.validity,
            row.uid_next,
            row.modseq,
            use,
            tuple(vanished),
            floor,
            frozenset(uid for (uid,) in recent),
            sizes.get(row.validity, 0),
        )

    @property
    def last_validity(self) -> int:
        """The highest UIDVALIDITY ever used."""
        return self._meta("last_validity")

    def _meta(self, key: str) -> int:
        ask = "SELECT value FROM meta WHERE key = ?"
        found = self.sql.execute(ask, (key,)).fetchone()
        return found[0] if found else 0

    def mailboxes(self) -> list[MailboxRow]:
        """All mailboxes, oldest first."""
        rows = self.sql.execute(
            "SELECT validity, name, folder, uid_next, modseq, folder_was"
            " FROM mailboxes ORDER BY validity"
        )
        return [MailboxRow(*row) for row in rows]

    def messages(self, mailbox: int) -> Iterator[tuple[Any, ...]]:
        """uid, size, flags, modseq, date, saved, email_id, thread_id; by UID."""
        return self.sql.execute(
            "SELECT uid, size, flags, modseq, date, saved, email_id, thread_id"
            " FROM messages WHERE mailbox = ? ORDER BY uid",
            (mailbox,),
        )

    def names(self, mailbox: int) -> Iterator[tuple[int, str, str, str]]:
        """uid, base, flags, written; by UID."""
        return self.sql.execute(
            "SELECT uid, base, flags, written FROM messages WHERE mailbox = ?"
            " ORDER BY uid",
            (mailbox,),
        )

    def flags(self, text: str) -> frozenset[str]:
        """Flags from the words of a row; equal ones are one object."""
        found = self._flags.get(text)
        if found is None:
            found = self._flags[text] = frozenset(text.split())
        return found

    def file_row(self, mailbox: int, uid: int) -> FileRow | None:
        """Where a message is."""
        return next(self._file_rows("m.mailbox = ? AND uid = ?", (mailbox, uid)), None)

    def unsettled(self, most: int = -1) -> list[FileRow]:
        """Messages whose files may not yet be as they should."""
        return list(self._file_rows("NOT m.settled LIMIT ?", (most,)))

    def _file_rows(self, where: str, values: tuple[int, ...]) -> Iterator[FileRow]:
        rows = self.sql.execute(
            "SELECT m.mailbox, uid, folder, base, written, lf FROM messages m"
            f" JOIN mailboxes ON validity = m.mailbox WHERE {where}",
            values,
        )
        for mailbox, uid, folder, base, written, lf in rows:
            yield FileRow(mailbox, uid, folder, base, split(written), bool(lf))

    def contents(self, mailbox: int) -> list[tuple[FileRow, int, str]]:
        """Where the messages of a mailbox are, their sizes and email_ids."""
        rows = self.sql.execute(
            "SELECT m.mailbox, uid, folder, base, written, lf, size, email_id"
            " FROM messages m JOIN mailboxes ON validity = m.mailbox"
            " WHERE m.mailbox = ? ORDER BY uid",
            (mailbox,),
        )
        return [
            (FileRow(box, uid, folder, base, split(written), bool(lf)), size, email_id)
            for box, uid, folder, base, written, lf, size, email_id in rows
        ]

    def header(self, mailbox: int, uid: int) -> bytes | None:
        """The header of a message, if it is not too long."""
        ask = "SELECT octets FROM headers WHERE mailbox = ? AND uid = ?"
        found = self.sql.execute(ask, (mailbox, uid)).fetchone()
        return found[0] if found else None

    def unsettled_mailboxes(self) -> bool:
        """Is there a mailbox whose folder may not yet be as it should?"""
        ask = "SELECT 1 FROM mailboxes WHERE NOT settled"
        return self.sql.execute(ask).fetchone() is not None

    def subscriptions(self) -> list[str]:
        """All subscribed names."""
        ask = "SELECT name FROM subscriptions ORDER BY name"
        return [name for (name,) in self.sql.execute(ask)]

    def doomed(self, most: int = -1) -> list[FileRow]:
        """Files of messages that are gone; base "": the folder itself."""
        ask = "SELECT folder, base, written FROM doomed LIMIT ?"
        rows = self.sql.execute(ask, (most,))
        return [
            FileRow(0, 0, folder, base, split(written))
            for folder, base, written in rows
        ]

    def keywords(self, mailbox: int) -> dict[str, str]:
        """The letters of keywords."""
        found = self._keywords.get(mailbox)
        if found is None:
            ask = "SELECT name, letter FROM keywords WHERE mailbox = ?"
            found = dict(self.sql.execute(ask, (mailbox,)).fetchall())
            self._keywords[mailbox] = found
        return found

    def forget_keywords(self) -> None:
        """They have changed."""
        self._keywords.clear()


def _file_of(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_dev, found.st_ino


def is_damage(error: sqlite3.Error) -> bool:
    """Is it the file that is wrong, and not the disk?"""
    code: int = getattr(error, "sqlite_errorcode", None) or 0
    words = ("no such table", "no such column")
    return code & 0xFF in _DAMAGED or str(error).startswith(words)


def split(written: str) -> tuple[str, ...]:
    """The letters of a file name, and those before."""
    return tuple(written.split(","))
