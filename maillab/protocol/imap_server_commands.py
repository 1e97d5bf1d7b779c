"""Which IMAP commands there are, in which states they are legal, and where they stand.

Goes in: handlers, as they register. Comes out: tables, by the name of the command.

Rule: a command reads its arguments from a `Scanner` and returns the tagged `Status`
      that ends it. One that needs something on the way is a generator:

    answer = yield Question(...)     the agent is asked; a refusal ends the command
    line = yield Continue(...)       the client is asked for a line
    yield Pause()                    the answer is long: others have a turn
    return ok("Done")                or: raise Refused(no(...)), raise BadSyntax(...)
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from maillab.protocol.commands import Commands
from maillab.protocol.engine import Pause, Question
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
_OUTSIDE = frozenset({State.AUTHENTICATED})
_INSIDE = frozenset({State.SELECTED})

# Which command is legal in which state (RFC 3501 §6). A command that is not here is
# always legal. ENABLE: "only valid in the authenticated state" (RFC 5161 §3.1).
LEGAL_STATES: dict[str, frozenset[State]] = {
    **dict.fromkeys(("STARTTLS", "AUTHENTICATE", "LOGIN"), _BEFORE),
    **dict.fromkeys(("SELECT", "EXAMINE", "CREATE", "DELETE", "RENAME"), _AFTER),
    **dict.fromkeys(("SUBSCRIBE", "UNSUBSCRIBE", "LIST", "LSUB", "STATUS"), _AFTER),
    **dict.fromkeys(("APPEND", "NAMESPACE", "IDLE", "COMPRESS"), _AFTER),
    **dict.fromkeys(("GETQUOTA", "GETQUOTAROOT", "SETQUOTA"), _AFTER),
    "ENABLE": _OUTSIDE,
    **dict.fromkeys(("CHECK", "CLOSE", "UNSELECT", "EXPUNGE", "SEARCH"), _INSIDE),
    **dict.fromkeys(("FETCH", "STORE", "COPY", "MOVE", "REPLACE", "UID"), _INSIDE),
    **dict.fromkeys(("SORT", "THREAD"), _INSIDE),
}

# "An EXPUNGE response MUST NOT be sent ... while responding to a FETCH, STORE, or
# SEARCH command" (RFC 3501 §7.4.1); SORT and THREAD are searches too (RFC 5256 §3).
# Their UID forms are other commands.
KEEPS_NUMBERS = frozenset({"FETCH", "STORE", "SEARCH", "SORT", "THREAD"})


@dataclass(frozen=True, slots=True)
class Continue:
    """Ask the client for a line (RFC 3501 §7.5). `secret`: it must be masked."""

    text: bytes
    secret: bool = False


Steps = Generator[Question | Continue | Pause, Any, Status]
Handler = Callable[["IMAPServer", Scanner], Steps | Status]

command: Commands[Handler] = Commands()
HANDLERS = command.handlers
RFC_OF = command.rfc_of

# The same commands with UIDs (RFC 3501 §6.4.8): `UID FETCH` stands here as "FETCH".
# A handler of both is told which one it is by `by_uid`.
uid_form: Commands[Callable[..., Steps]] = Commands()
UID_FORMS = uid_form.handlers
