"""From the lines of a key log to the keys of TLS records, and to what is in them.

Goes in: NSS key log lines (`CLIENT_RANDOM …`, `CLIENT_TRAFFIC_SECRET_0 …`), as browsers
and OpenSSL write them to SSLKEYLOGFILE (RFC 9850 §2). Comes out: for each side an
`Opener`, which takes a record and gives what was sealed in it.

Rule 1: nothing is believed that its tag or its MAC does not prove.
Rule 2: sequence numbers are counted here (RFC 8446 §5.3, RFC 5246 §6.1); whoever knows
        that records are missing may try those that follow.
"""

import hashlib
import hmac
import struct
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from typing import Any

from maillab.trace.hearing.tls_records import APPLICATION, TLS_1_2, Record
from maillab.trace.hearing.tls_suites import CBC, CCM, CCM_8, CHACHA20, GCM, Suite

CLIENT_RANDOM = "CLIENT_RANDOM"
HANDSHAKE_SECRET = {
    "C": "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "S": "SERVER_HANDSHAKE_TRAFFIC_SECRET",
}
TRAFFIC_SECRET = {"C": "CLIENT_TRAFFIC_SECRET_0", "S": "SERVER_TRAFFIC_SECRET_0"}
_LABELS = {CLIENT_RANDOM, *HANDSHAKE_SECRET.values(), *TRAFFIC_SECRET.values()}
_IV = 12  # octets of a nonce
_SALT = 4  # octets of it that the handshake made (RFC 5288 §3, RFC 6655 §3)
_TAG, _SHORT_TAG = 16, 8  # octets (RFC 5116 §5.1, RFC 6655 §6.1)
_BLOCK = 16  # octets of a block of AES
_MASTER_SECRET = 48  # octets (RFC 5246 §8.1)


class KeyRing:
    """The secrets of a key log, by label and client random.

    >>> ring = KeyRing(["CLIENT_RANDOM " + "00" * 32 + " " + "ab" * 48, "nonsense"])
    >>> len(ring.find("CLIENT_RANDOM", bytes(32))), ring.find("CLIENT_RANDOM", b"")
    (48, b'')
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = lines  # that are read when the first secret is asked for

    @cached_property
    def _secrets(self) -> dict[tuple[str, bytes], bytes]:
        found: dict[tuple[str, bytes], bytes] = {}
        for line in self._lines:
            words = str(line).split()
            if len(words) == 3 and words[0] in _LABELS:
                with suppress(ValueError):  # other lines of the file may be right
                    random, secret = map(bytes.fromhex, words[1:])
                    found[words[0], random] = secret
        return found

    def find(self, label: str, client_random: bytes) -> bytes:
        """A secret; b"" when it is not here."""
        return self._secrets.get((label, client_random), b"")

    def knows(self, client_random: bytes) -> bool:
        """Is there any secret of this session?"""
        return any((label, client_random) in self._secrets for label in _LABELS)


# Key schedules ------------------------------------------------------------------------


def expand(secret: bytes, info: bytes, size: int, hash_name: str) -> bytes:
    """HKDF-Expand (RFC 5869 §2.3)."""
    block, octets, count = b"", b"", 0
    while len(octets) < size:
        count += 1
        block = hmac.digest(secret, block + info + bytes([count]), hash_name)
        octets += block
    return octets[:size]


def expand_label(secret: bytes, label: bytes, size: int, hash_name: str) -> bytes:
    """HKDF-Expand-Label with an empty context (RFC 8446 §7.1)."""
    name = b"tls13 " + label
    info = struct.pack("!HB", size, len(name)) + name + b"\0"
    return expand(secret, info, size, hash_name)


def prf(secret: bytes, label: bytes, seed: bytes, size: int, hash_name: str) -> bytes:
    """P_hash (RFC 5246 §5)."""
    seed, octets = label + seed, b""
    round_ = seed
    while len(octets) < size:
        round_ = hmac.digest(secret, round_, hash_name)
        octets += hmac.digest(secret, round_ + seed, hash_name)
    return octets[:size]


# Openers ------------------------------------------------------------------------------


class Opener:
    """Opens the records of one side. `sequence` is the number of the next one."""

    def __init__(self) -> None:
        self.sequence = 0

    def open(self, record: Record, missing: int = 0) -> tuple[int, bytes] | None:
        """Type and content of a record; None: these are not its keys.

        `missing`: so many records before it may have been lost.
        """
        for sequence in range(self.sequence, self.sequence + missing + 1):
            try:
                found = self._open(record, sequence)
            except ValueError:  # sizes that cannot be
                return None
            if found is not None:
                self.sequence = sequence + 1
                return found
        return None

    def _open(self, record: Record, sequence: int) -> tuple[int, bytes] | None:
        raise NotImplementedError


class Opener13(Opener):
    """TLS 1.3: RFC 8446 §5.2, keys of §7.3."""

    def __init__(self, secret: bytes, suite: Suite) -> None:
        super().__init__()
        self._secret, self._suite = secret, suite
        self._aead = _aead(suite, self._expand(b"key", suite.key_size))
        self._iv = self._expand(b"iv", _IV)

    def _expand(self, label: bytes, size: int) -> bytes:
        return expand_label(self._secret, label, size, self._suite.hash)

    def updated(self) -> "Opener13":
        """The opener behind a KeyUpdate (RFC 8446 §7.2)."""
        secret = self._expand(b"traffic upd", len(self._secret))
        return Opener13(secret, self._suite)

    def _open(self, record: Record, sequence: int) -> tuple[int, bytes] | None:
        if record.kind != APPLICATION:
            return None
        nonce = _xor(self._iv, sequence)
        inner = _decrypted(self._aead, nonce, record.fragment, record.head)
        if inner is None:
            return None
        inner = inner.rstrip(b"\0")  # RFC 8446 §5.4
        return (inner[-1], inner[:-1]) if inner else None


class AeadOpener12(Opener):
    """AES-GCM (RFC 5288 §3), AES-CCM (RFC 6655 §3), ChaCha20 (RFC 7905 §2)."""

    def __init__(self, suite: Suite, key: bytes, iv: bytes) -> None:
        super().__init__()
        self._aead, self._iv = _aead(suite, key), iv
        self._explicit = 0 if suite.cipher == CHACHA20 else _IV - _SALT
        self._tag = _tag_size(suite)

    def _open(self, record: Record, sequence: int) -> tuple[int, bytes] | None:
        nonce = self._iv + record.fragment[: self._explicit]
        if not self._explicit:
            nonce = _xor(self._iv, sequence)
        sealed = record.fragment[self._explicit :]
        head = _pseudo_head(record, sequence, len(sealed) - self._tag)
        content = _decrypted(self._aead, nonce, sealed, head)
        return None if content is None else (record.kind, content)


class CbcOpener12(Opener):
    """AES-CBC with HMAC (RFC 5246 §6.2.3.2), or the MAC outside (RFC 7366 §3)."""

    def __init__(
        self, suite: Suite, key: bytes, mac_key: bytes, mac_outside: bool
    ) -> None:
        super().__init__()
        self._suite, self._key, self._mac_key = suite, key, mac_key
        self._mac_outside = mac_outside
        self._mac_size = len(mac_key)

    def _open(self, record: Record, sequence: int) -> tuple[int, bytes] | None:
        sealed, mac = record.fragment, b""
        if self._mac_outside:
            sealed, mac = sealed[: -self._mac_size], sealed[-self._mac_size :]
            if not self._proves(mac, record, sequence, sealed):
                return None
        plain = self._unpadded(self._decrypt(sealed))
        if plain is None:
            return None
        if not self._mac_outside:
            plain, mac = plain[: -self._mac_size], plain[-self._mac_size :]
            if not self._proves(mac, record, sequence, plain):
                return None
        return record.kind, plain

    def _proves(self, mac: bytes, record: Record, sequence: int, octets: bytes) -> bool:
        head = _pseudo_head(record, sequence, len(octets))
        right = hmac.digest(self._mac_key, head + octets, self._suite.mac)
        return hmac.compare_digest(mac, right)

    def _decrypt(self, sealed: bytes) -> bytes:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        cipher = Cipher(algorithms.AES(self._key), modes.CBC(sealed[:_BLOCK]))
        decryptor = cipher.decryptor()
        return decryptor.update(sealed[_BLOCK:]) + decryptor.finalize()

    @staticmethod
    def _unpadded(plain: bytes) -> bytes | None:
        count = plain[-1] + 1 if plain else 0  # with the octet that tells the length
        padding = plain[-count:]
        if not plain or padding != plain[-1:] * count:
            return None
        return plain[:-count]


def openers_12(
    suite: Suite, master: bytes, randoms: tuple[bytes, bytes], mac_outside: bool
) -> dict[str, Opener]:
    """The openers of both sides; {} when such records are not opened here.

    `randoms`: the client's and the server's. RFC 5246 §6.3.
    """
    if not suite.cipher or len(master) != _MASTER_SECRET:
        return {}
    client, server = randoms
    mac = hashlib.new(suite.mac).digest_size if suite.mac else 0
    iv = {CHACHA20: _IV, CBC: 0}.get(suite.cipher, _SALT)
    sizes = (mac, mac, suite.key_size, suite.key_size, iv, iv)
    block = prf(master, b"key expansion", server + client, sum(sizes), suite.hash)
    parts: list[bytes] = []
    for size in sizes:
        parts.append(block[:size])
        block = block[size:]
    return {
        side: CbcOpener12(suite, parts[2 + at], parts[at], mac_outside)
        if suite.cipher == CBC
        else AeadOpener12(suite, parts[2 + at], parts[4 + at])
        for at, side in enumerate("CS")
    }


def opener_13(suite: Suite, secret: bytes) -> Opener13 | None:
    """The opener for one traffic secret; None: there is none, or none of that suite."""
    right = len(secret) == hashlib.new(suite.hash).digest_size
    return Opener13(secret, suite) if right and suite.cipher else None


def _tag_size(suite: Suite) -> int:
    return _SHORT_TAG if suite.cipher == CCM_8 else _TAG


def _aead(suite: Suite, key: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers import aead

    if suite.cipher == GCM:
        return aead.AESGCM(key)
    if suite.cipher == CHACHA20:
        return aead.ChaCha20Poly1305(key)
    assert suite.cipher in (CCM, CCM_8), f"{suite.cipher} is no AEAD"
    return aead.AESCCM(key, tag_length=_tag_size(suite))


def _decrypted(aead: Any, nonce: bytes, sealed: bytes, head: bytes) -> bytes | None:
    from cryptography.exceptions import InvalidTag

    try:
        return aead.decrypt(nonce, sealed, head)
    except InvalidTag:
        return None


def _xor(iv: bytes, sequence: int) -> bytes:
    """The nonce of a record (RFC 8446 §5.3)."""
    return (int.from_bytes(iv, "big") ^ sequence).to_bytes(_IV, "big")


def _pseudo_head(record: Record, sequence: int, size: int) -> bytes:
    """What a MAC covers beside the content (RFC 5246 §6.2.3.1)."""
    if size < 0:
        raise ValueError("too short")
    return struct.pack("!QBHH", sequence, record.kind, TLS_1_2, size)
