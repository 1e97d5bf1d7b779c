"""COPY, MOVE, EXPUNGE, and the forms of commands with UIDs (RFC 3501 §6.4).

Goes in: commands. Comes out: [COPYUID]; what is gone is told with the other news.

Rule: FETCH, STORE, SEARCH, COPY, MOVE, EXPUNGE and others have two forms: with message
      numbers, and as `UID …` with UIDs. Both are one function, told which by `by_uid`.
"""

from typing import TYPE_CHECKING

from maillab.errors import Refused
from maillab.protocol.imap_server_choosing import EXPUNGED, chosen, must_write
from maillab.protocol.imap_server_commands import UID_FORMS, Steps, command, uid_form
from maillab.protocol.imap_server_events import Added, CopyMessages, ExpungeMessages
from maillab.protocol.imap_server_view import View
from maillab.wire.imap import BadSyntax, Scanner, ok
from maillab.wire.imap_sets import compact

if TYPE_CHECKING:
    from maillab.protocol.imap_server import IMAPServer


@command("EXPUNGE", rfc="RFC 3501 §6.4.3")
def expunge(server: "IMAPServer", words: Scanner) -> Steps:
    """Remove all messages that are marked \\Deleted."""
    words.end()
    return (yield from _expunge(server, server.selected.deleted))


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
    verb = words.keyword()
    forms = [v for v in sorted(UID_FORMS) if not server.options.lacks(f"UID {v}")]
    if verb not in forms:
        raise BadSyntax(f"UID goes with {', '.join(forms)}")
    return (yield from UID_FORMS[verb](server, words, by_uid=True))


# Both forms ---------------------------------------------------------------------------


@uid_form("COPY", rfc="RFC 3501 §6.4.8")
def _copy(server: "IMAPServer", words: Scanner, *, by_uid: bool) -> Steps:
    uids, target = _what_and_where(server.selected, words, by_uid=by_uid)
    if not uids:  # only UIDs may name nothing
        return ok("Nothing to copy")
    added: Added = yield CopyMessages(uids, target)
    return ok("Copied", _copyuid(server, added))


@uid_form("MOVE", rfc="RFC 6851 §3.2")
def _move(server: "IMAPServer", words: Scanner, *, by_uid: bool) -> Steps:
    uids, target = _what_and_where(server.selected, words, by_uid=by_uid)
    must_write(server.selected)
    if not uids:
        return ok("Nothing to move")
    added: Added = yield CopyMessages(uids, target, move=True)
    code = _copyuid(server, added)
    if code:  # before the EXPUNGE responses (RFC 6851 §4.3)
        server.say(ok("Moved", code).to_wire())
    return ok("Moved", server.modseq_after_expunge)


@uid_form("EXPUNGE", rfc="RFC 4315 §2.1")
def _uid_expunge(server: "IMAPServer", words: Scanner, *, by_uid: bool) -> Steps:
    """Remove those of some messages that are marked \\Deleted."""
    named = set(chosen(server.selected, words, by_uid=by_uid))
    words.end()
    uids = (uid for uid in server.selected.deleted if uid in named)
    return (yield from _expunge(server, tuple(uids)))


# Inside -------------------------------------------------------------------------------


def _expunge(server: "IMAPServer", uids: tuple[int, ...]) -> Steps:
    must_write(server.selected)
    if not uids:
        return ok("Nothing to expunge")
    yield ExpungeMessages(uids)
    return ok("Expunged", server.modseq_after_expunge)


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


def _copyuid(server: "IMAPServer", added: Added) -> str:
    """RFC 4315 §3; it cannot tell of nothing."""
    if not added.uids or not server.options.offers("UIDPLUS"):
        return ""
    return (
        f"COPYUID {added.uid_validity} {compact(added.sources)} {compact(added.uids)}"
    )
