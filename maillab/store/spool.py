"""A queue on disk: what was acknowledged is still there after a crash (RFC 5321 §6.1).

Goes in: entries. Comes out: the same entries, also in another process, later.

    one file for each message:
    {"version": 1, "id": …, "octets": 512, …}   the envelope; how long the content is
    …                                           the content, as many octets
    {"recipients": […], "held": false}          who still waits, after each change

Rule 1: `add` returns when the message survives: written under another name, synced,
        renamed, and the directory synced. Only then the client gets its 250.
Rule 2: a change is a line at the end of the file, synced. A line that is torn does not
        count: it is cut off when the spool is opened.
Rule 3: who was served and is not struck out yet when the crash comes is served again:
        "better twice than never" (RFC 5321 §4.1.1.4, RFC 1047).
Rule 4: what cannot be written (the disk is full) leaves no message behind: its client
        will send it again. A line that was torn then is closed by the next one.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from maillab.store.disk import Disk, RealDisk
from maillab.store.queue import QueueEntry, Recipient, as_ret
from maillab.store.spool_lock import SpoolLock
from maillab.wire.smtp_path import Address

PARTIAL = ".part"  # a message that is being written
SUFFIX = ".mail"
DAMAGED = ".damaged"  # behind the name of a file that made room
VERSION = 1


class Spool:
    """The entries, in memory and on a disk.

    entries  by queue id, oldest first
    damaged  files that cannot be read: they stay where they are
    """

    def __init__(self, disk: Disk, offset: float = 0.0) -> None:
        """`offset` makes seconds since 1970 of seconds of the machine's clock."""
        self.disk = disk
        self.offset = offset
        self.entries: dict[str, QueueEntry] = {}
        self.damaged: list[str] = []
        self._lock: SpoolLock | None = None
        self._torn: set[str] = set()  # files whose last line may be half a line
        self._load()

    @classmethod
    def open(cls, folder: Path | str, offset: float = 0.0) -> "Spool":
        """The spool in a directory; nobody else may have it. Raises LabError."""
        lock = SpoolLock(folder)
        try:
            spool = cls(RealDisk(Path(folder) / "messages"), offset)
        except BaseException:
            lock.release()
            raise
        spool._lock = lock
        return spool

    def close(self) -> None:
        """Let others open it."""
        if self._lock is not None:
            self._lock.release()

    def add(self, entry: QueueEntry) -> None:
        """Take responsibility: when this returns, a crash does no harm."""
        name = entry.id + SUFFIX
        if name in self.damaged:  # its id has come up again
            self.disk.rename(name, name + DAMAGED)
            self.damaged[self.damaged.index(name)] = name + DAMAGED
        try:
            self.disk.write(name + PARTIAL, self._written(entry))
            self.disk.sync(name + PARTIAL)
            self.disk.rename(name + PARTIAL, name)
            self.disk.sync_names()
        except OSError:
            for left in (name + PARTIAL, name):
                with suppress(OSError):
                    self.disk.remove(left)
            raise
        self.entries[entry.id] = entry

    def settle(self, entry: QueueEntry, recipients: list[Recipient]) -> None:
        """These recipients have it, or never will. The last one removes the entry."""
        for recipient in recipients:
            if recipient in entry.recipients:
                entry.recipients.remove(recipient)
        if entry.recipients:
            self.note(entry)
        elif self.entries.pop(entry.id, None) is not None:
            self._torn.discard(entry.id + SUFFIX)
            self.disk.remove(entry.id + SUFFIX)
            self.disk.sync_names()

    def note(self, entry: QueueEntry) -> None:
        """Write down who still waits, and how long."""
        if entry.id not in self.entries:
            return
        state = {"recipients": self._recipients(entry), "held": entry.held}
        name = entry.id + SUFFIX
        try:
            self.disk.append(name, b"\n" * (name in self._torn) + _line(state))
            self.disk.sync(name)
        except OSError:
            self._torn.add(name)
            raise
        self._torn.discard(name)

    def __len__(self) -> int:
        return len(self.entries)

    # Writing --------------------------------------------------------------------------

    def _written(self, entry: QueueEntry) -> bytes:
        head = {
            "version": VERSION,
            "id": entry.id,
            "message": entry.message,
            "reverse_path": _pair(entry.reverse_path),
            "arrived": entry.arrived + self.offset,
            "body": entry.body,
            "ret": entry.ret,
            "envid": entry.envid,
            "utf8": entry.utf8,
            "octets": len(entry.content),
        }
        state = {"recipients": self._recipients(entry), "held": entry.held}
        return _line(head) + entry.content + b"\n" + _line(state)

    def _recipients(self, entry: QueueEntry) -> list[dict[str, Any]]:
        return [
            {
                "address": _pair(one.address),
                "notify": sorted(one.notify),
                "original": one.original,
                "attempts": one.attempts,
                "next_try": one.next_try + self.offset if one.next_try else 0.0,
                "warned": one.warned,
                "reason": one.reason,
                "code": one.code,
                "reply": one.reply,
                "host": one.host,
                "obeyed": one.obeyed,
            }
            for one in entry.recipients
        ]

    # Reading --------------------------------------------------------------------------

    def _load(self) -> None:
        names = self.disk.names()
        for name in names:
            if name.endswith(PARTIAL):  # its client never got a 250
                self.disk.remove(name)
        found: list[QueueEntry] = []
        for name in names:
            if name.endswith(SUFFIX):
                try:
                    found.append(self._read(name))
                except (ValueError, KeyError, TypeError):
                    self.damaged.append(name)
        found.sort(key=lambda entry: (entry.arrived, entry.id))
        for entry in found:
            self._keep(entry)
        self.disk.sync_names()

    def _keep(self, entry: QueueEntry) -> None:
        """An entry that nobody waits for had been settled, and almost removed."""
        if entry.recipients:
            self.entries[entry.id] = entry
        else:
            self.disk.remove(entry.id + SUFFIX)

    def _read(self, name: str) -> QueueEntry:
        """One file. Raises ValueError, KeyError, TypeError when it is no such file."""
        data = self.disk.read(name)
        line, _, rest = data.partition(b"\n")
        head = json.loads(line)
        octets = head["octets"]
        content, lines = rest[:octets], rest[octets + 1 :]
        state, whole = _last_state(lines)
        torn = len(lines) - whole
        if torn:
            self.disk.truncate(name, len(data) - torn)
            self.disk.sync(name)
        return QueueEntry(
            head["id"],
            head["message"],
            _address(head["reverse_path"]),
            [self._recipient(one) for one in state["recipients"]],
            content,
            head["arrived"] - self.offset,
            head["body"],
            as_ret(head["ret"]),
            head["envid"],
            head["utf8"],
            state["held"],
        )

    def _recipient(self, found: dict[str, Any]) -> Recipient:
        next_try = found["next_try"]
        return Recipient(
            _address(found["address"]),
            frozenset(found["notify"]),
            found["original"],
            found["attempts"],
            next_try - self.offset if next_try else 0.0,
            found["warned"],
            found["reason"],
            found["code"],
            found["reply"],
            found["host"],
            found.get("obeyed", False),
        )


def _last_state(lines: bytes) -> tuple[dict[str, Any], int]:
    """The last whole record, and how many octets there are up to its end.

    Raises ValueError when there is none.
    """
    state: dict[str, Any] | None = None
    read = whole = 0
    for line in lines.splitlines(keepends=True):
        read += len(line)
        if line.endswith(b"}\n"):
            with suppress(ValueError):  # torn
                state, whole = json.loads(line), read
    if state is None:
        raise ValueError("no record of recipients")
    return state, whole


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n"


def _pair(address: Address) -> list[str]:
    return [address.local_part, address.domain]


def _address(pair: list[str]) -> Address:
    local_part, domain = pair
    return Address(local_part, domain)
