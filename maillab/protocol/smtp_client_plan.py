"""How one message can be sent to one server: with which parameters, and in which form.

Goes in: envelope, content, what the server offers. Comes out: a `Plan`; or `Refused`
with the reply that our own side gives, because the server could not take the message.

Rule 1: nothing is used that was not offered (RFC 5321 §2.2.1).
Rule 2: what the message needs and the server has not, is a permanent failure here: it
        is not sent in a form that the next host would damage.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from maillab.errors import Refused
from maillab.wire.smtp import Envelope, Parameters, Reply
from maillab.wire.smtp_content import Smuggling, has_bare_cr_or_lf, normalized
from maillab.wire.smtp_downgrade import downgraded, has_binary_part, has_utf8_header
from maillab.wire.smtp_path import Address

Chunking = Literal["binary", "always"]

# Which extension a parameter belongs to; SIZE and BODY are ours to say.
EXTENSION_OF = {
    "RET": "DSN",
    "ENVID": "DSN",
    "NOTIFY": "DSN",
    "ORCPT": "DSN",
    "AUTH": "AUTH",
    "REQUIRETLS": "REQUIRETLS",
    "BY": "DELIVERBY",
    "HOLDFOR": "FUTURERELEASE",
    "HOLDUNTIL": "FUTURERELEASE",
    "MT-PRIORITY": "MT-PRIORITY",
}

Offers = Callable[[str], bool]

NEEDS_SMTPUTF8 = Reply(
    553,
    "5.6.7",
    "The server does not take addresses beyond ASCII",
    ref="RFC 6531 §3.5",
)
NEEDS_UTF8_HEADER = Reply(
    554, "5.6.9", "The server does not take UTF-8 in headers", ref="RFC 6531 §3.5"
)
NEEDS_8BITMIME = Reply(554, "5.6.3", "The server takes 7 bits only", ref="RFC 6152 §3")
NEEDS_BINARYMIME = Reply(
    554, "5.6.3", "The server takes no binary content", ref="RFC 3030 §3"
)
NEEDS_REQUIRETLS = Reply(
    550, "5.7.30", "REQUIRETLS is not supported by the server", ref="RFC 8689 §5"
)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the agent has chosen.

    stuffing  "vulnerable": send bare CR and LF as they are (SMTP smuggling)
    chunking  use BDAT for "binary" content only, or "always" where it is offered
    """

    stuffing: Smuggling = "strict"
    chunking: Chunking = "binary"


@dataclass(frozen=True, slots=True)
class Plan:
    """How a message leaves.

    content     as the server will have it
    chunked     by BDAT (RFC 3030 §2)
    recipients  for each, what RCPT says
    """

    content: bytes
    chunked: bool
    parameters: Parameters
    recipients: Mapping[Address, Parameters] = field(
        default_factory=dict[Address, Parameters]
    )


def plan(envelope: Envelope, content: bytes, offers: Offers, wishes: Wishes) -> Plan:
    """Choose. Raises Refused.

    >>> ann = Address("jörg", "example.org")
    >>> plan(Envelope(ann, (ann,)), b"", lambda word: False, Wishes())
    Traceback (most recent call last):
    maillab.errors.Refused: 553 5.6.7 The server does not take addresses beyond ASCII
    """
    if "REQUIRETLS" in envelope.parameters and not offers("REQUIRETLS"):
        raise Refused(NEEDS_REQUIRETLS)
    parameters = _known(envelope.parameters, offers)
    if _is_international(envelope, content, offers):
        parameters["SMTPUTF8"] = None
    content, body = _encoded(envelope, content, offers)
    chunked = body == "BINARYMIME" or (
        wishes.chunking == "always" and offers("CHUNKING")
    )
    if body != "BINARYMIME" and wishes.stuffing == "strict":
        # "conversion ... before transmission" is the originator's duty: RFC 5321 §2.3.8
        content = normalized(content) if has_bare_cr_or_lf(content) else content
    if offers("SIZE"):
        parameters["SIZE"] = str(len(content))
    if body:
        parameters["BODY"] = body
    recipients = {
        path: _known(given, offers) for path, given in envelope.recipients.items()
    }
    return Plan(content, chunked, parameters, recipients)


def _known(given: Parameters, offers: Offers) -> dict[str, str | None]:
    return {
        word: value
        for word, value in given.items()
        if word in EXTENSION_OF and offers(EXTENSION_OF[word])
    }


def _is_international(envelope: Envelope, content: bytes, offers: Offers) -> bool:
    """Does this need SMTPUTF8 (RFC 6531 §3.2)? Raises Refused."""
    paths = (envelope.reverse_path, *envelope.forward_paths)
    addresses = not all(path.is_ascii for path in paths)
    header = has_utf8_header(content)
    if offers("SMTPUTF8"):
        return addresses or header
    if addresses:
        raise Refused(NEEDS_SMTPUTF8)
    if header and "SMTPUTF8" in envelope.parameters:
        raise Refused(NEEDS_UTF8_HEADER)
    # deviation: who submitted UTF-8 headers without SMTPUTF8 has them sent as they are.
    return False


def _encoded(envelope: Envelope, content: bytes, offers: Offers) -> tuple[bytes, str]:
    """The content in a form that the server takes, and BODY. Raises Refused."""
    wanted = (envelope.parameters.get("BODY") or "").upper()
    if wanted == "BINARYMIME" or has_binary_part(content):
        if offers("CHUNKING") and offers("BINARYMIME"):
            return content, "BINARYMIME"
        content = _seven_bits(content, NEEDS_BINARYMIME)
    if content.isascii():
        return content, ""
    if offers("8BITMIME"):
        return content, "8BITMIME"
    return _seven_bits(content, NEEDS_8BITMIME), ""


def _seven_bits(content: bytes, refusal: Reply) -> bytes:
    try:
        return downgraded(content)
    except ValueError as error:
        raise Refused(refusal.because(str(error))) from error
