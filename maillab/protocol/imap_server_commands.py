"""Which IMAP commands there are, in which states they are legal, and where they stand.

A command reads its arguments from a `Scanner` and returns the tagged `Status` that ends
it. One that needs something on the way is a generator:

    answer = yield Question(...)     the agent is asked; a refusal ends the command
    line = yield Continue(...)       the client is asked for a line
    return ok("Done")                or: raise Refused(no(...)), raise BadSyntax(...)
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from maillab.protocol.commands import Commands
from maillab.protocol.engine import Question
from maillab.wire.imap import Scanner, Status

if TYPE_CHECKING:
    from maillab.protocol.imap_server import IMAPServer


class State(Enum):
    """RFC 3501 §3."""

    NOT_AUTHENTICATED = auto()
    AUTHENTICATED = auto()
    SELECTED = auto()
    LOGOUT = auto()


_BEFORE = frozenset({State.NOT_AUTHENTICATED})
_AFTER = frozenset({State.AUTHENTICATED, State.SELECTED})
_INSIDE = frozenset({State.SELECTED})

# Which command is legal in which state (RFC 3501 §6). A command that is not here is
# always legal.
LEGAL_STATES: dict[str, frozenset[State]] = {
    **dict.fromkeys(("STARTTLS", "AUTHENTICATE", "LOGIN"), _BEFORE),
    **dict.fromkeys(("SELECT", "EXAMINE", "CREATE", "DELETE", "RENAME"), _AFTER),
    **dict.fromkeys(("SUBSCRIBE", "UNSUBSCRIBE", "LIST", "LSUB", "STATUS"), _AFTER),
    **dict.fromkeys(("APPEND", "NAMESPACE", "IDLE"), _AFTER),
    **dict.fromkeys(("CHECK", "CLOSE", "UNSELECT", "EXPUNGE", "SEARCH"), _INSIDE),
    **dict.fromkeys(("FETCH", "STORE", "COPY", "MOVE", "UID"), _INSIDE),
}

# "An EXPUNGE response MUST NOT be sent ... while responding to a FETCH, STORE, or
# SEARCH command" (RFC 3501 §7.4.1). Their UID forms are other commands.
KEEPS_NUMBERS = frozenset({"FETCH", "STORE", "SEARCH"})


@dataclass(frozen=True, slots=True)
class Continue:
    """Ask the client for a line (RFC 3501 §7.5). `secret`: it must be masked."""

    text: bytes
    secret: bool = False


Steps = Generator[Question | Continue, Any, Status]
Handler = Callable[["IMAPServer", Scanner], Steps | Status]

command: Commands[Handler] = Commands()
HANDLERS = command.handlers
RFC_OF = command.rfc_of
