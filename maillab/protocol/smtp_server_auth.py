"""Trust in a session: STARTTLS (RFC 3207) and AUTH (RFC 4954 §4).

Goes in: responses in base64. Comes out: challenges, `FindSecret`, then `Login`.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from maillab.errors import Refused
from maillab.protocol.engine import Question
from maillab.protocol.sasl_exchange import (
    Cancelled,
    FindSecret,
    Outcome,
    SaslExchange,
)
from maillab.protocol.smtp_phrases import Phrases
from maillab.protocol.smtp_server_commands import State, command
from maillab.protocol.smtp_server_events import Login
from maillab.wire import sasl
from maillab.wire.smtp import Reply

if TYPE_CHECKING:
    from maillab.protocol.smtp_server import SMTPServer

Given = TypeVar("Given")

INITIAL_RESPONSE = re.compile(rb"auth +[^ ]+ +", re.IGNORECASE)


@command("STARTTLS", rfc="RFC 3207 §4")
def starttls(server: "SMTPServer", _argument: str) -> Reply:
    """Agree on TLS."""
    if server.tls_active:
        server.reject("tls-twice")
    if not server.options.starttls:
        server.reject_absent("STARTTLS")
    server.state = State.TLS
    return server.phrases.reply("ready-for-tls")


@command("AUTH", rfc="RFC 4954 §4")
def auth(server: "SMTPServer", argument: str) -> Reply | Question:
    """Begin to log in."""
    name, _, initial = argument.partition(" ")
    if server.user:
        server.reject("login-twice")
    _check_auth(server, name.upper())
    side = server.options.sasl_side
    exchange = AuthExchange(name.upper(), side, server.phrases)
    return server.go_on_with(exchange, exchange.begin(initial.strip()))


def _check_auth(server: "SMTPServer", name: str) -> None:
    """May this mechanism be used now?"""
    options = server.options
    if not options.mechanisms:
        server.reject_absent("AUTH")
    if options.auth_needs_tls and not server.tls_active:
        server.reject("tls-required-for-auth")
    if not name:
        server.reject("syntax", detail="AUTH <mechanism> [response]")
    if name not in options.mechanisms:
        server.reject("unknown-mechanism", detail=name)


def secrets_of(line: bytes, known: bool, last_verb: str) -> tuple[tuple[int, int], ...]:
    """The spans of a command line that a trace must mask.

    An initial response; and an unknown command behind an AUTH that was refused: there
    a client that did not wait has sent its password.

    >>> secrets_of(b"AUTH PLAIN AGE=", True, "EHLO"), secrets_of(b"AGE=", False, "AUTH")
    (((11, 15),), ((0, 4),))
    """
    initial = INITIAL_RESPONSE.match(line)
    if initial:
        return ((initial.end(), len(line)),)
    return ((0, len(line)),) if last_verb == "AUTH" and not known else ()


class AuthExchange:
    """From the command AUTH to the credentials, in replies of SMTP (RFC 4954 §4)."""

    def __init__(self, name: str, side: sasl.ServerSide, phrases: Phrases) -> None:
        self._phrases = phrases
        self._exchange = SaslExchange(name, side)

    def begin(self, initial: str) -> Reply | Question:
        """Go on after `AUTH name [initial]`. Raises Refused."""
        return self._told(self._exchange.begin, initial.encode() or None)

    def respond(self, line: bytes) -> Reply | Question:
        """Take a line of the client. Raises Refused, which ends the exchange."""
        return self._told(self._exchange.respond, line)

    def give_secret(self, secret: sasl.Secret | None) -> Reply | Question:
        """After `FindSecret`."""
        return self._told(self._exchange.give_secret, secret)

    def _told(
        self, go_on: Callable[[Given], Outcome], given: Given
    ) -> Reply | Question:
        try:
            outcome = go_on(given)
        except Cancelled as error:
            raise Refused(self._phrases.reply("login-cancelled")) from error
        except ValueError as error:
            refusal = self._phrases.reply("bad-response", detail=error)
            raise Refused(refusal) from error
        match outcome:
            case bytes():
                return self._phrases.reply("challenge", challenge=outcome.decode())
            case FindSecret():
                return outcome
            case sasl.Credentials():
                return Login(self._exchange.name, outcome)
