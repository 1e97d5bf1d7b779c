"""A disk with Maildir folders, as a crash sees it: step by step.

Goes in: paths and octets. Comes out: files. Nothing survives a crash for certain before
`sync` (what is in a file) and `sync_folder` (that it is there, under this name).

Rule: the mail store changes files only here, so that tests can stop the world, fill the
disk or write-protect it between two steps. Everything raises OSError.
"""

import os
import shutil
import time
from pathlib import Path

from maillab.store import folders

FOLDER_MODE = 0o700
FILE_MODE = 0o600
# A link leads out of the store, to a file that its owner may not read; a FIFO would
# have us wait. Other systems than POSIX have neither, but text files.
_READ = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY")
)


class MailDisk:
    """The disk of this computer.

    synchronous  how careful the index is: the word for SQLite
    """

    synchronous = "FULL"

    def step(self, what: str, path: Path) -> None:
        """Comes before every change: for tests."""

    # Changing -------------------------------------------------------------------------

    def write(self, path: Path, data: bytes, mtime: float) -> None:
        """Create a file, or write it anew; not synced. `mtime`: seconds since 1970."""
        self.step("write", path)
        path.unlink(missing_ok=True)  # never through a second link to the same octets
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.utime(path, (mtime, mtime))

    def sync(self, path: Path) -> None:
        """What is in the file survives (fsync)."""
        self.step("sync", path)
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def link(self, old: Path, new: Path) -> None:
        """The same octets under a second name; not synced."""
        self.step("link", new)
        new.unlink(missing_ok=True)
        os.link(old, new)

    def rename(self, old: Path, new: Path) -> None:
        """At once, or not at all; not synced."""
        self.step("rename", new)
        old.rename(new)

    def remove(self, path: Path) -> None:
        """Delete a file, if it is there; not synced."""
        self.step("remove", path)
        path.unlink(missing_ok=True)

    def make_folder(self, path: Path) -> None:
        """Make a folder, if it is not there; not synced."""
        if not path.is_dir():
            self.step("make", path)
            path.mkdir(FOLDER_MODE, exist_ok=True)

    def remove_folder(self, path: Path) -> None:
        """Delete a folder and all in it; not synced."""
        self.step("remove", path)
        shutil.rmtree(path)

    def sync_folder(self, path: Path) -> None:
        """Names in the folder survive (fsync)."""
        self.step("sync", path)
        folders.sync_folder(path)

    # Reading --------------------------------------------------------------------------

    def names(self, path: Path) -> list[str]:
        """All names in a folder."""
        return os.listdir(path)  # noqa: PTH208  (as quick as it can be)

    def read(self, path: Path) -> bytes:
        """What is in a file; a link to elsewhere is none (ELOOP)."""
        with os.fdopen(os.open(path, _READ), "rb") as file:
            return file.read()

    def stat(self, path: Path) -> os.stat_result:
        """What the system knows of a file or folder."""
        return path.stat()

    def now_ns(self) -> int:
        """The clock that the file system uses, in nanoseconds."""
        return time.time_ns()
