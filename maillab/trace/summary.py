"""All sessions of a trace in one table."""

from collections import Counter
from collections.abc import Sequence

from maillab.trace.lines import clean
from maillab.trace.session import Session
from maillab.trace.view import Table, View, plural

_COLUMNS = ("id", "time (s)", "client → server", "protocol", "lines", "outcome")


class Summary(View):
    """One row for each session."""

    def __init__(self, sessions: Sequence[Session], seat: str = "") -> None:
        self.sessions = sessions
        self.seat = seat

    def describe(self) -> str:
        """One sentence: the alt text."""
        counts = Counter(session.outcome for session in self.sessions)
        how = ", ".join(
            f"{count} {clean(outcome)}" for outcome, count in counts.items()
        )
        seen = f" seen by {clean(self.seat)}" if self.seat else ""
        return f"{plural(len(self.sessions), 'session')}{seen}: {how or 'none'}."

    def table(self) -> Table:
        """All of it as rows and columns."""
        return Table("Sessions", _COLUMNS, [_row(session) for session in self.sessions])

    def text(self) -> str:
        """All of it for a terminal."""
        return f"{self.describe()}\n\n{self.table().text()}"


def _row(session: Session) -> tuple[str, ...]:
    lock = " +TLS" if session.tls else ""
    return (
        clean(session.id),
        f"{session.began_ns / 1e9:.3f}",
        clean(f"{session.client} → {session.server}:{session.port}"),
        clean(session.protocol) + lock,
        str(len(session.lines)),
        clean(session.outcome),
    )
