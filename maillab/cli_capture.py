"""`maillab capture FILE`: what a capture, or a saved trace, tells of mail.

Goes in: the command line; a file of tcpdump, Wireshark or maillab. Comes out: views as
text, or a page in HTML.

Rule 1: no more is printed than somebody reads: what is left out is said, with the
        option that shows it.
Rule 2: keys that open TLS stand in the file, or where `--keys` says, or where the
        variable SSLKEYLOGFILE does.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from maillab.errors import LabError
from maillab.trace.reading.garbage import few_collections

if TYPE_CHECKING:
    from maillab.trace.packet_list import PacketList
    from maillab.trace.recorder import Trace
    from maillab.trace.session import Session

KEYS_VARIABLE = "SSLKEYLOGFILE"
MOST = 20  # sessions that are printed
MOST_HINTS = 100  # that are printed
ROWS = 1000  # packets that are listed


def register(app: typer.Typer) -> None:
    """Add this command to `maillab`."""
    app.command()(capture)


File = Annotated[
    Path,
    typer.Argument(
        help="pcap, pcapng (also .gz), or a trace (.jsonl).", show_default=False
    ),
]
SessionId = Annotated[
    str, typer.Option(metavar="ID", help="Only this session, such as c3.")
]
InTranscript = Annotated[bool, typer.Option("--transcript", help="Who said what.")]
InLadder = Annotated[
    bool, typer.Option("--ladder", help="The same with arrows, time downwards.")
]
InHints = Annotated[bool, typer.Option("--hints", help="What an expert would remark.")]
InWhy = Annotated[
    bool, typer.Option("--why", help="What led to each failure or refusal.")
]
InList = Annotated[bool, typer.Option("--list", help="The packets.")]
Keys = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=f"Keys that open TLS; else those in the file, or in ${KEYS_VARIABLE}.",
        show_default=False,
    ),
]
Page = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Write all of it as one page.", show_default=False
    ),
]
Most = Annotated[int, typer.Option(min=1, help="How many sessions are shown, at most.")]


def capture(  # noqa: PLR0913  (one for each option)
    file: File,
    session: SessionId = "",
    transcript: InTranscript = False,
    ladder: InLadder = False,
    hints: InHints = False,
    why: InWhy = False,
    packets: InList = False,
    keys: Keys = None,
    html: Page = None,
    most: Most = MOST,
) -> None:
    """Show what a capture tells: conversations, dialogues, hints, a page in HTML."""
    views = {
        "transcript": transcript,
        "ladder": ladder,
        "hints": hints,
        "why": why,
        "list": packets,
    }
    wanted = [name for name, is_wanted in views.items() if is_wanted]
    if html is not None:
        check_page(html, file)
    with few_collections():
        shown = Opened.read(file, keys).only(session)
        for part in shown.parts(wanted, session, most, page=html is not None):
            typer.echo(part)
        if html is not None:
            typer.echo(shown.write(html, most if most != MOST else None))


def check_page(page: Path, file: Path) -> None:
    """A page has its own name. Raises LabError."""
    if page.suffix.lower() not in (".html", ".htm"):
        raise LabError(
            f"--html {page}: expected the name of a page, such as report.html"
        )
    if page.exists() and file.exists() and page.samefile(file):
        raise LabError(f"--html {page}: that is the capture itself; type another name")


@dataclass(frozen=True)
class Opened:
    """A file that was read: its trace, its packets (a trace has none), its sessions."""

    file: Path
    trace: "Trace"
    packets: "PacketList | None"
    sessions: "Sequence[Session]"

    @classmethod
    def read(cls, file: Path, keys: Path | None = None) -> "Opened":
        """Read a capture or a trace. Raises LabError."""
        if is_trace(file):
            from maillab.trace.recorder import Trace

            trace = Trace.read(file)
            return cls(file, trace, None, trace.sessions)
        from maillab.trace.reading.capture_file import CaptureFile

        found = CaptureFile.read(file, keys=keys_of(keys))
        if found.damage:
            typer.echo(f"maillab: {file.name}: {found.damage}", err=True)
        return cls(file, found.trace, found, found.sessions)

    def only(self, id: str) -> "Opened":
        """With one session; "" for all. Raises LabError."""
        if not id:
            return self
        found = [session for session in self.sessions if session.id == id]
        if not found:
            raise LabError(
                f"--session {id}: there is none of that name; there "
                f"{_named(self.sessions)}; type maillab capture {_typed(self.file)} to "
                f"see more of them"
            )
        return Opened(self.file, self.trace, self.packets, found)

    def parts(
        self, wanted: Sequence[str], id: str, most: int, *, page: bool
    ) -> Iterator[str]:
        """What is printed, part by part."""
        if not wanted and not page:
            wanted = ["transcript"] if id else ["conversations"]
        for number, name in enumerate(wanted):
            if number:
                yield ""
            if name == "conversations":
                yield from self._conversations(most)
            elif name == "list":
                yield from self._list()
            elif name == "why":
                yield from self._why(most)
            elif name == "hints" and not id:
                yield from self._hints()
            else:
                yield from self._each(name, most)

    # Parts ----------------------------------------------------------------------------

    def _conversations(self, most: int) -> Iterator[str]:
        from maillab.trace.summary import Summary

        summary = Summary(self.sessions)
        few = Summary(self.sessions[:most])
        yield f"{self.file.name}: {summary.describe()}"
        if self.sessions:
            yield f"\n{few.table().text()}"
        yield from _left_out(len(self.sessions), most)
        if self.sessions:
            yield (
                f"\nTo see one: maillab capture {_typed(self.file)} "
                f"--session {self.sessions[0].id}\n"
                f"What is wrong: --hints; a page with all of it: --html report.html"
            )

    def _hints(self) -> Iterator[str]:
        """About all sessions together; of very many, the gravest."""
        from maillab.trace.report import gravest

        hints = self.trace.hints()
        few = gravest(hints, MOST_HINTS)
        yield "\n".join([hints.describe(), *few.text().split("\n")[1:]])
        if len(few) < len(hints):
            yield (
                f"\n… the {len(few)} gravest of {len(hints):,} hints; --session ID "
                f"shows those of one session"
            )

    def _list(self) -> Iterator[str]:
        if self.packets is None:
            raise LabError(
                f"--list: {self.file.name} is a trace, and has no packets; in Python: "
                f"Trace.read(FILE).capture(HOST).listing()"
            )
        count = len(self.packets.packets)
        yield self.packets.listing(1, min(ROWS, count)).text()
        if count > ROWS:
            yield (
                f"… the first {ROWS:,} of {count:,} packets; in Python: "
                f"CaptureFile.read(FILE).listing({ROWS + 1}, {ROWS})"
            )

    def _each(self, name: str, most: int) -> Iterator[str]:
        """One view of each session."""
        makers: dict[str, Callable[[Session], str]] = {
            "transcript": lambda session: session.transcript().text(),
            "ladder": lambda session: session.ladder().text(),
            "hints": lambda session: session.hints().text(),
        }
        for number, session in enumerate(self.sessions[:most]):
            yield f"\n{makers[name](session)}" if number else makers[name](session)
        yield from _left_out(len(self.sessions), most)

    def _why(self, most: int) -> Iterator[str]:
        """What led to the end of each session that failed, or to its last refusal."""
        from maillab.trace.report import failure_in, to_search

        failed = [(s, number) for s in self.sessions if (number := failure_in(s))]
        if not failed:
            yield "Nothing failed and nothing was refused."
        packets = to_search(self.packets, len(failed[:most]))
        for at, (session, number) in enumerate(failed[:most]):
            told = self.trace.why(number, packets).text()
            yield "\n" * bool(at) + f"{session.title}: {session.outcome}\n{told}"
        yield from _left_out(len(failed), most)
        if packets is not self.packets:
            yield "… packet numbers are left out: --session ID has those of one session"

    def write(self, page: Path, most: int | None) -> str:
        """Write the report; returns what to tell."""
        from maillab.trace.report import Bounds, Report
        from maillab.trace.view import plural

        bounds = Bounds() if most is None else Bounds(sessions=most)
        whole = len(self.sessions) == len(self.trace.sessions)
        only = [] if whole else [session.id for session in self.sessions]
        name = self.file.name
        report = Report(self.trace, name, self.packets, bounds, only)
        report.write(page)
        size = page.stat().st_size
        shown = plural(len(report.shown), "session")
        told = f"{page}: {shown}, {plural(size, 'octet')}"
        return f"{told}\n{report.left_out}" if report.left_out else told


def is_trace(file: Path) -> bool:
    """A trace begins with a JSON object, a capture with a magic number."""
    try:
        with file.open("rb") as octets:
            return octets.read(1) == b"{"
    except OSError as error:
        why = error.strerror or str(error)
        raise LabError(
            f"{file}: {why}; expected a capture such as mail.pcapng, or a trace"
        ) from None


def keys_of(given: Path | None) -> str:
    """Where the keys are: what was typed, or the variable if there is such a file."""
    if given is not None:
        if not given.is_file():
            raise LabError(
                f"--keys {given}: there is no such file; expected what a browser or "
                f"curl writes where {KEYS_VARIABLE} says"
            )
        return str(given)
    named = os.environ.get(KEYS_VARIABLE, "")
    return named if named and Path(named).is_file() else ""


def _typed(file: Path) -> str:
    """A file as one types it in a shell."""
    return quote(str(file))


def _named(sessions: "Sequence[Session]") -> str:
    """Which sessions there are: "are c1, c2, c3 … c40"."""
    ids = [session.id for session in sessions]
    if len(ids) < 2:
        return f"is only {ids[0]}" if ids else "is none at all"
    last = [f"… {ids[-1]}"] if len(ids) > 4 else ids[3:]
    return f"are {', '.join(ids[:3])} {' '.join(last)}".rstrip()


def _left_out(count: int, most: int) -> Iterable[str]:
    from maillab.trace.view import plural

    if count > most:
        yield (
            f"… {plural(count - most, 'more session')}: --most {count} shows all, "
            f"--session ID one of them"
        )
