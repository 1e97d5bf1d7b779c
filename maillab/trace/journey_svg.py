"""The picture of a journey: a lane for each host, time downwards, fields opposite.

Goes in: a journey. Comes out: SVG.

Rule 1: signs (✓, ✗, …) and words say what colours say.
Rule 2: a line joins a step with the one before it at the same host (dotted), or with
        that which brought the message there. No line runs back: that a message was
        relayed is told after the next host has it.
"""

from collections.abc import Iterator, Sequence
from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING

from maillab.trace.lines import clean
from maillab.trace.trace_fields import DATE, TraceField
from maillab.trace.view import FONT, INK, NO, SOFT, clip, clock

if TYPE_CHECKING:
    from maillab.trace.journey import Journey, Step

_SIGNS = {"deferred": "…", "bounced": "✗", "delivered": "✓", "fetched": "✓"}
_TOP, _TIMES, _NAME, _LINE = 44, 96, 16, 13
_LANE, _LANES = 70, 420  # between two hosts; all of them
_WORDS, _FIELDS = 320, 325
_CHARACTERS = 46  # of 11 pixels that fit into a column
_MOST_LINES = 5  # of one step
Point = tuple[float, float]


def draw(journey: "Journey") -> str:
    """All of it."""
    hosts = journey.hosts
    gap = min(_LANE, _LANES // max(1, len(hosts)))
    lanes = {host: float(_TIMES + 20 + i * gap) for i, host in enumerate(hosts)}
    words = max(_TIMES + 20 + gap * len(hosts), _TIMES + 90)
    width = words + _WORDS + (_FIELDS if journey.fields else 0)
    y = float(_TOP + _NAME * len(hosts) + 20)
    parts: list[str] = []
    if journey.fields:
        style = f'font-weight="bold" fill="{INK}"'
        parts.append(_text(words + _WORDS, 26, "Field written on top", style))
    places: list[Point] = []
    for step, before in zip(journey.steps, joined(journey.steps), strict=True):
        here = (lanes[step.host], y)
        whence = places[before] if before is not None else None
        parts += _drawn(step, whence, here, words)
        parts += _field(step.field, words + _WORDS, y) if step.field else ()
        places.append(here)
        y += _height(step)
    height = round(y)
    frame = [*_frame(journey, width, height), *_heads(lanes, height)]
    return "".join([*frame, *parts, "</svg>"])


def joined(steps: "Sequence[Step]") -> list[int | None]:
    """To which step before it each one is joined: by its place in the list."""
    found: list[int | None] = []
    last: dict[str, int] = {}  # host -> its last step
    for at, step in enumerate(steps):
        brought = step.kind == "accepted" or step.host not in last
        others = [n for host, n in last.items() if host != step.host]
        senders = [n for n in others if steps[n].kind in ("submitted", "attempt")]
        here = last.get(step.host)
        found.append(max(senders or others, default=here) if brought else here)
        last[step.host] = at
    return found


def _height(step: "Step") -> float:
    """Room for its words, and for its field opposite."""
    rows = len(field_rows(step.field)) if step.field else 0
    return max(44, 30 + _LINE * max(len(_wrapped(step.text)), rows - 1))


def _wrapped(text: str) -> list[str]:
    """In lines that fit into a column; the last one says if something is missing."""
    begin = clip(text, _CHARACTERS * (_MOST_LINES + 1))
    rows = wrap(begin, _CHARACTERS, break_on_hyphens=False) or [""]
    if len(rows) > _MOST_LINES:
        rows[_MOST_LINES - 1 :] = [clip(rows[_MOST_LINES - 1] + " …" * 9, _CHARACTERS)]
    return rows


def _frame(journey: "Journey", width: int, height: int) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" font-family="{FONT}" '
        f'font-size="12"><desc>{escape(journey.describe())}</desc>'
        f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8" '
        f'fill="#fff" stroke="#d1d9e0"/>'
    )
    yield _text(20, 26, clip(clean(journey.message), 58), f'fill="{SOFT}"')


def _heads(lanes: dict[str, float], height: int) -> Iterator[str]:
    """Each name on a row of its own: it may be long."""
    for at, (host, x) in enumerate(lanes.items()):
        y = _TOP + 6 + _NAME * at
        yield (
            f'<path d="M{x} {y + 6}V{height - 14}" stroke="#8c959f" stroke-width="2"/>'
        )
        yield _text(x - 6, y, clip(clean(host), 60), 'font-weight="bold"')


def _drawn(
    step: "Step", before: Point | None, here: Point, words: float
) -> Iterator[str]:
    x, y = here
    ink = NO if step.kind in ("deferred", "bounced") else INK
    if before:
        dash = "" if before[0] != x else ' stroke-dasharray="2 4"'
        # On its own lane it must be seen on the grey of the lane.
        if dash:
            yield (
                f'<path d="M{x} {before[1] + 7}V{y - 7}" stroke="#fff" '
                f'stroke-width="3"/>'
            )
        yield (
            f'<path d="M{before[0]} {before[1] + 7}L{x} {y - 7}" stroke="{INK}" '
            f'stroke-width="1.6"{dash}/>'
        )
    fill = "#fff" if step.kind in ("attempt", "deferred") else ink
    yield (
        f'<circle cx="{x}" cy="{y}" r="6" fill="{fill}" stroke="{ink}" '
        f'stroke-width="2"/>'
    )
    sign = f"{_SIGNS[step.kind]} " if step.kind in _SIGNS else ""
    yield _text(words, y + 1, sign + step.kind, f'fill="{ink}" font-weight="bold"')
    told = f'fill="{SOFT}" font-size="11"'
    for at, row in enumerate(_wrapped(step.text)):
        yield _text(words, y + 15 + _LINE * at, row, told)
    style = f'text-anchor="end" fill="{SOFT}" font-size="11"'
    yield _text(_TIMES - 8, y + 4, clock(step.time_ns), style)


def _field(field: TraceField, x: float, y: float) -> Iterator[str]:
    """Right of a stroke: from; by, with, id, for; the date."""
    style = f'fill="{SOFT}" font-size="11"'
    rows = field_rows(field)
    down = y - 8 + _LINE * len(rows)
    yield f'<path d="M{x - 10} {y - 12}V{down:g}" stroke="{SOFT}"/>'
    for at, row in enumerate(rows):
        yield _text(x, y - 3 + _LINE * at, row, style)


def field_rows(field: TraceField) -> list[str]:
    """A field in lines that fit into its column."""
    if field.name.lower() != "received":
        return _wrapped(field.text)
    came = field.part("from")
    others = [p for p in field.parts if p[0] not in ("from", DATE)]
    first = f"Received: from {came}" if came else "Received:"
    middle = " ".join(f"{name} {value}" for name, value in others)
    date = field.part(DATE)
    parts = [first, *([middle] if middle else ()), *([f"; {date}"] if date else ())]
    return [row for part in parts for row in _wrapped(part)]


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" {style}>{escape(text)}</text>'
