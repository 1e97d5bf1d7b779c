"""SCRAM-SHA-256 (RFC 5802, RFC 7677): both sides prove that they know the password.

Goes in: messages of the peer, after base64. Comes out: messages, and on the server's
side `NeedSecret` and then `Credentials`.

    C: n,,n=user,r=<client's nonce>
    S: r=<both nonces>,s=<salt>,i=4096
    C: c=biws,r=<both nonces>,p=<proof of the client>
    S: v=<signature of the server>

Rule 1: the password crosses the network in no form, and the server need not keep it: a
        `ScramVerifier` is enough to check a proof, and not enough to make one.
Rule 2: who is unknown here gets a salt all the same, always the same one, so that
        nobody learns which names exist.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass, field

from maillab.wire.sasl_prep import saslprep
from maillab.wire.sasl_values import Credentials, NeedSecret, decode, encode, text_of

HASH = "sha256"
LEAST_ITERATIONS = 4096  # RFC 7677 §4
MOST_ITERATIONS = 1_000_000  # what a server may ask of a client

# RFC 5802 §7, without extensions of ours; `p=` is channel binding
CLIENT_FIRST = re.compile(
    r"(?P<header>(?P<flag>p=[A-Za-z0-9.-]+|n|y),(?:a=(?P<authzid>[^,\0]+))?,)"
    r"(?P<bare>n=(?P<user>[^,\0]+),r=(?P<nonce>[!-+\x2d-~]+)(?:,[A-Za-z]=[^,\0]*)*)"
)
CLIENT_FINAL = re.compile(
    r"(?P<signed>c=(?P<binding>[A-Za-z0-9+/=]+),r=(?P<nonce>[!-+\x2d-~]+)"
    r"(?:,[A-Za-z]=[^,\0]*)*),p=(?P<proof>[A-Za-z0-9+/=]+)"
)
SERVER_FIRST = re.compile(
    r"r=(?P<nonce>[!-+\x2d-~]+),s=(?P<salt>[A-Za-z0-9+/=]+),i=(?P<iterations>[1-9]\d{0,8})"
    r"(?:,[A-Za-z]=[^,\0]*)*"
)
SERVER_FINAL = re.compile(r"v=(?P<signature>[A-Za-z0-9+/=]+)(?:,[A-Za-z]=[^,\0]*)*")
VERIFIER = re.compile(r"SCRAM-SHA-256\$(\d+):([^$:]+)\$([^$:]+):([^$:]+)")


@dataclass(frozen=True, slots=True)
class ScramVerifier:
    """What a server keeps of a password (RFC 5802 §3).

    >>> verifier = ScramVerifier.from_password("pencil", b"salt", 4096)
    >>> verifier == ScramVerifier.from_text(verifier.to_text())
    True
    >>> verifier.has_password("pencil"), verifier.has_password("pen")
    (True, False)
    """

    salt: bytes
    iterations: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)

    @classmethod
    def from_password(
        cls, password: str, salt: bytes, iterations: int = LEAST_ITERATIONS
    ) -> "ScramVerifier":
        """Derive it. Raises ValueError: the password cannot be prepared (RFC 4013)."""
        prepared = saslprep(password, stored=True)
        client_key, server_key = _keys(prepared, salt, iterations)
        return cls(salt, iterations, _hash(client_key), server_key)

    @classmethod
    def from_text(cls, text: str) -> "ScramVerifier":
        """Read what `to_text` wrote. Raises ValueError."""
        match = VERIFIER.fullmatch(text)
        if match is None:
            raise ValueError("expected SCRAM-SHA-256$iterations:salt$stored:server")
        salt, stored, server = (decode(match[n].encode()) for n in (2, 3, 4))
        return cls(salt, int(match[1]), stored, server)

    def to_text(self) -> str:
        """As RFC 5803 §2 and PostgreSQL write it."""
        salt, stored, server = (
            encode(part).decode()
            for part in (self.salt, self.stored_key, self.server_key)
        )
        return f"SCRAM-SHA-256${self.iterations}:{salt}${stored}:{server}"

    def has_password(self, password: str) -> bool:
        """Is this the password (of PLAIN or LOGIN)?"""
        try:
            prepared = saslprep(password)
        except ValueError:
            return False
        client_key, _ = _keys(prepared, self.salt, self.iterations)
        return hmac.compare_digest(_hash(client_key), self.stored_key)


class ScramServer:
    """One exchange, seen from the server; the example of RFC 7677 §3.

    >>> server = ScramServer("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", key=b"")
    >>> server.respond(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
    NeedSecret(user='user')
    >>> salt = decode(b"W22ZaJ0SNY7soEsUEjb6gQ==")
    >>> first = server.give_secret(ScramVerifier.from_password("pencil", salt))
    >>> first.decode()[22:]
    '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'
    >>> server.respond(
    ...     b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    ...     b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    ... )
    b'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='
    >>> server.respond(b"")
    Credentials(authzid='', user='user', proven=True)
    """

    client_first = True
    first_challenge = b""

    def __init__(
        self, nonce: str, key: bytes, iterations: int = LEAST_ITERATIONS
    ) -> None:
        self._nonce = nonce
        self._key = key
        self._iterations = iterations
        self._first: re.Match[str] | None = None
        self._user = self._authzid = self._challenge = ""
        self._verifier: ScramVerifier | None = None
        self._known = False
        self._credentials: Credentials | None = None

    def respond(self, data: bytes) -> bytes | NeedSecret | Credentials:
        """Take client-first, client-final, or the empty response to our signature."""
        if self._credentials is not None:
            if data:
                raise ValueError("an empty response was expected")
            return self._credentials
        if self._first is None:
            return self._hear_first(text_of(data))
        return self._hear_final(self._first, text_of(data))

    def give_secret(self, secret: ScramVerifier | str | None) -> bytes:
        """Go on with what is stored; None: nobody has this name. Gives server-first."""
        assert self._first is not None, "`respond` asked"
        self._known = isinstance(secret, ScramVerifier)
        self._verifier = (
            secret if isinstance(secret, ScramVerifier) else self._invented()
        )
        salt = encode(self._verifier.salt).decode()
        nonce = self._first["nonce"] + self._nonce
        self._challenge = f"r={nonce},s={salt},i={self._verifier.iterations}"
        return self._challenge.encode()

    def _invented(self) -> ScramVerifier:
        """Always the same for a name: in any case, as it is for those who are known."""
        name = self._user.lower()
        made = [
            hmac.digest(self._key, f"{what} {name}".encode(), HASH)
            for what in ("salt", "stored", "server")
        ]
        return ScramVerifier(made[0][:16], self._iterations, made[1], made[2])

    def _hear_first(self, text: str) -> NeedSecret:
        match = CLIENT_FIRST.fullmatch(text)
        if match is None:
            raise ValueError("SCRAM wants n,,n=<user>,r=<nonce>")
        if match["flag"].startswith("p="):
            raise ValueError("channel binding is not supported")
        self._first = match
        self._user = saslprep(_name(match["user"]))
        self._authzid = _name(match["authzid"] or "")
        return NeedSecret(self._user)

    def _hear_final(self, first: re.Match[str], text: str) -> bytes | Credentials:
        match = CLIENT_FINAL.fullmatch(text)
        if match is None:
            raise ValueError("SCRAM wants c=<header>,r=<nonce>,p=<proof>")
        if decode(match["binding"].encode()) != first["header"].encode():
            raise ValueError("the channel binding is not that of the first message")
        if match["nonce"] != first["nonce"] + self._nonce:
            raise ValueError("the nonce is not ours")
        verifier = self._verifier
        assert verifier is not None, "`give_secret` comes between the two messages"
        signed = f"{first['bare']},{self._challenge},{match['signed']}".encode()
        proof = decode(match["proof"].encode())
        right = _proves(proof, signed, verifier.stored_key) and self._known
        self._credentials = Credentials(self._authzid, self._user, proven=right)
        if not right:
            return self._credentials
        return b"v=" + encode(hmac.digest(verifier.server_key, signed, HASH))


class ScramClient:
    """One exchange, seen from the client; the example of RFC 7677 §3.

    >>> client = ScramClient("user", "pencil", "rOprNGfwEbeRWgbNEkqO")
    >>> client.respond(b"")
    b'n,,n=user,r=rOprNGfwEbeRWgbNEkqO'
    >>> final = client.respond(
    ...     b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    ...     b"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    ... )
    >>> final[60:]
    b'p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ='
    >>> client.respond(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    b''
    >>> client.satisfied
    True
    """

    client_first = True

    def __init__(
        self, user: str, password: str, nonce: str, *, flag: str = "n"
    ) -> None:
        name = saslprep(user).replace("=", "=3D").replace(",", "=2C")
        self.satisfied = False  # the server has proved that it knows us
        self._password = saslprep(password)
        self._nonce = nonce
        self._header = f"{flag},,"  # "y": we could bind, the server does not offer it
        self._bare = f"n={name},r={nonce}"
        self._signature = b""
        self._said = 0

    def respond(self, challenge: bytes) -> bytes:
        """Answer a challenge. Raises ValueError: this server is not to be trusted."""
        self._said += 1
        match self._said:
            case 1:
                return (self._header + self._bare).encode()
            case 2:
                return self._final(text_of(challenge))
            case _:
                return self._check(text_of(challenge))

    def _final(self, challenge: str) -> bytes:
        match = SERVER_FIRST.fullmatch(challenge)
        if match is None:
            raise ValueError("SCRAM wants r=<nonce>,s=<salt>,i=<iterations>")
        nonce, iterations = match["nonce"], int(match["iterations"])
        if not nonce.startswith(self._nonce) or nonce == self._nonce:
            raise ValueError("the server's nonce does not go on after ours")
        if not LEAST_ITERATIONS <= iterations <= MOST_ITERATIONS:
            raise ValueError(f"{iterations} iterations are too few or too many")
        salt = decode(match["salt"].encode())
        client_key, server_key = _keys(self._password, salt, iterations)
        final = f"c={encode(self._header.encode()).decode()},r={nonce}"
        signed = f"{self._bare},{challenge},{final}".encode()
        self._signature = hmac.digest(server_key, signed, HASH)
        proof = _xor(client_key, hmac.digest(_hash(client_key), signed, HASH))
        return f"{final},p={encode(proof).decode()}".encode()

    def _check(self, challenge: str) -> bytes:
        match = SERVER_FINAL.fullmatch(challenge)
        told = decode(match["signature"].encode()) if match else b""
        if self.satisfied or not hmac.compare_digest(told, self._signature):
            raise ValueError("the server does not know the password either")
        self.satisfied = True
        return b""


def _keys(prepared: str, salt: bytes, iterations: int) -> tuple[bytes, bytes]:
    """ClientKey and ServerKey (RFC 5802 §3)."""
    salted = hashlib.pbkdf2_hmac(HASH, prepared.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", HASH)
    return client_key, hmac.digest(salted, b"Server Key", HASH)


def _hash(data: bytes) -> bytes:
    return hashlib.new(HASH, data).digest()


def _proves(proof: bytes, signed: bytes, stored_key: bytes) -> bool:
    """ClientProof is ClientKey, hidden by a signature that we can make too."""
    if len(proof) != len(stored_key):
        return False
    client_key = _xor(proof, hmac.digest(stored_key, signed, HASH))
    return hmac.compare_digest(_hash(client_key), stored_key)


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _name(text: str) -> str:
    """A name in which "," and "=" are written as =2C and =3D (RFC 5802 §5.1).

    >>> _name("a=2Cb=3D")
    'a,b='
    """
    if re.search(r"=(?!2C|3D)", text):
        raise ValueError("in a name, = is written =3D and a comma =2C")
    return text.replace("=2C", ",").replace("=3D", "=")
