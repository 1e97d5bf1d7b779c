"""One session as a ladder: two hosts, time downwards, an arrow for what travelled.

Goes in: a session. Comes out: text here, a picture in `trace.ladder_svg`.

Rule 1: each end has its own clock column: an arrow leaves at one time and arrives at
        another, and the difference is the network.
Rule 2: nothing depends on colour: inside TLS lines are double, what is lost ends in ×.
"""

from collections.abc import Iterator
from textwrap import wrap

from maillab.trace.ladder_svg import draw
from maillab.trace.lines import clean
from maillab.trace.session import Session
from maillab.trace.steps import Arrow, Item, Mark, steps
from maillab.trace.transcript import Transcript
from maillab.trace.view import MS, Table, View, clip, clock, socket_name

_LANE = 66  # characters between the two hosts
_WIDE = 78  # from the name of one to the end of the other one's
_TIME = 9
_PAUSE = 1000 * MS  # longer silence is shown as such


class Ladder(View):
    """The ladder diagram of one session."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def describe(self) -> str:
        """One sentence: the alt text."""
        return Transcript(self.session).describe()

    def items(self) -> list[Item]:
        """Arrows and marks in the order in which they began."""
        return steps(self.session)

    def svg(self) -> str:
        """The picture."""
        return draw(self.session, self.items(), self.describe())

    def table(self) -> Table:
        """All of it as rows and columns."""
        return Transcript(self.session).table()

    def text(self) -> str:
        """All of it for a terminal."""
        s = self.session
        names = clip(clean(s.client), _WIDE), clip(clean(s.server), _WIDE)
        addresses = socket_name(s.client_address), socket_name(s.server_address)
        head = [
            clip(clean(s.title), 88),
            "",
            *_ends(*names),
            *_ends(*addresses),
        ]
        return "\n".join([*head, *self._rows(), *self._legend()])

    def _rows(self) -> Iterator[str]:
        began, last = self.session.began_ns, self.session.began_ns
        for item in self.items():
            if item.sent_ns - last >= _PAUSE:
                pause = f" {clock(item.sent_ns - last)} of silence "
                yield _row("", pause.center(_LANE), "", "┊")
            if isinstance(item, Arrow):
                yield from _arrow_rows(item, began)
                last = max(last, item.arrived_ns or item.sent_ns)
            else:
                yield _mark_row(item, began)
            last = max(last, item.sent_ns)

    def _legend(self) -> list[str]:
        """What the lines mean, where there is more than one kind."""
        arrows = [item for item in self.items() if isinstance(item, Arrow)]
        hidden = any(arrow.style == "tls" for arrow in arrows)
        if not (self.session.tls or hidden):
            return []
        more = "   ╌╌╌ hidden octets" if hidden else ""
        return ["", f"═══ inside TLS   ─── in the clear{more}"]


def _ends(left: str, right: str) -> list[str]:
    """What is said about both ends: on two rows if it is long."""
    if len(left) + len(right) + 2 > _WIDE:
        return [f"{'':6}{left}", f"{'':6}{right:>{_WIDE}}"]
    return [f"{'':6}{left}{right:>{_WIDE - len(left)}}"]


def _row(left: str, middle: str, right: str, lane: str = "│") -> str:
    return f"{left:>{_TIME}} {lane}{middle}{lane} {right}".rstrip()


def _arrow_rows(arrow: Arrow, began: int) -> Iterator[str]:
    sent = clock(arrow.sent_ns - began)
    came = "" if arrow.arrived_ns is None else clock(arrow.arrived_ns - began)
    times = (sent, came) if arrow.side == "C" else (came, sent)
    yield _row(times[0], _bar(arrow), times[1])
    for at, text in enumerate(wrap(arrow.why, _LANE - 8)):
        note = f"  {' ' if at else '↳'} {text}"
        yield _row("", note.ljust(_LANE) if arrow.side == "C" else _right(note), "")


def _right(note: str) -> str:
    return f"{note.strip()}  ".rjust(_LANE)


def _bar(arrow: Arrow) -> str:
    line = "═" if arrow.secure else "╌" if arrow.style == "tls" else "─"
    label = clip(arrow.label, _LANE - 6)
    fits = arrow.ref and len(label) + len(arrow.ref) < _LANE - 10
    ref = f" {arrow.ref} " if fits else ""
    label = f"{line} {label} "
    room = _LANE - 2 - len(label) - len(ref)
    lost = arrow.arrived_ns is None
    if arrow.side == "C":
        if lost:
            return f"{label}{line * (room // 2)}×".ljust(_LANE)
        return f"{label}{line * room}{ref}{line}>"
    label = f" {label.strip(f' {line}')} {line}"
    if lost:
        return f"×{line * (room // 2)}{label}".rjust(_LANE)
    return f"<{line}{ref}{line * room}{label}"


def _mark_row(mark: Mark, began: int) -> str:
    time = clock(mark.sent_ns - began)
    if mark.is_tls:
        return _row(time, f" {clip(mark.label, _LANE - 8)} ".center(_LANE, "═"), time)
    label = f" {clip(mark.label, _LANE - 4)} "
    if mark.side is None:
        return _row(time, f" · {clip(mark.label, _LANE - 4)}".ljust(_LANE), "")
    if mark.side == "S":
        return _row("", label.rjust(_LANE), time)
    return _row(time, label.ljust(_LANE), "")
