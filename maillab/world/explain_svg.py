"""The way of a connection as a picture: boxes from left to right, and where it ends.

Goes in: what each place did. Comes out: SVG that reads well in black and white: the
place that ends it is crossed out, not just red.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap

from maillab.trace.view import FONT, INK, NO, SOFT

BOX, GAP, TOP, PER_ROW = 196, 34, 58, 4
LINE, CHARACTERS = 15, 27
YES = "#1a6334"
WIDTH = PER_ROW * BOX + (PER_ROW - 1) * GAP + 48
SUMMARY_CHARACTERS = 104


@dataclass(frozen=True, slots=True)
class Box:
    """One place: what it did, how it ended there ("" when it went on)."""

    name: str
    notes: Sequence[str]
    end: str
    passes: bool

    @property
    def lines(self) -> list[str]:
        """The notes, as wide as the box."""
        return [part for note in self.notes for part in wrap(note, CHARACTERS)]


def draw(boxes: Sequence[Box], told: str) -> str:
    """The whole picture; `told` is its description."""
    rows = [boxes[at : at + PER_ROW] for at in range(0, len(boxes), PER_ROW)]
    words = wrap(told, SUMMARY_CHARACTERS)
    y = 24 + LINE * len(words) + 12
    parts: list[str] = []
    for row in rows:
        height = max(TOP + LINE * len(box.lines) for box in row)
        last = row is rows[-1]
        for at, box in enumerate(row):
            x = 24 + at * (BOX + GAP)
            parts += place(box, x, y, height)
            if not (last and at == len(row) - 1):
                parts.append(arrow(x + BOX, y + 24))
        y += height + 26
    texts = [
        f'<text x="24" y="{28 + LINE * n}" fill="{INK}">{escape(line)}</text>'
        for n, line in enumerate(words)
    ]
    return "".join([*head(y, told), *texts, *parts, "</svg>"])


def head(height: int, told: str) -> list[str]:
    """The frame, with a description for those who do not see it."""
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" font-family="{FONT}" '
        f'font-size="12"><desc>{escape(told)}</desc>',
        f'<rect x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="8" '
        f'fill="#fff" stroke="#d1d9e0"/>',
    ]


def place(box: Box, x: int, y: int, height: int) -> list[str]:
    """A box with a name, what happened, and a mark when it ends here."""
    colour = SOFT if not box.end else (YES if box.passes else NO)
    width = 2 if box.end else 1
    parts = [
        f'<rect x="{x}" y="{y}" width="{BOX}" height="{height}" rx="6" fill="#f6f8fa" '
        f'stroke="{colour}" stroke-width="{width}"/>',
        f'<text x="{x + 10}" y="{y + 20}" font-weight="bold" fill="{INK}">'
        f"{escape(box.name[:CHARACTERS])}</text>",
    ]
    for number, line in enumerate(box.lines):
        at = y + 40 + LINE * number
        parts.append(
            f'<text x="{x + 10}" y="{at}" font-size="11" fill="{INK}">'
            f"{escape(line)}</text>"
        )
    if box.end:
        mark = "✓" if box.passes else "✗"
        parts.append(
            f'<text x="{x + 10}" y="{y + height - 10}" font-weight="bold" '
            f'fill="{colour}">{mark} {escape(box.end)}</text>'
        )
    return parts


def arrow(x: int, y: int) -> str:
    """From one box to the next one."""
    end = x + GAP - 6
    return (
        f'<path d="M{x + 6} {y}H{end}m-6 -5l6 5l-6 5" fill="none" stroke="{INK}" '
        f'stroke-width="1.5"/>'
    )
