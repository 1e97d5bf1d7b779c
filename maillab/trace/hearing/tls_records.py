"""The records of TLS, and what can be read in a handshake.

Goes in: the octets of one side, from where TLS begins. Comes out: records, each with
its place on the wire; handshake messages; hellos, the names in a certificate, alerts.

Rule 1: what a file says is not believed: sizes are checked, memory is bounded.
Rule 2: behind octets that are missing the next record is looked for: a head that fits,
        and another one behind it, where that is there already.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from maillab.trace.pieces import Burst

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION = 20, 21, 22, 23
CLIENT_HELLO, SERVER_HELLO, CERTIFICATE, FINISHED, KEY_UPDATE = 1, 2, 11, 20, 24
TLS_1_2, TLS_1_3 = 0x0303, 0x0304
VERSIONS = {
    0x0300: "SSLv3",
    0x0301: "TLSv1",
    0x0302: "TLSv1.1",
    TLS_1_2: "TLSv1.2",
    TLS_1_3: "TLSv1.3",
}
CONTENT = {  # RFC 8446 §5.1
    CHANGE_CIPHER_SPEC: "change cipher spec",
    ALERT: "alert",
    HANDSHAKE: "handshake",
    APPLICATION: "application data",
}
HANDSHAKES = {  # RFC 8446 §4, RFC 5246 §7.4, RFC 6066 §8
    0: "HelloRequest",
    CLIENT_HELLO: "ClientHello",
    SERVER_HELLO: "ServerHello",
    4: "NewSessionTicket",
    8: "EncryptedExtensions",
    CERTIFICATE: "Certificate",
    12: "ServerKeyExchange",
    13: "CertificateRequest",
    14: "ServerHelloDone",
    15: "CertificateVerify",
    16: "ClientKeyExchange",
    FINISHED: "Finished",
    22: "CertificateStatus",
    KEY_UPDATE: "KeyUpdate",
}
HEAD = struct.Struct("!BHH")
LARGEST = 2**14 + 2048  # octets of a fragment (RFC 5246 §6.2.3)
_LONGEST_MESSAGE = 2**18  # octets of a handshake message that is kept
_HEAD = re.compile(rb"[\x14-\x17]\x03[\x00-\x04](?:[\x00-\x47].|\x48\x00)", re.DOTALL)
# RFC 8446 §4.1.3: what stands in the place of `random` in a HelloRetryRequest
RETRY = bytes.fromhex(
    "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"
)
_SERVER_NAME, _ENCRYPT_THEN_MAC, _SUPPORTED_VERSIONS = 0, 22, 43
ALERTS = {  # RFC 8446 §6, RFC 5246 §7.2
    0: "close notify",
    10: "unexpected message",
    20: "bad record MAC",
    21: "decryption failed",
    22: "record overflow",
    30: "decompression failure",
    40: "handshake failure",
    42: "bad certificate",
    43: "unsupported certificate",
    44: "certificate revoked",
    45: "certificate expired",
    46: "certificate unknown",
    47: "illegal parameter",
    48: "unknown CA",
    49: "access denied",
    50: "decode error",
    51: "decrypt error",
    70: "protocol version",
    71: "insufficient security",
    80: "internal error",
    86: "inappropriate fallback",
    90: "user canceled",
    100: "no renegotiation",
    109: "missing extension",
    110: "unsupported extension",
    112: "unrecognized name",
    113: "bad certificate status response",
    115: "unknown psk identity",
    116: "certificate required",
    120: "no application protocol",
}


@dataclass(frozen=True, slots=True)
class Record:
    """One record (RFC 8446 §5.1).

    offset, end  of its head and behind it, in the stream of its side
    sent_ns      when its first octet left; number: of the event that tells of that
    last         number of the event that brought its last octet
    """

    kind: int
    version: int
    fragment: bytes
    offset: int
    end: int
    sent_ns: int
    number: int
    last: int

    @property
    def head(self) -> bytes:
        """Its first five octets."""
        return HEAD.pack(self.kind, self.version, len(self.fragment))


class RecordReader:
    """Cuts the stream of one side into records."""

    def __init__(self, offset: int) -> None:
        self.offset = offset  # of the first octet in `_data`
        self.lost = False  # octets are missing here, or these are no records
        self._data = bytearray()
        self._bursts: list[Burst] = []  # that have octets in `_data`

    def skip(self, offset: int) -> None:
        """Octets are missing up to `offset`: nothing of what is here can be used."""
        self._data.clear()
        self._bursts.clear()
        self.offset, self.lost = offset, True

    def feed(self, burst: Burst) -> Iterator[Record]:
        """The records that these octets, which follow all others, make complete."""
        self._data += burst.data
        self._bursts.append(burst)
        while (found := self._next(burst)) is not None:
            yield found

    def _next(self, burst: Burst) -> Record | None:
        if not self._at_head():
            return None
        kind, version, size = HEAD.unpack_from(self._data)
        end = HEAD.size + size
        if len(self._data) < end:
            return None
        first = self._bursts[0]
        at, fragment = self.offset, bytes(self._data[HEAD.size : end])
        self._drop(end)
        return Record(
            kind,
            version,
            fragment,
            at,
            self.offset,
            first.sent_ns,
            first.number,
            burst.number,
        )

    def _at_head(self) -> bool:
        """Is there the head of a record? What is none is skipped."""
        if len(self._data) < HEAD.size:
            return False
        if not self.lost and _HEAD.match(self._data):
            return True
        at = self._find_head()
        self.lost = True
        self._drop(at)
        return len(self._data) >= HEAD.size and bool(_HEAD.match(self._data))

    def _find_head(self) -> int:
        """Where the next record might begin; what cannot be one is behind us."""
        for found in _HEAD.finditer(self._data):
            end = found.start() + HEAD.size + HEAD.unpack_from(found[0])[2]
            if len(self._data) < end + HEAD.size or _HEAD.match(self._data, end):
                return found.start()
        return max(0, len(self._data) - HEAD.size + 1)

    def found(self) -> None:
        """What was found behind missing octets was a record indeed."""
        self.lost = False

    def _drop(self, count: int) -> None:
        del self._data[:count]
        self.offset += count
        while self._bursts and self._bursts[0].end <= self.offset:
            self._bursts.pop(0)


class Handshake:
    """Puts the handshake messages of one side together (RFC 8446 §4)."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, octets: bytes) -> Iterator[tuple[int, bytes]]:
        """The messages that are complete now: their type and what is in them."""
        self._data += octets
        while len(self._data) >= 4:
            size = int.from_bytes(self._data[1:4], "big")
            if size > _LONGEST_MESSAGE:
                self._data.clear()
            if len(self._data) < 4 + size:
                return
            kind, body = self._data[0], bytes(self._data[4 : 4 + size])
            del self._data[: 4 + size]
            yield kind, body

    def clear(self) -> None:
        """Octets are missing: forget the beginning of a message."""
        self._data.clear()


@dataclass(frozen=True, slots=True)
class Hello:
    """What a ClientHello or a ServerHello says (RFC 8446 §4.1).

    suite  the cipher suite that the server chose; 0 in a ClientHello
    """

    random: bytes
    version: int
    suite: int = 0
    server_name: str = ""
    encrypt_then_mac: bool = False  # RFC 7366 §2


class _Reader:
    """Takes octets from the front; IndexError when there are too few."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._at = 0

    def take(self, count: int) -> bytes:
        if self._at + count > len(self._octets):
            raise IndexError("too short")
        self._at += count
        return self._octets[self._at - count : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """What stands behind its length of `size` octets (RFC 8446 §3.4)."""
        return self.take(self.number(size))

    def __bool__(self) -> bool:
        return self._at < len(self._octets)


def begins_tls(octets: bytes) -> bool:
    """Does a ClientHello begin here, as far as these octets go?

    >>> begins_tls(bytes.fromhex("16 0301 0200 01 0001fc 0303"))
    True
    """
    head = octets[:11]
    if len(head) < 6:
        return len(head) > 2 and head[:2] == b"\x16\x03" and head[2] <= 4
    if not _HEAD.match(head) or head[0] != HANDSHAKE or head[5] != CLIENT_HELLO:
        return False
    return len(head) < 10 or head[9] == 3


def begins_answer(octets: bytes) -> bool:
    """Does the answer to a ClientHello begin here: a ServerHello, or an alert?"""
    head = octets[:5]
    return len(head) == 5 and head[0] in (HANDSHAKE, ALERT) and bool(_HEAD.match(head))


def read_client_hello(body: bytes) -> Hello | None:
    """RFC 8446 §4.1.2; None when it is damaged."""
    words = _Reader(body)
    try:
        version, random = words.number(2), words.take(32)
        words.vector(1)  # session id
        words.vector(2)  # cipher suites
        words.vector(1)  # compression methods
        hello = Hello(random, version)
        for kind, value in _extensions(words):
            if kind == _SERVER_NAME:
                hello = replace(hello, server_name=_host_name(value))
    except IndexError:
        return None
    return hello


def read_server_hello(body: bytes) -> Hello | None:
    """RFC 8446 §4.1.3; None when it is damaged, or asks for another ClientHello."""
    words = _Reader(body)
    try:
        version, random = words.number(2), words.take(32)
        words.vector(1)
        suite = words.number(2)
        words.take(1)
        hello = Hello(random, version, suite)
        for kind, value in _extensions(words):
            if kind == _SUPPORTED_VERSIONS and len(value) == 2:
                hello = replace(hello, version=int.from_bytes(value, "big"))
            elif kind == _ENCRYPT_THEN_MAC:
                hello = replace(hello, encrypt_then_mac=True)
    except IndexError:
        return None
    return hello if random != RETRY else None


def _extensions(words: _Reader) -> Iterator[tuple[int, bytes]]:
    if not words:
        return
    inside = _Reader(words.vector(2))
    while inside:
        yield inside.number(2), inside.vector(2)


def _host_name(value: bytes) -> str:
    """RFC 6066 §3."""
    names = _Reader(_Reader(value).vector(2))
    while names:
        kind, name = names.number(1), names.vector(2)
        if kind == 0:
            return name.decode("ascii", "backslashreplace")
    return ""


def read_certificate_names(body: bytes, version: int) -> tuple[str, ...]:
    """Whose certificate it is; () when nobody can tell.

    Reads the Certificate message of RFC 5246 §7.4.2 or RFC 8446 §4.4.2.
    """
    words = _Reader(body)
    try:
        if version >= TLS_1_3:
            words.vector(1)  # certificate_request_context
        der = _Reader(words.vector(3)).vector(3)
    except IndexError:
        return ()
    return _names_of(der)


@lru_cache(maxsize=64)
def _names_of(der: bytes) -> tuple[str, ...]:
    """The subject alternative names; the common name is none (RFC 9525 §2)."""
    from cryptography import x509

    try:
        certificate = x509.load_der_x509_certificate(der)
        found = certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        return tuple(str(name.value) for name in found.value)
    except (
        ValueError,
        x509.ExtensionNotFound,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ):
        return ()


def alert_name(octets: bytes) -> str:
    """What an alert says, in the words of RFC 8446 §6."""
    code = octets[1] if len(octets) > 1 else -1
    return ALERTS.get(code, f"alert {code}")
