"""A message in a mailbox, and the octets that may be elsewhere until somebody reads it.

Goes in: octets, or a place where they are. Comes out: messages as values.

Rule 1: a message never changes; only its flags do, and `modseq` says when.
Rule 2: the same octets have the same `email_id`, in all mailboxes and for ever
        (RFC 8474 §5.1). `thread_id` is made of the oldest Message-ID that the message
        names: all answers to one letter have the same (RFC 8474 §5.2).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Protocol

from maillab.wire.message import Header, header_length

MAX_FLAGS = 100  # of one message
_MESSAGE_ID = re.compile(r"<[^<>\s]+>")


class MailboxError(Exception):
    """A mailbox cannot be made, found or changed so.

    `code` is the response code of RFC 5530 §3 that says why.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class StoreUnavailable(MailboxError):
    """The store cannot do it now: the disk is full, or gone, or read-only.

    Nothing was changed. Servers say "later": [UNAVAILABLE] (RFC 5530 §3), 452 4.3.1,
    [SYS/TEMP] (RFC 3206 §4).
    """

    def __init__(self, message: str) -> None:
        super().__init__("UNAVAILABLE", message)


class Blob(Protocol):
    """Octets of a message, wherever they are. Reading raises StoreUnavailable."""

    @property
    def size(self) -> int:
        """How many octets."""
        ...

    def read(self) -> bytes:
        """All of them."""
        ...

    def read_header(self) -> bytes:
        """The header, with the empty line that ends it."""
        ...


@dataclass(frozen=True, slots=True)
class Octets:
    """A `Blob` in memory.

    >>> Octets(b"To: bob\\r\\n\\r\\nHi").read_header()
    b'To: bob\\r\\n\\r\\n'
    """

    octets: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """How many octets."""
        return len(self.octets)

    def read(self) -> bytes:
        """All of them."""
        return self.octets

    def read_header(self) -> bytes:
        """The header, with the empty line that ends it."""
        return self.octets[: header_length(self.octets)]


@dataclass(frozen=True, slots=True)
class NewMessage:
    """What is put into a mailbox. Dates are aware.

    saved      when that happens; None: the internal date
    email_id   "": made of the content
    """

    content: "bytes | Blob" = field(repr=False)
    internal_date: datetime
    flags: Iterable[str] = ()
    saved: datetime | None = None
    email_id: str = ""
    thread_id: str = ""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message in a mailbox. `internal_date` is aware: when it was delivered."""

    uid: int
    blob: Blob = field(repr=False)
    internal_date: datetime
    flags: frozenset[str] = frozenset()
    modseq: int = 1
    save_date: datetime | None = None
    email_id: str = ""
    thread_id: str = ""

    @property
    def content(self) -> bytes:
        """The octets, read from where they are. Raises StoreUnavailable."""
        return self.blob.read()

    @property
    def size(self) -> int:
        """How many octets."""
        return self.blob.size


def stored(new: NewMessage, uid: int, modseq: int) -> StoredMessage:
    """A new message with its place in a mailbox. Raises MailboxError, ValueError."""
    if new.internal_date.tzinfo is None:
        raise ValueError("The internal date needs a time zone")
    blob = Octets(new.content) if isinstance(new.content, bytes) else new.content
    return StoredMessage(
        uid,
        blob,
        new.internal_date,
        limited(new.flags),
        modseq,
        new.saved or new.internal_date,
        new.email_id or email_id(blob.read()),
        new.thread_id or thread_id(blob.read_header()),
    )


def email_id(content: bytes) -> str:
    """What identifies these octets (RFC 8474 §5.1).

    >>> email_id(b"Hi")
    'M3639efcd08abb273b1619e82e78c29a7'
    """
    # deviation: the internal date is not in it: a letter that was appended twice with
    # two dates has one id. A checksum of the octets is of more use (store.backup).
    return f"M{sha256(content).hexdigest()[:32]}"


def thread_id(header: bytes) -> str:
    """What identifies the conversation (RFC 8474 §5.2); "" when nothing does.

    >>> answer = b"References: <1@a>\\r\\nMessage-ID: <2@b>"
    >>> thread_id(b"Message-ID: <1@a>") == thread_id(answer) != ""
    True
    """
    fields = Header.from_wire(header)
    for name in ("References", "In-Reply-To", "Message-ID"):
        found = _MESSAGE_ID.search(fields.get(name) or "")
        if found:
            return f"T{sha256(found[0].encode()).hexdigest()[:32]}"
    return ""


def limited(flags: Iterable[str]) -> frozenset[str]:
    """Flags of one message. Raises MailboxError when they are too many."""
    some = frozenset(flags)
    if len(some) > MAX_FLAGS:
        raise MailboxError("LIMIT", "Too many flags on one message")
    return some
