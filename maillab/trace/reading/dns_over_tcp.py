"""DNS messages on TCP connections of a capture (RFC 7766 §8).

Goes in: the events of a capture that was read. Comes out: each message as if a packet
of its own had brought it, with the place of the event that brought its last octet.

Rule: what stands behind a gap is left out: nobody knows where a message begins there.
"""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import NamedTuple

from maillab.trace.events import Event
from maillab.trace.packets import TCP
from maillab.trace.reading.ip_reader import IpPacket
from maillab.trace.recorder import Told
from maillab.trace.session import SIDES, Session
from maillab.wire.lines import Side

DNS_PORT = 53


class Message(NamedTuple):
    """One message; `place`: of the event with its last octet, from 0."""

    place: int
    packet: IpPacket
    data: bytes


def dns_messages(told: Iterable[Told]) -> list[Message]:
    """All messages of all such connections, in the order in which they were there."""
    talks: dict[str, list[Event]] = {}
    for place, (time, kind, host, id, facts) in enumerate(told):
        if kind == "connect" and facts["dst"][1] == DNS_PORT:
            talks[id] = []
        if id in talks:
            talks[id].append(Event(place, time, kind, host, id, facts))
    found = [one for events in talks.values() for one in _of(Session(events))]
    return sorted(found, key=lambda message: message.place)


def _of(session: Session) -> Iterator[Message]:
    for side in SIDES:
        packet = _packet(session, side)
        begun = (octets for start, octets in session.runs(side)[:1] if start == 0)
        for end, data in _cut(next(begun, b"")):
            yield Message(_last_of(session, side, end).number, packet, data)


def _packet(session: Session, side: Side) -> IpPacket:
    ends = [session.client_address, session.server_address]
    if side == "S":
        ends.reverse()
    src, dst = (ip_address(ip).packed for ip, _ in ends)
    ports = b"".join(port.to_bytes(2, "big") for _, port in ends)
    return IpPacket(src, dst, TCP, ports, len(ports))


def _cut(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Two octets tell the length of each message; its end, and what is in it."""
    at = 0
    while at + 2 <= len(stream):
        end = at + 2 + int.from_bytes(stream[at : at + 2], "big")
        if end > len(stream):
            return
        yield end, stream[at + 2 : end]
        at = end


def _last_of(session: Session, side: Side, end: int) -> Event:
    """The event with which all octets before `end` were there."""
    there = session.pieces[side].arrived_ns(end) or 0
    said = (e for e in session.all("bytes") if e["side"] == side)
    return next(e for e in said if e.time_ns >= there)
