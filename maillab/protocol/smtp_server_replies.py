"""The replies of an SMTP server that say more than one handler's success.

Agents use them too: a reply that is said in one way everywhere is easily recognized.
"""

from collections.abc import Iterable

from maillab.wire.sasl import encode
from maillab.wire.smtp import Reply

# For agents ---------------------------------------------------------------------------

SENDER_OK = Reply(250, "2.1.0", "Sender ok")
RECIPIENT_OK = Reply(250, "2.1.5", "Recipient ok")
LOGGED_IN = Reply(235, "2.7.0", "Authentication successful")
BAD_CREDENTIALS = Reply(535, "5.7.8", "Authentication credentials invalid")
NO_SUCH_USER = Reply(550, "5.1.1", "No such user here")
RELAYING_DENIED = Reply(550, "5.7.1", "Relaying denied")
CANNOT_VERIFY = Reply(252, "2.5.0", "Cannot VRFY user, but will try to deliver")
LOCAL_ERROR = Reply(451, "4.3.0", "Local error in processing")

# Sequence and syntax ------------------------------------------------------------------

UNKNOWN_COMMAND = Reply(500, "5.5.2", "Command not recognized")
NEED_RCPT = Reply(503, "5.5.1", "Need RCPT before DATA")
NO_VALID_RECIPIENTS = Reply(554, "5.5.1", "No valid recipients")
SEQUENCE = {
    "MAIL": "A mail transaction is open already",
    "RCPT": "Need MAIL before RCPT",
    "DATA": "Need MAIL and RCPT before DATA",
    "STARTTLS": "Not within a mail transaction",
    "AUTH": "Not within a mail transaction",
}


def out_of_sequence(verb: str, state: str) -> Reply:
    """503: `verb` is not legal in this state."""
    if state == "CONNECTED":
        return Reply(503, "5.5.1", "Send EHLO first")
    return Reply(503, "5.5.1", SEQUENCE[verb], why=f"{verb} in state {state}")


def not_implemented(verb: str) -> Reply:
    """502: known, and not offered here (RFC 5321 §4.2.4)."""
    return Reply(502, "5.5.1", f"{verb} is not implemented here")


def unknown_parameters(keywords: Iterable[str]) -> Reply:
    """555: parameters that nobody offered (RFC 5321 §4.1.1.11)."""
    names = " ".join(sorted(keywords))
    return Reply(555, "5.5.4", f"Parameters not recognized: {names}")


# Limits -------------------------------------------------------------------------------

TOO_BIG = Reply(552, "5.3.4", "Message size exceeds the maximum")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Too many recipients")
TEXT_LINE_TOO_LONG = Reply(
    500,
    "5.5.2",
    "Text line too long",
    why="more than 1000 octets (RFC 5321 §4.5.3.1.6)",
)
BARE_CR_OR_LF = Reply(
    554,
    "5.6.0",
    "Message has a CR or LF that is not part of a CRLF",
    why="such a line end is read differently by other hosts: SMTP smuggling",
)


def line_too_long(in_auth: bool, why: str) -> Reply:
    """500: of a command (RFC 5321 §4.5.3.1.9) or of AUTH (RFC 4954 §6)."""
    if in_auth:
        return Reply(500, "5.5.6", "Authentication exchange line too long", why=why)
    return Reply(500, "5.5.2", "Command line too long", why=why)


# Trust --------------------------------------------------------------------------------

AUTH_REQUIRED = Reply(530, "5.7.0", "Authentication required")
AUTH_ALREADY = Reply(503, "5.5.1", "Already authenticated")
TLS_ALREADY = Reply(503, "5.5.1", "TLS is active already")
TLS_REQUIRED = Reply(530, "5.7.0", "Must issue a STARTTLS command first")
TLS_REQUIRED_FOR_AUTH = Reply(
    538, "5.7.11", "Encryption required for authentication: use STARTTLS"
)


def challenge(data: bytes) -> Reply:
    """334: go on (RFC 4954 §4)."""
    return Reply(334, "", encode(data).decode())


# Beginning and end --------------------------------------------------------------------


def banner(hostname: str) -> Reply:
    """220: the first thing said (RFC 5321 §4.2)."""
    return Reply(220, "", f"{hostname} ESMTP maillab")


def timeout(hostname: str) -> Reply:
    """421: the client is silent (RFC 5321 §4.5.3.2.7)."""
    return Reply(421, "4.4.2", f"{hostname} timeout, closing the connection")


def shutting_down(hostname: str, reason: str) -> Reply:
    """421: this server stops (RFC 5321 §3.8)."""
    return Reply(421, "4.3.2", f"{hostname} closing the connection", why=reason)


def too_many_errors(hostname: str, why: str) -> Reply:
    """421: this client makes no sense."""
    return Reply(421, "4.7.0", f"{hostname} too many errors, closing", why=why)
