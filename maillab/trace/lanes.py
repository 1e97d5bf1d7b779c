"""Many hosts as a ladder: a lane for each, time downwards, an arrow for what travelled.

Goes in: sessions and datagrams of a trace. Comes out: text here, a picture in
`trace.lanes_svg`.

Rule 1: arrows are drawn between lanes, words stand right of all lanes: so there is room
        for as many hosts as one likes. Each arrow has a row, in the order of leaving.
Rule 2: nothing depends on colour: inside TLS lines are double, datagrams are dotted,
        what is lost ends in ×.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from textwrap import wrap
from typing import TYPE_CHECKING

from maillab.errors import LabError
from maillab.trace.lanes_svg import draw
from maillab.trace.lines import clean
from maillab.trace.moves import Move, moves
from maillab.trace.session import Session
from maillab.trace.view import MS, Table, View, clock, milliseconds, plural

if TYPE_CHECKING:
    from maillab.trace.recorder import Trace

MOST_LANES = 40
_GAP = 10  # characters from one lane to the next
_TIMES = 22
_PAUSE = 1000 * MS
_WORDS = 84  # characters in a row of words
_SHAFTS = {"udp": "┄", "tls": "╌"}
_COLUMNS = ("Time (ms)", "Arrived (ms)", "From", "To", "Connection", "What", "RFC")
_LEGEND: tuple[tuple[Callable[[Move], bool], str], ...] = (
    (lambda move: move.secure and not move.is_mark, "═ inside TLS"),
    (lambda move: move.style in ("data", "tcp"), "─ TCP in the clear"),
    (lambda move: move.style == "tls", "╌ hidden octets"),
    (lambda move: move.style == "udp", "┄ UDP"),
    (lambda move: move.arrived_ns is None, "× lost"),
    (lambda move: move.is_mark, "● happened there"),
)


class Lanes(View):
    """The ladder of several hosts.

    hosts  from left to right
    moves  what travelled between them, in the order of leaving
    seat   who has seen it; "" when everything was seen
    """

    def __init__(
        self, hosts: Sequence[str], shown: Sequence[Move], seat: str = ""
    ) -> None:
        self.hosts = list(hosts)
        self.moves = list(shown)
        self.seat = seat

    @classmethod
    def of(
        cls,
        trace: "Trace",
        hosts: Sequence[str],
        sessions: Iterable[Session | str] | None,
        *,
        dns: bool,
    ) -> "Lanes":
        """What `Trace.ladder` promises. Raises LabError for what is not in the trace.

        One host: it and all it talks to; none: everybody who takes part, if these are
        not too many: a row has room for each.
        """
        chosen = _sessions(trace, sessions)
        found = moves(chosen, trace.datagrams if dns else ())
        taking_part = _taking_part(found)
        _check(hosts, taking_part, trace)
        if len(hosts) == 1:
            found = [move for move in found if hosts[0] in (move.start, move.end)]
        elif hosts:
            found = [move for move in found if {move.start, move.end} <= set(hosts)]
        lanes = hosts if len(hosts) > 1 else _taking_part(found)
        if len(lanes) > MOST_LANES:
            raise LabError(
                f"ladder() of {len(lanes)} hosts: expected at most {MOST_LANES}; "
                f"name some, as in trace.ladder({lanes[0]!r}, {lanes[1]!r})"
            )
        return cls(lanes, found, trace.seat)

    def describe(self) -> str:
        """One sentence: the alt text."""
        if not self.moves:
            return "Nothing travelled between these hosts."
        many = len({move.connection for move in self.moves if move.connection})
        udp = sum(move.style == "udp" for move in self.moves)
        parts = [plural(many, "connection")] * bool(many)
        parts += [plural(udp, "datagram")] * bool(udp)
        seen = f", seen by {self.seat}" if self.seat else ""
        lasted = clock(self._ended_ns - self._began_ns)
        names = ", ".join(self.hosts)
        return clean(
            f"{' and '.join(parts)} between {plural(len(self.hosts), 'host')} "
            f"({names}) in {lasted}{seen}."
        )

    def svg(self) -> str:
        """The picture."""
        return draw(self.hosts, self.moves, self.describe())

    def table(self) -> Table:
        """All of it as rows and columns."""
        rows = [self._table_row(move) for move in self.moves]
        return Table("What travelled between the hosts", _COLUMNS, rows)

    def text(self) -> str:
        """All of it for a terminal."""
        legend = [words for fits, words in _LEGEND if any(map(fits, self.moves))]
        rows = [*self._head(), *self._rows()] if self.moves else []
        return "\n".join([self.describe(), "", *rows, "", "   ".join(legend)]).rstrip()

    @cached_property
    def _began_ns(self) -> int:
        return min((move.sent_ns for move in self.moves), default=0)

    @cached_property
    def _ended_ns(self) -> int:
        return max(move.arrived_ns or move.sent_ns for move in self.moves)

    @cached_property
    def _lanes(self) -> dict[str, int]:
        return {host: at for at, host in enumerate(self.hosts)}

    def _table_row(self, move: Move) -> tuple[str, ...]:
        came = move.arrived_ns
        arrived = "" if came is None else milliseconds(came - self._began_ns)
        label = f"{move.label} (lost)" if came is None else move.label
        label += f" ({move.why})" if move.why else ""
        secure = " (TLS)" if move.secure and not move.is_mark else ""
        return (
            milliseconds(move.sent_ns - self._began_ns),
            arrived,
            clean(move.start),
            clean(move.end),
            (move.connection or "UDP") + secure,
            label,
            move.ref,
        )

    def _head(self) -> Iterator[str]:
        """A row for each host: names may be long."""
        for at, host in enumerate(self.hosts):
            times = f"{'left':>9}  {'arrived':>9}" if at == len(self.hosts) - 1 else ""
            yield f"{times:{_TIMES}}{'│'.ljust(_GAP) * at}{clean(host)}"

    def _rows(self) -> Iterator[str]:
        last = self._began_ns
        for move in self.moves:
            if move.sent_ns - last >= _PAUSE:
                silence = f"{clock(move.sent_ns - last)} of silence"
                yield self._row(
                    "", "┊".ljust(_GAP) * (len(self.hosts) - 1) + "┊", silence
                )
            yield from self._move_rows(move)
            last = max(last, move.arrived_ns or move.sent_ns)

    def _move_rows(self, move: Move) -> Iterator[str]:
        came = move.arrived_ns
        sent = clock(move.sent_ns - self._began_ns)
        arrived = "" if came is None or move.is_mark else clock(came - self._began_ns)
        sign = "✗ " if move.refusal else ""
        ref = f" [{move.ref}]" if move.ref else ""
        words = wrap(f"{sign}{move.words}{ref}", _WORDS, subsequent_indent="  ")
        words += wrap(f"↳ {move.why}", _WORDS, initial_indent="  ") if move.why else []
        yield self._row(f"{sent:>9}  {arrived:>9}", self._drawn(move), words[0])
        for more in words[1:]:
            yield self._row("", self._empty(), more)

    def _row(self, times: str, lanes: str, words: str) -> str:
        return f"{times:{_TIMES}}{lanes}  {words}".rstrip()

    def _empty(self) -> str:
        return ("│" + " " * (_GAP - 1)) * (len(self.hosts) - 1) + "│"

    def _drawn(self, move: Move) -> str:
        """The lanes with one arrow or mark across."""
        lanes = list(self._empty())
        a, b = (self._lanes[host] * _GAP for host in (move.start, move.end))
        if a == b:
            lanes[a] = "●" if move.is_mark else "○"
            return "".join(lanes)
        left, right = min(a, b), max(a, b)
        if move.is_mark and not move.secure:
            lanes[left + 1 : right] = "·".center(right - left - 1)
            lanes[left], lanes[right] = "●", "●"
            return "".join(lanes)
        shaft = "═" if move.secure else _SHAFTS.get(move.style, "─")
        _shaft(lanes, shaft, left, right)
        if move.is_mark:
            lanes[left], lanes[right] = "╞", "╡"
        else:
            _head_and_tail(lanes, move, a, b)
        return "".join(lanes)


def _shaft(lanes: list[str], shaft: str, left: int, right: int) -> None:
    for at in range(left + 1, right):
        crosses = at % _GAP == 0
        lanes[at] = ("╪" if shaft == "═" else "┼") if crosses else shaft


def _head_and_tail(lanes: list[str], move: Move, a: int, b: int) -> None:
    """The end of an arrow: > or <, and × between two lanes for what is lost."""
    away = b > a
    lanes[a] = ("╞" if away else "╡") if move.secure else ("├" if away else "┤")
    if move.arrived_ns is not None:
        lanes[b - 1 if away else b + 1] = ">" if away else "<"
        return
    middle = b - _GAP // 2 if away else b + _GAP // 2
    step = 1 if away else -1
    for at in range(middle, b, step):
        lanes[at] = "│" if at % _GAP == 0 else " "
    lanes[middle] = "×"


# Choosing -----------------------------------------------------------------------------


def _sessions(trace: "Trace", chosen: Iterable[Session | str] | None) -> list[Session]:
    if chosen is None:
        return trace.sessions
    if isinstance(chosen, (str, Session)):
        chosen = [chosen]
    return [trace.session(one) if isinstance(one, str) else one for one in chosen]


def _taking_part(found: Iterable[Move]) -> list[str]:
    return list(
        dict.fromkeys(host for move in found for host in (move.start, move.end))
    )


def _check(hosts: Sequence[str], taking_part: Sequence[str], trace: "Trace") -> None:
    known = dict.fromkeys([*taking_part, *trace.hosts])
    for host in hosts:
        if host not in known:
            raise LabError(
                f"ladder({host!r}): no such host in this trace: "
                f"{', '.join(map(clean, known))}"
            )
