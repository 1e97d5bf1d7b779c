"""The Internet message format (RFC 5322): header fields and dates, read and written.

Goes in: the octets of a message. Comes out: its header fields as values. And back: the
text of the fields that a mail system adds (Received, Date, Message-ID, Return-Path).

Rule 1: nothing is changed that we did not write: a `Field` keeps its exact octets.
Rule 2: reading never fails. What is no header field is kept and has the name "".
Rule 3: lines end in CRLF; a bare LF is tolerated at the end of a header line, because
        people append such messages.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

MONTHS = tuple("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())
DAYS = tuple("Mon Tue Wed Thu Fri Sat Sun".split())

MAX_FIELDS = 10_000  # of one header; what comes behind them is one more

_END_OF_HEADER = re.compile(rb"(?:\A|\n)\r?\n")
_FIELD = re.compile(rb"[^\n]*\n?(?:[ \t][^\n]*\n?)*")
_LINE_END = re.compile(r"\r?\n(?=[ \t])")
_CONTROL = re.compile(r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]")
# "ftext", and the space of old messages. A line has 998 octets (RFC 5322 §2.1.1).
_NAME = re.compile(rb"([!-9;-~]{1,998})[ \t]{0,998}:")


@dataclass(frozen=True, slots=True)
class Field:
    """One header field, with its exact octets.

    >>> field = Field(b"Subject: a long\\r\\n story \\r\\n")
    >>> field.name, field.value
    ('Subject', 'a long story')
    """

    octets: bytes

    @property
    def name(self) -> str:
        """The field name as it was written; "" when the line is no header field."""
        found = _NAME.match(self.octets)
        return found[1].decode("ascii") if found else ""

    @property
    def value(self) -> str:
        """The field body: unfolded (RFC 5322 §2.2.3), without spaces at its ends.

        Octets that are not UTF-8 become U+FFFD; encoded words stay as they are.
        """
        return unfold(self.raw.decode("utf-8", "replace"))

    @property
    def raw(self) -> bytes:
        """The field body as it was written, after the colon."""
        found = _NAME.match(self.octets)
        return self.octets[found.end() :] if found else self.octets


def unfold(text: str) -> str:
    """Join the lines of a folded field body (RFC 5322 §2.2.3).

    >>> unfold(" one\\r\\n\\ttwo\\r\\n")
    'one\\ttwo'
    """
    return _LINE_END.sub("", text).strip(" \t\r\n")


@dataclass(frozen=True, slots=True)
class Header:
    """The header fields of a message, in order.

    >>> header = Header.from_wire(b"From: ann@alpha.example\\r\\nTo: bob\\r\\n\\r\\nHi")
    >>> header.get("FROM"), header.get("Cc"), [field.name for field in header]
    ('ann@alpha.example', None, ['From', 'To'])
    """

    fields: tuple[Field, ...]

    @classmethod
    def from_wire(cls, content: bytes) -> "Header":
        """Read the header of a message (or of a MIME part)."""
        header = content[: header_length(content)]
        fields: list[Field] = []
        at = 0
        while at < len(header) and len(fields) < MAX_FIELDS:
            found = _FIELD.match(header, at)
            assert found, "the pattern matches any octets"
            at = found.end()
            if found[0].strip(b"\r\n"):
                fields.append(Field(found[0]))
        if at < len(header):
            fields.append(Field(header[at:]))
        return cls(tuple(fields))

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def get(self, name: str) -> str | None:
        """The value of the first field of this name, or None."""
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> list[str]:
        """The values of all fields of this name, from top to bottom."""
        return [field.value for field in self.named(name)]

    def named(self, *names: str) -> list[Field]:
        """All fields that have one of these names, from top to bottom."""
        wanted = {name.lower() for name in names}
        return [field for field in self.fields if field.name.lower() in wanted]


def header_length(content: bytes) -> int:
    """How many octets the header has, with the empty line that ends it.

    >>> header_length(b"To: bob\\r\\n\\r\\nHi")
    11
    """
    found = _END_OF_HEADER.search(content)
    return found.end() if found else len(content)


def message_id(content: bytes) -> str:
    """The Message-ID of a message, or "" when it has none.

    >>> message_id(b"Message-ID: <1@alpha.example>\\r\\n\\r\\n")
    '<1@alpha.example>'
    """
    return Header.from_wire(content).get("Message-ID") or ""


def prepend(content: bytes, *fields: bytes) -> bytes:
    """Put fields on top of a message: trace fields (RFC 5321 §4.4).

    >>> prepend(b"To: bob\\r\\n\\r\\n", field("Return-Path", "<ann@alpha.example>"))
    b'Return-Path: <ann@alpha.example>\\r\\nTo: bob\\r\\n\\r\\n'
    """
    return b"".join(fields) + content


def add_if_missing(content: bytes, name: str, value: str) -> bytes:
    """Put a field at the end of the header unless there is one of that name.

    A submission server completes a message so (RFC 6409 §8).

    >>> add_if_missing(b"To: bob\\r\\n\\r\\nHi", "Date", "now")
    b'To: bob\\r\\nDate: now\\r\\n\\r\\nHi'
    """
    if Header.from_wire(content).get(name) is not None:
        return content
    end = header_length(content)
    header = content[:end]
    body_too = _END_OF_HEADER.search(content)
    blank = b"\r\n" if header.endswith(b"\r\n") or not body_too else b"\n"
    fields = header.removesuffix(blank) if body_too else header
    if fields and not fields.endswith(b"\n"):
        fields += b"\r\n"
    return fields + field(name, value) + blank + content[end:]


def field(name: str, value: str) -> bytes:
    """Write a header field. `value` may be folded already (CRLF and a space or tab).

    Any other line end becomes a space: a value must not be able to start a new field.
    Other control characters, which no field may have, become "?".

    >>> field("Subject", "hello\\r\\nBcc: everybody\\0")
    b'Subject: hello Bcc: everybody?\\r\\n'
    """
    safe = re.sub(r"\r\n(?=[ \t])|[\r\n]+", _fold_or_space, value)
    safe = _CONTROL.sub("?", safe)
    return f"{name}: {safe}\r\n".encode()


def received(came_from: str, taken_by: str, date: str) -> bytes:
    """Write a Received field (RFC 5321 §4.4) from its clauses, folded between them.

    >>> received("pc", "mx.example with ESMTP", "Thu, 1 Jan 2026")
    b'Received: from pc\\r\\n\\tby mx.example with ESMTP;\\r\\n\\tThu, 1 Jan 2026\\r\\n'
    """
    clauses = f"from {came_from}\r\n\tby {taken_by};\r\n\t{date}"
    return field("Received", clauses)


def _fold_or_space(found: re.Match[str]) -> str:
    rest = found.string[found.end() :]
    folds = found[0] == "\r\n" and rest[:1] in " \t" and rest.strip() != ""
    return found[0] if folds else " "


# Dates --------------------------------------------------------------------------------

_DATE = re.compile(
    r"(?:[A-Za-z]{3}\s*,)?\s*(\d{1,2})\s+([A-Za-z]{3})\s+(\d{2,4})"
    r"(?:\s+(\d{1,2}):(\d{2})(?::(\d{2}))?)?(?:\s+([+-]\d{4})|.*)"
)


@dataclass(frozen=True, slots=True, order=True)
class DateTime:
    """A moment as a clock and a calendar show it; `zone` is minutes east of Greenwich.

    >>> DateTime.from_epoch(1767258000).to_text()
    'Thu, 1 Jan 2026 09:00:00 +0000'
    """

    year: int
    month: int
    day: int
    hour: int = 0
    minute: int = 0
    second: int = 0
    zone: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.month <= 12 or not 1 <= self.year <= 9999:
            raise ValueError("No such month or year")
        if not 1 <= self.day <= 28 and not 1 <= self.day <= _days_in(*self.date[:2]):
            raise ValueError("No such day")
        if not (
            0 <= self.hour < 24 and 0 <= self.minute < 60 and 0 <= self.second < 60
        ):
            raise ValueError("No such time of day")
        if abs(self.zone) >= 24 * 60:
            raise ValueError("No such time zone")

    @property
    def date(self) -> tuple[int, int, int]:
        """Year, month and day: what SEARCH compares (RFC 3501 §6.4.4)."""
        return self.year, self.month, self.day

    @property
    def epoch(self) -> int:
        """Seconds since 1970-01-01 00:00 UTC: what can be compared across zones."""
        minutes = self.hour * 60 + self.minute - self.zone
        return _day_number(*self.date) * 86_400 + minutes * 60 + self.second

    @classmethod
    def from_epoch(cls, seconds: int) -> "DateTime":
        """From seconds since 1970-01-01 00:00 UTC."""
        days, rest = divmod(seconds, 86_400)
        hour, rest = divmod(rest, 3600)
        minute, second = divmod(rest, 60)
        return cls(*_civil(days), hour, minute, second)

    def to_text(self) -> str:
        """As RFC 5322 §3.3 writes it."""
        day = DAYS[(_day_number(*self.date) + 3) % 7]  # 1970-01-01 was a Thursday
        clock = f"{self.hour:02}:{self.minute:02}:{self.second:02}"
        date = f"{self.day} {MONTHS[self.month - 1]} {self.year:04}"
        return f"{day}, {date} {clock} {zone_text(self.zone)}"


class Clock(Protocol):
    """A moment, as `datetime.datetime` knows it."""

    def timestamp(self) -> float:
        """Seconds since 1970-01-01 00:00 UTC."""
        ...


def date_text(now: Clock) -> str:
    """A moment as a Date field writes it, in UTC."""
    return DateTime.from_epoch(int(now.timestamp())).to_text()


def parse_date(text: str) -> DateTime | None:
    """Read an RFC 5322 date, also the obsolete forms; None when it is none.

    >>> parse_date("Mon, 7 Feb 94 21:52 PST (sunny)")
    DateTime(year=1994, month=2, day=7, hour=21, minute=52, second=0, zone=0)
    """
    found = _DATE.match(text.strip())
    if not found:
        return None
    day, month, year, hour, minute, second, zone = found.groups()
    try:
        number = MONTHS.index(month.capitalize()) + 1
        clock = (int(hour or 0), int(minute or 0), min(int(second or 0), 59))
        return DateTime(
            full_year(year), number, int(day), *clock, zone_minutes(zone or "+0000")
        )
    except ValueError:
        return None


def full_year(digits: str) -> int:
    """The year that two, three or four digits mean (RFC 5322 §4.3)."""
    year = int(digits)
    if len(digits) == 2 and year < 50:
        return year + 2000
    return year + 1900 if len(digits) < 4 else year


def zone_minutes(text: str) -> int:
    """Minutes east of Greenwich: "-0730" is -450."""
    minutes = int(text[1:3]) * 60 + int(text[3:5])
    return -minutes if text[0] == "-" else minutes


def zone_text(zone: int) -> str:
    """The other way round: -450 is "-0730"."""
    hours, minutes = divmod(abs(zone), 60)
    return f"{'-' if zone < 0 else '+'}{hours:02}{minutes:02}"


def _days_in(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def _day_number(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01; the year of the calculation begins in March."""
    year -= month <= 2
    month = (month + 9) % 12
    leap_days = year // 4 - year // 100 + year // 400
    return year * 365 + leap_days + (month * 153 + 2) // 5 + day - 1 - 719_468


@lru_cache(maxsize=64)  # letters of one day follow each other
def _civil(days: int) -> tuple[int, int, int]:
    year = 1970 + days * 400 // 146_097
    while _day_number(year, 1, 1) > days:
        year -= 1
    while _day_number(year + 1, 1, 1) <= days:
        year += 1
    month = 12
    while _day_number(year, month, 1) > days:
        month -= 1
    return year, month, days - _day_number(year, month, 1) + 1
