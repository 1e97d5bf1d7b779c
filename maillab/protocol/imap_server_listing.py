"""LIST and LSUB: which mailboxes there are (RFC 3501 §6.3.8, RFC 5258).

Goes in: patterns and options, all mailboxes of the user. Comes out: untagged LIST
responses, each perhaps with a STATUS response behind it (RFC 5819).

Rule 1: attributes that cost nothing are always told: children, special uses.
Rule 2: there are no remote mailboxes, so REMOTE changes nothing.
Rule 3: the work is bounded: who has many mailboxes cannot match them with anything.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from maillab.protocol.imap_server_commands import Steps, command
from maillab.protocol.imap_server_events import (
    CountMailbox,
    Counts,
    Folders,
    ListMailboxes,
    Refresh,
)
from maillab.protocol.imap_server_status import say_status, status_items
from maillab.wire import imap_list
from maillab.wire.imap import BadName, BadSyntax, Scanner, ok
from maillab.wire.imap_list import DELIMITER, Folder, parents_of

if TYPE_CHECKING:
    from maillab.protocol.imap_server import IMAPServer

MAX_PATTERNS = 100  # of one command
MAX_WILDCARDS = 100  # in all of them
MAX_OPTIONS = 20
SELECTION = ("SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE")
RETURN = ("SUBSCRIBED", "CHILDREN", "SPECIAL-USE", "STATUS")
_NO_BASE = frozenset({"REMOTE", "RECURSIVEMATCH"})


@dataclass(slots=True)
class Wish:
    """What a LIST command asks for.

    extended  in the words of RFC 5258, not only of RFC 3501
    chosen    selection options; `returned`: return options; `items`: those of STATUS
    """

    reference: str = ""
    patterns: tuple[str, ...] = ()
    extended: bool = False
    chosen: frozenset[str] = frozenset()
    returned: frozenset[str] = frozenset()
    items: tuple[str, ...] = ()

    def matches(self, name: str) -> bool:
        """Does one of the patterns match?"""
        # an empty pattern "matches nothing" in an extended LIST (RFC 5258 §3)
        return any(
            imap_list.matches(_canonical(self.reference + pattern), name)
            for pattern in self.patterns
            if pattern
        )


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the answer. `childinfo`: why it is there (RFC 5258 §3.5).

    selected  it meets the selection options itself: it gets a STATUS (RFC 5819 §2)
    """

    folder: Folder
    selected: bool = True
    childinfo: tuple[str, ...] = ()


@command("LIST", rfc="RFC 3501 §6.3.8")
def list_(server: "IMAPServer", words: Scanner) -> Steps:
    """Show the mailboxes whose names match."""
    wish = _read(server, words)
    if not wish.extended and wish.patterns == ("",):
        # "a special request to return the hierarchy delimiter" -- RFC 3501 §6.3.8
        server.untagged(b'LIST (\\Noselect) "/" ""')
        return ok("That is the delimiter")
    if wish.items:
        yield Refresh()
    answer: Folders = yield ListMailboxes()
    existing = {folder.name for folder in answer.folders}
    for line in listed(answer, wish):
        server.tell_folder("LIST", line.folder, line.childinfo)
        if wish.items and line.selected and line.folder.name in existing:
            counts: Counts = yield CountMailbox(line.folder.name)
            say_status(server, line.folder.name, wish.items, counts)
    return ok("That is all")


@command("LSUB", rfc="RFC 3501 §6.3.9")
def lsub(server: "IMAPServer", words: Scanner) -> Steps:
    """Show the subscribed names that match."""
    words.space()
    reference = words.mailbox()
    words.space()
    patterns = tuple(_usable(reference, [_pattern(words)]))
    words.end()
    answer: Folders = yield ListMailboxes()
    for pattern in patterns:
        whole = _canonical(reference + pattern)
        for folder in imap_list.subscribed(answer.subscribed, whole):
            server.tell_folder("LSUB", folder)
    return ok("That is all")


def listed(answer: Folders, wish: Wish) -> list[Listed]:
    """What LIST shows: mailboxes, and the parents they imply, that match."""
    known = {folder.name: folder for folder in answer.folders}
    parents = {parent for name in known for parent in parents_of(name)}
    subscribed = frozenset(answer.subscribed)
    selected = {
        name: frozenset(_reasons(folder, subscribed, wish))
        for name, folder in known.items()
    }
    if "SUBSCRIBED" in wish.chosen:
        missing = {name: frozenset({"SUBSCRIBED"}) for name in subscribed}
        selected = missing | selected
    elif not wish.chosen & {"SPECIAL-USE"}:
        selected |= {name: frozenset({""}) for name in parents - known.keys()}
    selected = {name: why for name, why in selected.items() if why}
    below = _below(selected, wish) if "RECURSIVEMATCH" in wish.chosen else {}
    absent = "\\NonExistent" if wish.extended else "\\Noselect"
    names = imap_list.in_order({*selected, *below})
    found = {n: known.get(n, Folder(n, (absent,))) for n in names if wish.matches(n)}
    return [
        Listed(
            _attributes(folder, parents, subscribed, wish),
            name in selected,
            below.get(name, ()),
        )
        for name, folder in found.items()
    ]


def _canonical(pattern: str) -> str:
    """INBOX in any case, also as the superior of others (RFC 3501 §5.1)."""
    first, *rest = pattern.split(DELIMITER)
    return DELIMITER.join(["INBOX" if first.upper() == "INBOX" else first, *rest])


def _reasons(folder: Folder, subscribed: frozenset[str], wish: Wish) -> Iterable[str]:
    """The selection options that a mailbox meets, if it meets all; "" is "always"."""
    wanted = wish.chosen - _NO_BASE
    met = {
        "": True,
        "SUBSCRIBED": folder.name in subscribed,
        "SPECIAL-USE": bool(folder.attributes),
    }
    return (wanted or {""}) if all(met[option] for option in wanted) else ()


def _below(
    selected: dict[str, frozenset[str]], wish: Wish
) -> dict[str, tuple[str, ...]]:
    """Names with something below them that is meant, but that no pattern matches."""
    found: dict[str, set[str]] = {}
    for name, reasons in selected.items():
        if not wish.matches(name):
            for parent in parents_of(name):
                found.setdefault(parent, set()).update(reasons)
    return {name: tuple(sorted(reasons)) for name, reasons in found.items()}


def _attributes(
    folder: Folder, parents: set[str], subscribed: frozenset[str], wish: Wish
) -> Folder:
    has_children = folder.name in parents
    words = ["\\HasChildren" if has_children else "\\HasNoChildren"]  # RFC 3348 §3
    words += folder.attributes
    if "SUBSCRIBED" in wish.chosen | wish.returned and folder.name in subscribed:
        words.append("\\Subscribed")
    return replace(folder, attributes=tuple(words))


# Reading ------------------------------------------------------------------------------


def _read(server: "IMAPServer", words: Scanner) -> Wish:
    extends = server.options.offers("LIST-EXTENDED")
    wish = Wish()
    words.space()
    if extends and words.peek(b"("):
        wish.extended = True
        wish.chosen = _selection(server, words)
        words.space()
    wish.reference = words.mailbox()
    words.space()
    if extends and words.peek(b"("):
        wish.extended = True
        patterns = _patterns(words)
    else:
        patterns = [_pattern(words)]
    wish.patterns = tuple(_usable(wish.reference, patterns))
    if extends and words.take(b" RETURN "):
        wish.extended = True
        _read_return(server, words, wish)
    words.end()
    return wish


def _pattern(words: Scanner) -> str | None:
    """Read a pattern; None when nothing can match it.

    "Any syntactically valid pattern that is not accepted by a server for any reason
    MUST be silently ignored." -- RFC 9051 §6.3.9
    """
    try:
        return words.list_mailbox()
    except BadName:
        return None


def _usable(reference: str, patterns: Iterable[str | None]) -> Iterable[str]:
    """Those that can match, until there are too many wildcards in them."""
    left = MAX_WILDCARDS
    for pattern in patterns:
        if pattern is not None:
            left -= sum(map((reference + pattern).count, "*%"))
            if left >= 0:
                yield pattern


def _selection(server: "IMAPServer", words: Scanner) -> frozenset[str]:
    found = frozenset(_options(server, words, SELECTION))
    if "RECURSIVEMATCH" in found and found <= _NO_BASE:
        # "the server MUST return a tagged BAD response" -- RFC 5258 §3.1
        raise BadSyntax("RECURSIVEMATCH needs another selection option")
    return found


def _patterns(words: Scanner) -> list[str | None]:
    words.expect(b"(")
    found: list[str | None] = []
    while not found or not words.take(b")"):
        if found:
            words.space()
        found.append(_pattern(words))
        if len(found) > MAX_PATTERNS:
            raise BadSyntax(f"More than {MAX_PATTERNS} patterns")
    return found


def _read_return(server: "IMAPServer", words: Scanner, wish: Wish) -> None:
    found: list[str] = []
    for option in _options(server, words, RETURN):
        found.append(option)
        if option == "STATUS":
            words.space()
            wish.items = status_items(server, words)
    wish.returned = frozenset(found)


def _options(
    server: "IMAPServer", words: Scanner, known: tuple[str, ...]
) -> Iterable[str]:
    """Read options in parentheses, one after the other."""
    words.expect(b"(")
    count = 0
    while not words.take(b")"):
        if count:
            words.space()
        word = words.keyword()
        needed = {"STATUS": "LIST-STATUS", "SPECIAL-USE": "SPECIAL-USE"}.get(word, "")
        if word not in known or not server.options.offers(needed):
            raise BadSyntax(f"Options here: {' '.join(known)}")
        count += 1
        if count > MAX_OPTIONS:
            raise BadSyntax("Too many options")
        yield word
