"""All events of a trace, in order, and quickly found: what happened before an event.

Goes in: events. Comes out: the events before (or after) one of them that fit.

Rule: lists are in order of the numbers; a seat's trace lacks some numbers.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property

from maillab.errors import LabError
from maillab.trace.events import Event

Fits = Callable[[Event], bool]
Found = Iterable[Event | None]  # what a rule gives: perhaps causes


def anything(event: Event) -> bool:
    """Every event fits."""
    return bool(event)


class Known:
    """An index of events; `before` and `latest` look back, `after` looks ahead."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.events = list(events)
        self._numbers = [event.number for event in self.events]
        self._kinds: defaultdict[str, list[Event]] = defaultdict(list)
        self._connections: defaultdict[str, list[Event]] = defaultdict(list)
        for event in self.events:
            self._kinds[event.kind].append(event)
            self._connections[event.connection].append(event)

    def event(self, number: int) -> Event:
        """The event of this number. Raises LabError when it is not in this trace."""
        at = bisect_left(self._numbers, number)
        if at < len(self._numbers) and self._numbers[at] == number:
            return self.events[at]
        last = self._numbers[-1] if self._numbers else 0
        raise LabError(
            f"event {number}: expected the number of an event of this trace, at most "
            f"{last}; type trace.of_kind('bounced', 'deferred') to find one"
        )

    def has(self, number: int) -> bool:
        """There is an event of this number."""
        at = bisect_left(self._numbers, number)
        return at < len(self._numbers) and self._numbers[at] == number

    def of(self, *kinds: str) -> Sequence[Event]:
        """All events of one kind, or of several, in order."""
        if len(kinds) == 1:
            return self._kinds[kinds[0]]
        found = [event for kind in kinds for event in self._kinds[kind]]
        return sorted(found, key=_number)

    def at(self, connection: str) -> Sequence[Event]:
        """All events of one connection."""
        return self._connections[connection] if connection else ()

    def before(
        self, number: int, *kinds: str, fits: Fits = anything
    ) -> Iterator[Event]:
        """Events of these kinds before `number`, the latest first."""
        return backwards(self.of(*kinds), number, fits)

    def latest(self, number: int, *kinds: str, fits: Fits = anything) -> Event | None:
        """The last event of these kinds before `number` that fits."""
        return next(self.before(number, *kinds, fits=fits), None)

    def after(self, number: int, kind: str, fits: Fits) -> Iterator[Event]:
        """Events of one kind after `number`, in order."""
        events = self._kinds[kind]
        at = bisect_right(events, number, key=_number)
        return (event for event in events[at:] if fits(event))

    def said(self, connection: str, number: int, *kinds: str) -> Iterator[Event]:
        """Events of one connection before `number`, the latest first."""
        return backwards(self.at(connection), number, lambda e: e.kind in kinds)

    def first(self, connection: str, kind: str) -> Event | None:
        """The first event of a kind on a connection."""
        return next((e for e in self.at(connection) if e.kind == kind), None)

    def client(self, connection: str) -> str:
        """The host that opened a connection."""
        connect = self.first(connection, "connect")
        return connect.host if connect else ""

    def server(self, connection: str) -> str:
        """The host that took a connection."""
        accept = self.first(connection, "accept")
        return accept.host if accept else ""

    @cached_property
    def owners(self) -> dict[str, set[str]]:
        """IP address -> hosts that have answered there, or sent from there, and names
        that the DNS has for it.
        """
        found: defaultdict[str, set[str]] = defaultdict(set)
        for event in self.of("connect"):
            found[event["src"][0]].add(event.host)
            server = self.server(event.connection)
            if server:
                found[event["dst"][0]].add(server)
        for event in self.of("datagram"):
            found[event["src"][0]].add(event.host)
            if event.get("to_host"):
                found[event["dst"][0]].add(event["to_host"])
        for event in self.of("dns"):
            for answer in event["answers"]:
                kind, _, ip = str(answer).partition(" ")
                if kind in ("A", "AAAA"):
                    found[ip].add(str(event["question"]).rstrip("."))
        return found


def backwards(events: Sequence[Event], number: int, fits: Fits) -> Iterator[Event]:
    """Those before `number` that fit, the latest first."""
    at = bisect_left(events, number, key=_number)
    return (events[i] for i in range(at - 1, -1, -1) if fits(events[i]))


def _number(event: Event) -> int:
    return event.number
