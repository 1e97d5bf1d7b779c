"""PLAIN (RFC 4616), LOGIN and CRAM-MD5 (RFC 2195), from both sides.

Goes in: responses or challenges, after base64. Comes out: the next ones; `Credentials`.

Rule: PLAIN and LOGIN only read a password. CRAM-MD5 compares, so the server must keep
      the password itself, as it is.
"""

import hmac

from maillab.wire.sasl_prep import prepared
from maillab.wire.sasl_values import Credentials, NeedSecret, text_of


class Plain:
    """PLAIN: everything in one message (RFC 4616 §2).

    >>> Plain().respond(b"\\0ann\\0secret").user
    'ann'
    """

    client_first = True
    first_challenge = b""

    def respond(self, data: bytes) -> bytes | NeedSecret | Credentials:
        """Read `[authzid] NUL authcid NUL passwd`."""
        parts = data.split(b"\0")
        if len(parts) != 3:
            raise ValueError("PLAIN wants [authzid] NUL authcid NUL passwd")
        # RFC 4616 §2: SASLprep before the comparison
        authzid, user, password = (prepared(text_of(part)) for part in parts)
        if not user or not password:  # both are 1*SAFE
            raise ValueError("PLAIN wants a user name and a password")
        return Credentials(authzid, user, password)

    def give_secret(self, _secret: object) -> bytes | Credentials:
        """Never asked for."""
        raise AssertionError("PLAIN needs no secret")


class PlainClient:
    """PLAIN, from the client."""

    client_first = True
    satisfied = True  # nothing is asked of the server

    def __init__(self, user: str, password: str) -> None:
        self._responses = [f"\0{user}\0{password}".encode()]

    def respond(self, _challenge: bytes) -> bytes:
        """The next response, whatever the challenge says."""
        if not self._responses:
            raise ValueError("the mechanism is over, and the server wants more")
        return self._responses.pop(0)


class Login:
    """LOGIN: a name, then a password (draft-murchison-sasl-login; obsolete, in use).

    >>> login = Login()
    >>> login.respond(b"ann"), login.respond(b"secret").user
    (b'Password:', 'ann')
    """

    client_first = True  # deviation: the draft has none, and programs send one
    first_challenge = b"Username:"

    def __init__(self) -> None:
        self._user = ""

    def respond(self, data: bytes) -> bytes | NeedSecret | Credentials:
        """Read the name first, then the password."""
        text = prepared(text_of(data))
        if not text or "\0" in text:
            raise ValueError("LOGIN wants a user name and a password, without NUL")
        if not self._user:
            self._user = text
            return b"Password:"
        return Credentials("", self._user, text)

    def give_secret(self, _secret: object) -> bytes | Credentials:
        """Never asked for."""
        raise AssertionError("LOGIN needs no secret")


class LoginClient(PlainClient):
    """LOGIN, from the client."""

    client_first = False

    def __init__(self, user: str, password: str) -> None:
        self._responses = [user.encode(), password.encode()]


def cram_digest(password: str, challenge: bytes) -> str:
    """The proof of CRAM-MD5; the example of RFC 2195 §2.

    >>> cram_digest("tanstaaftanstaaf", b"<1896.697170952@postoffice.reston.mci.net>")
    'b913a602c7eda7a495b4e6e7334d3890'
    """
    return hmac.new(password.encode(), challenge, "md5").hexdigest()


class CramMD5:
    """CRAM-MD5: a keyed digest of the challenge proves the password (RFC 2195).

    >>> cram = CramMD5("<1896.697170952@postoffice.reston.mci.net>")
    >>> cram.respond(b"tim b913a602c7eda7a495b4e6e7334d3890")
    NeedSecret(user='tim')
    >>> cram.give_secret("tanstaaftanstaaf")
    Credentials(authzid='', user='tim', proven=True)
    """

    client_first = False

    def __init__(self, challenge: str) -> None:
        self.first_challenge = challenge.encode()
        self._user = self._digest = ""

    def respond(self, data: bytes) -> bytes | NeedSecret | Credentials:
        """Read `user digest`."""
        name, _, self._digest = text_of(data).rpartition(" ")
        self._user = prepared(name)
        if not self._user or "\0" in self._user:
            raise ValueError("CRAM-MD5 wants a user name, a space and 32 digits")
        return NeedSecret(self._user)

    def give_secret(self, secret: object) -> bytes | Credentials:
        """Compare."""
        known = isinstance(secret, str)
        right = cram_digest(secret if known else "", self.first_challenge)
        proven = hmac.compare_digest(right.encode(), self._digest.encode()) and known
        return Credentials("", self._user, proven=proven)


class CramMD5Client:
    """CRAM-MD5, from the client."""

    client_first = False
    satisfied = True  # the server proves nothing

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password
        self._said = False

    def respond(self, challenge: bytes) -> bytes:
        """Answer the only challenge."""
        if self._said:
            raise ValueError("the mechanism is over, and the server wants more")
        self._said = True
        return f"{self._user} {cram_digest(self._password, challenge)}".encode()
