"""Reads the packets of a capture back: what tests want to know of them."""

import struct
from ipaddress import ip_address
from typing import NamedTuple

from maillab.trace.packets import checksum

FIN, SYN, RST, ACK = 1, 2, 4, 16
NAMES = ((SYN, "S"), (FIN, "F"), (RST, "R"), (ACK, "A"))


class Seen(NamedTuple):
    """An IPv4 packet; TCP fields are 0 for the others."""

    time: float
    src: str
    dst: str
    ttl: int
    protocol: int
    ports: tuple[int, int]
    flags: str
    seq: int
    ack: int
    window: int
    sack: tuple[int, ...]
    payload: bytes
    outbound: bool


def sniff(trace, place):
    """All packets that passed a place, in order."""
    return [decode(packet) for packet in trace.capture(place).packets]


def decode(packet):
    data = packet.data
    ttl, protocol = data[8], data[9]
    src, dst = str(ip_address(data[12:16])), str(ip_address(data[16:20]))
    assert checksum(data[:20]) in (0, 0xFFFF), "the checksum of the IP header"
    body = data[20:]
    fields = tcp(body) if protocol == 6 else ((0, 0), "", 0, 0, 0, (), body)
    if protocol == 17:
        fields = (struct.unpack("!HH", body[:4]), "", 0, 0, 0, (), body[8:])
    time = packet.time_ns / 1e9
    return Seen(time, src, dst, ttl, protocol, *fields, packet.outbound)


def tcp(body):
    *ports, seq, ack, head, bits, window = struct.unpack("!HHIIBBH", body[:16])
    size = head >> 4 << 2
    flags = "".join(name for bit, name in NAMES if bits & bit)
    options = body[20:size]
    return tuple(ports), flags, seq, ack, window, sack_of(options), body[size:]


def sack_of(options):
    at = 0
    while at < len(options):
        kind = options[at]
        if kind == 5:
            blocks = options[at + 2 : at + options[at + 1]]
            return struct.unpack(f"!{len(blocks) // 4}I", blocks)
        at += 1 if kind == 1 else options[at + 1]
    return ()
