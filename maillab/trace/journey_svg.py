"""The picture of a journey: a lane for each host, time downwards, fields opposite.

Goes in: a journey. Comes out: SVG.

Rule: signs (✓, ✗, …) and words say what colours say.
"""

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from maillab.trace.lines import clean
from maillab.trace.trace_fields import DATE, TraceField
from maillab.trace.view import clip, clock

if TYPE_CHECKING:
    from maillab.trace.journey import Journey, Step

_SIGNS = {"deferred": "…", "bounced": "✗", "delivered": "✓", "fetched": "✓"}
_INK, _SOFT, _NO = "#1b1f24", "#59636e", "#a40e26"
_FONT = "'DejaVu Sans Mono',Menlo,Consolas,monospace"
_ROW, _TOP, _TIMES, _LANE, _WORDS, _FIELDS = 44, 74, 96, 150, 480, 480
_CHARACTERS = 66  # of 11 pixels that fit into a column
Point = tuple[float, float]


def draw(journey: "Journey") -> str:
    """All of it."""
    hosts = journey.hosts
    lanes = {host: float(_TIMES + 20 + i * _LANE) for i, host in enumerate(hosts)}
    words = _TIMES + 20 + _LANE * len(hosts)
    width = words + _WORDS + (_FIELDS if journey.fields else 0)
    height = _TOP + _ROW * len(journey.steps) + 6
    parts = [*_frame(journey, width, height), *_heads(lanes, height)]
    if journey.fields:
        style = f'font-weight="bold" fill="{_INK}"'
        parts.append(_text(words + _WORDS, 50, "Field written on top", style))
    before: Point | None = None
    for at, step in enumerate(journey.steps):
        here = (lanes[step.host], float(_TOP + at * _ROW + 8))
        parts += _drawn(step, before, here, words)
        parts += _field(step.field, words + _WORDS, here[1]) if step.field else ()
        before = here
    return "".join([*parts, "</svg>"])


def _frame(journey: "Journey", width: int, height: int) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" font-family="{_FONT}" '
        f'font-size="12"><desc>{escape(journey.describe())}</desc>'
        f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8" '
        f'fill="#fff" stroke="#d1d9e0"/>'
    )
    yield _text(20, 26, clip(clean(journey.message), 90), f'fill="{_SOFT}"')


def _heads(lanes: dict[str, float], height: int) -> Iterator[str]:
    for host, x in lanes.items():
        yield _text(x - 6, 50, clip(clean(host), 22), 'font-weight="bold"')
        yield f'<path d="M{x} 58V{height - 14}" stroke="#c4cbd3" stroke-width="2"/>'


def _drawn(
    step: "Step", before: Point | None, here: Point, words: float
) -> Iterator[str]:
    x, y = here
    ink = _NO if step.kind in ("deferred", "bounced") else _INK
    if before:
        dash = "" if before[0] != x else ' stroke-dasharray="2 4"'
        yield (
            f'<path d="M{before[0]} {before[1] + 7}L{x} {y - 7}" stroke="{_INK}" '
            f'stroke-width="1.6"{dash}/>'
        )
    fill = "#fff" if step.kind in ("attempt", "deferred") else ink
    yield (
        f'<circle cx="{x}" cy="{y}" r="6" fill="{fill}" stroke="{ink}" '
        f'stroke-width="2"/>'
    )
    sign = f"{_SIGNS[step.kind]} " if step.kind in _SIGNS else ""
    yield _text(words, y + 1, sign + step.kind, f'fill="{ink}" font-weight="bold"')
    told = f'fill="{_SOFT}" font-size="11"'
    yield _text(words, y + 15, clip(step.text, _CHARACTERS), told)
    style = f'text-anchor="end" fill="{_SOFT}" font-size="11"'
    yield _text(_TIMES - 8, y + 4, clock(step.time_ns), style)


def _field(field: TraceField, x: float, y: float) -> Iterator[str]:
    """Up to three lines, right of a stroke: from; by, with, id, for; the date."""
    style = f'fill="{_SOFT}" font-size="11"'
    yield f'<path d="M{x - 10} {y - 12}V{y + 22}" stroke="{_SOFT}"/>'
    for at, row in enumerate(field_rows(field)):
        yield _text(x, y - 3 + 13 * at, clip(row, _CHARACTERS), style)


def field_rows(field: TraceField) -> list[str]:
    """A field in at most three lines."""
    if field.name.lower() != "received":
        return [field.text]
    came = field.part("from")
    others = [p for p in field.parts if p[0] not in ("from", DATE)]
    first = f"Received: from {came}" if came else "Received:"
    middle = " ".join(f"{name} {value}" for name, value in others)
    date = field.part(DATE)
    return [first, *([middle] if middle else ()), *([f"; {date}"] if date else ())]


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" {style}>{escape(text)}</text>'
