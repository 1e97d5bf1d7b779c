"""What a check says, and the table of points.

Goes in: evidence, or what is missing. Comes out: a line to read, and evidence as JSON.

Rule: the line of a passed check is the same for all students and all right answers.
"""

import os
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from maillab.grading.exercise import Evidence, Exercise, Failed, Part, Parts
from maillab.trace.lines import clean
from maillab.trace.view import Table, View

EVIDENCE_TYPE = "application/vnd.maillab.check+json"
NBGRADER_VARIABLE = "NBGRADER_EXECUTION"  # nbgrader runs the notebook
WIDTH = 88
MOST_LINES = 6  # of one reason; what a server said can be long


@dataclass(frozen=True)
class Outcome:
    """What became of an exercise, or of a part of it that has points of its own."""

    part: Part
    evidence: Evidence = field(default_factory=dict[str, Any])
    failed: Failed | None = None

    @property
    def points(self) -> int:
        """All or nothing."""
        return 0 if self.failed else self.part.points

    def to_json(self) -> dict[str, Any]:
        """For the grader: a passed one with its evidence, a failed one with reasons."""
        told = {**self.part._asdict(), "passed": not self.failed}
        if self.failed is None:
            return {**told, "evidence": self.evidence}
        return {**told, "reasons": reasons_of(self.failed)}


@dataclass(frozen=True)
class Verdict:
    """The outcome of one check."""

    exercise: Exercise
    outcomes: tuple[Outcome, ...]

    @property
    def points(self) -> int:
        """The sum of the parts."""
        return sum(outcome.points for outcome in self.outcomes)

    @property
    def failed(self) -> Failed | None:
        """The first reason for which it is not solved, None when it is."""
        return next((o.failed for o in self.outcomes if o.failed), None)

    @property
    def evidence(self) -> Evidence:
        """What was found; of an exercise in parts, part by part."""
        if not self.exercise.parts:
            return self.outcomes[0].evidence
        return {outcome.part.name: outcome.evidence for outcome in self.outcomes}

    def to_json(self) -> dict[str, Any]:
        """What the grader compares."""
        parts = [outcome.to_json() for outcome in self.outcomes]
        return {"id": self.exercise.id, "passed": not self.failed, "parts": parts}

    def __repr__(self) -> str:
        exercise = self.exercise
        score = f"({self.points}/{exercise.points})"
        head = f"{sign(self.failed)} {exercise.id}  {exercise.title}  {score}"
        if not exercise.parts:
            return "\n".join([head, *reason_lines(self.failed)])
        if not self.failed:
            return head
        return "\n".join([head, *self._part_lines()])

    def _part_lines(self) -> Iterator[str]:
        for outcome in self.outcomes:
            part = outcome.part
            score = f"({outcome.points}/{part.points})"
            yield f"    {sign(outcome.failed)} {part.name}: {part.title}  {score}"
            yield from reason_lines(outcome.failed)

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, object]:
        told: dict[str, object] = {"text/plain": repr(self)}
        told[EVIDENCE_TYPE] = self.to_json()
        if NBGRADER_VARIABLE in os.environ:  # it takes a bare number for the points
            page = f"<pre>{escape(repr(self))}</pre>"
            told |= {"text/plain": str(self.points), "text/html": page}
        return told


def outcomes_of(
    exercise: Exercise, found: Evidence | Failed | Parts
) -> tuple[Outcome, ...]:
    """What a check returned, part by part; a part that is not there has failed too."""
    if not exercise.parts:
        return (_outcome(Part("", exercise.points, exercise.title), found),)
    by_name: Mapping[str, Any] = {} if isinstance(found, Failed) else found
    otherwise = found if isinstance(found, Failed) else Failed("this part", "none")
    return tuple(_outcome(p, by_name.get(p.name, otherwise)) for p in exercise.parts)


def _outcome(part: Part, found: Any) -> Outcome:
    if isinstance(found, Failed):
        return Outcome(part, failed=found)
    return Outcome(part, evidence=dict(found))


def sign(failed: object) -> str:
    """A tick or a cross."""
    return "✗" if failed else "✓"


def reasons_of(failed: Failed) -> dict[str, str]:
    """Why an exercise is not solved: what is told, by the word before it."""
    told = {
        "expected": failed.expected,
        "found": failed.found,
        "why": failed.why,
        "packets": packets_text(failed),
        "see": failed.see,
        "perhaps": failed.perhaps,
    }
    return {name: clean(text) for name, text in told.items() if text}


def packets_text(failed: Failed) -> str:
    """`17, 18 in the capture of desk`, or ""."""
    numbers = ", ".join(map(str, failed.packets))
    return f"{numbers} in the capture of {failed.at}" if numbers else ""


def reason_lines(failed: Failed | None) -> list[str]:
    """Why a check failed, in lines that fit on a page."""
    told = reasons_of(failed) if failed else {}
    return [row for name, text in told.items() for row in _indented(name, text)]


def _indented(name: str, text: str) -> list[str]:
    lead, hang = f"       {name:<9}", " " * 16
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=lead,
        subsequent_indent=hang,
        max_lines=MOST_LINES,
        placeholder=" …",
    )


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
        mark = "–" if verdict is None else sign(verdict.failed)
        points = verdict.points if verdict else 0
        return (exercise.id, exercise.title, f"{points}/{exercise.points}", mark)
