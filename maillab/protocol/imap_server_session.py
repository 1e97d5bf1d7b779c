"""IMAP commands that are about the session: who is there, and what is spoken.

Any state (RFC 3501 §6.1) and not authenticated (RFC 3501 §6.2), with ID and IDLE.
"""

from typing import TYPE_CHECKING

from maillab.errors import Refused
from maillab.protocol.imap_server_commands import Continue, State, Steps, command
from maillab.protocol.imap_server_events import LogIn
from maillab.wire import sasl
from maillab.wire.imap import BadSyntax, Scanner, Status, bad, no, ok

if TYPE_CHECKING:
    from maillab.protocol.imap_server import IMAPServer

PRIVACY = no(
    "Log in after STARTTLS: passwords are not taken in plain text",
    "PRIVACYREQUIRED",  # RFC 5530 §3
)
MAX_ID_FIELDS = 30  # RFC 2971 §3.3


@command("CAPABILITY", rfc="RFC 3501 §6.1.1")
def capability(server: "IMAPServer", words: Scanner) -> Status:
    """List what this server can do now."""
    words.end()
    server.untagged(f"CAPABILITY {server.capabilities}".encode())
    return ok("That is all")


@command("NOOP", rfc="RFC 3501 §6.1.2")
def noop(_server: "IMAPServer", words: Scanner) -> Status:
    """Do nothing, but tell the news."""
    words.end()
    return ok("Nothing done")


@command("LOGOUT", rfc="RFC 3501 §6.1.3")
def logout(server: "IMAPServer", words: Scanner) -> Steps:
    """Say goodbye."""
    words.end()
    yield from server.leave_mailbox()
    server.untagged(b"BYE Goodbye")
    server.state = State.LOGOUT
    return ok("Logged out")


@command("STARTTLS", rfc="RFC 3501 §6.2.1")
def starttls(server: "IMAPServer", words: Scanner) -> Status:
    """Agree on TLS."""
    words.end()
    if not server.can_start_tls:
        raise Refused(bad("TLS is not available, or active already"))
    return ok("Begin TLS now")


@command("AUTHENTICATE", rfc="RFC 3501 §6.2.2")
def authenticate(server: "IMAPServer", words: Scanner) -> Steps:
    """Log in by a SASL mechanism, with or without initial response (RFC 4959 §3)."""
    words.space()
    name = words.keyword()
    initial: bytes | None = None
    if not words.at_end:
        words.space()
        initial = _decoded(words.rest())
    if not server.may_log_in:
        raise Refused(PRIVACY)
    if name not in server.mechanisms:
        raise Refused(no(f"Mechanisms here: {' '.join(server.mechanisms)}"))
    mechanism = sasl.server_mechanism(name)
    challenge = mechanism.first_challenge
    while True:
        if initial is None:
            line = yield Continue(sasl.encode(challenge), secret=True)
            initial = _decoded(line)
        try:
            result = mechanism.respond(initial)
        except ValueError as error:
            raise BadSyntax(f"Wrong response: {error}") from None
        if isinstance(result, sasl.Credentials):
            break
        assert isinstance(result, bytes), "PLAIN and LOGIN need no secret"
        challenge, initial = result, None
    yield LogIn(result.user, result.password, name, result.authzid)
    return server.logged_in()


@command("LOGIN", rfc="RFC 3501 §6.2.3")
def login(server: "IMAPServer", words: Scanner) -> Steps:
    """Log in with a name and a password as they are."""
    words.space()
    user = words.text()
    words.space()
    password = words.text()
    words.end()
    if not server.may_log_in:
        raise Refused(PRIVACY)
    yield LogIn(user, password)
    return server.logged_in()


@command("ID", rfc="RFC 2971 §3.1")
def identify(server: "IMAPServer", words: Scanner) -> Status:
    """Tell each other the names of the programs."""
    words.space()
    if not words.take(b"NIL"):
        _read_id(words)
    words.end()
    server.untagged(b'ID ("name" "maillab")')
    return ok("Nice to meet you")


@command("IDLE", rfc="RFC 2177 §3")
def idle(server: "IMAPServer", words: Scanner) -> Steps:
    """Tell the news as they come, until the client says DONE."""
    words.end()
    server.idling = True
    line = yield Continue(b"idling")
    server.idling = False
    if line.upper() != b"DONE":
        raise BadSyntax("Expected DONE")
    return ok("No longer idle")


def _decoded(text: bytes) -> bytes:
    """A line of a SASL exchange: base64, "=" for nothing, "*" to cancel."""
    if text == b"*":
        raise BadSyntax("Cancelled")
    try:
        return b"" if text == b"=" else sasl.decode(text)
    except ValueError as error:
        raise BadSyntax(f"Wrong response: {error}") from None


def _read_id(words: Scanner) -> None:
    words.expect(b"(")
    count = 0
    while not words.take(b")"):
        if count:
            words.space()
        words.string()
        words.space()
        if not words.take(b"NIL"):
            words.string()
        count += 1
        if count > MAX_ID_FIELDS:
            raise BadSyntax("Too many fields")
