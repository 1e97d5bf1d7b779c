"""Trust in a session: STARTTLS (RFC 3207) and AUTH (RFC 4954 §4).

Goes in: responses in base64. Comes out: challenges, `FindSecret`, then `Login`.
"""

import re
from typing import TYPE_CHECKING

from maillab.errors import Refused
from maillab.protocol.engine import Question
from maillab.protocol.smtp_phrases import Phrases
from maillab.protocol.smtp_server_commands import State, command
from maillab.protocol.smtp_server_events import FindSecret, Login
from maillab.wire import sasl
from maillab.wire.smtp import Reply

if TYPE_CHECKING:
    from maillab.protocol.smtp_server import SMTPServer

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
    """From the command AUTH to the credentials."""

    def __init__(self, name: str, side: sasl.ServerSide, phrases: Phrases) -> None:
        self._name = name
        self._phrases = phrases
        self._mechanism = sasl.server_mechanism(name, side)

    def begin(self, initial: str) -> Reply | Question:
        """Go on after `AUTH name [initial]`; `=` is an empty response."""
        if not initial:
            return self._after(self._mechanism.first_challenge)
        if not self._mechanism.client_first:  # RFC 4954 §4
            detail = f"{self._name} has no initial response"
            raise Refused(self._phrases.reply("bad-response", detail=detail))
        return self.respond(b"" if initial == "=" else initial.encode())

    def respond(self, line: bytes) -> Reply | Question:
        """Take a line of the client. Raises Refused, which ends the exchange."""
        if line == b"*":
            raise Refused(self._phrases.reply("login-cancelled"))
        try:
            return self._after(self._mechanism.respond(sasl.decode(line)))
        except ValueError as error:
            refusal = self._phrases.reply("bad-response", detail=error)
            raise Refused(refusal) from error

    def give_secret(self, secret: sasl.Secret | None) -> Reply | Question:
        """After `FindSecret`."""
        return self._after(self._mechanism.give_secret(secret))

    def _after(
        self, outcome: bytes | sasl.NeedSecret | sasl.Credentials
    ) -> Reply | Question:
        match outcome:
            case bytes():
                text = sasl.encode(outcome).decode()
                return self._phrases.reply("challenge", challenge=text)
            case sasl.NeedSecret(user):
                return FindSecret(self._name, user)
            case sasl.Credentials():
                return Login(self._name, outcome)
