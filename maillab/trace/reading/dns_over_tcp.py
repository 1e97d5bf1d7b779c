"""DNS messages on TCP connections of a capture (RFC 7766 §8).

Goes in: the events of a capture that was read. Comes out: each message with the place
of the event that brought its last octet.

Rule: what stands behind a gap is left out: nobody knows where a message begins there.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from maillab.trace.events import Event
from maillab.trace.recorder import Told
from maillab.trace.session import Session
from maillab.wire.lines import Side

DNS_PORT = 53


class Message(NamedTuple):
    """One message; `place`: of the event with its last octet, from 0."""

    place: int
    time_ns: int
    session: Session
    side: Side
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
    sides: tuple[Side, Side] = ("C", "S")
    for side in sides:
        begun = (octets for start, octets in session.runs(side)[:1] if start == 0)
        for end, data in _cut(next(begun, b"")):
            event = _last_of(session, side, end)
            yield Message(event.number, event.time_ns, session, side, data)


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
    missing, last = end, session.events[0]
    covered = 0
    for event in session.all("bytes"):
        if event["side"] == side and event["offset"] < end:
            covered, last = covered + len(event["data"]), event
            if covered >= missing:
                break
    return last
