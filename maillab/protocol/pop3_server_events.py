"""What a POP3 server engine is told, asks, and tells its agent.

Goes in: nothing; these are values. Comes out: the words of engine and agent.

Rule: every question may be answered with a `Reply` that refuses it.
"""

from dataclasses import dataclass, field
from typing import Literal

from maillab.protocol.engine import Event, Question
from maillab.protocol.sasl_exchange import FindSecret as FindSecret
from maillab.wire.pop3 import Reply
from maillab.wire.sasl import Credentials, ServerSide


@dataclass(frozen=True, slots=True)
class POP3ServerOptions:
    """Fixed for a session.

    mechanisms       of AUTH; () when it is not offered
    login_needs_tls  nobody logs in in plain text
    timestamp        of the greeting, "<…@host>", another one each time: APOP is offered
                     (RFC 1939 §7); "": it is not
    sasl_side        what the mechanisms need
    expire           days after which mail may be removed (RFC 2449 §6.7); None: never
    login_delay      seconds between two logins of one user (RFC 2449 §6.5); 0: none
    delay_differs    `login_delay` is that of the user who has to wait longest
    """

    hostname: str
    starttls: bool = False
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    login_needs_tls: bool = False
    max_bad_commands: int = 10
    timestamp: str = ""
    sasl_side: ServerSide = field(default_factory=ServerSide, repr=False)
    expire: int | None = None
    login_delay: int = 0
    delay_differs: bool = False

    def capabilities(
        self, tls_active: bool, login_delay: int | None = None
    ) -> list[str]:
        """What CAPA lists (RFC 2449 §6). `login_delay`: of who has logged in."""
        words = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"]
        if tls_active or not self.login_needs_tls:
            words.append("USER")
            if self.mechanisms:
                words.append(f"SASL {' '.join(self.mechanisms)}")
        if self.starttls and not tls_active:
            words.append("STLS")
        words += self._login_delay(login_delay)
        words.append(f"EXPIRE {'NEVER' if self.expire is None else self.expire}")
        return [*words, "UTF8 USER", "LANG", "IMPLEMENTATION maillab"]

    def _login_delay(self, own: int | None) -> list[str]:
        """Before the login: that of whoever waits longest."""
        if own is not None:
            return [f"LOGIN-DELAY {own}"] if own else []
        differs = " USER" if self.delay_differs else ""
        return [f"LOGIN-DELAY {self.login_delay}{differs}"] if self.login_delay else []


@dataclass(frozen=True, slots=True)
class DropMessage:
    """A message in a maildrop: what a session knows of it until somebody reads it.

    unique_id  for UIDL (1 to 70 octets, "!" to "~")
    size       octets, with every end of line as CRLF (RFC 1939 §11)

    # deviation: RFC 6856 §2.1: "SHOULD match the actual number of octets sent in a
    # RETR response". It is that of the message as it is kept, as in Dovecot: RETR ends
    # a last line that has no CRLF, and may send a surrogate (RFC 6858 §4 allows both
    # sizes). To know before, all messages would have to be read at each login.
    """

    unique_id: str
    size: int


@dataclass(frozen=True, slots=True)
class Answered(Event):
    """A command that the protocol could answer by itself."""

    verb: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class Retrieved(Event):
    """RETR gave this message to the client."""

    unique_id: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Login(Question):
    """Are these credentials right? Answered by `open_maildrop` or `answer`.

    mechanism  of SASL, or "USER/PASS"
    """

    mechanism: str
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class ProveLogin(Question):
    """APOP: has this user the password that makes this digest of `timestamp`?

    Answered like `Login`. `wire.pop3.apop_digest` makes the digest.
    """

    user: str
    digest: str
    timestamp: str


@dataclass(frozen=True, slots=True)
class ReadMessage(Question):
    """What are the octets of this message? Answered by `give_message` or `answer`.

    need  "header": with the empty line that ends it, and nothing behind
    """

    unique_id: str
    need: Literal["header", "content"] = "content"


@dataclass(frozen=True, slots=True)
class Update(Question):
    """QUIT: remove these messages, release the lock, and `answer`.

    retrieved  what the client has fetched in this session
    """

    deleted: tuple[str, ...]  # unique-ids
    retrieved: frozenset[str] = frozenset()
