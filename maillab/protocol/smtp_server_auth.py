"""One AUTH exchange of an SMTP server (RFC 4954 §4).

Goes in: responses in base64. Comes out: challenges, then the question `Login`.
"""

import re

from maillab.errors import Refused
from maillab.protocol.smtp_server_events import Login
from maillab.protocol.smtp_server_replies import challenge
from maillab.wire import sasl
from maillab.wire.smtp import Reply

INITIAL_RESPONSE = re.compile(rb"auth +[^ ]+ +", re.IGNORECASE)


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

    def __init__(self, name: str) -> None:
        self._name = name
        self._mechanism = sasl.server_mechanism(name)

    def begin(self, initial: str) -> Reply | Login:
        """Go on after `AUTH name [initial]`; `=` is an empty response."""
        if not initial:
            return challenge(self._mechanism.first_challenge)
        return self.respond(b"" if initial == "=" else initial.encode())

    def respond(self, line: bytes) -> Reply | Login:
        """Take a line of the client. Raises Refused, which ends the exchange."""
        if line == b"*":
            raise Refused(Reply(501, "5.7.0", "Authentication cancelled"))
        try:
            outcome = self._mechanism.respond(sasl.decode(line))
        except ValueError as error:
            raise Refused(Reply(501, "5.5.2", str(error))) from error
        if isinstance(outcome, bytes):
            return challenge(outcome)
        return Login(self._name, outcome)
