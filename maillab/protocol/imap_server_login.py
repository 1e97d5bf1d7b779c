"""IMAP commands before somebody is known (not authenticated state, RFC 3501 §6.2).

Goes in: names, passwords, responses. Comes out: `LogIn`, and the question for a secret.

Rule: passwords in plain text are refused before they are asked for (LOGINDISABLED).
"""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from maillab.errors import Refused
from maillab.protocol.engine import Question
from maillab.protocol.imap_server_commands import Continue, Steps, command
from maillab.protocol.imap_server_events import LogIn, SecretFound
from maillab.protocol.sasl_exchange import Cancelled, FindSecret, Outcome, SaslExchange
from maillab.wire.imap import BadSyntax, Scanner, Status, bad, no, ok
from maillab.wire.sasl import Credentials, Secret

if TYPE_CHECKING:
    from maillab.protocol.imap_server import IMAPServer

PRIVACY = no(
    "Log in after STARTTLS: passwords are not taken in plain text",
    "PRIVACYREQUIRED",  # RFC 5530 §3
)


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
        initial = words.rest()
        if not server.options.offers("SASL-IR"):
            raise BadSyntax("Initial responses are not taken here")
    if not server.may_log_in:
        raise Refused(PRIVACY)
    mechanisms = server.options.mechanisms
    if name not in mechanisms:
        raise Refused(no(f"Mechanisms here: {' '.join(mechanisms) or 'none'}"))
    try:
        credentials = yield from _exchange(server, name, initial)
    except Cancelled as error:  # "*" (RFC 9051 §6.2.2)
        raise BadSyntax(str(error)) from None
    except ValueError as error:
        raise BadSyntax(f"Wrong response: {error}") from None
    yield LogIn(credentials, name)
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
    yield LogIn(Credentials("", user, password))
    return server.logged_in()


def _exchange(
    server: "IMAPServer", name: str, initial: bytes | None
) -> Generator[Question | Continue, Any, Credentials]:
    exchange = SaslExchange(name, server.options.sasl_side)
    outcome: Outcome = exchange.begin(initial)
    while True:
        match outcome:
            case bytes():
                line: bytes = yield Continue(outcome, secret=True)
                outcome = exchange.respond(line)
            case FindSecret():
                found: SecretFound = yield outcome
                secret = found.secret
                assert secret is None or isinstance(secret, Secret)
                outcome = exchange.give_secret(secret)
            case Credentials():
                return outcome
