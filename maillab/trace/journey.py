"""One message from host to host, until somebody reads it or it is given up.

Goes in: the events that name a message. Comes out: its steps, in time, on the lane of
the host where each happened.

Rule 1: a message is the same as long as its trace id is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from maillab.trace.events import Event
from maillab.trace.lines import clean
from maillab.trace.view import Table, View, clip, clock, join

_COLUMNS = ("Time", "Host", "Step", "What", "Queue id")
_TOLD = {
    "submitted": "{sender} hands it to {to_host}, {size} octets",
    "accepted": "from <{sender}> for {recipients}, {size} octets",
    "attempt": "to {to_host} [{address}] for {recipients}",
    "relayed": "{to_host} took it: {reply}",
    "deferred": "{recipient}: {reason}; again in {next_try} s",
    "bounced": "{recipient}: {reason}",
    "delivered": "{mailbox}, {folder}, UID {uid}",
    "fetched": "{mailbox} by {protocol}",
}
# What became of a message, rather than what was done with it.
_ENDS = ("delivered", "fetched", "deferred", "bounced")
_SIGNS = {"deferred": "…", "bounced": "✗", "delivered": "✓", "fetched": "✓"}
_INK, _SOFT, _NO = "#1b1f24", "#59636e", "#a40e26"
_FONT = "'DejaVu Sans Mono',Menlo,Consolas,monospace"
_ROW, _TOP, _TIMES, _LANE, _WORDS = 44, 74, 96, 150, 460


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to the message."""

    time_ns: int
    host: str
    kind: str
    text: str
    queue_id: str


class Journey(View):
    """The steps of one message."""

    def __init__(self, message: str, events: Sequence[Event]) -> None:
        self.message = message
        self.steps = [_step(event) for event in events]

    @property
    def hosts(self) -> list[str]:
        """Every host that had the message, in order."""
        return list(dict.fromkeys(step.host for step in self.steps))

    def describe(self) -> str:
        """One sentence: the alt text."""
        ends = [step for step in self.steps if step.kind in _ENDS]
        first, last = self.steps[0], (ends or self.steps)[-1]
        took = clock(last.time_ns - first.time_ns)
        way = " → ".join(self.hosts)
        return clean(f"Message {self.message}: {way}, {last.kind} after {took}.")

    def table(self) -> Table:
        """All of it as rows and columns."""
        rows = [
            (clock(s.time_ns), clean(s.host), s.kind, s.text, s.queue_id)
            for s in self.steps
        ]
        return Table(clean(f"Journey of {self.message}"), _COLUMNS, rows)

    def text(self) -> str:
        """All of it for a terminal."""
        return f"{self.describe()}\n\n{self.table().text()}"

    def svg(self) -> str:
        """Lanes: a host each, time downwards; the words stand right of all lanes."""
        hosts = self.hosts
        lanes = {host: _TIMES + 20 + i * _LANE for i, host in enumerate(hosts)}
        words = _TIMES + 20 + _LANE * len(hosts)
        width = words + _WORDS
        height = _TOP + _ROW * len(self.steps) + 6
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" font-family="{_FONT}" '
            f'font-size="12"><desc>{escape(self.describe())}</desc>'
            f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8" '
            f'fill="#fff" stroke="#d1d9e0"/>',
            _text(20, 26, clip(clean(self.message), 90), f'fill="{_SOFT}"'),
        ]
        for host, x in lanes.items():
            parts.append(_text(x - 6, 50, clip(clean(host), 22), 'font-weight="bold"'))
            parts.append(
                f'<path d="M{x} 58V{height - 14}" stroke="#c4cbd3" stroke-width="2"/>'
            )
        before: tuple[float, float] | None = None
        for at, step in enumerate(self.steps):
            here = (float(lanes[step.host]), float(_TOP + at * _ROW + 8))
            parts += _drawn(step, before, here, words)
            before = here
        return "".join([*parts, "</svg>"])


def journeys(events: Iterable[Event]) -> list[Journey]:
    """The journey of each message that was ever accepted, in order."""
    found: dict[str, list[Event]] = {}
    for event in events:
        if event.kind in _TOLD and event["message"]:
            found.setdefault(event["message"], []).append(event)
    return [Journey(message, steps) for message, steps in found.items()]


def _step(event: Event) -> Step:
    facts = {name: join(value) for name, value in event.facts.items()}
    text = _TOLD[event.kind].format_map(facts)
    queue_id = clean(event.get("queue_id"))
    return Step(event.time_ns, event.host, event.kind, text, queue_id)


def _drawn(
    step: Step,
    before: tuple[float, float] | None,
    here: tuple[float, float],
    words: float,
) -> list[str]:
    x, y = here
    ink = _NO if step.kind in ("deferred", "bounced") else _INK
    parts: list[str] = []
    if before:
        dash = "" if before[0] != x else ' stroke-dasharray="2 4"'
        parts.append(
            f'<path d="M{before[0]} {before[1] + 7}L{x} {y - 7}" stroke="{_INK}" '
            f'stroke-width="1.6"{dash}/>'
        )
    fill = "#fff" if step.kind in ("attempt", "deferred") else ink
    parts.append(
        f'<circle cx="{x}" cy="{y}" r="6" fill="{fill}" stroke="{ink}" '
        f'stroke-width="2"/>'
    )
    sign = f"{_SIGNS[step.kind]} " if step.kind in _SIGNS else ""
    parts.append(
        _text(words, y + 1, sign + step.kind, f'fill="{ink}" font-weight="bold"')
    )
    told = f'fill="{_SOFT}" font-size="11"'
    parts.append(_text(words, y + 15, clip(step.text, 66), told))
    style = f'text-anchor="end" fill="{_SOFT}" font-size="11"'
    parts.append(_text(_TIMES - 8, y + 4, clock(step.time_ns), style))
    return parts


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" {style}>{escape(text)}</text>'
