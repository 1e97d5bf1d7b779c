"""What stands in MIME header fields (RFC 2045 §5.1): words, parameters, comments.

Goes in: the octets of a header, the text of a field body. Comes out: values.

Rule 1: reading never fails. What breaks the grammar is skipped, or taken as it looks.
Rule 2: the work grows with the length, whatever somebody wrote there.
"""

import re
from dataclasses import dataclass
from itertools import count, takewhile

from maillab.wire.message import unfold

MAX_BODY = 65_536  # octets of a field body that are looked at for parameters

_FIELDS = r"^(%s)[ \t]*:([^\n]*\n?(?:[ \t][^\n]*\n?)*)"
_QUOTED = r'"(?:[^"\\]|\\.)*(?:"|\Z)'
_OUTSIDE = re.compile(rf"{_QUOTED}|\\.|\(", re.DOTALL)
_COMMENT_EDGE = re.compile(r"\\.|[()]", re.DOTALL)
_WORD = r'"(?:[^"\\]|\\.)*"|[^\s()<>@,;:\\"\[\]?=/]+'
_MEDIA_TYPE = re.compile(rf"\s*({_WORD})\s*/\s*({_WORD})", re.ASCII | re.DOTALL)
# Values may have "=" and "/" without quotes: many programs write boundaries like that.
_PARAMETER = re.compile(
    rf';\s*({_WORD})\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;"]+)', re.ASCII | re.DOTALL
)


_CONTINUED = re.compile(r"(.+)\*(0|[1-9]\d{0,8})(\*?)", re.DOTALL)

Parameters = tuple[tuple[str, str], ...]


class Fields:
    """Some header fields, looked for in one go: work that names alone decide.

    >>> Fields("To", "Cc").find(b"to: ann\\r\\nX: 1\\r\\nTo: bob\\r\\n\\r\\n")
    {'to': [b' ann\\r\\n', b' bob\\r\\n']}
    """

    def __init__(self, *names: str) -> None:
        pattern = _FIELDS % "|".join(map(re.escape, names))
        self._pattern = re.compile(pattern.encode(), re.IGNORECASE | re.MULTILINE)

    def find(
        self, octets: bytes, start: int = 0, end: int | None = None
    ) -> dict[str, list[bytes]]:
        """Field bodies by name (lower case), from top to bottom."""
        found: dict[str, list[bytes]] = {}
        end = len(octets) if end is None else end
        for match in self._pattern.finditer(octets, start, end):
            found.setdefault(match[1].decode("ascii").lower(), []).append(match[2])
        return found


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
        text = without_comments(text[:MAX_BODY])
        word, _, _ = text.partition(";")
        found = _PARAMETER.findall(text, len(word))
        pairs = tuple((_plain(name), _plain(value)) for name, value in found)
        return cls(word.strip(" \t\r\n"), pairs)

    def get(self, name: str) -> str | None:
        """The first parameter of this name, or None."""
        pairs = (value for key, value in self.parameters if key.lower() == name)
        return next(pairs, None)


def put_together(pairs: Parameters) -> Parameters:
    """Parameters without continuations (RFC 2231 §3): `x*0`, `x*1` become `x`.

    >>> put_together((("x*1", "b.txt"), ("y", "1"), ("x*0*", "utf-8''a%20")))
    (('x*', "utf-8''a%20b.txt"), ('y', '1'))
    """
    # deviation: `x*` keeps its charset and its percent signs, though RFC 9051 §7.5.2
    # would have it in UTF-8: mail programs read it as it stands in the message.
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    for name, value in pairs:
        if found := _CONTINUED.fullmatch(name):
            numbered = pieces.setdefault(found[1].lower(), {})
            numbered.setdefault(int(found[2]), (value, bool(found[3])))
    whole = {base: _joined(some) for base, some in pieces.items() if 0 in some}
    kept: dict[str | int, tuple[str, str]] = {}
    for at, (name, value) in enumerate(pairs):
        found = _CONTINUED.fullmatch(name)
        if found and found[1].lower() in whole:
            joined, coded = whole[found[1].lower()]
            kept.setdefault(found[1].lower(), (found[1] + "*" * coded, joined))
        else:
            kept[at] = name, value
    return tuple(kept.values())


def _joined(pieces: dict[int, tuple[str, bool]]) -> tuple[str, bool]:
    """The pieces from 0 on without a gap; are there percent signs to be undone?"""
    some = [pieces[n] for n in takewhile(pieces.__contains__, count())]
    coded = any(is_coded for _, is_coded in some)
    texts = (
        text if is_coded or not coded else text.replace("%", "%25")
        for text, is_coded in some
    )
    return "".join(texts), coded


def media_type(text: str) -> tuple[str, str] | None:
    """Type and subtype, lower case; None when there are none.

    >>> media_type("Text/HTML (rich); charset=utf-8")
    ('text', 'html')
    """
    found = _MEDIA_TYPE.match(without_comments(text[:MAX_BODY]))
    return (_plain(found[1]).lower(), _plain(found[2]).lower()) if found else None


def without_comments(text: str) -> str:
    """Drop comments in parentheses, which may be nested (RFC 5322 §3.2.2).

    >>> without_comments('text/plain (not (very) "rich); x="(kept)"')
    'text/plain ; x="(kept)"'
    """
    kept: list[str] = []
    start = at = 0
    while found := _OUTSIDE.search(text, at):
        at = found.end()
        if found[0] == "(":
            kept.append(text[start : found.start()])
            start = at = comment_end(text, at)
    return "".join(kept) + text[start:]


def comment_end(text: str, at: int) -> int:
    """Where the comment ends that was opened before `at`."""
    depth = 1
    for found in _COMMENT_EDGE.finditer(text, at):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if not depth:
            return found.end()
    return len(text)


def raw_text(body: bytes) -> str:
    """A field body unfolded; each octet is one character, so that none is lost."""
    return unfold(body.decode("latin-1"))


def _plain(word: str) -> str:
    if word.startswith('"'):
        return re.sub(r"\\(.)", r"\1", word[1:-1], flags=re.DOTALL)
    return word
