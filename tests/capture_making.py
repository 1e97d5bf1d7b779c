"""Writes capture files of every kind, independently of the code that reads them."""

import struct

from maillab.trace import pcapng
from maillab.trace.packets import ACK, FIN, PSH, RST, SYN, Segment, TcpPath

CLIENT, SERVER = ("192.0.2.10", 40_001), ("198.51.100.25", 25)
CLIENT6, SERVER6 = ("2001:db8::10", 40_001), ("2001:db8::25", 25)
MS = 1_000_000
WORD = 0xFFFFFFFF


class Wire:
    """Two ends of one connection; keeps packets as (time in ns, IP packet)."""

    def __init__(self, client=CLIENT, server=SERVER, isn=1000, peer_isn=9000):
        self.paths = {"C": TcpPath(client, server), "S": TcpPath(server, client)}
        self.isn = {"C": isn, "S": peer_isn}
        self.packets = []
        self.now = 1_767_603_600 * 1000 * MS

    def put(self, side, flags, at=0, ack=0, data=b""):
        """A segment; `at` and `ack` are offsets in the streams."""
        other = "S" if side == "C" else "C"
        seq = (self.isn[side] + 1 + at - bool(flags & SYN)) & WORD
        number = (self.isn[other] + 1 + ack) & WORD if flags & ACK else 0
        made = Segment(seq, number, flags, 8192, payload=data)
        self.packets.append((self.now, self.paths[side].packet(made)))
        self.now += MS
        return self

    def shake(self):
        self.put("C", SYN)
        self.put("S", SYN | ACK, ack=0)
        return self.put("C", ACK)

    def say(self, side, at, data, ack=0):
        return self.put(side, ACK | PSH, at, ack, data)

    def close(self, at, ack):
        self.put("C", FIN | ACK, at, ack)
        self.put("S", FIN | ACK, ack, at + 1)
        return self.put("C", ACK, at + 1, ack + 1)

    def reset(self, side, at=0, ack=0):
        return self.put(side, RST | ACK, at, ack)


def pcap(packets, link=101, order="<", nanoseconds=False, cut=1 << 18):
    """A classic file: times in microseconds, or in nanoseconds."""
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    found = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, link)]
    for time, data in packets:
        seconds, rest = divmod(time, 1000 * MS)
        fraction = rest if nanoseconds else rest // 1000
        kept = data[:cut]
        sizes = (len(kept), len(data))
        found.append(struct.pack(f"{order}IIII", seconds, fraction, *sizes) + kept)
    return b"".join(found)


def block(kind, body, order="<"):
    body += bytes(-len(body) % 4)
    size = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + size + body + size


def section(order="<"):
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link=101, order="<", options=b""):
    return block(1, struct.pack(f"{order}HHI", link, 0, 0) + options, order)


def option(code, value, order="<"):
    return struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)


def enhanced(time, data, order="<", number=0, options=b""):
    """`time` in the units of the interface."""
    head = (number, time >> 32, time & WORD, len(data), len(data))
    padded = data + bytes(-len(data) % 4)
    return block(6, struct.pack(f"{order}IIIII", *head) + padded + options, order)


def ng(packets, link=101, order="<"):
    """A pcapng file with times in microseconds, as Wireshark's default is."""
    blocks = [enhanced(time // 1000, data, order) for time, data in packets]
    return b"".join([section(order), interface(link, order), *blocks])


def named(table):
    return pcapng.names(table)
