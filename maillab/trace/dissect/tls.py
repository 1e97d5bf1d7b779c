"""TLS records, and the heads of handshake messages (RFC 8446, RFC 5246).

Goes in: a cursor at the beginning of a record. Comes out: ranges.

Rule 1: nothing is deciphered here; `Session.opened` does that.
Rule 2: a handshake message is taken apart as far as this packet has it.
"""

from collections.abc import Callable

from maillab.trace.dissect.ranges import Cursor, Truncated, named
from maillab.trace.hearing.tls_records import (
    ALERT,
    ALERTS,
    CHANGE_CIPHER_SPEC,
    CONTENT,
    HANDSHAKE,
    HANDSHAKES,
)

_RECORD, _HANDSHAKE = "RFC 8446 §5.1", "RFC 8446 §4"
_EXTENSIONS = "RFC 8446 §4.2"
VERSIONS = {  # as people write them; elsewhere they are called as OpenSSL does
    0x0300: "SSL 3.0",
    0x0301: "TLS 1.0",
    0x0302: "TLS 1.1",
    0x0303: "TLS 1.2",
    0x0304: "TLS 1.3",
}
_CIPHERS = {  # RFC 8446 §B.4, RFC 5289 §3.2, RFC 7905 §2
    0x1301: "TLS_AES_128_GCM_SHA256",
    0x1302: "TLS_AES_256_GCM_SHA384",
    0x1303: "TLS_CHACHA20_POLY1305_SHA256",
    0xC02B: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    0xC02C: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    0xC02F: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    0xC030: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    0xCCA8: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    0xCCA9: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    0x00FF: "TLS_EMPTY_RENEGOTIATION_INFO_SCSV",
}
_NAMES = {
    0: "server name",
    5: "status request",
    10: "supported groups",
    11: "point formats",
    13: "signature algorithms",
    16: "application protocols",
    22: "encrypt then MAC",
    23: "extended master secret",
    35: "session ticket",
    41: "pre-shared key",
    42: "early data",
    43: "supported versions",
    44: "cookie",
    45: "key exchange modes",
    49: "authentication after the handshake",
    50: "signature algorithms of certificates",
    51: "key share",
    0xFF01: "renegotiation info",
}


def record(cursor: Cursor, *, hidden: bool = False) -> None:
    """Walk over a record; `hidden` says that its content is encrypted already."""
    with cursor.layer("TLS record", _RECORD) as layer:
        kind = cursor.number(1, "content type", CONTENT, _RECORD)
        told = CONTENT.get(kind, f"type {kind}")
        layer.value = f"encrypted {told}" if hidden and kind == HANDSHAKE else told
        _version(cursor, _RECORD)
        size = cursor.number(2, "length", None, _RECORD)
        behind = max(0, size - cursor.left)
        with cursor.within(size):
            _content(cursor, kind, size, hidden)
        if behind:
            layer.value += ", goes on in a later segment"


def _content(cursor: Cursor, kind: int, size: int, hidden: bool) -> None:
    if kind == HANDSHAKE and not (hidden and _looks_hidden(cursor, size)):
        while cursor.left:
            _message(cursor)
    elif kind == ALERT and cursor.left == 2:
        cursor.number(1, "level", {1: "warning", 2: "fatal"}, "RFC 8446 §6")
        ref = "RFC 8446 §6.1" if cursor.peek(1) == b"\0" else "RFC 8446 §6.2"
        cursor.number(1, "description", ALERTS, ref)
    else:
        name = "message" if kind == CHANGE_CIPHER_SPEC else "encrypted data"
        cursor.rest(name, "RFC 8446 §5.2")


def _looks_hidden(cursor: Cursor, size: int) -> bool:
    """Behind a change of ciphers. A second ClientHello is clear: RFC 8446 §4.1.2."""
    head = cursor.peek(4)
    is_hello = head[:1] in (b"\1", b"\2")
    return not (is_hello and int.from_bytes(head[1:], "big") + 4 == size)


def _message(cursor: Cursor) -> None:
    with cursor.layer("handshake message", _HANDSHAKE) as layer:
        kind = cursor.number(1, "message", HANDSHAKES, _HANDSHAKE)
        layer.value = HANDSHAKES.get(kind, f"type {kind}")
        size = cursor.number(3, "length", None, _HANDSHAKE)
        reader = _READERS.get(kind)
        with cursor.within(size):
            if reader and size <= cursor.left:
                _careful(cursor, reader)
            cursor.rest("content")


def _careful(cursor: Cursor, reader: Callable[[Cursor], None]) -> None:
    """A message whose lengths do not agree is shown as far as they do."""
    depth = cursor.level
    try:
        reader(cursor)
    except Truncated as error:
        cursor.level = depth
        cursor.missing(error.missing)


def _client_hello(cursor: Cursor) -> None:
    ref = "RFC 8446 §4.1.2"
    _hello(cursor, ref)
    count = cursor.number(2, "length of the cipher suites", None, ref)
    with cursor.layer("cipher suites", ref) as layer, cursor.within(count):
        layer.value = str(count // 2)
        while cursor.left:
            cursor.number(2, "cipher suite", _cipher, ref)
    cursor.raw(cursor.number(1, "compression methods", None, ref), "methods", ref=ref)
    _extensions(cursor)


def _server_hello(cursor: Cursor) -> None:
    ref = "RFC 8446 §4.1.3"
    _hello(cursor, ref)
    cursor.number(2, "cipher suite", _cipher, ref)
    cursor.number(1, "compression method", None, ref)
    _extensions(cursor)


def _hello(cursor: Cursor, ref: str) -> None:
    _version(cursor, ref)
    cursor.raw(32, "random", ref=ref)
    cursor.raw(cursor.number(1, "length of the session", None, ref), "session", ref=ref)


def _extensions(cursor: Cursor) -> None:
    if not cursor.left:
        return
    cursor.number(2, "length of the extensions", None, _EXTENSIONS)
    while cursor.left:
        with cursor.layer("extension", _EXTENSIONS) as layer:
            kind = cursor.number(2, "type", _NAMES, _EXTENSIONS)
            size = cursor.number(2, "length", None, _EXTENSIONS)
            octets = cursor.peek(size)
            told = _told(kind, octets)
            layer.value = f"{_NAMES.get(kind, kind)}{told and ': '}{told}"
            cursor.raw(size, "value", told or None, _EXTENSIONS)


def _told(kind: int, octets: bytes) -> str:
    """What the extensions that matter for mail say."""
    if kind == 0:  # RFC 6066 §3: a list with one name
        return octets[5:].decode("ascii", "backslashreplace")
    if kind == 16:  # RFC 7301 §3.1
        return ", ".join(_strings(octets[2:]))
    if kind == 43:
        listed = octets if len(octets) == 2 else octets[1:]
        numbers = (int.from_bytes(listed[i : i + 2]) for i in range(0, len(listed), 2))
        return ", ".join(VERSIONS.get(number, hex(number)) for number in numbers)
    return ""


def _strings(octets: bytes) -> list[str]:
    found: list[str] = []
    while octets:
        size = octets[0]
        found.append(octets[1 : 1 + size].decode("ascii", "backslashreplace"))
        octets = octets[1 + size :]
    return found


def _certificates(cursor: Cursor) -> None:
    """TLS 1.2 only: later ones are encrypted (RFC 5246 §7.4.2)."""
    ref = "RFC 5246 §7.4.2"
    cursor.number(3, "length of the certificates", None, ref)
    while cursor.left:
        size = cursor.number(3, "length", None, ref)
        cursor.raw(size, "certificate", f"{size} octets of DER", ref)


def _version(cursor: Cursor, ref: str) -> None:
    octets = cursor.peek(2)
    told = named(int.from_bytes(octets, "big"), VERSIONS)
    cursor.raw(2, "version", f"0x{octets.hex()}{told[told.find(' ') :]}", ref)


def _cipher(number: int) -> str:
    return f"0x{number:04x}, {_CIPHERS.get(number, 'another one')}"


_READERS: dict[int, Callable[[Cursor], None]] = {
    1: _client_hello,
    2: _server_hello,
    11: _certificates,
}
