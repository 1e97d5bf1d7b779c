"""FETCH: data of messages (RFC 3501 §6.4.5, RFC 9051 §6.4.5).

Goes in: the command, messages from the agent. Comes out: untagged FETCH responses.

Rule 1: no more of a message is read than the items need.
Rule 2: a message that cannot be given as asked is left out, and the command ends in NO.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maillab.protocol.engine import Question
from maillab.protocol.imap_server_choosing import chosen, complete
from maillab.protocol.imap_server_commands import Steps, command, uid_form
from maillab.protocol.imap_server_events import FindVanished, ReadMessages, Vanished
from maillab.protocol.imap_server_reading import read
from maillab.wire.imap import BadSyntax, Scanner, Status, no
from maillab.wire.imap_fetch import Item, needed, scan_items
from maillab.wire.imap_fetch_answer import AnswerTooLarge, Renderer, UnknownEncoding
from maillab.wire.imap_message import MessageData
from maillab.wire.imap_sets import SequenceSet, compact

if TYPE_CHECKING:
    from maillab.protocol.imap_server import IMAPServer

UNKNOWN_CTE = no("Nobody knows the encoding of this part", "UNKNOWN-CTE")
TOO_LARGE = no("So much of one message is not given at once", "LIMIT")

CAPABILITY_OF = {
    **dict.fromkeys(("BINARY[]", "BINARY.SIZE[]"), "BINARY"),
    **dict.fromkeys(("EMAILID", "THREADID"), "OBJECTID"),
    "MODSEQ": "CONDSTORE",
    "PREVIEW": "PREVIEW",
    "SAVEDATE": "SAVEDATE",
}


@dataclass(frozen=True, slots=True)
class Modifiers:
    """What may stand behind the items (RFC 4466 §2.4).

    changed_since  only messages with a higher modseq (RFC 7162 §3.1.4.1)
    vanished       and tell what was expunged since (RFC 7162 §3.2.6)
    """

    changed_since: int | None = None
    vanished: bool = False


@command("FETCH", rfc="RFC 3501 §6.4.5")
def fetch(server: "IMAPServer", words: Scanner) -> Steps:
    """Give data of messages."""
    return (yield from fetch_messages(server, words, by_uid=False))


@uid_form("FETCH", rfc="RFC 3501 §6.4.8")
def fetch_messages(server: "IMAPServer", words: Scanner, *, by_uid: bool) -> Steps:
    """FETCH, or UID FETCH."""
    view, start = server.selected, words.at
    uids = chosen(view, words, by_uid=by_uid)
    named = Scanner(words.read_from(start))
    words.space()
    items = _items(server, words, by_uid)
    modifiers = _modifiers(server, words, by_uid)
    words.end()
    if modifiers.changed_since is not None:
        # "the server MUST include the MODSEQ data item" (RFC 7162 §3.1.4.1)
        items = tuple(dict.fromkeys((*items, Item("MODSEQ"))))
        uids = tuple(u for u in uids if view.modseq(u) > modifiers.changed_since)
    if Item("MODSEQ") in items:
        server.enable("CONDSTORE")
    if modifiers.vanished:
        yield from _tell_vanished(server, named, modifiers.changed_since or 0)
    return (yield from _give(server, uids, items, by_uid))


def _give(
    server: "IMAPServer", uids: tuple[int, ...], items: tuple[Item, ...], by_uid: bool
) -> Steps:
    seen = any(item.sets_seen for item in items) and not server.selected.read_only
    delivered = any(item.has_content for item in items)
    failures: list[Status] = []

    def say(data: MessageData) -> None:
        try:
            _say(server, data, items)
        except UnknownEncoding:
            failures.append(UNKNOWN_CTE)
        except AnswerTooLarge:
            failures.append(TOO_LARGE)

    question = ReadMessages(uids, needed(items), seen, delivered)
    count = yield from read(question, say)
    if failures:
        return failures[0]
    return complete(uids, count, "Fetched", by_uid=by_uid)


def _say(server: "IMAPServer", data: MessageData, items: tuple[Item, ...]) -> None:
    """Say the data of one message, and its flags if they are news."""
    view = server.selected
    if data.flags != view.known(data.uid) and Item("FLAGS") not in items:
        items = (*items, Item("FLAGS"))  # "flags SHOULD be included"
    if Item("FLAGS") in items and "CONDSTORE" in server.enabled:
        # RFC 7162 §3.2.4: with every change of flags
        items = tuple(dict.fromkeys((*items, Item("UID"), Item("MODSEQ"))))
    flags = view.flags(data.uid, data.flags)
    rendered = Renderer(data, flags, server.utf8).render(items)
    modseq = data.modseq if Item("MODSEQ") in items else 0
    if Item("FLAGS") in items:
        view.told(data.uid, data.flags, modseq)
    server.say(b"* %d FETCH %b\r\n" % (view.number(data.uid), rendered))


def _items(server: "IMAPServer", words: Scanner, by_uid: bool) -> tuple[Item, ...]:
    items = scan_items(words)
    for item in items:
        if not server.options.offers(CAPABILITY_OF.get(item.name, "")):
            raise BadSyntax(f"Unknown data item {item.name.removesuffix('[]')}")
    if by_uid and Item("UID") not in items:  # RFC 3501 §6.4.8
        return (Item("UID"), *items)
    return items


def _modifiers(server: "IMAPServer", words: Scanner, by_uid: bool) -> Modifiers:
    if words.at_end or not server.options.offers("CONDSTORE"):
        return Modifiers()
    words.space()
    words.expect(b"(")
    changed_since, vanished = None, False
    while True:
        if words.take(b"VANISHED"):
            vanished = True
        else:
            words.expect(b"CHANGEDSINCE ")
            changed_since = words.number64()
        if words.take(b")"):
            break
        words.space()
    if vanished and not (by_uid and changed_since and "QRESYNC" in server.enabled):
        # RFC 7162 §3.2.6: "the server MUST respond with a tagged BAD response"
        raise BadSyntax("VANISHED goes with UID FETCH, CHANGEDSINCE and QRESYNC")
    return Modifiers(changed_since, vanished)


def _tell_vanished(
    server: "IMAPServer", words: Scanner, modseq: int
) -> Generator[Question, Any, None]:
    """Those of the UIDs asked for that were expunged (RFC 7162 §3.2.6)."""
    words.space()
    if words.take(b"$"):
        return  # `$` has only what is there
    some = SequenceSet.scan(words)
    answer: Vanished = yield FindVanished(modseq)
    view = server.selected
    largest = max([*view.uids[-1:], *answer.uids[-1:]], default=0)
    asked = (uid for uid in answer.uids if some.contains(uid, largest))
    # What the session still counts is told without EARLIER, at the end of the command:
    # "servers MUST NOT combine them" (RFC 7162 §3.2.10)
    counted = set(view.uids)
    gone = [uid for uid in asked if uid not in counted]
    if gone:
        server.untagged(b"VANISHED (EARLIER) %b" % compact(gone).encode())
