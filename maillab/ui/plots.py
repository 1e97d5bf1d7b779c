"""Plots by matplotlib: octets over time.

Goes in: a `TimeSequence`. Comes out: SVG, or PNG: the same octets for the same plot.

Rule 1: no state of matplotlib is touched: settings hold for one plot, there is no
        `pyplot`, and a student's own plots stay as they are.
Rule 2: it reads well in black and white: each kind has a shape of its own.
Rule 3: names are text, not formulas: a "$" in one is a dollar sign.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any

from maillab.trace.lines import clean
from maillab.trace.view import INK, MS, NO, SOFT, clip
from maillab.wire.lines import Side

if TYPE_CHECKING:
    from maillab.trace.tcp_dots import Dot
    from maillab.trace.time_sequence import TimeSequence

_WIDTH, _HEIGHT = 9.0, 3.6  # inches, of the plot of one side
_TITLE = 84  # characters
_MOST = 4000  # segments that are drawn; of more, every second, third …
_SETTINGS = {
    "svg.hashsalt": "maillab",
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans Mono", "monospace"],
    "font.size": 9.0,
    "text.parse_math": False,
    "axes.unicode_minus": False,
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "path.simplify": False,
}
# What does not touch a picture stays as the user has it.
_USERS = frozenset({"backend", "backend_fallback", "interactive", "toolbar"})
# Nothing that differs between two runs, or between two versions of matplotlib.
_METADATA = {"Date": None, "Creator": None}


def time_sequence_svg(view: "TimeSequence") -> str:
    """The plot as SVG. What stands in it of names is escaped by matplotlib."""
    metadata = {**_METADATA, "Title": clip(clean(view.session.title), _TITLE)}
    return _saved(view, format="svg", metadata=metadata).decode()


def time_sequence_png(view: "TimeSequence", dpi: int = 110) -> bytes:
    """The plot as PNG."""
    return _saved(view, format="png", dpi=dpi, metadata={"Software": None})


def _saved(view: "TimeSequence", **how: Any) -> bytes:
    """Drawn with matplotlib's own defaults and ours, whatever the user has set."""
    matplotlib: Any = import_module("matplotlib")
    defaults = {k: v for k, v in matplotlib.rcParamsDefault.items() if k not in _USERS}
    with matplotlib.rc_context({**defaults, **_SETTINGS}):
        buffer = BytesIO()
        _figure(view).savefig(buffer, **how)
        return buffer.getvalue()


def _figure(view: "TimeSequence") -> Any:
    """One plot for each side that sent something, with one time for both."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sides = view.sides or ["C"]
    figure: Any = Figure((_WIDTH, _HEIGHT * len(sides)), layout="constrained")
    FigureCanvasAgg(figure)
    title = clean(f"{view.session.title}, seen at {view.place}")
    figure.suptitle(clip(title, _TITLE), fontweight="bold")
    axes = figure.subplots(len(sides), 1, sharex=True, squeeze=False)[:, 0]
    for axis, side in zip(axes, sides, strict=True):
        _plot(axis, view, side)
    axes[-1].set_xlabel("milliseconds")
    return figure


def _plot(axis: Any, view: "TimeSequence", side: Side) -> None:
    """Octets of one side, and what the other one said of them."""

    def time(dot: "Dot") -> float:
        return (dot.time_ns - view.began_ns) / MS

    who = view.session.client if side == "C" else view.session.server
    axis.set_ylabel(clip(f"octets of {clean(who)}", 38))
    _segments(axis, view.of_side(side), time)
    _answers(axis, view.answers_to(side), time)
    axis.margins(x=0.03, y=0.08)
    axis.grid(color="#e4e9ee", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.yaxis.set_major_formatter("{x:,.0f}")
    axis.spines[["top", "right"]].set_visible(False)
    over = {"loc": "lower left", "bbox_to_anchor": (0, 1.0)}
    axis.legend(**over, frameon=False, ncols=6, fontsize=8, borderaxespad=0.2)


def _segments(axis: Any, dots: "Sequence[Dot]", time: Callable[["Dot"], float]) -> None:
    """Bars from the first octet to the last one; signs at what did not go well."""
    drawn = _thinned(dots)
    axis.vlines(
        [time(dot) for dot in drawn],
        [dot.start for dot in drawn],
        [dot.end for dot in drawn],
        colors=INK,
        linewidth=2.2,
        label="segment",
    )
    marks = (
        ("sent again", "o", INK, [d for d in dots if d.what == "again"]),
        ("out of order", "s", INK, [d for d in dots if d.what == "late"]),
        ("lost", "x", NO, [d for d in dots if d.lost]),
    )
    for name, sign, ink, marked in marks:
        if marked:
            axis.plot(
                [time(dot) for dot in marked],
                [(dot.start + dot.end) / 2 for dot in marked],
                linestyle="none",
                marker=sign,
                markersize=8 if sign == "x" else 6,
                markerfacecolor="none",
                markeredgecolor=ink,
                markeredgewidth=1.6,
                label=name,
            )


def _answers(axis: Any, dots: "Sequence[Dot]", time: Callable[["Dot"], float]) -> None:
    """What was acknowledged, as stairs; duplicate ACKs have a tick."""
    if not dots:
        return
    stairs = {"where": "post", "color": SOFT}
    drawn = _thinned(dots)
    times = [time(dot) for dot in drawn]
    acks = [dot.ack for dot in drawn]
    axis.step(times, acks, linewidth=1.1, label="acknowledged", **stairs)
    again = [dot for dot in dots if dot.what == "ACK again"]
    if again:
        axis.plot(
            [time(dot) for dot in again],
            [dot.ack for dot in again],
            linestyle="none",
            marker="|",
            color=SOFT,
            markersize=9,
            label="ACK again",
        )


def _thinned(dots: "Sequence[Dot]") -> "Sequence[Dot]":
    """Not more than can be told apart."""
    return dots[:: max(1, -(-len(dots) // _MOST))]
