"""MIME structure (RFC 2045, RFC 2046): a message as a tree of parts.

Goes in: the octets of a message. Comes out: a tree of `Part`, each of which knows where
it stands in these octets, so that any section can be given back exact to the octet.

Rule 1: reading never fails. A multipart without parts is text/plain (RFC 2045 §5.2).
Rule 2: the line end before a boundary belongs to the boundary (RFC 2046 §5.1.1).
Rule 3: a part deeper than `MAX_DEPTH`, or behind `MAX_PARTS`, is not taken apart.
"""

import re
from base64 import b64decode
from binascii import a2b_qp
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from maillab.wire.message import Header, header_length

MAX_DEPTH = 30
MAX_PARTS = 1000  # in one multipart

_WORD = r'"(?:[^"\\]|\\.)*"|[^\s()<>@,;:\\"\[\]?=]+'
_COMMENT_OR_STRING = re.compile(r'("(?:[^"\\]|\\.)*")|\\.|[()]', re.DOTALL)
_MEDIA_TYPE = re.compile(rf"\s*({_WORD})\s*/\s*({_WORD})")
_PARAMETER = re.compile(rf";\s*({_WORD})\s*=\s*({_WORD})", re.DOTALL)
_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")


@dataclass(frozen=True, slots=True)
class Value:
    """A structured field body: a word with parameters (RFC 2045 §5.1).

    >>> Value.parse('attachment; filename="a b.txt" (a comment)')
    Value(word='attachment', parameters=(('filename', 'a b.txt'),))
    """

    word: str
    parameters: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Value":
        """Read a field body. What is no parameter is skipped."""
        text = without_comments(text)
        word = text.partition(";")[0].strip()
        found = _PARAMETER.findall(text[len(text.partition(";")[0]) :])
        return cls(word, tuple((_plain(name), _plain(value)) for name, value in found))

    def get(self, name: str) -> str | None:
        """The first parameter of this name, or None."""
        pairs = (value for key, value in self.parameters if key.lower() == name)
        return next(pairs, None)


@dataclass(frozen=True, slots=True)
class Part:
    """A message, or a part of one: `octets[start:body]` is its header."""

    octets: bytes = field(repr=False)
    start: int
    body: int
    end: int
    header: Header
    media_type: tuple[str, str]
    parameters: tuple[tuple[str, str], ...]
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
    def encoding(self) -> str:
        """Content-Transfer-Encoding, lower case (RFC 2045 §6.1)."""
        value = self.header.get("Content-Transfer-Encoding") or "7bit"
        return without_comments(value).strip().lower() or "7bit"

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


def parse(octets: bytes) -> Part:
    """Read a whole message.

    >>> part = parse(b"Content-Type: text/html\\r\\n\\r\\n<p>Hi")
    >>> part.media_type, part.body_octets
    (('text', 'html'), b'<p>Hi')
    """
    return _part(octets, 0, len(octets), ("text", "plain"), 0)


def without_comments(text: str) -> str:
    """Drop comments in parentheses, which may be nested (RFC 5322 §3.2.2).

    >>> without_comments('text/plain (not (very) rich); x="(kept)"')
    'text/plain ; x="(kept)"'
    """
    kept: list[str] = []
    depth = at = 0
    for found in _COMMENT_OR_STRING.finditer(text):
        if depth == 0:
            kept.append(text[at : found.start()])
        at = found.start() if depth == 0 and found[0] not in "()" else found.end()
        if found[0] == "(":
            depth += 1
        elif found[0] == ")":
            depth = max(0, depth - 1)
    return "".join(kept) + (text[at:] if depth == 0 else "")


def _part(
    octets: bytes, start: int, end: int, default: tuple[str, str], depth: int
) -> Part:
    content = octets[start:end]
    body = start + header_length(content)
    header = Header.from_wire(content)
    kind, parameters = _content_type(header, default)
    part = Part(octets, start, body, end, header, kind, parameters)
    if kind[0] == "multipart":
        children = tuple(_children(part, depth + 1)) if depth < MAX_DEPTH else ()
        if children:
            return replace(part, children=children)
        return replace(part, media_type=("text", "plain"), parameters=())
    if kind == ("message", "rfc822"):
        if depth < MAX_DEPTH:
            inside = _part(octets, body, end, ("text", "plain"), depth + 1)
            return replace(part, message=inside)
        return replace(part, media_type=("application", "octet-stream"))
    return part


def _children(part: Part, depth: int) -> Iterator[Part]:
    boundary = Value("", part.parameters).get("boundary")
    if not boundary:
        return
    # "The default Content-Type in multipart/digest is message/rfc822" (RFC 2046 §5.1.5)
    is_digest = part.media_type[1] == "digest"
    default = ("message", "rfc822") if is_digest else ("text", "plain")
    line = boundary.encode("utf-8", "replace")
    for start, end in _between(part.octets, part.body, part.end, line):
        yield _part(part.octets, start, end, default, depth)


def _between(
    octets: bytes, body: int, end: int, boundary: bytes
) -> Iterator[tuple[int, int]]:
    """Where the parts between the lines `--boundary` begin and end."""
    opened: int | None = None
    for count, found in enumerate(_boundary_lines(octets, body, end, boundary)):
        if opened is not None:
            yield opened, max(opened, _before_line_end(octets, found.start()))
        opened = None if found[1] else found.end()
        if opened is None or count >= MAX_PARTS:
            break
    if opened is not None:  # the last boundary is missing: all the rest is a part
        yield opened, end


def _boundary_lines(
    octets: bytes, body: int, end: int, boundary: bytes
) -> Iterator[re.Match[bytes]]:
    """All lines that are `--boundary`. `find` is many times as fast as a pattern."""
    mark = b"--" + boundary
    line = re.compile(re.escape(mark) + rb"(--)?[ \t]*\r?(?:\n|\Z)")
    at = octets.find(mark, body, end)
    while at >= 0:
        begins_line = at == 0 or octets[at - 1] == 0x0A
        found = line.match(octets, at, end) if begins_line else None
        if found:
            yield found
        at = octets.find(mark, at + len(mark), end)


def _before_line_end(octets: bytes, at: int) -> int:
    if octets[at - 2 : at] == b"\r\n":
        return at - 2
    return at - 1


def _content_type(
    header: Header, default: tuple[str, str]
) -> tuple[tuple[str, str], tuple[tuple[str, str], ...]]:
    text = header.get("Content-Type")
    if text is None:
        return default, ()
    found = _MEDIA_TYPE.match(without_comments(text))
    if not found:
        return ("text", "plain"), ()  # RFC 2045 §5.2
    value = Value.parse(text)
    kind = (_plain(found[1]).lower(), _plain(found[2]).lower())
    return kind, value.parameters


def _plain(word: str) -> str:
    if word.startswith('"'):
        return re.sub(r"\\(.)", r"\1", word[1:-1], flags=re.DOTALL)
    return word
