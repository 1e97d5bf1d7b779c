"""Grade one submission.

Goes in: a `Bundle`, a `Submission`, `Limits`. Comes out: a `Result`.

The instructor's notebook is the authority: only the student's answers are put into it.

Rule 1: expected evidence never enters the process that runs the student's code, nor a
        file; neither do solutions.
Rule 2: whatever is handed in, there is a result; only a wish for a jail that is not
        there raises an error.
Rule 3: what fails before an answer was run is not the student's fault, and says so.
"""

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from maillab.errors import LabError
from maillab.grading.authoring.notebook import (
    Cell,
    Notebook,
    grade_id,
    is_answer,
    is_check,
    source_of,
)
from maillab.grading.results import CheckResult, Ending, Result
from maillab.grading.running.bundle import Bundle, complaint
from maillab.grading.running.choosing import choose_jail, warn_of
from maillab.grading.running.limits import Limits
from maillab.grading.running.matching import Answers, match_answers
from maillab.grading.running.parsing import parse
from maillab.grading.running.submission import Submission

if TYPE_CHECKING:
    from maillab.grading.running.cells import CellRun

DEFAULT = Limits()
NOT_THEIRS = "not the student's fault: "  # how such trouble begins


def grade_one(
    bundle: Bundle, submission: Submission, limits: Limits = DEFAULT
) -> Result:
    """Grade one submission: data in, data out, all of it can be pickled.

    Raises LabError when a jail was named that does not work here.
    """
    limits = replace(limits, jail=choose_jail(limits.jail))
    warn_of(limits.jail)
    began = time.monotonic()
    remarks: list[str] = []
    trouble = ""
    try:
        cells, remarks = parse(submission.content)
        answers = match_answers(bundle.release, cells)
        remarks += answers.remarks
        demand_an_answer(bundle, answers)
        checks = checks_of(bundle, answers, limits)
    except LabError as error:
        trouble = str(error)
        checks = no_checks(bundle, "not-run")
    return Result(
        student=submission.student,
        notebook=bundle.number,
        title=bundle.title,
        file=submission.file,
        digest=submission.digest,
        reference=bundle.fingerprint,
        jail=limits.jail,
        checks=tuple(checks),
        remarks=tuple(remarks),
        trouble=trouble,
        seconds=round(time.monotonic() - began, 3),
    )


def demand_an_answer(bundle: Bundle, answers: Answers) -> None:
    """Raise LabError when a notebook has none of the answer cells."""
    if not answers.sources:
        raise LabError(
            f"no answer cell of notebook {bundle.number} ({bundle.title}) was found: "
            f"is this another notebook?"
        )


def checks_of(bundle: Bundle, answers: Answers, limits: Limits) -> list[CheckResult]:
    """Run a notebook and judge it. Raises LabError when no kernel starts."""
    from maillab.grading.running.cells import Run
    from maillab.grading.running.judging import MOST_REASON, cut, judge

    grafted = graft(bundle.notebook, answers)
    try:
        runs = Run(grafted, bundle.seed, limits).finish()
        demand_a_beginning(runs)
    except LabError as error:
        why = cut(str(error), bundle.seed, MOST_REASON)
        raise LabError(f"{NOT_THEIRS}{why}; grade again") from error
    return judge(runs, answers.missing(bundle.release), bundle.seed)


def demand_a_beginning(runs: "list[CellRun]") -> None:
    """Raise LabError when a cell before the first answer ended badly.

    It must have a reason of its own: after a kill these cells are run again, and what
    goes wrong then is no longer ours.
    """
    for run in runs:
        if is_answer(run.cell):
            return
        if run.ending != "pass" and run.why and not is_check(run.cell):
            name = grade_id(run.cell) or source_of(run.cell).partition("\n")[0]
            why = complaint(run.outputs) or run.why
            raise LabError(f"the cell {name!r} ended in {run.ending}: {why}")


def no_checks(bundle: Bundle, ending: Ending) -> list[CheckResult]:
    """The checks of a notebook that was not run."""
    from maillab.grading.running.judging import not_judged

    return not_judged(bundle.notebook["cells"], ending)


def graft(reference: Notebook, answers: Answers) -> list[Cell]:
    """The reference's cells with the student's answers; "" where one is missing."""
    return [
        {**cell, "source": answers.sources.get(grade_id(cell), ""), "outputs": []}
        if is_answer(cell)
        else cell
        for cell in reference["cells"]
    ]
