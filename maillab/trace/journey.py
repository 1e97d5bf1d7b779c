"""One message from host to host, until somebody reads it or it is given up.

Goes in: the events that name a message. Comes out: its steps, in time, on the lane of
the host where each happened; opposite each, the trace field that it wrote.

Rule 1: a message is the same as long as its trace id is.
Rule 2: whoever takes a message writes a Received field on top, and final delivery a
        Return-Path (RFC 5321 §4.4): read from below they tell the same journey.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from maillab.trace.events import Event
from maillab.trace.lines import clean
from maillab.trace.queueview import wait
from maillab.trace.trace_fields import TraceField, read_field, return_path
from maillab.trace.view import Table, View, clock, filled, join

_COLUMNS = ("Time", "Host", "Step", "What", "Queue id")
_WIDTH = 118
_TOLD = {
    "submitted": "{sender} hands it to {to_host}, {size} octets",
    "accepted": "from <{sender}> for {recipients}, {size} octets",
    "attempt": "to {to_host} [{address}] for {recipients}",
    "relayed": "{to_host} took it: {reply}",
    "deferred": "{recipient}: {reason}; {again}",
    "bounced": "{recipient}: {reason}",
    "delivered": "{mailbox}, {folder}, UID {uid}",
    "fetched": "{mailbox} by {protocol}",
}
# What became of a message, rather than what was done with it.
_ENDS = ("delivered", "fetched", "deferred", "bounced")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to the message.

    field   what the host wrote on top of the message, if it did
    number  of the event: `trace.why(number)` says why
    """

    time_ns: int
    host: str
    kind: str
    text: str
    queue_id: str
    field: TraceField | None = None
    number: int = 0


class Journey(View):
    """The steps of one message."""

    def __init__(self, message: str, events: Sequence[Event]) -> None:
        self.message = message
        self.steps = [_step(event) for event in events]

    @property
    def hosts(self) -> list[str]:
        """Every host that had the message, in order."""
        return list(dict.fromkeys(step.host for step in self.steps))

    @property
    def fields(self) -> list[TraceField]:
        """The trace fields, the first one written first."""
        return [step.field for step in self.steps if step.field]

    def describe(self) -> str:
        """One sentence: the alt text."""
        ends = [step for step in self.steps if step.kind in _ENDS]
        first, last = self.steps[0], (ends or self.steps)[-1]
        took = clock(last.time_ns - first.time_ns)
        way = " → ".join(self.hosts)
        return clean(f"Message {self.message}: {way}, {last.kind} after {took}.")

    def table(self) -> Table:
        """All of it as rows and columns."""
        told = [s.field.text if s.field else "" for s in self.steps]
        return self._table("Trace field written here", told)

    def text(self) -> str:
        """All of it for a terminal: the fields stand below, by number."""
        if not self.fields:
            table = Table(self._caption, _COLUMNS, [_row(s) for s in self.steps])
            return f"{self.describe()}\n\n{table.text()}"
        numbers = iter(range(1, len(self.steps) + 1))
        marks = [f"[{next(numbers)}]" if s.field else "" for s in self.steps]
        table = self._table("Field", marks)
        fields = "\n".join(self._fields_text())
        return f"{self.describe()}\n\n{table.text()}\n\n{_ABOUT}\n{fields}"

    def svg(self) -> str:
        """Lanes: a host each, time downwards; the words stand right of all lanes."""
        from maillab.trace.journey_svg import draw

        return draw(self)

    @property
    def _caption(self) -> str:
        return clean(f"Journey of {self.message}")

    def _table(self, last: str, cells: Sequence[str]) -> Table:
        rows = [
            (*_row(step), cell) for step, cell in zip(self.steps, cells, strict=True)
        ]
        return Table(self._caption, (*_COLUMNS, last), rows)

    def _fields_text(self) -> Iterator[str]:
        """The last one written on top, as in the message."""
        for number, field in reversed(list(enumerate(self.fields, 1))):
            yield f"[{number}] {field.name}"
            for clause, value in field.parts:
                name = f"      {clause:<6}"
                yield filled(value, _WIDTH, name, " " * len(name))


_ABOUT = "Trace fields, as they stand in the message: the last one written on top."


def journeys(events: Iterable[Event]) -> list[Journey]:
    """The journey of each message that was ever accepted, in order."""
    found: dict[str, list[Event]] = {}
    for event in events:
        if event.kind in _TOLD and event["message"]:
            found.setdefault(event["message"], []).append(event)
    return [Journey(message, steps) for message, steps in found.items()]


def _step(event: Event) -> Step:
    facts = {name: join(value) for name, value in event.facts.items()}
    facts["again"] = f"again in {wait(event)}" if wait(event) else "again later"
    return Step(
        event.time_ns,
        event.host,
        event.kind,
        _TOLD[event.kind].format_map(facts),
        clean(event.get("queue_id")),
        _field(event),
        event.number,
    )


def _field(event: Event) -> TraceField | None:
    if event.kind == "delivered" and event.get("return_path"):
        return return_path(event["return_path"])
    written = event.get("received")
    return read_field(written) if written else None


def _row(step: Step) -> tuple[str, ...]:
    time = clock(step.time_ns)
    return time, clean(step.host), step.kind, step.text, step.queue_id
