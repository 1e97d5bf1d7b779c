"""The network of a world as a picture: bands for networks, boxes for who is in them.

Goes in: networks, as `world.topology_places` has them. Comes out: SVG.

Rule 1: the internet is on top; each gateway hangs on the network outside, and the one
        inside hangs on the gateway.
Rule 2: it reads well in black and white: what is off has a broken line and says so; a
        rule that stopped packets has a ✗.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from textwrap import wrap

from maillab.trace.view import FONT, INK, NO, SOFT, clip, plural
from maillab.world.topology_places import Door, Net, Place, RuleSeen

WIDTH = 940
_MARGIN, _STEP, _PAD, _GAP = 20, 28, 12, 10
_BOX, _LINE, _HEAD = 206, 14, 20
_NAME, _WORDS = 25, 28  # characters of a name and of a note that fit into a box
_MOST_RULES = 5  # in one box; the table has all
_FRAME = "#d1d9e0"
_SMALL = 6.63  # pixels of a character at 11 px
_OFF = ' stroke-dasharray="5 4"'
Note = tuple[str, bool]  # a line of text, and whether it tells of a refusal


def draw(nets: Sequence[Net], told: str) -> str:
    """The whole picture; `told` is its description."""
    paper = _Paper()
    y = _MARGIN
    for net in nets:
        y = paper.band(net, 0, y) + _GAP
    height = y + _MARGIN - _GAP
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" role="img" font-family="{FONT}" '
            f'font-size="12"><desc>{escape(told)}</desc>'
            f'<rect x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="8" '
            f'fill="#fff" stroke="{_FRAME}"/>',
            *paper.parts,
            "</svg>",
        ]
    )


@dataclass
class _Paper:
    """Draws from top to bottom; each method returns where it ended."""

    parts: list[str] = field(default_factory=list[str])

    def band(self, net: Net, depth: int, y: int) -> int:
        """One network, and below it what lies behind its gateways."""
        x = _MARGIN + _STEP * depth
        width = WIDTH - _MARGIN - x
        title = " ".join([net.name, *net.prefixes])
        at = len(self.parts)
        self._text(x + _PAD, y + 18, clip(title, 90 - 4 * depth), bold=True)
        bottom = self._hosts(net.hosts, x + _PAD, y + 28, width - 2 * _PAD)
        self.parts.insert(at, _rect(x, y, width, bottom - y, "#f6f8fa", _FRAME))
        end = bottom
        for door in net.doors:
            end = self._behind(door, depth + 1, bottom, end + _GAP)
        return end

    def _hosts(self, hosts: Sequence[Place], x: int, y: int, width: int) -> int:
        """Boxes in rows; boxes of one row are equally high."""
        columns = max(1, (width + _GAP) // (_BOX + _GAP))
        for first in range(0, len(hosts), columns):
            row = hosts[first : first + columns]
            height = max(_height(list(_host_notes(host))) for host in row)
            for at, host in enumerate(row):
                left = x + at * (_BOX + _GAP)
                self._box(host, (left, y, _BOX, height), list(_host_notes(host)))
            y += height + _GAP
        return y if hosts else y + 4

    def _behind(self, door: Door, depth: int, trunk: int, y: int) -> int:
        """A gateway, the lines to it and from it, and the network inside."""
        x = _MARGIN + _STEP * depth
        width = WIDTH - _MARGIN - x
        notes = list(_door_notes(door, width))
        height = _height(notes)
        dash = "" if door.place.up else _OFF
        self._path(f"M{x - _STEP // 2} {trunk}V{y + height // 2}H{x}", dash)
        self._box(door.place, (x, y, width, height), notes)
        below = y + height
        self._path(f"M{x + 24} {below}v{_GAP}", dash)
        return self.band(door.inside, depth, below + _GAP)

    def _box(
        self, place: Place, at: tuple[int, int, int, int], notes: Iterable[Note]
    ) -> None:
        x, y, width, height = at
        dash = "" if place.up else _OFF
        self.parts.append(_rect(x, y, width, height, "#fff", INK, dash))
        characters = int((width - 16) / 7.3)
        self._text(x + 8, y + 17, clip(place.name, characters), bold=True)
        for number, (words, refuses) in enumerate(notes):
            down = y + _HEAD + _LINE * (number + 1) - 2
            self._text(x + 8, down, words, NO if refuses else SOFT)

    def _text(
        self, x: int, y: int, words: str, ink: str = INK, *, bold: bool = False
    ) -> None:
        style = 'font-weight="bold"' if bold else 'font-size="11"'
        self.parts.append(
            f'<text x="{x}" y="{y}" fill="{ink}" {style}>{escape(words)}</text>'
        )

    def _path(self, way: str, dash: str) -> None:
        self.parts.append(f'<path d="{way}" fill="none" stroke="{INK}"{dash}/>')


def _rect(  # noqa: PLR0913 — as SVG has it
    x: int, y: int, width: int, height: int, fill: str, stroke: str, dash: str = ""
) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" '
        f'fill="{fill}" stroke="{stroke}"{dash}/>'
    )


def _height(notes: Sequence[Note]) -> int:
    return _HEAD + _LINE * len(notes) + 8


def _host_notes(place: Place) -> Iterator[Note]:
    if not place.up:
        yield "✗ off", True
    for address in place.addresses:
        yield clip(address, _WORDS), False
    yield from _wrapped("; ".join(place.roles), _WORDS)
    yield from _rule_notes(place.rules, _WORDS)


def _door_notes(door: Door, width: int) -> Iterator[Note]:
    room = int((width - 16) / _SMALL)
    if not door.place.up:
        yield "✗ off", True
    out, within = ", ".join(door.outside_addresses), ", ".join(door.inside_addresses)
    outside = f"outside {out}; " if out else ""
    yield from _wrapped(f"gateway: {outside}inside {within}", room)
    if door.nat:
        yield door.nat_told, False
    if door.forwards:
        yield from _wrapped(f"forwards {', '.join(door.forwards)}", room)
    yield from _rule_notes(door.place.rules, room)


def _rule_notes(rules: Sequence[RuleSeen], room: int) -> Iterator[Note]:
    for rule in rules[:_MOST_RULES]:
        sign = "✗ " if rule.has_stopped else ""
        for words, _ in _wrapped(f"{sign}{rule.told}", room):
            yield words, rule.has_stopped
    if len(rules) > _MOST_RULES:
        yield f"… {plural(len(rules) - _MOST_RULES, 'more rule')}", False


def _wrapped(words: str, room: int) -> Iterator[Note]:
    yield from ((line, False) for line in wrap(words, room, break_on_hyphens=False))
