"""SHA-crypt, the hashes `$5$` and `$6$` of crypt(3), which Unix tables are full of.

Goes in: a password and a salt. Comes out: the text that crypt(3) gives.

Rule: the steps are those of Ulrich Drepper's "Unix crypt using SHA-256 and SHA-512",
      in its order. Python has no crypt module any more, and a table of accounts from
      a tutorial about Postfix and Dovecot should work here.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SETTING = re.compile(r"(\$[56]\$)(?:rounds=(\d{1,9})\$)?([^$]{0,16})(?:\$.*)?", re.S)
LEAST_ROUNDS, USUAL_ROUNDS = 1000, 5000
MOST_ROUNDS = 500_000  # of the 999,999,999 that are allowed: half a second here
ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class _Kind:
    """One of the two. `turn`: by how much the columns of octets turn in each row."""

    hash: Callable[[bytes], Any]
    size: int
    turn: int


KINDS = {"$5$": _Kind(hashlib.sha256, 32, 2), "$6$": _Kind(hashlib.sha512, 64, 1)}


def sha_crypt(password: str, setting: str) -> str:
    """Hash a password as `setting` says: `$6$salt`, or a whole hash. Raises ValueError.

    >>> sha_crypt("Hello world!", "$5$saltstring")
    '$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5'
    """
    prefix, rounds_text, salt = read_setting(setting)
    rounds = int(rounds_text or USUAL_ROUNDS)
    digest = _digest(KINDS[prefix], password.encode(), salt.encode(), rounds)
    told = f"rounds={rounds}$" if rounds_text else ""
    return f"{prefix}{told}{salt}${_to_text(KINDS[prefix], digest)}"


def read_setting(setting: str) -> tuple[str, str, str]:
    """Which of the two, how many rounds ("": as usual), the salt. Raises ValueError."""
    match = SETTING.fullmatch(setting)
    if match is None:
        raise ValueError("expected $5$salt or $6$salt")
    prefix, rounds, salt = match.groups(default="")
    if rounds and not LEAST_ROUNDS <= int(rounds) <= MOST_ROUNDS:
        raise ValueError(f"expected {LEAST_ROUNDS} to {MOST_ROUNDS} rounds")
    return prefix, rounds, salt


def _digest(kind: _Kind, key: bytes, salt: bytes, rounds: int) -> bytes:
    def of(data: bytes) -> bytes:
        return kind.hash(data).digest()

    def stretched(data: bytes, length: int) -> bytes:
        return (data * (length // kind.size + 1))[:length]

    alternate = of(key + salt + key)
    first = key + salt + stretched(alternate, len(key))
    for bit in bin(len(key))[:1:-1] if key else "":  # from the lowest bit up
        first += alternate if bit == "1" else key
    digest = of(first)
    p = stretched(of(key * len(key)), len(key))
    s = stretched(of(salt * (16 + digest[0])), len(salt))
    for number in range(rounds):
        odd = number % 2 == 1
        middle = (s if number % 3 else b"") + (p if number % 7 else b"")
        digest = of((p if odd else digest) + middle + (digest if odd else p))
    return digest


def _to_text(kind: _Kind, digest: bytes) -> str:
    """Three octets make four letters, from three columns that turn row by row."""
    rows = kind.size // 3
    text = ""
    for row in range(rows):
        starts = [(row * kind.turn + n) % 3 * rows for n in range(3)]
        text += _letters(bytes(digest[start + row] for start in starts))
    rest = digest[rows * 3 :]  # one octet, or two that change places
    return text + _letters(rest[::-1])


def _letters(octets: bytes) -> str:
    value = int.from_bytes(octets, "big")
    return "".join(ALPHABET[value >> 6 * n & 63] for n in range(len(octets) + 1))
