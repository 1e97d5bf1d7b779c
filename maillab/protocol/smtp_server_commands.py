"""Which commands an SMTP server knows, and when each is legal.

Goes in: handlers, registered by `@command` where they stand. Comes out: tables.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import TYPE_CHECKING

from maillab.protocol.commands import Commands
from maillab.protocol.engine import Question
from maillab.wire.smtp import Reply

if TYPE_CHECKING:
    from maillab.protocol.smtp_server import SMTPServer


class State(Enum):
    """Where a session stands."""

    CONNECTED = auto()  # no EHLO yet
    GREETED = auto()  # EHLO given, no mail transaction
    MAIL = auto()  # reverse-path known
    RCPT = auto()  # at least one forward-path known
    BDAT = auto()  # some chunks of the content are here, and not the last one
    DATA = auto()  # octets are mail data, not commands
    CHUNK = auto()  # octets are a chunk of BDAT, not commands
    AUTH = auto()  # a line is a SASL response, not a command
    TLS = auto()  # 220 to STARTTLS said, handshake not done
    REFUSED = auto()  # 554 said instead of 220: only QUIT is left (RFC 5321 §3.1)
    CLOSED = auto()


# Which command is legal in which state (RFC 5321 §4.1.4). A command that is not here is
# legal in all of them, but for REFUSED.
LEGAL_STATES: dict[str, set[State]] = {
    "MAIL": {State.GREETED},
    "RCPT": {State.MAIL, State.RCPT},
    "DATA": {State.MAIL, State.RCPT},  # without a recipient it is refused (§3.3)
    "BDAT": {State.MAIL, State.RCPT, State.BDAT},
    "STARTTLS": {State.GREETED},
    "AUTH": {State.GREETED},  # "not permitted during a mail transaction": RFC 4954 §4
    "ETRN": {State.GREETED},  # RFC 1985 §5.2
    "XCLIENT": {State.GREETED},
}
NO_ARGUMENT = {"DATA", "RSET", "QUIT", "STARTTLS"}
BEFORE_TLS = {"EHLO", "HELO", "LHLO", "NOOP", "QUIT", "STARTTLS"}  # RFC 3207 §4
INTERNATIONAL = {"MAIL", "RCPT", "VRFY", "EXPN"}  # may have UTF-8 (RFC 6531 §3.1)

# Commands that are known only where an extension is offered.
EXTENSION_OF = {
    "BDAT": "CHUNKING",
    "EXPN": "EXPN",
    "ETRN": "ETRN",
    "XCLIENT": "XCLIENT",
}

# What to say where a command is not legal: by the state, or by the command.
OUT_OF_SEQUENCE = {
    "MAIL": "nested-mail",
    "RCPT": "need-mail",
    "DATA": "need-mail-rcpt",
    "BDAT": "need-mail-rcpt",
    "STARTTLS": "in-transaction",
    "AUTH": "in-transaction",
    "ETRN": "in-transaction",
    "XCLIENT": "in-transaction",
}

# For HELP (RFC 5321 §4.1.1.8), in the order of the RFC.
SYNTAX = {
    "EHLO": "EHLO <domain or [address]>",
    "HELO": "HELO <domain>",
    "LHLO": "LHLO <domain or [address]>",
    "MAIL": "MAIL FROM:<reverse-path> [parameters]",
    "RCPT": "RCPT TO:<forward-path> [parameters]",
    "DATA": "DATA",
    "BDAT": "BDAT <size> [LAST]",
    "RSET": "RSET",
    "VRFY": "VRFY <user or address>",
    "EXPN": "EXPN <list>",
    "HELP": "HELP [command]",
    "NOOP": "NOOP [text]",
    "QUIT": "QUIT",
    "STARTTLS": "STARTTLS",
    "AUTH": "AUTH <mechanism> [response]",
    "ETRN": "ETRN [@]<domain>",
    "XCLIENT": "XCLIENT <name>=<value> ...",
}

# None: the reply comes later, behind the octets of a chunk.
Handler = Callable[["SMTPServer", str], Reply | Question | None]

command: Commands[Handler] = Commands()
