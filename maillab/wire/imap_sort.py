"""SORT: in which order, and what a message is compared by (RFC 5256).

Goes in: the words of the command, headers of messages. Comes out: an order.

Rule 1: what is equal stays in the order of the mailbox, REVERSE or not (RFC 5256 §3).
Rule 2: text is compared by i;unicode-casemap (RFC 5051), dates in UTC.
"""

import re
from dataclasses import dataclass
from typing import Any

from maillab.wire.imap import BadSyntax, Scanner
from maillab.wire.imap_addresses import parse_addresses
from maillab.wire.imap_message import MessageData
from maillab.wire.message import parse_date, unfold
from maillab.wire.mime_values import Fields
from maillab.wire.unicode_casemap import casemap
from maillab.wire.unicode_text import decode_words

OF_FACTS = {"ARRIVAL", "SIZE"}
KEYS = (*("ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT"), "TO")
MAX_KEYS = 20
MAX_SUBJECT = 10_000  # characters that are looked at

_FIELDS = Fields("Date", "Subject", "From", "To", "Cc")
_SPACES = re.compile(r"[ \t\r\n]+")
_BLOBS = re.compile(r"(?:\[[^\[\]]*\] *)+")
_LAST_BLOB = re.compile(r"\[[^\[\]]*\] *\Z")
_REFWD = re.compile(r"(?:re|fwd?) *(?:\[[^\[\]]*\] *)?:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Criterion:
    """One sort criterion."""

    key: str
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """The base subject, mapped for comparison; was it a reply or was it forwarded?"""

    base: str
    is_answer: bool


def scan_criteria(words: Scanner) -> tuple[Criterion, ...]:
    """Read what to sort by.

    >>> scan_criteria(Scanner(b"(SUBJECT REVERSE DATE)"))[1]
    Criterion(key='DATE', reverse=True)
    """
    words.expect(b"(")
    found: list[Criterion] = []
    while not found or not words.take(b")"):
        if found:
            words.space()
        reverse = words.take(b"REVERSE ")
        key = words.keyword()
        if key not in KEYS:
            raise BadSyntax(f"Unknown sort key {key[:40]}")
        found.append(Criterion(key, reverse))
        if len(found) > MAX_KEYS:
            raise BadSyntax("Too many sort keys")
    return tuple(found)


class Sortable:
    """What of a message may be compared, taken from its header at once."""

    def __init__(self, data: MessageData) -> None:
        self._data = data
        self._fields = _FIELDS.find(data.content)

    def values(self, criteria: tuple[Criterion, ...]) -> tuple[Any, ...]:
        """One value for each criterion."""
        return tuple(self._value(criterion.key) for criterion in criteria)

    @property
    def sent(self) -> int:
        """The sent date (RFC 5256 §2.2): the internal date where there is none."""
        bodies = self._fields.get("date", [])
        at = parse_date(unfold(bodies[0].decode("latin-1"))) if bodies else None
        return (at or self._data.internal_date).epoch

    @property
    def subject(self) -> Subject:
        """The base subject."""
        bodies = self._fields.get("subject", [])
        return base_subject(bodies[0].decode("utf-8", "replace") if bodies else "")

    def _value(self, key: str) -> Any:
        match key:
            case "ARRIVAL":
                return self._data.internal_date.epoch
            case "SIZE":
                return self._data.size
            case "DATE":
                return self.sent
            case "SUBJECT":
                return self.subject.base
            case _:
                return self._mailbox(key)

    def _mailbox(self, key: str) -> str:
        """ "the [IMAP] addr-mailbox of the first ... address" """
        first = next(parse_addresses(self._fields.get(key.lower(), [])), None)
        mailbox = first.mailbox if first else None
        return casemap((mailbox or b"").decode("utf-8", "replace"))


def sort(
    rows: list[tuple[int, tuple[Any, ...]]], criteria: tuple[Criterion, ...]
) -> list[int]:
    """Sort UIDs by their values.

    >>> sort([(1, (5,)), (2, (7,)), (3, (5,))], (Criterion("SIZE", True),))
    [2, 1, 3]
    """
    rows = sorted(rows)
    for at in reversed(range(len(criteria))):  # stable: the first criterion wins
        rows.sort(key=lambda row, at=at: row[1][at], reverse=criteria[at].reverse)
    return [uid for uid, _ in rows]


def base_subject(text: str) -> Subject:
    """What a subject is about (RFC 5256 §2.1).

    >>> base_subject("Re: [list] Fwd: Plans (fwd)")
    Subject(base='PLANS', is_answer=True)
    """
    # Step 1: "Convert any RFC 2047 encoded-words ..., all tabs and continuations to
    # space, all multiple spaces to a single space."
    text = _SPACES.sub(" ", decode_words(unfold(text[:MAX_SUBJECT])))
    is_answer = False
    while True:
        text, forwarded = _without_trailers(text)
        text, answered = _without_leaders(text)
        is_answer = is_answer or forwarded or answered
        if not (text[:5].lower() == "[fwd:" and text.endswith("]")):
            return Subject(casemap(text), is_answer)
        text, is_answer = text[5:-1], True  # step 6


def _without_trailers(text: str) -> tuple[str, bool]:
    """Step 2; was there a `(fwd)`?"""
    end, found = len(text), False
    while end:
        if text[end - 1] == " ":
            end -= 1
        elif text[max(0, end - 5) : end].lower() == "(fwd)":
            end, found = end - 5, True
        else:
            break
    return text[:end], found


def _without_leaders(text: str) -> tuple[str, bool]:
    """Steps 3 to 5; was there a `Re:` or `Fwd:`?"""
    at, found_any = 0, False
    while True:
        while text.startswith(" ", at):
            at += 1
        blobs = _BLOBS.match(text, at)
        after = blobs.end() if blobs else at
        answer = _REFWD.match(text, after)
        if answer:
            at, found_any = answer.end(), True
        elif blobs and after < len(text):
            at = after
        else:
            break
    rest = text[at:]
    last = _LAST_BLOB.search(rest) if rest.endswith(("]", "] ")) else None
    if last and _BLOBS.fullmatch(rest):  # nothing but blobs: the last one is the base
        return last[0], found_any
    return rest, found_any
