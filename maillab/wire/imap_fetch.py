"""FETCH: what a client wants of messages (RFC 3501 §6.4.5, RFC 9051 §6.4.5).

Goes in: the words of the command. Comes out: data items, and how much of a message they
need. The answer is written by `imap_fetch_answer`.

Rule: the list is bounded: in items, and in names of header fields.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from maillab.wire import imap
from maillab.wire.imap import BadSyntax, Scanner

MACROS = {
    "FAST": ("FLAGS", "INTERNALDATE", "RFC822.SIZE"),
    "ALL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"),
    "FULL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"),
}
FACTS = {
    *("FLAGS", "INTERNALDATE", "UID", "RFC822.SIZE"),
    "MODSEQ",  # RFC 7162 §3.1.4.2
    *("EMAILID", "THREADID"),  # RFC 8474 §5
    "SAVEDATE",  # RFC 8514 §4.1
}
OF_HEADER = {"ENVELOPE", "RFC822.HEADER"}
OF_CONTENT = {"BODY", "BODYSTRUCTURE", "RFC822", "RFC822.TEXT", "PREVIEW"}
SIMPLE = FACTS | OF_HEADER | OF_CONTENT
SECTIONS = {"BODY": "BODY[]", "BINARY": "BINARY[]", "BINARY.SIZE": "BINARY.SIZE[]"}
SETS_SEEN = {"RFC822", "RFC822.TEXT", "BODY[]", "BINARY[]"}  # BODY.PEEK[] does not
MAX_ITEMS = 100
MAX_NAMES = 1000  # of header fields, in all items

_ITEM = re.compile(rb"[A-Z0-9.]+", re.IGNORECASE)
_PATH = re.compile(rb"(?:[1-9]\d{0,8}\.)*[1-9]\d{0,8}")
_PARTIAL = re.compile(rb"<(\d{1,19})\.([1-9]\d{0,18})>")  # number64


@dataclass(frozen=True, slots=True)
class Section:
    """What stands between the brackets of BODY[…] or BINARY[…].

    path   part numbers; () is the message itself
    text   "", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT" or "MIME"
    names  of header fields
    """

    path: tuple[int, ...] = ()
    text: str = ""
    names: tuple[bytes, ...] = ()

    def to_wire(self) -> bytes:
        """Write it as it appears in the answer."""
        words = [str(number) for number in self.path] + [self.text] * bool(self.text)
        spec = ".".join(words).encode()
        if not self.names:
            return spec
        return spec + b" (" + b" ".join(map(imap.astring, self.names)) + b")"


@dataclass(frozen=True, slots=True)
class Item:
    """One data item: a name, for BODY[…] its section and which octets of it."""

    name: str
    section: Section = Section()
    partial: tuple[int, int] | None = None
    peek: bool = False

    @property
    def sets_seen(self) -> bool:
        """Does fetching it set the \\Seen flag?"""
        return self.name in SETS_SEEN and not self.peek

    @property
    def has_content(self) -> bool:
        """Does it give the text of the message to the client?"""
        return self.name in SETS_SEEN and self.section.text in ("", "TEXT")

    @property
    def need(self) -> int:
        """How much of a message it needs: an index of `NEEDS`."""
        if self.name in FACTS:
            return 0
        of_header = self.section.text.startswith("HEADER") and not self.section.path
        return 1 if self.name in OF_HEADER or of_header else 2


NEEDS: tuple[Literal["facts", "header", "content"], ...] = (
    *("facts", "header", "content"),
)


def needed(items: Iterable[Item]) -> Literal["facts", "header", "content"]:
    """How much of each message must be read.

    >>> needed(scan_items(Scanner(b"(UID BODY.PEEK[HEADER.FIELDS (To)])")))
    'header'
    """
    return NEEDS[max(item.need for item in items)]


def scan_items(words: Scanner) -> tuple[Item, ...]:
    """Read a macro, one item, or a list of items.

    >>> [item.name for item in scan_items(Scanner(b"(UID BODY.PEEK[1.MIME]<0.9>)"))]
    ['UID', 'BODY[]']
    """
    if not words.peek(b"("):
        name = _name(words)
        if name in MACROS:
            return tuple(Item(item) for item in MACROS[name])
        return (_item(words, name),)
    words.expect(b"(")
    items = [_item(words, _name(words))]
    while not words.take(b")"):
        words.space()
        items.append(_item(words, _name(words)))
        if len(items) > MAX_ITEMS:
            raise BadSyntax("Too many data items")
    if sum(len(item.section.names) for item in items) > MAX_NAMES:
        raise BadSyntax("Too many names of header fields")
    return tuple(dict.fromkeys(items))


def _name(words: Scanner) -> str:
    return words.word(_ITEM, "a data item").decode().upper()


def _item(words: Scanner, name: str) -> Item:
    base = name.removesuffix(".PEEK")
    if base in SECTIONS and name != "BINARY.SIZE.PEEK" and words.take(b"["):
        return _with_section(words, name, base)
    if name not in SIMPLE:
        raise BadSyntax(f"Unknown data item {name}")
    if name == "PREVIEW":  # made at once, so that LAZY changes nothing (RFC 8970 §3.2)
        words.take(b" (LAZY)")
    return Item(name)


def _with_section(words: Scanner, name: str, base: str) -> Item:
    is_body = base == "BODY"
    section = _section(words) if is_body else Section(_path(words))  # RFC 3516 §4.2
    words.expect(b"]")
    partial = None if base == "BINARY.SIZE" else _partial(words)
    return Item(SECTIONS[base], section, partial, name.endswith(".PEEK"))


def _path(words: Scanner) -> tuple[int, ...]:
    if words.peek(b"]"):
        return ()
    return tuple(map(int, words.word(_PATH, "a section").split(b".")))


def _section(words: Scanner) -> Section:
    path: tuple[int, ...] = ()
    if not words.peek(b"H") and not words.peek(b"T"):
        path = _path(words)
        if not words.take(b"."):
            return Section(path)
    text = words.word(_ITEM, "a section").decode().upper()
    if text in ("HEADER.FIELDS", "HEADER.FIELDS.NOT"):
        return Section(path, text, _names(words))
    if text in ("HEADER", "TEXT") or (text == "MIME" and path):
        return Section(path, text)
    raise BadSyntax(f"Unknown section {text}")


def _names(words: Scanner) -> tuple[bytes, ...]:
    words.space()
    words.expect(b"(")
    names = [words.astring()]
    while not words.take(b")"):
        words.space()
        names.append(words.astring())
    return tuple(names)


def _partial(words: Scanner) -> tuple[int, int] | None:
    if not words.peek(b"<"):
        return None
    text = words.word(_PARTIAL, "<origin.count>")
    found = _PARTIAL.fullmatch(text)
    assert found, "the scanner matched the same pattern"
    return int(found[1]), int(found[2])
