"""The letters of a world as a page of its explorer: the journey of each.

Goes in: a trace. Comes out: the steps of one letter from host to host, and why its last
one happened.
"""

from typing import Any

from maillab.errors import LabError
from maillab.trace.journey import Journey
from maillab.trace.lines import clean
from maillab.trace.recorder import Trace
from maillab.trace.view import plural
from maillab.ui.controls import Explorer, called, control, offer, row

JOURNEY, WHY = "Journey", "Why it ended so"
NOTHING = ""  # the value while no letter was sent


class LettersPage(Explorer):
    """A list of letters, and the journey of the one that is chosen."""

    def __init__(self, trace: Trace, *, of: str = "trace") -> None:
        super().__init__()
        self.trace = trace
        self.name = of
        self.letter: Any = control(
            "Dropdown",
            "Message",
            options=[("none was sent yet", NOTHING)],
            tooltip="The message whose journey is shown",
        )
        self.shown: Any = control(
            "Dropdown",
            "Show",
            options=[JOURNEY, WHY],
            tooltip="The way of the message, or what led to its end",
        )
        for one in (self.letter, self.shown):
            self.on(one, self._choose)
        self.arrange(row(self.letter, self.shown), self.picture)

    def refresh(self) -> None:
        """List the letters anew; what was chosen stays chosen."""
        journeys = self.trace.messages
        options = [(label_of(one), one.message) for one in journeys]
        options = options or [("none was sent yet", NOTHING)]
        offer(self.letter, options, options[-1][1])
        self._choose()

    def _choose(self) -> None:
        message = self.letter.value
        if not message:
            return
        journey = self.trace.journey(message)
        if self.shown.value == JOURNEY:
            self.show(journey, called(f"{self.name}.journey", message))
            return
        number = journey.steps[-1].number
        if not number:
            raise LabError("nothing is known about the end of this message")
        self.show(self.trace.why(number), called(f"{self.name}.why", number))


def label_of(journey: Journey) -> str:
    """A letter in a list."""
    steps = plural(len(journey.steps), "step")
    last = journey.steps[-1].kind if journey.steps else ""
    return clean(f"{journey.message}: {steps}, {last}")
