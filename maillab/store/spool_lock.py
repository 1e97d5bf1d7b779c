"""Only one process may have a store (of queued or kept mail) open.

Goes in: a directory. Comes out: a lock that ends with the process, however that ends;
or a LabError that names the other process.
"""

import os
from pathlib import Path
from typing import IO

from maillab.errors import LabError

try:
    import fcntl
except ImportError:  # Windows: the lock is the file itself
    fcntl = None

LOCK = "lock"


class SpoolLock:
    """Held from the making to `release`."""

    def __init__(self, folder: Path | str) -> None:
        self.file = Path(folder) / LOCK
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._held: IO[str] | None = self._take()

    def _take(self) -> IO[str]:
        mode = "a+" if fcntl is not None else "x+"
        try:
            held = self.file.open(mode, encoding="ascii")
        except PermissionError as error:
            if fcntl is not None:  # elsewhere: another process is closing it
                raise LabError(self._not_ours(error)) from None
            raise self._taken() from None
        except OSError:
            raise self._taken() from None
        try:
            if fcntl is not None:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            held.close()
            raise self._taken() from None
        held.truncate(0)
        held.write(str(os.getpid()))
        held.flush()
        return held

    def _taken(self) -> LabError:
        return LabError(
            f"the store {self.file.parent} is open in another process (pid "
            f"{self._owner()}): stop that one, or give this one another directory"
        )

    def _not_ours(self, error: OSError) -> str:
        folder = self.file.parent
        return (
            f"{self.file}: {error.strerror}; the folder must belong to the user who "
            f"runs the server: type `chown -R USER {folder}; chmod -R u+rwX {folder}`"
        )

    def _owner(self) -> str:
        try:
            return self.file.read_text("ascii") or "unknown"
        except OSError:
            return "unknown"

    def release(self) -> None:
        """Let others open it."""
        if self._held is None:
            return
        self._held.close()
        self._held = None
        if fcntl is None:
            self.file.unlink(missing_ok=True)
