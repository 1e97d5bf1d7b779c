"""When are two things that were said the same, but for what always differs?

Goes in: a printable row of a session. Comes out: the row with its dates, queue ids,
nonces and the like replaced by words such as `<date>`.

Rule 1: only what no two sessions share is replaced; names, addresses and sizes are what
        one wants to compare.
Rule 2: a tag of IMAP is replaced by its number in the session: a client may call its
        commands what it likes (RFC 9051 §2.2.1).
"""

import re

from maillab.trace.session import Session
from maillab.trace.transcript import Row

_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_DATE = rf"\d{{1,2}}[ -](?:{_MONTHS})[ -]\d{{4}} \d\d:\d\d(?::\d\d)?(?: [+-]\d{{4}})?"
_PATTERNS = (
    # RFC 5322 §3.3, RFC 9051 §9 (date-time), RFC 3339 §5.6
    (
        re.compile(rf"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?{_DATE}(?: \(\w+\))?"),
        "<date>",
    ),
    (
        re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?"),
        "<date>",
    ),
    (re.compile(r"(?i)(?<=queued as )[^\s,;)]+"), "<id>"),
    (re.compile(r"(?i)(?<=\bid )[0-9A-Za-z._-]{6,}"), "<id>"),
    (re.compile(r"(?i)(?<=\bid=)[0-9A-Za-z._-]{6,}"), "<id>"),
    (re.compile(r"(?i)(?<=^Message-ID: )<[^>]*>"), "<id>"),
    (re.compile(r"(?i)(?<=\bENVID=)\S+"), "<id>"),
    (re.compile(r"(?i)(?<=\bboundary=)(?:\"[^\"]*\"|[^\s;]+)"), "<boundary>"),
    (re.compile(r"(?<=^\+OK )(.*)<[^<>\s]+@[^<>\s]+>"), r"\1<nonce>"),  # RFC 1939 §7
    (re.compile(r"(?<=^334 )\S+"), "<challenge>"),  # RFC 4954 §4
    (re.compile(r"(?<=^\+ )[A-Za-z0-9+/]{8,}=*$"), "<challenge>"),  # RFC 9051 §6.2.2
    (re.compile(r"(?i)(?<=\[UIDVALIDITY )\d+"), "<number>"),
    (re.compile(r"(?i)(?<=\[APPENDUID )\d+"), "<number>"),
)


class Keys:
    """Keys of the rows of one session: equal keys, same thing said."""

    def __init__(self, session: Session) -> None:
        self._imap = session.protocol == "IMAP"
        self._tags: dict[str, str] = {}

    def key(self, row: Row) -> str:
        """Who said it, whether inside TLS, and what, without what always differs."""
        lock = "═" if row.secure else " "
        return f"{row.who}{lock}{without_the_moment(self._untagged(row))}"

    def _untagged(self, row: Row) -> str:
        tag, space, rest = row.text.partition(" ")
        if not self._imap or row.who == "-" or not space or tag in "*+":
            return row.text
        if row.who == "C":
            self._tags.setdefault(tag, f"<tag {len(self._tags) + 1}>")
        return f"{self._tags.get(tag, tag)} {rest}"


def without_the_moment(text: str) -> str:
    """`text` without what two sessions never share.

    >>> without_the_moment("250 2.0.0 Queued as B-0001")
    '250 2.0.0 Queued as <id>'
    """
    for pattern, word in _PATTERNS:
        text = pattern.sub(word, text)
    return text
