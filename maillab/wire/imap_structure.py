"""ENVELOPE and BODYSTRUCTURE: what IMAP says about a message (RFC 3501 §7.4.2).

Goes in: a MIME tree. Comes out: the parenthesized lists of the grammar.

Rule 1: header values are given as they stand in the message, unfolded; encoded words
        are the client's business.
Rule 2: what a message does not say is NIL.
"""

import re
from collections.abc import Iterator

from maillab.wire.imap import nstring, string
from maillab.wire.message import Header, unfold
from maillab.wire.mime import Part, Value, without_comments

_TOKEN = re.compile(
    rb'\s+|(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<comment>\()|(?P<special>[<>,:;@\[\]])'
    rb'|(?P<word>[^\s"()<>,:;@\[\]]+)|(?P<odd>.)',
    re.DOTALL,
)
_COMMENT_EDGE = re.compile(rb"\\.|[()]", re.DOTALL)

Token = tuple[str, bytes]


# ENVELOPE -----------------------------------------------------------------------------


def envelope(header: Header) -> bytes:
    """Write the envelope structure of a message.

    >>> header = Header.from_wire(b"Subject: Hi\\r\\nTo: Ann <a@b.example>\\r\\n")
    >>> envelope(header)
    b'(NIL "Hi" NIL NIL NIL (("Ann" NIL "a" "b.example")) NIL NIL NIL NIL)'
    """
    sender = addresses(header, "From")
    fields = [
        _raw(header, "Date"),
        _raw(header, "Subject"),
        sender,
        # "If the Sender or Reply-To lines are absent ..., or are present but empty, the
        # server sets the corresponding member ... to be the same value as the from"
        addresses(header, "Sender", default=sender),
        addresses(header, "Reply-To", default=sender),
        addresses(header, "To"),
        addresses(header, "Cc"),
        addresses(header, "Bcc"),
        _raw(header, "In-Reply-To"),
        _raw(header, "Message-ID"),
    ]
    return b"(" + b" ".join(fields) + b")"


def addresses(header: Header, name: str, default: bytes = b"NIL") -> bytes:
    """Write all addresses of the fields of one name."""
    found: list[bytes] = []
    for field in header.named(name):
        found += _AddressList(field.raw).read()
    return b"(" + b"".join(found) + b")" if found else default


def _raw(header: Header, name: str) -> bytes:
    fields = header.named(name)
    return nstring(_octets(fields[0].raw) if fields else None)


def _octets(raw: bytes) -> bytes:
    return unfold(raw.decode("latin-1")).encode("latin-1")


class _AddressList:
    """Reads an address-list (RFC 5322 §3.4), also a broken one."""

    def __init__(self, raw: bytes) -> None:
        self._found: list[bytes] = []
        self._comment = b""
        self._phrase: list[Token] = []  # words that belong to no address yet
        self._angle: list[Token] | None = None  # what stands between < and >
        self._tokens = _tokens(raw)

    def read(self) -> list[bytes]:
        for kind, text in self._tokens:
            if kind == "comment":
                self._comment = text
            elif kind == "special":
                self._special(text)
            else:
                self._here.append((kind, text))
        self._end_of_address()
        return self._found

    @property
    def _here(self) -> list[Token]:
        return self._phrase if self._angle is None else self._angle

    def _special(self, text: bytes) -> None:
        inside = self._angle is not None
        if text == b"<":
            self._angle = []
        elif text == b">" and inside:
            self._end_of_address()
        elif text in b",;" and not inside:
            self._end_of_address()
            if text == b";":
                self._found.append(b"(NIL NIL NIL NIL)")  # "end of group"
        elif text == b":" and not inside and self._phrase:
            group = string(_spaced(self._phrase))
            self._found.append(b"(NIL NIL " + group + b" NIL)")  # "start of group"
            self._phrase = []
        else:
            self._here.append(("special", text))

    def _end_of_address(self) -> None:
        phrase, spec, comment = self._phrase, self._angle, self._comment
        self._phrase, self._angle, self._comment = [], None, b""
        if spec is None:
            spec, phrase = phrase, []
        if spec or phrase:
            name = _spaced(phrase) or comment
            self._found.append(_address(name, spec))


def _address(name: bytes, spec: list[Token]) -> bytes:
    route = b""
    colons = [at for at, token in enumerate(spec) if token == ("special", b":")]
    if colons and spec[0] == ("special", b"@"):  # RFC 5322 §4.4, obs-route
        route = _joined(spec[: colons[-1]])
        spec = spec[colons[-1] + 1 :]
    ats = [at for at, token in enumerate(spec) if token == ("special", b"@")]
    at = ats[-1] if ats else len(spec)
    local, domain = _joined(spec[:at]), _joined(spec[at + 1 :])
    # NIL as host would mean the syntax of a group, so a missing host is ""
    parts = (nstring(name or None), nstring(route or None), string(local))
    return b"(" + b" ".join((*parts, string(domain))) + b")"


def _tokens(raw: bytes) -> Iterator[Token]:
    at = 0
    while at < len(raw):
        found = _TOKEN.match(raw, at)
        assert found, "the last alternative matches any octet"
        at = found.end()
        kind = found.lastgroup
        if kind == "comment":
            at, text = _comment(raw, at)
            yield kind, text
        elif kind == "quoted":
            yield kind, re.sub(rb"\\(.)", rb"\1", _octets(found[0][1:-1]))
        elif kind:
            yield kind, found[0]


def _comment(raw: bytes, at: int) -> tuple[int, bytes]:
    depth, start = 1, at
    for found in _COMMENT_EDGE.finditer(raw, at):
        depth += {b"(": 1, b")": -1}.get(found[0], 0)
        if not depth:
            return found.end(), _octets(raw[start : found.start()])
    return len(raw), _octets(raw[start:])


def _spaced(tokens: list[Token]) -> bytes:
    return b" ".join(text for _, text in tokens)


def _joined(tokens: list[Token]) -> bytes:
    return b"".join(text for _, text in tokens)


# BODYSTRUCTURE ------------------------------------------------------------------------


def body(part: Part, *, extended: bool) -> bytes:
    """Write BODY (without) or BODYSTRUCTURE (with extension data) of a part.

    >>> from maillab.wire.mime import parse
    >>> body(parse(b"Content-Type: text/html\\r\\n\\r\\n<p>Hi"), extended=False)
    b'("text" "html" ("charset" "us-ascii") NIL NIL "7bit" 5 0)'
    """
    if part.children:
        parts = b"".join(body(child, extended=extended) for child in part.children)
        fields = [parts + b" " + _text(part.media_type[1])]
        if extended:
            fields += [_parameters(part.parameters), *_extension(part.header)]
    else:
        fields = _single(part, extended)
        if extended:
            fields += [nstring(_value(part.header, "Content-MD5"))]
            fields += _extension(part.header)
    return b"(" + b" ".join(fields) + b")"


def _single(part: Part, extended: bool) -> list[bytes]:
    kind, subtype = part.media_type
    parameters = part.parameters
    if kind == "text" and Value("", parameters).get("charset") is None:
        parameters = (*parameters, ("charset", "us-ascii"))  # RFC 2045 §5.2
    fields = [
        _text(kind),
        _text(subtype),
        _parameters(parameters),
        nstring(_value(part.header, "Content-ID")),
        nstring(_value(part.header, "Content-Description")),
        _text(part.encoding),
        b"%d" % (part.end - part.body),
    ]
    if part.message:
        fields += [envelope(part.message.header), body(part.message, extended=extended)]
    if part.message or kind == "text":
        fields.append(b"%d" % part.octets.count(b"\n", part.body, part.end))
    return fields


def _extension(header: Header) -> list[bytes]:
    """Disposition, language and location (RFC 2183, RFC 3066, RFC 2557)."""
    languages = _value(header, "Content-Language")
    location = _value(header, "Content-Location")
    return [_disposition(header), _languages(languages), nstring(location)]


def _disposition(header: Header) -> bytes:
    text = header.get("Content-Disposition")
    value = Value.parse(text or "")
    if not value.word:
        return b"NIL"
    return b"(%b %b)" % (_text(value.word), _parameters(value.parameters))


def _languages(languages: bytes | None) -> bytes:
    if languages is None:
        return b"NIL"
    tags = without_comments(languages.decode("latin-1")).split(",")
    found = [string(tag.strip().encode("latin-1")) for tag in tags if tag.strip()]
    return b"(" + b" ".join(found) + b")" if found else b"NIL"


def _parameters(parameters: tuple[tuple[str, str], ...]) -> bytes:
    if not parameters:
        return b"NIL"
    words = [_text(word) for pair in parameters for word in pair]
    return b"(" + b" ".join(words) + b")"


def _value(header: Header, name: str) -> bytes | None:
    fields = header.named(name)
    return _octets(fields[0].raw) if fields else None


def _text(text: str) -> bytes:
    return string(text.encode("utf-8"))
