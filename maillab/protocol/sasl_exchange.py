"""The server's side of a SASL exchange (RFC 4422 §3), for all protocols alike.

Goes in: responses in base64, as they stand in lines. Comes out: a challenge in base64,
`FindSecret`, or at last the credentials, which somebody has to judge.

    exchange = SaslExchange("SCRAM-SHA-256", side)
    outcome = exchange.begin(b"biws…")     None: the client sent no initial response
    outcome = exchange.respond(b"…")       the answer to a challenge
    outcome = exchange.give_secret(…)      the answer to FindSecret

Rule 1: what a client sends wrongly is a ValueError, in words that may be shown to it;
        `Cancelled` is one of them. The exchange is over then.
Rule 2: whether a mechanism is offered, and whether it may be used now, is for the
        engine to say before.
"""

from dataclasses import dataclass

from maillab.protocol.engine import Question
from maillab.wire import sasl


class Cancelled(ValueError):
    """The client said "*" (RFC 4954 §4, RFC 5034 §4, RFC 9051 §6.2.2)."""


@dataclass(frozen=True, slots=True)
class FindSecret(Question):
    """What is stored about this user? For CRAM-MD5 a password, else a ScramVerifier.

    `server.give_secret(None)`: there is no such user; the exchange goes on all the
    same. `server.answer(refusal)` ends it.
    """

    mechanism: str
    user: str


Outcome = bytes | FindSecret | sasl.Credentials


class SaslExchange:
    """From the command to the credentials. Raises ValueError: unknown name.

    >>> exchange = SaslExchange("login")
    >>> exchange.begin(), exchange.respond(b"YW5u")
    (b'VXNlcm5hbWU6', b'UGFzc3dvcmQ6')
    >>> exchange.respond(b"c2VjcmV0").user
    'ann'
    """

    def __init__(self, name: str, side: sasl.ServerSide | None = None) -> None:
        self.name = name.upper()
        self._mechanism = sasl.server_mechanism(self.name, side)

    def begin(self, initial: bytes | None = None) -> Outcome:
        """Go on after the command; "=" is an empty initial response.

        "If the client is transmitting an initial response of zero length, it MUST
        instead transmit the response as a single equals sign" -- RFC 4954 §4
        """
        if initial is None:
            return self._told(self._mechanism.first_challenge)
        if not self._mechanism.client_first:
            raise ValueError(f"{self.name} has no initial response")
        return self.respond(b"" if initial == b"=" else initial)

    def respond(self, line: bytes) -> Outcome:
        """Take a line of the client. Raises ValueError, which ends the exchange."""
        if line == b"*":
            raise Cancelled("Authentication cancelled")
        return self._told(self._mechanism.respond(sasl.decode(line)))

    def give_secret(self, secret: sasl.Secret | None) -> Outcome:
        """After `FindSecret`; None: there is no such user."""
        return self._told(self._mechanism.give_secret(secret))

    def _told(self, outcome: bytes | sasl.NeedSecret | sasl.Credentials) -> Outcome:
        match outcome:
            case bytes():
                return sasl.encode(outcome)
            case sasl.NeedSecret(user):
                return FindSecret(self.name, user)
            case sasl.Credentials():
                return outcome
