"""Octets over time: what was sent, sent again, lost and acknowledged.

Goes in: a session, and the packets that passed one place (derived from the trace, or
read from a file). Comes out: a table of all segments, a plot in characters, and one by
matplotlib.

Rule 1: one place, its clock: the same connection looks different at its two ends.
Rule 2: "again" and "late" are what the packets themselves show; "lost" is what only the
        trace knows, so a capture file has none.
Rule 3: no plot needs colour: each kind has a sign of its own.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from maillab.errors import LabError
from maillab.trace import bridges
from maillab.trace.lines import clean
from maillab.trace.pieces import Burst
from maillab.trace.session import SIDES, Session
from maillab.trace.tcp_dots import Dot, Flow, Reader
from maillab.trace.view import MS, Table, View, milliseconds, plural
from maillab.wire.lines import Side

if TYPE_CHECKING:
    from maillab.trace.packet_list import PacketList

_COLUMNS = (
    "packet",
    "time (ms)",
    "who",
    "what",
    "octets",
    "size",
    "acknowledges",
    "window to",
)
_WIDTH, _HEIGHT = 64, 14  # characters of the plot in text
# The signs of the plot in text: a later one covers those before it.
SIGNS = {"ACK": "-", "sent": "#", "late": "+", "again": "o", "lost": "x"}
_DATA = frozenset({"sent", "again", "late"})


class TimeSequence(View):
    """The time-sequence plot of one connection.

    place  where the packets passed
    dots   one for each segment, in order
    """

    def __init__(self, session: Session, place: str, dots: Sequence[Dot]) -> None:
        self.session = session
        self.place = place
        self.dots = list(dots)

    @classmethod
    def of(
        cls, session: Session, place: str = "", packets: "PacketList | None" = None
    ) -> "TimeSequence":
        """As it looked at a place: a host, or "router/outside"; or in a capture.

        Without `place`: at the host that sent more. Raises LabError.
        """
        if packets is None:
            return cls._derived(session, place or _sender(session))
        flow: Flow = (session.client_address, session.server_address)
        numbered = enumerate(packets.packets, 1)
        began, ended = session.began_ns, session.ended_ns
        mine = ((n, p) for n, p in numbered if began <= p.time_ns <= ended)
        where = place or str(getattr(packets, "place", "")) or "the capture"
        return cls(session, where, list(Reader(flow).dots(mine)))

    @classmethod
    def _derived(cls, session: Session, place: str) -> "TimeSequence":
        from maillab.trace.recorder import Trace

        capture = Trace(recorded=session.events).capture(place)
        dots = Reader().dots(enumerate(capture.packets, 1))
        return cls(session, place, list(_judged(dots, session)))

    def between(self, start_ms: float, end_ms: float) -> "TimeSequence":
        """The part between two times, in milliseconds after the first segment."""
        first, last = (self.began_ns + round(ms * MS) for ms in (start_ms, end_ms))
        part = [dot for dot in self.dots if first <= dot.time_ns <= last]
        if not part:
            raise LabError(
                f"between({start_ms:g}, {end_ms:g}): no segment passed then; they "
                f"passed between 0 and {milliseconds(self.lasted_ns)} ms"
            )
        return TimeSequence(self.session, self.place, part)

    # What it comes to -----------------------------------------------------------------

    @cached_property
    def began_ns(self) -> int:
        """When the first segment passed."""
        return self.dots[0].time_ns if self.dots else self.session.began_ns

    @property
    def lasted_ns(self) -> int:
        """From the first segment to the last one."""
        return self.dots[-1].time_ns - self.began_ns if self.dots else 0

    @cached_property
    def round_trip_ns(self) -> int | None:
        """From the last SYN to the client's first ACK; None when one of them lacks."""
        sent = None
        for dot in self.dots:
            if dot.side == "C" and dot.what == "SYN":
                sent = dot.time_ns
            elif dot.side == "C" and dot.ack is not None and sent is not None:
                return dot.time_ns - sent
        return None

    def of_side(self, side: Side) -> list[Dot]:
        """The segments of one side that carry octets."""
        return [dot for dot in self.dots if dot.side == side and dot.what in _DATA]

    def answers_to(self, side: Side) -> list[Dot]:
        """What the other side said of the octets that it got."""
        return [dot for dot in self.dots if dot.side != side and dot.ack is not None]

    @property
    def sides(self) -> list[Side]:
        """The sides that sent octets."""
        return [side for side in SIDES if self.of_side(side)]

    # The view -------------------------------------------------------------------------

    def describe(self) -> str:
        """One sentence: the alt text."""
        counts = Counter(dot.what for dot in self.dots)
        lost = sum(dot.lost for dot in self.dots)
        trip = self.round_trip_ns
        told = [f"{self._sum(side)}" for side in self.sides] or ["no octets"]
        told.append(f"{plural(counts['again'], 'segment')} sent again")
        told += [f"{lost:,} lost"] if lost else []
        told += [f"{counts['late']:,} out of order"] if counts["late"] else []
        told += [f"round trip {milliseconds(trip)} ms"] if trip is not None else []
        lasted = milliseconds(self.lasted_ns)
        at = clean(f"{self.session.title}, seen at {self.place}")
        return f"{at}: {'; '.join(told)}; {lasted} ms."

    def _sum(self, side: Side) -> str:
        dots = self.of_side(side)
        octets = max(dot.end for dot in dots) - min(dot.start for dot in dots)
        name = "client" if side == "C" else "server"
        segments = plural(len(dots), "segment")
        return f"the {name} sent {plural(octets, 'octet')} in {segments}"

    def table(self) -> Table:
        """A row for each segment."""
        caption = clean(f"Segments of {self.session.title}, seen at {self.place}")
        return Table(caption, _COLUMNS, [self._row(dot) for dot in self.dots])

    def _row(self, dot: Dot) -> tuple[str, ...]:
        return (
            str(dot.packet),
            milliseconds(dot.time_ns - self.began_ns),
            "client" if dot.side == "C" else "server",
            f"{dot.what}, lost" if dot.lost else dot.what,
            f"{dot.start:,}-{dot.end - 1:,}" if dot.size > 0 else "",
            f"{dot.size:,}" if dot.size > 0 else "",
            "" if dot.ack is None else f"{dot.ack:,}",
            "" if dot.edge is None else f"{dot.edge:,}",
        )

    def text(self) -> str:
        """All of it for a terminal: a plot for each side, then the table."""
        parts = [self.describe()]
        for side in self.sides:
            parts += ["", *self._plot(side)]
        return "\n".join([*parts, "", self.table().text()])

    def _plot(self, side: Side) -> Iterator[str]:
        """Octets of one side upwards, time to the right."""
        top = max(dot.end for dot in self.of_side(side))
        grid = [[" "] * _WIDTH for _ in range(_HEIGHT)]
        for sign, time, octet in sorted(self._signs(side), key=_importance):
            x = (time - self.began_ns) * (_WIDTH - 1) // max(1, self.lasted_ns)
            y = min(max(octet, 0), top) * (_HEIGHT - 1) // max(1, top)
            grid[_HEIGHT - 1 - y][x] = SIGNS[sign]
        name = clean(self.session.client if side == "C" else self.session.server)
        yield f"octets of {name}"
        for at, row in enumerate(grid):
            label = f"{top:,}" if not at else "0" if at == _HEIGHT - 1 else ""
            yield f"{label:>11} │{''.join(row)}".rstrip()
        end = f"{milliseconds(self.lasted_ns)} ms"
        yield f"{'':>11} └{'─' * _WIDTH}"
        yield f"{'':>13}0{end:>{_WIDTH - 1}}"
        legend = (f"{sign} {what}" for what, sign in SIGNS.items())
        yield f"{'':>13}{'   '.join(legend)}"

    def _signs(self, side: Side) -> Iterator[tuple[str, int, int]]:
        for dot in self.of_side(side):
            yield "lost" if dot.lost else dot.what, dot.time_ns, dot.start
        for dot in self.answers_to(side):
            yield "ACK", dot.time_ns, dot.ack or 0

    # By matplotlib --------------------------------------------------------------------

    def svg(self) -> str:
        """The plot. Raises LabError when matplotlib is missing."""
        return str(bridges.make("time-sequence plot", self)) if self.dots else ""

    def png(self, dpi: int = 110) -> bytes:
        """The same as PNG. Raises LabError when matplotlib is missing."""
        if not self.dots:
            raise LabError(f"{self.describe()} There is nothing to plot")
        return bytes(bridges.make("time-sequence PNG", self, dpi=dpi))

    def html(self) -> str:
        """Plot, sentence and table; without the plot where matplotlib is missing."""
        try:
            return super().html()
        except LabError:
            return View.html(_Plain(self))


class _Plain(View):
    """The same without a picture."""

    def __init__(self, view: TimeSequence) -> None:
        self._view = view

    def describe(self) -> str:
        return self._view.describe()

    def table(self) -> Table:
        return self._view.table()


def _importance(sign: tuple[str, int, int]) -> int:
    return [*SIGNS].index(sign[0])


def _sender(session: Session) -> str:
    """The host that sent more."""
    more = len(session.wire("S")) > len(session.wire("C"))
    return session.server if more and session.find("accept") else session.client


def _judged(dots: Iterable[Dot], session: Session) -> Iterator[Dot]:
    """The same dots, lost if the trace says so."""
    lost = {
        side: [burst for burst in found if burst.arrived_ns is None]
        for side, found in session.bursts.items()
    }
    for dot in dots:
        if dot.what in _DATA and _fitting(dot, lost[dot.side]):
            bursts = _fitting(dot, session.bursts[dot.side])
            yield dot._replace(lost=bursts[-1].arrived_ns is None)
        else:
            yield dot


def _fitting(dot: Dot, bursts: Iterable[Burst]) -> list[Burst]:
    """Of which of these a segment may be a part, the last one at the end."""
    return [
        burst
        for burst in bursts
        if burst.sent_ns <= dot.time_ns and burst.offset <= dot.start < burst.end
    ]
