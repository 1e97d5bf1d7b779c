"""MIME structure (RFC 2045, RFC 2046): a message as a tree of parts.

Goes in: the octets of a message. Comes out: a tree of `Part`, each of which knows where
it stands in these octets, so that any section can be given back exact to the octet.

Rule 1: reading never fails. A multipart without parts is text/plain (RFC 2045 §5.2).
Rule 2: the line end before a boundary belongs to the boundary (RFC 2046 §5.1.1).
Rule 3: a part deeper than `MAX_DEPTH`, or behind `MAX_PARTS`, is not taken apart; so
        the work grows with the size, and nothing here calls itself.
"""

import re
from base64 import b64decode
from binascii import a2b_qp
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from maillab.wire.message import Header
from maillab.wire.mime_values import (
    Fields,
    Value,
    media_type,
    raw_text,
    without_comments,
)
from maillab.wire.unicode_text import decoded

MAX_DEPTH = 45  # clients read BODYSTRUCTURE with lists in lists: two for each level
MAX_PARTS = 10_000  # of the whole message
MAX_LINES = 500_000  # that begin like a boundary: those of a bomb

MESSAGES = {("message", "rfc822"), ("message", "global")}  # RFC 9051 §6.4.5.1
TEXT_PLAIN = ("text", "plain")

_END_OF_HEADER = re.compile(rb"\n\r?\n")
_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_CONTENT_FIELDS = Fields(
    *("Content-Type", "Content-Transfer-Encoding", "Content-ID", "Content-MD5"),
    *("Content-Description", "Content-Disposition", "Content-Language"),
    "Content-Location",
)


@dataclass(eq=False)
class Part:
    """A message, or a part of one: `octets[start:body]` is its header."""

    octets: bytes = field(repr=False)
    start: int
    body: int
    end: int
    media_type: tuple[str, str] = TEXT_PLAIN
    children: "tuple[Part, ...]" = ()  # of a multipart
    message: "Part | None" = None  # inside message/rfc822

    @property
    def header_octets(self) -> bytes:
        """The header with the empty line that ends it."""
        return self.octets[self.start : self.body]

    @property
    def body_octets(self) -> bytes:
        """What comes after the header, as it is."""
        return self.octets[self.body : self.end]

    @property
    def size(self) -> int:
        """How many octets the body has."""
        return self.end - self.body

    @cached_property
    def header(self) -> Header:
        """All header fields."""
        return Header.from_wire(self.header_octets)

    @cached_property
    def content_fields(self) -> dict[str, str]:
        """The first MIME field of each name, one character for each octet."""
        found = _CONTENT_FIELDS.find(self.octets, self.start, self.body)
        return {name: raw_text(bodies[0]) for name, bodies in found.items()}

    @property
    def raw_parameters(self) -> tuple[tuple[str, str], ...]:
        """The parameters of the media type, one character for each octet."""
        if self.media_type != media_type(self.content_fields.get("content-type", "")):
            return ()  # the default, or what was not taken apart
        return Value.parse(self.content_fields["content-type"]).parameters

    @property
    def parameters(self) -> tuple[tuple[str, str], ...]:
        """The parameters of the media type as text."""
        pairs = self.raw_parameters
        return tuple((_as_utf8(name), _as_utf8(value)) for name, value in pairs)

    @property
    def encoding(self) -> str:
        """Content-Transfer-Encoding, lower case (RFC 2045 §6.1)."""
        value = self.content_fields.get("content-transfer-encoding", "")
        return without_comments(value).strip().lower() or "7bit"

    @property
    def lines(self) -> int:
        """How many lines the body has."""
        return self.octets.count(b"\n", self.body, self.end)

    def find(self, path: tuple[int, ...]) -> "Part | None":
        """The part that IMAP names by numbers, such as (4, 2) (RFC 3501 §6.4.5).

        "Every message has at least one part number": a message that is no multipart
        is its own part 1.
        """
        part = self
        for level, number in enumerate(path):
            if level and not part.children and not part.message:
                return None
            inside = (part.message or part) if level else part
            parts = inside.children or (inside,)
            if number > len(parts):
                return None
            part = parts[number - 1]
        return part

    def walk(self) -> Iterator["Part"]:
        """This part and all parts inside it, from top to bottom."""
        waiting: list[Part] = [self]
        while waiting:
            part = waiting.pop()
            yield part
            inside = part.children or ((part.message,) if part.message else ())
            waiting.extend(reversed(inside))

    def decoded(self) -> bytes:
        """The body without its content transfer encoding (RFC 2045 §6)."""
        if self.encoding == "base64":
            coded = _BASE64.sub(b"", self.body_octets)
            usable = coded[: len(coded) - (len(coded) % 4 == 1)]
            return b64decode(usable + b"=" * (-len(usable) % 4))
        if self.encoding == "quoted-printable":
            return a2b_qp(self.body_octets)
        return self.body_octets

    @property
    def text(self) -> str:
        """The decoded body in its charset; UTF-8 where it has none."""
        charset = Value("", self.parameters).get("charset") or "utf-8"
        return decoded(self.decoded(), charset)


def parse(octets: bytes) -> Part:
    """Read a whole message.

    >>> part = parse(b"Content-Type: text/html\\r\\n\\r\\n<p>Hi")
    >>> part.media_type, part.body_octets
    (('text', 'html'), b'<p>Hi')
    """
    reader = _Reader(octets)
    whole = reader.part(0, len(octets), TEXT_PLAIN)
    waiting = [(whole, 0)]
    while waiting:
        part, depth = waiting.pop()
        inside = reader.open(part, depth < MAX_DEPTH)
        waiting.extend((child, depth + 1) for child in reversed(inside))
    return whole


class _Reader:
    """Takes parts apart, and counts so that there is an end to it."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._parts = MAX_PARTS
        self._lines = MAX_LINES

    def part(self, start: int, end: int, default: tuple[str, str]) -> Part:
        """A part with its header read."""
        part = Part(self._octets, start, _body(self._octets, start, end), end)
        text = part.content_fields.get("content-type")
        # What is no media type is text/plain (RFC 2045 §5.2)
        part.media_type = default if text is None else media_type(text) or TEXT_PLAIN
        return part

    def open(self, part: Part, may_open: bool) -> tuple[Part, ...]:
        """Find the parts inside a part."""
        if part.media_type in MESSAGES:
            if not may_open:
                part.media_type = ("application", "octet-stream")
                return ()
            part.message = self.part(part.body, part.end, TEXT_PLAIN)
            return (part.message,)
        if part.media_type[0] == "multipart":
            part.children = tuple(self._children(part)) if may_open else ()
            if not part.children:
                part.media_type = TEXT_PLAIN
        return part.children

    def _children(self, part: Part) -> Iterator[Part]:
        boundary = Value("", part.raw_parameters).get("boundary")
        if not boundary:
            return
        # "The default Content-Type in multipart/digest is message/rfc822" (RFC 2046
        # §5.1.5)
        digest = part.media_type[1] == "digest"
        default = ("message", "rfc822") if digest else TEXT_PLAIN
        for start, end in self._between(part, boundary.encode("latin-1")):
            yield self.part(start, end, default)

    def _between(self, part: Part, boundary: bytes) -> Iterator[tuple[int, int]]:
        """Where the parts between the lines `--boundary` begin and end."""
        opened: int | None = None
        for found in self._boundary_lines(part, boundary):
            if opened is not None:
                yield opened, max(opened, _before_line_end(part, found.start()))
                self._parts -= 1
            opened = None if found[1] else found.end()
            if opened is None or self._parts <= 0:
                break
        if opened is not None:  # the last boundary is missing: all the rest is a part
            yield opened, part.end

    def _boundary_lines(self, part: Part, boundary: bytes) -> Iterator[re.Match[bytes]]:
        """All lines that are `--boundary`. `find` is faster than any pattern."""
        mark = b"\n--" + boundary
        line = re.compile(re.escape(mark[1:]) + rb"(--)?[ \t]*\r?(?:\n|\Z)")
        at = part.body - 1  # the line end before the body
        while 0 <= at < part.end and self._lines:
            found = line.match(self._octets, at + 1, part.end)
            if found:
                yield found
            self._lines -= 1
            at = self._octets.find(mark, at + 1, part.end)


def _body(octets: bytes, start: int, end: int) -> int:
    """Where the body begins: behind the empty line."""
    if octets.startswith((b"\n", b"\r\n"), start, end):
        return octets.index(b"\n", start) + 1
    found = _END_OF_HEADER.search(octets, start, end)
    return found.end() if found else end


def _before_line_end(part: Part, at: int) -> int:
    if part.octets.endswith(b"\r\n", part.body, at):
        return at - 2
    return at - 1


def _as_utf8(raw: str) -> str:
    return raw.encode("latin-1").decode("utf-8", "replace")
