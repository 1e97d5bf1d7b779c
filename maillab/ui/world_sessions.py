"""The sessions of a world as a page of its explorer.

Goes in: a world. Comes out: the table of all sessions, or one of them to go through.

Rule: a long list is cut, and says so: the newest sessions stay.
"""

from typing import Any

from maillab.trace.lines import clean
from maillab.trace.recorder import Trace
from maillab.trace.session import Session
from maillab.ui.controls import Explorer, column, control, kit, row
from maillab.ui.session_explorer import SessionExplorer
from maillab.world.world import World

MOST_LISTED = 500
ALL = ""  # the value of "all sessions"


class SessionsPage(Explorer):
    """A list, and what is chosen in it."""

    title = "Sessions"

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.inner: SessionExplorer | None = None
        self._seen = 0  # events at the last look at the chosen session
        self.wanted: Any = control(
            "Text",
            "Only with",
            placeholder="host, port or protocol",
            continuous_update=False,
            tooltip="List only sessions that mention this",
        )
        self.chosen: Any = control(
            "Select",
            "Session",
            options=[("all sessions", ALL)],
            rows=8,
            layout={"width": "100%"},
            tooltip="The session to show (arrow keys)",
        )
        self.note: Any = kit().HTML()
        self.place: Any = column()
        self.on(self.wanted, self.refresh)
        self.on(self.chosen, self._choose)
        self.arrange(row(self.wanted, self.note), self.chosen, self.place)

    @property
    def trace(self) -> Trace:
        """Where the sessions are from."""
        return self.world.trace

    def refresh(self) -> None:
        """List the sessions anew; what was chosen stays chosen."""
        words = self.wanted.value.lower().split()
        labels = [(label_of(session), session.id) for session in self.trace.sessions]
        found = [
            (told, id) for told, id in labels if all(w in told.lower() for w in words)
        ]
        hidden = len(found) - MOST_LISTED
        cut = f"The oldest {hidden:,} are not listed." if hidden > 0 else ""
        self.note.value = f"<p>{cut}</p>"
        before = self.chosen.value
        options = [("all sessions", ALL), *found[-MOST_LISTED:]]
        if tuple(options) != tuple(self.chosen.options):
            self.chosen.options = options
            known = [id for _, id in options]
            self.chosen.value = before if before in known else ALL
        self._choose()

    def _choose(self) -> None:
        id = self.chosen.value or ALL
        if id == ALL:
            self.inner = None
            self.place.children = (self.picture,)
            self.show(self.trace.summary(), "world.trace.summary()")
            return
        if self.inner is None or self.inner.session.id != id or self._grew(id):
            self._open(id)
        if self.inner is not None:
            self._printed.value = ""  # it stands under the inner one
            self.inner.redraw()

    def _grew(self, id: str) -> bool:
        return len(self.trace.session(id).events) != self._seen

    def _open(self, id: str) -> None:
        """Go through this session; how it is shown stays as it was."""
        before, session = self.inner, self.trace.session(id)
        self.inner = SessionExplorer(session)
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
