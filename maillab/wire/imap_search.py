"""SEARCH: the language of its keys, and which messages they find (RFC 3501 §6.4.4).

Goes in: the words of the command, then message after message. Comes out: yes or no.

Rule 1: keys are values; asking a message changes nothing.
Rule 2: text is looked for without regard to case, in decoded text: transfer encodings
        and encoded words are undone first.
Rule 3: keys nest at most `MAX_DEPTH` deep, so no command can exhaust the stack.
"""

import operator
import re
from base64 import b64decode
from binascii import a2b_qp
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from maillab.wire import mime
from maillab.wire.imap import BadSyntax, Scanner
from maillab.wire.imap_dates import scan_date
from maillab.wire.imap_message import MessageData
from maillab.wire.imap_sets import SequenceSet
from maillab.wire.message import Header, parse_date
from maillab.wire.mime import Part, Value

MAX_DEPTH = 50
CHARSETS = ("US-ASCII", "UTF-8")

_KEY = re.compile(rb"[A-Z0-9]+", re.IGNORECASE)
_SET_BEGINS = tuple(bytes([octet]) for octet in b"0123456789*")
_ENCODED_WORD = re.compile(r"=\?([^?\s]+)\?([BbQq])\?([^?\s]*)\?=(\s+(?==\?))?")


class BadCharset(BadSyntax):
    """A charset that this server cannot search in (RFC 3501 §7.1, BADCHARSET)."""


@dataclass(frozen=True, slots=True)
class Key:
    """One search key; AND, OR and NOT hold other keys.

    >>> scan_keys(Scanner(b"NOT SEEN LARGER 9")).arguments[0]
    Key(name='NOT', arguments=(Key(name='SEEN', arguments=()),))
    """

    name: str
    arguments: tuple[Any, ...] = ()


class Candidate:
    """A message as SEARCH looks at it: its number and flags are the session's view."""

    def __init__(
        self,
        data: MessageData,
        *,
        number: int,
        flags: frozenset[str],
        count: int,
        last_uid: int,
    ) -> None:
        self.data = data
        self.number = number
        self.flags = frozenset(flag.lower() for flag in flags)
        self.count = count
        self.last_uid = last_uid

    @cached_property
    def tree(self) -> Part:
        """The message, taken apart."""
        return mime.parse(self.data.content)

    @cached_property
    def header(self) -> Header:
        """Its header."""
        return Header.from_wire(self.data.content)

    @cached_property
    def header_text(self) -> str:
        """Its header fields as a person reads them, folded for comparison."""
        lines = (f"{field.name}: {decode_words(field.value)}" for field in self.header)
        return "\n".join(lines).casefold()

    @cached_property
    def body_text(self) -> str:
        """All its text, folded for comparison."""
        parts = list(self.tree.walk())
        headers = [part.header for part in parts[1:]]
        names = (decode_words(f.value) for header in headers for f in header)
        texts = (_text_of(part) for part in parts if not part.children)
        return "\n".join([*texts, *names]).casefold()

    def matches(self, key: Key) -> bool:
        """Is this message found?"""
        return TESTS[key.name](self, key.arguments)


# Reading keys -------------------------------------------------------------------------


def scan_search(words: Scanner) -> Key:
    """Read the whole command: an optional CHARSET, then keys. Raises BadCharset."""
    if words.take(b"CHARSET "):
        charset = words.text().upper()
        if charset not in CHARSETS:
            raise BadCharset(f"Charset {charset[:40]!a} is not known here")
        words.space()
    return scan_keys(words)


def scan_keys(words: Scanner, depth: int = 0) -> Key:
    """Read one or more keys, all of which a message must match."""
    keys = [_key(words, depth)]
    while not words.at_end and not words.peek(b")"):
        words.space()
        keys.append(_key(words, depth))
    return keys[0] if len(keys) == 1 else Key("AND", tuple(keys))


def _key(words: Scanner, depth: int) -> Key:
    if depth > MAX_DEPTH:
        raise BadSyntax("Search keys are nested too deeply")
    if words.take(b"("):
        key = scan_keys(words, depth + 1)
        words.expect(b")")
        return key
    if any(words.peek(digit) for digit in _SET_BEGINS):
        return Key("NUMBERS", (SequenceSet.scan(words),))
    name = words.word(_KEY, "a search key").decode().upper()
    if name not in ARGUMENTS:
        raise BadSyntax(f"Unknown search key {name[:40]}")
    arguments: list[Any] = []
    for read in ARGUMENTS[name]:
        words.space()
        arguments.append(_key(words, depth + 1) if read is _key else read(words))
    return Key(name, tuple(arguments))


def _text(words: Scanner) -> str:
    return words.text().casefold()


def _keyword(words: Scanner) -> str:
    return words.atom().lower()


Reader = Callable[..., Any]
ARGUMENTS: dict[str, tuple[Reader, ...]] = {
    **dict.fromkeys(("ALL", "NEW", "OLD", "RECENT"), ()),
    **dict.fromkeys(("ANSWERED", "DELETED", "DRAFT", "FLAGGED", "SEEN"), ()),
    **dict.fromkeys(("UNANSWERED", "UNDELETED", "UNDRAFT", "UNFLAGGED", "UNSEEN"), ()),
    **dict.fromkeys(("FROM", "TO", "CC", "BCC", "SUBJECT", "BODY", "TEXT"), (_text,)),
    **dict.fromkeys(("BEFORE", "ON", "SINCE"), (scan_date,)),
    **dict.fromkeys(("SENTBEFORE", "SENTON", "SENTSINCE"), (scan_date,)),
    **dict.fromkeys(("KEYWORD", "UNKEYWORD"), (_keyword,)),
    **dict.fromkeys(("LARGER", "SMALLER"), (Scanner.number,)),
    "HEADER": (_text, _text),
    "NOT": (_key,),
    "OR": (_key, _key),
    "UID": (SequenceSet.scan,),
}


# What they find -----------------------------------------------------------------------

# What a test gets: the message, and the arguments of the key.
Test = Callable[[Candidate, Any], bool]


def _flagged(flag: str) -> Test:
    return lambda m, a: flag in m.flags


def _unflagged(flag: str) -> Test:
    return lambda m, a: flag not in m.flags


def _in_field(name: str) -> Test:
    return lambda m, a: _header_has(m, name, a[0])


def _header_has(message: Candidate, name: str, text: str) -> bool:
    values = message.header.all(name)
    return any(text in decode_words(value).casefold() for value in values)


def _sent(compare: Callable[[Any, Any], bool]) -> Test:
    """Compare the Date field, "disregarding time and timezone"."""

    def test(message: Candidate, arguments: Any) -> bool:
        at = parse_date(message.header.get("Date") or "")
        return at is not None and compare(at.date, arguments[0].date)

    return test


TESTS: dict[str, Test] = {
    "ALL": lambda m, a: True,
    "AND": lambda m, a: all(m.matches(key) for key in a),
    "OR": lambda m, a: any(m.matches(key) for key in a),
    "NOT": lambda m, a: not m.matches(a[0]),
    "NUMBERS": lambda m, a: a[0].contains(m.number, m.count),
    "UID": lambda m, a: a[0].contains(m.data.uid, m.last_uid),
    "ANSWERED": _flagged("\\answered"),
    "DELETED": _flagged("\\deleted"),
    "DRAFT": _flagged("\\draft"),
    "FLAGGED": _flagged("\\flagged"),
    "RECENT": _flagged("\\recent"),
    "SEEN": _flagged("\\seen"),
    "UNANSWERED": _unflagged("\\answered"),
    "UNDELETED": _unflagged("\\deleted"),
    "UNDRAFT": _unflagged("\\draft"),
    "UNFLAGGED": _unflagged("\\flagged"),
    "UNSEEN": _unflagged("\\seen"),
    "OLD": _unflagged("\\recent"),
    "NEW": lambda m, a: "\\recent" in m.flags and "\\seen" not in m.flags,
    "KEYWORD": lambda m, a: a[0] in m.flags,
    "UNKEYWORD": lambda m, a: a[0] not in m.flags,
    "FROM": _in_field("From"),
    "TO": _in_field("To"),
    "CC": _in_field("Cc"),
    "BCC": _in_field("Bcc"),
    "SUBJECT": _in_field("Subject"),
    "HEADER": lambda m, a: _header_has(m, a[0], a[1]),
    "BODY": lambda m, a: a[0] in m.body_text,
    "TEXT": lambda m, a: a[0] in m.header_text or a[0] in m.body_text,
    "LARGER": lambda m, a: len(m.data.content) > a[0],
    "SMALLER": lambda m, a: len(m.data.content) < a[0],
    "BEFORE": lambda m, a: m.data.internal_date.date < a[0].date,
    "ON": lambda m, a: m.data.internal_date.date == a[0].date,
    "SINCE": lambda m, a: m.data.internal_date.date >= a[0].date,
    "SENTBEFORE": _sent(operator.lt),
    "SENTON": _sent(operator.eq),
    "SENTSINCE": _sent(operator.ge),
}


# Text as a person reads it ------------------------------------------------------------


def decode_words(text: str) -> str:
    """Undo encoded words (RFC 2047). What cannot be decoded stays as it is.

    >>> decode_words("=?utf-8?Q?Gr=C3=BC=C3=9Fe?= from =?utf-8?B?w4RubmE=?=")
    'Grüße from Änna'
    """
    return _ENCODED_WORD.sub(_decoded_word, text)


def _decoded_word(found: re.Match[str]) -> str:
    charset, encoding, coded = found[1], found[2].upper(), found[3]
    try:
        if encoding == "B":
            octets = b64decode(coded)
        else:
            octets = a2b_qp(coded.encode("ascii"), header=True)
        return decoded(octets, charset.partition("*")[0])
    except ValueError:  # also binascii.Error
        return found[0]


def decoded(octets: bytes, charset: str) -> str:
    """Text in a charset; in Latin-1 if the charset is not known."""
    try:
        return octets.decode(charset, "replace")
    except (LookupError, ValueError):  # no such charset; not a name; not for text
        return octets.decode("latin-1")


def _text_of(part: Part) -> str:
    if part.media_type[0] != "text":
        return ""
    charset = Value("", part.parameters).get("charset") or "utf-8"
    return decoded(part.decoded(), charset)
