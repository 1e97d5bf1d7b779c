"""FETCH: what a client wants of a message, and the answer (RFC 3501 §6.4.5, §7.4.2).

Goes in: the data items of the command, and one message. Comes out: the items' values.

Rule 1: sections are exact to the octet: they are cut out of the message, never rebuilt.
Rule 2: a section that a message does not have is NIL; an origin behind its end is "".
"""

import re
from dataclasses import dataclass

from maillab.wire import imap, imap_structure, mime
from maillab.wire.imap import BadSyntax, Scanner
from maillab.wire.imap_dates import date_time
from maillab.wire.imap_message import MessageData
from maillab.wire.message import Header
from maillab.wire.mime import Part

MACROS = {
    "FAST": ("FLAGS", "INTERNALDATE", "RFC822.SIZE"),
    "ALL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"),
    "FULL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"),
}
SIMPLE = {
    *("ENVELOPE", "FLAGS", "INTERNALDATE", "UID", "BODY", "BODYSTRUCTURE"),
    *("RFC822", "RFC822.HEADER", "RFC822.SIZE", "RFC822.TEXT"),
}
SETS_SEEN = {"RFC822", "RFC822.TEXT", "BODY[]"}  # BODY.PEEK[] does not
MAX_ITEMS = 100

_ITEM = re.compile(rb"[A-Z0-9.]+", re.IGNORECASE)
_PATH = re.compile(rb"(?:[1-9]\d{0,8}\.)*[1-9]\d{0,8}")
_PARTIAL = re.compile(rb"<(\d{1,10})\.([1-9]\d{0,9})>")


@dataclass(frozen=True, slots=True)
class Section:
    """What stands between the brackets of BODY[…].

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
        return (
            spec + b" (" + b" ".join(imap.astring(name) for name in self.names) + b")"
        )


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


def scan_items(words: Scanner) -> tuple[Item, ...]:
    """Read a macro, one item, or a list of items.

    >>> [item.name for item in scan_items(Scanner(b"(UID BODY.PEEK[1.MIME]<0.9>)"))]
    ['UID', 'BODY[]']
    """
    if not words.peek(b"("):
        return _macro_or_item(words)
    words.expect(b"(")
    items = [_item(words)]
    while not words.take(b")"):
        words.space()
        items.append(_item(words))
        if len(items) > MAX_ITEMS:
            raise BadSyntax("Too many data items")
    return tuple(items)


def _macro_or_item(words: Scanner) -> tuple[Item, ...]:
    for macro, names in MACROS.items():
        if words.peek(macro.encode()):
            words.expect(macro.encode())
            return tuple(Item(name) for name in names)
    return (_item(words),)


def _item(words: Scanner) -> Item:
    name = words.word(_ITEM, "a data item").decode().upper()
    if name in ("BODY", "BODY.PEEK") and words.take(b"["):
        section = _section(words)
        words.expect(b"]")
        return Item("BODY[]", section, _partial(words), name == "BODY.PEEK")
    if name not in SIMPLE:
        raise BadSyntax(f"Unknown data item {name}")
    return Item(name)


def _section(words: Scanner) -> Section:
    path: tuple[int, ...] = ()
    if not words.peek(b"]") and not words.peek(b"H") and not words.peek(b"T"):
        numbers = words.word(_PATH, "a section")
        path = tuple(int(number) for number in numbers.split(b"."))
        if not words.take(b"."):
            return Section(path)
    if not path and words.peek(b"]"):
        return Section()
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


# The answer ---------------------------------------------------------------------------


class Renderer:
    """Writes data items of one message. The message is taken apart only if needed."""

    def __init__(self, message: MessageData, flags: frozenset[str]) -> None:
        self._message = message
        self._flags = flags  # with \Recent, which belongs to the session
        self._tree: Part | None = None

    def render(self, items: tuple[Item, ...]) -> bytes:
        """Write the list of items and values.

        >>> from maillab.wire.message import DateTime
        >>> now = DateTime(2026, 1, 1)
        >>> data = MessageData(7, frozenset(), now, b"To: bob\\r\\n\\r\\nHi")
        >>> items = scan_items(Scanner(b"(UID BODY[TEXT]<0.1>)"))
        >>> Renderer(data, frozenset({"\\\\Seen"})).render(items)
        b'(UID 7 BODY[TEXT]<0> "H")'
        """
        return b"(" + b" ".join(self._pair(item) for item in items) + b")"

    def _pair(self, item: Item) -> bytes:
        if item.name != "BODY[]":
            return item.name.encode() + b" " + self._simple(item.name)
        label = b"BODY[" + item.section.to_wire() + b"]"
        octets = section(self._parsed, item.section)
        if item.partial:
            origin, count = item.partial
            label += b"<%d>" % origin
            octets = None if octets is None else octets[origin : origin + count]
        return label + b" " + imap.nstring(octets)

    def _simple(self, name: str) -> bytes:
        match name:
            case "UID":
                return b"%d" % self._message.uid
            case "FLAGS":
                return imap.flag_list(self._flags)
            case "INTERNALDATE":
                return date_time(self._message.internal_date)
            case "RFC822.SIZE":
                return b"%d" % self._message.size
            case "RFC822":
                return imap.string(self._message.content)
            case "RFC822.HEADER":
                return imap.string(self._parsed.header_octets)
            case _:
                return self._structured(name)

    def _structured(self, name: str) -> bytes:
        match name:
            case "RFC822.TEXT":
                return imap.string(self._parsed.body_octets)
            case "ENVELOPE":
                return imap_structure.envelope(self._parsed.header)
            case _:
                extended = name == "BODYSTRUCTURE"
                return imap_structure.body(self._parsed, extended=extended)

    @property
    def _parsed(self) -> Part:
        if self._tree is None:
            self._tree = mime.parse(self._message.content)
        return self._tree


def section(tree: Part, wanted: Section) -> bytes | None:
    """Cut a section out of a message; None when there is no such part.

    >>> tree = mime.parse(b"To: bob\\r\\nFrom: ann\\r\\n\\r\\nHi")
    >>> section(tree, Section((), "HEADER.FIELDS", (b"from",)))
    b'From: ann\\r\\n\\r\\n'
    """
    part = tree.find(wanted.path)
    if part is None:
        return None
    if wanted.text == "MIME":
        return part.header_octets
    if not wanted.text:
        return part.body_octets if wanted.path else part.octets
    inside = part.message if wanted.path else part  # HEADER and TEXT: of a message only
    return None if inside is None else _of_message(inside, wanted)


def _of_message(message: Part, wanted: Section) -> bytes:
    if wanted.text == "HEADER":
        return message.header_octets
    if wanted.text == "TEXT":
        return message.body_octets
    names = {name.lower() for name in wanted.names}
    chosen = wanted.text == "HEADER.FIELDS"
    fields = _chosen(message.header, names, chosen)
    return fields + _blank_line(message.header_octets)


def _chosen(header: Header, names: set[bytes], chosen: bool) -> bytes:
    return b"".join(
        field.octets
        for field in header
        if (field.name.lower().encode() in names) == chosen
    )


def _blank_line(header: bytes) -> bytes:
    """The empty line, "except in the case of a message which has no body and no blank
    line" (RFC 3501 §6.4.5)."""
    if header.endswith((b"\n\r\n", b"\n\n")) or header in (b"\r\n", b"\n"):
        return b"\r\n" if header.endswith(b"\r\n") else b"\n"
    return b""
