r"""A line of SMTP, POP3 or IMAP, word by word.

Goes in: a cursor at the beginning of a line, and the `Line`. Comes out: ranges.

Rule 1: what a line is (command, reply, content …) is what the session found, not how it
        looks.
Rule 2: what does not follow the grammar is shown as text: a dissection never refuses.
"""

import re
from collections.abc import Callable, Mapping

from maillab.protocol import pop3_server, smtp_server
from maillab.trace.dissect.ranges import Cursor
from maillab.trace.lines import Line
from maillab.trace.view import plural
from maillab.wire.lines import CRLF

_COMMAND, _REPLY = "RFC 5321 §4.1.1", "RFC 5321 §4.2"
_POP3, _IMAP = "RFC 1939 §3", "RFC 9051 §2.2"
_ROWS = 200  # of one piece of content that get ranges of their own
_WHO = {"C": "client", "S": "server"}

_WORD = re.compile(rb"[^ \r\n]+")
_SPACES = re.compile(rb" +")
_PATH = re.compile(rb"(FROM|TO):( *)(<[^>\r\n]*>|[^ \r\n]*)", re.I)
_CODE = re.compile(rb"\d{3}(?=[ -]|\r\n|$)")
_ENHANCED = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}(?= |\r\n|$)")  # RFC 3463 §2
_BRACKETS = re.compile(rb"\[[^\]\r\n]*\]")
_KEYWORD = re.compile(rb"[A-Za-z0-9][A-Za-z0-9-]*(?=[ =\r]|$)")

_IMAP_REFS = {  # of the newer IMAP; servers here name RFC 3501
    "CAPABILITY": "RFC 9051 §6.1.1",
    "NOOP": "RFC 9051 §6.1.2",
    "LOGOUT": "RFC 9051 §6.1.3",
    "STARTTLS": "RFC 9051 §6.2.1",
    "AUTHENTICATE": "RFC 9051 §6.2.2",
    "LOGIN": "RFC 9051 §6.2.3",
    "ENABLE": "RFC 9051 §6.3.1",
    "SELECT": "RFC 9051 §6.3.2",
    "EXAMINE": "RFC 9051 §6.3.3",
    "CREATE": "RFC 9051 §6.3.4",
    "DELETE": "RFC 9051 §6.3.5",
    "RENAME": "RFC 9051 §6.3.6",
    "SUBSCRIBE": "RFC 9051 §6.3.7",
    "UNSUBSCRIBE": "RFC 9051 §6.3.8",
    "LIST": "RFC 9051 §6.3.9",
    "NAMESPACE": "RFC 9051 §6.3.10",
    "STATUS": "RFC 9051 §6.3.11",
    "APPEND": "RFC 9051 §6.3.12",
    "IDLE": "RFC 9051 §6.3.13",
    "CLOSE": "RFC 9051 §6.4.1",
    "UNSELECT": "RFC 9051 §6.4.2",
    "EXPUNGE": "RFC 9051 §6.4.3",
    "SEARCH": "RFC 9051 §6.4.4",
    "FETCH": "RFC 9051 §6.4.5",
    "STORE": "RFC 9051 §6.4.6",
    "COPY": "RFC 9051 §6.4.7",
    "MOVE": "RFC 9051 §6.4.8",
    "UID": "RFC 9051 §6.4.9",
}
_STATES = (b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH")  # RFC 9051 §7.1


def line(cursor: Cursor, said: Line) -> None:
    """Walk over what was said at once: a whole line, or a reply of several."""
    with cursor.within(len(said.octets)):
        while cursor.left and not said.is_content:
            end = cursor.octets.find(CRLF, cursor.at, cursor.end)
            end = cursor.end if end < 0 else end + len(CRLF)
            with cursor.within(end - cursor.at):
                _row(cursor, said)
        if cursor.left:
            with cursor.layer(_name(said), said.ref) as layer:
                layer.value = f"{_WHO[said.speaker]}: {plural(cursor.left, 'octet')}"
                content(cursor)


def _row(cursor: Cursor, said: Line) -> None:
    protocol = "SMTP" if said.protocol == "LMTP" else said.protocol
    reader = _READERS.get((protocol, said.what), _text)
    with cursor.layer(_name(said), said.ref) as layer:
        layer.value = f"{_WHO[said.speaker]}: {cursor.said(cursor.at, cursor.end)}"
        reader(cursor)
        _text(cursor)


def _name(said: Line) -> str:
    return f"{said.protocol or 'TCP'} {said.what or 'line'}"


def content(cursor: Cursor) -> None:
    """A row for each line of a message, as far as it is here."""
    for _ in range(_ROWS):
        if not cursor.left:
            return
        end = cursor.octets.find(CRLF, cursor.at, cursor.end)
        end = cursor.end if end < 0 else end + len(CRLF)
        cursor.text(end - cursor.at, "row")
    cursor.rest("more rows")


# SMTP ---------------------------------------------------------------------------------


def _smtp_command(cursor: Cursor) -> None:
    verb = _verb(cursor, _COMMAND, smtp_server.RFC_OF)
    ref = smtp_server.RFC_OF.get(verb, _COMMAND)
    _space(cursor)
    if verb in ("MAIL", "RCPT"):
        _path(cursor, verb, ref)
        while _word(cursor, "parameter", "RFC 5321 §4.1.2"):
            _space(cursor)
    elif verb == "AUTH":
        _word(cursor, "mechanism", ref)
        _space(cursor)
        _argument(cursor, "initial response", ref)
    else:
        _argument(cursor, "argument", ref)


def _path(cursor: Cursor, verb: str, ref: str) -> None:
    found = _PATH.match(cursor.octets, cursor.at, cursor.end)
    if not found:
        return
    cursor.text(found.end(1) + 1 - cursor.at, "keyword", ref)
    _space(cursor)
    name = "reverse_path" if verb == "MAIL" else "forward_path"
    cursor.text(found.end(3) - cursor.at, name, "RFC 5321 §4.1.2")
    _space(cursor)


def _smtp_reply(cursor: Cursor) -> None:
    if not _match(cursor, _CODE, "code", "RFC 5321 §4.2.1"):
        return
    told = {b"-": "more lines follow", b" ": "the last line"}
    mark = cursor.peek(1)
    if mark in told:
        cursor.raw(1, "separator", told[mark], "RFC 5321 §4.2.1")
    if _match(cursor, _ENHANCED, "enhanced code", "RFC 3463 §2"):
        _space(cursor)


# POP3 ---------------------------------------------------------------------------------


def _pop3_command(cursor: Cursor) -> None:
    verb = _verb(cursor, _POP3, pop3_server.RFC_OF)
    ref = pop3_server.RFC_OF.get(verb, _POP3)
    _space(cursor)
    if verb in ("USER", "PASS"):  # RFC 1939 §7: with spaces, to the end of the line
        _argument(cursor, "argument", ref)
    while _word(cursor, "argument", ref):
        _space(cursor)


def _pop3_reply(cursor: Cursor) -> None:
    if cursor.peek(1) not in (b"+", b"-"):
        return
    _word(cursor, "status", _POP3)
    _space(cursor)
    if _match(cursor, _BRACKETS, "response code", "RFC 2449 §8"):
        _space(cursor)


# IMAP ---------------------------------------------------------------------------------


def _imap_command(cursor: Cursor) -> None:
    _word(cursor, "tag", "RFC 9051 §2.2.1")
    _space(cursor)
    verb = _verb(cursor, _IMAP, _IMAP_REFS)
    _space(cursor)
    if verb == "UID":
        verb = _verb(cursor, _IMAP, _IMAP_REFS)
        _space(cursor)
    _argument(cursor, "arguments", _IMAP_REFS.get(verb, _IMAP))


def _imap_reply(cursor: Cursor) -> None:
    tag = _word(cursor, "tag", "RFC 9051 §2.2.2")
    _space(cursor)
    if tag == b"+":  # RFC 9051 §7.6
        return
    word = _WORD.match(cursor.octets, cursor.at, cursor.end)
    if word and word[0].upper() in _STATES:
        _word(cursor, "status", "RFC 9051 §7.1")
        _space(cursor)
        if _match(cursor, _BRACKETS, "response code", "RFC 9051 §7.1"):
            _space(cursor)
        return
    if word and word[0].isdigit():
        _word(cursor, "number", "RFC 9051 §7.5")
        _space(cursor)
    _word(cursor, "response", "RFC 9051 §7")
    _space(cursor)


# Words --------------------------------------------------------------------------------


def _verb(cursor: Cursor, grammar: str, refs: Mapping[str, str]) -> str:
    found = _KEYWORD.match(cursor.octets, cursor.at, cursor.end)
    if not found:
        return ""
    verb = found[0].decode("ascii").upper()
    cursor.text(len(found[0]), "command", refs.get(verb, grammar))
    return verb


def _match(cursor: Cursor, pattern: re.Pattern[bytes], name: str, ref: str) -> bytes:
    found = pattern.match(cursor.octets, cursor.at, cursor.end)
    return cursor.text(len(found[0]), name, ref) if found else b""


def _word(cursor: Cursor, name: str, ref: str) -> bytes:
    return _match(cursor, _WORD, name, ref)


def _space(cursor: Cursor) -> None:
    """Spaces between words are passed over: they get no range of their own."""
    found = _SPACES.match(cursor.octets, cursor.at, cursor.end)
    cursor.at += len(found[0]) if found else 0


def _argument(cursor: Cursor, name: str, ref: str) -> None:
    """Everything up to the end of the line."""
    size = cursor.left - 2 if cursor.peek(cursor.left).endswith(CRLF) else cursor.left
    if size > 0:
        cursor.text(size, name, ref)


def _text(cursor: Cursor) -> None:
    """What is left, and the end of the line."""
    _argument(cursor, "text", "")
    if cursor.left:
        cursor.raw(cursor.left, "end of line", "CRLF", "RFC 5321 §2.3.8")


_READERS: dict[tuple[str, str], Callable[[Cursor], None]] = {
    ("SMTP", "command"): _smtp_command,
    ("SMTP", "reply"): _smtp_reply,
    ("POP3", "command"): _pop3_command,
    ("POP3", "reply"): _pop3_reply,
    ("IMAP", "command"): _imap_command,
    ("IMAP", "reply"): _imap_reply,
}
