"""A folder of files, in memory or on disk: pickup, drop, badmail (`agents.mailroot`).

Goes in: names and octets. Comes out: the same, in the order in which they came.

Rule 1: `put` is all or nothing: nobody ever sees half of a file. On disk it returns
        when the file would survive a crash.
Rule 2: a name is one name, never a path out of the folder.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from maillab.errors import LabError

PARTIAL = ".part"  # of a file that is being written


class Folder(Protocol):
    """What a folder can do."""

    @property
    def names(self) -> list[str]:
        """The files, oldest first."""
        ...

    def put(self, name: str, content: bytes) -> None:
        """Write a file."""
        ...

    def get(self, name: str) -> bytes:
        """Read a file. Raises LabError when there is none."""
        ...

    def remove(self, name: str) -> None:
        """Delete a file, if it is there."""
        ...


class MemoryFolder:
    """A folder of a virtual host. `on_put` hears of each new file."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.on_put: Callable[[], None] | None = None
        self._files: dict[str, bytes] = {}

    @property
    def names(self) -> list[str]:
        """The files, oldest first."""
        return list(self._files)

    def put(self, name: str, content: bytes | str) -> None:
        """Write a file. Line ends of text become CRLF."""
        if isinstance(content, str):
            content = content.replace("\r\n", "\n").replace("\n", "\r\n").encode()
        self._files[checked_name(name)] = content
        if self.on_put is not None:
            self.on_put()

    def get(self, name: str) -> bytes:
        """Read a file. Raises LabError when there is none."""
        if name not in self._files:
            there = ", ".join(self._files) or "no files"
            raise LabError(f"{self.name} has no file {name!r}; there are {there}")
        return self._files[name]

    def remove(self, name: str) -> None:
        """Delete a file, if it is there."""
        self._files.pop(name, None)

    def __len__(self) -> int:
        return len(self._files)

    def __repr__(self) -> str:
        return f"<{self.name}: {', '.join(self._files) or 'empty'}>"


class DiskFolder:
    """A directory of this computer."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)

    @property
    def names(self) -> list[str]:
        """The files, oldest first."""
        files = [
            (file.stat().st_mtime_ns, file.name)
            for file in self.path.iterdir()
            if file.is_file() and not file.name.endswith(PARTIAL)
        ]
        return [name for _, name in sorted(files)]

    def put(self, name: str, content: bytes) -> None:
        """Write a file: under another name first, synced, then renamed, synced."""
        file = self.path / checked_name(name)
        partial = file.with_name(file.name + PARTIAL)
        with partial.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        partial.rename(file)
        sync_folder(self.path)

    def get(self, name: str) -> bytes:
        """Read a file. Raises LabError when there is none."""
        file = self.path / checked_name(name)
        try:
            return file.read_bytes()
        except FileNotFoundError:
            raise LabError(f"{self.path} has no file {name!r}") from None

    def remove(self, name: str) -> None:
        """Delete a file, if it is there."""
        (self.path / checked_name(name)).unlink(missing_ok=True)
        sync_folder(self.path)

    def __len__(self) -> int:
        return len(self.names)


def checked_name(name: str) -> str:
    """A name without a path. Raises LabError."""
    if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise LabError(f"{name!r} is no file name; write one such as 'letter.eml'")
    return name


def sync_folder(path: Path) -> None:
    """Make names in a directory survive a crash, where the system can do that."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:  # Windows opens no directories
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
