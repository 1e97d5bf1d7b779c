"""Passwords as a server keeps them: hashed, so that who steals the file has none.

Goes in: passwords, and what stands in a table of accounts. Comes out: `Secret`, which
can tell whether a password is right and what SCRAM needs, and text for the table.

    {SCRYPT}ln=8,r=8,p=1$salt$hash                RFC 7914; what maillab writes
    {PLAIN}secret                                 readable by whoever reads the table
    {SSHA}… {SSHA256}… {SSHA512}…                 salted hashes, as LDAP servers keep
    {SCRAM-SHA-256}4096,salt,stored,server        as Dovecot writes it; good for SCRAM
    {SHA256-CRYPT}$5$… {SHA512-CRYPT}$6$…         as crypt(3) writes them

Rule 1: passwords and hashes are compared in constant time, and never shown.
Rule 2: salts come from the generator of a `Hasher`: in a world it is seeded.
Rule 3: an empty password is never right.
"""

import hashlib
import hmac
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from maillab.errors import LabError
from maillab.store.crypt_sha import read_setting, sha_crypt
from maillab.wire.sasl_prep import prepared
from maillab.wire.sasl_scram import ScramVerifier
from maillab.wire.sasl_values import decode, encode

SALT = 16  # octets
DIGEST = 32  # octets; with its salt it fits into the VARCHAR(106) of many a tutorial
LONGEST = 256  # characters for SHA-crypt, whose work grows with the square of it
MOST_LN, MOST_R, MOST_P = 20, 32, 16  # a table of accounts must not ask for more


class StoredPassword(Protocol):
    """One way to keep a password."""

    def matches(self, password: str) -> bool:
        """Is this the password?"""
        ...

    def to_text(self) -> str:
        """As it stands in a table, with its scheme."""
        ...


@dataclass(frozen=True, slots=True)
class Cost:
    """How much work one scrypt hash is (RFC 7914 §2): 2**ln blocks of 128 * r octets.

    A real server makes guessing dear: `STRONG` takes 0.1 s and 32 MB. The accounts of a
    world are made up, and a lab with fifty of them must start in a moment: `LIGHT`
    takes 0.5 ms. It protects nobody; it only shows how it is done.
    """

    ln: int = 8
    r: int = 8
    p: int = 1


LIGHT = Cost(8)
STRONG = Cost(15)


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """A password as scrypt keeps it (RFC 7914).

    >>> kept = PasswordHash.from_password("pencil", b"0123456789abcdef")
    >>> kept.to_text()[:39], kept.matches("pencil"), kept.matches("pen")
    ('{SCRYPT}ln=8,r=8,p=1$MDEyMzQ1Njc4OWFiY2', True, False)
    >>> read_password(kept.to_text()) == kept
    True
    """

    cost: Cost
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)

    @classmethod
    def from_password(
        cls, password: str, salt: bytes, cost: Cost = LIGHT
    ) -> "PasswordHash":
        """Hash it."""
        return cls(cost, salt, _scrypt(password, salt, cost))

    @classmethod
    def from_text(cls, text: str) -> "PasswordHash":
        """Read what `to_text` wrote, without the scheme. Raises ValueError."""
        cost_text, salt, digest = text.split("$")
        parts = dict(part.split("=") for part in cost_text.split(","))
        cost = Cost(*(int(parts[name]) for name in ("ln", "r", "p")))
        small = cost.ln <= MOST_LN and cost.r <= MOST_R and cost.p <= MOST_P
        if not small or min(cost.ln, cost.r, cost.p) < 1:
            raise ValueError(f"a cost of {cost_text} is out of bounds")
        return cls(cost, decode(salt.encode()), decode(digest.encode()))

    def matches(self, password: str) -> bool:
        """Is this the password?"""
        return _same(_scrypt(password, self.salt, self.cost), self.digest)

    def to_text(self) -> str:
        """As it stands in a table."""
        cost = f"ln={self.cost.ln},r={self.cost.r},p={self.cost.p}"
        salt, digest = encode(self.salt).decode(), encode(self.digest).decode()
        return f"{{SCRYPT}}{cost}${salt}${digest}"


@dataclass(frozen=True, slots=True)
class PlainPassword:
    """A password as it is: what CRAM-MD5 needs, and what a thief likes best."""

    password: str = field(repr=False)

    def matches(self, password: str) -> bool:
        """Is this the password?"""
        return _same(password.encode(), self.password.encode())

    def to_text(self) -> str:
        """As it stands in a table."""
        return f"{{PLAIN}}{self.password}"


@dataclass(frozen=True, slots=True)
class SaltedHash:
    """A hash over password and salt, then the salt: {SSHA} and its relatives."""

    scheme: str
    digest: bytes = field(repr=False)
    salt: bytes = field(repr=False)

    def matches(self, password: str) -> bool:
        """Is this the password?"""
        made = hashlib.new(SALTED[self.scheme], password.encode() + self.salt).digest()
        return _same(made, self.digest)

    def to_text(self) -> str:
        """As it stands in a table."""
        return f"{{{self.scheme}}}{encode(self.digest + self.salt).decode()}"


@dataclass(frozen=True, slots=True)
class ScramPassword:
    """A SCRAM verifier in the place of a hash (RFC 5802 §3)."""

    verifier: ScramVerifier

    @classmethod
    def from_text(cls, text: str) -> "ScramPassword":
        """Read Dovecot's form, without the scheme. Raises ValueError."""
        iterations, *rest = text.split(",")
        salt, stored, server = (decode(part.encode()) for part in rest)
        return cls(ScramVerifier(salt, int(iterations), stored, server))

    def matches(self, password: str) -> bool:
        """Is this the password?"""
        return self.verifier.has_password(password)

    def to_text(self) -> str:
        """As it stands in a table."""
        kept = self.verifier
        parts = (kept.salt, kept.stored_key, kept.server_key)
        texts = ",".join(encode(part).decode() for part in parts)
        return f"{{SCRAM-SHA-256}}{kept.iterations},{texts}"


@dataclass(frozen=True, slots=True)
class CryptHash:
    """What crypt(3) made of a password: $5$ or $6$."""

    scheme: str
    text: str = field(repr=False)

    def matches(self, password: str) -> bool:
        """Is this the password?"""
        made = sha_crypt(password[: LONGEST + 1], self.text)
        right = _same(made.encode(), self.text.encode())
        return right and len(password) <= LONGEST

    def to_text(self) -> str:
        """As it stands in a table."""
        return f"{{{self.scheme}}}{self.text}"


SALTED = {"SSHA": "sha1", "SSHA256": "sha256", "SSHA512": "sha512"}
CRYPT = {"$5$": "SHA256-CRYPT", "$6$": "SHA512-CRYPT"}

READERS: dict[str, Callable[[str, str], StoredPassword]] = {
    "SCRYPT": lambda _, text: PasswordHash.from_text(text),
    "PLAIN": lambda _, text: PlainPassword(text),
    "SCRAM-SHA-256": lambda _, text: ScramPassword.from_text(text),
    **dict.fromkeys(SALTED, lambda scheme, text: _salted(scheme, text)),
    **dict.fromkeys([*CRYPT.values(), "CRYPT"], lambda _, text: _crypt(text)),
}


def read_password(text: str) -> StoredPassword:
    """Read a password as a table keeps it. Raises ValueError, which does not quote it.

    >>> read_password("{PLAIN}tea").matches("tea")
    True
    >>> read_password("tea")
    Traceback (most recent call last):
    ValueError: a stored password begins with its scheme, such as {SCRYPT} or {PLAIN}
    """
    if text[:3] in CRYPT:  # what SQL's ENCRYPT() leaves, in many a tutorial
        text = f"{{CRYPT}}{text}"
    scheme, closed, rest = text.removeprefix("{").partition("}")
    if not text.startswith("{") or not closed:
        raise ValueError(
            "a stored password begins with its scheme, such as {SCRYPT} or {PLAIN}"
        )
    reader = READERS.get(scheme.upper())
    if reader is None:
        known = ", ".join(f"{{{name}}}" for name in READERS)
        raise ValueError(f"unknown scheme {{{scheme[:20]}}}; known are {known}")
    try:
        return reader(scheme.upper(), rest)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"what stands behind {{{scheme}}} is damaged") from error


def _salted(scheme: str, text: str) -> SaltedHash:
    octets = decode(text.encode())
    size = hashlib.new(SALTED[scheme]).digest_size
    if len(octets) < size:
        raise ValueError("too short")
    return SaltedHash(scheme, octets[:size], octets[size:])


def _crypt(text: str) -> CryptHash:
    read_setting(text)  # raises when it cannot be read
    return CryptHash(CRYPT[text[:3]], text)


def _scrypt(password: str, salt: bytes, cost: Cost) -> bytes:
    n = 2**cost.ln
    memory = 128 * cost.r * (n + cost.p + 2) + 2**20
    options = {"n": n, "r": cost.r, "p": cost.p, "maxmem": memory, "dklen": DIGEST}
    return hashlib.scrypt(password.encode(), salt=salt, **options)


def _same(one: bytes, other: bytes) -> bool:
    return hmac.compare_digest(one, other)


@dataclass(frozen=True, slots=True)
class Secret:
    """All that a server keeps of one password."""

    stored: StoredPassword
    scram: ScramVerifier | None = None

    def matches(self, password: str) -> bool:
        """Is this the password?"""
        return self.stored.matches(password) and password != ""


class Hasher:
    """Makes secrets of passwords.

    random      where salts come from: the seeded generator of a host, or SystemRandom
    cost        of one hash
    reversible  keep the passwords themselves. CRAM-MD5 (RFC 2195) proves that both
                sides know the password, so the server must know it, too; Active
                Directory calls this "store passwords using reversible encryption".
                Whoever reads the table then has all passwords: it is off by default,
                and SCRAM does the same without.
    """

    def __init__(
        self,
        random: random.Random,
        cost: Cost = LIGHT,
        *,
        reversible: bool = False,
    ) -> None:
        self._random = random
        self.cost = cost
        self.reversible = reversible
        self._nobody = PasswordHash(cost, bytes(SALT), b"")

    def secret(self, password: str) -> Secret:
        """What to keep of a password. Raises LabError: nobody could say it."""
        scram = self._verifier(password, self._random.randbytes(SALT))
        password = _as_compared(password)
        if self.reversible:
            return Secret(PlainPassword(password), scram)
        salt = self._random.randbytes(SALT)
        return Secret(PasswordHash.from_password(password, salt, self.cost), scram)

    def pretend(self, password: str) -> None:
        """Do the work of a comparison: who is unknown here must not be told faster."""
        self._nobody.matches(password)

    def secret_for(
        self, mechanism: str, secret: Secret, address: str = ""
    ) -> ScramVerifier | str | None:
        """What a SASL mechanism needs to go on; None: it cannot be had.

        `address`: whose it is. A salt that has to be made is always the same for it, as
        it is for those who are unknown: else whoever asks twice knows who is there.
        """
        stored = secret.stored
        plain = stored.password if isinstance(stored, PlainPassword) else None
        if mechanism.upper() != "SCRAM-SHA-256":
            return plain
        if isinstance(stored, ScramPassword):
            return stored.verifier
        if secret.scram or not plain:
            return secret.scram
        salt = hmac.digest(self._salts, address.lower().encode(), "sha256")[:SALT]
        return self._verifier(plain, salt)

    @cached_property
    def _salts(self) -> bytes:
        return self._random.randbytes(DIGEST)

    def _verifier(self, password: str, salt: bytes) -> ScramVerifier | None:
        try:
            return ScramVerifier.from_password(password, salt)
        except ValueError:  # SASLprep (RFC 4013) refuses it: then there is no SCRAM
            return None


def _as_compared(password: str) -> str:
    """As protocols give it: after SASLprep (RFC 4616 §2, RFC 6856 §2.2).

    Raises LabError.
    """
    try:
        return prepared(password)
    except ValueError as error:  # no protocol would let the user say it
        raise LabError(f"this password cannot be used: {error}") from error


def real_hasher() -> Hasher:
    """For real hosts: salts from the operating system, and dear hashes."""
    return Hasher(random.SystemRandom(), STRONG)
