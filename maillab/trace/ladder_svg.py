"""The ladder as a picture.

Goes in: arrows and marks. Comes out: SVG that reads well in black and white.

Rule 1: time runs downwards, and stretches: every instant gets the room that its labels
        need; long silence is a gap with its length written in it.
Rule 2: a label runs along its arrow, below it, at the end where it left.
Rule 3: at one instant what arrives stands above what leaves.
Rule 4: what took no time (a capture knows one place only) is a level arrow of its own.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from math import atan2, degrees
from textwrap import wrap

from maillab.trace.lines import clean
from maillab.trace.session import Session
from maillab.trace.steps import Arrow, Item, Mark
from maillab.trace.view import FONT, INK, MS, NO, SOFT, clip, clock, socket_name

_WIDTH, _LEFT, _RIGHT = 940, 104, 716  # of the picture; where the two hosts stand
_MIDDLE = (_LEFT + _RIGHT) // 2
_TOP = 92
_REFS = _RIGHT + 92
_STEP, _DROP, _BREATH, _NOTE, _BAND, _SILENCE = 19, 26, 7, 13, 38, 40
_PAUSE = 1000 * MS
_LABEL = 64  # characters that fit along an arrow
_TITLE = 108  # above both hosts
_COLOURS = {"C": "#0b4a8f", "S": "#6b3a00"}
_ARRIVES, _LEAVES = 0, 1
_LOCK = (
    '<g transform="translate({x:.1f} {y:.1f})"><path d="M3 6V4a3 3 0 0 1 6 0v2" '
    'fill="none" stroke="{ink}" stroke-width="1.6"/>'
    '<rect x="1" y="6" width="10" height="8" rx="1.5" fill="{ink}"/></g>'
)


def draw(session: Session, items: Sequence[Item], told: str) -> str:
    """The whole picture; `told` is its description."""
    plan = _Plan(items)
    height = round(plan.bottom) + 30
    began = session.began_ns
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" font-family="{FONT}" '
        f'font-size="12"><title>{escape(clean(session.title))}</title>'
        f"<desc>{escape(told)}</desc>",
        f'<rect x=".5" y=".5" width="{_WIDTH - 1}" height="{height - 1}" rx="8" '
        f'fill="#fff" stroke="#d1d9e0"/>',
        *_ground(items, plan),
        *_hosts(session, plan),
        *(part for pause in plan.pauses for part in _silence(*pause)),
        *_clocks(items, plan, began),
    ]
    for item in items:
        parts += _arrow(item, plan) if isinstance(item, Arrow) else _mark(item, plan)
    return "".join([*parts, "</svg>"])


class _Plan:
    """Where every instant stands.

    An instant is a time with a phase: what arrives comes before what leaves.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        self._shift: dict[int, float] = {}  # of items that left one end at one instant
        self.pauses: list[tuple[float, int]] = []  # where, how long
        room = self._rooms(items)
        self._y: dict[tuple[int, int], float] = {}
        y, time, floor = float(_TOP - _BREATH), None, 0.0
        for instant in sorted(room):
            silent = 0 if time is None else instant[0] - time
            if silent >= _PAUSE:
                y = max(y, floor)
                self.pauses.append((y + _SILENCE / 2, silent))
                y += _SILENCE
            y += _DROP if silent else _BREATH
            if instant[1] == _LEAVES:  # below everything that ended before
                y = max(y, floor + _BREATH)
            self._y[instant] = y
            floor = max(floor, y + room[instant])
            time = instant[0]
        self.bottom = max(y, floor)

    def leaves(self, item: Item) -> float:
        """The height at which something begins."""
        return self._y[item.sent_ns, _LEAVES] + self._shift[id(item)]

    def arrives(self, arrow: Arrow) -> float:
        """The height at which an arrow ends."""
        if _is_level(arrow):
            return self.leaves(arrow)
        if arrow.arrived_ns is None:
            return self.leaves(arrow) + _DROP * 0.6
        return self._y[arrow.arrived_ns, _ARRIVES] + self._shift[id(arrow)]

    def _rooms(self, items: Sequence[Item]) -> dict[tuple[int, int], float]:
        """How much each instant needs for what begins or ends there."""
        used: Counter[tuple[int, str]] = Counter()  # room taken, per instant and end
        room: dict[tuple[int, int], float] = {}
        for item in items:
            end = "CS" if _is_level(item) else item.side or "CS"
            shift = max(used[item.sent_ns, side] for side in end)
            self._shift[id(item)] = shift
            for side in end:
                used[item.sent_ns, side] = shift + _height(item)
            leaves = (item.sent_ns, _LEAVES)
            tail = _height(item) - (0 if _is_level(item) else _STEP)
            room[leaves] = max(room.get(leaves, 0), shift + tail)
            arrived = None if _is_level(item) else _arrival(item)
            if arrived is not None:
                arrives = (arrived, _ARRIVES)
                room[arrives] = max(room.get(arrives, 0), shift + tail)
        return room


def _arrival(item: Item) -> int | None:
    return item.arrived_ns if isinstance(item, Arrow) else None


def _is_level(item: Item) -> bool:
    return isinstance(item, Arrow) and item.arrived_ns == item.sent_ns


def _height(item: Item) -> int:
    if isinstance(item, Mark):
        return _BAND if item.is_tls else _STEP
    return _STEP + _NOTE * len(_notes(item))


def _notes(arrow: Arrow) -> list[str]:
    return wrap(f"↳ {arrow.why}", _LABEL) if arrow.why else []


# Parts --------------------------------------------------------------------------------


def _ground(items: Sequence[Item], plan: _Plan) -> Iterator[str]:
    """The ground on which everything inside TLS stands."""
    top = next((plan.leaves(i) for i in items if isinstance(i, Mark) and i.is_tls), 0)
    inside = [i for i in items if isinstance(i, Arrow) and i.secure]
    if not top or not inside:
        return
    bottom = max(map(plan.arrives, inside)) + 8
    yield (
        f'<rect x="{_LEFT}" y="{top:.1f}" width="{_RIGHT - _LEFT}" '
        f'height="{bottom - top:.1f}" fill="#f1f3f5"/>'
    )


def _hosts(session: Session, plan: _Plan) -> Iterator[str]:
    title = clip(clean(session.title), _TITLE)
    yield _text(_MIDDLE, 30, title, f'text-anchor="middle" fill="{SOFT}"')
    hosts = (
        (_LEFT, "start", _LEFT - 84, session.client, session.client_address),
        (_RIGHT, "end", _RIGHT + 84, session.server, session.server_address),
    )
    for x, anchor, at, name, address in hosts:
        style = f'text-anchor="{anchor}"'
        yield _text(
            at, 52, clip(name, 42), f'{style} font-size="14" font-weight="bold"'
        )
        yield _text(at, 68, socket_name(address), f'{style} fill="{SOFT}"')
        yield (
            f'<path d="M{x} 76V{plan.bottom + 18:.1f}" stroke="{INK}" '
            f'stroke-width="2"/>'
        )


def _silence(y: float, lasted: int) -> Iterator[str]:
    """A torn time axis."""
    for x in (_LEFT, _RIGHT):
        yield f'<rect x="{x - 3}" y="{y - 1:.1f}" width="6" height="18" fill="#fff"/>'
        yield (
            f'<path d="M{x} {y - 1:.1f}v18" stroke="{INK}" stroke-width="2" '
            f'stroke-dasharray="2 3"/>'
        )
    style = f'text-anchor="middle" fill="{SOFT}" font-style="italic"'
    yield _text(_MIDDLE, y + 12, f"{clock(lasted)} of silence", style)


def _clocks(items: Iterable[Item], plan: _Plan, began: int) -> Iterator[str]:
    """The times at both hosts, each once where several things share a place."""
    places: dict[str, dict[float, int]] = {"C": {}, "S": {}}
    for item in items:
        if isinstance(item, Arrow):
            places[item.side][plan.leaves(item)] = item.sent_ns
            if item.arrived_ns is not None:
                other = "S" if item.side == "C" else "C"
                places[other][plan.arrives(item)] = item.arrived_ns
        else:
            for side in item.side or "CS":
                places[side][plan.leaves(item) + 8] = item.sent_ns
    for side, x, anchor in (("C", _LEFT - 10, "end"), ("S", _RIGHT + 10, "start")):
        last = None
        for y, time in sorted(places[side].items()):
            if time != last:
                style = f'text-anchor="{anchor}" font-size="11" fill="{SOFT}"'
                yield _text(x, y + 4, clock(time - began), style)
            last = time


def _arrow(arrow: Arrow, plan: _Plan) -> Iterator[str]:
    away = arrow.side == "C"
    x1, x2 = (_LEFT, _RIGHT) if away else (_RIGHT, _LEFT)
    y1, y2 = plan.leaves(arrow), plan.arrives(arrow)
    lost = arrow.arrived_ns is None
    if lost:
        x2 = x1 + (x2 - x1) * 0.6
    ink = NO if arrow.refusal else _COLOURS[arrow.side]
    yield from _line((x1, y1), (x2, y2), arrow, ink)
    yield _cross(x2, y2) if lost else _head(x2, y2, x1, y1, ink)
    yield from _label(arrow, (x1, y1), (x2, y2), ink)
    if arrow.ref:
        style = f'font-size="10.5" fill="{SOFT}"'
        yield _text(_REFS, (y1 + y2) / 2 + 4, arrow.ref, style)


def _line(
    start: tuple[float, float], end: tuple[float, float], arrow: Arrow, ink: str
) -> Iterator[str]:
    """Single in the clear, double inside TLS, dashed for TLS without a meaning."""
    (x1, y1), (x2, y2) = start, end
    back = 6 if x2 > x1 else -6  # the line ends inside the arrow's head
    path = f'<path d="M{x1} {y1:.1f}L{x2 - back:.1f} {y2:.1f}" '
    if arrow.secure:
        yield f'{path}stroke="{ink}" stroke-width="4.2"/>'
        yield f'{path}stroke="#f1f3f5" stroke-width="1.6"/>'
    else:
        dash = ' stroke-dasharray="7 4"' if arrow.style == "tls" else ""
        yield f'{path}stroke="{ink}" stroke-width="1.5"{dash}/>'


def _head(x: float, y: float, from_x: float, from_y: float, ink: str) -> str:
    turn = degrees(atan2(y - from_y, x - from_x))
    shape = "M0 0L-11 -4.5L-11 4.5Z"
    place = f"translate({x:.1f} {y:.1f}) rotate({turn:.2f})"
    return f'<path d="{shape}" transform="{place}" fill="{ink}"/>'


def _cross(x: float, y: float) -> str:
    shape = f"M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10"
    return f'<path d="{shape}" stroke="{NO}" stroke-width="2.4"/>'


def _label(
    arrow: Arrow, start: tuple[float, float], end: tuple[float, float], ink: str
) -> Iterator[str]:
    """What travels, along the arrow; a refusal gets a sign, its reason stands below."""
    (x1, y1), (x2, y2) = start, end
    away = arrow.side == "C"
    slope = (y2 - y1) / (x2 - x1)
    x = x1 + (12 if away else -12)
    y = y1 + slope * (x - x1)
    turn = degrees(atan2(slope, 1))
    anchor = "start" if away else "end"
    sign = "✗ " if arrow.refusal else ""
    weight = ' font-weight="bold"' if arrow.refusal else ""
    yield f'<g transform="translate({x} {y:.1f}) rotate({turn:.2f})">'
    style = f'text-anchor="{anchor}" fill="{ink}"{weight}'
    yield _text(0, 14, sign + clip(arrow.label, _LABEL - len(sign)), style)
    for at, note in enumerate(_notes(arrow), 1):
        style = f'text-anchor="{anchor}" font-size="11" fill="{INK}"'
        yield _text(0, 14 + at * _NOTE, note, f'{style} font-style="italic"')
    yield "</g>"


def _mark(mark: Mark, plan: _Plan) -> Iterator[str]:
    y = plan.leaves(mark)
    if mark.side is None and not mark.is_tls:
        style = f'text-anchor="middle" fill="{INK}" font-style="italic"'
        yield _text(_MIDDLE, y + 12, clip(f"· {mark.label}", _LABEL + 12), style)
        return
    if not mark.is_tls:
        x, anchor = (_RIGHT - 14, "end") if mark.side == "S" else (_LEFT + 14, "start")
        yield f'<circle cx="{_LEFT if anchor == "start" else _RIGHT}" cy="{y + 8:.1f}" '
        yield f'r="4.5" fill="#fff" stroke="{NO}" stroke-width="2"/>'
        style = f'text-anchor="{anchor}" fill="{NO}" font-weight="bold"'
        yield _text(x, y + 12, clip(mark.label, _LABEL + 12), style)
        return
    label = clip(mark.label, _LABEL + 6)
    yield (
        f'<rect x="{_LEFT - 5}" y="{y - 2:.1f}" width="{_RIGHT - _LEFT + 10}" '
        f'height="24" rx="4" fill="{INK}"/>'
    )
    half = len(label) * 3.6 + 10
    yield _LOCK.format(x=_MIDDLE - half - 6, y=y + 2, ink="#fff")
    style = 'text-anchor="middle" fill="#fff" font-weight="bold"'
    yield _text(_MIDDLE + 4, y + 14, label, style)


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:g}" y="{y:.1f}" {style}>{escape(clean(text))}</text>'
