"""What an SMTP server engine asks and tells its agent.

Each question is answered by `server.answer(Reply(...))`; `FindSecret` by
`server.give_secret(...)` too, and `Message` in LMTP by `server.answer_each([...])`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from maillab.protocol.engine import Event, Question
from maillab.protocol.sasl_exchange import FindSecret as FindSecret
from maillab.wire.sasl import Credentials
from maillab.wire.smtp import Envelope, Parameters, Reply
from maillab.wire.smtp_path import Address


@dataclass(frozen=True, slots=True)
class Answered(Event):
    """A command that the protocol could answer by itself."""

    verb: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class Connected(Question):
    """A client is here. 220 is the banner.

    After 554 it may only say QUIT (RFC 5321 §3.1); any other refusal hangs up.
    `claimed` is what a PROXY line has told: the client's address and port.
    """

    claimed: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Hello(Question):
    """May a client that calls itself `name` stay? `extended`: it said EHLO or LHLO.

    When the answer is positive, the engine says what it offers; its text is not used.
    """

    name: str
    extended: bool


@dataclass(frozen=True, slots=True)
class MailFrom(Question):
    """May this sender start a transaction?"""

    path: Address
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class RcptTo(Question):
    """Do we take mail for this recipient? `route`: a source route (not followed)."""

    path: Address
    parameters: Parameters
    route: tuple[str, ...] = ()


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
    """Whom does this text of VRFY mean (RFC 5321 §3.5)? `utf8`: say it in UTF-8."""

    text: str
    utf8: bool = False


@dataclass(frozen=True, slots=True)
class Expand(Question):
    """Who is on this list of EXPN (RFC 5321 §3.5)?"""

    text: str
    utf8: bool = False


@dataclass(frozen=True, slots=True)
class StartQueue(Question):
    """ETRN: send what waits for this domain now (RFC 1985 §5).

    `subdomains`: and for all domains below it.
    """

    domain: str
    subdomains: bool


@dataclass(frozen=True, slots=True)
class Impersonate(Question):
    """XCLIENT: may this client speak for another one, with these attributes?"""

    attributes: Mapping[str, str]
