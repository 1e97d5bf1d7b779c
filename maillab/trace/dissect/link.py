"""What stands before the IP packet in a frame, by link type.

Goes in: a cursor at the beginning of a frame, and its link type as pcap numbers them.
Comes out: ranges, and the EtherType of what follows (0 when it is not known).

Rule: an IP packet says itself which version it has; link types that carry nothing else
have no header here.
"""

from maillab.trace.dissect.ranges import Cursor
from maillab.trace.reading.link_layers import (
    ETHERNET,
    FAMILIES,
    LOOP,
    NULL,
    SLL,
    SLL2,
)

IPV4, IPV6, ARP, VLAN, QINQ = 0x0800, 0x86DD, 0x0806, 0x8100, 0x88A8
RAW = (12, 14, 101, 228, 229)
ETHERTYPES = {
    IPV4: "IPv4",
    IPV6: "IPv6",
    ARP: "ARP",
    VLAN: "VLAN",
    QINQ: "VLAN in VLAN",
}
_TAGS = (VLAN, QINQ, 0x9100)
_SLL = "pcap LINKTYPE_LINUX_SLL"
_SLL2 = "pcap LINKTYPE_LINUX_SLL2"
_NULL = "pcap LINKTYPE_NULL"
_VERSIONS = {4: IPV4, 6: IPV6}
_DIRECTIONS = {
    0: "to us",
    1: "broadcast",
    2: "multicast",
    3: "to somebody else",
    4: "from us",
}


def link(cursor: Cursor, kind: int) -> int:
    """Walk over the link layer. Returns the EtherType of what follows."""
    if kind in RAW:
        return _VERSIONS.get(_nibble(cursor), 0)
    reader = _READERS.get(kind)
    found = reader(cursor) if reader else 0
    while found in _TAGS:
        found = _tag(cursor)
    return found


def _nibble(cursor: Cursor) -> int:
    first = cursor.peek(1)
    return first[0] >> 4 if first else 0


def _ethernet(cursor: Cursor) -> int:
    ref = "RFC 894"
    with cursor.layer("Ethernet", ref) as layer:
        target = _mac(cursor, "destination", ref)
        source = _mac(cursor, "source", ref)
        layer.value = f"{source} → {target}"
        return cursor.number(2, "type", _ethertype, ref)


def _mac(cursor: Cursor, name: str, ref: str) -> str:
    told = cursor.peek(6).hex(":")
    cursor.raw(6, name, told, ref)
    return told


def _tag(cursor: Cursor) -> int:
    ref = "IEEE 802.1Q §9.6"
    with cursor.layer("VLAN tag", ref) as layer:
        parts = [(3, "priority", None), (1, "may be dropped", None), (12, "VLAN", None)]
        layer.value = f"VLAN {cursor.bits(2, parts, ref)[2]}"
        return cursor.number(2, "type", _ethertype, ref)


def _sll(cursor: Cursor) -> int:
    with cursor.layer("Linux cooked capture", _SLL) as layer:
        way = cursor.number(2, "packet type", _DIRECTIONS, _SLL)
        layer.value = _DIRECTIONS.get(way, "")
        cursor.number(2, "device type", None, _SLL)
        cursor.number(2, "address length", None, _SLL)
        cursor.raw(8, "address", None, _SLL)
        return cursor.number(2, "protocol", _ethertype, _SLL)


def _sll2(cursor: Cursor) -> int:
    with cursor.layer("Linux cooked capture, version 2", _SLL2) as layer:
        found = cursor.number(2, "protocol", _ethertype, _SLL2)
        cursor.number(2, "reserved", None, _SLL2)
        cursor.number(4, "interface", None, _SLL2)
        cursor.number(2, "device type", None, _SLL2)
        way = cursor.number(1, "packet type", _DIRECTIONS, _SLL2)
        layer.value = _DIRECTIONS.get(way, "")
        cursor.number(1, "address length", None, _SLL2)
        cursor.raw(8, "address", None, _SLL2)
    return found


def _loopback(cursor: Cursor) -> int:
    """The protocol family of the machine that captured, in its own octet order."""
    with cursor.layer("Loopback", _NULL) as layer:
        octets = cursor.peek(4)
        family = min(int.from_bytes(octets, order) for order in ("big", "little"))
        found = _VERSIONS.get(FAMILIES.get(family, 0), 0)
        layer.value = ETHERTYPES.get(found, "")
        cursor.raw(4, "protocol family", f"{family} ({layer.value})", _NULL)
    return found


def _ethertype(number: int) -> str:
    return f"0x{number:04x}, {ETHERTYPES.get(number, 'not known here')}"


_READERS = {
    ETHERNET: _ethernet,
    SLL: _sll,
    SLL2: _sll2,
    NULL: _loopback,
    LOOP: _loopback,
}
