"""Hints about the dialogue: what servers refuse, and how it ends.

Goes in: a dialogue. Comes out: what was found.

Rule: reply codes decide; words only where codes are not enough.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from maillab.trace.hinting.dialogue import Dialogue
from maillab.trace.hinting.rules import Found, Rule, at_line
from maillab.trace.lines import Line

_SIZE = re.compile(r"SIZE=(\d+)", re.I)
_ENDS = {"SMTP": "QUIT", "LMTP": "QUIT", "POP3": "QUIT", "IMAP": "LOGOUT"}
_LITERAL = re.compile(r"\[[0-9A-Za-z:.]+\]")  # RFC 5321 §4.1.3


class _Saying(NamedTuple):
    """Replies that a rule looks for, by protocol."""

    smtp: re.Pattern[str]
    other: re.Pattern[str]


def _saying(smtp: str, other: str = "(?!)") -> _Saying:
    return _Saying(re.compile(smtp, re.I), re.compile(other, re.I))


_GREYLISTED = _saying(r"4\d\d\b.*gr[ea]y-?list")
_TOO_BIG = _saying(
    r"552[ -](?!.*(quota|full|5\.2\.2))|5\d\d[ -]5\.3\.4", r"\S+ NO \[TOOBIG\]"
)
_FULL = _saying(r"(452|552)\b.*(quota|full|[45]\.2\.2)", r"\S+ NO \[OVERQUOTA\]")
_NO_RELAY = _saying(r"5\d\d\b.*relay")
_UNKNOWN = _saying(r"55[013][ -](5\.1\.1\b|.*(no such|unknown) (user|mailbox))")
_LOGIN = _saying(r"535\b", r"-ERR \[(AUTH|SYS)|\S+ NO \[AUTHENTICATIONFAILED\]")
_ORDER = _saying(r"503\b", r"\S+ BAD\b.*\b(state|not allowed|sequence)")


def _said(d: Dialogue, saying: _Saying) -> Iterator[Found]:
    return (at_line(line) for line in d.replies if _matches(d, saying, line))


def _matches(d: Dialogue, saying: _Saying, line: Line) -> bool:
    pattern = saying.smtp if d.is_smtp else saying.other
    return pattern.match(f"{line.text} {line.why}") is not None


def _out_of_order(d: Dialogue) -> Iterator[Found]:
    """But for what came along with a command that was refused: its client could not
    know yet (RFC 2920 §3.1).
    """
    before: Line | None = None
    for line in d.replies:
        wrong = _matches(d, _ORDER, line)
        if wrong and not (d.is_smtp and before and _came_along(d, before, line)):
            yield at_line(line)
        before = line


def _came_along(d: Dialogue, refusal: Line, reply: Line) -> bool:
    """Between the two replies the client has said nothing new."""
    said = (line.sent_ns for line in d.lines if line.speaker == "C")
    new = any(refusal.heard_ns <= sent_ns <= reply.sent_ns for sent_ns in said)
    return refusal.is_refusal and not new


def _size_announced(d: Dialogue) -> Iterator[Found]:
    """MAIL announces more than EHLO offered (RFC 1870 §4)."""
    limits = [offers["SIZE"] for offers in d.offers.values() if "SIZE" in offers]
    limit = int(limits[-1]) if limits and limits[-1].isdecimal() else 0
    for one in d.commands:
        size = _SIZE.search(one.argument) if one.verb == "MAIL" else None
        if limit and size and int(size[1]) > limit:
            yield at_line(one.line, size=size[1], limit=limit)


def _hung_up(d: Dialogue) -> Iterator[Found]:
    """421, or BYE that nobody has asked for."""
    for line in d.replies:
        if d.is_smtp and line.text.startswith("421"):
            yield at_line(line)
        bye = d.protocol == "IMAP" and line.text.upper().startswith("* BYE")
        if bye and "LOGOUT" not in d.verbs:
            yield at_line(line)


def _no_quit(d: Dialogue) -> Iterator[Found]:
    last = _last_of_client(d)
    ends = _ENDS.get(d.protocol)
    if not last or not ends or ends in d.verbs or list(_hung_up(d)):
        return
    if d.session.outcome in ("closed", "reset") and not d.is_hidden:
        yield at_line(last, verb=ends)


def _last_of_client(d: Dialogue) -> Line | None:
    return next((line for line in reversed(d.lines) if line.speaker == "C"), None)


def _name(d: Dialogue) -> Iterator[Found]:
    """EHLO wants a domain with a dot, or an address literal."""
    for one in d.commands:
        if one.verb in ("EHLO", "HELO") and d.is_smtp:
            name = one.argument.strip()
            if "." not in name.strip(".") and not _LITERAL.fullmatch(name):
                yield at_line(one.line, name=name or "no name")


RULES = (
    Rule(
        "greylisted",
        "note",
        "greylisting: the server wants to see this client again later",
        "who queues and tries again is no robot; the message is late, not lost",
        "RFC 6647 §2",
        lambda d: _said(d, _GREYLISTED),
    ),
    Rule(
        "server-closes",
        "warning",
        "the server ends the connection by itself",
        "it shuts down, has waited too long, or has had enough of this client",
        "RFC 5321 §3.8",
        _hung_up,
        {"IMAP": "RFC 9051 §7.1.5"},
    ),
    Rule(
        "too-big",
        "error",
        "the message is too big",
        "the server has a limit, and says so in reply to EHLO (SIZE)",
        "RFC 1870 §6.1",
        lambda d: _said(d, _TOO_BIG),
        {"IMAP": "RFC 7889 §4"},
    ),
    Rule(
        "size-ignored",
        "warning",
        "MAIL announces {size} octets; the server takes at most {limit}",
        "a client that reads the offers need not even try",
        "RFC 1870 §6.1",
        _size_announced,
    ),
    Rule(
        "mailbox-full",
        "error",
        "the mailbox is full",
        "its owner must delete something first",
        "RFC 3463 §3.3",
        lambda d: _said(d, _FULL),
        {"IMAP": "RFC 9208 §4.3"},
    ),
    Rule(
        "no-relay",
        "error",
        "the server will not relay",
        "the recipient is not here, and the client is neither known nor logged in",
        "RFC 5321 §7.9",
        lambda d: _said(d, _NO_RELAY),
    ),
    Rule(
        "unknown-recipient",
        "error",
        "there is no such recipient",
        "a wrong address, or one that is no more",
        "RFC 3463 §3.2",
        lambda d: _said(d, _UNKNOWN),
    ),
    Rule(
        "login-failed",
        "error",
        "the login failed",
        "wrong name or password, or the server wants another mechanism",
        "RFC 4954 §6",
        lambda d: _said(d, _LOGIN),
        {"POP3": "RFC 3206 §4", "IMAP": "RFC 9051 §6.2.2"},
    ),
    Rule(
        "out-of-order",
        "warning",
        "a command at the wrong moment",
        "the server expected another command first",
        "RFC 5321 §4.1.4",
        _out_of_order,
        {"IMAP": "RFC 9051 §3"},
    ),
    Rule(
        "no-farewell",
        "note",
        "the client left without {verb}",
        "the server cannot know whether the client is done",
        "RFC 5321 §4.1.1.10",
        _no_quit,
        {"POP3": "RFC 1939 §6", "IMAP": "RFC 9051 §6.1.3"},
    ),
    Rule(
        "greeting-name",
        "note",
        "the client calls itself {name}",
        "that is neither a domain name nor an address in brackets",
        "RFC 5321 §4.1.1.1",
        _name,
    ),
)
