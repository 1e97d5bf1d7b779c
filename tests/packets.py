"""Reading packets, independently of the code that writes them."""

import struct
from typing import NamedTuple

FLAGS = {0x02: "SYN", 0x10: "ACK", 0x04: "RST", 0x01: "FIN", 0x08: "PSH"}


class Read(NamedTuple):
    """One packet: `kind` is "SYN", "SYN-ACK", "RST", "ICMP 3/13", "UDP", …"""

    kind: str
    src: str
    dst: str
    ttl: int
    data: bytes


def read(packet: bytes) -> Read:
    """Take an IP packet apart (RFC 791, RFC 8200)."""
    import ipaddress

    if packet[0] >> 4 == 4:
        protocol, ttl, rest = packet[9], packet[8], packet[20:]
        src, dst = packet[12:16], packet[16:20]
    else:
        protocol, ttl, rest = packet[6], packet[7], packet[40:]
        src, dst = packet[8:24], packet[24:40]
    ends = [str(ipaddress.ip_address(one)) for one in (src, dst)]
    if protocol in (1, 58):
        return Read(f"ICMP {rest[0]}/{rest[1]}", *ends, ttl, rest[8:])
    ports = struct.unpack("!HH", rest[:4])
    ends = [f"{ip} {port}" for ip, port in zip(ends, ports, strict=True)]
    if protocol == 17:
        return Read("UDP", *ends, ttl, rest[8:])
    flags = rest[13]
    names = [name for bit, name in FLAGS.items() if flags & bit and name != "PSH"]
    kind = "-".join(names)
    if kind == "ACK-RST":
        kind = "RST"
    return Read(kind, *ends, ttl, rest[(rest[12] >> 4) * 4 :])


def kinds(capture) -> list[str]:
    """What one sees in a capture, outbound with ">", inbound with "<"."""
    return [
        f"{'>' if packet.outbound else '<'} {read(packet.data).kind}"
        for packet in capture.packets
    ]
