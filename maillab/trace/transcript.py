"""Who said what, when, and by which section of which RFC.

Goes in: a session. Comes out: one row for each line and for what happened between them.

Rule 1: times are milliseconds after the first SYN, when the speaker's octets left.
Rule 2: a reason that was never sent (`why`) stands beneath the reply it explains.
Rule 3: long content is folded, and the fold says how much it hides.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from maillab.trace.events import Event
from maillab.trace.lines import Line, clean
from maillab.trace.remarks import Remark, remarks, repairs
from maillab.trace.session import Session
from maillab.trace.view import Table, View, milliseconds, plural, socket_name

INSIDE = "═"  # as in ladders; a lock would need a font with emoji
_COLUMNS = ("Time (ms)", "Who", "What", "RFC", "Why")
_HEAD, _TAIL = 6, 2  # rows of folded content that stay visible
_REF_COLUMN = 64
_LONGEST = 400  # characters of a folded row
_WHO = {"C": "client", "S": "server", "-": "event"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a transcript; `who` is "C", "S" or "-" for what was not said."""

    time_ns: int
    who: str
    text: str
    secure: bool = False
    ref: str = ""
    why: str = ""


class Transcript(View):
    """The dialogue of one session."""

    def __init__(self, session: Session, fold: int | None = 12) -> None:
        self.session = session
        self.fold = fold

    def describe(self) -> str:
        """One sentence: the alt text."""
        s = self.session
        lasted = milliseconds(s.ended_ns - s.began_ns)
        said = plural(len(s.lines), "line")
        refused = next((line.text for line in s.lines if line.is_refusal), "")
        told = f"; the server refused with “{refused}”" if refused else ""
        lock = f", partly inside {clean(s.tls.version)}" if s.tls else ""
        return clean(
            f"{s.client} spoke {s.protocol} with {s.server} on port {s.port}: "
            f"{said}{lock} in {lasted} ms, {_ending(s)}{told}."
        )

    def rows(self) -> list[Row]:
        """All rows, in time."""
        s = self.session
        said = [(line.sent_ns, line.number, _said(line)) for line in s.lines]
        happened = [
            (event.time_ns, event.number, [row])
            for event in s.told
            if (row := _happened(s, event))
        ]
        remarked = [
            (one.time_ns, one.number, [Row(one.time_ns, "-", one.text)])
            for one in (*remarks(s), *_repaired(s))
        ]
        order = sorted(said + happened + remarked, key=lambda entry: entry[:2])
        return list(self._folded(row for _, _, rows in order for row in rows))

    def text(self) -> str:
        """All of it for a terminal."""
        s = self.session
        head = [
            clean(s.title),
            clean(f"C = {s.client} ({socket_name(s.client_address)})"),
            clean(f"S = {s.server} ({socket_name(s.server_address)})"),
        ]
        if s.tls:
            head.append(f"{INSIDE} = inside TLS")
        rows = [text for row in self.rows() for text in self._text_rows(row)]
        return "\n".join([*head, "", *rows])

    def table(self) -> Table:
        """All of it as rows and columns."""
        rows = [
            (
                milliseconds(row.time_ns - self.session.began_ns),
                _WHO[row.who] + (" (TLS)" if row.secure else ""),
                row.text,
                row.ref,
                row.why,
            )
            for row in self.rows()
        ]
        return Table(clean(self.session.title), _COLUMNS, rows)

    def _text_rows(self, row: Row) -> Iterator[str]:
        time = milliseconds(row.time_ns - self.session.began_ns)
        who = "--" if row.who == "-" else f"{row.who}:"
        lock = "" if not self.session.tls else f"{INSIDE} " if row.secure else "  "
        said = row.text
        if self.fold is not None and len(said) > _LONGEST:
            hidden = len(said) - _LONGEST
            said = f"{said[:_LONGEST]}… {plural(hidden, 'more character')}"
        text = f"{time:>11} {who} {lock}{said}"
        ref = f"[{row.ref}]" if row.ref else ""
        yield f"{text:<{_REF_COLUMN}}  {ref}".rstrip()
        if row.why:
            yield f"{'':11}    {'  ' if lock else ''}↳ {row.why}"

    def _folded(self, rows: Iterator[Row]) -> Iterator[Row]:
        for is_content, group in groupby(rows, key=lambda row: row.ref == _CONTENT):
            found = list(group)
            if is_content:
                yield from self._fold(found)
            else:
                yield from found

    def _fold(self, rows: list[Row]) -> Iterator[Row]:
        rows = [Row(r.time_ns, r.who, r.text, r.secure) for r in rows]
        if self.fold is None or len(rows) <= max(self.fold, _HEAD + _TAIL):
            yield from rows
            return
        hidden = len(rows) - _HEAD - _TAIL
        first = rows[_HEAD]
        yield from rows[:_HEAD]
        yield Row(
            first.time_ns, first.who, f"… {plural(hidden, 'more line')} …", first.secure
        )
        yield from rows[-_TAIL:]


_CONTENT = "\0content"  # stands in `ref` until content is folded


def _said(line: Line) -> list[Row]:
    rows = line.rows
    if line.is_content:
        return [
            Row(line.sent_ns, line.speaker, text, line.secure, _CONTENT)
            for text in rows
        ]
    first = Row(line.sent_ns, line.speaker, rows[0], line.secure, clean(line.ref))
    more = [Row(line.sent_ns, line.speaker, text, line.secure) for text in rows[1:]]
    found = [first, *more]
    if line.why:
        last = found[-1]
        found[-1] = Row(
            last.time_ns, last.who, last.text, last.secure, last.ref, clean(line.why)
        )
    return found


def _repaired(session: Session) -> Iterator[Remark]:
    """What was lost, and sent again."""
    for side, sent, _, number, text in repairs(session):
        yield Remark(sent, number, f"{_WHO[side]}: {text}")


def _happened(session: Session, event: Event) -> Row | None:
    """What is worth telling between the lines."""
    text = _TOLD.get(event.kind)
    if not text:
        return None
    if event.kind == "tls" and event is not session.find("tls"):
        return None  # the other end is done, too
    facts = {name: clean(value) for name, value in event.facts.items()}
    if event.kind == "syn":  # the first one is that of `connect`
        facts["attempt"] = str(event["attempt"] + 1)
    for name in ("src", "dst"):
        if name in event.facts:
            facts[name] = clean(socket_name(event[name]))
    who = _WHO[event.get("side") or session.side_of(event)]
    told = text.format_map({**facts, "who": who, "did": _did(event)}).rstrip(": ")
    ref = _REFS.get(event.kind, "") or clean(event.get("ref"))
    return Row(event.time_ns, "-", told, ref=ref, why=_why(event))


_TOLD = {
    "connect": "connect to {dst}",
    "syn": "no answer yet: SYN number {attempt}",
    "established": "connected",
    "refused": "connection refused: {reason}",
    "timed_out": "connection timed out: {reason}",
    "unreachable": "unreachable: {reason}",
    "fin": "{who} closes its side",
    "reset": "{who} resets the connection",
    "tls": "{version} begins, {cipher} {server_name}",
    "tls_failed": "TLS failed at the {who}: {reason}",
    "auth": "{did}",
    "policy": "policy at the {who} says {verdict}: {subject}",
    "failure": "error at the {who}: {error}",
    "fault": "planned fault at {stage}: {what}",
    "note": "{text}",
    "gap": "gap: {size} octets of the {who} are not in the capture",
}
_REFS = {
    "connect": "RFC 9293 §3.5",
    "syn": "RFC 9293 §3.8.1",
    "fin": "RFC 9293 §3.6",
    "reset": "RFC 9293 §3.5.2",
    "refused": "RFC 9293 §3.5.2",
    "tls": "RFC 8446 §4",
}


_REASONS = {"policy": "reason", "auth": "reason", "fault": "comment"}


def _did(event: Event) -> str:
    if event.kind != "auth":
        return ""
    what = "logged in" if event["ok"] else "could not log in"
    return clean(f"{event['user']} {what} by {event['mechanism']}")


def _why(event: Event) -> str:
    return clean(event.get(_REASONS.get(event.kind, "")))


def _ending(session: Session) -> str:
    outcome = session.outcome
    return "still open" if outcome == "open" else outcome
