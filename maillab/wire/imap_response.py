"""What an IMAP server says, read by a client (RFC 9051 §7, RFC 3501 §7).

Goes in: one whole response, its literals where they stood. Comes out: a value.

Rule 1: whatever is no known response is an `Other`, never an error.
Rule 2: strings stay octets; atoms become text; NIL is None; lists are tuples.
"""

import re
from typing import Any

from maillab.wire import mutf7
from maillab.wire.imap import Status
from maillab.wire.imap_response_codes import NumberSet
from maillab.wire.imap_response_data import Capability as Capability
from maillab.wire.imap_response_data import Counted as Counted
from maillab.wire.imap_response_data import Data as Data
from maillab.wire.imap_response_data import Enabled as Enabled
from maillab.wire.imap_response_data import Exists as Exists
from maillab.wire.imap_response_data import Expunged as Expunged
from maillab.wire.imap_response_data import Extended as Extended
from maillab.wire.imap_response_data import Fetched as Fetched
from maillab.wire.imap_response_data import Flags as Flags
from maillab.wire.imap_response_data import Found as Found
from maillab.wire.imap_response_data import Listed as Listed
from maillab.wire.imap_response_data import Namespaces as Namespaces
from maillab.wire.imap_response_data import Other as Other
from maillab.wire.imap_response_data import Quota as Quota
from maillab.wire.imap_response_data import QuotaRoots as QuotaRoots
from maillab.wire.imap_response_data import Recent as Recent
from maillab.wire.imap_response_data import ServerId as ServerId
from maillab.wire.imap_response_data import Threads as Threads
from maillab.wire.imap_response_data import Vanished as Vanished
from maillab.wire.imap_response_tokens import (
    BadResponse,
    list_of,
    number_of,
    pairs_of,
    text_of,
)
from maillab.wire.imap_response_tokens import values as values

_STATUS = re.compile(
    rb"(OK|NO|BAD|BYE|PREAUTH)(?: (?:\[([^\]\r\n]*)\] ?)?([^\r\n]*))?", re.IGNORECASE
)
_NUMBERED = re.compile(
    rb"(\d{1,10}) (EXISTS|RECENT|EXPUNGE|FETCH)(?= |\Z)", re.IGNORECASE
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


def parse_untagged(octets: bytes, utf8: bool = False) -> Data:
    """Read an untagged response, without "* " and without its last CRLF.

    `utf8`: names are UTF-8 (RFC 6855 §3, RFC 9051 §5.1), not modified UTF-7.

    >>> parse_untagged(b'3 FETCH (UID 9 FLAGS (\\\\Seen) BODY[TEXT] {2}\\r\\nHi)')
    Fetched(number=3, items={'UID': 9, 'FLAGS': ('\\\\Seen',), 'BODY[TEXT]': b'Hi'})
    >>> parse_untagged(b'LIST (\\\\Noselect) "/" Entw&APw-rfe').name
    'Entwürfe'
    """
    try:
        return parse_status(octets) or _data(octets, utf8)
    except BadResponse:  # not what the RFC says
        return Other(octets)


def _data(octets: bytes, utf8: bool) -> Data:
    numbered = _NUMBERED.match(octets)
    if numbered:
        kind = numbered[2].decode().upper()
        return _numbered(int(numbered[1]), kind, octets[numbered.end() :])
    verb, _, rest = octets.partition(b" ")
    read = _READERS.get(verb.upper())
    if read is None:
        return Other(octets)
    return read(verb.decode().upper(), values(rest), utf8)


def _numbered(number: int, kind: str, rest: bytes) -> Data:
    match kind:
        case "EXISTS":
            return Exists(number)
        case "RECENT":
            return Recent(number)
        case "EXPUNGE":
            return Expunged(number)
        case _:
            pairs = pairs_of(_only(values(rest)))
            items = ((text_of(key).upper(), value) for key, value in pairs)
            return Fetched(number, {key: _item(key, value) for key, value in items})


def _item(key: str, value: Any) -> Any:
    """One value in parentheses stands for itself: `MODSEQ (12)`, `EMAILID (M1)`."""
    if key in ("MODSEQ", "EMAILID", "THREADID") and value is not None:
        return _only(list_of(value))
    return value


def _only(found: tuple[Any, ...]) -> Any:
    if len(found) != 1:
        raise BadResponse("one value was expected")
    return found[0]


def _listed(verb: str, found: tuple[Any, ...], utf8: bool) -> Data:
    if len(found) not in (3, 4):
        raise BadResponse("LIST has attributes, a delimiter and a name")
    extended = {
        text_of(key).upper(): word for key, word in pairs_of(found[3:] and found[3])
    }
    attributes = tuple(map(text_of, list_of(found[0])))
    name = _name(found[2], utf8)
    return Listed(verb, attributes, text_of(found[1]), name, extended)


def _found(verb: str, found: tuple[Any, ...], _utf8: bool) -> Data:
    """Numbers, perhaps with `(MODSEQ n)` behind them (RFC 7162 §3.1.5)."""
    modseq = 0
    if found and isinstance(found[-1], tuple):
        pairs = pairs_of(found[-1])
        modseq = number_of(pairs[0][1]) if pairs else 0
        found = found[:-1]
    return Found(tuple(map(_id, found)), verb, modseq)


def _id(value: Any) -> int:
    if not isinstance(value, int):
        raise BadResponse("a message number or UID was expected")
    return value


def _extended(_verb: str, found: tuple[Any, ...], _utf8: bool) -> Data:
    tag, uid = "", False
    if found and isinstance(found[0], tuple):
        correlator = {text_of(key).upper(): word for key, word in pairs_of(found[0])}
        tag, found = text_of(correlator.get("TAG")), found[1:]
    if found and text_of(found[0]).upper() == "UID":
        uid, found = True, found[1:]
    items: dict[str, Any] = {}
    for key, value in pairs_of(found):
        name = text_of(key).upper()
        items[name] = _search_item(name, value)
    return Extended(tag, uid, items)


def _search_item(name: str, value: Any) -> Any:
    match name:
        case "ALL":
            return NumberSet.from_text(text_of(value))
        case "PARTIAL":  # RFC 9394 §3.1
            pair = list_of(value)
            if len(pair) != 2:
                raise BadResponse("PARTIAL has a range and a set")
            return text_of(pair[0]), NumberSet.from_text(text_of(pair[1]))
        case _:
            return value


def _threads(_verb: str, found: tuple[Any, ...], _utf8: bool) -> Data:
    return Threads(tuple(map(_thread, found)))


def _thread(value: Any) -> Any:
    return (
        tuple(map(_thread, list_of(value))) if isinstance(value, tuple) else _id(value)
    )


def _vanished(_verb: str, found: tuple[Any, ...], _utf8: bool) -> Data:
    earlier = len(found) == 2 and found[0] == ("EARLIER",)
    if len(found) != 1 + earlier:
        raise BadResponse("VANISHED has a set")
    return Vanished(NumberSet.from_text(text_of(found[-1])), earlier)


def _counted(_verb: str, found: tuple[Any, ...], utf8: bool) -> Data:
    if len(found) != 2:
        raise BadResponse("STATUS has a name and a list")
    items = {text_of(key).upper(): _count(value) for key, value in pairs_of(found[1])}
    return Counted(_name(found[0], utf8), items)


def _count(value: Any) -> Any:
    """A number; NIL (APPENDLIMIT); an identity in parentheses (MAILBOXID)."""
    if isinstance(value, tuple):
        return text_of(_only(list_of(value)))
    if value is None or isinstance(value, int):
        return value
    raise BadResponse("a number was expected")


def _flags(_verb: str, found: tuple[Any, ...], _utf8: bool) -> Data:
    return Flags(tuple(map(text_of, list_of(_only(found)))))


def _capability(_verb: str, found: tuple[Any, ...], _utf8: bool) -> Data:
    return Capability(tuple(text_of(word).upper() for word in found))


def _enabled(_verb: str, found: tuple[Any, ...], _utf8: bool) -> Data:
    return Enabled(tuple(text_of(word).upper() for word in found))


def _server_id(_verb: str, found: tuple[Any, ...], _utf8: bool) -> Data:
    pairs = pairs_of(_only(found))
    return ServerId({text_of(key).lower(): text_of(word) for key, word in pairs})


def _namespaces(_verb: str, found: tuple[Any, ...], utf8: bool) -> Data:
    if len(found) != 3:
        raise BadResponse("there are three kinds of namespaces")
    return Namespaces(*(tuple(_prefix(one, utf8) for one in list_of(k)) for k in found))


def _prefix(value: Any, utf8: bool) -> tuple[str, str]:
    items = list_of(value)
    if len(items) < 2:
        raise BadResponse("a namespace has a prefix and a delimiter")
    return _name(items[0], utf8), text_of(items[1])


def _quota(_verb: str, found: tuple[Any, ...], utf8: bool) -> Data:
    if len(found) != 2 or len(list_of(found[1])) % 3:
        raise BadResponse("QUOTA has a root, and triples")
    words = iter(list_of(found[1]))
    triples = zip(words, words, words, strict=True)
    resources = {
        text_of(a).upper(): (number_of(b), number_of(c)) for a, b, c in triples
    }
    return Quota(_name(found[0], utf8), resources)


def _quota_roots(_verb: str, found: tuple[Any, ...], utf8: bool) -> Data:
    if not found:
        raise BadResponse("QUOTAROOT has a mailbox")
    mailbox, *roots = (_name(one, utf8) for one in found)
    return QuotaRoots(mailbox, tuple(roots))


def _name(value: Any, utf8: bool) -> str:
    octets = value if isinstance(value, bytes) else text_of(value).encode("utf-8")
    if value is None:
        octets = b"NIL"  # an atom that only looks so
    if utf8:
        return octets.decode("utf-8", "replace")
    try:
        return mutf7.from_wire(octets)
    except ValueError:  # a server that knows no modified UTF-7
        return octets.decode("utf-8", "replace")


_READERS = {
    b"LIST": _listed,
    b"LSUB": _listed,
    b"SEARCH": _found,
    b"SORT": _found,
    b"ESEARCH": _extended,
    b"THREAD": _threads,
    b"VANISHED": _vanished,
    b"STATUS": _counted,
    b"FLAGS": _flags,
    b"CAPABILITY": _capability,
    b"ENABLED": _enabled,
    b"ID": _server_id,
    b"NAMESPACE": _namespaces,
    b"QUOTA": _quota,
    b"QUOTAROOT": _quota_roots,
}
