"""Which cell of a submission answers which exercise.

Goes in: the reference, and the cells of a submission. Comes out: an answer for each
answer cell of the reference, and what was remarkable.

A cell is found by its `grade_id`; else by its cell id, by a first line such as
`# answer 1.1`, or by its place between two locked cells.

Rule: nothing is fatal. What is missing is missing, what is there twice counts once: the
      first in the notebook that is not the untouched one.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from maillab.grading.authoring.notebook import (
    Cell,
    Notebook,
    grade_id,
    is_answer,
    nbgrader,
    source_of,
)


@dataclass
class Answers:
    """What was found: sources by `grade_id`, and remarks."""

    sources: dict[str, str] = field(default_factory=dict[str, str])
    remarks: list[str] = field(default_factory=list[str])

    def missing(self, release: Notebook) -> list[str]:
        """The answer cells that are not there."""
        wanted = [grade_id(cell) for cell in release["cells"] if is_answer(cell)]
        return [name for name in wanted if name not in self.sources]


Finder = Callable[[Cell, Notebook, list[Cell]], list[Cell]]


def match_answers(release: Notebook, handed_in: list[Cell]) -> Answers:
    """Find the answers to a released notebook."""
    answers = Answers()
    left = [cell for cell in handed_in if cell["cell_type"] == "code"]
    for how, find in FINDERS.items():
        for cell in [cell for cell in release["cells"] if is_answer(cell)]:
            if grade_id(cell) in answers.sources:
                continue
            if found := find(cell, release, left):
                _take(answers, cell, found, how)
                left = [one for one in left if all(one is not f for f in found)]
    answers.remarks += [f"{name} is missing" for name in answers.missing(release)]
    return answers


def _take(answers: Answers, cell: Cell, found: list[Cell], how: str) -> None:
    name, stub = grade_id(cell), source_of(cell).strip()
    touched = [one for one in found if source_of(one).strip() != stub]
    answers.sources[name] = source_of((touched or found)[0])
    if how:
        answers.remarks.append(f"{name} was found by {how}")
    if len(found) > 1:
        which = "first that was changed" if touched else "first"
        answers.remarks.append(f"{name} occurs {len(found)} times: the {which} counts")


def by_name(cell: Cell, release: Notebook, left: list[Cell]) -> list[Cell]:
    """The cells with the same `grade_id`."""
    return [one for one in left if grade_id(one) == grade_id(cell)]


def by_cell_id(cell: Cell, release: Notebook, left: list[Cell]) -> list[Cell]:
    """The nameless cells with the same id."""
    return [one for one in left if not grade_id(one) and one.get("id") == cell["id"]]


def by_first_line(cell: Cell, release: Notebook, left: list[Cell]) -> list[Cell]:
    """The nameless cells that begin with `# answer 1.1` or `# 1.1`."""
    number = grade_id(cell).removeprefix("answer-").replace("-", "[.-]")
    marker = re.compile(rf"\s*#+\s*(answer|exercise)?[ -]*{number}\b", re.IGNORECASE)
    return [one for one in left if not grade_id(one) and marker.match(source_of(one))]


def by_place(cell: Cell, release: Notebook, left: list[Cell]) -> list[Cell]:
    """The first unknown cell between the locked cells that stand around `cell`."""
    known = {source_of(one).strip() for one in release["cells"]}
    place = release["cells"].index(cell)
    before = [grade_id(c) for c in release["cells"][:place] if is_locked(c)]
    after = [grade_id(c) for c in release["cells"][place:] if is_locked(c)]
    names = [grade_id(one) for one in left]
    if not before or not after or not {before[-1], after[0]} <= set(names):
        return []
    between = left[names.index(before[-1]) + 1 : names.index(after[0])]
    new = [one for one in between if source_of(one).strip() not in known]
    return [one for one in new if not grade_id(one)][:1]


def is_locked(cell: Cell) -> bool:
    """The grader puts this cell back."""
    return cell["cell_type"] == "code" and bool(nbgrader(cell).get("locked"))


FINDERS: dict[str, Finder] = {
    "": by_name,
    "its cell id": by_cell_id,
    "its first line": by_first_line,
    "its place between two locked cells": by_place,
}
