"""Many random flows in one trace, and what a vantage point sees of them."""

import random
import struct
from ipaddress import ip_address
from typing import NamedTuple

from maillab.net.effects import Delay, Loss, Rate
from maillab.net.host import Host
from maillab.trace import Trace, pcapng
from maillab.trace.flow import Flow
from tests.interop.test_tshark import random_talk
from tests.networks import MX, MX6, HomeNetwork, echo

MSS = (88, 536, 1220, 1440, 1460, 8960)
PORT = 7777  # of no protocol that tshark would take apart
FIN, SYN, RST = 1, 2, 4


class Seen(NamedTuple):
    """A frame, and the connection that it belongs to."""

    packet: object
    session: object


def straight(seed, count):
    """Flows of any shape over lines that lose nothing."""
    rng, trace = random.Random(seed), Trace(strict=True)
    for number in range(1, count + 1):
        random_talk(trace, number, rng)
    return trace


def troubled(seed, count):
    """Flows over lines that lose packets, delay them, let them wait in queues."""
    rng = random.Random(seed)
    with HomeNetwork(seed=str(seed)) as net:
        net.run(net.mx.listen(PORT, echo))
        for number in range(count):
            spoil(net, rng)
            ends = [f"192.168.1.{40 + number}", f"2001:db8:1::{40 + number:x}"]
            latency = rng.choice([0.0, 0.0001, 0.02, 0.15])
            pc = Host(net.network, f"pc{number}", ends, latency, net.home)
            data = rng.randbytes(rng.choice([1, 300, 1448, 9000, 40_000]))
            said = net.tcp(pc, rng.choice([MX, MX, MX6]), port=PORT, data=data)
            assert said.data == data
        net.advance(5)
        return net.trace


def spoil(net, rng):
    """Other lines for the next flow."""
    lost = rng.choice([0.0, 0.02, 0.05])
    for line in (net.isp.uplink, net.isp.downlink):
        line.clear()
        line.append(Loss(lost))
        if rng.random() < 0.3:
            line.append(Delay(rng.choice([0.001, 0.1])))
        if rng.random() < 0.2:
            line.append(Rate(100_000))


def frames(trace, place, seed):
    """What a sniffer there sees, in order; each flow has a segment size of its own."""
    rng = random.Random(f"segments {seed}")
    found = []
    for session in trace.sessions:
        mss = rng.choice(MSS)
        found += (Seen(p, session) for p in Flow(session, place, {}, mss).replay())
    return sorted(found, key=lambda seen: seen.packet.time_ns)


def write(seen, file):
    """A capture file of these frames."""
    blocks = [pcapng.section(""), pcapng.interface("any", pcapng.LINK_RAW, "")]
    for packet, _ in seen:
        blocks.append(pcapng.packet(packet.data, packet.time_ns, pcapng.INBOUND))
    file.write_bytes(b"".join(blocks))


class Tcp(NamedTuple):
    """The fields of a segment that tell what was lost."""

    src: tuple[str, int]
    dst: tuple[str, int]
    seq: int
    flags: int
    size: int  # octets of payload
    has_sack: bool


def tcp(data):
    """Read a packet, independently of the code that makes them."""
    v6 = data[0] >> 4 == 6
    head = 40 if v6 else 20
    ends = (data[8:24], data[24:40]) if v6 else (data[12:16], data[16:20])
    src, dst = (str(ip_address(end)) for end in ends)
    sport, dport, seq = struct.unpack_from("!HHI", data, head)
    offset, flags = data[head + 12] >> 4 << 2, data[head + 13]
    size = len(data) - head - offset
    sack = b"\x01\x01\x05" in data[head + 20 : head + offset]
    return Tcp((src, sport), (dst, dport), seq, flags, size, sack)


def judged(seen):
    """Numbers of frames: behind a hole, with octets from before, ACKs that tell of it.

    From sequence numbers alone, in the order in which packets passed.
    """
    holes, again, acks = set(), set(), set()
    ends = {}  # of each direction: behind the last octet that passed
    for number, (packet, _) in enumerate(seen, 1):
        p = tcp(packet.data)
        size = p.size + bool(p.flags & SYN) + bool(p.flags & FIN)
        end = ends.setdefault((p.src, p.dst), p.seq)
        ahead = (p.seq - end + (1 << 31)) % (1 << 32) - (1 << 31)
        if ahead > 0 and not p.flags & RST:
            holes.add(number)
        if ahead < 0 and size:
            again.add(number)
        if not size and p.has_sack:
            acks.add(number)
        if ahead + size > 0:
            ends[p.src, p.dst] = (p.seq + size) % (1 << 32)
    return holes, again, acks
