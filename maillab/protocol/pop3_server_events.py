"""What a POP3 server engine is told, asks, and tells its agent."""

from dataclasses import dataclass

from maillab.protocol.engine import Event, Question
from maillab.wire.pop3 import Reply


@dataclass(frozen=True, slots=True)
class POP3ServerOptions:
    """Fixed for a session.

    mechanisms       of AUTH; () when it is not offered
    login_needs_tls  no password is taken in plain text
    """

    hostname: str
    starttls: bool = False
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    login_needs_tls: bool = False
    max_bad_commands: int = 10

    def capabilities(self, tls_active: bool) -> list[str]:
        """What CAPA lists (RFC 2449 §6)."""
        words = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"]
        if tls_active or not self.login_needs_tls:
            words.append("USER")
            if self.mechanisms:
                words.append(f"SASL {' '.join(self.mechanisms)}")
        if self.starttls and not tls_active:
            words.append("STLS")
        return [*words, "EXPIRE NEVER", "IMPLEMENTATION maillab"]


@dataclass(frozen=True, slots=True)
class DropMessage:
    """A message in a maildrop; `unique_id` is for UIDL (1 to 70 printable octets)."""

    unique_id: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Answered(Event):
    """A command that the protocol could answer by itself."""

    verb: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class Retrieved(Event):
    """RETR gave this message to the client."""

    message: DropMessage


@dataclass(frozen=True, slots=True)
class Login(Question):
    """Are these credentials right? Answered by `open_maildrop` or `answer`."""

    user: str
    password: str
    mechanism: str = ""  # "" for USER and PASS
    authzid: str = ""


@dataclass(frozen=True, slots=True)
class Update(Question):
    """QUIT: remove these messages, release the lock, and `answer`."""

    deleted: tuple[str, ...]  # unique-ids
