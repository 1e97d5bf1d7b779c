"""Where the IP packet begins in a frame, for each link type that captures have.

Goes in: the octets of a file, where a frame stands in them, its link type. Comes out:
the place of its IP packet, or -1 when it has none.

Link types are those of https://www.tcpdump.org/linktypes.html.

Rule 1: a frame is never read beyond its end.
Rule 2: what stands there must say that it is IPv4 or IPv6, whatever the frame says.
"""

from collections.abc import Callable

NULL, ETHERNET, RAW, LOOP, SLL = 0, 1, 101, 108, 113
IPV4, IPV6, SLL2 = 228, 229, 276
NONE = -1
_RAW_OF_BSD = (12, 14)  # LINKTYPE_RAW as some systems have written it
_ETHERTYPE_IPV4, _ETHERTYPE_IPV6 = b"\x08\x00", b"\x86\xdd"
_IP = (_ETHERTYPE_IPV4, _ETHERTYPE_IPV6)
_TAGS = (b"\x81\x00", b"\x88\xa8", b"\x91\x00")  # IEEE 802.1Q, 802.1ad, its ancestor
_PPPOE = b"\x88\x64"  # RFC 2516 §4
_PPP_IP = (b"\x00\x21", b"\x00\x57")  # RFC 1332 §3, RFC 5072 §4
# IP versions by AF_INET; AF_INET6 of Linux, Windows, BSD, FreeBSD, macOS
FAMILIES = {2: 4, 10: 6, 23: 6, 24: 6, 28: 6, 30: 6}


def find_ip(octets: bytes, start: int, end: int, link: int) -> int:
    """The place of the IP packet, -1 when there is none."""
    layer = _LAYERS.get(link)
    at = layer(octets, start, end) if layer else NONE
    if not 0 <= at < end or octets[at] >> 4 not in (4, 6):
        return NONE
    return at


def is_known(link: int) -> bool:
    """Can maillab read frames of this link type?"""
    return link in _LAYERS


def is_outgoing(octets: bytes, start: int, link: int) -> bool:
    """Linux says in its own header which way a packet went: type 4 was sent by us."""
    if link == SLL:
        return octets[start : start + 2] == b"\0\x04"
    return link == SLL2 and octets[start + 10 : start + 11] == b"\x04"


def _ethernet(octets: bytes, start: int, end: int) -> int:
    return _behind_ethertype(octets, start + 12, start + 14, end)


def _behind_ethertype(octets: bytes, kind_at: int, at: int, end: int) -> int:
    """Tags stand between a frame's head and what it carries, any number of them."""
    kind = octets[kind_at : kind_at + 2]
    while kind in _TAGS and at + 4 <= end:
        kind = octets[at + 2 : at + 4]
        at += 4
    if kind == _PPPOE and octets[at + 6 : at + 8] in _PPP_IP:
        return at + 8
    return at if kind in _IP else NONE


def _cooked(octets: bytes, start: int, end: int) -> int:
    return _behind_ethertype(octets, start + 14, start + 16, end)


def _cooked_2(octets: bytes, start: int, end: int) -> int:
    return _behind_ethertype(octets, start, start + 20, end)


def _loopback(octets: bytes, start: int, end: int) -> int:
    """Four octets with an address family, in the byte order of whoever captured."""
    del end
    head = octets[start : start + 4]
    family = min(int.from_bytes(head, "big"), int.from_bytes(head, "little"))
    return start + 4 if family in FAMILIES else NONE


def _raw(octets: bytes, start: int, end: int) -> int:
    del octets, end
    return start


_LAYERS: dict[int, Callable[[bytes, int, int], int]] = {
    NULL: _loopback,
    ETHERNET: _ethernet,
    RAW: _raw,
    LOOP: _loopback,
    SLL: _cooked,
    SLL2: _cooked_2,
    IPV4: _raw,
    IPV6: _raw,
    **dict.fromkeys(_RAW_OF_BSD, _raw),
}
