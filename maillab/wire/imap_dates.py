"""Dates as IMAP writes them: `"17-Jul-1996 02:44:25 -0700"` (RFC 3501 §9, date-time).

Goes in: text. Comes out: a `DateTime`. And back.

Rule: the date is kept as it was given, with its zone; nothing is converted.
"""

import re

from maillab.wire.imap import BadSyntax, Scanner
from maillab.wire.message import MONTHS, DateTime, zone_minutes, zone_text

_DATE = re.compile(rb'("?)(\d{1,2})-([A-Za-z]{3})-(\d{4})\1')
_DATE_TIME = re.compile(
    rb'"([ \d]\d)-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-]\d{4})"'
)


def scan_date(words: Scanner) -> DateTime:
    """Read a date without time, as SEARCH has it: `1-Feb-1994`, perhaps quoted."""
    found = _DATE.fullmatch(words.word(_DATE, "a date such as 1-Feb-1994"))
    assert found, "the scanner matched the same pattern"
    return _valid(found[2], found[3], found[4])


def scan_date_time(words: Scanner) -> DateTime:
    """Read a quoted date and time, as APPEND has it."""
    text = words.word(_DATE_TIME, 'a date such as "17-Jul-1996 02:44:25 -0700"')
    found = _DATE_TIME.fullmatch(text)
    assert found, "the scanner matched the same pattern"
    day, month, year, *clock, zone = found.groups()
    hour, minute, second = map(int, clock)
    at = _valid(day, month, year)
    try:
        return DateTime(*at.date, hour, minute, second, zone_minutes(zone.decode()))
    except ValueError as error:
        raise BadSyntax(str(error)) from None


def date_time(at: DateTime) -> bytes:
    """Write a date and time with its quotes.

    >>> date_time(DateTime(1996, 7, 7, 2, 44, 25, -420))
    b'" 7-Jul-1996 02:44:25 -0700"'
    """
    date = f"{at.day:2}-{MONTHS[at.month - 1]}-{at.year:04}"
    clock = f"{at.hour:02}:{at.minute:02}:{at.second:02}"
    return f'"{date} {clock} {zone_text(at.zone)}"'.encode()


def _valid(day: bytes, month: bytes, year: bytes) -> DateTime:
    try:
        number = MONTHS.index(month.decode().capitalize()) + 1
        return DateTime(int(year), number, int(day))
    except ValueError:
        raise BadSyntax("No such day in the calendar") from None
