"""The values that an IMAP client makes of what a server says (RFC 9051 §7).

Goes in: items that were read. Comes out: values; `Data` is any of them.

Rule 1: sets stay ranges (`NumberSet`): a server may say "1:4294967295".
Rule 2: ENVELOPE and BODYSTRUCTURE become trees when somebody asks for them, so a server
        that writes them wrongly is still good for flags and content.
"""

from dataclasses import dataclass, field
from typing import Any

from maillab.wire.imap import Status
from maillab.wire.imap_response_codes import NumberSet
from maillab.wire.imap_response_tokens import list_of, text_of
from maillab.wire.imap_response_trees import BodyPart, Envelope, body, envelope


@dataclass(frozen=True, slots=True)
class Exists:
    """The mailbox has so many messages."""

    count: int


@dataclass(frozen=True, slots=True)
class Recent:
    """So many of them are recent."""

    count: int


@dataclass(frozen=True, slots=True)
class Expunged:
    """This message is gone, and those behind it have moved up."""

    number: int


@dataclass(frozen=True, slots=True)
class Vanished:
    """These UIDs are gone (RFC 7162 §3.2.10). `earlier`: they were already."""

    uids: NumberSet
    earlier: bool = False


@dataclass(frozen=True, slots=True)
class Fetched:
    """Data of one message, such as {"UID": 7, "BODY[]": b"…"}."""

    number: int
    items: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def uid(self) -> int | None:
        """Its UID, if that was told."""
        uid = self.items.get("UID")
        return uid if isinstance(uid, int) else None

    @property
    def flags(self) -> tuple[str, ...] | None:
        """Its flags, if they were told. Raises BadResponse."""
        told = self.items.get("FLAGS")
        return None if told is None else tuple(map(text_of, list_of(told)))

    @property
    def modseq(self) -> int | None:
        """When it was changed last (RFC 7162 §3.1.4.2)."""
        told = self.items.get("MODSEQ")
        return told if isinstance(told, int) else None

    @property
    def envelope(self) -> Envelope | None:
        """Its ENVELOPE as a value, if that was told. Raises BadResponse."""
        told = self.items.get("ENVELOPE")
        return None if told is None else envelope(told)

    @property
    def structure(self) -> BodyPart | None:
        """Its BODYSTRUCTURE (or BODY) as a tree, if told. Raises BadResponse."""
        told = self.items.get("BODYSTRUCTURE", self.items.get("BODY"))
        if told is None:
            return None
        multipart = told and isinstance(list_of(told)[0], tuple)
        return body(told, "" if multipart else "1")


@dataclass(frozen=True, slots=True)
class Listed:
    """A mailbox. `verb`: "LIST" or "LSUB".

    extended  of LIST-EXTENDED (RFC 9051 §7.3.1): {"CHILDINFO": …, "OLDNAME": …}
    """

    verb: str
    attributes: tuple[str, ...]
    delimiter: str
    name: str
    extended: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Found:
    """What SEARCH or SORT found: numbers or UIDs, in the order that was told."""

    numbers: tuple[int, ...]
    verb: str = "SEARCH"
    modseq: int = 0


@dataclass(frozen=True, slots=True)
class Extended:
    """What ESEARCH tells (RFC 9051 §7.3.4): {"MIN": 2, "ALL": …, "COUNT": 9}.

    items  "ALL" is a NumberSet, "PARTIAL" a pair: the range as text, a NumberSet
    """

    tag: str
    uid: bool
    items: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def all(self) -> NumberSet:
        """What was found, if ALL was told."""
        found = self.items.get("ALL")
        return found if isinstance(found, NumberSet) else NumberSet()


@dataclass(frozen=True, slots=True)
class Threads:
    """What THREAD found (RFC 5256 §4): (2, (3, 4), (5,)) forks at 2."""

    threads: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """What STATUS tells, such as {"MESSAGES": 3, "MAILBOXID": "F1"}."""

    name: str
    items: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags that the mailbox knows."""

    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Capability:
    """What the server can do."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Enabled:
    """What ENABLE has switched on (RFC 9051 §7.2.1)."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServerId:
    """What the server says about itself (RFC 2971 §3.2). Not to be believed."""

    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class Namespaces:
    """Prefixes with their delimiters (RFC 9051 §7.3.6): (("", "/"),)."""

    personal: tuple[tuple[str, str], ...] = ()
    others: tuple[tuple[str, str], ...] = ()
    shared: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Quota:
    """Usage and limit of each resource (RFC 9208 §4.2.1): {"STORAGE": (10, 512)}."""

    root: str
    resources: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class QuotaRoots:
    """Which quotas a mailbox has (RFC 9208 §4.2.2)."""

    mailbox: str
    roots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Other:
    """Anything else, as it was."""

    octets: bytes


Data = (
    Exists
    | Recent
    | Expunged
    | Vanished
    | Fetched
    | Listed
    | Found
    | Extended
    | Threads
    | Counted
    | Flags
    | Capability
    | Enabled
    | ServerId
    | Namespaces
    | Quota
    | QuotaRoots
    | Status
    | Other
)
