"""What all views share: text, HTML that survives Jupyter's sanitizer, a sentence.

Rule 1: everything that a peer could have said is escaped.
Rule 2: pictures come as `<img>` with alt text, never as inline `<svg>`: JupyterLab
        drops that where it does not trust. Below stand the same facts as a table.
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from textwrap import fill
from unicodedata import combining, east_asian_width

from maillab.trace.lines import clean

MS = 1_000_000
# Of all pictures: what is said, what stands beside it, what says no.
INK, SOFT, NO = "#1b1f24", "#59636e", "#a40e26"
FONT = "'DejaVu Sans Mono',Menlo,Consolas,monospace"
_UNBROKEN = 22  # characters of a column whose cells stay on one line
_LINES = "line-height:1.4"  # those of widgets are as high as a button
_NUMBER = re.compile(r"[0-9,]+(\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under named columns; the first column names its row."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        """Columns as wide as their widest cell; numbers to the right."""
        cells = [self.columns, *self.rows]
        widths, right = self._widths(), self._numbers()
        return "\n".join(
            "  ".join(
                _padded(cell, width, to_right=to_right)
                for cell, width, to_right in zip(row, widths, right, strict=True)
            ).rstrip()
            for row in cells
        )

    def _widths(self) -> list[int]:
        """How many characters the widest cell of each column has."""
        columns = zip(self.columns, *self.rows, strict=True)
        return [max(map(_places, cells)) for cells in columns]

    def _numbers(self) -> list[bool]:
        """Which columns hold numbers."""
        columns = list(zip(*self.rows, strict=True))
        return [_is_number(cells) for cells in columns] or [False] * len(self.columns)

    def html(self) -> str:
        """The table with caption and scopes, for those who read with their ears."""
        styles = list(map(_cell_style, self._numbers(), self._widths()))
        head = "".join(
            f'<th scope="col" style="{style}">{escape(name)}</th>'
            for name, style in zip(self.columns, styles, strict=True)
        )
        rows = "".join(f"<tr>{_html_row(row, styles)}</tr>" for row in self.rows)
        return (
            f'<table><caption style="text-align:left">{escape(self.caption)}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )


class View:
    """A static picture of a part of the trace."""

    def describe(self) -> str:
        """One sentence: what is to be seen. It is the alt text of the picture."""
        raise NotImplementedError

    def text(self) -> str:
        """All of it for a terminal."""
        raise NotImplementedError

    def table(self) -> Table:
        """All of it as rows and columns."""
        raise NotImplementedError

    def svg(self) -> str:
        """The picture; "" when this view has none."""
        return ""

    def html(self) -> str:
        """Picture, sentence and table."""
        told = escape(self.describe(), quote=True)
        svg = self.svg()
        if not svg:
            return f'<p style="{_LINES}">{told}</p>{self.table().html()}'
        data = b64encode(svg.encode()).decode()
        return (
            f'<figure style="margin:0;{_LINES}">'
            f'<img alt="{told}" style="max-width:100%" '
            f'src="data:image/svg+xml;base64,{data}">'
            f"<figcaption>{told}</figcaption></figure>"
            f"<details><summary>The same as a table</summary>{self.table().html()}"
            f"</details>"
        )

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return self.text()

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, str]:
        return {"text/plain": self.text(), "text/html": self.html()}


def milliseconds(ns: int) -> str:
    """A time in ms with three places: "40.250"."""
    return f"{ns / MS:.3f}"


def clock(ns: int) -> str:
    """A time that is at most nine characters wide.

    >>> clock(40_000_000), clock(3_040_000_000), clock(127_000_000_000)
    ('40.0 ms', '3.040 s', '127.0 s')
    """
    if ns < 1000 * MS:
        return f"{ns / MS:.1f} ms"
    if ns < 100_000 * MS:
        return f"{ns / (1000 * MS):.3f} s"
    if ns < 7_200_000 * MS:
        return f"{ns / (1000 * MS):.1f} s"
    hours, minutes = divmod(ns // (60_000 * MS), 60)
    return f"{hours} h {minutes:02}"


def socket_name(address: tuple[str, int]) -> str:
    """An address with its port: "192.0.2.1:25", "[2001:db8::1]:25"."""
    ip, port = address
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def plural(count: int, noun: str) -> str:
    """A count with its noun: "1 line", "1,200 lines"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def clip(text: str, width: int) -> str:
    """`text`, cut with "…" when it is longer than `width`."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def filled(text: str, width: int, begin: str = "", below: str = "") -> str:
    """`text` in lines of `width` characters; no word is broken, however long it is.

    `begin` stands before the first line, `below` before the others.
    """
    return fill(
        text,
        width,
        initial_indent=begin,
        subsequent_indent=below,
        break_long_words=False,
        break_on_hyphens=False,
    )


def join(values: object) -> str:
    """A fact that may be a list, as printable text."""
    if isinstance(values, (list, tuple)):
        return ", ".join(clean(value) for value in values)  # pyright: ignore
    return clean(values)


def _places(text: str) -> int:
    """How wide a terminal shows it: characters of East Asia take two places.

    >>> _places("mail"), _places("中文"), _places("e\u0301")
    (4, 4, 1)
    """
    if text.isascii():
        return len(text)
    wide = sum(east_asian_width(one) in "WF" for one in text)
    return len(text) + wide - sum(map(bool, map(combining, text)))


def _padded(cell: str, width: int, *, to_right: bool) -> str:
    missing = " " * (width - _places(cell))
    return f"{missing}{cell}" if to_right else f"{cell}{missing}"


def _cell_style(to_right: bool, width: int) -> str:
    """What JupyterLab's sanitizer lets through; widgets bring no style of their own."""
    side = "right" if to_right else "left"
    whole = ";white-space:nowrap" if width <= _UNBROKEN else ""
    return f"text-align:{side};vertical-align:top;{_LINES};padding:2px 8px{whole}"


def _html_row(row: Sequence[str], styles: Sequence[str]) -> str:
    first, *rest = (
        f' style="{style}">{escape(cell)}'
        for cell, style in zip(row, styles, strict=True)
    )
    return f'<th scope="row"{first}</th>' + "".join(f"<td{cell}</td>" for cell in rest)


def _is_number(cells: Sequence[str]) -> bool:
    return all(_NUMBER.fullmatch(cell) for cell in cells)
