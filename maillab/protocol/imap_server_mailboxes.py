"""IMAP commands that change mailboxes and subscriptions (RFC 3501 §6.3).

Goes in: names, as the client spells them. Comes out: questions, then OK.

Rule: whether a name can be made, changed or removed is for the agent to say.
"""

from typing import TYPE_CHECKING

from maillab.errors import Refused
from maillab.protocol.imap_server_commands import Steps, command
from maillab.protocol.imap_server_events import (
    CreateMailbox,
    DeleteMailbox,
    Made,
    RenameMailbox,
    SubscribeMailbox,
)
from maillab.wire.imap import BadSyntax, Scanner, Status, no, ok

if TYPE_CHECKING:
    from maillab.protocol.imap_server import IMAPServer

# What a mailbox can be made for (RFC 6154 §2, RFC 8457 §3). \All and \Flagged would be
# views of other mailboxes: there are none here.
USES = ("\\Archive", "\\Drafts", "\\Important", "\\Junk", "\\Sent", "\\Trash")


@command("CREATE", rfc="RFC 3501 §6.3.3")
def create(server: "IMAPServer", words: Scanner) -> Steps:
    """Make a mailbox, perhaps for a special use (RFC 6154 §3)."""
    words.space()
    name = words.mailbox()
    use = ""
    if server.options.offers("CREATE-SPECIAL-USE") and words.take(b" (USE ("):
        use = _read_use(words)
    words.end()
    made: Made = yield CreateMailbox(name, use)
    server.tell_real_name(words, name)
    shows_id = server.options.offers("OBJECTID")  # RFC 8474 §4.1
    return ok("Created", f"MAILBOXID ({made.mailbox_id})" if shows_id else "")


@command("DELETE", rfc="RFC 3501 §6.3.4")
def delete(server: "IMAPServer", words: Scanner) -> Steps:
    """Remove a mailbox."""
    name = _only_name(words)
    yield DeleteMailbox(name)
    server.tell_real_name(words, name, "\\NonExistent")
    return ok("Deleted")


@command("RENAME", rfc="RFC 3501 §6.3.5")
def rename(server: "IMAPServer", words: Scanner) -> Steps:
    """Give a mailbox another name."""
    words.space()
    old = words.mailbox()
    given = words.old_name or old
    new = _only_name(words)
    yield RenameMailbox(old, new)
    if words.old_name and old != "INBOX":
        words.old_name = given  # "being the supplied existing mailbox name"
        server.tell_real_name(words, new)
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


@command("NAMESPACE", rfc="RFC 2342 §5")
def namespace(server: "IMAPServer", words: Scanner) -> Status:
    """Say where a user's mailboxes are: all in one place."""
    words.end()
    server.untagged(b'NAMESPACE (("" "/")) NIL NIL')
    return ok("That is all")


# Inside -------------------------------------------------------------------------------


def _only_name(words: Scanner) -> str:
    words.space()
    name = words.mailbox()
    words.end()
    return name


def _read_use(words: Scanner) -> str:
    """Read the rest of `(USE (\\Sent))`; "" is for an empty list."""
    uses: list[str] = []
    while not words.take(b"))"):
        if uses:
            words.space()
        words.expect(b"\\")
        uses.append("\\" + words.atom().capitalize())
        if len(uses) > len(USES):
            raise BadSyntax("Too many uses")
    if len(set(uses)) > 1 or not set(uses) <= set(USES):
        raise Refused(no(f"One of these uses: {' '.join(USES)}", "USEATTR"))
    return uses[0] if uses else ""
