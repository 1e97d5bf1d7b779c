"""ENVELOPE and BODYSTRUCTURE as a client reads them (RFC 9051 §7.5.2).

Goes in: values of a FETCH response. Comes out: frozen trees, or `BadResponse`.

Rule: header texts stay octets as the server gave them (they may have encoded words,
      RFC 2047); names that are case-insensitive become lower case.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from maillab.wire.imap_response_tokens import (
    BadResponse,
    list_of,
    number_of,
    pairs_of,
    text_of,
)


@dataclass(frozen=True, slots=True)
class EnvelopeAddress:
    """One address: name, mailbox@host. A group begins with host "", ends with both."""

    name: bytes
    mailbox: str
    host: str

    def __str__(self) -> str:
        return f"{self.mailbox}@{self.host}" if self.host else self.mailbox


@dataclass(frozen=True, slots=True)
class Envelope:
    """The header fields that mail programs list (RFC 9051 §7.5.2)."""

    date: bytes
    subject: bytes
    from_: tuple[EnvelopeAddress, ...]
    sender: tuple[EnvelopeAddress, ...]
    reply_to: tuple[EnvelopeAddress, ...]
    to: tuple[EnvelopeAddress, ...]
    cc: tuple[EnvelopeAddress, ...]
    bcc: tuple[EnvelopeAddress, ...]
    in_reply_to: str
    message_id: str


def envelope(value: Any) -> Envelope:
    """Read the value of ENVELOPE. Raises BadResponse.

    >>> from maillab.wire.imap_response_tokens import values
    >>> nobody = b"NIL NIL NIL NIL NIL NIL"
    >>> [e] = values(b'(NIL "Hi" (("A" NIL "a" "b.org")) ' + nobody + b' "<1>")')
    >>> envelope(e).subject, str(envelope(e).from_[0]), envelope(e).cc
    (b'Hi', 'a@b.org', ())
    """
    items = list_of(value)
    if len(items) != 10:
        raise BadResponse("an envelope has ten values")
    from_, sender, reply_to, to, cc, bcc = (
        tuple(map(_address, list_of(item))) for item in items[2:8]
    )
    return Envelope(
        _octets(items[0]),
        _octets(items[1]),
        from_,
        sender,
        reply_to,
        to,
        cc,
        bcc,
        text_of(items[8]),
        text_of(items[9]),
    )


def _address(value: Any) -> EnvelopeAddress:
    parts = list_of(value)
    if len(parts) != 4:
        raise BadResponse("an address has four values")
    name, _, mailbox, host = parts
    return EnvelopeAddress(_octets(name), text_of(mailbox), text_of(host))


def _octets(value: Any) -> bytes:
    return value if isinstance(value, bytes) else text_of(value).encode()


@dataclass(frozen=True, slots=True)
class BodyPart:
    """A part of a message, with the parts inside.

    section    its name in BODY[…]: "1", "2.1"; "" is the whole of a multipart message
    kind       "text/plain", "multipart/mixed", always in lower case
    parameters of the Content-Type: {"charset": "utf-8"}
    size       octets, as encoded; of a multipart 0
    lines      of text and message/rfc822
    disposition  "attachment", "inline" or ""; its parameters: {"filename": …}
    inside     the header of the message in a message/rfc822
    """

    section: str
    kind: str
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    identity: str = ""
    description: bytes = b""
    encoding: str = "7bit"
    size: int = 0
    lines: int = 0
    disposition: str = ""
    disposition_parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    inside: Envelope | None = None
    parts: "tuple[BodyPart, ...]" = ()

    def walk(self) -> "Iterator[BodyPart]":
        """This part and all inside, in the order of the message."""
        yield self
        for part in self.parts:
            yield from part.walk()

    @property
    def filename(self) -> str:
        """What an attachment wants to be called. It comes from a stranger."""
        named = self.disposition_parameters.get("filename")
        return named or self.parameters.get("name", "")


def body(value: Any, section: str = "") -> BodyPart:
    """Read the value of BODY or BODYSTRUCTURE. Raises BadResponse.

    >>> from maillab.wire.imap_response_tokens import values
    >>> text = b'("TEXT" "PLAIN" ("CHARSET" "UTF-8") NIL NIL "7BIT" 12 1)'
    >>> [found] = values(b"(" + text + text + b' "MIXED")')
    >>> [(part.section, part.kind, part.size) for part in body(found).walk()]
    [('', 'multipart/mixed', 0), ('1', 'text/plain', 12), ('2', 'text/plain', 12)]
    """
    items = list_of(value)
    if items and isinstance(items[0], tuple):
        return _multipart(items, section)
    return _single(items, section or "1")


def _multipart(items: tuple[Any, ...], section: str) -> BodyPart:
    many = next((n for n, one in enumerate(items) if not isinstance(one, tuple)), 0)
    if not many:
        raise BadResponse("a multipart has a subtype")
    prefix = f"{section}." if section else ""
    parts = [body(one, f"{prefix}{n}") for n, one in enumerate(items[:many], 1)]
    rest = (*items[many + 1 :], None, None)
    disposition, words = _disposition(rest[1])
    return BodyPart(
        section,
        f"multipart/{text_of(items[many]).lower()}",
        _parameters(rest[0]),
        disposition=disposition,
        disposition_parameters=words,
        parts=tuple(parts),
    )


def _single(items: tuple[Any, ...], section: str) -> BodyPart:
    if len(items) < 7:
        raise BadResponse("a part has at least seven values")
    kind = f"{text_of(items[0])}/{text_of(items[1])}".lower()
    more, lines = items[7:], 0
    inside: Envelope | None = None
    parts: tuple[BodyPart, ...] = ()
    if kind.startswith("text/") and more:
        lines, more = number_of(more[0]), more[1:]
    elif kind in ("message/rfc822", "message/global") and len(more) >= 3:
        inside, lines = envelope(more[0]), number_of(more[2])
        parts = (_message_inside(more[1], section),)
        more = more[3:]
    disposition, words = _disposition((*more, None, None)[1])
    return BodyPart(
        section,
        kind,
        _parameters(items[2]),
        text_of(items[3]),
        _octets(items[4]),
        text_of(items[5]).lower(),
        number_of(items[6]),
        lines,
        disposition,
        words,
        inside,
        parts,
    )


def _message_inside(value: Any, section: str) -> BodyPart:
    """Part 4 is a message: its only part is 4.1, its multipart has no other name."""
    items = list_of(value)
    if items and isinstance(items[0], tuple):
        return _multipart(items, section)
    return _single(items, f"{section}.1")


def _parameters(value: Any) -> dict[str, str]:
    return {text_of(key).lower(): text_of(word) for key, word in pairs_of(value)}


def _disposition(value: Any) -> tuple[str, dict[str, str]]:
    items = list_of(value)
    if not items:
        return "", {}
    return text_of(items[0]).lower(), _parameters(items[1] if len(items) > 1 else None)
