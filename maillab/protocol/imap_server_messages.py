"""IMAP commands about messages (selected state, RFC 3501 §6.4).

FETCH, STORE, SEARCH, COPY, MOVE and EXPUNGE have two forms: with message numbers, and
as `UID …` with UIDs. Both are the same function here, told which by `by_uid`.
"""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from maillab.errors import Refused
from maillab.protocol.imap_server_commands import Continue, Question, Steps, command
from maillab.protocol.imap_server_events import (
    Added,
    CopyMessages,
    ExpungeMessages,
    Messages,
    ReadMessages,
    StoreFlags,
)
from maillab.protocol.imap_server_view import View
from maillab.wire.imap import BadSyntax, Scanner, Status, no, ok
from maillab.wire.imap_fetch import Item, Renderer, scan_items
from maillab.wire.imap_search import BadCharset, Candidate, scan_search
from maillab.wire.imap_sets import SequenceSet, compact

if TYPE_CHECKING:
    from maillab.protocol.imap_server import IMAPServer

READ_ONLY = no("The mailbox was opened by EXAMINE: nothing can be changed")
EXPUNGED = no("Some of the messages no longer exist", "EXPUNGEISSUED")  # RFC 5530 §3


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


@command("SEARCH", rfc="RFC 3501 §6.4.4")
def search(server: "IMAPServer", words: Scanner) -> Steps:
    """Find messages by number."""
    return (yield from _search(server, words, by_uid=False))


@command("FETCH", rfc="RFC 3501 §6.4.5")
def fetch(server: "IMAPServer", words: Scanner) -> Steps:
    """Give data of messages."""
    return (yield from _fetch(server, words, by_uid=False))


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


def _search(server: "IMAPServer", words: Scanner, *, by_uid: bool) -> Steps:
    words.space()
    try:
        key = scan_search(words)
    except BadCharset as error:  # RFC 3501 §6.4.4: NO, not BAD
        raise Refused(no(str(error), "BADCHARSET (US-ASCII UTF-8)")) from None
    words.end()
    view = server.selected
    answer: Messages = yield ReadMessages(tuple(view.uids))
    found: list[int] = []
    for data in answer.messages:
        candidate = Candidate(
            data,
            number=view.number(data.uid),
            flags=view.flags(data.uid, data.flags),
            count=view.count,
            last_uid=view.uids[-1],
        )
        if candidate.matches(key):
            found.append(data.uid if by_uid else candidate.number)
    server.untagged(" ".join(["SEARCH", *map(str, found)]).encode())
    return ok("Searched")


def _fetch(server: "IMAPServer", words: Scanner, *, by_uid: bool) -> Steps:
    view, uids = server.selected, _chosen(server.selected, words, by_uid=by_uid)
    words.space()
    items = scan_items(words)
    words.end()
    if by_uid and not any(item.name == "UID" for item in items):
        items = (Item("UID"), *items)
    seen = any(item.sets_seen for item in items) and not view.read_only
    delivered = any(item.has_content for item in items)
    answer: Messages = yield ReadMessages(uids, seen, delivered)
    for data in answer.messages:
        wanted = items
        if data.flags != view.known(data.uid) and Item("FLAGS") not in items:
            wanted = (
                *items,
                Item("FLAGS"),
            )  # "flags SHOULD be included"
        view.told(data.uid, data.flags)
        flags = view.flags(data.uid, data.flags)
        _say_fetch(server, data.uid, Renderer(data, flags).render(wanted))
    return _complete(uids, answer, "Fetched", by_uid=by_uid)


def _store(server: "IMAPServer", words: Scanner, *, by_uid: bool) -> Steps:
    view, uids = server.selected, _chosen(server.selected, words, by_uid=by_uid)
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
            _say_fetch(server, data.uid, shown.render(name if by_uid else name[1:]))
    return _complete(uids, answer, "Stored", by_uid=by_uid)


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
    chosen = set(_chosen(server.selected, words, by_uid=by_uid))
    words.end()
    uids = (uid for uid in server.selected.deleted if uid in chosen)
    return (yield from _expunge(server, tuple(uids)))


UID_FORMS: dict[str, Callable[..., Steps]] = {
    "FETCH": _fetch,
    "STORE": _store,
    "SEARCH": _search,
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
    uids = _chosen(view, words, by_uid=by_uid)
    words.space()
    target = words.mailbox()
    words.end()
    if not all(view.exists(uid) for uid in uids) and not by_uid:
        raise Refused(EXPUNGED)
    return tuple(uid for uid in uids if view.exists(uid)), target


def _chosen(view: View, words: Scanner, *, by_uid: bool) -> tuple[int, ...]:
    """The UIDs that a set means; "a non-existent unique identifier is ignored"."""
    words.space()
    some = SequenceSet.scan(words)
    if by_uid:
        return tuple(some.chosen(view.uids))
    if some.exceeds(view.count):
        raise BadSyntax(f"There are only {view.count} messages")
    numbers = some.chosen(range(1, view.count + 1))
    return tuple(view.uids[number - 1] for number in numbers)


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


def _complete(
    uids: tuple[int, ...], answer: Messages, text: str, *, by_uid: bool
) -> Status:
    """ "NO" if others removed some of them meanwhile (RFC 2180 §4.1.2, §4.2.2)."""
    return ok(text) if by_uid or len(answer.messages) == len(uids) else EXPUNGED


def _say_fetch(server: "IMAPServer", uid: int, items: bytes) -> None:
    number = server.selected.number(uid)
    server.say(b"* %d FETCH %b\r\n" % (number, items))


def _copyuid(added: Added) -> str:
    """RFC 4315 §3."""
    return (
        f"COPYUID {added.uid_validity} {compact(added.sources)} {compact(added.uids)}"
    )
