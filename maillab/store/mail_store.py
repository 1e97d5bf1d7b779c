"""The mail of all users of a server, on disk.

Goes in: a folder. Comes out: a tree of mailboxes for each address, which survives.

    STORE/lock                 one process at a time
    STORE/ann@example.org/     a Maildir++ (`maildir_keeper`): INBOX, .Sent, .Trash …

Rule 1: a store has one writer. Other programs may bring, mark and remove mail in the
        Maildir folders at any time: `refresh` finds that.
Rule 2: trees are opened when they are first asked for.
"""

import itertools
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from maillab.errors import LabError
from maillab.store.mail_disk import MailDisk
from maillab.store.mail_trouble import unavailable
from maillab.store.mailbox_tree import STANDARD_FOLDERS, MailboxTree
from maillab.store.maildir_keeper import MaildirKeeper
from maillab.store.maildir_names import from_user_folder, to_user_folder
from maillab.store.messages import StoreUnavailable
from maillab.store.spool_lock import LOCK, SpoolLock

REMOVED = "%removed-"  # before the name of a folder that is to be deleted
_PROBE = ".maillab-probe"

Now = Callable[[], datetime]


def _clock() -> datetime:
    return datetime.now(UTC)


class MailStore:
    """Mailboxes by address. Make it with `MailStore.open`."""

    def __init__(self, folder: Path, now: Now, disk: MailDisk, lock: SpoolLock) -> None:
        self.folder = folder
        self._now = now
        self._disk = disk
        self._lock = lock
        self._open: dict[str, tuple[MailboxTree, MaildirKeeper]] = {}
        self._problems: list[str] = []

    @classmethod
    def open(
        cls, folder: Path | str, now: Now = _clock, disk: MailDisk | None = None
    ) -> "MailStore":
        """The store in a folder; it is made if need be. Raises LabError."""
        path, disk = Path(folder), disk or MailDisk()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            disk.make_folder(path)
            _try_out(disk, path)
        except OSError as error:
            raise _unfit(path, error) from error
        lock = SpoolLock(path)
        try:
            store = cls(path, now, disk, lock)
            store._clean_up()
        except OSError as error:
            lock.release()
            raise _unfit(path, error) from error
        except BaseException:
            lock.release()
            raise
        return store

    def close(self) -> None:
        """Close all trees, and let others open the store."""
        for _, keeper in self._open.values():
            keeper.close()
        self._open.clear()
        self._lock.release()

    # Users ----------------------------------------------------------------------------

    def tree(self, address: str) -> MailboxTree:
        """The mailboxes of a user; a new one gets the standard folders.

        Raises StoreUnavailable, and LabError for what can be no address.
        """
        name = to_user_folder(address)
        if name not in self._open:
            keeper = MaildirKeeper(self.folder / name, self._disk, self._now)
            try:
                tree = MailboxTree(STANDARD_FOLDERS, keeper)
            except BaseException:
                keeper.close()
                raise
            self._open[name] = (tree, keeper)
        return self._open[name][0]

    @property
    def addresses(self) -> tuple[str, ...]:
        """All who have mailboxes here. Raises StoreUnavailable."""
        try:
            names = self._disk.names(self.folder)
            found = [name for name in names if (self.folder / name).is_dir()]
        except OSError as error:
            raise unavailable(error) from error
        return tuple(sorted(filter(None, map(from_user_folder, found))))

    def remove(self, address: str) -> None:
        """Delete all mail of a user. Raises StoreUnavailable; then it is all there."""
        name = to_user_folder(address)
        if name in self._open:
            self._open.pop(name)[1].close()
        if not (self.folder / name).exists():
            return
        gone = self._free_name(name)
        try:
            self._disk.rename(self.folder / name, gone)
            self._disk.sync_folder(self.folder)
        except OSError as error:
            raise unavailable(error) from error
        with suppress(OSError):  # it is tried again when the store is opened
            self._disk.remove_folder(gone)

    def _free_name(self, name: str) -> Path:
        """What could not be deleted before may still be there."""
        for number in itertools.count():
            free = self.folder / f"{REMOVED}{number}-{name}"[:255]
            if not free.exists():
                return free
        raise AssertionError("there are numbers enough")

    def refresh(self) -> None:
        """Look at all open trees for what other programs did."""
        for tree, keeper in self._open.values():
            try:
                tree.refresh()
            except StoreUnavailable as error:
                keeper.tell(f"{keeper.root}: {error}")

    @property
    def problems(self) -> list[str]:
        """What a person should know: of the store, and of all open trees."""
        of_trees = [one for _, keeper in self._open.values() for one in keeper.problems]
        return [*self._problems, *of_trees]

    def problems_of(self, address: str) -> list[str]:
        """What a person should know of an open tree."""
        found = self._open.get(to_user_folder(address))
        return list(found[1].problems) if found else []

    def _clean_up(self) -> None:
        for name in self._disk.names(self.folder):
            if name.startswith(REMOVED):
                self._disk.remove_folder(self.folder / name)
            elif name != LOCK and not from_user_folder(name):
                self._problems.append(f"{self.folder / name} is no mail of a user")


def _try_out(disk: MailDisk, path: Path) -> None:
    """Raises OSError where files cannot be made, read and removed."""
    disk.names(path)
    probe = path / _PROBE
    disk.write(probe, b"x", 0)
    disk.sync(probe)
    disk.remove(probe)


def _unfit(path: Path, error: OSError) -> LabError:
    reason = error.strerror or str(error)
    return LabError(
        f"the mail store {path} cannot be used: {reason}. Its folder must belong to "
        f"the user who runs the server, with all rights, on a disk with room: "
        f"type `chown -R USER {path}; chmod -R u+rwX {path}`, or give another folder"
    )
