"""SEARCH: which messages match (RFC 3501 §6.4.4, RFC 9051 §6.4.4).

Goes in: the command, messages from the agent. Comes out: an untagged SEARCH or ESEARCH
response, and what `$` stands for from then on (RFC 5182).

Rule 1: in phases: what the session knows, then facts, then headers, then contents. Each
        phase reads only the messages of which the one before could not say enough.
Rule 2: work is counted. A search that is too much ends in NO [LIMIT].
"""

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maillab.errors import Refused
from maillab.protocol.engine import Pause, Question
from maillab.protocol.imap_server_choosing import saved
from maillab.protocol.imap_server_commands import Steps, command, uid_form
from maillab.protocol.imap_server_events import AskTime, Now, ReadMessages
from maillab.protocol.imap_server_reading import read
from maillab.protocol.imap_server_view import View
from maillab.wire.imap import BadSyntax, Scanner, no, ok, string
from maillab.wire.imap_fetch import NEEDS
from maillab.wire.imap_matching import (
    NUMBER,
    Candidate,
    Circumstances,
    Verdict,
    levels,
)
from maillab.wire.imap_message import MessageData
from maillab.wire.imap_search import (
    BadCharset,
    Key,
    TooManyKeys,
    scan_charset,
    scan_keys,
    scan_search,
)
from maillab.wire.imap_sets import compact
from maillab.wire.message import DateTime
from maillab.wire.unicode_text import CHARSETS

if TYPE_CHECKING:
    from maillab.protocol.imap_server import IMAPServer

MAX_WORK = 20_000_000_000  # characters that one command may look at: many seconds
AT_ONCE = 10_000  # messages that are asked for their numbers; then others have a turn

CAPABILITY_OF = {
    **dict.fromkeys(("OLDER", "YOUNGER"), "WITHIN"),
    **dict.fromkeys(("EMAILID", "THREADID"), "OBJECTID"),
    **dict.fromkeys(("SAVEDBEFORE", "SAVEDON", "SAVEDSINCE"), "SAVEDATE"),
    "SAVEDATESUPPORTED": "SAVEDATE",
    "MODSEQ": "CONDSTORE",
    "SAVED": "SEARCHRES",
}

_NOTHING = DateTime(1970, 1, 1)
Reading = Generator[Question | Pause, Any, list[int]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client wants to hear: `options` of RETURN (RFC 4731 §3.1)."""

    options: frozenset[str]
    extended: bool  # an ESEARCH response
    by_uid: bool
    with_modseq: bool = False  # RFC 7162 §3.1.5


@command("SEARCH", rfc="RFC 3501 §6.4.4")
def search(server: "IMAPServer", words: Scanner) -> Steps:
    """Find messages by number."""
    return (yield from search_messages(server, words, by_uid=False))


@uid_form("SEARCH", rfc="RFC 3501 §6.4.8")
def search_messages(server: "IMAPServer", words: Scanner, *, by_uid: bool) -> Steps:
    """SEARCH, or UID SEARCH."""
    words.space()
    view, options = server.selected, _return_options(server, words)
    try:
        key = read_keys(server, words)
    except Refused:
        # "a SEARCH command with the SAVE result option that caused the server to return
        # the NO tagged response sets ... the empty sequence" (RFC 5182 §2.1)
        view.saved = () if "SAVE" in options else view.saved
        raise
    with_modseq = "MODSEQ" in key.names()
    old, save = saved(view), "SAVE" in options
    view.saved = () if save else view.saved  # should the command fail on the way
    uids = yield from find(server, key, old)
    view.saved = tuple(_to_save(uids, options)) if save else view.saved
    # "RETURN ()" is ALL; without RETURN only IMAP4rev2 has the new answer
    extended = bool(options) or server.rev2
    answer = Answer(options or frozenset({"ALL"}), extended, by_uid, with_modseq)
    _tell(server, uids, answer)
    return ok("Searched")


def read_keys(server: "IMAPServer", words: Scanner, *, charset: bool = False) -> Key:
    """Read the keys of SEARCH; with `charset` a charset must stand before them."""
    if words.peek(b"CHARSET ") and "UTF8=ACCEPT" in server.enabled:
        raise BadSyntax("All is UTF-8 after ENABLE UTF8=ACCEPT")  # RFC 6855 §3
    try:
        if charset:
            codec = scan_charset(words)
            words.space()
            key = scan_keys(words, codec)
        else:
            key = scan_search(words)
    except BadCharset as error:  # RFC 3501 §6.4.4: NO, not BAD
        raise Refused(no(str(error), f"BADCHARSET ({' '.join(CHARSETS)})")) from None
    except TooManyKeys as error:
        raise Refused(no(str(error), "LIMIT")) from None
    words.end()
    for name in key.names():
        if not server.options.offers(CAPABILITY_OF.get(name, "")):
            raise BadSyntax(f"Unknown search key {name}")
    # "The VANISHED response MUST NOT be sent during a UID SEARCH command that contains
    # message numbers" (RFC 7162 §3.2.10.2); nor EXPUNGE, for the same reason
    server.names_numbers = "NUMBERS" in key.names()
    if "MODSEQ" in key.names():
        server.enable("CONDSTORE")
    return key


def find(
    server: "IMAPServer", key: Key, result: Iterable[int] | None = None
) -> Reading:
    """The UIDs of all messages that a key finds, ascending (for `yield from`).

    `result`: what `$` means in the key, if not what it is now.
    """
    view, now = server.selected, 0
    if key.names() & {"OLDER", "YOUNGER"}:
        time: Now = yield AskTime()
        now = time.seconds
    before = frozenset(saved(view) if result is None else result)
    last_uid = view.uids[-1] if view.uids else 0
    around = Circumstances(view.count, last_uid, before, now)
    search = _Search(view, key, around)
    for level in levels(key):
        search.begin(level)
        if level == NUMBER:
            yield from search.by_number()
        else:
            question = ReadMessages(search.undecided, NEEDS[level - 1])
            yield from read(question, search.look_at)
    return sorted(search.found)


class _Search:
    """A search on its way through the phases."""

    def __init__(self, view: View, key: Key, around: Circumstances) -> None:
        self.found: list[int] = []
        self.undecided: tuple[int, ...] = ()
        self._next = [uid for uid in view.uids if view.exists(uid)]
        self._view = view
        self._key = key
        self._around = around
        self._level = NUMBER
        self._work = 0

    def begin(self, level: int) -> None:
        """A phase begins: with the messages that the last one left open."""
        self._level = level
        self.undecided, self._next = tuple(self._next), []

    def by_number(self) -> Generator[Pause, Any, None]:
        """The first phase needs nothing of a message but its number and UID."""
        for at, uid in enumerate(self.undecided, 1):
            self.look_at(MessageData(uid, frozenset(), _NOTHING, b"", 0))
            if at % AT_ONCE == 0:
                yield Pause()

    def look_at(self, data: MessageData) -> None:
        """Ask one message."""
        candidate = Candidate(
            data,
            number=self._view.number(data.uid),
            flags=self._view.flags(data.uid, data.flags),
            known=self._level,
            around=self._around,
        )
        verdict = candidate.verdict(self._key)
        if verdict is Verdict.YES:
            self.found.append(data.uid)
        elif verdict is Verdict.UNKNOWN:
            self._next.append(data.uid)
        self._work += candidate.work
        if self._work > MAX_WORK:
            raise Refused(no("That is too much to look for at once", "LIMIT"))


# RETURN (RFC 4731, RFC 5182) ----------------------------------------------------------


def _return_options(server: "IMAPServer", words: Scanner) -> frozenset[str]:
    """`RETURN (MIN MAX)`; nothing when it is not there."""
    if not server.options.offers("ESEARCH") or not words.take(b"RETURN ("):
        return frozenset()
    known = {"MIN", "MAX", "ALL", "COUNT"}
    if server.options.offers("SEARCHRES"):
        known.add("SAVE")
    options: set[str] = set()
    while not words.take(b")"):
        if options:
            words.space()
        option = words.keyword()
        if option not in known:
            raise BadSyntax(f"RETURN knows {', '.join(sorted(known))}")
        options.add(option)
    words.space()
    return frozenset(options or {"ALL"})


def _to_save(uids: list[int], options: frozenset[str]) -> Iterable[int]:
    """The table of RFC 5182 §2.4: with MIN and MAX alone, only these."""
    if options & {"ALL", "COUNT"} or not options & {"MIN", "MAX"} or not uids:
        return uids
    ends = {"MIN": uids[0], "MAX": uids[-1]}
    return sorted({uid for option, uid in ends.items() if option in options})


def _tell(server: "IMAPServer", uids: list[int], answer: Answer) -> None:
    view = server.selected
    if not answer.options - {"SAVE"}:
        return  # "the server MUST NOT return" an ESEARCH response (RFC 5182 §2.1)
    numbers = uids if answer.by_uid else [view.number(uid) for uid in uids]
    if answer.extended:
        server.untagged(_esearch(server, uids, numbers, answer))
        return
    words = ["SEARCH", *map(str, numbers)]
    if answer.with_modseq and uids:
        words.append(f"(MODSEQ {max(map(view.modseq, uids))})")
    server.untagged(" ".join(words).encode())


def _esearch(
    server: "IMAPServer", uids: list[int], numbers: list[int], answer: Answer
) -> bytes:
    """RFC 4731 §3.1; what is not there has no MIN, MAX and ALL."""
    words = [b"ESEARCH (TAG %b)" % string(server.tag.encode())]
    if answer.by_uid:
        words.append(b"UID")
    if "MIN" in answer.options and numbers:
        words.append(b"MIN %d" % numbers[0])
    if "MAX" in answer.options and numbers:
        words.append(b"MAX %d" % numbers[-1])
    if "COUNT" in answer.options:
        words.append(b"COUNT %d" % len(numbers))
    if "ALL" in answer.options and numbers:
        words.append(b"ALL %b" % compact(numbers).encode())
    if answer.with_modseq and uids:
        # of all that was found, or of the MIN and MAX alone (RFC 7162 §3.1.10)
        told = _to_save(uids, answer.options)
        words.append(b"MODSEQ %d" % max(map(server.selected.modseq, told)))
    return b" ".join(words)
