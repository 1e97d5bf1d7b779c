"""The ladder of many hosts as a picture.

Goes in: hosts and moves. Comes out: SVG that reads well in black and white.

Rule 1: time runs downwards and stretches: each move has a row of its own, where it
        begins; where it arrives follows from the rows that begin later.
Rule 2: words stand right of all lanes, at the height where their arrow begins.
Rule 3: at most `MOST` moves are drawn; the picture says how many are not.
"""

from collections.abc import Iterator, Sequence
from html import escape
from math import atan2, degrees

from maillab.trace.lines import clean
from maillab.trace.moves import Move
from maillab.trace.view import FONT, INK, MS, NO, SOFT, clip, clock, plural

MOST = 400
_REASON = 13  # height of a second row of words
_NEXT = 7  # between arrows that arrive in one instant
_ROW, _DROP, _SILENCE, _TOP, _NAME = 20, 12, 30, 34, 16
_LANES = 660  # width of all lanes
_LEFT, _LANE, _WORDS, _REFS = 92, 108, 440, 124
_PAUSE = 1000 * MS
_LABEL = 60  # characters
_DASHES = {"udp": "1.5 3.5", "tls": "7 4"}


def draw(hosts: Sequence[str], found: Sequence[Move], told: str) -> str:
    """The whole picture; `told` is its description."""
    drawn = found[:MOST]
    plan = _Plan(hosts, drawn)
    width, height = plan.words + _WORDS + _REFS, round(plan.bottom) + 30
    began = drawn[0].sent_ns if drawn else 0
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" font-family="{FONT}" '
        f'font-size="12"><title>{plural(len(hosts), "host")}</title>'
        f"<desc>{escape(told)}</desc>"
        f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8" '
        f'fill="#fff" stroke="#d1d9e0"/>',
        *_hosts(hosts, plan),
        *(part for y, lasted in plan.pauses for part in _silence(y, lasted, plan)),
    ]
    for move in drawn:
        parts += _move(move, plan, began)
    if len(found) > MOST:
        more = f"… {len(found) - MOST:,} more are in the text and in the table"
        parts.append(_text(_LEFT, plan.bottom + 20, more, f'fill="{SOFT}"'))
    return "".join([*parts, "</svg>"])


class _Plan:
    """Where lanes stand, and moves begin and end."""

    def __init__(self, hosts: Sequence[str], found: Sequence[Move]) -> None:
        self.lane = max(24, min(_LANE, _LANES // max(1, len(hosts))))
        self.lanes = {host: _LEFT + at * self.lane for at, host in enumerate(hosts)}
        self.words = _LEFT + self.lane * max(0, len(hosts) - 1) + 24
        self.top = _TOP + _NAME * len(hosts)
        self.pauses: list[tuple[float, int]] = []
        self._begins: dict[int, float] = {}
        self._ends: dict[int, float] = {}
        self.bottom = self._place(found)

    def begins(self, move: Move) -> float:
        """The height at which it leaves."""
        return self._begins[id(move)]

    def ends(self, move: Move) -> float:
        """The height at which it arrives; a lost one falls as far as the shortest."""
        return self._ends.get(id(move), self._begins[id(move)] + _DROP)

    def _place(self, found: Sequence[Move]) -> float:
        """Heights by time: what arrives before the next one leaves ends above it."""
        instants = [(m.sent_ns, 1, at) for at, m in enumerate(found)]
        instants += [
            (m.arrived_ns, 0, at)
            for at, m in enumerate(found)
            if m.arrived_ns is not None and not m.is_mark
        ]
        y, last = float(self.top), found[0].sent_ns if found else 0
        under = y  # where the last words end
        arrived = False  # what came in the instant before
        for time, leaves, at in sorted(instants):
            one = id(found[at])  # several moves may be of one event
            if time - last >= _PAUSE:
                self.pauses.append((y + _DROP + 4, time - last))
                y += _SILENCE
            if leaves:
                y = max(y, under) + _ROW
                self._begins[one] = y
                under = y + (_REASON if found[at].why else 0)
            else:
                y += _DROP if time > last else _NEXT if arrived else 0
                self._ends[one] = max(y, self._begins.get(one, y) + _DROP / 2)
            last, arrived = time, not leaves
        return max([y, under, *self._ends.values()]) + _DROP


def _hosts(hosts: Sequence[str], plan: _Plan) -> Iterator[str]:
    """Each name on a row of its own: it may be long."""
    for at, host in enumerate(hosts):
        x, y = plan.lanes[host], 26 + at * _NAME
        yield (
            f'<path d="M{x} {y + 6}V{plan.bottom:.1f}" stroke="#8c959f" '
            f'stroke-width="2"/>'
        )
        yield _text(x - 4, y, clip(clean(host), _LABEL), 'font-weight="bold"')


def _silence(y: float, lasted: int, plan: _Plan) -> Iterator[str]:
    """A torn time axis."""
    for x in plan.lanes.values():
        yield f'<rect x="{x - 3}" y="{y:.1f}" width="6" height="16" fill="#fff"/>'
        yield (
            f'<path d="M{x} {y:.1f}v16" stroke="{INK}" stroke-width="2" '
            f'stroke-dasharray="2 3"/>'
        )
    style = f'fill="{SOFT}" font-style="italic"'
    yield _text(plan.words, y + 12, f"{clock(lasted)} of silence", style)


def _move(move: Move, plan: _Plan, began: int) -> Iterator[str]:
    y = plan.begins(move)
    ink = NO if move.refusal else INK
    yield _text(
        _LEFT - 10,
        y + 4,
        clock(move.sent_ns - began),
        f'text-anchor="end" font-size="11" fill="{SOFT}"',
    )
    yield from _mark(move, plan, y) if move.is_mark else _arrow(move, plan, ink)
    yield from _words(move, plan, y, ink)


def _words(move: Move, plan: _Plan, y: float, ink: str) -> Iterator[str]:
    sign = "✗ " if move.refusal else "× " if move.arrived_ns is None else ""
    weight = ' font-weight="bold"' if move.refusal else ""
    weight = ' font-style="italic"' if move.is_mark else weight
    said = clip(f"{sign}{move.words}", _LABEL)
    yield _text(plan.words, y + 4, said, f'fill="{ink}"{weight}')
    if move.why:
        style = f'font-size="10.5" font-style="italic" fill="{SOFT}"'
        yield _text(plan.words + 14, y + 4 + _REASON, clip(f"↳ {move.why}", 86), style)
    if move.ref:
        style = f'font-size="10.5" fill="{SOFT}"'
        yield _text(plan.words + _WORDS, y + 4, move.ref, style)


def _mark(move: Move, plan: _Plan, y: float) -> Iterator[str]:
    """A bar between two hosts when TLS begins, else a ring where it happened."""
    left, right = sorted((plan.lanes[move.start], plan.lanes[move.end]))
    if move.secure:
        yield (
            f'<rect x="{left - 4}" y="{y - 4:.1f}" width="{right - left + 8}" '
            f'height="8" rx="3" fill="{INK}"/>'
        )
        return
    for x in {left: None, right: None}:
        yield (
            f'<circle cx="{x}" cy="{y:.1f}" r="4.5" fill="#fff" stroke="{INK}" '
            f'stroke-width="2"/>'
        )


def _arrow(move: Move, plan: _Plan, ink: str) -> Iterator[str]:
    x1, x2 = plan.lanes[move.start], plan.lanes[move.end]
    y1, y2 = plan.begins(move), plan.ends(move)
    if x1 == x2:  # a host that talks to itself
        path = f"M{x1} {y1:.1f}c34 0 34 {_DROP} 4 {_DROP}"
        yield f'<path d="{path}" fill="none" stroke="{ink}" stroke-width="1.5"/>'
        yield _head((x1 + 2, y1 + _DROP), (x1 + 30, y1 + _DROP - 3), ink)
        return
    lost = move.arrived_ns is None
    end = (float(x2), y2)
    if lost:  # between two lanes, so that it is at nobody's
        half = plan.lane / 2
        end = (x2 - half if x2 > x1 else x2 + half, y2)
    yield from _line((x1, y1), end, move, ink)
    yield _cross(*end) if lost else _head(end, (x1, y1), ink)


def _line(
    start: tuple[float, float], end: tuple[float, float], move: Move, ink: str
) -> Iterator[str]:
    """Double inside TLS, dashed for TLS without a meaning, dotted for datagrams."""
    back = 6 if end[0] > start[0] else -6  # the line ends inside the arrow's head
    path = (
        f'<path d="M{start[0]} {start[1]:.1f}L{end[0] - back:.1f} {end[1]:.1f}" '
        f'stroke="'
    )
    if move.secure:
        yield f'{path}{ink}" stroke-width="4.2"/>'
        yield f'{path}#fff" stroke-width="1.6"/>'
        return
    dash = _DASHES.get(move.style)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    yield f'{path}{ink}" stroke-width="1.5"{dashed}/>'


def _head(at: tuple[float, float], whence: tuple[float, float], ink: str) -> str:
    turn = degrees(atan2(at[1] - whence[1], at[0] - whence[0]))
    place = f"translate({at[0]:.1f} {at[1]:.1f}) rotate({turn:.2f})"
    return f'<path d="M0 0L-10 -4L-10 4Z" transform="{place}" fill="{ink}"/>'


def _cross(x: float, y: float) -> str:
    shape = f"M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10"
    return f'<path d="{shape}" stroke="{NO}" stroke-width="2.4"/>'


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:g}" y="{y:.1f}" {style}>{escape(clean(text))}</text>'
