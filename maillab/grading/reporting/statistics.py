"""What a class can do and what it cannot: numbers for a teacher.

Goes in: a `Course`. Comes out: for each exercise how many solved it and which mistakes
were made how often; for each notebook how many reached how many points.

Rule: mistakes are counted in the words of the check that are the same for all students
(`perhaps`, else `expected` without the names and numbers of a world).
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from maillab.grading.reporting.course import Course, Exercise
from maillab.grading.results import CheckResult, PartResult

ENDED = {  # of checks that did not come to a verdict
    "error": "the answer raised an error",
    "timeout": "took too long: an endless loop?",
    "killed": "the kernel died: memory, or os._exit?",
    "output-limit": "printed without end",
    "not-run": "not run: the notebook was given up before",
    "missing": "the answer cell is not in the notebook",
}
ERROR = re.compile(r"(?:^|: )(\w+(?:Error|Exception|Interrupt))\b", re.MULTILINE)
OF_A_WORLD = re.compile(  # quoted, addresses, domains, numbers: others for each student
    r"“[^”]*”|‘[^’]*’|(?<!\w)'[^']*'(?!\w)|\"[^\"]*\"|<[^<>\s]*>|\S+@\S+"
    r"|\b[\w-]+(?:\.[\w-]+)*\.(?:example|test|invalid|internal|lan|arpa)\b\.?"
    r"|\b\d{1,3}(?:\.\d{1,3}){3}(?:/\d+)?\b"
)
BINS = 10  # of the distribution of points, at most


@dataclass(frozen=True, slots=True)
class Mistake:
    """What went wrong, and to whom."""

    words: str
    students: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Solved:
    """How an exercise went.

    full, partly, none  students with all of the points, some of them, none
    absent              students without a graded notebook
    """

    exercise: Exercise
    title: str
    full: int
    partly: int
    none: int
    absent: int
    mistakes: Sequence[Mistake]

    @property
    def graded(self) -> int:
        """Students with a graded notebook."""
        return self.full + self.partly + self.none


@dataclass(frozen=True, slots=True)
class Bin:
    """How many students have from `lowest` to `highest` points."""

    lowest: int
    highest: int
    students: int

    @property
    def called(self) -> str:
        """ "3" or "3-5"."""
        same = self.lowest == self.highest
        return f"{self.lowest}" if same else f"{self.lowest}–{self.highest}"


def solved(course: Course, notebook: str) -> list[Solved]:
    """How each exercise of a notebook went."""
    return [_solved(course, exercise) for exercise in course.exercises(notebook)]


def distribution(course: Course, notebook: str) -> list[Bin]:
    """How many students reached how many points."""
    of = course.worth(notebook)
    width = max(1, -(-(of + 1) // BINS))
    reached = [r.points for r in course.of_notebook(notebook) if r.checks]
    return [
        Bin(low, min(low + width - 1, of), sum(low <= p < low + width for p in reached))
        for low in range(0, of + 1, width)
    ]


def _solved(course: Course, exercise: Exercise) -> Solved:
    checks = {p.called: course.graded(p.student, exercise) for p in course.people}
    found = {name: check for name, check in checks.items() if check}
    full = sum(c.points == c.of for c in found.values())
    partly = sum(0 < c.points < c.of for c in found.values())
    return Solved(
        exercise,
        _title(list(found.values())),
        full,
        partly,
        len(found) - full - partly,
        len(checks) - len(found),
        _mistakes(found),
    )


def _title(checks: Sequence[CheckResult]) -> str:
    """What is true when it is solved; of an exercise in parts, nothing."""
    return checks[0].parts[0].title if checks and len(checks[0].parts) == 1 else ""


def _mistakes(checks: dict[str, CheckResult]) -> list[Mistake]:
    """The most frequent first."""
    made: dict[str, list[str]] = {}
    for name, check in checks.items():
        for words in dict.fromkeys(mistakes_of(check)):
            made.setdefault(words, []).append(name)
    counts = Counter({words: len(names) for words, names in made.items()})
    ordered = sorted(counts, key=lambda words: (-counts[words], words))
    return [Mistake(words, tuple(made[words])) for words in ordered]


def mistakes_of(check: CheckResult) -> list[str]:
    """What was wrong with one check, in words that others may share."""
    if check.ending == "pass":
        return []
    if check.ending in ENDED:
        raised = ERROR.search(check.feedback) if check.ending == "error" else None
        return [f"{ENDED[check.ending]}{f': {raised[1]}' if raised else ''}"]
    told = [_mistake(part) for part in check.parts if not part.passed]
    return list(filter(None, told)) or ["the evidence is not that of a right answer"]


def _mistake(part: PartResult) -> str:
    words = part.reasons.get("perhaps", "")
    expected = part.reasons.get("expected", "")
    told = words or (f"expected {OF_A_WORLD.sub('…', expected)}" if expected else "")
    return f"{part.name}: {told}" if told and part.name else told
