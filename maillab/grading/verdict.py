"""What a check says, and the table of points.

Goes in: evidence, or what is missing. Comes out: a line to read, and evidence as JSON.

Rule: the line of a passed check is the same for all students and all right answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from textwrap import wrap

from maillab.grading.exercise import Evidence, Exercise, Failed
from maillab.trace.view import Table, View

EVIDENCE_TYPE = "application/vnd.maillab.check+json"
WIDTH = 88


@dataclass(frozen=True)
class Verdict:
    """The outcome of one check."""

    exercise: Exercise
    evidence: Evidence = field(default_factory=dict[str, object])
    failed: Failed | None = None

    @property
    def points(self) -> int:
        """All or nothing."""
        return 0 if self.failed else self.exercise.points

    def __repr__(self) -> str:
        sign = "✗" if self.failed else "✓"
        exercise = self.exercise
        score = f"({self.points}/{exercise.points})"
        head = f"{sign} {exercise.id}  {exercise.title}  {score}"
        return "\n".join([head, *reasons(self.failed)])

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, object]:
        told = {"id": self.exercise.id, "passed": not self.failed}
        bundle: dict[str, object] = {"text/plain": repr(self)}
        bundle[EVIDENCE_TYPE] = {**told, "evidence": self.evidence}
        return bundle


def reasons(failed: Failed | None) -> list[str]:
    """Why a check failed, in lines that fit on a page."""
    if failed is None:
        return []
    told = {
        "expected": failed.expected,
        "found": failed.found,
        "see": failed.see,
        "perhaps": failed.perhaps,
    }
    return [row for name, text in told.items() if text for row in _indented(name, text)]


def _indented(name: str, text: str) -> list[str]:
    lead, hang = f"       {name:<9}", " " * 16
    return wrap(text, WIDTH, initial_indent=lead, subsequent_indent=hang)


class Report(View):
    """The points of a notebook."""

    def __init__(
        self, exercises: Sequence[Exercise], verdicts: dict[str, Verdict]
    ) -> None:
        self.exercises = exercises
        self.verdicts = verdicts

    def describe(self) -> str:
        """One sentence."""
        got = sum(verdict.points for verdict in self.verdicts.values())
        of = sum(exercise.points for exercise in self.exercises)
        return f"{got} of {of} points."

    def table(self) -> Table:
        """One row for each exercise."""
        columns = ("exercise", "solved when", "points", "")
        return Table("Your points", columns, [self._row(e) for e in self.exercises])

    def text(self) -> str:
        """The table, and the sum below it."""
        return f"{self.table().text()}\n\n{self.describe()}"

    def _row(self, exercise: Exercise) -> tuple[str, ...]:
        verdict = self.verdicts.get(exercise.id)
        sign = "–" if verdict is None else "✗" if verdict.failed else "✓"
        points = verdict.points if verdict else 0
        return (exercise.id, exercise.title, f"{points}/{exercise.points}", sign)
