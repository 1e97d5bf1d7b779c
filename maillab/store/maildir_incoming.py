"""New messages go to tmp/ of their user, before the index knows them.

Goes in: `Added` steps. Comes out: files that survive a crash, or none.

Rule: copies are links where the file system has them: the octets are there once.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from maillab.store.changes import Added, Step
from maillab.store.mail_index import MailIndex
from maillab.store.mail_index_steps import Octets
from maillab.store.maildir_files import UserFiles
from maillab.store.maildir_names import base_name
from maillab.store.messages import StoredMessage


class Reader(Protocol):
    """Reads what is kept of one user. Raises StoreUnavailable."""

    def read(self, mailbox: int, uid: int) -> bytes:
        """The octets of a message."""
        ...

    def read_header(self, mailbox: int, uid: int) -> bytes:
        """The header of a message."""
        ...


@dataclass(frozen=True, slots=True)
class KeptOctets:
    """A `Blob` in a Maildir."""

    reader: Reader = field(repr=False, compare=False)
    mailbox: int
    uid: int
    size: int

    def read(self) -> bytes:
        """All of them."""
        return self.reader.read(self.mailbox, self.uid)

    def read_header(self) -> bytes:
        """The header, with the empty line that ends it."""
        return self.reader.read_header(self.mailbox, self.uid)


class Incoming:
    """The new messages of one commit.

    written  by the number of the step
    """

    def __init__(self, files: UserFiles, index: MailIndex, reader: Reader) -> None:
        self.written: dict[int, Octets] = {}
        self._files = files
        self._index = index
        self._reader = reader

    def write_all(self, steps: Sequence[Step], when: float) -> None:
        """Write, and sync. Raises OSError, StoreUnavailable."""
        for at, step in enumerate(steps):
            if isinstance(step, Added):
                self._write(at, step, when)
        if self.written:
            self._files.disk.sync_folder(self._files.tmp)

    def undo(self) -> None:
        """Nothing was written."""
        self._files.undo([one.base for one in self.written.values()])

    def _write(self, at: int, step: Added, when: float) -> None:
        message = step.message
        place = (step.mailbox, message.uid)
        base = base_name(when, place, os.getpid(), message.size)
        self.written[at] = Octets(base, message.blob.read_header())
        mtime = message.internal_date.timestamp()
        if not self._link(message, base, mtime):
            self._files.write(base, message.blob.read(), mtime)

    def _link(self, message: StoredMessage, base: str, mtime: float) -> bool:
        blob = message.blob
        if not isinstance(blob, KeptOctets) or blob.reader is not self._reader:
            return False
        row = self._index.file_row(blob.mailbox, blob.uid)
        try:
            return row is not None and self._files.link(row, base, mtime)
        except OSError:  # this file system has no links, or this file too many
            return False
