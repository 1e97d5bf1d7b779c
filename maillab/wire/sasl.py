"""SASL mechanisms, all with one interface (RFC 4422 §3): what to say next, to the end.

Goes in: the octets of responses (server) or challenges (client), after base64. Comes
out: what to say next; on the server's side at last `Credentials`.

    server:  respond(response) -> challenge | NeedSecret(user) | Credentials
             give_secret(secret) -> challenge | Credentials, after NeedSecret
    client:  respond(challenge) -> response; `satisfied` says whether to believe a 235

Rule 1: a mechanism never decides whether somebody may log in. It reads what was said
        and, where the secret is known, whether the proof is right.
Rule 2: what a peer sends wrongly is a ValueError, in words that may be shown to it.
Rule 3: nothing here is random: nonces are given from outside.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from maillab.wire.sasl_plain import (
    CramMD5,
    CramMD5Client,
    Login,
    LoginClient,
    Plain,
    PlainClient,
)
from maillab.wire.sasl_scram import (
    LEAST_ITERATIONS,
    ScramClient,
    ScramServer,
    ScramVerifier,
)
from maillab.wire.sasl_values import Credentials as Credentials
from maillab.wire.sasl_values import NeedSecret as NeedSecret
from maillab.wire.sasl_values import decode as decode
from maillab.wire.sasl_values import encode as encode

# What is stored about a user: the password itself (CRAM-MD5), or a verifier (SCRAM).
Secret = str | ScramVerifier

MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256")
WITH_NONCE = frozenset({"CRAM-MD5", "SCRAM-SHA-256"})


class ServerMechanism(Protocol):
    """One exchange, seen from the server."""

    @property
    def first_challenge(self) -> bytes:
        """What the server says when the client sent no initial response."""
        ...

    @property
    def client_first(self) -> bool:
        """May the client send an initial response (RFC 4422 §5)?"""
        ...

    def respond(self, data: bytes) -> bytes | NeedSecret | Credentials:
        """Take a response; give the next challenge, or the credentials at the end.

        Raises ValueError: the response is not what the mechanism asks for.
        """
        ...

    def give_secret(self, secret: Secret | None, /) -> bytes | Credentials:
        """After `NeedSecret`: what is stored; None when nobody has this name."""
        ...


class ClientMechanism(Protocol):
    """One exchange, seen from the client."""

    @property
    def client_first(self) -> bool:
        """May `respond(b"")` be sent with the command?"""
        ...

    @property
    def satisfied(self) -> bool:
        """If the server says yes now: has it proved what it has to prove?"""
        ...

    def respond(self, challenge: bytes, /) -> bytes:
        """Answer a challenge. Raises ValueError: cancel the exchange."""
        ...


def answer_to(mechanism: ClientMechanism, challenge: str | bytes) -> bytes | None:
    """The response to a challenge in base64; None: cancel (RFC 4954 §4)."""
    octets = challenge.encode() if isinstance(challenge, str) else challenge
    try:
        return mechanism.respond(decode(octets))
    except ValueError:
        return None


def no_nonce() -> str:
    """The nonce of who has none; engines check before they offer a mechanism."""
    raise AssertionError("this mechanism needs a nonce")


@dataclass(frozen=True, slots=True)
class ServerSide:
    """What mechanisms need from the server.

    hostname    for the challenge of CRAM-MD5 (RFC 2195 §2)
    nonce       gives another text of printable ASCII (no comma) each time
    key         makes salts for unknown names; nobody else may know it
    iterations  of those salts: as many as those of real ones
    """

    hostname: str = "localhost"
    nonce: Callable[[], str] = no_nonce
    key: bytes = b""
    iterations: int = LEAST_ITERATIONS


def server_mechanism(name: str, side: ServerSide | None = None) -> ServerMechanism:
    """Begin an exchange, in the role of the server. Raises ValueError: unknown name."""
    here = side or ServerSide()
    match name.upper():
        case "PLAIN":
            return Plain()
        case "LOGIN":
            return Login()
        case "CRAM-MD5":
            return CramMD5(f"<{here.nonce()}@{here.hostname}>")
        case "SCRAM-SHA-256":
            return ScramServer(here.nonce(), here.key, here.iterations)
        case _:
            raise ValueError(f"unknown mechanism: maillab has {', '.join(MECHANISMS)}")


def client_mechanism(
    name: str, user: str, password: str, nonce: Callable[[], str] = no_nonce
) -> ClientMechanism:
    """Begin an exchange, in the role of the client. Raises ValueError: unknown name.

    >>> client = client_mechanism("LOGIN", "ann", "secret")
    >>> client.respond(b"Username:"), client.respond(b"Password:")
    (b'ann', b'secret')
    """
    match name.upper():
        case "PLAIN":
            return PlainClient(user, password)
        case "LOGIN":
            return LoginClient(user, password)
        case "CRAM-MD5":
            return CramMD5Client(user, password)
        case "SCRAM-SHA-256":
            return ScramClient(user, password, nonce())
        case _:
            raise ValueError(f"unknown mechanism {name!r}")
