"""APPEND and REPLACE: messages that a client brings.

Goes in: a mailbox, and messages with flags and dates. Comes out: [APPENDUID].

Rule 1: all messages of one APPEND are added, or none (RFC 3502 §6.3.11).
Rule 2: REPLACE adds and expunges in one step, or does neither (RFC 8508 §3.4).
"""

from typing import TYPE_CHECKING

from maillab.errors import Refused
from maillab.protocol.imap_server_choosing import members, must_write
from maillab.protocol.imap_server_commands import Steps, command, uid_form
from maillab.protocol.imap_server_events import (
    Added,
    AppendMessages,
    Letter,
    ReplaceMessage,
)
from maillab.protocol.imap_server_input import too_big
from maillab.protocol.imap_server_view import View
from maillab.wire.imap import BadSyntax, Scanner, no, ok
from maillab.wire.imap_dates import scan_date_time
from maillab.wire.imap_sets import SequenceSet, compact

if TYPE_CHECKING:
    from maillab.protocol.imap_server import IMAPServer

GONE = no("That message no longer exists", "EXPUNGEISSUED")  # RFC 5530 §3


@command("APPEND", rfc="RFC 3501 §6.3.11")
def append(server: "IMAPServer", words: Scanner) -> Steps:
    """Put messages into a mailbox."""
    words.space()
    name = words.mailbox()
    letters = [_letter(server, words)]
    while not words.at_end:
        if not server.options.offers("MULTIAPPEND"):
            words.end()
        letters.append(_letter(server, words))
    _check(server, letters)
    added: Added = yield AppendMessages(name, tuple(letters))
    server.tell_real_name(words, name)
    return ok("Appended", append_uid(server, added))


@command("REPLACE", rfc="RFC 8508 §3.2")
def replace(server: "IMAPServer", words: Scanner) -> Steps:
    """Put a message in the place of another, by number."""
    return (yield from _replace(server, words, by_uid=False))


@uid_form("REPLACE", rfc="RFC 8508 §3.3")
def _replace(server: "IMAPServer", words: Scanner, *, by_uid: bool) -> Steps:
    view = server.selected
    words.space()
    some = SequenceSet.scan(words)
    words.space()
    name = words.mailbox()
    letter = _letter(server, words)
    words.end()
    must_write(view)
    uid = _only_one(view, some, by_uid=by_uid)
    _check(server, [letter])
    added: Added = yield ReplaceMessage(uid, name, letter)
    code = append_uid(server, added)
    if code:  # before the EXPUNGE, and not in the tagged response (RFC 8508 §4.3)
        server.say(ok("Replaced", code).to_wire())
    return ok("Replaced", server.modseq_after_expunge)  # RFC 8508 §4.5


def append_uid(server: "IMAPServer", added: Added) -> str:
    """The response code of RFC 4315 §3."""
    if not server.options.offers("UIDPLUS"):
        return ""
    return f"APPENDUID {added.uid_validity} {compact(added.uids)}"


def _letter(server: "IMAPServer", words: Scanner) -> Letter:
    """Flags, date and literal: one message of an APPEND."""
    words.space()
    flags: tuple[str, ...] = ()
    if words.peek(b"("):
        flags = words.flag_list()
        words.space()
    date = None
    if words.peek(b'"'):
        date = scan_date_time(words)
        words.space()
    return Letter(_content(server, words), flags, date)


def _content(server: "IMAPServer", words: Scanner) -> bytes:
    if words.take(b"UTF8 ("):  # RFC 6855 §4
        if not server.utf8:
            raise BadSyntax("ENABLE UTF8=ACCEPT comes first")
        if not words.peek(b"~"):
            raise BadSyntax("Expected a literal8, such as ~{310}")
        content = words.literal()
        words.expect(b")")
        return content
    # deviation: 8-bit header fields without ENABLE UTF8=ACCEPT are taken, and given to
    # others as they are (RFC 6855 §4, §8): who copies old mail has messages like that.
    binary = words.peek(b"~")
    if binary and not server.options.offers("BINARY"):
        raise BadSyntax("Literals begin with { here")
    content = words.literal()
    if not binary and b"\0" in content:  # RFC 3501 §9, CHAR8
        raise Refused(no("A message with NUL octets must be a literal8"))
    return content


def _check(server: "IMAPServer", letters: list[Letter]) -> None:
    limit = server.append_limit
    if any(len(letter.content) > limit for letter in letters):
        raise Refused(too_big(limit))
    if not all(letter.content for letter in letters):
        # "a message literal of zero length" cancels the command (RFC 3502 §6.3.11)
        raise Refused(no("Cancelled by an empty message: nothing was added"))


def _only_one(view: View, some: SequenceSet, *, by_uid: bool) -> int:
    """The UID of the one message that is named."""
    found = members(view, some, by_uid=by_uid)
    if len(found) > 1:
        raise BadSyntax("Only one message can be replaced at a time")
    if not found or not view.exists(found[0]):
        raise Refused(GONE)
    return found[0]
