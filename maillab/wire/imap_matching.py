"""SEARCH: which messages a key finds (RFC 3501 §6.4.4, RFC 9051 §6.4.4).

Goes in: a key, a message as far as it was read. Comes out: yes, no, or "read more".

Rule 1: asking a message changes nothing, and each text is looked for once in it.
Rule 2: text is compared by i;unicode-casemap (RFC 5051), decoded: transfer encodings
        and encoded words are undone first.
Rule 3: what the cheap keys decide is not asked of the dear ones: first what the session
        knows, then the facts, then headers, then contents.
"""

import operator
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any

from maillab.wire import mime
from maillab.wire.imap_message import MessageData
from maillab.wire.imap_search import Key
from maillab.wire.message import Header, parse_date
from maillab.wire.mime import Part
from maillab.wire.unicode_casemap import casemap
from maillab.wire.unicode_text import decode_words

MAX_FIELDS = 50_000  # of the headers inside a message

# What must be known of a message for a key. What is not here is a fact.
NUMBER, FACTS, HEADER, CONTENT = range(4)
LEVELS = {
    **dict.fromkeys(("ALL", "AND", "OR", "NOT", "NUMBERS", "UID", "SAVED"), NUMBER),
    **dict.fromkeys(("FROM", "TO", "CC", "BCC", "SUBJECT", "HEADER"), HEADER),
    **dict.fromkeys(("SENTBEFORE", "SENTON", "SENTSINCE"), HEADER),
    **dict.fromkeys(("BODY", "TEXT"), CONTENT),
}


class Verdict(Enum):
    """What a key says of a message."""

    YES = "found"
    NO = "not found"
    UNKNOWN = "more of it must be read"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a key may ask for that is not in the message.

    count, last_uid  of the session's view
    saved            UIDs of `$`
    now              seconds since 1970, for OLDER and YOUNGER
    """

    count: int = 0
    last_uid: int = 0
    saved: Set[int] = frozenset()
    now: int = 0


class Candidate:
    """A message as SEARCH looks at it: its number and flags are the session's view."""

    def __init__(
        self,
        data: MessageData,
        *,
        number: int,
        flags: frozenset[str],
        known: int,
        around: Circumstances,
    ) -> None:
        self.data = data
        self.number = number
        self.flags = _lowered(flags)
        self.around = around
        self.work = 0  # characters that were looked at, about
        self._level = known
        self._answers: dict[Key, bool] = {}

    @cached_property
    def header(self) -> Header:
        """Its header."""
        return Header.from_wire(self.data.content)

    @cached_property
    def header_text(self) -> str:
        """Its header fields as a person reads them, mapped for comparison."""
        lines = (f"{field.name}: {decode_words(field.value)}" for field in self.header)
        return casemap("\n".join(lines))

    @cached_property
    def body_text(self) -> str:
        """All its text, without "any header fields" (RFC 9051 §6.4.4, BODY)."""
        leaves = (part for part in self.parts if not part.children)
        texts = (part.text if part.media_type[0] == "text" else "" for part in leaves)
        return casemap("\n".join(texts))

    @cached_property
    def inner_header_text(self) -> str:
        """The header fields of its parts, mapped for comparison."""
        fields = (field for part in self.parts[1:] for field in part.header)
        some = islice(fields, MAX_FIELDS)
        return casemap("\n".join(decode_words(field.value) for field in some))

    @cached_property
    def parts(self) -> list[Part]:
        """The message and all its parts."""
        return list(mime.parse(self.data.content).walk())

    @property
    def texts(self) -> Iterator[str]:
        """What TEXT looks at: all of it, "including MIME header fields"."""
        yield self.header_text
        yield self.body_text
        yield self.inner_header_text

    def verdict(self, key: Key) -> Verdict:
        """Is this message found?"""
        match key.name:
            case "NOT":
                return _OPPOSITE[self.verdict(key.arguments[0])]
            case "AND":
                return self._combined(key, Verdict.NO, Verdict.YES)
            case "OR":
                return self._combined(key, Verdict.YES, Verdict.NO)
            case name if LEVELS.get(name, FACTS) > self._level:
                return Verdict.UNKNOWN
            case _:
                return Verdict.YES if self._matches(key) else Verdict.NO

    def _combined(self, key: Key, decisive: Verdict, else_: Verdict) -> Verdict:
        for inside in key.arguments:
            verdict = self.verdict(inside)
            if verdict is decisive:
                return decisive
            if verdict is Verdict.UNKNOWN:
                else_ = Verdict.UNKNOWN
        return else_

    def _matches(self, key: Key) -> bool:
        self.work += 500  # what asking costs, in characters
        if LEVELS.get(key.name, FACTS) < HEADER:
            return TESTS[key.name](self, key.arguments)
        if key not in self._answers:
            self.work += len(self.data.content)
            self._answers[key] = TESTS[key.name](self, key.arguments)
        return self._answers[key]


@lru_cache(maxsize=1024)  # many messages have the same
def _lowered(flags: frozenset[str]) -> frozenset[str]:
    return frozenset(flag.lower() for flag in flags)


_OPPOSITE = {
    Verdict.YES: Verdict.NO,
    Verdict.NO: Verdict.YES,
    Verdict.UNKNOWN: Verdict.UNKNOWN,
}

# What a test gets: the message, and the arguments of the key.
Test = Callable[[Candidate, Any], bool]


def _flagged(flag: str) -> Test:
    return lambda m, a: flag in m.flags


def _unflagged(flag: str) -> Test:
    return lambda m, a: flag not in m.flags


def _in_field(name: str) -> Test:
    return lambda m, a: _header_has(m, name, a[0])


def _header_has(message: Candidate, name: str, text: str) -> bool:
    """An empty text is found in every field that is there."""
    values = message.header.all(name)
    return any(text in casemap(decode_words(value)) for value in values)


def _sent(compare: Callable[[Any, Any], bool]) -> Test:
    """Compare the Date field, "disregarding time and timezone"."""

    def test(message: Candidate, arguments: Any) -> bool:
        at = parse_date(message.header.get("Date") or "")
        return at is not None and compare(at.date, arguments[0].date)

    return test


def _arrived(compare: Callable[[Any, Any], bool]) -> Test:
    return lambda m, a: compare(m.data.internal_date.date, a[0].date)


def _saved(compare: Callable[[Any, Any], bool]) -> Test:
    """Where the date is not known, the internal date stands for it (RFC 8514 §4.3)."""

    def test(message: Candidate, arguments: Any) -> bool:
        at = message.data.save_date or message.data.internal_date
        return compare(at.date, arguments[0].date)

    return test


def _age(message: Candidate) -> int:
    return message.around.now - message.data.internal_date.epoch


TESTS: dict[str, Test] = {
    "ALL": lambda m, a: True,
    "NUMBERS": lambda m, a: a[0].contains(m.number, m.around.count),
    "UID": lambda m, a: a[0].contains(m.data.uid, m.around.last_uid),
    "SAVED": lambda m, a: m.data.uid in m.around.saved,
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
    "MODSEQ": lambda m, a: m.data.modseq >= a[0],  # RFC 7162 §3.1.5
    "EMAILID": lambda m, a: m.data.email_id == a[0],  # RFC 8474 §6
    "THREADID": lambda m, a: m.data.thread_id == a[0],
    "SAVEDATESUPPORTED": lambda m, a: m.data.save_date is not None,
    "FROM": _in_field("From"),
    "TO": _in_field("To"),
    "CC": _in_field("Cc"),
    "BCC": _in_field("Bcc"),
    "SUBJECT": _in_field("Subject"),
    "HEADER": lambda m, a: _header_has(m, a[0], a[1]),
    "BODY": lambda m, a: a[0] in m.body_text,
    "TEXT": lambda m, a: any(a[0] in text for text in m.texts),
    "LARGER": lambda m, a: m.data.size > a[0],
    "SMALLER": lambda m, a: m.data.size < a[0],
    "OLDER": lambda m, a: _age(m) >= a[0],  # RFC 5032 §3
    "YOUNGER": lambda m, a: _age(m) <= a[0],
    "BEFORE": _arrived(operator.lt),
    "ON": _arrived(operator.eq),
    "SINCE": _arrived(operator.ge),
    "SAVEDBEFORE": _saved(operator.lt),
    "SAVEDON": _saved(operator.eq),
    "SAVEDSINCE": _saved(operator.ge),
    "SENTBEFORE": _sent(operator.lt),
    "SENTON": _sent(operator.eq),
    "SENTSINCE": _sent(operator.ge),
}


def levels(key: Key) -> list[int]:
    """What must be read for a key, from cheap to dear."""
    return sorted({LEVELS.get(name, FACTS) for name in key.names()} | {NUMBER})
