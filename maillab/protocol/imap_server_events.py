"""What the IMAP server engine asks its agent, and what the agent answers.

Each `Question` names the type of its answer. Instead of it, every question may be
answered with a `wire.imap.Status`: the refusal that the client gets.
"""

from dataclasses import dataclass, field
from typing import Literal

from maillab.protocol.engine import Event, Question
from maillab.wire.imap import Status
from maillab.wire.imap_list import Folder
from maillab.wire.imap_message import MessageData
from maillab.wire.message import DateTime

Need = Literal["facts", "header", "content"]

# Answers ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Done:
    """Yes, and there is nothing to tell."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A mailbox when a session opens it. `messages`: flags by UID, ascending."""

    uid_validity: int
    uid_next: int
    messages: dict[int, frozenset[str]]
    recent: frozenset[int]


@dataclass(frozen=True, slots=True)
class Counts:
    """What STATUS tells (RFC 3501 §6.3.10)."""

    messages: int
    recent: int
    uid_next: int
    uid_validity: int
    unseen: int


@dataclass(frozen=True, slots=True)
class Folders:
    """All mailboxes of the user, or all subscribed names."""

    folders: tuple[Folder, ...]


@dataclass(frozen=True, slots=True)
class Messages:
    """Those of the messages asked for that still exist.

    rest  UIDs that did not fit into this answer: ask for them again
    """

    messages: tuple[MessageData, ...]
    rest: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Added:
    """Messages arrived in a mailbox: their old UIDs (after COPY) and their new ones."""

    uid_validity: int
    uids: tuple[int, ...]
    sources: tuple[int, ...] = ()


Answer = Done | Opened | Counts | Folders | Messages | Added | Status

# Questions ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogIn(Question):
    """Who is this? -> Done"""

    user: str
    password: str = field(repr=False)
    mechanism: str = "LOGIN"  # "LOGIN" also for the command without SASL
    authzid: str = ""


@dataclass(frozen=True, slots=True)
class OpenMailbox(Question):
    """The client looks into a mailbox from now on. -> Opened"""

    name: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class CloseMailbox(Question):
    """The client looks away, having expunged what is \\Deleted, or not. -> Done"""

    expunge: bool


@dataclass(frozen=True, slots=True)
class CreateMailbox(Question):
    """-> Done"""

    name: str


@dataclass(frozen=True, slots=True)
class DeleteMailbox(Question):
    """-> Done"""

    name: str


@dataclass(frozen=True, slots=True)
class RenameMailbox(Question):
    """-> Done"""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class SubscribeMailbox(Question):
    """Put a name on the list of LSUB, or take it off. -> Done"""

    name: str
    wanted: bool


@dataclass(frozen=True, slots=True)
class ListMailboxes(Question):
    """-> Folders"""

    subscribed: bool


@dataclass(frozen=True, slots=True)
class CountMailbox(Question):
    """-> Counts"""

    name: str


@dataclass(frozen=True, slots=True)
class AppendMessage(Question):
    """`date` None: now. -> Added"""

    name: str
    content: bytes = field(repr=False)
    flags: tuple[str, ...] = ()
    date: DateTime | None = None


@dataclass(frozen=True, slots=True)
class ReadMessages(Question):
    """Messages of the open mailbox. -> Messages

    need       how much of them: "facts", their "header", or their whole "content"
    mark_seen  set their \\Seen flag first
    delivered  the client will get their text
    """

    uids: tuple[int, ...]
    need: Need = "content"
    mark_seen: bool = False
    delivered: bool = False


@dataclass(frozen=True, slots=True)
class StoreFlags(Question):
    """Change flags in the open mailbox. `mode`: "", "+" or "-". -> Messages"""

    uids: tuple[int, ...]
    mode: str
    flags: frozenset[str]


@dataclass(frozen=True, slots=True)
class ExpungeMessages(Question):
    """Remove those of these messages that are \\Deleted. -> Done"""

    uids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CopyMessages(Question):
    """Copy to another mailbox, all or none; `move`: and remove here. -> Added"""

    uids: tuple[int, ...]
    target: str
    move: bool = False


# Events that need no answer -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Completed(Event):
    """A command is over, and this is what the client was told."""

    tag: str
    verb: str
    status: Status
