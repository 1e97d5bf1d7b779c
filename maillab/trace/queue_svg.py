"""The timeline of a queue as a picture: a line for each destination.

Goes in: marks, and while what mail waited, as `trace.queueview` knows them. Comes out:
SVG.

Rule: an important mark lies above a lesser one; nothing is drawn outside the frame.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from maillab.trace.view import FONT, INK, SOFT, clip

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
# In order of importance: sign in text, colour and name in the picture.
SIGNS: dict[str, tuple[str, str, str]] = {
    "bounced": ("✗", "#a40e26", "given up"),
    "settled": ("✓", "#1a7f37", "delivered or relayed"),
    "deleted": ("d", "#6e4a9e", "deleted"),
    "warned": ("!", "#9a6700", "sender warned"),
    "held": ("h", "#6e4a9e", "held"),
    "deferred": ("·", "#bf8700", "deferred"),
    "tried": ("t", "#0969da", "tried"),
    "arrived": ("+", "#1b1f24", "arrived"),
}
ENDS = ("bounced", "settled", "deleted")  # who ends so is not in the queue any more
# How far apart the lines of the scale may be: name of one step, its length.
STEPS = (
    *((f"{n} s", n * SECOND) for n in (1, 2, 5, 10, 30)),
    *((f"{n} min", n * 60 * SECOND) for n in (1, 2, 5, 10, 30)),
    *((f"{n} h", n * 3600 * SECOND) for n in (1, 2, 6)),
    *((f"day {n}", n * DAY) for n in (1, 2, 5, 10, 30, 100)),
)
_WAITING = "#ffe8a3"
_LEFT, _TOP, _ROW, _BAND, _RIGHT, _FOOT = 260, 66, 24, 640, 60, 44
# Drawn from the middle of the place: a cross, a tick, a bar, … Others are dots.
_SHAPES = {
    "bounced": "m-5-5l10 10m0-10l-10 10",
    "settled": "m-6 0l4 5l8-10",
    "deleted": "m-6 0h12",
    "warned": "m0-6v7m0 3v2",
    "held": "m-3-5v10m6-10v10",
    "arrived": "m-4 0h8m-4-4v8",
}
_NAME = 31  # characters of a destination
_MOST = 10  # lines of the scale


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is to be drawn. Times are nanoseconds since `span_ns` began.

    rows  destination -> marks (time, what), and while what mail waited (from, until)
    """

    title: str
    told: str
    span_ns: int
    rows: dict[str, tuple[list[tuple[int, str]], list[tuple[int, int]]]]

    def svg(self) -> str:
        """The picture."""
        width = _LEFT + _BAND + _RIGHT
        height = _TOP + _ROW * len(self.rows) + _FOOT
        return "".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" '
                f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
                f'role="img" font-family="{FONT}" font-size="12">'
                f"<desc>{escape(self.told)}</desc>"
                f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8" '
                f'fill="#fff" stroke="#d1d9e0"/>',
                _text(20, 26, clip(self.title, 100), "bold"),
                *self._scale(height),
                *self._rows(),
                *self._legend(height),
                "</svg>",
            ]
        )

    def _at(self, ns: int) -> int:
        return _LEFT + min(_BAND, ns * _BAND // max(1, self.span_ns))

    def _scale(self, height: int) -> Iterator[str]:
        """Lines at days, hours, minutes or seconds: as many as are good to read."""
        fitting = (one for one in STEPS if self.span_ns // one[1] <= _MOST)
        name, step = next(fitting, STEPS[-1])
        for count in range(self.span_ns // step + 1):
            x = self._at(count * step)
            yield f'<path d="M{x} {_TOP - 14}V{height - 34}" stroke="#e4e9ee"/>'
            yield _text(x, _TOP - 20, _step_name(name, count))

    def _rows(self) -> Iterator[str]:
        for at, (place, (marks, waits)) in enumerate(self.rows.items()):
            y = _TOP + at * _ROW
            yield _text(20, y + 4, clip(place, _NAME))
            yield f'<path d="M{_LEFT} {y}h{_BAND}" stroke="#e4e9ee"/>'
            for begin, end in waits:
                x = self._at(begin)
                yield (
                    f'<rect x="{x}" y="{y - 5}" width="{max(1, self._at(end) - x)}" '
                    f'height="10" fill="{_WAITING}"/>'
                )
            order = [*SIGNS]
            drawn = {(self._at(ns), what) for ns, what in marks}
            for x, what in sorted(drawn, key=lambda one: (-order.index(one[1]), one)):
                yield _sign(x, y, what)

    def _legend(self, height: int) -> Iterator[str]:
        x, y = 20, height - 16
        seen = {what for marks, _ in self.rows.values() for _, what in marks}
        for what in [one for one in SIGNS if one in seen]:
            yield _sign(x + 4, y, what)
            yield _text(x + 14, y + 4, SIGNS[what][2])
            x += 32 + 8 * len(SIGNS[what][2])
        yield f'<rect x="{x}" y="{y - 5}" width="18" height="10" fill="{_WAITING}"/>'
        yield _text(x + 24, y + 4, "waits")


def spans(moments: Sequence[tuple[int, str, str]], end: int) -> list[tuple[int, int]]:
    """While what mail waited: from (time, what, queue id) of one destination.

    >>> spans([(0, "arrived", "A"), (5, "arrived", "B"), (7, "settled", "A")], 9)
    [(0, 9)]
    """
    waiting: set[str] = set()
    found: list[tuple[int, int]] = []
    began = 0
    for moment, what, queue_id in moments:
        before = bool(waiting)
        if what == "arrived":
            waiting.add(queue_id)
        elif what in ENDS:
            waiting.discard(queue_id)
        if waiting and not before:
            began = moment
        elif before and not waiting:
            found.append((began, moment))
    return [*found, (began, end)] if waiting else found


def _step_name(name: str, count: int) -> str:
    """The name of the n-th line.

    >>> _step_name("2 h", 3), _step_name("day 1", 3), _step_name("5 min", 0)
    ('6 h', 'day 3', '0 min')
    """
    size, unit = sorted(name.split(), key=lambda part: not part.isdecimal())
    number = count * int(size)
    return f"{unit} {number}" if name.startswith("day") else f"{number} {unit}"


def _sign(x: int, y: int, what: str) -> str:
    """A shape of its own for each, so that it can be told from others in grey."""
    colour = SIGNS[what][1]
    if what not in _SHAPES:
        fill = "#fff" if what == "tried" else colour
        return f'<circle cx="{x}" cy="{y}" r="3" fill="{fill}" stroke="{colour}"/>'
    line = f'd="M{x} {y}{_SHAPES[what]}" fill="none"'
    halo = f'<path {line} stroke="#fff" stroke-width="5"/>'
    return f'{halo}<path {line} stroke="{colour}" stroke-width="2.4"/>'


def _text(x: int, y: int, text: str, weight: str = "") -> str:
    style = f' font-weight="{weight}"' if weight else ""
    ink = INK if weight else SOFT
    return f'<text x="{x}" y="{y}" fill="{ink}"{style}>{escape(text)}</text>'
