"""What an IMAP server says, read by a client (RFC 3501 §7).

Goes in: one whole response, its literals where they stood. Comes out: a value.

Rule 1: whatever is no known response is an `Other`, never an error.
Rule 2: strings stay octets; atoms become text; NIL is None; lists are tuples.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from maillab.wire import mutf7
from maillab.wire.imap import BadSyntax, Scanner, Status

MAX_DEPTH = 100

_STATUS = re.compile(
    rb"(OK|NO|BAD|BYE|PREAUTH)(?: (?:\[([^\]\r\n]*)\] ?)?([^\r\n]*))?", re.IGNORECASE
)
_ATOM = re.compile(rb'(?:[^\x00-\x20\x7f"()\[\]{]|\[[^\]\r\n]*\])+')
_NUMBERED = re.compile(rb"(\d{1,10}) (EXISTS|RECENT|EXPUNGE|FETCH)\b", re.IGNORECASE)


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
class Fetched:
    """Data of one message, such as {"UID": 7, "BODY[]": b"…"}."""

    number: int
    items: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Listed:
    """A mailbox. `verb`: "LIST" or "LSUB"."""

    verb: str
    attributes: tuple[str, ...]
    delimiter: str
    name: str


@dataclass(frozen=True, slots=True)
class Found:
    """What SEARCH found: numbers or UIDs."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """What STATUS tells, such as {"MESSAGES": 3}."""

    name: str
    items: dict[str, int]


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags that the mailbox knows."""

    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Capability:
    """What the server can do."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Other:
    """Anything else, as it was."""

    octets: bytes


Data = (
    Exists
    | Recent
    | Expunged
    | Fetched
    | Listed
    | Found
    | Counted
    | Flags
    | Capability
    | Status
    | Other
)


def parse_status(octets: bytes) -> Status | None:
    """Read what stands behind a tag, or "*"; None when it is no status.

    >>> parse_status(b"NO [TRYCREATE] No such mailbox")
    Status(condition='NO', text='No such mailbox', code='TRYCREATE', why='')
    """
    found = _STATUS.fullmatch(octets)
    if not found:
        return None
    condition, code, text = (part or b"" for part in found.groups())
    words = (octets.decode("utf-8", "replace") for octets in (text, code))
    return Status(condition.decode().upper(), *words)


def parse_untagged(octets: bytes) -> Data:
    """Read an untagged response, without "* " and without its last CRLF.

    >>> parse_untagged(b'3 FETCH (UID 9 FLAGS (\\\\Seen) BODY[TEXT] {2}\\r\\nHi)')
    Fetched(number=3, items={'UID': 9, 'FLAGS': ('\\\\Seen',), 'BODY[TEXT]': b'Hi'})
    >>> parse_untagged(b'LIST (\\\\Noselect) "/" Entw&APw-rfe')
    Listed(verb='LIST', attributes=('\\\\Noselect',), delimiter='/', name='Entwürfe')
    """
    try:
        return parse_status(octets) or _data(octets)
    except (BadSyntax, TypeError, ValueError, IndexError):  # not what the RFC says
        return Other(octets)


def _data(octets: bytes) -> Data:
    numbered = _NUMBERED.match(octets)
    if numbered:
        kind = numbered[2].upper()
        return _numbered(int(numbered[1]), kind, octets[numbered.end() :])
    verb, _, rest = octets.partition(b" ")
    match verb.upper():
        case b"LIST" | b"LSUB":
            return _listed(verb.decode().upper(), rest)
        case b"SEARCH":
            return Found(tuple(map(int, rest.split())))
        case b"STATUS":
            name, items = values(rest)
            counts = {str(key).upper(): int(n) for key, n in _pairs(items).items()}
            return Counted(_name(name), counts)
        case b"FLAGS":
            return Flags(tuple(values(rest)[0]))
        case b"CAPABILITY":
            return Capability(tuple(rest.decode("ascii").upper().split()))
        case _:
            return Other(octets)


def _numbered(number: int, kind: bytes, rest: bytes) -> Data:
    match kind:
        case b"EXISTS":
            return Exists(number)
        case b"RECENT":
            return Recent(number)
        case b"EXPUNGE":
            return Expunged(number)
        case _:
            pairs = _pairs(values(rest.removeprefix(b" "))[0])
            return Fetched(number, {str(key).upper(): v for key, v in pairs.items()})


def _listed(verb: str, rest: bytes) -> Listed:
    attributes, delimiter, name = values(rest)
    mark = b"" if delimiter is None else bytes(delimiter)
    return Listed(verb, tuple(attributes), mark.decode("ascii"), _name(name))


def _name(value: Any) -> str:
    octets = value if isinstance(value, bytes) else str(value).encode("utf-8")
    try:
        return mutf7.from_wire(octets)
    except ValueError:  # a server that knows no modified UTF-7
        return octets.decode("utf-8", "replace")


def _pairs(items: tuple[Any, ...]) -> dict[Any, Any]:
    return dict(zip(items[::2], items[1::2], strict=True))


def values(octets: bytes) -> tuple[Any, ...]:
    """Read values with spaces between them.

    >>> values(b'(\\\\Seen) NIL 12 "a b"')
    (('\\\\Seen',), None, 12, b'a b')
    """
    words = Scanner(octets)
    return _values(words, 0)


def _values(words: Scanner, depth: int) -> tuple[Any, ...]:
    if depth > MAX_DEPTH:
        raise BadSyntax("Lists are nested too deeply")
    found: list[Any] = []
    while not words.at_end and not words.peek(b")"):
        if not words.take(b" "):  # "((a)(b))" has no spaces
            found.append(_value(words, depth))
    return tuple(found)


def _value(words: Scanner, depth: int) -> Any:
    if words.take(b"("):
        inside = _values(words, depth + 1)
        words.expect(b")")
        return inside
    if words.peek(b'"') or words.peek(b"{"):
        return words.string()
    atom = words.word(_ATOM, "a value").decode("utf-8", "replace")
    if atom.upper() == "NIL":
        return None
    return int(atom) if atom.isascii() and atom.isdigit() else atom
