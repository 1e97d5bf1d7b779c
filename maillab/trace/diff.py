"""Two sessions side by side.

Goes in: two sessions. Comes out: their rows in two columns, with a sign between them
where they differ.

Rule 1: what differs always (times, queue ids, dates, nonces) is no difference
        (`trace.alike`), and shown as it is.
Rule 2: signs, not colours: `|` for other words, `<` only left, `>` only right.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from itertools import groupby, zip_longest
from textwrap import wrap

from maillab.trace.alike import Keys
from maillab.trace.lines import clean
from maillab.trace.session import Session
from maillab.trace.transcript import Row, Transcript
from maillab.trace.view import Table, View, clip, clock, plural

SAME, OTHER, LEFT, RIGHT = " ", "|", "<", ">"
_WORDS = {SAME: "same", OTHER: "differs", LEFT: "only left", RIGHT: "only right"}
_WIDTH = 48  # characters of a column
_MANY = 1000  # rows, from which on frequent rows are no anchors
_AROUND = 3  # equal rows that stay visible beside a difference
_COLUMNS = ("", "Left", "Right")
_WHO = {"C": "the client says", "S": "the server says", "-": "something happens:"}


@dataclass(frozen=True, slots=True)
class Pair:
    """A row of each session, or of one only."""

    left: Row | None
    right: Row | None
    sign: str


class Diff(View):
    """The comparison; runs of more than `fold` equal rows are cut (None: never)."""

    def __init__(self, left: Session, right: Session, fold: int | None = 12) -> None:
        self.left = left
        self.right = right
        self.fold = fold

    @cached_property
    def pairs(self) -> list[Pair]:
        """All rows, side by side."""
        one, two = _rows(self.left), _rows(self.right)
        a, b = _keys(self.left, one), _keys(self.right, two)
        matcher = SequenceMatcher(None, a, b, autojunk=len(a) + len(b) > _MANY)
        found: list[Pair] = []
        for tag, a1, a2, b1, b2 in matcher.get_opcodes():
            if tag == "equal":
                rows = zip(one[a1:a2], two[b1:b2], strict=True)
                found += (Pair(x, y, SAME) for x, y in rows)
            else:
                found += _differing(one[a1:a2], two[b1:b2])
        return found

    @property
    def differences(self) -> list[Pair]:
        """Where they differ."""
        return [pair for pair in self.pairs if pair.sign != SAME]

    @property
    def facts(self) -> list[tuple[str, str, str]]:
        """What, left, right: about the sessions as a whole."""
        names = ("session", "protocol", "client", "server", "TLS", "ended", "lasted")
        return list(zip(names, _facts(self.left), _facts(self.right), strict=True))

    def describe(self) -> str:
        """One sentence: the alt text."""
        names = f"{self.left.id} and {self.right.id}"
        found = self.differences
        if not found:
            rows = plural(len(self.pairs), "row")
            return clean(f"{names} are the same in all of {rows}.")
        first = found[0]
        same = len(self.pairs) - len(found)
        return clean(
            f"{names} are the same in {same:,} of {plural(len(self.pairs), 'row')}; "
            f"they first differ where {_told(first)}."
        )

    def table(self) -> Table:
        """All of it as rows and columns."""
        rows = [(_WORDS[_sign(*f)], f"{f[0]}: {f[1]}", f[2]) for f in self.facts]
        for folded in self._folded():
            if isinstance(folded, int):
                rows.append(("same", f"… {plural(folded, 'equal row')} …", ""))
            else:
                rows.append(
                    (_WORDS[folded.sign], _said(folded.left), _said(folded.right))
                )
        return Table(
            f"{clean(self.left.id)} and {clean(self.right.id)}", _COLUMNS, rows
        )

    def text(self) -> str:
        """All of it for a terminal."""
        rows = [self.describe(), ""]
        for name, a, b in self.facts:
            rows += _side_by_side(f"{name}: {a}", b, _sign(name, a, b))
        rows.append("")
        for folded in self._folded():
            if isinstance(folded, int):
                rows.append(f"… {plural(folded, 'equal row')} …".center(2 * _WIDTH + 3))
            else:
                rows += _side_by_side(
                    _said(folded.left), _said(folded.right), folded.sign
                )
        return "\n".join([*rows, "", "|  differs   <  only left   >  only right"])

    def _folded(self) -> Iterator[Pair | int]:
        """Pairs; a number stands for so many equal ones."""
        for same, group in groupby(self.pairs, key=lambda pair: pair.sign == SAME):
            found = list(group)
            room = 2 * _AROUND
            if not same or self.fold is None or len(found) <= max(self.fold, room):
                yield from found
                continue
            yield from found[:_AROUND]
            yield len(found) - room
            yield from found[-_AROUND:]


def _rows(session: Session) -> list[Row]:
    """Rows as a transcript has them, but for what only one of the ends has thought."""
    rows = Transcript(session, fold=None).rows()
    return [Row(row.time_ns, row.who, row.text, row.secure) for row in rows]


def _keys(session: Session, rows: Sequence[Row]) -> list[str]:
    keys = Keys(session)
    return [keys.key(row) for row in rows]


def _differing(one: Sequence[Row], two: Sequence[Row]) -> Iterator[Pair]:
    """Rows of the same speaker stand side by side, in order."""
    a = [list(rows) for _, rows in groupby(one, key=lambda row: row.who)]
    b = [list(rows) for _, rows in groupby(two, key=lambda row: row.who)]
    while a or b:
        if a and b and a[0][0].who == b[0][0].who:
            for x, y in zip_longest(a.pop(0), b.pop(0)):
                yield Pair(x, y, OTHER if x and y else LEFT if x else RIGHT)
        elif a and (not b or len(a) >= len(b)):
            yield from (Pair(row, None, LEFT) for row in a.pop(0))
        else:
            yield from (Pair(None, row, RIGHT) for row in b.pop(0))


def _facts(s: Session) -> tuple[str, ...]:
    ended = f"{s.outcome}, {s.reason}" if s.reason else s.outcome
    return (
        clean(s.id),
        clean(s.protocol),
        clean(s.client),
        clean(f"{s.server}, port {s.port}"),
        clean(s.tls) if s.tls else "none",
        clean(ended),
        clock(s.ended_ns - s.began_ns),
    )


def _sign(name: str, a: str, b: str) -> str:
    """Ids and durations always differ."""
    return SAME if a == b or name in ("session", "lasted") else OTHER


def _said(row: Row | None) -> str:
    if row is None:
        return ""
    who = "--" if row.who == "-" else f"{row.who}:"
    return f"{who} {'═ ' if row.secure else ''}{row.text}"


def _told(pair: Pair) -> str:
    """A difference in words."""
    if pair.left and pair.right:
        a, b = clip(pair.left.text, 60), clip(pair.right.text, 60)
        return f"{_WHO[pair.left.who]} “{a}” left and “{b}” right"
    row, side = (pair.left, "left") if pair.left else (pair.right, "right")
    assert row is not None, "a pair has at least one row"
    return f"{_WHO[row.who]} “{clip(row.text, 60)}” only {side}"


def _side_by_side(left: str, right: str, sign: str) -> Iterator[str]:
    """One pair, in as many rows as it needs."""
    cells = [
        wrap(text, _WIDTH, subsequent_indent="     ", drop_whitespace=False) or [""]
        for text in (left, right)
    ]
    for a, b in zip_longest(*cells, fillvalue=""):
        yield f"{a:<{_WIDTH}} {sign} {b}".rstrip()
        sign = SAME
