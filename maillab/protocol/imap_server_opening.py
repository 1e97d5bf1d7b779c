"""SELECT, EXAMINE, and the ways out of a mailbox again.

Goes in: the command, the mailbox as it is. Comes out: what the client must know of it.

Rule: with QRESYNC (RFC 7162 §3.2.5) that is also all that has changed since it was here
      last.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maillab.protocol.engine import Question
from maillab.protocol.imap_server_commands import State, Steps, command
from maillab.protocol.imap_server_events import (
    FindVanished,
    Opened,
    OpenMailbox,
    Refresh,
    Vanished,
)
from maillab.protocol.imap_server_view import View
from maillab.wire.imap import LARGEST, SYSTEM_FLAGS, BadSyntax, Scanner, ok
from maillab.wire.imap_sets import SequenceSet, compact

if TYPE_CHECKING:
    from maillab.protocol.imap_server import IMAPServer

CLOSED = ok("The mailbox that was open is closed", "CLOSED")  # RFC 7162 §3.2.11


@dataclass(frozen=True, slots=True)
class Resync:
    """What a client remembers of its last visit (RFC 7162 §3.2.5).

    known  the UIDs it is interested in; None: all
    pairs  message numbers and UIDs that went together (RFC 7162 §3.2.5.2)
    """

    uid_validity: int
    modseq: int
    known: SequenceSet | None = None
    pairs: tuple[SequenceSet, SequenceSet] | None = None

    def knows(self, uid: int) -> bool:
        """Does the client want to hear of this message?"""
        return self.known is None or self.known.contains(uid, LARGEST)

    def in_step_until(self, uids: list[int]) -> int:
        """The highest UID of which the client knows, with all below, what is there."""
        if self.pairs is None:
            return 0
        best = 0
        for number, uid in zip(*map(_members, self.pairs), strict=False):
            if number > len(uids):
                break
            if uids[number - 1] == uid:
                best = uid
        return best


@command("SELECT", rfc="RFC 3501 §6.3.1")
def select(server: "IMAPServer", words: Scanner) -> Steps:
    """Look into a mailbox, to read and to change."""
    return (yield from _open(server, words, read_only=False))


@command("EXAMINE", rfc="RFC 3501 §6.3.2")
def examine(server: "IMAPServer", words: Scanner) -> Steps:
    """Look into a mailbox without changing anything."""
    return (yield from _open(server, words, read_only=True))


@command("CHECK", rfc="RFC 3501 §6.4.1")
def check(_server: "IMAPServer", words: Scanner) -> Steps:
    """Do housekeeping: look what other programs did to the store."""
    words.end()
    yield Refresh()
    return ok("Checked")


@command("CLOSE", rfc="RFC 3501 §6.4.2")
def close(server: "IMAPServer", words: Scanner) -> Steps:
    """Expunge in silence, and leave the mailbox.

    "The server MUST NOT send ... HIGHESTMODSEQ" here (RFC 7162 §3.2.8).
    """
    words.end()
    yield from server.leave_mailbox(expunge=not server.selected.read_only)
    return ok("Closed")


@command("UNSELECT", rfc="RFC 3691 §2")
def unselect(server: "IMAPServer", words: Scanner) -> Steps:
    """Leave the mailbox, and expunge nothing."""
    words.end()
    yield from server.leave_mailbox()
    return ok("Closed")


# Inside -------------------------------------------------------------------------------


def _open(server: "IMAPServer", words: Scanner, *, read_only: bool) -> Steps:
    words.space()
    name = words.mailbox()
    resync = _parameters(server, words)
    words.end()
    # "if a mailbox is selected and a SELECT command that fails is attempted, no mailbox
    # is selected" -- RFC 3501 §6.3.1
    if server.view:
        yield from server.leave_mailbox()
        server.say(CLOSED.to_wire())
    opened: Opened = yield OpenMailbox(name, read_only)
    view = View(name, opened, server.enabled, read_only=read_only)
    server.view = view
    server.state = State.SELECTED
    _describe(server, view, opened)
    if server.rev2 and opened.folder:  # RFC 9051 §6.3.2
        server.tell_folder("LIST", opened.folder, (), words.old_name)
    if resync and resync.uid_validity == opened.uid_validity:
        yield from _tell_what_changed(server, view, resync)
    mode = "READ-ONLY" if read_only else "READ-WRITE"
    return ok("Opened", mode)


def _describe(server: "IMAPServer", view: View, opened: Opened) -> None:
    flags = (*SYSTEM_FLAGS, *sorted(view.keywords))
    words = " ".join(flags).encode()
    permanent = b"" if view.read_only else words + b" \\*"
    server.untagged(b"FLAGS (%b)" % words)
    server.untagged(b"%d EXISTS" % view.count)
    if not server.rev2:  # RFC 9051 App. E: no RECENT, no [UNSEEN]
        server.untagged(b"%d RECENT" % len(view.recent))
        if view.first_unseen:
            server.untagged(b"OK [UNSEEN %d] First unseen message" % view.first_unseen)
    server.untagged(b"OK [PERMANENTFLAGS (%b)] These are kept" % permanent)
    server.untagged(b"OK [UIDNEXT %d] Predicted next UID" % opened.uid_next)
    server.untagged(b"OK [UIDVALIDITY %d] UIDs valid" % opened.uid_validity)
    if server.options.offers("CONDSTORE"):
        server.tell_highest_modseq()
    if server.options.offers("OBJECTID"):  # RFC 8474 §4.2
        server.untagged(b"OK [MAILBOXID (%b)] Its id" % opened.mailbox_id.encode())


def _parameters(server: "IMAPServer", words: Scanner) -> Resync | None:
    """`(CONDSTORE)`, `(QRESYNC (…))`, or both (RFC 7162 §3.1.8, §3.2.5)."""
    if words.at_end:
        return None
    words.space()
    words.expect(b"(")
    resync, found = None, set[str]()
    while not found or not words.take(b")"):
        if found:
            words.space()
        word = words.keyword()
        if word in found or not server.options.offers(word):
            raise BadSyntax("Each parameter may be given once")
        found.add(word)
        if word == "QRESYNC":
            resync = _read_resync(server, words)
        elif word != "CONDSTORE":
            raise BadSyntax("Parameters here: CONDSTORE, QRESYNC")
    server.enabled.add("CONDSTORE")  # not by `enable`: the old mailbox has no news
    return resync


def _read_resync(server: "IMAPServer", words: Scanner) -> Resync:
    if "QRESYNC" not in server.enabled:  # RFC 7162 §3.2.5: "MUST" be BAD
        raise BadSyntax("ENABLE QRESYNC comes first")
    words.space()
    words.expect(b"(")
    uid_validity = words.number()
    words.space()
    modseq = words.number64()
    known, pairs = None, None
    more = words.take(b" ")
    if more and not words.peek(b"("):
        known = _closed_set(words)
        more = words.take(b" ")
    if more:
        words.expect(b"(")
        numbers = _closed_set(words)
        words.space()
        pairs = numbers, _closed_set(words)
        words.expect(b")")
    words.expect(b")")
    return Resync(uid_validity, modseq, known, pairs)


def _closed_set(words: Scanner) -> SequenceSet:
    found = SequenceSet.scan(words)
    if found.open_from:
        raise BadSyntax('"*" means nothing here')
    return found


def _members(some: SequenceSet) -> Iterator[int]:
    return (number for low, high in some.ranges for number in range(low, high + 1))


def _tell_what_changed(
    server: "IMAPServer", view: View, resync: Resync
) -> Generator[Question, Any, None]:
    answer: Vanished = yield FindVanished(resync.modseq)
    start = resync.in_step_until(view.uids)
    gone = [uid for uid in answer.uids if uid > start and resync.knows(uid)]
    if gone:
        server.untagged(b"VANISHED (EARLIER) %b" % compact(gone).encode())
    for uid in view.uids:
        if view.modseq(uid) > resync.modseq and resync.knows(uid):
            server.say(view.flags_response(uid))
