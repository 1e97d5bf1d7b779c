"""A session up to one of its moments: for those who go through it step by step.

Goes in: a session, the number of a moment. Comes out: its ladder and its transcript, as
far as they had come.

Rule: a moment is a time at which something left, or happened. Ladder and transcript
      have the same moments, numbered from 1.
"""

from functools import cached_property

from maillab.errors import LabError
from maillab.trace.ladder import Ladder
from maillab.trace.session import Session
from maillab.trace.steps import Item
from maillab.trace.transcript import Row, Transcript
from maillab.trace.view import Table, milliseconds


def moments_of(session: Session) -> list[int]:
    """The times of all moments, in nanoseconds since the world began."""
    items = Ladder(session).items()
    rows = Transcript(session, fold=None).rows()
    return sorted({i.sent_ns for i in items} | {row.time_ns for row in rows})


class SessionUntil:
    """What had been said when a moment was over.

    `session.until(7).ladder()`, `session.until(7).transcript()`
    """

    def __init__(self, session: Session, moment: int) -> None:
        self.session = session
        self.moment = moment
        count = len(self.moments)
        if not 1 <= moment <= count:
            raise LabError(
                f"until({moment!r}): {session.id} has the moments 1 to {count}"
            )
        self.until_ns = self.moments[moment - 1]

    def __repr__(self) -> str:
        return f"<{self.session.title}: {self.told}>"

    @cached_property
    def moments(self) -> list[int]:
        """When each moment was."""
        return moments_of(self.session)

    @property
    def told(self) -> str:
        """Which moment it is, in words."""
        after = milliseconds(self.until_ns - self.session.began_ns)
        return f"moment {self.moment} of {len(self.moments)}, {after} ms after the SYN"

    def ladder(self) -> Ladder:
        """The ladder as far as it had come."""
        return _LadderUntil(self)

    def transcript(self, *, fold: int | None = 12) -> Transcript:
        """The transcript as far as it had come."""
        return _TranscriptUntil(self, fold)


class _LadderUntil(Ladder):
    def __init__(self, until: SessionUntil) -> None:
        super().__init__(until.session)
        self.until = until

    def describe(self) -> str:
        return f"{super().describe()} Here: {self.until.told}."

    def items(self) -> list[Item]:
        return [i for i in super().items() if i.sent_ns <= self.until.until_ns]

    def table(self) -> Table:
        return _TranscriptUntil(self.until, 12).table()


class _TranscriptUntil(Transcript):
    def __init__(self, until: SessionUntil, fold: int | None) -> None:
        super().__init__(until.session, fold)
        self.until = until

    def describe(self) -> str:
        return f"{super().describe()} Here: {self.until.told}."

    def rows(self) -> list[Row]:
        return [row for row in super().rows() if row.time_ns <= self.until.until_ns]
