"""IMAP commands about mailboxes (authenticated state, RFC 3501 §6.3)."""

from typing import TYPE_CHECKING

from maillab.errors import Refused
from maillab.protocol.imap_server_commands import State, Steps, command
from maillab.protocol.imap_server_events import (
    Added,
    AppendMessage,
    CountMailbox,
    Counts,
    CreateMailbox,
    DeleteMailbox,
    Folders,
    ListMailboxes,
    Opened,
    OpenMailbox,
    RenameMailbox,
    SubscribeMailbox,
)
from maillab.protocol.imap_server_input import too_big
from maillab.protocol.imap_server_view import View
from maillab.wire import imap, imap_list
from maillab.wire.imap import SYSTEM_FLAGS, BadSyntax, Scanner, Status, no, ok
from maillab.wire.imap_dates import scan_date_time

if TYPE_CHECKING:
    from maillab.protocol.imap_server import IMAPServer

STATUS_ITEMS = ("MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN")


@command("SELECT", rfc="RFC 3501 §6.3.1")
def select(server: "IMAPServer", words: Scanner) -> Steps:
    """Look into a mailbox, to read and to change."""
    return (yield from _open(server, words, read_only=False))


@command("EXAMINE", rfc="RFC 3501 §6.3.2")
def examine(server: "IMAPServer", words: Scanner) -> Steps:
    """Look into a mailbox without changing anything."""
    return (yield from _open(server, words, read_only=True))


@command("CREATE", rfc="RFC 3501 §6.3.3")
def create(_server: "IMAPServer", words: Scanner) -> Steps:
    """Make a mailbox."""
    yield CreateMailbox(_only_name(words))
    return ok("Created")


@command("DELETE", rfc="RFC 3501 §6.3.4")
def delete(_server: "IMAPServer", words: Scanner) -> Steps:
    """Remove a mailbox."""
    yield DeleteMailbox(_only_name(words))
    return ok("Deleted")


@command("RENAME", rfc="RFC 3501 §6.3.5")
def rename(_server: "IMAPServer", words: Scanner) -> Steps:
    """Give a mailbox another name."""
    words.space()
    old = words.mailbox()
    yield RenameMailbox(old, _only_name(words))
    return ok("Renamed")


@command("SUBSCRIBE", rfc="RFC 3501 §6.3.6")
def subscribe(_server: "IMAPServer", words: Scanner) -> Steps:
    """Put a name on the list of LSUB."""
    yield SubscribeMailbox(_only_name(words), wanted=True)
    return ok("Subscribed")


@command("UNSUBSCRIBE", rfc="RFC 3501 §6.3.7")
def unsubscribe(_server: "IMAPServer", words: Scanner) -> Steps:
    """Take a name off the list of LSUB."""
    yield SubscribeMailbox(_only_name(words), wanted=False)
    return ok("No longer subscribed")


@command("LIST", rfc="RFC 3501 §6.3.8")
def list_(server: "IMAPServer", words: Scanner) -> Steps:
    """Show the mailboxes whose names match."""
    pattern, has_pattern = _pattern(words)
    if not has_pattern:  # "a special request to return the hierarchy delimiter"
        server.untagged(b'LIST (\\Noselect) "/" ""')
        return ok("That is the delimiter")
    answer: Folders = yield ListMailboxes(subscribed=False)
    for folder in imap_list.listed(answer.folders, pattern):
        server.say(folder.to_wire("LIST"))
    return ok("That is all")


@command("LSUB", rfc="RFC 3501 §6.3.9")
def lsub(server: "IMAPServer", words: Scanner) -> Steps:
    """Show the subscribed names that match."""
    pattern, _ = _pattern(words)
    answer: Folders = yield ListMailboxes(subscribed=True)
    names = [folder.name for folder in answer.folders]
    for folder in imap_list.subscribed(names, pattern):
        server.say(folder.to_wire("LSUB"))
    return ok("That is all")


@command("NAMESPACE", rfc="RFC 2342 §5")
def namespace(server: "IMAPServer", words: Scanner) -> Status:
    """Say where a user's mailboxes are: all in one place."""
    words.end()
    server.untagged(b'NAMESPACE (("" "/")) NIL NIL')
    return ok("That is all")


@command("STATUS", rfc="RFC 3501 §6.3.10")
def status(server: "IMAPServer", words: Scanner) -> Steps:
    """Count the messages of a mailbox without opening it."""
    words.space()
    name = words.mailbox()
    words.space()
    items = _status_items(words)
    words.end()
    counts: Counts = yield CountMailbox(name)
    values = {
        "MESSAGES": counts.messages,
        "RECENT": counts.recent,
        "UIDNEXT": counts.uid_next,
        "UIDVALIDITY": counts.uid_validity,
        "UNSEEN": counts.unseen,
    }
    shown = " ".join(f"{item} {values[item]}" for item in items)
    server.untagged(b"STATUS %b (%b)" % (imap.mailbox(name), shown.encode()))
    return ok("Counted")


@command("APPEND", rfc="RFC 3501 §6.3.11")
def append(server: "IMAPServer", words: Scanner) -> Steps:
    """Put a message into a mailbox."""
    words.space()
    name = words.mailbox()
    words.space()
    flags: tuple[str, ...] = ()
    if words.peek(b"("):
        flags = words.flag_list()
        words.space()
    date = None
    if words.peek(b'"'):
        date = scan_date_time(words)
        words.space()
    content = words.string()
    words.end()
    if len(content) > server.append_limit:
        raise Refused(too_big(server.append_limit))
    if b"\0" in content:  # RFC 3501 §9, CHAR8
        raise Refused(no("A message must not have NUL octets"))
    added: Added = yield AppendMessage(name, content, flags, date)
    code = f"APPENDUID {added.uid_validity} {added.uids[0]}"  # RFC 4315 §3
    return ok("Appended", code)


# Inside -------------------------------------------------------------------------------


def _open(server: "IMAPServer", words: Scanner, *, read_only: bool) -> Steps:
    name = _only_name(words)
    # "if a mailbox is selected and a SELECT command that fails is attempted, no mailbox
    # is selected" -- RFC 3501 §6.3.1
    yield from server.leave_mailbox()
    opened: Opened = yield OpenMailbox(name, read_only)
    server.view = view = View(name, opened, read_only=read_only)
    server.state = State.SELECTED
    _describe(server, view, opened)
    mode = "READ-ONLY" if read_only else "READ-WRITE"
    return ok("Opened", mode)


def _describe(server: "IMAPServer", view: View, opened: Opened) -> None:
    flags = (*SYSTEM_FLAGS, *sorted(view.keywords))
    words = " ".join(flags).encode()
    permanent = b"" if view.read_only else words + b" \\*"
    server.untagged(b"FLAGS (%b)" % words)
    server.untagged(b"%d EXISTS" % view.count)
    server.untagged(b"%d RECENT" % len(view.recent))
    if view.first_unseen:
        server.untagged(b"OK [UNSEEN %d] First unseen message" % view.first_unseen)
    server.untagged(b"OK [PERMANENTFLAGS (%b)] These are kept" % permanent)
    server.untagged(b"OK [UIDNEXT %d] Predicted next UID" % opened.uid_next)
    server.untagged(b"OK [UIDVALIDITY %d] UIDs valid" % opened.uid_validity)


def _only_name(words: Scanner) -> str:
    words.space()
    name = words.mailbox()
    words.end()
    return name


def _pattern(words: Scanner) -> tuple[str, bool]:
    """Reference and pattern in one, and whether there was a pattern at all."""
    words.space()
    reference = words.mailbox()
    words.space()
    pattern = words.list_mailbox()
    words.end()
    return reference + pattern, pattern != ""


def _status_items(words: Scanner) -> list[str]:
    words.expect(b"(")
    items: list[str] = []
    while not words.take(b")"):
        if items:
            words.space()
        item = words.keyword()
        if item not in STATUS_ITEMS:
            raise BadSyntax(f"Items here: {' '.join(STATUS_ITEMS)}")
        items.append(item)
    if not items:
        raise BadSyntax("Expected at least one item")
    return list(dict.fromkeys(items))
