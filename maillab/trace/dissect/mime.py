"""A message with its MIME parts (RFC 5322, RFC 2045, RFC 2046), field by field.

Goes in: a cursor over the whole message. Comes out: ranges: header fields, the empty
line, bodies, and the lines between parts.

Rule: what `wire.mime` reads as a part is a layer here; at most `PARTS` of them.
"""

from collections.abc import Iterator

from maillab.trace.dissect.ranges import Cursor
from maillab.trace.lines import clean
from maillab.trace.view import plural
from maillab.wire.lines import CRLF
from maillab.wire.message import Header
from maillab.wire.mime import Part, parse

PARTS = 1000
_FIELDS = 1000  # of one header
_ROWS = 200  # between two parts
REFS = {
    "date": "RFC 5322 §3.6.1",
    "from": "RFC 5322 §3.6.2",
    "sender": "RFC 5322 §3.6.2",
    "reply-to": "RFC 5322 §3.6.2",
    "to": "RFC 5322 §3.6.3",
    "cc": "RFC 5322 §3.6.3",
    "bcc": "RFC 5322 §3.6.3",
    "message-id": "RFC 5322 §3.6.4",
    "in-reply-to": "RFC 5322 §3.6.4",
    "references": "RFC 5322 §3.6.4",
    "subject": "RFC 5322 §3.6.5",
    "comments": "RFC 5322 §3.6.5",
    "keywords": "RFC 5322 §3.6.5",
    "return-path": "RFC 5321 §4.4",
    "received": "RFC 5321 §4.4",
    "mime-version": "RFC 2045 §4",
    "content-type": "RFC 2045 §5",
    "content-transfer-encoding": "RFC 2045 §6",
    "content-id": "RFC 2045 §7",
    "content-description": "RFC 2045 §8",
    "content-disposition": "RFC 2183 §2",
    "auto-submitted": "RFC 3834 §5",
}
_OTHER = "RFC 5322 §3.6.8"


def message(cursor: Cursor) -> None:
    """Walk over a message."""
    whole = parse(cursor.octets)
    _Walk(cursor).part(whole)


class _Walk:
    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self._parts = 0

    def part(self, part: Part, name: str = "message") -> None:
        """One part. Its depth is bounded by `wire.mime.MAX_DEPTH`."""
        cursor = self.cursor
        self._parts += 1
        kind = "/".join(part.media_type)
        ref = "RFC 5322 §2.1" if name == "message" else "RFC 2046 §5.1"
        with cursor.layer(name, ref) as layer:
            layer.value = f"{kind}, {plural(part.end - part.start, 'octet')}"
            self._header(part)
            inside = part.children or ((part.message,) if part.message else ())
            for number, child in enumerate(inside, 1):
                self._between(child.start)
                if self._parts >= PARTS:
                    break
                self.part(child, "message" if part.message else f"part {number}")
            if inside:
                self._between(part.end)
            elif part.end > cursor.at:
                self._body(part)

    def _header(self, part: Part) -> None:
        cursor = self.cursor
        header = Header.from_wire(part.header_octets)
        for size, name, value in _fields(header):
            if size > part.body - cursor.at:
                break
            ref = REFS.get(name.lower(), _OTHER)
            cursor.raw(size, f"{name} field" if name else "a line", value, ref)
        left = part.body - cursor.at
        if left > 2:
            cursor.text(left, "more header fields")
        elif left:
            cursor.raw(left, "empty line", "the end of the header", "RFC 5322 §2.1")

    def _body(self, part: Part) -> None:
        size = part.end - self.cursor.at
        value = plural(size, "octet")
        if part.encoding in ("base64", "quoted-printable"):
            value += (
                f" in {part.encoding}, {plural(len(part.decoded()), 'octet')} plain"
            )
        self.cursor.raw(size, "body", value, "RFC 5322 §2.3")

    def _between(self, until: int) -> None:
        """Boundary lines, and text that belongs to no part (RFC 2046 §5.1.1)."""
        cursor = self.cursor
        for _ in range(_ROWS):
            if cursor.at >= until:
                return
            end = cursor.octets.find(CRLF, cursor.at, until)
            end = until if end < 0 else end + len(CRLF)
            cursor.text(end - cursor.at, self._kind_of_row(end), "RFC 2046 §5.1.1")
        cursor.raw(until - cursor.at, "for no program", ref="RFC 2046 §5.1.1")

    def _kind_of_row(self, end: int) -> str:
        """The line end before a boundary belongs to the boundary."""
        row = self.cursor.octets[self.cursor.at : end]
        if row == CRLF and self.cursor.octets[end : end + 2] == b"--":
            return "line end of the boundary"
        return "boundary" if row.startswith(b"--") else "for no program"


def _fields(header: Header) -> Iterator[tuple[int, str, str]]:
    """Size, name and printable value of each field."""
    for number, field in enumerate(header):
        if number == _FIELDS:
            return
        yield len(field.octets), clean(field.name), clean(field.value)
