"""STATUS: counting the messages of a mailbox without opening it (RFC 9051 §6.3.11).

Goes in: which items, and counts from the agent. Comes out: an untagged STATUS response.
LIST uses the same (RFC 5819).
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from maillab.protocol.imap_server_commands import Steps, command
from maillab.protocol.imap_server_events import CountMailbox, Counts, Refresh
from maillab.wire import imap
from maillab.wire.imap import BadSyntax, Scanner, ok

if TYPE_CHECKING:
    from maillab.protocol.imap_server import IMAPServer

# Each item, and the capability that it belongs to ("": to the protocol itself).
ITEMS: dict[str, tuple[str, Callable[[Counts], object]]] = {
    "MESSAGES": ("", lambda counts: counts.messages),
    "RECENT": ("", lambda counts: counts.recent),
    "UIDNEXT": ("", lambda counts: counts.uid_next),
    "UIDVALIDITY": ("", lambda counts: counts.uid_validity),
    "UNSEEN": ("", lambda counts: counts.unseen),
    "DELETED": ("", lambda counts: counts.deleted),  # RFC 9051, RFC 9208 §4.1.4
    "SIZE": ("STATUS=SIZE", lambda counts: counts.size),  # RFC 8438 §4
    "HIGHESTMODSEQ": ("CONDSTORE", lambda counts: counts.highest_modseq),
    "MAILBOXID": ("OBJECTID", lambda counts: f"({counts.mailbox_id})"),  # RFC 8474 §4.3
    "APPENDLIMIT": ("APPENDLIMIT", lambda counts: counts),  # the server's: RFC 7889 §4
    "DELETED-STORAGE": ("QUOTA=RES-STORAGE", lambda counts: counts.deleted_size),
}


@command("STATUS", rfc="RFC 3501 §6.3.10")
def status(server: "IMAPServer", words: Scanner) -> Steps:
    """Count the messages of a mailbox without opening it."""
    words.space()
    name = words.mailbox()
    words.space()
    items = status_items(server, words)
    words.end()
    yield Refresh()
    counts: Counts = yield CountMailbox(name)
    say_status(server, name, items, counts)
    return ok("Counted")


def status_items(server: "IMAPServer", words: Scanner) -> tuple[str, ...]:
    """Read the items, in parentheses."""
    words.expect(b"(")
    items: list[str] = []
    while not items or not words.take(b")"):
        if items:
            words.space()
        item = words.keyword()
        known = [name for name, (of, _) in ITEMS.items() if server.options.offers(of)]
        if item not in known or len(items) > 2 * len(ITEMS):
            raise BadSyntax(f"Items here: {' '.join(known)}")
        items.append(item)
    if "HIGHESTMODSEQ" in items:  # a "CONDSTORE enabling command" (RFC 7162 §3.1)
        server.enable("CONDSTORE")
    return tuple(dict.fromkeys(items))


def say_status(
    server: "IMAPServer", name: str, items: Sequence[str], counts: Counts
) -> None:
    """Say what was counted."""
    values = {item: ITEMS[item][1](counts) for item in items}
    if "APPENDLIMIT" in values:
        values["APPENDLIMIT"] = server.options.append_limit
    shown = " ".join(f"{item} {value}" for item, value in values.items())
    written = imap.mailbox(name, server.utf8)
    server.untagged(b"STATUS %b (%b)" % (written, shown.encode()))
