"""Who can know what.

Goes in: all events. Comes out: those that one host could have noticed, as it noticed
them.

Rule 1: a host knows what it did itself.
Rule 2: of its peer it knows what the network brought: SYNs that were accepted, octets,
        FIN, RST. Not what the peer thought, looked up or decided, and not its secrets.
Rule 3: what never arrived (latency below zero) was not seen by the receiver.
Rule 4: where packets go, and where they are lost, nobody knows who is not there.
        `trace.between` has what a gateway sees, and addresses that NAT has changed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from maillab.trace.between import Between
from maillab.trace.datagrams import way_of
from maillab.trace.events import CAUSE, Event
from maillab.trace.ways import Way

_ARRIVES = frozenset({"connect", "accept", "established", "bytes", "fin", "reset"})
_NOBODY = frozenset({"path", "syn_fate"})
_SECRET = frozenset({"lost_at", "points"})


def seen_from(host: str, events: Iterable[Event]) -> list[Event]:
    """The events that `host` could have noticed, in order."""
    events = list(events)
    mine = {e.connection for e in events if e.host == host and e.connection}
    led = {e.connection for e in events if e.kind == "path"}
    ways = {id: Between(host, found) for id, found in _grouped(events, led)}
    return [seen for event in events for seen in _seen(host, event, mine, ways)]


def _grouped(events: list[Event], ids: set[str]) -> Iterator[tuple[str, list[Event]]]:
    found: dict[str, list[Event]] = {id: [] for id in ids}
    for event in events:
        if event.connection in found:
            found[event.connection].append(event)
    yield from found.items()


def _seen(
    host: str, event: Event, mine: set[str], ways: dict[str, Between]
) -> Iterator[Event]:
    """The event as this host noticed it, if it did."""
    if event.kind in _NOBODY:
        return
    if event.kind == "datagram":
        yield from _datagram(host, event)
    elif event.connection in ways:
        for seen in ways[event.connection].seen(event):
            yield seen if event.host == host else _of_others(seen)
    elif _could_know(host, event, mine):
        yield _stripped(event if event.host == host else _of_others(event))


def _could_know(host: str, event: Event, mine: set[str]) -> bool:
    if event.host == host:
        return True
    if event.get("latency", 0) < 0:
        return False
    return event.kind in _ARRIVES and event.connection in mine


def _of_others(event: Event) -> Event:
    """Why somebody else connects, and which name was asked for, nobody is told."""
    if event.kind != "connect":
        return event
    facts = {k: v for k, v in event.facts.items() if k != CAUSE}
    return replace(event, facts=facts | {"to": ""})


def _stripped(event: Event) -> Event:
    """Without what only the whole network knows."""
    if not _SECRET & event.facts.keys():
        return event
    facts = {k: v for k, v in event.facts.items() if k not in _SECRET}
    return replace(event, facts=facts)


def _datagram(host: str, event: Event) -> Iterator[Event]:
    """Seen by its sender, by who gets it, and by gateways on its way."""
    way = way_of(event)
    if way is None:
        if event.host == host or (event["to_host"] == host and event["latency"] >= 0):
            yield event
        return
    at = way.entry_of([host])
    if at is None or at > way.last_seen(event.get("lost_at")):
        return
    yield replace(event, host=_sender(event, way, at), facts=_datagram_facts(event, at))


def _sender(event: Event, way: Way, at: int) -> str:
    point = way.points[at]
    return event.host if point.src == event["src"] else point.src[0]


def _datagram_facts(event: Event, at: int) -> dict[str, Any]:
    """With the addresses as they are at this point, and the receiver if it is known."""
    way = way_of(event)
    assert way is not None, "the caller has looked"
    point = way.points[at]
    facts = {k: v for k, v in event.facts.items() if k not in _SECRET}
    receiver = event["to_host"] if point.dst == way.points[-1].dst else ""
    return facts | {"src": point.src, "dst": point.dst, "to_host": receiver}
