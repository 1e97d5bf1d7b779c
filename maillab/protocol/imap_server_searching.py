"""SEARCH: which messages match (RFC 3501 §6.4.4).

Goes in: the command, messages from the agent. Comes out: an untagged SEARCH response.
"""

from typing import TYPE_CHECKING

from maillab.errors import Refused
from maillab.protocol.imap_server_commands import Steps, command
from maillab.protocol.imap_server_events import Messages, ReadMessages
from maillab.wire.imap import Scanner, no, ok
from maillab.wire.imap_search import BadCharset, Candidate, scan_search

if TYPE_CHECKING:
    from maillab.protocol.imap_server import IMAPServer


@command("SEARCH", rfc="RFC 3501 §6.4.4")
def search(server: "IMAPServer", words: Scanner) -> Steps:
    """Find messages by number."""
    return (yield from search_messages(server, words, by_uid=False))


def search_messages(server: "IMAPServer", words: Scanner, *, by_uid: bool) -> Steps:
    """SEARCH, or UID SEARCH."""
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
