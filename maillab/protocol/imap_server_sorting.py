"""SORT and THREAD: what was searched for, in an order (RFC 5256).

Goes in: the command, messages from the agent. Comes out: an untagged SORT or THREAD.

Rule: first all that SEARCH does; then headers of what it found, and only if needed.
"""

from typing import TYPE_CHECKING, Any

from maillab.errors import Refused
from maillab.protocol.imap_server_commands import Steps, command, uid_form
from maillab.protocol.imap_server_events import ReadMessages
from maillab.protocol.imap_server_reading import read
from maillab.protocol.imap_server_searching import find, read_keys
from maillab.wire import imap_thread as thread
from maillab.wire.imap import BadSyntax, Scanner, no, ok
from maillab.wire.imap_message import MessageData
from maillab.wire.imap_sort import OF_FACTS, Sortable, scan_criteria, sort

if TYPE_CHECKING:
    from maillab.protocol.imap_server import IMAPServer


@command("SORT", rfc="RFC 5256 §3")
def sort_by_number(server: "IMAPServer", words: Scanner) -> Steps:
    """Search, and give numbers in an order."""
    return (yield from sort_messages(server, words, by_uid=False))


@uid_form("SORT", rfc="RFC 5256 §3")
def sort_messages(server: "IMAPServer", words: Scanner, *, by_uid: bool) -> Steps:
    """SORT, or UID SORT."""
    words.space()
    criteria = scan_criteria(words)
    words.space()
    key = read_keys(server, words, charset=True)
    view, uids = server.selected, (yield from find(server, key))
    rows: list[tuple[int, tuple[Any, ...]]] = []

    def note(data: MessageData) -> None:
        rows.append((data.uid, Sortable(data).values(criteria)))

    by_facts = {criterion.key for criterion in criteria} <= OF_FACTS
    question = ReadMessages(tuple(uids), "facts" if by_facts else "header")
    yield from read(question, note)
    found = sort(rows, criteria)
    words_ = ["SORT", *(str(u if by_uid else view.number(u)) for u in found)]
    if found and "MODSEQ" in key.names():  # RFC 7162 §7, sort-data
        words_.append(f"(MODSEQ {max(map(view.modseq, found))})")
    server.untagged(" ".join(words_).encode())
    return ok("Sorted")


@command("THREAD", rfc="RFC 5256 §3")
def thread_by_number(server: "IMAPServer", words: Scanner) -> Steps:
    """Search, and give numbers in threads."""
    return (yield from thread_messages(server, words, by_uid=False))


@uid_form("THREAD", rfc="RFC 5256 §3")
def thread_messages(server: "IMAPServer", words: Scanner, *, by_uid: bool) -> Steps:
    """THREAD, or UID THREAD."""
    words.space()
    algorithm = words.keyword()
    offered = server.options.offers(f"THREAD={algorithm}")
    if algorithm not in thread.ALGORITHMS or not offered:
        raise BadSyntax(f"Algorithms here: {', '.join(thread.ALGORITHMS)}")
    words.space()
    key = read_keys(server, words, charset=True)
    view, uids = server.selected, (yield from find(server, key))
    messages: list[thread.Threadable] = []

    def note(data: MessageData) -> None:
        number = data.uid if by_uid else view.number(data.uid)
        messages.append(thread.Threadable.of(data, number))

    yield from read(ReadMessages(tuple(uids), "header"), note)
    try:
        by_subject = algorithm == "ORDEREDSUBJECT"
        make = thread.ordered_subject if by_subject else thread.references
        found = thread.to_wire(make(messages))
    except thread.TooTangled:
        raise Refused(no("The references are too tangled", "LIMIT")) from None
    server.untagged(f"THREAD {found}".rstrip().encode())
    return ok("Threaded")
