"""The sessions of a trace with controls: all of them, or one to go through.

Goes in: a trace, of a world or of a capture. Comes out: a table, a ladder of several
hosts or hints of all sessions; the explorer of the one that is chosen.

Rule: a long list is cut, and says so: the newest sessions stay.
"""

from typing import Any

from maillab.errors import LabError
from maillab.trace.lines import clean
from maillab.trace.recorder import Trace
from maillab.trace.session import Session
from maillab.ui.controls import FULL, Explorer, column, control, kit, offer, row
from maillab.ui.session_explorer import SessionExplorer

MOST_LISTED = 500
MOST_DRAWN = 40  # sessions in one ladder
TOGETHER = {"Table": "summary", "Ladder": "ladder", "Hints": "hints"}
ALL = ""  # the value of "all sessions"


class TraceExplorer(Explorer):
    """`trace.explore()`: a list, and what is chosen in it.

    of       what the trace is called where it was asked for
    at_once  draw it now, rather than at the first `refresh`
    """

    def __init__(
        self, trace: Trace, *, of: str = "trace", at_once: bool = True
    ) -> None:
        super().__init__()
        self.trace = trace
        self.name = of
        self.inner: SessionExplorer | None = None
        self._seen = 0  # events at the last look at the chosen session
        self.place: Any = column()
        self._make_controls()
        self.arrange(
            row(self.wanted, self.together, self.note),
            self.chosen,
            row(*self.steppers(self.chosen, self._choose)),
            self.place,
        )
        if at_once:
            self.guarded(self.refresh)

    def _make_controls(self) -> None:
        self.wanted: Any = control(
            "Text",
            "Only with",
            placeholder="host, port or protocol",
            tooltip="List only sessions that mention this",
        )
        self.chosen: Any = control(
            "Select",
            "Session",
            options=[("all sessions", ALL)],
            rows=8,
            layout={"width": FULL},
            tooltip="The session to show",
        )
        self.note: Any = kit().HTML()
        self.together: Any = control(
            "Dropdown",
            "All as",
            options=list(TOGETHER),
            tooltip="How all sessions are shown together",
        )
        self.on(self.wanted, self.refresh)
        for one in (self.chosen, self.together):
            self.on(one, self._choose)

    def refresh(self) -> None:
        """List the sessions anew; what was chosen stays chosen."""
        words = self.wanted.value.lower().split()
        sessions = self.trace.sessions
        if words:
            told = ((session, label_of(session).lower()) for session in sessions)
            sessions = [s for s, label in told if all(word in label for word in words)]
        hidden = len(sessions) - MOST_LISTED
        found = [(label_of(one), one.id) for one in sessions[-MOST_LISTED:]]
        cut = f"The oldest {hidden:,} are not listed." if hidden > 0 else ""
        self.note.value = f"<p>{cut}</p>"
        offer(self.chosen, [("all sessions", ALL), *found], ALL)
        self._choose()

    def _choose(self) -> None:
        id = self.chosen.value or ALL
        if id == ALL:
            self.inner = None
            self.place.children = (self.picture,)
            self._show_all()
            return
        if self.inner is None or self.inner.session.id != id or self._grew(id):
            self._open(id)
        if self.inner is not None:
            self._printed.value = ""  # it stands under the inner one
            self.inner.redraw()

    def _show_all(self) -> None:
        what = TOGETHER[self.together.value]
        count = len(self.trace.sessions)
        if what == "ladder" and count > MOST_DRAWN:
            raise LabError(
                f"{count:,} sessions are too many for one ladder: choose some, "
                f"{self.name}.ladder(sessions=['c1', 'c2'])"
            )
        self.show(getattr(self.trace, what)(), f"{self.name}.{what}()")

    def _grew(self, id: str) -> bool:
        return len(self.trace.session(id).events) != self._seen

    def _open(self, id: str) -> None:
        """Go through this session; how it is shown stays as it was."""
        before, session = self.inner, self.trace.session(id)
        self.inner = SessionExplorer(session, of=self.name)
        self.inner.share(self)
        if before is not None:
            self.inner.shown.value = before.shown.value
        self._seen = len(session.events)
        self.place.children = (self.inner.widget,)


def label_of(session: Session) -> str:
    """A session in a list."""
    lock = " +TLS" if session.tls else ""
    began = session.began_ns / 1e9
    return clean(f"{session.title}{lock}, at {began:.3f} s: {session.outcome}")
