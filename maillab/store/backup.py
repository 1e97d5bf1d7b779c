"""Copies of a mail store, also while a server is writing to it.

Goes in: the folder of a store. Comes out: another one, with the mail of each user as it
was at one moment; and what is to be said of it.

    1  the files of all messages get a second name in the copy (links, or copies on
       another disk): that takes long, and the server goes on
    2  the index is locked for a moment: no change can happen. It is copied (SQLite's
       online backup), and the few files that came since 1 are linked
    3  files follow the copied index, as after a crash (`maildir_following`)

Rule 1: every message that the copied index knows is in the copy. Only another program
        can take a file away in that moment; the report tells.
Rule 2: a copy is a store: `MailStore.open` opens it, `restore` is a copy of the copy.
Rule 3: octets of mail never change, so a link is as good as a copy. It is no help when
        the disk breaks: keep copies on another one.
"""

import shutil
import sqlite3
import stat
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from maillab.errors import LabError
from maillab.store.mail_disk import MailDisk
from maillab.store.mail_index import (
    INDEX,
    FileRow,
    IndexDamaged,
    MailIndex,
    is_damage,
)
from maillab.store.mail_index_steps import IndexSteps
from maillab.store.maildir_files import PLACES, UserFiles
from maillab.store.maildir_following import KEYWORDS, SUBSCRIPTIONS, Follower
from maillab.store.maildir_keeper import VALIDITY
from maillab.store.maildir_names import (
    MARK,
    from_file_name,
    from_user_folder,
    identity,
    with_info,
)
from maillab.store.messages import email_id
from maillab.store.spool_lock import LOCK, SpoolLock

PATIENCE = 30.0  # seconds to wait for a server that is in the middle of a change
_TROUBLE = (sqlite3.Error, IndexDamaged)


@dataclass(slots=True)
class Report:
    """What was copied or looked at. `problems`: one sentence each."""

    users: int = 0
    mailboxes: int = 0
    messages: int = 0
    octets: int = 0
    problems: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        return (
            f"{self.users} users, {self.mailboxes} mailboxes, {self.messages} messages,"
            f" {self.octets} octets, {len(self.problems)} problems"
        )


def backup(
    folder: Path | str, target: Path | str, disk: MailDisk | None = None
) -> Report:
    """Copy a store, which may be open. `target` must be empty or new. LabError."""
    source, copy, disk = Path(folder), Path(target), disk or MailDisk()
    report = Report()
    try:
        users = _users(source)
        _make_empty(copy)
        for name in users:
            disk.make_folder(copy / name)
            _UserCopy(source / name, copy / name, disk, report).run()
            report.users += 1
        disk.sync_folder(copy)
    except OSError as error:
        raise LabError(
            f"the copy of {source} in {copy} is not whole: {error.strerror or error}; "
            f"remove {copy}, make room or give rights, and try again"
        ) from error
    return report


def restore(
    source: Path | str, folder: Path | str, disk: MailDisk | None = None
) -> Report:
    """Make a store of a copy. `folder` must be empty or new. Raises LabError."""
    target = Path(folder)
    if (target / LOCK).exists():
        SpoolLock(target).release()  # says who has it open
    return backup(source, target, disk)


def verify(folder: Path | str) -> Report:
    """Read every message of a store, open or not, and compare it with the index."""
    report = Report()
    for name in _users(Path(folder)):
        report.users += 1
        root = Path(folder) / name
        if not (root / INDEX).exists():
            report.problems.append(f"{root} has no index: it is made when it is opened")
            continue
        try:
            with closing(MailIndex(root / INDEX, MailDisk())) as index:
                _verify_user(UserFiles(root, MailDisk()), index, report)
        except _TROUBLE as error:
            report.problems.append(f"the index of {root} cannot be read ({error})")
    return report


def _users(folder: Path) -> list[str]:
    found = sorted(
        path.name
        for path in (folder.iterdir() if folder.is_dir() else ())
        if path.is_dir() and from_user_folder(path.name)
    )
    if not found and not (folder / LOCK).exists():
        raise LabError(f"{folder} is no mail store: give a folder with users in it")
    return found


def _make_empty(target: Path) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise LabError(f"{target} is not empty: give a folder that is new or empty")
    target.mkdir(parents=True, exist_ok=True, mode=0o700)


def _verify_user(files: UserFiles, index: MailIndex, report: Report) -> None:
    for mailbox in index.mailboxes():
        report.mailboxes += 1
        for row, size, known in index.contents(mailbox.validity):
            octets = files.read(row)
            if octets is None and index.file_row(row.mailbox, row.uid) is None:
                continue  # expunged or moved meanwhile
            report.messages += 1
            report.octets += size
            where = f"{files.root.name}, {mailbox.name}, UID {row.uid}"
            if octets is None:
                report.problems.append(f"{where}: there is no file")
            elif email_id(octets) != known:
                report.problems.append(f"{where}: the file is not what it was")


class _UserCopy:
    """The mail of one user. Raises OSError."""

    def __init__(
        self, source: Path, target: Path, disk: MailDisk, report: Report
    ) -> None:
        self._source = UserFiles(source, disk)
        self._target = UserFiles(target, disk)
        self._disk = disk
        self._report = report
        self._here: dict[tuple[str, str], tuple[Path, Path]] = {}

    def run(self) -> None:
        self._target.make("")
        for folder in self._folders():
            for place, name in self._names(folder):
                self._take(folder, place, name)
        for name in (VALIDITY, SUBSCRIPTIONS):
            self._copy_small(name)
        try:
            if not (self._source.root / INDEX).exists():
                raise IndexDamaged("it is missing")
            self._copy_index()
            self._follow()
        except _TROUBLE as error:
            if isinstance(error, sqlite3.Error) and not is_damage(error):
                raise OSError(f"{self._source.root / INDEX}: {error}") from error
            for path in self._target.root.glob(f"{INDEX}*"):
                path.unlink()
            self._report.problems.append(
                f"{self._source.root} is copied without its index ({error}): it will "
                "be made anew when the copy is opened"
            )
            self._put_rest(set())

    def _folders(self) -> Iterator[str]:
        yield ""
        for name in sorted(self._disk.names(self._source.root)):
            path = self._source.root / name
            if path.is_symlink():  # it may lead out of the store
                continue
            if name.startswith(".") and (path / "cur").is_dir():
                yield name

    def _names(self, folder: str) -> Iterator[tuple[str, str]]:
        for place in PLACES:
            with suppress(FileNotFoundError):  # the mailbox is being renamed
                for name in self._disk.names(self._source.root / folder / place):
                    yield place, name

    def _take(self, folder: str, place: str, name: str) -> None:
        """A second name for a file: in tmp/, until it is known where it belongs.

        Our own names are one for each message, in all mailboxes.
        """
        base = identity(from_file_name(name)[0])
        path = self._target.tmp / (base if MARK in base else f"{len(self._here)}.copy")
        key = ("" if MARK in base else folder, base)
        source = self._source.root / folder / place / name
        with suppress(FileNotFoundError):  # renamed or removed right now
            if not stat.S_ISREG(source.lstat().st_mode):
                self._report.problems.append(f"{source} is left out: it is no file")
                return
            self._copy(source, path)
            self._here[key] = (path, Path(folder, place, name))

    def _copy(self, source: Path, target: Path) -> None:
        try:
            self._disk.link(source, target)
        except FileNotFoundError:
            raise
        except OSError:  # another disk
            content, status = self._disk.read(source), self._disk.stat(source)
            self._disk.write(target, content, status.st_mtime)
            self._disk.sync(target)

    def _copy_small(self, name: str) -> None:
        with suppress(FileNotFoundError):
            shutil.copy2(self._source.root / name, self._target.root / name)

    # The index ------------------------------------------------------------------------

    def _copy_index(self) -> None:
        with _locked(self._source.root / INDEX) as asking:
            with closing(sqlite3.connect(self._target.root / INDEX)) as copy:
                asking.backup(copy)
            with closing(MailIndex(self._target.root / INDEX, self._disk)) as index:
                for mailbox in index.mailboxes():
                    for row, _, _ in index.contents(mailbox.validity):
                        self._complete(row)

    def _complete(self, row: FileRow) -> None:
        key = _key(row)
        for _ in range(5):  # it may be renamed at the same time
            if key in self._here:
                return
            found = self._find(row)
            if found is not None:
                self._take_from(row, found)
        if key not in self._here:
            self._report.problems.append(
                f"{self._source.root.name}: UID {row.uid} was taken away meanwhile"
            )

    def _find(self, row: FileRow) -> Path | None:
        with suppress(FileNotFoundError):
            return self._source.find(row)
        return None

    def _take_from(self, row: FileRow, found: Path) -> None:
        if found.parent == self._source.tmp:
            with suppress(FileNotFoundError):
                self._copy(found, self._target.tmp / row.base)
                self._here[_key(row)] = (self._target.tmp / row.base, Path())
            return
        self._take(row.folder, found.parent.name, found.name)

    # Files follow ---------------------------------------------------------------------

    def _follow(self) -> None:
        with closing(MailIndex(self._target.root / INDEX, self._disk)) as index:
            steps = IndexSteps(index)
            rows: dict[tuple[str, str], FileRow] = {}
            twins: list[FileRow] = []
            for mailbox in index.mailboxes():
                for row, _, _ in index.contents(mailbox.validity):
                    if rows.setdefault(_key(row), row) is not row:
                        twins.append(row)
            with index.transaction():
                steps.unsettle()
            for mailbox in index.mailboxes():
                self._target.make(mailbox.folder)
                self._copy_small(str(Path(mailbox.folder, KEYWORDS)))
            for row in twins:
                self._put_twin(row)
            self._put_rest(set(rows))
            for key, row in rows.items():
                if MARK in row.base and row.base != key[1] and key in self._here:
                    tmp = self._target.tmp
                    self._disk.rename(tmp / key[1], tmp / row.base)
            Follower(self._target, index, steps).recover(is_known=True)
            self._count(index)

    def _put_twin(self, row: FileRow) -> None:
        """Another program has copied one of our files, with its name."""
        found = self._find(row)
        if found is not None and found.parent != self._source.tmp:
            name = with_info(row.base, row.written[-1])
            self._copy(found, self._target.root / row.folder / "cur" / name)

    def _put_rest(self, known: set[tuple[str, str]]) -> None:
        """Files of other programs go where they were; of ours, only those unknown to a
        whole index are left to `Follower.recover`.
        """
        for key, (path, where) in self._here.items():
            base = key[1]
            if MARK in base and known:
                continue
            if key in known or (self._source.root / where).exists():
                self._target.make(str(where.parts[0]) if len(where.parts) > 2 else "")
                self._disk.rename(path, self._target.root / where)
            else:
                self._disk.remove(path)

    def _count(self, index: MailIndex) -> None:
        for mailbox in index.mailboxes():
            self._report.mailboxes += 1
            for _, size, _ in index.contents(mailbox.validity):
                self._report.messages += 1
                self._report.octets += size


def _key(row: FileRow) -> tuple[str, str]:
    return "" if MARK in row.base else row.folder, identity(row.base)


@contextmanager
def _locked(path: Path) -> Generator[sqlite3.Connection]:
    """A way to ask an index, while nobody can change it."""
    with closing(sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)) as lock:
        lock.execute("BEGIN IMMEDIATE")
        try:
            with closing(sqlite3.connect(path, timeout=PATIENCE)) as asking:
                yield asking
        finally:
            lock.execute("ROLLBACK")
