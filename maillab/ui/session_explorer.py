"""One session with controls: ladder or transcript, whole or moment by moment.

Goes in: a session. Comes out: an explorer; `.call` is the call for what it shows.

Rule: the slider counts the moments of `session.until`; at its end the whole session is
      shown.
"""

from typing import Any

from maillab.trace.moments import moments_of
from maillab.trace.session import Session
from maillab.trace.view import View
from maillab.ui.controls import Explorer, called, control, kit, row

LADDER, TRANSCRIPT = "Ladder", "Transcript"
# Views of the whole session: name, method
WHOLE = {"Hints": "hints", "Octets over time": "time_sequence"}
INTERVAL_MS = 700  # between two steps of Play


class SessionExplorer(Explorer):
    """`session.explore()`.

    of  what the trace is called where the session was asked for
    """

    def __init__(self, session: Session, *, of: str = "world.trace") -> None:
        super().__init__()
        self.session = session
        self.name = called(f"{of}.session", session.id)
        self.moments = len(moments_of(session))
        self._make_controls()
        play = [self.play] if self.moments > 1 else []
        self.arrange(
            row(self.shown, self.fold),
            row(*play, self.back, self.step, self.forward),
            self.picture,
        )
        self.guarded(self.refresh)

    def _make_controls(self) -> None:
        last = max(1, self.moments)
        self.shown: Any = control(
            "Dropdown",
            "View",
            options=[LADDER, TRANSCRIPT, *WHOLE],
            tooltip="How the session is shown",
        )
        self.fold: Any = control(
            "Checkbox",
            "Fold long content",
            value=True,
            indent=False,
            tooltip="Show only the beginning and the end of messages (transcript)",
        )
        self.step: Any = control(
            "IntSlider",
            "Moment",
            value=last,
            min=1,
            max=last,
            layout={"width": "26em"},
            tooltip="Show the session up to this moment (arrow keys)",
        )
        self.play: Any = control(
            "Play",
            "Play",
            value=last,  # as the slider: at its end it begins anew
            min=1,
            max=last,
            interval=INTERVAL_MS,
            tooltip="Go through the session, moment by moment",
        )
        self.back: Any = control("Button", "Back", tooltip="One moment back")
        self.forward: Any = control("Button", "Forward", tooltip="One moment on")
        kit().jslink((self.play, "value"), (self.step, "value"))
        for one in (self.shown, self.fold, self.step):
            self.on(one, self.refresh)
        self.on(self.back, lambda: self._move(-1))
        self.on(self.forward, lambda: self._move(1))

    def _move(self, steps: int) -> None:
        self.step.value = min(max(1, self.step.value + steps), self.step.max)
        self.refresh()

    def refresh(self) -> None:
        """Show what the controls say."""
        view, call = self._chosen()
        whole, at = self.shown.value in WHOLE, self.step.value
        self.step.disabled = self.play.disabled = whole
        self.back.disabled = whole or at <= 1
        self.forward.disabled = whole or at >= self.step.max
        self.fold.disabled = self.shown.value != TRANSCRIPT
        self.show(view, call)

    def _chosen(self) -> tuple[View, str]:
        if self.shown.value in WHOLE:
            method = WHOLE[self.shown.value]
            return getattr(self.session, method)(), f"{self.name}.{method}()"
        whole = self.step.value >= self.moments
        source = self.session if whole else self.session.until(self.step.value)
        name = self.name if whole else f"{self.name}.until({self.step.value})"
        if self.shown.value == LADDER:
            return source.ladder(), f"{name}.ladder()"
        options = {} if self.fold.value else {"fold": None}
        return source.transcript(**options), called(f"{name}.transcript", **options)
