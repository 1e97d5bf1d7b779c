"""A student's own look: `maillab check-notebook`.

Goes in: a notebook that one is about to hand in. Comes out: what its checks say when
they are run as the grader runs them: in a fresh kernel, in the order of the notebook,
the answers put between the cells that were released.

Rule 1: no reference is needed, so nothing is compared: a check is believed. The grader
        believes none, and has another world.
Rule 2: there is no jail: it is one's own code, on one's own computer.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from maillab.errors import LabError
from maillab.grading.authoring.notebook import (
    Cell,
    Notebook,
    grade_id,
    is_answer,
    is_check,
    read,
    source_of,
)
from maillab.grading.batch.handed_in import read_some
from maillab.grading.lab import PUBLIC_SEED, SEED_VARIABLE
from maillab.grading.results import CheckResult
from maillab.grading.running import Limits
from maillab.grading.running.cells import CellRun, Run, parts_of
from maillab.grading.running.grading import graft
from maillab.grading.running.judging import judge
from maillab.grading.running.matching import Answers, is_locked, match_answers
from maillab.grading.running.parsing import parse
from maillab.world.files import PACKAGE

RELEASES = (PACKAGE / "_notebooks", PACKAGE.parent / "notebooks")  # see world.files


@dataclass(frozen=True, slots=True)
class Look:
    """What a notebook is worth.

    remarks  cells that were changed, are missing, or do not count
    """

    file: str
    checks: tuple[CheckResult, ...]
    remarks: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """All points."""
        return all(check.points == check.of for check in self.checks)

    def text(self) -> str:
        """The verdicts, the points, the remarks."""
        rows = [check.feedback or f"✗ {check.id}: no verdict" for check in self.checks]
        got = sum(check.points for check in self.checks)
        of = sum(check.of for check in self.checks)
        rows += ["", f"{self.file}: {got} of {of} points.", *self.remarks]
        return "\n".join(rows)


def look_at(file: Path, seconds: float) -> Look:
    """Run a notebook as the grader would; `seconds` for one cell. Raises LabError."""
    content = read_some(file)
    try:
        cells, remarks = parse(content)
    except LabError as error:
        raise LabError(f"{file}: {error}") from None
    release = release_of(cells, file)
    answers = match_answers(release, cells)
    seed = os.environ.get(SEED_VARIABLE) or PUBLIC_SEED
    limits = Limits(jail="none", cell=seconds)
    runs = Run(graft(release, answers), seed, limits).finish()
    for run in runs:
        if is_check(run.cell):
            believe(run)
    told = [*remarks, *answers.remarks, *changes(release, cells, answers)]
    checks = judge(runs, answers.missing(release), seed)
    return Look(file.name, tuple(checks), tuple(told))


def release_of(cells: list[Cell], file: Path) -> Notebook:
    """The notebook that students got, of which this is one. Raises LabError."""
    names = {grade_id(cell) for cell in cells}

    def known(release: Notebook) -> int:
        return sum(is_answer(c) and grade_id(c) in names for c in release["cells"])

    best = max(releases(), key=known, default=None)
    if best is None or not known(best):
        raise LabError(
            f"{file}: has no answer cell of a graded notebook; expected one of "
            f"those that maillab lab opens, such as 01-a-letter-by-hand.ipynb"
        )
    return best


def releases() -> Iterable[Notebook]:
    """All notebooks that students get."""
    for folder in RELEASES:
        for file in sorted(folder.glob("*.ipynb")):
            yield read(file)


def believe(run: CellRun) -> None:
    """Take what a check said for true, as nobody has anything to compare it with."""
    shown = parts_of(run.outputs)
    run.parts = {name: bool(part.get("passed")) for name, part in shown.items()}
    run.cell["outputs"] = run.outputs
    if run.ending in {"pass", "fail"}:
        run.ending = "pass" if shown and all(run.parts.values()) else "fail"


# What does not count ------------------------------------------------------------------


def changes(release: Notebook, cells: list[Cell], answers: Answers) -> Iterable[str]:
    """Which cells are others than those that were released, as sentences."""
    mine = {grade_id(cell): source_of(cell).strip() for cell in cells}
    locked = [cell for cell in release["cells"] if is_locked(cell)]
    gone = [grade_id(c) for c in locked if grade_id(c) not in mine]
    other = [
        grade_id(c)
        for c in locked
        if mine.get(grade_id(c), source_of(c).strip()) != source_of(c).strip()
    ]
    if other:
        yield f"Locked cells that you changed, and that were put back: {_list(other)}"
    if gone:
        yield f"Locked cells that are missing, and that were put back: {_list(gone)}"
    known = {source_of(c).strip() for c in release["cells"]} | {""}
    known |= {source.strip() for source in answers.sources.values()}
    own = [c for c in cells if c["cell_type"] == "code" and not grade_id(c)]
    count = sum(source_of(c).strip() not in known for c in own)
    if count:
        yield (
            f"Cells of your own, which the grader does not run: {count}. What an "
            f"answer needs must stand in an answer cell."
        )


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
