"""IPv4, IPv6 and ICMP, octet by octet.

Goes in: a cursor at the beginning of an IP packet. Comes out: ranges; what TCP and UDP
carry is left to whoever knows the connection (`deeper`).

Rule 1: lengths are believed as far as there are octets.
Rule 2: ICMP quotes the packet that it is about: that is taken apart, too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

from maillab.trace.dissect.ranges import Cursor
from maillab.trace.packets import ICMP, ICMP6, TCP, UDP, checksum

PROTOCOLS = {
    0: "hop-by-hop options",
    ICMP: "ICMP",
    TCP: "TCP",
    UDP: "UDP",
    43: "routing header",
    44: "fragment header",
    50: "ESP",
    51: "authentication header",
    ICMP6: "ICMPv6",
    59: "nothing",
    60: "destination options",
}
_V4, _V6 = "RFC 791 §3.1", "RFC 8200 §3"
_ICMP, _ICMP6 = "RFC 792", "RFC 4443 §2.1"
_EXTENSIONS = (0, 43, 44, 60)
_DEEPEST = 8  # levels: ICMP may quote ICMP, and so on
_TYPES4 = {
    0: "echo reply",
    3: "destination unreachable",
    5: "redirect",
    8: "echo",
    11: "time exceeded",
    12: "parameter problem",
}
_CODES4 = {  # of destination unreachable: RFC 792, RFC 1812 §5.2.7.1
    0: "network",
    1: "host",
    2: "protocol",
    3: "port",
    4: "too big, and must not be cut",
    9: "network prohibited",
    10: "host prohibited",
    13: "prohibited",
}
_TYPES6 = {
    1: "destination unreachable",
    2: "packet too big",
    3: "time exceeded",
    4: "parameter problem",
    128: "echo request",
    129: "echo reply",
    133: "router solicitation",
    134: "router advertisement",
    135: "neighbor solicitation",
    136: "neighbor advertisement",
}
_CODES6 = {0: "no route", 1: "prohibited", 3: "address", 4: "port"}  # RFC 4443 §3.1


@dataclass(frozen=True, slots=True)
class Datagram:
    """What a transport layer must know about the packet that it is in.

    pseudo  what its checksum covers of the IP header, without the length
    whole   all of it is here: not a fragment, not cut
    quoted  ICMP quotes it: it went the other way, some time ago
    """

    src: str
    dst: str
    protocol: int
    pseudo: bytes
    whole: bool
    quoted: bool = False


Deeper = Callable[[Cursor, Datagram], None]


def internet(cursor: Cursor, deeper: Deeper, *, quoted: bool = False) -> None:
    """Walk over an IP packet of either version."""
    first = cursor.peek(1)
    version = first[0] >> 4 if first else 0
    if version == 4:
        _ipv4(cursor, deeper, quoted)
    elif version == 6:
        _ipv6(cursor, deeper, quoted)
    else:
        cursor.rest("octets")


def _ipv4(cursor: Cursor, deeper: Deeper, quoted: bool) -> None:
    began = cursor.at
    with cursor.layer("IPv4", _V4) as layer:
        words = [(4, "version", None), (4, "header length", _words)]
        header = cursor.bits(1, words, _V4)[1] * 4
        classes = [(6, "differentiated services", None), (2, "congestion", None)]
        cursor.bits(1, classes, "RFC 2474 §3")
        size = cursor.number(2, "total length", None, _V4)
        cursor.number(2, "identification", None, _V4)
        offset, more = _fragment(cursor)
        cursor.number(1, "time to live", None, _V4)
        protocol = cursor.number(1, "protocol", PROTOCOLS, _V4)
        head = cursor.octets[began : began + header]
        _checksum(cursor, "header checksum", head, _V4)
        src, dst = _ip(cursor, "source", 4, _V4), _ip(cursor, "destination", 4, _V4)
        layer.value = f"{src} → {dst}"
        if header > 20:
            cursor.raw(header - 20, "options", ref=_V4)
    whole = not (offset or more) and size <= len(cursor.octets) - began
    pseudo = cursor.octets[began + 12 : began + 20]
    found = Datagram(src, dst, protocol, pseudo, whole, quoted)
    with cursor.within(size - header):
        _inside(cursor, found, deeper, bool(offset))
    if not quoted:
        cursor.rest("padding")


def _fragment(cursor: Cursor) -> tuple[int, int]:
    parts = [
        (1, "reserved", None),
        (1, "must not be cut", None),
        (1, "more fragments", None),
        (13, "fragment offset", _eights),
    ]
    _, _, more, offset = cursor.bits(2, parts, _V4)
    return offset, more


def _ipv6(cursor: Cursor, deeper: Deeper, quoted: bool) -> None:
    began = cursor.at
    with cursor.layer("IPv6", _V6) as layer:
        parts = [(4, "version", None), (8, "traffic class", None)]
        cursor.bits(4, [*parts, (20, "flow label", None)], _V6)
        size = cursor.number(2, "payload length", None, _V6)
        protocol = cursor.number(1, "next header", PROTOCOLS, _V6)
        cursor.number(1, "hop limit", None, _V6)
        src, dst = _ip(cursor, "source", 16, _V6), _ip(cursor, "destination", 16, _V6)
        layer.value = f"{src} → {dst}"
    whole = size + 40 <= len(cursor.octets) - began
    pseudo = cursor.octets[began + 8 : began + 40]
    with cursor.within(size):
        fragment = False
        while protocol in _EXTENSIONS and not fragment:
            protocol, is_cut, fragment = _extension(cursor, protocol)
            whole = whole and not is_cut
        found = Datagram(src, dst, protocol, pseudo, whole, quoted)
        _inside(cursor, found, deeper, fragment)
    if not quoted:
        cursor.rest("padding")


def _extension(cursor: Cursor, kind: int) -> tuple[int, bool, bool]:
    """Returns what follows, whether this is a fragment, whether not the first one."""
    with cursor.layer(f"IPv6 {PROTOCOLS[kind]}", "RFC 8200 §4") as layer:
        following = cursor.number(1, "next header", PROTOCOLS, "RFC 8200 §4")
        if kind != 44:
            size = cursor.number(1, "length", None, "RFC 8200 §4")
            cursor.raw(6 + 8 * size, "options", ref="RFC 8200 §4.2")
            return following, False, False
        cursor.number(1, "reserved", None, "RFC 8200 §4.5")
        parts = [(13, "fragment offset", _eights), (2, "reserved", None)]
        found = cursor.bits(2, [*parts, (1, "more", None)], "RFC 8200 §4.5")
        cursor.number(4, "identification", None, "RFC 8200 §4.5")
        layer.value = f"from octet {found[0] * 8}"
    return following, bool(found[0] or found[2]), found[0] > 0


def _inside(cursor: Cursor, found: Datagram, deeper: Deeper, is_later: bool) -> None:
    """What the packet carries."""
    if is_later:
        cursor.rest("a later fragment", _V4)
    elif found.protocol in (ICMP, ICMP6):
        _icmp(cursor, found, deeper)
    elif found.protocol in (TCP, UDP):
        deeper(cursor, found)
    cursor.rest("octets")


# ICMP ---------------------------------------------------------------------------------


def _icmp(cursor: Cursor, found: Datagram, deeper: Deeper) -> None:
    six = found.protocol == ICMP6
    ref = _ICMP6 if six else _ICMP
    covered = cursor.peek(cursor.left)
    if six:
        covered = pseudo_header(found, len(covered)) + covered
    with cursor.layer("ICMPv6" if six else "ICMP", ref) as layer:
        types, codes = (_TYPES6, _CODES6) if six else (_TYPES4, _CODES4)
        kind = cursor.number(1, "type", types, ref)
        unreachable = kind == (1 if six else 3)
        code = cursor.number(1, "code", codes if unreachable else None, ref)
        told = f": {codes.get(code, code)}" if unreachable else ""
        layer.value = f"{types.get(kind, f'type {kind}')}{told}"
        _checksum(cursor, "checksum", covered if found.whole else b"", ref)
        quotes = kind in ((1, 2, 3, 4) if six else (3, 4, 5, 11, 12))
        cursor.raw(4, "unused" if unreachable else "details", ref=ref)
        if quotes and cursor.level < _DEEPEST and cursor.left:
            with cursor.layer("the packet that it is about", ref):
                internet(cursor, deeper, quoted=True)
        cursor.rest("octets")


# Words --------------------------------------------------------------------------------


def pseudo_header(found: Datagram, size: int) -> bytes:
    """What a checksum covers beside the segment (RFC 9293 §3.1, RFC 8200 §8.1)."""
    return found.pseudo + size.to_bytes(4, "big") + found.protocol.to_bytes(4, "big")


def _checksum(cursor: Cursor, name: str, covered: bytes, ref: str) -> None:
    octets = cursor.peek(2)
    cursor.raw(2, name, checked(octets, covered), ref)


def checked(octets: bytes, covered: bytes) -> str:
    """A checksum, and whether it is right; `covered` is "" when one cannot tell."""
    told = f"0x{octets.hex()}"
    if not covered:
        return told
    return f"{told} (correct)" if checksum(covered) == 0 else f"{told} (wrong)"


def _ip(cursor: Cursor, name: str, size: int, ref: str) -> str:
    octets = cursor.peek(size)
    told = str(ip_address(octets)) if len(octets) == size else ""
    cursor.raw(size, name, told, ref)
    return told


def _words(number: int) -> str:
    return f"{4 * number} octets"


def _eights(number: int) -> str:
    return f"octet {8 * number}" if number else ""
