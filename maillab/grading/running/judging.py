"""From cells that ran to the results of checks.

Goes in: the reference's check cells, and how the cells of a submission ended. Comes
out: a `CheckResult` for each check.

Rule 1: the evidence decides. A check that failed behind an answer that ended badly has
        the ending of the answer.
Rule 2: what is told of the student's own process is text of the student: it is cut to a
        length and holds no seed.
"""

from collections.abc import Iterable
from typing import Any

from maillab.grading.authoring.notebook import (
    Cell,
    grade_id,
    is_answer,
    is_check,
    nbgrader,
    ours,
)
from maillab.grading.lab import PUBLIC_SEED
from maillab.grading.results import CheckResult, Ending, PartResult
from maillab.grading.running.cells import CellRun, parts_of, shown_verdict

MOST_FEEDBACK = 2_000  # characters
MOST_REASON = 600
REASONS = ("expected", "found", "why", "packets", "see", "perhaps")
BAD: tuple[Ending, ...] = ("timeout", "killed", "output-limit", "error")
DIFFERENT = {
    "expected": "what a right answer leaves behind in this world",
    "found": "something else",
    "perhaps": "a value is written down that is another one in other worlds",
}
OF_ENDING = {
    "timeout": "it took too long",
    "killed": "the kernel died",
    "output-limit": "it said more than is read",
    "error": "the check could not be made",
    "not-run": "it was not run",
    "missing": "the answer cell is missing",
}


def not_judged(cells: Iterable[Cell], ending: Ending) -> list[CheckResult]:
    """No points for any check."""
    return [
        CheckResult(
            exercise_of(cell), grade_id(cell), ending, tuple(_lost(cell, ending))
        )
        for cell in cells
        if is_check(cell)
    ]


def judge(runs: list[CellRun], missing: Iterable[str], seed: str) -> list[CheckResult]:
    """The results of all checks, in the order of the notebook."""
    results: list[CheckResult] = []
    answers: list[CellRun] = []  # since the last check
    gone = set(missing)
    for run in runs:
        if is_answer(run.cell):
            answers.append(run)
        elif is_check(run.cell):
            results.append(_judged(run, answers, ending_of(run, answers, gone), seed))
            answers = []
    return results


def ending_of(run: CellRun, answers: list[CellRun], gone: set[str]) -> Ending:
    """How a check ended: the evidence first, then the answers before it."""
    if run.ending == "pass":
        return "pass"
    if any(grade_id(answer.cell) in gone for answer in answers):
        return "missing"
    for answer in answers:
        if answer.ending in BAD:
            return answer.ending
    return run.ending


def _judged(
    run: CellRun, answers: list[CellRun], ending: Ending, seed: str
) -> CheckResult:
    said = "\n".join(filter(None, [*map(_complaint, answers), _said(run)]))
    return CheckResult(
        exercise_of(run.cell),
        grade_id(run.cell),
        ending,
        tuple(_parts(run, ending, seed)),
        cut(said, seed, MOST_FEEDBACK),
        round(run.seconds + sum(a.seconds for a in answers), 3),
    )


def cut(text: str, seed: str, length: int) -> str:
    """Text of a student, of a bounded length and without a secret seed."""
    secret = seed if seed != PUBLIC_SEED else ""
    told = text.encode("utf-8", "replace").decode()  # half a character is no text
    return (told.replace(secret, "…") if secret else told)[:length]


def _parts(run: CellRun, ending: Ending, seed: str) -> Iterable[PartResult]:
    shown = parts_of(run.outputs)
    for lost in _lost(run.cell, ending):
        if run.parts.get(lost.name):
            yield PartResult(lost.name, lost.title, lost.of, lost.of)
        elif reasons := _reasons(shown.get(lost.name, {}), seed):
            told = reasons | hint_of(run.cell)
            yield PartResult(lost.name, lost.title, 0, lost.of, told)
        else:
            yield lost


def _lost(cell: Cell, ending: Ending) -> Iterable[PartResult]:
    """All parts of a check, without points."""
    told = {"found": OF_ENDING[ending]} if ending in OF_ENDING else DIFFERENT
    parts = parts_of(cell["outputs"])
    for name, part in parts.items():
        of = int(part["points"]) if len(parts) > 1 else points_of(cell)
        yield PartResult(name, str(part["title"]), 0, of, told)


def _reasons(part: dict[str, Any], seed: str) -> dict[str, str]:
    """Why a part failed, in the words of the check; {} when it says it has passed."""
    told: Any = part.get("reasons")
    if part.get("passed") or not isinstance(told, dict):
        return {}
    return {
        name: cut(str(told[name]), seed, MOST_REASON)  # pyright: ignore
        for name in REASONS
        if isinstance(told.get(name), str)  # pyright: ignore
    }


def _complaint(run: CellRun) -> str:
    """How an answer cell ended, if badly."""
    if run.ending not in BAD:
        return ""
    why = run.why
    if run.ending == "error":
        why = "; ".join(_errors(run)) or "it could not be run"
    return f"the answer cell {grade_id(run.cell)} ended badly: {why}"


def _said(run: CellRun) -> str:
    """What a check cell said, and what went wrong with it."""
    texts = [
        str(output.get("data", {}).get("text/plain", ""))
        for output in run.outputs
        if output["output_type"] in {"display_data", "execute_result"}
    ]
    claims = run.ending == "fail" and shown_verdict(run.outputs).get("passed")
    notes = ["the evidence is not that of a right answer"] if claims else []
    if run.ending in BAD and run.ending != "error":
        notes.append(f"the check ended badly: {run.why}")
    return "\n".join(filter(None, [*texts, *_errors(run), *notes]))


def _errors(run: CellRun) -> list[str]:
    return [
        f"{output.get('ename', '')}: {output.get('evalue', '')}".strip(": ")
        for output in run.outputs
        if output["output_type"] == "error"
    ]


def hint_of(cell: Cell) -> dict[str, str]:
    """What the author says to whom a check fails, if anything."""
    hint = ours(cell).get("hint")
    return {"hint": str(hint)} if hint else {}


def points_of(cell: Cell) -> int:
    """What a check cell is worth."""
    return int(nbgrader(cell).get("points", 0))


def exercise_of(cell: Cell) -> str:
    """The exercise of a check: "1.1"."""
    shown = shown_verdict(cell["outputs"]).get("id")
    return str(shown or grade_id(cell).removeprefix("check-").replace("-", "."))
