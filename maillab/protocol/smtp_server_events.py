"""What an SMTP server engine asks and tells its agent.

Each question is answered by `server.answer(Reply(...))`.
"""

from dataclasses import dataclass

from maillab.protocol.engine import Event, Question
from maillab.wire.sasl import Credentials
from maillab.wire.smtp import Envelope, Parameters, Reply
from maillab.wire.smtp_path import Address


@dataclass(frozen=True, slots=True)
class Answered(Event):
    """A command that the protocol could answer by itself."""

    verb: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class MailFrom(Question):
    """May this sender start a transaction?"""

    path: Address
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class RcptTo(Question):
    """Do we take mail for this recipient?"""

    path: Address
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class Message(Question):
    """Do we take responsibility for this message (RFC 5321 §6.1)?"""

    envelope: Envelope
    content: bytes


@dataclass(frozen=True, slots=True)
class Login(Question):
    """Are these credentials right? A positive answer is 235."""

    mechanism: str
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class Verify(Question):
    """Whom does this text of VRFY mean (RFC 5321 §3.5)?"""

    text: str
