"""IP packets with correct checksums: TCP, UDP and ICMP over IPv4 and IPv6.

Goes in: addresses, flags, payload. Comes out: the octets of one packet.

Rule 1: a checksum is the ones' complement sum (RFC 1071), and that is the value of all
        octets, read as one number, modulo 0xFFFF: Python's integers do the adding.
"""

import struct
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
WORD = 0xFFFFFFFF  # the highest sequence number: they wrap (RFC 9293 §3.4)
Address = tuple[str, int]

_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_IPV4_TCP = struct.Struct("!BBHHHBBH4s4sHHIIBBHHH")
_IPV6_TCP = struct.Struct("!IHBB16s16sHHIIBBHHH")
_MODULUS = 0xFFFF
_DONT_FRAGMENT = 0x4000
_TTL = 64
_PORT, _PROHIBITED, _HOST = "port", "prohibited", "host"
_UNREACHABLE = {  # (type, code): RFC 792, RFC 1812 §5.2.7.1; RFC 4443 §3.1
    (4, _PORT): (3, 3),
    (4, _PROHIBITED): (3, 13),
    (4, _HOST): (3, 1),
    (6, _PORT): (1, 4),
    (6, _PROHIBITED): (1, 1),
    (6, _HOST): (1, 3),
}


@lru_cache(maxsize=4096)
def packed(ip: str) -> bytes:
    """An IP address as octets: 4 or 16 of them."""
    return ip_address(ip).packed


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071 §1).

    >>> hex(checksum(bytes.fromhex("0001f203f4f5f6f7")))
    '0x220d'
    """
    if len(data) & 1:
        data += b"\0"
    number = int.from_bytes(data, "big")
    rest = number % _MODULUS
    return 0xFFFF - rest if rest or not number else 0


def ip_packet(src: str, dst: str, protocol: int, payload: bytes, ident: int) -> bytes:
    """IPv4 (RFC 791 §3.1) or IPv6 (RFC 8200 §3) around `payload`."""
    a, b = packed(src), packed(dst)
    if len(a) == 16:
        head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, _TTL)
        return head + a + b + payload
    size = 20 + len(payload)
    flags = _DONT_FRAGMENT
    head = _IPV4.pack(0x45, 0, size, ident & 0xFFFF, flags, _TTL, protocol, 0, a, b)
    return head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + payload


def aged(packet: bytes, hops: int) -> bytes:
    """`packet` behind so many routers: each took one from its TTL (RFC 1812 §5.3.1).

    IPv6 calls that the hop limit (RFC 8200 §3), and has no checksum of the header.
    """
    if not hops:
        return packet
    if packet[0] >> 4 == 6:
        return packet[:7] + bytes([packet[7] - hops]) + packet[8:]
    head = packet[:8] + bytes([packet[8] - hops, packet[9]]) + b"\0\0" + packet[12:20]
    return head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + packet[20:]


class Packet(NamedTuple):
    """An IP packet that passed the vantage point."""

    time_ns: int
    data: bytes
    outbound: bool
    comment: str


class Segment(NamedTuple):
    """The fields of RFC 9293 §3.1 that do not depend on where it is seen."""

    seq: int
    ack: int
    flags: int
    window: int
    options: bytes = b""
    payload: bytes = b""
    ident: int = 0  # of its IP packet


class TcpPath:
    """Puts segments into IP packets that go one way between two sockets.

    Both checksums are sums of numbers (rule 1): what all segments share is added once.
    """

    def __init__(self, src: Address, dst: Address) -> None:
        a, b = packed(src[0]), packed(dst[0])
        self._ports = (src[1], dst[1])
        self._addresses = (a, b)
        shared = int.from_bytes(a + b, "big") % _MODULUS + TCP
        self._tcp_sum = shared + src[1] + dst[1]
        self._ip_sum = shared + 0x4500 + _DONT_FRAGMENT + (_TTL << 8)
        self._packet = self._v6 if len(a) == 16 else self._v4

    def packet(self, segment: Segment) -> bytes:
        """One segment in its IP packet."""
        seq, ack, flags, window, options, payload, ident = segment
        offset = (20 + len(options)) << 2  # in words, in the upper four bits
        size = 20 + len(options) + len(payload)
        rest = int.from_bytes(payload, "big") % _MODULUS
        if len(payload) & 1:
            rest <<= 8  # padded with an octet (RFC 9293 §3.1)
        fields = seq + ack + (offset << 8 | flags) + window + size
        rest += int.from_bytes(options, "big") + fields + self._tcp_sum
        check = -rest % _MODULUS
        tcp = (*self._ports, seq, ack, offset, flags, window, check, 0)
        return self._packet(size, ident, tcp) + options + payload

    def _v4(self, size: int, ident: int, tcp: tuple[int, ...]) -> bytes:
        size, ident = size + 20, ident & 0xFFFF
        check = -(self._ip_sum + size + ident) % _MODULUS
        head = (0x45, 0, size, ident, _DONT_FRAGMENT, _TTL, TCP, check)
        return _IPV4_TCP.pack(*head, *self._addresses, *tcp)

    def _v6(self, size: int, ident: int, tcp: tuple[int, ...]) -> bytes:
        del ident  # only fragments have one
        return _IPV6_TCP.pack(6 << 28, size, TCP, _TTL, *self._addresses, *tcp)


def udp_packet(src: Address, dst: Address, payload: bytes, ident: int) -> bytes:
    """A datagram (RFC 768) in its IP packet."""
    size = 8 + len(payload)
    head = struct.pack("!HHH", src[1], dst[1], size)
    pseudo = packed(src[0]) + packed(dst[0]) + struct.pack("!II", size, UDP)
    check = checksum(pseudo + head + b"\0\0" + payload) or 0xFFFF
    datagram = head + check.to_bytes(2, "big") + payload
    return ip_packet(src[0], dst[0], UDP, datagram, ident)


def unreachable_packet(
    src: str, dst: str, reason: str, original: bytes, ident: int
) -> bytes:
    """ICMP destination unreachable; `reason` is "port", "prohibited" or "host".

    Carries the start of the packet that could not be delivered (RFC 1812 §4.3.2.3: as
    much as fits into 576 octets; RFC 4443 §3.1: into 1,280).
    """
    version = 6 if ":" in dst else 4
    kind, code = _UNREACHABLE[version, reason]
    quoted = original[: 1280 - 48] if version == 6 else original[: 576 - 28]
    body = struct.pack("!BBHI", kind, code, 0, 0) + quoted
    pseudo = b""
    if version == 6:
        pseudo = packed(src) + packed(dst) + struct.pack("!II", len(body), ICMP6)
    check = checksum(pseudo + body).to_bytes(2, "big")
    body = body[:2] + check + body[4:]
    return ip_packet(src, dst, ICMP6 if version == 6 else ICMP, body, ident)


def addresses(packet: bytes) -> tuple[str, str]:
    """Source and destination of an IP packet."""
    if packet[0] >> 4 == 6:
        return _address(packet[8:24]), _address(packet[24:40])
    return _address(packet[12:16]), _address(packet[16:20])


@lru_cache(maxsize=4096)
def _address(octets: bytes) -> str:
    return str(ip_address(octets))


def ethernet_frame(packet: bytes) -> bytes:
    """`packet` in a frame; MAC addresses show the last four octets of the IP ones."""
    if packet[0] >> 4 == 6:
        src, dst, ethertype = packet[20:24], packet[36:40], b"\x86\xdd"
    else:
        src, dst, ethertype = packet[12:16], packet[16:20], b"\x08\x00"
    return b"".join((b"\x02\0", dst, b"\x02\0", src, ethertype, packet))
