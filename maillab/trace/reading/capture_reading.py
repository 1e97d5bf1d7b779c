"""What the packets of a capture tell, as events.

Goes in: the frames of a file. Comes out: events of connections, datagrams, DNS answers
and ICMP, in the order of the frames.

Rule 1: the common packet (TCP over Ethernet or raw IP, whole, no IP options) is taken
        apart where it stands, with one look; all others the long way.
Rule 2: a packet that makes no sense is left out; it stays in the list of packets.
"""

import struct
from array import array
from itertools import count

from maillab.trace.packets import ICMP, ICMP6, TCP, UDP
from maillab.trace.reading.captured_dns import DnsListener
from maillab.trace.reading.dns_over_tcp import DNS_PORT, dns_messages
from maillab.trace.reading.frames import Frames
from maillab.trace.reading.ip_reader import (
    Fragments,
    IpPacket,
    address_text,
    read_ip,
)
from maillab.trace.reading.link_layers import ETHERNET, NONE, find_ip
from maillab.trace.reading.reassembly import Reassembly, addresses_of
from maillab.trace.recorder import Told

_IPV4_TCP = struct.Struct("!2xHxxHxB2x12sIIBB").unpack_from  # both heads at once
_IPV6_TCP = struct.Struct("!4xHBx36sIIBB").unpack_from
_TCP = struct.Struct("!4xIIBB").unpack_from
_FRAGMENTED = 0x3FFF  # of flags and offset: more fragments, or not the first
# RFC 792, RFC 1812 §5.2.7.1; RFC 4443 §3.1: what it says, and which of the three that
# `packets.unreachable_packet` knows it is like.
_PORT, _PROHIBITED, _HOST = "port", "prohibited", "host"
_REASONS = {
    (ICMP, 3, 0): ("network unreachable", _HOST),
    (ICMP, 3, 1): ("host unreachable", _HOST),
    (ICMP, 3, 2): ("protocol unreachable", _PORT),
    (ICMP, 3, 3): ("port unreachable", _PORT),
    (ICMP, 3, 9): ("network administratively prohibited", _PROHIBITED),
    (ICMP, 3, 10): ("host administratively prohibited", _PROHIBITED),
    (ICMP, 3, 13): ("communication administratively prohibited", _PROHIBITED),
    (ICMP, 11, 0): ("time to live exceeded", _HOST),
    (ICMP6, 1, 0): ("no route to destination", _HOST),
    (ICMP6, 1, 1): ("communication administratively prohibited", _PROHIBITED),
    (ICMP6, 1, 3): ("address unreachable", _HOST),
    (ICMP6, 1, 4): ("port unreachable", _PORT),
    (ICMP6, 3, 0): ("hop limit exceeded", _HOST),
}


class Reading:
    """Reads all frames once. `epoch_ns` becomes time 0."""

    def __init__(self, frames: Frames, epoch_ns: int) -> None:
        self._frames = frames
        self._epoch_ns = epoch_ns
        self._tcp = Reassembly(self.name)
        self._fragments = Fragments()
        self._dns = DnsListener(self.name)
        self._names = {ip: hosts[0] for ip, hosts in frames.names.items() if hosts}

    def name(self, ip: bytes) -> str:
        """What the file calls an address, else the address."""
        return self._names.get(ip) or address_text(ip)

    def run(self) -> "tuple[list[Told], array[int]]":
        """All events, and for each the number of its frame (0: of none)."""
        frames = self._frames
        entries = zip(
            count(1),
            frames.times,
            frames.starts,
            frames.sizes,
            frames.links,
            strict=False,
        )
        octets, epoch, tcp = frames.octets, self._epoch_ns, self._tcp
        ipv4_tcp, take, last = _IPV4_TCP, tcp.segment, 0
        for number, stamp, start, size, link in entries:
            end, last = start + size, stamp - epoch
            tcp.number = number
            if link == ETHERNET and octets[start + 12 : start + 14] == b"\x08\x00":
                at = start + 14
            else:
                at = find_ip(octets, start, end, link)
            if at == NONE:
                continue
            if end - at >= 40 and octets[at] == 0x45:
                head = ipv4_tcp(octets, at)
                total, place, protocol, key, seq, ack, offset, flags = head
                body, stop = at + 20 + (offset >> 2 & 60), at + total
                is_plain = protocol == TCP and not place & _FRAGMENTED
                if is_plain and offset >= 0x50 and body <= stop <= end:
                    take(last, key, (seq, ack, flags), octets[body:stop])
                    continue
            self._packet(last, at, end)
        return self._finished(last)

    def _took_ipv6(self, time: int, at: int, end: int) -> bool:
        """The short way of IPv6: False when this packet must go the long one."""
        octets = self._frames.octets
        if end - at < 60 or octets[at] >> 4 != 6:
            return False
        total, protocol, key, seq, ack, offset, flags = _IPV6_TCP(octets, at)
        body, stop = at + 40 + (offset >> 2 & 60), at + 40 + total
        if protocol != TCP or offset < 0x50 or not body <= stop <= end:
            return False
        self._tcp.segment(time, key, (seq, ack, flags), octets[body:stop])
        return True

    def _packet(self, time: int, at: int, end: int) -> None:
        """The long way."""
        if self._took_ipv6(time, at, end):
            return
        packet = read_ip(self._frames.octets, at, end, self._fragments)
        if packet is None:
            return
        if packet.protocol == TCP:
            self._segment(time, packet)
        elif packet.protocol == UDP:
            self._datagram(time, packet)
        elif packet.protocol in (ICMP, ICMP6):
            self._icmp(time, packet)

    def _segment(self, time: int, packet: IpPacket) -> None:
        payload = packet.payload
        if len(payload) < 20:
            return
        seq, ack, offset, flags = _TCP(payload)
        start = offset >> 2 & 60
        if start < 20:
            return
        key = _key(packet)
        size = max(0, packet.size - start)
        data = payload[start : start + size]
        self._tcp.odd_segment(time, key, (seq, ack, flags), data, size)

    def _datagram(self, time: int, packet: IpPacket) -> None:
        """RFC 768. A datagram that was cut off is told as far as it was captured."""
        payload = packet.payload
        if len(payload) < 8:
            return
        src, dst = addresses_of(_key(packet))
        data = payload[8 : max(8, int.from_bytes(payload[4:6], "big")) or None]
        facts = {
            "src": src,
            "dst": dst,
            "data": data,
            "latency": 0,
            "to_host": self.name(packet.dst),
        }
        self._tell((time, "datagram", self.name(packet.src), "", facts))
        if DNS_PORT in (src[1], dst[1]):
            for told in self._dns.heard(time, packet, data):
                self._tell(told)

    def _icmp(self, time: int, packet: IpPacket) -> None:
        """Errors quote the packet that they are about (RFC 792, RFC 4443 §2.4)."""
        payload = packet.payload
        if len(payload) < 8:
            return
        known = _REASONS.get((packet.protocol, payload[0], payload[1]))
        about = read_ip(payload, 8, len(payload)) if known else None
        if known is None or about is None or len(about.payload) < 8:
            return
        reason, code = known
        router, key = address_text(packet.src), _key(about)
        by = self.name(packet.src)
        if about.protocol == TCP:
            facts = {"reason": reason, "by": by, "router": router, "code": code}
            seq = int.from_bytes(about.payload[4:8], "big")
            self._tcp.refuse_by_icmp(time, key, seq, facts)
        elif about.protocol == UDP:
            src, dst = addresses_of(key)
            kind = "port_unreachable" if code == _PORT else "prohibited"
            data = about.payload[8:]
            facts = {"src": src, "dst": dst, "data": data, "latency": 0}
            self._tell((time, kind, by, "", facts | {"router": router}))

    def _tell(self, told: Told) -> None:
        self._tcp.told.append(told)
        self._tcp.numbers.append(self._tcp.number)

    def _finished(self, time: int) -> "tuple[list[Told], array[int]]":
        tcp, self._tcp.number = self._tcp, 0
        if self._fragments.incomplete:
            count = self._fragments.incomplete
            text = f"of {count:,} fragmented packets, not all fragments were captured"
            self._tell((time, "note", "", "", {"text": text}))
        told, numbers = _with(tcp.told, tcp.numbers, tcp.finish(time))
        told, numbers = _with(told, numbers, self._over_tcp(told))
        for one in self._dns.unanswered(time):
            told.append(one)
            numbers.append(0)
        return told, numbers

    def _over_tcp(self, told: list[Told]) -> dict[int, list[Told]]:
        """DNS answers that came by TCP, each behind the octets that brought it."""
        found: dict[int, list[Told]] = {}
        for place, packet, data in dns_messages(told):
            for one in self._dns.heard(told[place][0], packet, data):
                found.setdefault(place, [told[place]]).append(one)
        return found


def _with(
    told: list[Told], numbers: "array[int]", instead: dict[int, list[Told]]
) -> "tuple[list[Told], array[int]]":
    """The events with some of them replaced, by any number of others."""
    if not instead:
        return told, numbers
    found: list[Told] = []
    frames: array[int] = array("L")
    for at, (event, number) in enumerate(zip(told, numbers, strict=True)):
        events = instead.get(at, (event,))
        found += events
        frames.extend([number] * len(events))
    return found, frames


def _key(packet: IpPacket) -> bytes:
    """Addresses and ports, as `Reassembly` wants them."""
    return packet.src + packet.dst + packet.payload[:4]
