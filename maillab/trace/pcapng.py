"""Capture files as Wireshark reads them (draft-ietf-opsawg-pcapng).

Goes in: packets with times in nanoseconds, entries of a log. Comes out: the blocks of a
pcapng file.

Rule 1: little-endian, every block padded to 32 bits, times in nanoseconds.
Rule 2: TLS keys and names come before the packets that need them.
Rule 3: an entry of a log is a frame of its own: Wireshark numbers it like a packet.
"""

import struct
from collections.abc import Iterable, Mapping

from maillab.trace.packets import packed

LINK_ETHERNET, LINK_RAW = 1, 101
OUTBOUND, INBOUND = 2, 1

_SECTION, _INTERFACE, _NAMES, _PACKET = 0x0A0D0D0A, 1, 4, 6
_JOURNAL, _SECRETS = 9, 10
_COMMENT, _HARDWARE, _SYSTEM, _APPLICATION = 1, 2, 3, 4  # of the section header
_IF_NAME, _IF_DESCRIPTION, _IF_TSRESOL = 2, 3, 9
_EPB_FLAGS = 2
_TLS_KEY_LOG = 0x544C534B
_NANOSECONDS = b"\x09"
_EPB = struct.Struct("<IIIIIII")
_LENGTH = struct.Struct("<I")
_LONGEST = 0xFFFF  # octets of an option


def section(comment: str) -> bytes:
    """The block that every file begins with."""
    head = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
    pairs = [
        (_COMMENT, comment.encode()),
        (_HARDWARE, b"a simulated network"),
        (_SYSTEM, b"virtual hosts in virtual time"),
        (_APPLICATION, b"maillab"),
    ]
    return _block(_SECTION, head + _options(pairs))


def interface(name: str, link: int, description: str) -> bytes:
    """The place where packets were seen."""
    pairs = [
        (_IF_NAME, name.encode()),
        (_IF_DESCRIPTION, description.encode()),
        (_IF_TSRESOL, _NANOSECONDS),
    ]
    return _block(_INTERFACE, struct.pack("<HHI", link, 0, 0) + _options(pairs))


def names(table: Mapping[str, Iterable[str]]) -> bytes:
    """Host names for IP addresses."""
    body = bytearray()
    for ip, hosts in table.items():
        value = packed(ip) + b"".join(host.encode() + b"\0" for host in hosts)
        kind = 1 if len(packed(ip)) == 4 else 2
        body += struct.pack("<HH", kind, len(value)) + _padded(value)
    return _block(_NAMES, bytes(body) + bytes(4))


def tls_keys(lines: Iterable[str]) -> bytes:
    """NSS key log lines, with which a reader opens TLS."""
    log = "".join(f"{line}\n" for line in lines).encode("ascii", "replace")
    return _block(_SECRETS, struct.pack("<II", _TLS_KEY_LOG, len(log)) + _padded(log))


def packet(data: bytes, time_ns: int, direction: int, comment: str = "") -> bytes:
    """One packet; `time_ns` since 1970; `direction` is INBOUND or OUTBOUND."""
    if comment:
        pairs = [(_COMMENT, comment.encode()), (_EPB_FLAGS, _LENGTH.pack(direction))]
        options = _options(pairs)
    else:
        options = _DIRECTION[direction]
    size = len(data)
    pad = -size % 4
    total = 32 + size + pad + len(options)
    high, low = time_ns >> 32, time_ns & 0xFFFFFFFF
    head = _EPB.pack(_PACKET, total, 0, high, low, size, size)
    return b"".join((head, data, bytes(pad), options, _LENGTH.pack(total)))


def journal(entry: bytes) -> bytes:
    """An entry of a log, in systemd's Journal Export Format.

    The block is described in draft-richardson-opsawg-pcapng-extras.
    """
    return _block(_JOURNAL, _padded(entry))


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _options(pairs: Iterable[tuple[int, bytes]]) -> bytes:
    parts: list[bytes] = []
    for code, value in pairs:
        value = value[:_LONGEST]
        parts.append(struct.pack("<HH", code, len(value)) + _padded(value))
    return b"".join(parts) + bytes(4)


def _block(kind: int, body: bytes) -> bytes:
    total = len(body) + 12
    return struct.pack("<II", kind, total) + body + _LENGTH.pack(total)


_DIRECTION = {
    direction: _options([(_EPB_FLAGS, _LENGTH.pack(direction))])
    for direction in (INBOUND, OUTBOUND)
}
