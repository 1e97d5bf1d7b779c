"""What the IMAP server engine asks its agent, and what the agent answers.

Goes in: nothing; these are values. Comes out: the words of engine and agent.

Rule: each `Question` names the type of its answer. Instead of it, every question may
      be answered with a `wire.imap.Status`: the refusal that the client gets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from maillab.protocol.engine import Event, Question
from maillab.protocol.sasl_exchange import FindSecret as FindSecret
from maillab.wire.imap import Status
from maillab.wire.imap_list import Folder
from maillab.wire.imap_message import MessageData
from maillab.wire.message import DateTime
from maillab.wire.sasl import Credentials

Need = Literal["facts", "header", "content"]

# Answers ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Done:
    """Yes, and there is nothing to tell."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A mailbox when a session opens it. `messages`: flags by UID, ascending.

    modseqs     by UID (RFC 7162 §3.1)
    mailbox_id  stays when the name changes (RFC 8474 §4)
    folder      the mailbox as LIST shows it (RFC 9051 §6.3.2)
    """

    uid_validity: int
    uid_next: int
    messages: Mapping[int, frozenset[str]]
    recent: frozenset[int]
    modseqs: Mapping[int, int] = field(default_factory=dict[int, int])
    highest_modseq: int = 1
    mailbox_id: str = ""
    folder: Folder | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What STATUS tells (RFC 9051 §6.3.11); sizes in octets.

    deleted_size  of the messages that are \\Deleted (RFC 9208 §4.1.4)
    """

    messages: int
    recent: int
    uid_next: int
    uid_validity: int
    unseen: int
    deleted: int = 0
    size: int = 0
    deleted_size: int = 0
    highest_modseq: int = 1
    mailbox_id: str = ""


@dataclass(frozen=True, slots=True)
class Folders:
    """All mailboxes of the user, with their special uses; and all subscribed names."""

    folders: tuple[Folder, ...]
    subscribed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Messages:
    """Those of the messages asked for that still exist.

    rest  UIDs that did not fit into this answer: ask for them again
    """

    messages: tuple[MessageData, ...]
    rest: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """The messages after STORE, changed or not; those that failed UNCHANGEDSINCE."""

    messages: tuple[MessageData, ...]
    failed: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Vanished:
    """UIDs that were expunged, ascending."""

    uids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Added:
    """Messages arrived in a mailbox: their old UIDs (after COPY) and their new ones."""

    uid_validity: int
    uids: tuple[int, ...]
    sources: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """A mailbox was made (RFC 8474 §4.2)."""

    mailbox_id: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What all mailboxes hold, and may hold, in octets; `limit` 0: any number."""

    used: int
    limit: int


@dataclass(frozen=True, slots=True)
class Now:
    """The time: seconds since 1970-01-01 00:00 UTC."""

    seconds: int


@dataclass(frozen=True, slots=True)
class SecretFound:
    """What is stored about a user, for a SASL mechanism; None: nobody of that name."""

    secret: object = field(repr=False)


Answer = (
    Done
    | Opened
    | Counts
    | Folders
    | Messages
    | Stored
    | Vanished
    | Added
    | Made
    | Usage
    | Now
    | SecretFound
    | Status
)

# Questions ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogIn(Question):
    """Who is this? -> Done. `mechanism` is "LOGIN" also for the command without SASL.

    (The same question for a password and for a proof: `credentials` know which.)
    """

    credentials: Credentials = field(repr=False)
    mechanism: str = "LOGIN"


@dataclass(frozen=True, slots=True)
class Refresh(Question):
    """Look whether other programs changed something. -> Done"""


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
    """`use`: what it is for, such as "\\\\Sent" (RFC 6154 §3). -> Made"""

    name: str
    use: str = ""


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


@dataclass(frozen=True, slots=True)
class CountMailbox(Question):
    """-> Counts"""

    name: str


@dataclass(frozen=True, slots=True)
class AskUsage(Question):
    """How full is the store of the user? -> Usage"""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that a client brings. `date` None: now."""

    content: bytes = field(repr=False)
    flags: tuple[str, ...] = ()
    date: DateTime | None = None


@dataclass(frozen=True, slots=True)
class AppendMessages(Question):
    """Add messages, all or none (RFC 3502 §6.3.11). -> Added"""

    name: str
    letters: tuple[Letter, ...]


@dataclass(frozen=True, slots=True)
class ReplaceMessage(Question):
    """Add a message to `name` and expunge one of the open mailbox, both or none.

    RFC 8508 §3.4. -> Added
    """

    uid: int
    name: str
    letter: Letter


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
    """Change flags in the open mailbox. `mode`: "", "+" or "-". -> Stored

    unchanged_since  leave messages alone whose modseq is higher (RFC 7162 §3.1.3)
    """

    uids: tuple[int, ...]
    mode: str
    flags: frozenset[str]
    unchanged_since: int | None = None


@dataclass(frozen=True, slots=True)
class FindVanished(Question):
    """What was expunged here after this modseq (RFC 7162 §3.2.6)? -> Vanished"""

    modseq: int


@dataclass(frozen=True, slots=True)
class AskTime(Question):
    """What time is it, for keys such as OLDER (RFC 5032 §3)? -> Now"""


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
