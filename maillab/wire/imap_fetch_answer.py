"""The answer to FETCH: values of data items (RFC 3501 §7.4.2, RFC 9051 §7.5.2).

Goes in: data items, and one message. Comes out: the list of items and values.

Rule 1: sections are exact to the octet: they are cut out of the message, never rebuilt.
Rule 2: a section that a message does not have is NIL; an origin behind its end is "".
Rule 3: a message is taken apart only if an item needs it, and once.
"""

from functools import cached_property

from maillab.wire import imap, imap_structure, mime
from maillab.wire.imap_dates import date_time
from maillab.wire.imap_fetch import Item, Section
from maillab.wire.imap_message import MessageData
from maillab.wire.imap_preview import preview
from maillab.wire.message import DateTime, Header
from maillab.wire.mime import Part

ENCODINGS = {"7bit", "8bit", "binary", "base64", "quoted-printable"}  # RFC 2045 §6.1
MAX_ANSWER = 64 * 1024 * 1024  # octets about one message


class UnknownEncoding(ValueError):
    """BINARY of a part whose transfer encoding nobody knows (RFC 3516 §4.3)."""


class AnswerTooLarge(ValueError):
    """So many items of so large a message that the answer would fill the memory."""


class Renderer:
    """Writes data items of one message."""

    def __init__(
        self, message: MessageData, flags: frozenset[str], utf8: bool = False
    ) -> None:
        self._message = message
        self._flags = flags  # with \Recent, which belongs to the session
        self._utf8 = utf8

    def render(self, items: tuple[Item, ...]) -> bytes:
        """Write the list of items and values. Raises the errors of this module.

        >>> from maillab.wire.imap_fetch import Scanner, scan_items
        >>> now = DateTime(2026, 1, 1)
        >>> data = MessageData(7, frozenset(), now, b"To: bob\\r\\n\\r\\nHi")
        >>> items = scan_items(Scanner(b"(UID BODY[TEXT]<0.1>)"))
        >>> Renderer(data, frozenset({"\\\\Seen"})).render(items)
        b'(UID 7 BODY[TEXT]<0> "H")'
        """
        pairs: list[bytes] = []
        size = 0
        for item in items:
            pairs.append(self._pair(item))
            size += len(pairs[-1])
            if size > MAX_ANSWER:
                raise AnswerTooLarge
        return b"(" + b" ".join(pairs) + b")"

    def _pair(self, item: Item) -> bytes:
        if not item.name.endswith("[]"):
            return item.name.encode() + b" " + self._simple(item.name)
        label = item.name[:-1].encode() + item.section.to_wire() + b"]"
        if item.partial:
            label += b"<%d>" % item.partial[0]
        return label + b" " + self._section(item)

    def _section(self, item: Item) -> bytes:
        if item.name == "BODY[]":
            return imap.nstring(_cut(section(self._parsed, item.section), item))
        decoded = binary(self._parsed, item.section.path)
        if item.name == "BINARY.SIZE[]":
            return b"%d" % len(decoded or b"")
        decoded = _cut(decoded, item)
        if decoded and b"\0" in decoded:
            return imap.literal8(decoded)
        return imap.nstring(decoded)

    def _simple(self, name: str) -> bytes:
        match name:
            case "RFC822":
                return imap.string(self._message.content)
            case "RFC822.HEADER":
                return imap.string(self._parsed.header_octets)
            case "RFC822.TEXT":
                return imap.string(self._parsed.body_octets)
            case "ENVELOPE":
                return imap_structure.envelope(self._parsed.header_octets, self._utf8)
            case "BODY" | "BODYSTRUCTURE":
                extended = name == "BODYSTRUCTURE"
                return imap_structure.body(
                    self._parsed, extended=extended, utf8=self._utf8
                )
            case "PREVIEW":
                return imap.string(preview(self._parsed).encode(), self._utf8)
            case _:
                return self._fact(name)

    def _fact(self, name: str) -> bytes:
        message = self._message
        match name:
            case "UID":
                return b"%d" % message.uid
            case "FLAGS":
                return imap.flag_list(self._flags)
            case "INTERNALDATE":
                return date_time(message.internal_date)
            case "RFC822.SIZE":
                return b"%d" % message.size
            case "MODSEQ":
                return b"(%d)" % message.modseq
            case "SAVEDATE":
                return _optional_date(message.save_date)
            case _:
                id_ = message.email_id if name == "EMAILID" else message.thread_id
                return b"(%b)" % id_.encode("ascii") if id_ else b"NIL"

    @cached_property
    def _parsed(self) -> Part:
        return mime.parse(self._message.content)


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


def binary(tree: Part, path: tuple[int, ...]) -> bytes | None:
    """A part without its transfer encoding (RFC 3516 §4.2); None: no such part.

    Raises `UnknownEncoding`: "the server MUST fail the request" (RFC 3516 §4.3).
    """
    if not path:
        return tree.octets  # a whole message has no transfer encoding
    part = tree.find(path)
    if part is None:
        return None
    # deviation: parts with parts inside are given too, though "only leaf" parts can be
    # asked for (RFC 9051 §6.4.5): as they are.
    if part.encoding not in ENCODINGS:
        raise UnknownEncoding
    return part.decoded()


def _cut(octets: bytes | None, item: Item) -> bytes | None:
    if octets is None or not item.partial:
        return octets
    origin, count = item.partial
    return octets[origin : origin + count]


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


def _optional_date(at: DateTime | None) -> bytes:
    return date_time(at) if at else b"NIL"
