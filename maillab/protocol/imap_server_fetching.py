"""FETCH: data of messages (RFC 3501 §6.4.5).

Goes in: the command, messages from the agent. Comes out: untagged FETCH responses.
"""

from typing import TYPE_CHECKING

from maillab.protocol.imap_server_choosing import chosen, complete
from maillab.protocol.imap_server_commands import Steps, command
from maillab.protocol.imap_server_events import Messages, ReadMessages
from maillab.wire.imap import Scanner
from maillab.wire.imap_fetch import Item, Renderer, scan_items

if TYPE_CHECKING:
    from maillab.protocol.imap_server import IMAPServer


@command("FETCH", rfc="RFC 3501 §6.4.5")
def fetch(server: "IMAPServer", words: Scanner) -> Steps:
    """Give data of messages."""
    return (yield from fetch_messages(server, words, by_uid=False))


def fetch_messages(server: "IMAPServer", words: Scanner, *, by_uid: bool) -> Steps:
    """FETCH, or UID FETCH."""
    view, uids = server.selected, chosen(server.selected, words, by_uid=by_uid)
    words.space()
    items = scan_items(words)
    words.end()
    if by_uid and not any(item.name == "UID" for item in items):
        items = (Item("UID"), *items)
    seen = any(item.sets_seen for item in items) and not view.read_only
    delivered = any(item.has_content for item in items)
    answer: Messages = yield ReadMessages(uids, "content", seen, delivered)
    for data in answer.messages:
        wanted = items
        if data.flags != view.known(data.uid) and Item("FLAGS") not in items:
            wanted = (
                *items,
                Item("FLAGS"),
            )  # "flags SHOULD be included"
        view.told(data.uid, data.flags)
        flags = view.flags(data.uid, data.flags)
        say_fetch(server, data.uid, Renderer(data, flags).render(wanted))
    return complete(uids, answer, "Fetched", by_uid=by_uid)


def say_fetch(server: "IMAPServer", uid: int, items: bytes) -> None:
    """Say data of one message, `(…)`."""
    number = server.selected.number(uid)
    server.say(b"* %d FETCH %b\r\n" % (number, items))
