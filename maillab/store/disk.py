"""One directory as a crash sees it: every step that may be the last one by itself.

Goes in: names and octets. Comes out: files. Nothing survives a crash for certain before
`sync` (what is in a file) and `sync_names` (that it is there, under this name).

Rule: `store.spool` does all its writing here, so that tests can stop the world between
two steps.
"""

import os
from pathlib import Path
from typing import Protocol

from maillab.store.folders import sync_folder


class Disk(Protocol):
    """The steps."""

    def names(self) -> list[str]:
        """All files."""
        ...

    def read(self, name: str) -> bytes:
        """What is in a file."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Create a file, or write it anew; not synced."""
        ...

    def append(self, name: str, data: bytes) -> None:
        """Write at the end of a file; not synced."""
        ...

    def truncate(self, name: str, size: int) -> None:
        """Cut a file; not synced."""
        ...

    def sync(self, name: str) -> None:
        """What is in the file survives (fsync)."""
        ...

    def rename(self, old: str, new: str) -> None:
        """At once, or not at all; not synced."""
        ...

    def remove(self, name: str) -> None:
        """Delete a file; not synced."""
        ...

    def sync_names(self) -> None:
        """Names of files survive (fsync of the directory)."""
        ...


class RealDisk:
    """A directory of this computer."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)

    def names(self) -> list[str]:
        """All files."""
        return sorted(file.name for file in self.path.iterdir())

    def read(self, name: str) -> bytes:
        """What is in a file."""
        return (self.path / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        """Create a file, or write it anew; not synced."""
        (self.path / name).write_bytes(data)

    def append(self, name: str, data: bytes) -> None:
        """Write at the end of a file; not synced."""
        with (self.path / name).open("ab") as file:
            file.write(data)

    def truncate(self, name: str, size: int) -> None:
        """Cut a file; not synced."""
        os.truncate(self.path / name, size)

    def sync(self, name: str) -> None:
        """What is in the file survives (fsync)."""
        with (self.path / name).open("rb+") as file:
            os.fsync(file.fileno())

    def rename(self, old: str, new: str) -> None:
        """At once, or not at all; not synced."""
        (self.path / old).replace(self.path / new)

    def remove(self, name: str) -> None:
        """Delete a file; not synced."""
        (self.path / name).unlink(missing_ok=True)

    def sync_names(self) -> None:
        """Names of files survive (fsync of the directory)."""
        sync_folder(self.path)
