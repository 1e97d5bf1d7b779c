"""What an SMTP client engine tells its agent, and where its commands are defined."""

from dataclasses import dataclass

from maillab.protocol.client import Garbled as Garbled
from maillab.protocol.engine import Event
from maillab.wire.smtp import Reply
from maillab.wire.smtp_path import Address

RFC_OF = {
    "": "RFC 5321 §4.3.1",
    "EHLO": "RFC 5321 §4.1.1.1",
    "HELO": "RFC 5321 §4.1.1.1",
    "LHLO": "RFC 2033 §4.1",
    "MAIL": "RFC 5321 §4.1.1.2",
    "RCPT": "RFC 5321 §4.1.1.3",
    "DATA": "RFC 5321 §4.1.1.4",
    "content": "RFC 5321 §4.1.1.4",
    "BDAT": "RFC 3030 §2",
    "RSET": "RFC 5321 §4.1.1.5",
    "VRFY": "RFC 5321 §4.1.1.6",
    "EXPN": "RFC 5321 §4.1.1.7",
    "HELP": "RFC 5321 §4.1.1.8",
    "NOOP": "RFC 5321 §4.1.1.9",
    "QUIT": "RFC 5321 §4.1.1.10",
    "STARTTLS": "RFC 3207 §4",
    "AUTH": "RFC 4954 §4",
    "ETRN": "RFC 1985 §5.2",
}


@dataclass(frozen=True, slots=True)
class Greeting(Event):
    """The first thing that the server said."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Replied(Event):
    """The answer to a command; `verb` is "" when nobody had asked."""

    verb: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class RecipientReply(Event):
    """The answer to one RCPT of `send`."""

    path: Address
    reply: Reply


@dataclass(frozen=True, slots=True)
class Sent(Event):
    """The end of `send`.

    reply     the answer to the content, or the one because of which it was not sent; in
              LMTP the last one
    accepted  the recipients for whom the server has taken responsibility
    results   in LMTP: the answer for each recipient that had been accepted (RFC 2033
              §4.2)
    """

    reply: Reply
    accepted: tuple[Address, ...]
    results: tuple[tuple[Address, Reply], ...] = ()
