"""Addresses as ENVELOPE gives them (RFC 3501 §7.4.2, RFC 9051 §7.5.2).

Goes in: the body of an address field, which may be broken. Comes out: addresses, each
with four parts: name, source route, mailbox, host.

Rule 1: "Holds RFC 5322 local-part after removing RFC 5322 quoting", so names too.
Rule 2: a group is two addresses around its members: one that has only a mailbox, its
        name, and one that has nothing.
Rule 3: a missing host is "": NIL would mean a group.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from maillab.wire.imap import nstring

_TOKEN = re.compile(
    rb'\s+|"(?P<quoted>(?:[^"\\]|\\.)*)(?:"|\Z)|(?P<comment>\()'
    rb"|(?P<literal>\[(?:[^\[\]\\]|\\.)*\])|(?P<special>[<>,:;@])"
    rb'|(?P<word>[^\s"()<>,:;@\[]+)|(?P<odd>.)',
    re.DOTALL,
)
_COMMENT_EDGE = re.compile(rb"\\.|[()]", re.DOTALL)

Token = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class EnvelopeAddress:
    """One address structure; None is NIL."""

    name: bytes | None = None
    route: bytes | None = None
    mailbox: bytes | None = None
    host: bytes | None = None

    def to_wire(self, utf8: bool = False) -> bytes:
        """Write the address structure."""
        parts = (self.name, self.route, self.mailbox, self.host)
        return b"(" + b" ".join(nstring(part, utf8) for part in parts) + b")"


END_OF_GROUP = EnvelopeAddress()


def parse_addresses(bodies: Iterable[bytes]) -> Iterator[EnvelopeAddress]:
    """Read address-lists (RFC 5322 §3.4), from fields of one name.

    >>> list(parse_addresses([b" Ann (at work) <ann@alpha.example>"]))
    [EnvelopeAddress(name=b'Ann', route=None, mailbox=b'ann', host=b'alpha.example')]
    """
    for body in bodies:
        yield from _AddressList(body).read()


class _AddressList:
    def __init__(self, raw: bytes) -> None:
        self._comment = b""
        self._phrase: list[Token] = []  # words that belong to no address yet
        self._angle: list[Token] | None = None  # what stands between < and >
        self._raw = raw

    def read(self) -> Iterator[EnvelopeAddress]:
        for kind, text in _tokens(self._raw):
            if kind == "comment":
                self._comment = text
            elif kind == "special":
                yield from self._special(text)
            else:
                self._here.append((kind, text))
        yield from self._end_of_address()

    @property
    def _here(self) -> list[Token]:
        return self._phrase if self._angle is None else self._angle

    def _special(self, text: bytes) -> Iterator[EnvelopeAddress]:
        inside = self._angle is not None
        if text == b"<":
            self._angle = []
        elif text == b">" and inside:
            yield from self._end_of_address()
        elif text in b",;" and not inside:
            yield from self._end_of_address()
            if text == b";":
                yield END_OF_GROUP
        elif text == b":" and not inside and self._phrase:
            yield EnvelopeAddress(mailbox=_spaced(self._phrase))
            self._phrase = []
        else:
            self._here.append(("special", text))

    def _end_of_address(self) -> Iterator[EnvelopeAddress]:
        phrase, spec, comment = self._phrase, self._angle, self._comment
        self._phrase, self._angle, self._comment = [], None, b""
        if spec is None:
            spec, phrase = phrase, []
        if spec or phrase:
            yield _address(_spaced(phrase) or comment, spec)


def _address(name: bytes, spec: list[Token]) -> EnvelopeAddress:
    route = b""
    colons = [at for at, token in enumerate(spec) if token == ("special", b":")]
    if colons and spec[0] == ("special", b"@"):  # RFC 5322 §4.4, obs-route
        route = _joined(spec[: colons[-1]])
        spec = spec[colons[-1] + 1 :]
    ats = [at for at, token in enumerate(spec) if token == ("special", b"@")]
    at = ats[-1] if ats else len(spec)
    local, domain = _joined(spec[:at]), _joined(spec[at + 1 :])
    return EnvelopeAddress(name or None, route or None, local, domain)


def _tokens(raw: bytes) -> Iterator[Token]:
    at = 0
    while found := _TOKEN.match(raw, at):
        at = found.end()
        match found.lastgroup:
            case None:  # space between words
                continue
            case "comment":
                at, text = _comment(raw, at)
                yield "comment", text
            case "quoted":
                yield "quoted", _unquoted(found["quoted"])
            case kind:
                yield kind, found[0]


def _comment(raw: bytes, at: int) -> tuple[int, bytes]:
    depth, start = 1, at
    for found in _COMMENT_EDGE.finditer(raw, at):
        depth += {b"(": 1, b")": -1}.get(found[0], 0)
        if not depth:
            return found.end(), _unquoted(raw[start : found.start()]).strip()
    return len(raw), _unquoted(raw[start:]).strip()


def _unquoted(raw: bytes) -> bytes:
    unfolded = re.sub(rb"\r?\n(?=[ \t])", b"", raw)
    return re.sub(rb"\\(.)", rb"\1", unfolded, flags=re.DOTALL)


def _spaced(tokens: list[Token]) -> bytes:
    return b" ".join(text for _, text in tokens)


def _joined(tokens: list[Token]) -> bytes:
    return b"".join(text for _, text in tokens)
