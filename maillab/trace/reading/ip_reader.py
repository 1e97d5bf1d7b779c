"""IPv4 and IPv6 packets as they were captured, fragments put together.

Goes in: the octets of a file, and where a packet stands in them. Comes out: who sent
what to whom.

Rule 1: what was cut off by the capture is told (`size`), and never made up.
Rule 2: fragments that overlap make a packet void (RFC 5722 §4); there are never more
        than 256 packets of which some are missing.
Rule 3: checksums are not looked at: those of a sender's own packets are often not yet
        made when they are captured.
"""

import struct
from bisect import bisect_left
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION = 0, 43, 44, 60
_AUTHENTICATION, _MOBILITY, _HIP, _SHIM6 = 51, 135, 139, 140
_EXTENSIONS = (_HOP_BY_HOP, _ROUTING, _DESTINATION, _MOBILITY, _HIP, _SHIM6)
_OFFSET, _MORE_FRAGMENTS = 0x1FFF, 0x2000
_WAITING = 256  # packets of which not all fragments are there
_LONGEST = 65_535


class IpPacket(NamedTuple):
    """What one packet carries. `size` is what it was sent with."""

    src: bytes
    dst: bytes
    protocol: int
    payload: bytes
    size: int


@dataclass(slots=True)
class _Whole:
    """A packet that comes in pieces."""

    starts: list[int] = field(default_factory=list[int])
    parts: list[bytes] = field(default_factory=list[bytes])
    here: int = 0  # octets that are there
    size: int = -1  # known when the last fragment is there
    is_void: bool = False

    def add(self, offset: int, part: bytes, *, is_last: bool) -> None:
        at, end = bisect_left(self.starts, offset), offset + len(part)
        if self.starts[at : at + 1] == [offset] and self.parts[at] == part:
            return  # it came twice
        overlaps = at > 0 and self.starts[at - 1] + len(self.parts[at - 1]) > offset
        overlaps |= at < len(self.starts) and self.starts[at] < end
        self.is_void |= overlaps or end > _LONGEST
        if self.is_void:
            return
        self.starts.insert(at, offset)
        self.parts.insert(at, part)
        self.here += len(part)
        if is_last:
            self.size = end

    def payload(self) -> bytes | None:
        """All of it, when all of it is there."""
        if self.is_void or self.here != self.size:
            return None
        return b"".join(self.parts)


class Fragments:
    """Puts fragments together (RFC 791 §3.2, RFC 8200 §4.5)."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[bytes, bytes, int, int], _Whole] = {}
        self.lost = 0  # packets that were never complete

    @property
    def incomplete(self) -> int:
        """Packets of which a fragment is missing."""
        return self.lost + len(self._waiting)

    def add(
        self, packet: IpPacket, ident: int, offset: int, *, more: bool
    ) -> IpPacket | None:
        """One fragment; the whole packet when this was the last one missing."""
        key = (packet.src, packet.dst, packet.protocol, ident)
        whole = self._waiting.setdefault(key, _Whole())
        whole.add(offset, packet.payload, is_last=not more)
        payload = whole.payload()
        if payload is not None:
            del self._waiting[key]
            return packet._replace(payload=payload, size=len(payload))
        if len(self._waiting) > _WAITING:
            del self._waiting[next(iter(self._waiting))]
            self.lost += 1
        return None


def read_ip(
    octets: bytes, at: int, end: int, fragments: Fragments | None = None
) -> IpPacket | None:
    """The packet that stands from `at` to `end`; None when it is none, or not whole.

    Without `fragments` a first fragment is taken for all there is (ICMP quotes so).
    """
    if at >= end:
        return None
    version = octets[at] >> 4
    if version == 4 and end - at >= 20:
        return _ipv4(octets, at, end, fragments)
    if version == 6 and end - at >= 40:
        return _ipv6(octets, at, end, fragments)
    return None


def end_of(octets: bytes, at: int, end: int) -> int:
    """Where the packet ends that begins at `at`: behind it a frame may be padded.

    A length of 0 is that of a packet that a network card was to cut up.
    """
    if octets[at] >> 4 == 4:
        size = int.from_bytes(octets[at + 2 : at + 4], "big")
    else:
        size = int.from_bytes(octets[at + 4 : at + 6], "big")
        size = size + 40 if size else 0
    return min(at + size, end) if size else end


def _ipv4(
    octets: bytes, at: int, end: int, fragments: Fragments | None
) -> IpPacket | None:
    """RFC 791 §3.1."""
    head = struct.unpack_from("!BxHHHxB2x4s4s", octets, at)
    first, total, ident, place, protocol, src, dst = head
    body = at + (first & 15) * 4
    size = total - (body - at) if total else end - body
    if body < at + 20 or body > end or size < 0:
        return None
    packet = IpPacket(src, dst, protocol, octets[body : min(body + size, end)], size)
    if not place & (_OFFSET | _MORE_FRAGMENTS):
        return packet
    if fragments is None:
        return None if place & _OFFSET else packet
    more = bool(place & _MORE_FRAGMENTS)
    return fragments.add(packet, ident, (place & _OFFSET) * 8, more=more)


def _ipv6(
    octets: bytes, at: int, end: int, fragments: Fragments | None
) -> IpPacket | None:
    """RFC 8200 §3, §4: extension headers stand in a chain."""
    size, following, src, dst = struct.unpack_from("!4xHBx16s16s", octets, at)
    body, last = at + 40, at + 40 + size if size else end
    while following in _EXTENSIONS or following == _AUTHENTICATION:
        if body + 8 > end:
            return None
        unit = 4 if following == _AUTHENTICATION else 8  # RFC 4302 §2.2
        following, body = octets[body], body + 8 + octets[body + 1] * unit
    if following == _FRAGMENT:
        packet = IpPacket(src, dst, following, octets[body : min(last, end)], last)
        return _ipv6_fragment(packet, fragments)
    if body > min(end, last):
        return None
    payload = octets[body : min(last, end)]
    return IpPacket(src, dst, following, payload, last - body)


def _ipv6_fragment(packet: IpPacket, fragments: Fragments | None) -> IpPacket | None:
    """RFC 8200 §4.5. What follows it may have extension headers, which are rare."""
    if len(packet.payload) < 8:
        return None
    following, place, ident = struct.unpack_from("!BxHI", packet.payload)
    payload = packet.payload[8:]
    part = packet._replace(protocol=following, payload=payload, size=len(payload))
    more = bool(place & 1)
    if fragments is None or not (place & 0xFFF8 or more):
        return None if place & 0xFFF8 else part
    return fragments.add(part, ident, place & 0xFFF8, more=more)


@lru_cache(maxsize=65_536)
def address_text(octets: bytes) -> str:
    """An address of 4 or 16 octets, as people write it."""
    return str(ip_address(octets))
