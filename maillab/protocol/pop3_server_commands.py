"""The table of POP3 commands: which there are, when they are legal, who handles them.

Goes in: handlers. Comes out: `HANDLERS`, and the section that defines each.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import TYPE_CHECKING

from maillab.protocol.commands import Commands
from maillab.protocol.engine import Question
from maillab.wire.pop3 import Reply

if TYPE_CHECKING:
    from maillab.protocol.pop3_server import POP3Server


class State(Enum):
    """Where a session stands (RFC 1939 §3)."""

    AUTHORIZATION = auto()  # nobody has logged in
    SASL = auto()  # a line is a SASL response, not a command
    TLS = auto()  # +OK to STLS said, handshake not done
    TRANSACTION = auto()  # the maildrop is open and locked
    UPDATE = auto()  # QUIT after login
    CLOSED = auto()


# Which command is legal in which state (RFC 1939 §9). A command that is not here is
# legal in all of them.
LEGAL_STATES: dict[str, set[State]] = {
    "USER": {State.AUTHORIZATION},
    "PASS": {State.AUTHORIZATION},
    "APOP": {State.AUTHORIZATION},
    "AUTH": {State.AUTHORIZATION},  # RFC 5034 §4
    "STLS": {State.AUTHORIZATION},  # RFC 2595 §4
    "UTF8": {State.AUTHORIZATION},  # RFC 6856 §2.1
    "STAT": {State.TRANSACTION},
    "LIST": {State.TRANSACTION},
    "RETR": {State.TRANSACTION},
    "DELE": {State.TRANSACTION},
    "NOOP": {State.TRANSACTION},
    "RSET": {State.TRANSACTION},
    "TOP": {State.TRANSACTION},
    "UIDL": {State.TRANSACTION},
}
NO_ARGUMENT = {"QUIT", "STAT", "NOOP", "RSET", "CAPA", "STLS", "UTF8"}

Handler = Callable[["POP3Server", str], Reply | Question]

command: Commands[Handler] = Commands()
HANDLERS = command.handlers
RFC_OF = command.rfc_of
