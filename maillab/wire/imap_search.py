"""SEARCH: the language of its keys (RFC 3501 §6.4.4, RFC 9051 §6.4.4).

Goes in: the words of the command. Comes out: a key, which may hold other keys. Which
messages it finds, `imap_matching` says.

Rule 1: keys are values; text in them is mapped for comparison when it is read.
Rule 2: keys nest at most `MAX_DEPTH` deep, and are at most `MAX_KEYS`, so no command
        can exhaust the stack, nor very much time.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from maillab.wire.imap import BadSyntax, Scanner
from maillab.wire.imap_dates import scan_date
from maillab.wire.imap_sets import SequenceSet
from maillab.wire.unicode_casemap import casemap
from maillab.wire.unicode_text import find_codec

MAX_DEPTH = 50
MAX_KEYS = 1000

_KEY = re.compile(rb"[A-Z0-9]+", re.IGNORECASE)
_SET_BEGINS = tuple(bytes([octet]) for octet in b"0123456789*")
_OBJECT_ID = re.compile(rb"[A-Za-z0-9_-]{1,255}")  # RFC 8474 §7
_ENTRY_TYPES = ("all", "priv", "shared")  # RFC 7162 §7


class BadCharset(BadSyntax):
    """A charset that this server cannot search in (RFC 3501 §7.1, BADCHARSET)."""


class TooManyKeys(BadSyntax):
    """More than a server wants to look for (RFC 9051 §7.1, LIMIT)."""


@dataclass(frozen=True, slots=True)
class Key:
    """One search key; AND, OR and NOT hold other keys.

    >>> scan_keys(Scanner(b"NOT SEEN LARGER 9")).arguments[0]
    Key(name='NOT', arguments=(Key(name='SEEN', arguments=()),))
    """

    name: str
    arguments: tuple[Any, ...] = ()

    def names(self) -> set[str]:
        """The names of this key and of all inside it."""
        found: set[str] = set()
        waiting: list[Key] = [self]
        while waiting:
            key = waiting.pop()
            found.add(key.name)
            waiting.extend(a for a in key.arguments if isinstance(a, Key))
        return found


def scan_charset(words: Scanner) -> str:
    """Read a charset, as SORT and THREAD have it. Raises BadCharset."""
    charset = words.text()
    codec = find_codec(charset)
    if not codec:
        raise BadCharset(f"Charset {charset[:40].upper()!a} is not known here")
    return codec


def scan_search(words: Scanner) -> Key:
    """Read the keys of SEARCH with an optional CHARSET. Raises BadCharset."""
    codec = "utf-8"
    if words.take(b"CHARSET "):
        codec = scan_charset(words)
        words.space()
    return scan_keys(words, codec)


def scan_keys(words: Scanner, codec: str = "utf-8") -> Key:
    """Read one or more keys, all of which a message must match."""
    return _KeyReader(words, codec).all(0)


class _KeyReader:
    def __init__(self, words: Scanner, codec: str) -> None:
        self._words = words
        self._codec = codec
        self._count = 0

    def all(self, depth: int) -> Key:
        keys = [self.one(depth)]
        while not self._words.at_end and not self._words.peek(b")"):
            self._words.space()
            keys.append(self.one(depth))
        return keys[0] if len(keys) == 1 else Key("AND", tuple(keys))

    def one(self, depth: int) -> Key:
        words = self._words
        self._limit(depth)
        if words.take(b"("):
            key = self.all(depth + 1)
            words.expect(b")")
            return key
        if words.take(b"$"):
            return Key("SAVED")  # RFC 5182 §2.1
        if any(words.peek(digit) for digit in _SET_BEGINS):
            return Key("NUMBERS", (SequenceSet.scan(words),))
        name = words.word(_KEY, "a search key").decode().upper()
        if name in INSIDE:
            return Key(name, tuple(self._inside(depth) for _ in range(INSIDE[name])))
        if name not in ARGUMENTS:
            raise BadSyntax(f"Unknown search key {name[:40]}")
        if name == "UID" and words.take(b" $"):
            return Key("SAVED")
        return Key(name, tuple(self._argument(read) for read in ARGUMENTS[name]))

    def _inside(self, depth: int) -> Key:
        self._words.space()
        return self.one(depth + 1)

    def _argument(self, read: Callable[..., Any]) -> Any:
        self._words.space()
        return read(self._words, self._codec) if read is _text else read(self._words)

    def _limit(self, depth: int) -> None:
        self._count += 1
        if depth > MAX_DEPTH:
            raise BadSyntax("Search keys are nested too deeply")
        if self._count > MAX_KEYS:
            raise TooManyKeys("Too many search keys")


def _text(words: Scanner, codec: str) -> str:
    try:
        return casemap(words.astring().decode(codec))
    except UnicodeDecodeError:
        raise BadSyntax("A string is not what its charset says") from None


def _field_name(words: Scanner) -> str:
    return words.astring().decode("latin-1").lower()


def _keyword(words: Scanner) -> str:
    return words.atom().lower()


def _interval(words: Scanner) -> int:
    seconds = words.number()
    if not seconds:
        raise BadSyntax("An interval is at least one second")  # RFC 5032 §3
    return seconds


def _object_id(words: Scanner) -> str:
    return words.word(_OBJECT_ID, "an object id").decode("ascii")


def _modseq(words: Scanner) -> int:
    """ "Servers that store ... only one mod-sequence ... MUST ignore" the name of a
    flag and whose it is (RFC 7162 §3.1.5)."""
    if words.peek(b'"'):
        words.string()
        words.space()
        if words.atom().lower() not in _ENTRY_TYPES:
            raise BadSyntax(f"Expected one of {', '.join(_ENTRY_TYPES)}")
        words.space()
    return words.number64()


INSIDE = {"NOT": 1, "OR": 2}  # keys with keys in them
ARGUMENTS: dict[str, tuple[Callable[..., Any], ...]] = {
    **dict.fromkeys(("ALL", "NEW", "OLD", "RECENT", "SAVEDATESUPPORTED"), ()),
    **dict.fromkeys(("ANSWERED", "DELETED", "DRAFT", "FLAGGED", "SEEN"), ()),
    **dict.fromkeys(("UNANSWERED", "UNDELETED", "UNDRAFT", "UNFLAGGED", "UNSEEN"), ()),
    **dict.fromkeys(("FROM", "TO", "CC", "BCC", "SUBJECT", "BODY", "TEXT"), (_text,)),
    **dict.fromkeys(("BEFORE", "ON", "SINCE"), (scan_date,)),
    **dict.fromkeys(("SENTBEFORE", "SENTON", "SENTSINCE"), (scan_date,)),
    **dict.fromkeys(("SAVEDBEFORE", "SAVEDON", "SAVEDSINCE"), (scan_date,)),
    **dict.fromkeys(("KEYWORD", "UNKEYWORD"), (_keyword,)),
    **dict.fromkeys(("LARGER", "SMALLER"), (Scanner.number64,)),
    **dict.fromkeys(("OLDER", "YOUNGER"), (_interval,)),
    **dict.fromkeys(("EMAILID", "THREADID"), (_object_id,)),
    "HEADER": (_field_name, _text),
    "MODSEQ": (_modseq,),
    "UID": (SequenceSet.scan,),
}
