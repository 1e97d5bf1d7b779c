"""SASL mechanisms as values (RFC 4422): PLAIN (RFC 4616) and LOGIN.

Goes in: the octets of responses, after base64. Comes out: challenges, or `Credentials`.

Rule 1: a mechanism never decides whether a password is right. It only reads it.
Rule 2: what a peer sends wrongly is a ValueError, in words that may be shown to it.
"""

import base64
import binascii
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who logs in (`user`), with what, and as whom (`authzid`, "" for the same one).

    >>> Credentials("", "ann", "secret")
    Credentials(authzid='', user='ann')
    """

    authzid: str
    user: str
    password: str = field(repr=False)


class ServerMechanism(Protocol):
    """One exchange, seen from the server."""

    @property
    def first_challenge(self) -> bytes:
        """What the server says when the client sent no initial response."""
        ...

    def respond(self, data: bytes) -> bytes | Credentials:
        """Take a response; give the next challenge, or the credentials at the end.

        Raises ValueError: the response is not what the mechanism asks for.
        """
        ...


class Plain:
    """PLAIN: everything in one message (RFC 4616 §2).

    >>> Plain().respond(b"\\0ann\\0secret").user
    'ann'
    """

    first_challenge = b""

    def respond(self, data: bytes) -> bytes | Credentials:
        """Read `[authzid] NUL authcid NUL passwd`."""
        parts = data.split(b"\0")
        if len(parts) != 3:
            raise ValueError("PLAIN wants [authzid] NUL authcid NUL passwd")
        authzid, user, password = map(_text, parts)
        if not user or not password:  # both are 1*SAFE
            raise ValueError("PLAIN wants a user name and a password")
        return Credentials(authzid, user, password)


class Login:
    """LOGIN: a name, then a password (draft-murchison-sasl-login; obsolete, in use).

    >>> login = Login()
    >>> login.respond(b"ann"), login.respond(b"secret")
    (b'Password:', Credentials(authzid='', user='ann'))
    """

    first_challenge = b"Username:"

    def __init__(self) -> None:
        self._user = ""

    def respond(self, data: bytes) -> bytes | Credentials:
        """Read the name first, then the password."""
        text = _text(data)
        if not text or "\0" in text:
            raise ValueError("LOGIN wants a user name and a password, without NUL")
        if not self._user:
            self._user = text
            return b"Password:"
        return Credentials("", self._user, text)


MECHANISMS = {"PLAIN": Plain, "LOGIN": Login}

CLIENT_FIRST = frozenset({"PLAIN"})  # may have an initial response (RFC 4422 §5)


def server_mechanism(name: str) -> ServerMechanism:
    """Begin an exchange, in the role of the server. Raises ValueError: unknown name."""
    mechanism = MECHANISMS.get(name.upper())
    if mechanism is None:
        raise ValueError(f"unknown mechanism: maillab has {', '.join(MECHANISMS)}")
    return mechanism()


def client_responses(mechanism: str, user: str, password: str) -> tuple[bytes, ...]:
    """What a client answers, in order, one response to each challenge.

    >>> client_responses("PLAIN", "ann", "secret")
    (b'\\x00ann\\x00secret',)
    >>> client_responses("LOGIN", "ann", "secret")
    (b'ann', b'secret')
    """
    match mechanism.upper():
        case "PLAIN":
            return (f"\0{user}\0{password}".encode(),)
        case "LOGIN":
            return (user.encode(), password.encode())
        case _:
            raise ValueError(f"unknown mechanism {mechanism!r}")


def encode(data: bytes) -> bytes:
    """Octets to base64, as SASL profiles send them (RFC 4648 §4)."""
    return base64.b64encode(data)


def decode(text: bytes) -> bytes:
    """Base64 to octets. Raises ValueError for anything that is not strictly base64."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError("the response is not UTF-8") from error
