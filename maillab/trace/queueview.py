"""The queue of one mail server: what waits at a moment, and what happened over days.

Goes in: the events of one host that name a queue id. Comes out: a table of what is in
the queue, and a timeline with a line for each destination domain.

Rule 1: a recipient is in the queue from `accepted` until `queue` says settled, delete.
Rule 2: where one place of the timeline has room for one sign, the most important one
        stands there: an end before a warning, a deferral, a try, an arrival.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from maillab.trace.events import Event
from maillab.trace.lines import clean
from maillab.trace.queue_svg import SECOND, SIGNS, Drawing, spans
from maillab.trace.view import Table, View, clip, plural

COLUMNS = (
    "Queue id",
    "Age",
    "Size",
    "Sender",
    "Recipients",
    "Destination",
    "Tries",
    "Next try",
    "Last reason",
)
WIDTH = 60  # places of the timeline in text
MARKED = {"delete": "deleted", "hold": "held", "warned": "warned"}


@dataclass(slots=True)
class Waiting:
    """One message in the queue."""

    queue_id: str
    message: str
    since_ns: int
    size: int
    sender: str
    recipients: dict[str, tuple[int, str]] = field(  # -> next try in ns, reason
        default_factory=dict[str, tuple[int, str]]
    )
    tries: int = 0
    held: bool = False

    def row(self, now_ns: int) -> tuple[str, ...]:
        """As the table has it."""
        moments = [moment for moment, _ in self.recipients.values() if moment > now_ns]
        reasons = [reason for _, reason in self.recipients.values() if reason]
        next_try = f"in {length(min(moments) - now_ns)}" if moments else "now"
        return (
            clean(self.queue_id),
            length(now_ns - self.since_ns),
            str(self.size),
            clean(self.sender) or "<>",
            clean(", ".join(self.recipients)),
            clean(", ".join(dict.fromkeys(map(destination, self.recipients)))),
            str(self.tries),
            "held" if self.held else next_try,
            clean(reasons[0]) if reasons else "",
        )


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing that happened to mail for a destination."""

    time_ns: int
    destination: str
    what: str
    queue_id: str


class QueueView(View):
    """The queue of one server at one moment, and all that led there.

    waiting  what is in the queue
    marks    what happened, in order
    """

    def __init__(self, host: str, events: Iterable[Event], now_ns: int) -> None:
        self.host = host
        self.now_ns = now_ns
        self.waiting: dict[str, Waiting] = {}
        self.marks: list[Mark] = []
        self._bounced: set[tuple[str, str]] = set()
        self._known: dict[str, list[str]] = {}  # queue id -> its recipients
        for event in events:
            if event.host == host and event.time_ns <= now_ns and event.get("queue_id"):
                self._take(event)

    # Reading events -------------------------------------------------------------------

    def _take(self, event: Event) -> None:
        match event.kind:
            case "accepted":
                self._accept(event)
            case "attempt":
                self._mark(event, "tried", event["recipients"])
                entry = self.waiting.get(event["queue_id"])
                if entry is not None:
                    entry.tries += 1
            case "deferred":
                self._defer(event)
            case "bounced":
                self._bounced.add((event["queue_id"], event["recipient"]))
                self._mark(event, "bounced", [event["recipient"]])
            case "queue":
                self._operate(event, event["recipient"].split(", "))
            case _:
                return

    def _accept(self, event: Event) -> None:
        id, recipients = event["queue_id"], list(event["recipients"])
        self.waiting[id] = Waiting(
            id, event["message"], event.time_ns, event["size"], event["sender"]
        )
        for one in recipients:
            self.waiting[id].recipients[one] = (0, "")
        self._known[id] = recipients
        self._mark(event, "arrived", recipients)

    def _defer(self, event: Event) -> None:
        entry = self.waiting.get(event["queue_id"])
        if entry is not None and event["recipient"] in entry.recipients:
            moment = event.time_ns + round(event["next_try"] * SECOND)
            entry.recipients[event["recipient"]] = (moment, event["reason"])
        self._mark(event, "deferred", [event["recipient"]])

    def _operate(self, event: Event, recipients: Sequence[str]) -> None:
        entry = self.waiting.get(event["queue_id"])
        if entry is None:
            return
        action = event["action"]
        if action in MARKED:
            self._mark(event, MARKED[action], recipients)
        match action:
            case "settled":
                self._settle(event, entry, recipients)
            case "delete":
                del self.waiting[entry.queue_id]
            case "hold" | "release":
                entry.held = action == "hold"
            case "retry":
                for one, (_, reason) in entry.recipients.items():
                    entry.recipients[one] = (0, reason)
            case _:
                return

    def _settle(self, event: Event, entry: Waiting, recipients: Sequence[str]) -> None:
        for one in recipients:
            entry.recipients.pop(one, None)
        given_up = {one for id, one in self._bounced if id == entry.queue_id}
        good = [one for one in recipients if one not in given_up]
        self._mark(event, "settled", good)
        if not entry.recipients:
            del self.waiting[entry.queue_id]

    def _mark(self, event: Event, what: str, recipients: Sequence[str]) -> None:
        for place in dict.fromkeys(map(destination, recipients)):
            self.marks.append(Mark(event.time_ns, place, what, event["queue_id"]))

    # Showing --------------------------------------------------------------------------

    @property
    def destinations(self) -> list[str]:
        """Domains that mail was for, in order of appearance."""
        return list(dict.fromkeys(mark.destination for mark in self.marks))

    def describe(self) -> str:
        """One sentence: the alt text."""
        arrived = len(self._known)
        held = sum(entry.held for entry in self.waiting.values())
        holds = f" ({held} held)" if held else ""
        return clean(
            f"Queue of {self.host} after {length(self.now_ns)}: "
            f"{plural(len(self.waiting), 'message')}{holds} of {arrived} that came in, "
            f"for {plural(len(self.destinations), 'destination')}."
        )

    def table(self) -> Table:
        """What is in the queue, oldest first."""
        rows = [entry.row(self.now_ns) for entry in self.waiting.values()]
        return Table(clean(f"Queue of {self.host}"), COLUMNS, rows)

    def text(self) -> str:
        """Table and timeline for a terminal."""
        parts = [self.describe()]
        if self.waiting:
            parts.append(self.table().text())
        if self.marks:
            parts.append(self.timeline())
        return "\n\n".join(parts)

    def timeline(self) -> str:
        """A line for each destination, from the first arrival until now."""
        names = [clip(clean(name), 30) for name in self.destinations]
        widest = max(map(len, names))
        lines = [
            f"{name.ljust(widest)}  |{self._line(place)}|"
            for name, place in zip(names, self.destinations, strict=True)
        ]
        scale = f"{'':{widest}}  |{length(self.now_ns - self._start).rjust(WIDTH)}|"
        seen = {mark.what for mark in self.marks}
        legend = [
            f"{SIGNS[what][0]} {SIGNS[what][2]}" for what in SIGNS if what in seen
        ]
        legend.append("─ waits")
        return "\n".join([*lines, scale, "   ".join(legend)])

    @property
    def _start(self) -> int:
        return self.marks[0].time_ns if self.marks else 0

    def _place(self, time_ns: int, width: int) -> int:
        span = max(1, self.now_ns - self._start)
        return min(width - 1, (time_ns - self._start) * width // span)

    def _line(self, place: str) -> str:
        order = list(SIGNS)
        best: dict[int, int] = {}
        for mark in self.marks:
            if mark.destination == place:
                at, rank = self._place(mark.time_ns, WIDTH), order.index(mark.what)
                best[at] = min(rank, best.get(at, rank))
        waiting = self._waiting(place)
        return "".join(
            SIGNS[order[best[at]]][0] if at in best else "─" if at in waiting else " "
            for at in range(WIDTH)
        )

    def _waiting(self, place: str) -> set[int]:
        """The places of its line at which mail waited."""
        return {
            at
            for begin, end in self._row(place)[1]
            for at in range(
                self._place(self._start + begin, WIDTH),
                self._place(self._start + end, WIDTH) + 1,
            )
        }

    def svg(self) -> str:
        """The timeline as a picture; "" when nothing has happened."""
        if not self.marks:
            return ""
        drawing = Drawing(
            f"Queue of {clean(self.host)}",
            self.describe(),
            self.now_ns - self._start,
            {clean(place): self._row(place) for place in self.destinations},
        )
        return drawing.svg()

    def _row(self, place: str) -> tuple[list[tuple[int, str]], list[tuple[int, int]]]:
        moments = [
            (mark.time_ns - self._start, mark.what, mark.queue_id)
            for mark in self.marks
            if mark.destination == place
        ]
        waits = spans(moments, self.now_ns - self._start)
        return [(ns, what) for ns, what, _ in moments], waits


def destination(recipient: str) -> str:
    """The domain of an address, as destinations compare.

    >>> destination("Carol@Gamma.Example"), destination("postmaster")
    ('gamma.example', 'here')
    """
    return recipient.rpartition("@")[2].lower() if "@" in recipient else "here"


def wait(deferred: Event) -> str:
    """How long until the next try, as `length`; "" when that is not known."""
    seconds = deferred.get("next_try")
    known = isinstance(seconds, int | float)
    return length(round(seconds * 1000) * SECOND // 1000) if known else ""


def length(ns: int) -> str:
    """A length of time in its two largest units.

    >>> [length(seconds * SECOND) for seconds in (59, 300, 3660, 93_600)]
    ['59 s', '5 min', '1 h 01', '1 d 2 h']
    >>> length(40_000_000)
    '40 ms'
    """
    seconds = ns // SECOND
    if 0 < ns < SECOND:
        return f"{ns // 1_000_000} ms"
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 86_400:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02}"
    return f"{seconds // 86_400} d {seconds % 86_400 // 3600} h"
