"""LIST and LSUB: names and patterns (RFC 3501 §6.3.8, §6.3.9).

Goes in: the mailboxes of a user, and a pattern. Comes out: the names to show, and how.

Rule 1: "*" matches anything, "%" anything but the hierarchy delimiter.
Rule 2: a name that exists only as parent of others is shown as \\Noselect.
Rule 3: matching takes time in proportion to pattern times name, whatever the pattern.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

from maillab.wire import imap

DELIMITER = "/"


@dataclass(frozen=True, slots=True)
class Folder:
    """A mailbox as LIST shows it: a name and its attributes.

    >>> Folder("Entwürfe", ("\\\\HasNoChildren", "\\\\Drafts")).to_wire("LIST")
    b'* LIST (\\\\HasNoChildren \\\\Drafts) "/" Entw&APw-rfe\\r\\n'
    """

    name: str
    attributes: tuple[str, ...] = ()

    def to_wire(self, verb: str) -> bytes:
        """Write the untagged response."""
        words = " ".join(self.attributes).encode()
        name = imap.mailbox(self.name)
        return b'* %b (%b) "/" %b\r\n' % (verb.encode(), words, name)


def listed(folders: Iterable[Folder], pattern: str) -> list[Folder]:
    """What LIST shows: mailboxes, and the parents they imply, that match.

    >>> [f.name for f in listed([Folder("INBOX"), Folder("a/b")], "%")]
    ['INBOX', 'a']
    """
    by_name = {folder.name: folder for folder in folders}
    parents = {parent for name in by_name for parent in parents_of(name)}
    for parent in parents - by_name.keys():
        by_name[parent] = Folder(parent, ("\\Noselect",))
    found = [by_name[name] for name in in_order(by_name) if matches(pattern, name)]
    return [_with_children(folder, folder.name in parents) for folder in found]


def subscribed(names: Iterable[str], pattern: str) -> list[Folder]:
    """What LSUB shows: subscribed names that match.

    "foo/bar is subscribed and the pattern is %: foo is shown, with \\Noselect."

    >>> subscribed(["foo/bar"], "%")
    [Folder(name='foo', attributes=('\\\\Noselect',))]
    """
    own = {name: Folder(name) for name in names}
    if pattern.endswith("%"):
        parents = {parent for name in own for parent in parents_of(name)}
        own |= {name: Folder(name, ("\\Noselect",)) for name in parents - own.keys()}
    return [own[name] for name in in_order(own) if matches(pattern, name)]


def matches(pattern: str, name: str) -> bool:
    """Does a name match a pattern?

    >>> matches("~fred/%", "~fred/a"), matches("~fred/%", "~fred/a/b")
    (True, False)

    Walks through the name with all places in the pattern where one may be.
    """
    places = _skip_wildcards(pattern, {0})
    for character in name:
        steps = (_step(pattern, place, character) for place in places)
        places = _skip_wildcards(pattern, {place for place in steps if place >= 0})
    return len(pattern) in places


def parents_of(name: str) -> list[str]:
    """All superior names, from the top.

    >>> parents_of("a/b/c")
    ['a', 'a/b']
    """
    parts = name.split(DELIMITER)
    return [DELIMITER.join(parts[:count]) for count in range(1, len(parts))]


def in_order(names: Iterable[str]) -> list[str]:
    """INBOX first, then the others by name."""
    return sorted(names, key=lambda name: (name != "INBOX", name))


def _step(pattern: str, place: int, character: str) -> int:
    if place == len(pattern):
        return -1
    wanted = pattern[place]
    if wanted == "*" or (wanted == "%" and character != DELIMITER):
        return place
    return place + 1 if wanted == character else -1


def _skip_wildcards(pattern: str, places: set[int]) -> set[int]:
    def skip(found: set[int], place: int) -> set[int]:
        while place < len(pattern) and pattern[place] in "*%" and place not in found:
            found.add(place)
            place += 1
        return found | {place}

    return reduce(skip, places, set[int]())


def _with_children(folder: Folder, has_children: bool) -> Folder:
    word = "\\HasChildren" if has_children else "\\HasNoChildren"  # RFC 3348 §3
    return Folder(folder.name, (word, *folder.attributes))
