"""IMAP commands about messages (selected state, RFC 3501 §6.4).

FETCH, STORE, SEARCH, COPY, MOVE and EXPUNGE have two forms: with message numbers, and
as `UID …` with UIDs. Both are the same function here, told which by `by_uid`.
"""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from maillab.errors import Refused
from maillab.protocol.imap_server_choosing import EXPUNGED, chosen, complete
from maillab.protocol.imap_server_commands import Continue, Question, Steps, command
from maillab.protocol.imap_server_events import (
    Added,
    CopyMessages,
    ExpungeMessages,
    Messages,
    StoreFlags,
)
from maillab.protocol.imap_server_fetching import fetch_messages, say_fetch
from maillab.protocol.imap_server_searching import search_messages
from maillab.protocol.imap_server_view import View
from maillab.wire.imap import BadSyntax, Scanner, Status, no, ok
from maillab.wire.imap_fetch import Item, Renderer
from maillab.wire.imap_sets import compact

if TYPE_CHECKING:
    from maillab.protocol.imap_server import IMAPServer

READ_ONLY = no("The mailbox was opened by EXAMINE: nothing can be changed")


@command("CHECK", rfc="RFC 3501 §6.4.1")
def check(_server: "IMAPServer", words: Scanner) -> Status:
    """Do housekeeping: here there is none."""
    words.end()
    return ok("Checked")


@command("CLOSE", rfc="RFC 3501 §6.4.2")
def close(server: "IMAPServer", words: Scanner) -> Steps:
    """Expunge in silence, and leave the mailbox."""
    words.end()
    yield from server.leave_mailbox(expunge=not server.selected.read_only)
    return ok("Closed")


@command("UNSELECT", rfc="RFC 3691 §2")
def unselect(server: "IMAPServer", words: Scanner) -> Steps:
    """Leave the mailbox, and expunge nothing."""
    words.end()
    yield from server.leave_mailbox()
    return ok("Closed")


@command("EXPUNGE", rfc="RFC 3501 §6.4.3")
def expunge(server: "IMAPServer", words: Scanner) -> Steps:
    """Remove all messages that are marked \\Deleted."""
    words.end()
    return (yield from _expunge(server, server.selected.deleted))


@command("STORE", rfc="RFC 3501 §6.4.6")
def store(server: "IMAPServer", words: Scanner) -> Steps:
    """Change flags."""
    return (yield from _store(server, words, by_uid=False))


@command("COPY", rfc="RFC 3501 §6.4.7")
def copy(server: "IMAPServer", words: Scanner) -> Steps:
    """Copy messages to another mailbox."""
    return (yield from _copy(server, words, by_uid=False))


@command("MOVE", rfc="RFC 6851 §3.1")
def move(server: "IMAPServer", words: Scanner) -> Steps:
    """Move messages to another mailbox."""
    return (yield from _move(server, words, by_uid=False))


@command("UID", rfc="RFC 3501 §6.4.8")
def uid(server: "IMAPServer", words: Scanner) -> Steps:
    """The same commands, with UIDs."""
    words.space()
    handler = UID_FORMS.get(words.keyword())
    if handler is None:
        raise BadSyntax(f"UID goes with {', '.join(UID_FORMS)}")
    return (yield from handler(server, words, by_uid=True))


# Both forms ---------------------------------------------------------------------------


def _store(server: "IMAPServer", words: Scanner, *, by_uid: bool) -> Steps:
    view, uids = server.selected, chosen(server.selected, words, by_uid=by_uid)
    words.space()
    mode = next((sign for sign in "+-" if words.take(sign.encode())), "")
    words.expect(b"FLAGS")
    silent = words.take(b".SILENT")
    words.space()
    flags = frozenset(_flags(words))
    words.end()
    _must_write(view)
    before = {uid: view.known(uid) for uid in uids}
    answer: Messages = yield StoreFlags(uids, mode, flags)
    for data in answer.messages:
        expected = changed(before[data.uid], mode, flags)
        view.told(data.uid, expected if silent else data.flags)
        if not silent:
            name = Item("UID"), Item("FLAGS")
            shown = Renderer(data, view.flags(data.uid, data.flags))
            say_fetch(server, data.uid, shown.render(name if by_uid else name[1:]))
    return complete(uids, answer, "Stored", by_uid=by_uid)


def _copy(server: "IMAPServer", words: Scanner, *, by_uid: bool) -> Steps:
    uids, target = _what_and_where(server.selected, words, by_uid=by_uid)
    if not uids:  # only UIDs may name nothing
        return ok("Nothing to copy")
    added: Added = yield CopyMessages(uids, target)
    return ok("Copied", _copyuid(added))


def _move(server: "IMAPServer", words: Scanner, *, by_uid: bool) -> Steps:
    uids, target = _what_and_where(server.selected, words, by_uid=by_uid)
    _must_write(server.selected)
    if not uids:
        return ok("Nothing to move")
    added: Added = yield CopyMessages(uids, target, move=True)
    server.say(ok("Moved", _copyuid(added)).to_wire())  # RFC 6851 §4.3
    return ok("Moved")


def _uid_expunge(server: "IMAPServer", words: Scanner, *, by_uid: bool) -> Steps:
    """RFC 4315 §2.1."""
    named = set(chosen(server.selected, words, by_uid=by_uid))
    words.end()
    uids = (uid for uid in server.selected.deleted if uid in named)
    return (yield from _expunge(server, tuple(uids)))


UID_FORMS: dict[str, Callable[..., Steps]] = {
    "FETCH": fetch_messages,
    "STORE": _store,
    "SEARCH": search_messages,
    "COPY": _copy,
    "MOVE": _move,
    "EXPUNGE": _uid_expunge,
}

# Inside -------------------------------------------------------------------------------


def changed(
    flags: frozenset[str], mode: str, operand: frozenset[str]
) -> frozenset[str]:
    """What STORE makes of flags. `mode`: "" replaces, "+" adds, "-" removes.

    >>> sorted(changed(frozenset({"a", "b"}), "-", frozenset({"b", "c"})))
    ['a']
    """
    match mode:
        case "+":
            return flags | operand
        case "-":
            return flags - operand
        case _:
            return operand


def _expunge(
    server: "IMAPServer", uids: tuple[int, ...]
) -> Generator[Question | Continue, Any, Status]:
    _must_write(server.selected)
    if uids:
        yield ExpungeMessages(uids)
    return ok("Expunged")


def _what_and_where(
    view: View, words: Scanner, *, by_uid: bool
) -> tuple[tuple[int, ...], str]:
    uids = chosen(view, words, by_uid=by_uid)
    words.space()
    target = words.mailbox()
    words.end()
    if not all(view.exists(uid) for uid in uids) and not by_uid:
        raise Refused(EXPUNGED)
    return tuple(uid for uid in uids if view.exists(uid)), target


def _flags(words: Scanner) -> tuple[str, ...]:
    if words.peek(b"("):
        return words.flag_list()
    flags = [words.flag()]
    while not words.at_end:
        words.space()
        flags.append(words.flag())
    return tuple(flags)


def _must_write(view: View) -> None:
    if view.read_only:
        raise Refused(READ_ONLY)


def _copyuid(added: Added) -> str:
    """RFC 4315 §3."""
    return (
        f"COPYUID {added.uid_validity} {compact(added.sources)} {compact(added.uids)}"
    )
