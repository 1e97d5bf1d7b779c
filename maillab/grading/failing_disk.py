"""A disk in memory that forgets, when the power fails, what was not synced.

Goes in: names and octets, step by step. Comes out: what is left after a crash.

Rule 1: like a real file system (see `maillab/store/disk.py`): what is in a file is safe
        after `sync`, under which name it lies is safe after `sync_names`.
Rule 2: a write takes time: in the middle of it, half of the octets are there.
"""

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Ending = Literal["process", "power", "power-names"]
ENDINGS: Mapping[Ending, str] = {
    "process": "the process dies",
    "power": "the power fails",
    "power-names": "the power fails, and names are on the disk before octets",
}


class Crash(BaseException):
    """The computer stops here; no program can catch that."""


@dataclass
class _File:
    octets: bytes
    synced: bytes = b""  # what a power cut leaves of it


class FailingDisk:
    """A disk for one receiver.

    full   nothing can be written any more
    steps  what was done, in order

    >>> disk = FailingDisk()
    >>> disk.write("new/1", b"Dear Grace")
    >>> disk.names(), disk.read("new/1")
    (['new/1'], b'Dear Grace')
    >>> disk.fail("power")
    >>> disk.names()
    []
    """

    def __init__(self) -> None:
        self.full = False
        self.steps: list[str] = []
        self._now: dict[str, _File] = {}
        self._safe: dict[str, _File] = {}
        self._last = -1  # the step at which it crashes

    # For a receiver -------------------------------------------------------------------

    def names(self) -> list[str]:
        """All files, sorted."""
        return sorted(self._now)

    def read(self, name: str) -> bytes:
        """What is in a file. Raises FileNotFoundError."""
        return self._file(name).octets

    def write(self, name: str, data: bytes) -> None:
        """Create a file, or write it anew; not synced. Raises OSError: disk full."""
        self.step(f"write {name}")
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
        file = self._now.setdefault(name, _File(b""))
        file.synced = b""
        file.octets = bytes(data[: len(data) // 2])
        self.step(f"half of {name} is written")
        file.octets = bytes(data)

    def sync(self, name: str) -> None:
        """What is in the file survives a power cut. Raises FileNotFoundError."""
        self.step(f"sync {name}")
        file = self._file(name)
        file.synced = file.octets

    def rename(self, old: str, new: str) -> None:
        """At once, or not at all; not synced. Raises FileNotFoundError."""
        self.step(f"rename {old} to {new}")
        self._now[new] = self._file(old)
        del self._now[old]

    def remove(self, name: str) -> None:
        """Delete a file; not synced. Raises FileNotFoundError."""
        self.step(f"remove {name}")
        self._file(name)
        del self._now[name]

    def sync_names(self) -> None:
        """Which files there are, and their names, survive a power cut."""
        self.step("sync_names")
        self._safe = dict(self._now)

    # For those who break it -----------------------------------------------------------

    def step(self, what: str) -> None:
        """Something is about to be done. Raises Crash when it does not come to it."""
        if len(self.steps) == self._last:
            raise Crash(what)
        self.steps.append(what)

    def crash_at(self, step: int) -> None:
        """Stop before this step, counted from now."""
        self._last = len(self.steps) + step

    def fail(self, ending: Ending) -> None:
        """What is left when the computer starts again is all there is now."""
        self._last = -1
        if ending == "process":
            return  # the operating system still has all that was written
        left = self._safe if ending == "power" else self._now
        files = {name: _File(f.synced, f.synced) for name, f in left.items()}
        self._now, self._safe = files, dict(files)

    def _file(self, name: str) -> _File:
        if name not in self._now:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return self._now[name]

    def __repr__(self) -> str:
        rows = [f"  {name}  {len(f.octets)} octets" for name, f in self._now.items()]
        return "\n".join(["<FailingDisk>", *sorted(rows)])
