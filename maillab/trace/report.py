"""A trace or a capture as one HTML page that needs nothing else.

Goes in: a trace, and its packets if there are any. Comes out: a page for a browser:
conversations, hints, the DNS, each session with ladder and transcript, packets.

Rule 1: the page fetches nothing and runs nothing; its own policy forbids it.
Rule 2: all that a peer could have said is escaped, and secrets are masked: it is made
        of views.
Rule 3: it has bounds, and says what it leaves out.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from maillab.errors import LabError
from maillab.trace.lines import clean
from maillab.trace.session import Session
from maillab.trace.summary import Summary
from maillab.trace.view import Table, View, plural

if TYPE_CHECKING:
    from maillab.trace.hinting.hints import Hints
    from maillab.trace.packet_list import PacketList
    from maillab.trace.recorder import Trace

MAIL = frozenset({"SMTP", "LMTP", "POP3", "IMAP"})
MOST_SEARCHED = 200_000  # packets that are gone through for packet numbers
_FAILURES = ("refused", "timed_out", "unreachable", "tls_failed", "cut", "reset")
_STYLE = """
body{font:16px/1.5 sans-serif;color:#1b1f24;background:#fff;margin:0}
header,nav,main,footer{max-width:70rem;margin:0 auto;padding:.5rem 1rem}
h1,h2,h3{line-height:1.25;overflow-wrap:anywhere}
h2{border-top:2px solid #59636e;padding-top:1rem}
img{max-width:100%;height:auto}
figure{margin:1rem 0}
table{border-collapse:collapse;margin:.5rem 0;font-size:.875rem}
caption{text-align:left;font-weight:bold;padding:.25rem 0}
.wide{overflow-x:auto}
th,td{border:1px solid #d1d9e0}
td:last-child{overflow-wrap:anywhere;min-width:12rem}
thead th{background:#f6f8fa}
td{font-family:monospace}
summary{cursor:pointer;padding:.25rem 0}
a{color:#0b4a8f}
""".strip()
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of each thing one page shows."""

    sessions: int = 50  # in detail; those that speak a mail protocol come first
    rows: int = 1000  # of any table
    lines: int = 200  # of a session that is drawn as a ladder


class Report:
    """The page.

    packets  those of a capture; None for a trace alone
    only     the ids of the sessions that are shown in detail; none: all that fit
    """

    def __init__(
        self,
        trace: "Trace",
        title: str,
        packets: "PacketList | None" = None,
        bounds: Bounds | None = None,
        only: Collection[str] = (),
    ) -> None:
        self.trace = trace
        self.title = clean(title)
        self.packets = packets
        self.bounds = bounds or Bounds()
        self.sessions = trace.sessions
        wanted = [s for s in self.sessions if s.id in only or not only]
        self.shown = first_of(wanted, self.bounds.sessions)
        self._anchors = {id(s): f"session-{n}" for n, s in enumerate(self.shown, 1)}

    @property
    def left_out(self) -> str:
        """What the page does not show in detail; "" when it shows all."""
        missing = len(self.sessions) - len(self.shown)
        if not missing:
            return ""
        return (
            f"This page shows {plural(len(self.shown), 'session')} of "
            f"{len(self.sessions):,} in detail; sessions of mail come first."
        )

    def write(self, path: Path | str) -> None:
        """Write the page, for example "report.html". Raises LabError."""
        try:
            Path(path).write_text(self.html(), encoding="utf-8", newline="\n")
        except OSError as error:
            why = error.strerror or str(error)
            raise LabError(
                f"{path}: {why}; expected a file that can be written, such as "
                f"report.html"
            ) from None

    def html(self) -> str:
        """The whole page."""
        return "\n".join(
            [
                '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
                f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
                '<meta name="viewport" content="width=device-width">',
                f"<title>{_told(self.title)}</title>\n<style>{_STYLE}</style>\n</head>",
                f"<body>\n<header><h1>{_told(self.title)}</h1>",
                f"{_paragraph(self._overview())}</header>",
                *self._contents(),
                "<main>",
                *self._parts(),
                "</main>",
                "<footer><p>Made by maillab. Passwords are masked.</p></footer>",
                "</body>\n</html>\n",
            ]
        )

    def _overview(self) -> str:
        began = min((s.began_ns for s in self.sessions), default=0)
        ended = max((s.ended_ns for s in self.sessions), default=0)
        words = [Summary(self.sessions).describe().removesuffix(".")]
        if self.packets is not None:
            words.append(plural(len(self.packets.packets), "packet"))
        return f"{'; '.join(words)}; {(ended - began) / 1e9:,.3f} s."

    # Parts ----------------------------------------------------------------------------

    def _contents(self) -> Iterator[str]:
        """Where everything is."""
        yield '<nav aria-label="Contents"><h2>Contents</h2><ul>'
        for anchor, name in self._sections():
            yield f'<li><a href="#{anchor}">{name}</a></li>'
        yield "</ul>"
        if self.shown:
            yield "<p>Sessions in detail:</p><ol>"
        for session in self.shown:
            link = f'<a href="#{self._anchors[id(session)]}">{_told(session.title)}</a>'
            yield f"<li>{link} ({_told(session.outcome)})</li>"
        yield "</ol></nav>" if self.shown else "</nav>"

    def _sections(self) -> Iterator[tuple[str, str]]:
        yield "conversations", "Conversations"
        yield "hints", "Hints"
        if self._asked_names:
            yield "dns", "Walk through the DNS"
        if self.shown:
            yield "sessions", "Sessions"
        if self.packets is not None:
            yield "packets", "Packets"

    @property
    def _asked_names(self) -> bool:
        return bool(self.trace.of_kind("dns"))

    def _parts(self) -> Iterator[str]:
        making = {
            "conversations": self._conversations,
            "hints": self._hints,
            "dns": lambda: self._view(self.trace.dns_walk()),
            "sessions": self._all_sessions,
            "packets": self._packet_list,
        }
        for anchor, name in self._sections():
            yield f'<section id="{anchor}"><h2>{name}</h2>'
            yield from making[anchor]()
            yield "</section>"

    def _conversations(self) -> Iterator[str]:
        few = self.sessions[: self.bounds.rows]
        yield from self._table(Summary(few).table(), len(self.sessions))
        if self.left_out:
            yield _paragraph(self.left_out)

    def _hints(self) -> Iterator[str]:
        hints = self.trace.hints()
        yield _paragraph(hints.describe())
        if len(hints):
            few = gravest(hints, self.bounds.rows)
            yield _wide(few.table())
            yield from self._rest(len(few), len(hints), "gravest")

    def _all_sessions(self) -> Iterator[str]:
        for session in self.shown:
            yield f'<section id="{self._anchors[id(session)]}">'
            yield f"<h3>{_told(session.title)}: {_told(session.outcome)}</h3>"
            yield from self._session(session)
            yield "</section>"

    def _session(self, session: Session) -> Iterator[str]:
        lines = plural(len(session.lines), "line")
        if len(session.lines) <= self.bounds.lines:
            yield _figure(session.ladder())
        else:
            yield _paragraph(session.ladder().describe())
            yield _paragraph(f"{lines} are too many for a ladder.")
        if session.hints().table().rows:
            yield from self._table(session.hints().table())
        failure = failure_in(session)
        if failure:
            packets = to_search(self.packets, len(self.shown))
            yield from self._folded("Why", self.trace.why(failure, packets).table())
        yield from self._folded("Transcript", session.transcript().table())

    def _folded(self, name: str, table: Table) -> Iterator[str]:
        yield f"<details><summary>{name}</summary>"
        yield from self._table(table)
        yield "</details>"

    def _packet_list(self) -> Iterator[str]:
        assert self.packets is not None, "the section is only there if they are"
        listing = self.packets.listing(1, self.bounds.rows)
        yield from self._table(listing.table(), len(self.packets.packets))

    def _view(self, view: View) -> Iterator[str]:
        yield _paragraph(view.describe())
        yield from self._table(view.table())

    def _table(self, table: Table, whole: int = 0) -> Iterator[str]:
        """At most so many rows; `whole` is how many there are, if not in the table."""
        rows = table.rows[: self.bounds.rows]
        whole = whole or len(table.rows)
        yield _wide(Table(table.caption, table.columns, rows))
        yield from self._rest(len(rows), whole, "first")

    def _rest(self, shown: int, whole: int, which: str) -> Iterator[str]:
        if shown < whole:
            yield _paragraph(f"The {which} {shown:,} of {plural(whole, 'row')}.")


def to_search(packets: "PacketList | None", times: int) -> "PacketList | None":
    """The packets, if one can wait until they are gone through so many times."""
    count = len(packets.packets) if packets is not None else 0
    return packets if count * times <= MOST_SEARCHED else None


def gravest(hints: "Hints", most: int) -> "Hints":
    """At most so many hints: errors before warnings before notes."""
    from maillab.trace.hinting.hints import SEVERITIES, Hints

    ranked = [hint for one in SEVERITIES for hint in hints if hint.severity == one]
    return Hints(ranked[:most], hints.about)


def failure_in(session: Session) -> int:
    """The event with which it failed, or the last line that refuses; 0: none."""
    failed = [event.number for event in session.all(*_FAILURES)]
    refused = [line.number for line in session.lines if line.is_refusal]
    return failed[0] if failed else refused[-1] if refused else 0


def first_of(sessions: Sequence[Session], most: int) -> list[Session]:
    """At most so many sessions in their order; those of mail go before others."""
    mail = [s for s in sessions if s.protocol in MAIL][:most]
    others = [s for s in sessions if s.protocol not in MAIL][: most - len(mail)]
    kept = {id(session) for session in (*mail, *others)}
    return [session for session in sessions if id(session) in kept]


def _figure(view: View) -> str:
    """The picture alone: its table stands elsewhere on the page."""
    return view.html().partition("<details>")[0]


def _wide(table: Table) -> str:
    """A box that scrolls, also by keyboard, when the window is narrower."""
    name = f'aria-label="{_told(table.caption)}"'
    return f'<div class="wide" role="region" tabindex="0" {name}>{table.html()}</div>'


def _paragraph(words: str) -> str:
    return f"<p>{_told(words)}</p>"


def _told(words: str) -> str:
    return escape(clean(words))
