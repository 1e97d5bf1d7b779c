"""Hints about octets: how lines end, how long they are, what they are made of, and
whether the client waits for its turn.

Goes in: a dialogue. Comes out: what was found.

Rule: octets of a literal (RFC 9051 §4.3) may be anything: they are no lines.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from maillab.trace.hinting.dialogue import Command, Dialogue
from maillab.trace.hinting.rules import WHO, Found, Rule, at_line
from maillab.trace.lines import Line
from maillab.trace.session import SIDES
from maillab.wire.lines import CRLF

_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)")
_HIGH = re.compile(rb"[\x80-\xff]")
_TEXT_LINE = 1000  # RFC 5321 §4.5.3.1.6, with CRLF
_COMMANDS = {  # octets with CRLF
    "SMTP": 512,  # RFC 5321 §4.5.3.1.4
    "LMTP": 512,
    "POP3": 255,  # RFC 2449 §4
    "IMAP": 8192,  # RFC 7162 §4
}
_LONGER = {"MAIL": 1200, "RCPT": 1200}  # what extensions add: RFC 3461 §4, RFC 4954 §5
_AUTH = 12288  # RFC 4954 §4
_PATHS = ("MAIL", "RCPT")


def _bare(d: Dialogue) -> Iterator[Found]:
    for line in d.lines:
        if line.what != "literal" and _BARE.search(line.octets):
            sign = "LF" if re.search(rb"(?<!\r)\n", line.octets) else "CR"
            yield at_line(line, sign=sign, who=WHO[line.speaker])


def _long_command(d: Dialogue) -> Iterator[Found]:
    limit = _COMMANDS.get(d.protocol)
    for one in d.commands:
        allowed = _AUTH if one.verb.startswith("AUTH") else _LONGER.get(one.verb, limit)
        if limit and allowed and len(one.line.octets) > max(limit, allowed):
            yield at_line(one.line, size=len(one.line.octets), limit=allowed)


def _long_text(d: Dialogue) -> Iterator[Found]:
    for line in d.lines:
        if line.what == "content":
            longest = max(map(len, line.octets.split(CRLF))) + len(CRLF)
            if longest > _TEXT_LINE:
                yield at_line(line, size=longest)


def _eight_bit(d: Dialogue) -> Iterator[Found]:
    """Content with octets above 127, unless MAIL said BODY=8BITMIME or BINARYMIME."""
    announced = False
    for line in d.lines if d.is_smtp else ():
        one = d.command_at(line)
        if one and one.verb == "MAIL":
            announced = "BODY=8BITMIME" in line.text.upper()
            announced |= "BODY=BINARYMIME" in line.text.upper()
        content = line.speaker == "C" and line.is_content
        if content and not announced and _HIGH.search(line.octets):
            yield at_line(line)


def _utf8_path(d: Dialogue) -> Iterator[Found]:
    announced = False
    for one in d.commands if d.is_smtp else ():
        if one.verb == "MAIL":
            announced = "SMTPUTF8" in one.argument.upper()
        if one.verb in _PATHS and _HIGH.search(one.line.octets) and not announced:
            yield at_line(one.line, verb=one.verb)


def _pipelined(d: Dialogue) -> Iterator[Found]:
    if d.protocol not in ("SMTP", "POP3") or d.offered("PIPELINING"):
        return
    if not d.replies:  # nobody has captured them
        return
    for before, after in _neighbours(d):
        if not _answered(d, before, after.line):
            yield at_line(after.line, verb=after.verb)
            return


def _unasked(d: Dialogue) -> Iterator[Found]:
    """Content left before the server's 354 was there."""
    for one in d.commands if d.is_smtp and d.replies else ():
        if one.verb == "DATA":
            content = next((x for x in _later(d, one.line) if x.is_content), None)
            if content and not _answered(d, one.line, content):
                yield at_line(content)


def _later(d: Dialogue, line: Line) -> Iterator[Line]:
    """What the client said afterwards."""
    return (x for x in d.lines if x.speaker == "C" and x.offset > line.offset)


def _neighbours(d: Dialogue) -> Iterator[tuple[Line, Command]]:
    """Each command with what the client said just before, if that was a command."""
    said = [line for line in d.lines if line.speaker == "C"]
    for before, line in pairwise(said):
        after = d.command_at(line)
        if after and d.command_at(before) and before.secure == line.secure:
            yield before, after


def _answered(d: Dialogue, before: Line, after: Line) -> bool:
    """A reply came between the two."""
    return any(
        before.sent_ns <= reply.sent_ns
        and reply.heard_ns <= after.sent_ns
        and reply.number > before.number
        for reply in d.replies
    )


def _early(d: Dialogue) -> Iterator[Found]:
    """The client's first octets left before the greeting was there."""
    first = next((line for line in d.lines if line.speaker == "C"), None)
    greeting = next(iter(d.replies), None)
    if not first or not greeting or not d.session.find("established"):
        return
    if first.sent_ns < greeting.heard_ns and not first.secure:
        yield at_line(first)


def _cut_short(d: Dialogue) -> Iterator[Found]:
    """The connection ended in the middle of a message, before its lone dot."""
    if d.session.outcome == "open" or not d.is_smtp or "BDAT" in d.verbs:
        return
    said = [line for line in d.lines if line.speaker in SIDES]
    content = [line for line in said if line.speaker == "C" and line.is_content]
    if content and said[-1] is content[-1]:
        whole = b"".join(line.octets for line in content[-2:])
        if whole != b".\r\n" and not whole.endswith(b"\r\n.\r\n"):
            yield at_line(content[-1])


RULES = (
    Rule(
        "bare-line-end",
        "warning",
        "a bare {sign} of the {who}",
        "only CR LF ends a line; servers that disagree about that can be made to see "
        "different messages (SMTP smuggling)",
        "RFC 5321 §2.3.8",
        _bare,
        {"POP3": "RFC 1939 §3", "IMAP": "RFC 9051 §2.2"},
    ),
    Rule(
        "long-command",
        "warning",
        "a command of {size} octets: at most {limit} are safe",
        "a server may refuse it, or cut it off",
        "RFC 5321 §4.5.3.1.4",
        _long_command,
        {"POP3": "RFC 2449 §4", "IMAP": "RFC 7162 §4"},
    ),
    Rule(
        "long-line",
        "warning",
        "a line of {size} octets in a message: at most 1000 are allowed",
        "servers on the way may refuse the message or break the line, and signatures",
        "RFC 5321 §4.5.3.1.6",
        _long_text,
    ),
    Rule(
        "eight-bit",
        "warning",
        "octets above 127 in a message that was not announced as 8BITMIME",
        "a server may refuse it, or clear the upper bits",
        "RFC 6152 §3",
        _eight_bit,
    ),
    Rule(
        "utf8-address",
        "warning",
        "{verb} with an address that is not ASCII, and without SMTPUTF8",
        "the message must be announced as internationalized in MAIL",
        "RFC 6531 §3.4",
        _utf8_path,
    ),
    Rule(
        "pipelining",
        "warning",
        "{verb} before the last command was answered; PIPELINING was not offered",
        "a server may lose what it did not expect yet; spammers do that",
        "RFC 2920 §3.1",
        _pipelined,
        {"POP3": "RFC 2449 §6.6"},
    ),
    Rule(
        "content-unasked",
        "warning",
        "the message was sent before the server had asked for it",
        "DATA must be the last command that is not waited for: had it been refused, "
        "the message would be taken for commands",
        "RFC 2920 §3.1",
        _unasked,
    ),
    Rule(
        "early-talker",
        "warning",
        "the client spoke before it was greeted",
        "a client must wait for the greeting; servers take who does not for a robot",
        "RFC 5321 §4.3.1",
        _early,
        {"POP3": "RFC 1939 §3", "IMAP": "RFC 9051 §3"},
    ),
    Rule(
        "cut-short",
        "error",
        "the connection ended in the middle of a message",
        "there was no lone dot: the server must throw away what it has",
        "RFC 5321 §4.1.1.4",
        _cut_short,
    ),
)
