"""Who can know what.

Goes in: all events. Comes out: those that one host could have noticed.

Rule 1: a host knows what it did itself.
Rule 2: of its peer it knows what the network brought: SYNs that were accepted, octets,
        FIN, RST. Not what the peer thought, looked up or decided, and not its secrets.
Rule 3: what never arrived (latency below zero) was not seen by the receiver.
"""

from collections.abc import Iterable

from maillab.trace.events import Event

_ARRIVES = frozenset({"connect", "accept", "established", "bytes", "fin", "reset"})


def seen_from(host: str, events: Iterable[Event]) -> list[Event]:
    """The events that `host` could have noticed, in order."""
    events = list(events)
    mine = {e.connection for e in events if e.host == host and e.connection}
    return [event for event in events if _could_know(host, event, mine)]


def _could_know(host: str, event: Event, mine: set[str]) -> bool:
    if event.host == host:
        return True
    if event.get("latency", 0) < 0:
        return False
    if event.kind == "datagram":
        return event["to_host"] == host
    return event.kind in _ARRIVES and event.connection in mine
