"""ENVELOPE and BODYSTRUCTURE: what IMAP says about a message (RFC 9051 §7.5.2).

Goes in: a header, a MIME tree. Comes out: the parenthesized lists of the grammar.

Rule 1: header values are given as they stand in the message, unfolded; encoded words
        are the client's business, 8-bit octets stay what they are.
Rule 2: what a message does not say is NIL; what it says with nothing in it is "".
Rule 3: nothing here calls itself: messages nest as deep as their senders want. Of
        address fields `MAX_ADDRESS_OCTETS` are read, in all messages of a message.
"""

from collections.abc import Iterator

from maillab.wire.imap import nstring, string
from maillab.wire.imap_addresses import parse_addresses
from maillab.wire.mime import Part
from maillab.wire.mime_values import (
    Fields,
    Value,
    put_together,
    raw_text,
    without_comments,
)

_ENVELOPE = Fields(
    *("Date", "Subject", "From", "Sender", "Reply-To", "To", "Cc", "Bcc"),
    *("In-Reply-To", "Message-ID"),
)

MAX_ADDRESS_OCTETS = 1024 * 1024  # 30,000 addresses of a usual length

# ENVELOPE -----------------------------------------------------------------------------


def envelope(header: bytes, utf8: bool = False) -> bytes:
    """Write the envelope structure of a message from the octets of its header.

    >>> envelope(b"Subject: Hi\\r\\nTo: Ann <a@b.example>\\r\\n")
    b'(NIL "Hi" NIL NIL NIL (("Ann" NIL "a" "b.example")) NIL NIL NIL NIL)'
    """
    return _Envelopes(utf8).write(header)


class _Envelopes:
    """Writes envelopes of one message, and of those inside it."""

    def __init__(self, utf8: bool) -> None:
        self._utf8 = utf8
        self._left = MAX_ADDRESS_OCTETS

    def write(self, header: bytes) -> bytes:
        found = _ENVELOPE.find(header)
        sender = self._addresses(found.get("from"), b"NIL")
        fields = [
            _first(found.get("date"), self._utf8),
            _first(found.get("subject"), self._utf8),
            sender,
            # "If the Sender or Reply-To header fields are absent ..., or are present
            # but empty, the server sets the corresponding member ... to be the same
            # value as the from member"
            self._addresses(found.get("sender"), sender),
            self._addresses(found.get("reply-to"), sender),
            self._addresses(found.get("to"), b"NIL"),
            self._addresses(found.get("cc"), b"NIL"),
            self._addresses(found.get("bcc"), b"NIL"),
            _first(found.get("in-reply-to"), self._utf8),
            _first(found.get("message-id"), self._utf8),
        ]
        return b"(" + b" ".join(fields) + b")"

    def _addresses(self, bodies: list[bytes] | None, default: bytes) -> bytes:
        some = self._within_limit(bodies or [])
        found = [address.to_wire(self._utf8) for address in parse_addresses(some)]
        return b"(" + b"".join(found) + b")" if found else default

    def _within_limit(self, bodies: list[bytes]) -> Iterator[bytes]:
        for body in bodies:
            if self._left <= 0:
                break
            yield body[: self._left]
            self._left -= len(body)


def _first(bodies: list[bytes] | None, utf8: bool) -> bytes:
    return nstring(_octets(raw_text(bodies[0])) if bodies else None, utf8)


# BODYSTRUCTURE ------------------------------------------------------------------------


def body(part: Part, *, extended: bool, utf8: bool = False) -> bytes:
    """Write BODY (without) or BODYSTRUCTURE (with extension data) of a part.

    >>> from maillab.wire.mime import parse
    >>> body(parse(b"Content-Type: text/html\\r\\n\\r\\n<p>Hi"), extended=False)
    b'("text" "html" ("charset" "us-ascii") NIL NIL "7bit" 5 0)'
    """
    writer = _Writer(extended, utf8)
    written: list[bytes] = []
    waiting: list[bytes | Part] = [part]
    while waiting:
        item = waiting.pop()
        if isinstance(item, bytes):
            written.append(item)
        else:
            waiting.extend(reversed(writer.pieces(item)))
    return b"".join(written)


class _Writer:
    def __init__(self, extended: bool, utf8: bool) -> None:
        self._extended = extended
        self._utf8 = utf8
        self._envelopes = _Envelopes(utf8)

    def pieces(self, part: Part) -> list[bytes | Part]:
        """The list of one part: octets, and parts that are still to be written."""
        extension = b" " + self._extension(part) if self._extended else b""
        if part.children:
            subtype = self._text(part.media_type[1])
            return [b"(", *part.children, b" " + subtype + extension + b")"]
        lines = b" %d" % part.lines
        basic = b"(" + self._basic(part)
        # Without UTF-8 there is no grammar for what is inside message/global
        shown = self._utf8 or part.media_type[1] == "rfc822"
        if part.message and shown:
            written = self._envelopes.write(part.message.header_octets)
            return [basic + b" %b " % written, part.message, lines + extension + b")"]
        has_lines = part.media_type[0] == "text"
        return [basic + lines * has_lines + extension + b")"]

    def _basic(self, part: Part) -> bytes:
        """ "body-fields", with the media type before them."""
        kind, subtype = part.media_type
        parameters = part.raw_parameters
        if kind == "text" and Value("", parameters).get("charset") is None:
            parameters = (*parameters, ("charset", "us-ascii"))  # RFC 2045 §5.2
        words = [
            self._text(kind),
            self._text(subtype),
            self._parameters(parameters),
            self._field(part, "content-id"),
            self._field(part, "content-description"),
            self._text(part.encoding),
            b"%d" % part.size,
        ]
        return b" ".join(words)

    def _extension(self, part: Part) -> bytes:
        """Disposition, language and location (RFC 2183, RFC 3282, RFC 2557)."""
        if part.children:
            first = self._parameters(part.raw_parameters)
        else:
            first = self._field(part, "content-md5")  # RFC 1864
        words = [
            first,
            self._disposition(part),
            self._languages(part),
            self._field(part, "content-location"),
        ]
        return b" ".join(words)

    def _disposition(self, part: Part) -> bytes:
        value = Value.parse(part.content_fields.get("content-disposition", ""))
        if not value.word:
            return b"NIL"
        return b"(%b %b)" % (
            self._text(value.word),
            self._parameters(value.parameters),
        )

    def _languages(self, part: Part) -> bytes:
        languages = part.content_fields.get("content-language", "")
        tags = without_comments(languages).split(",")
        found = [self._text(tag.strip(" \t\r\n")) for tag in tags if tag.strip()]
        return b"(" + b" ".join(found) + b")" if found else b"NIL"

    def _parameters(self, parameters: tuple[tuple[str, str], ...]) -> bytes:
        if not parameters:
            return b"NIL"
        words = [self._text(word) for pair in put_together(parameters) for word in pair]
        return b"(" + b" ".join(words) + b")"

    def _field(self, part: Part, name: str) -> bytes:
        text = part.content_fields.get(name)
        return nstring(None if text is None else _octets(text), self._utf8)

    def _text(self, text: str) -> bytes:
        return string(_octets(text), self._utf8)


def _octets(text: str) -> bytes:
    """Text in which each character is one octet."""
    return text.encode("latin-1")
