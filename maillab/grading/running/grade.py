"""Grade a student's notebook.

    python -m maillab.grading.running.grade SUBMISSION.ipynb [--seed SEED]

Goes in: a notebook that somebody handed in. Comes out: a `Result`, as text or as JSON.

The instructor's notebook is the authority: only the student's answer cells, found by
their `grade_id`, are put into it. nbval runs that in a fresh process; what the checks
show must be what they showed in the reference run.

Rule 1: expected evidence never enters the process that runs the student's code.
Rule 2: a reference whose checks were never run is refused.
Rule 3: with another seed than the public one, the reference is run again first: who
        wrote down the answers of the public world gets nothing for them.

There is no jail yet: grade only what you would run yourself.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from maillab.errors import LabError
from maillab.grading.authoring.build import executed, kernel_environment
from maillab.grading.authoring.notebook import (
    Cell,
    Notebook,
    grade_id,
    has_passed,
    is_answer,
    is_check,
    mapped,
    nbgrader,
    read,
    source_of,
    write,
)
from maillab.grading.lab import PUBLIC_SEED

INSTRUCTOR = Path("notebooks/instructor")
CELL_TIMEOUT = 20.0  # seconds
TIMEOUT = 300.0  # seconds for the whole notebook
MISSING = "raise NotImplementedError('this answer cell is missing in the notebook')"


@dataclass(frozen=True, slots=True)
class Graded:
    """One check: its id, its points, how it ended, what it said.

    outcome  pass, fail, error, timeout, not-run
    """

    id: str
    points: int
    of: int
    outcome: str
    feedback: str


@dataclass(frozen=True, slots=True)
class Result:
    """A graded notebook. `remarks` tell of missing and of double answer cells."""

    notebook: str
    seed: str
    checks: tuple[Graded, ...]
    remarks: tuple[str, ...] = ()

    @property
    def points(self) -> int:
        """What was reached."""
        return sum(check.points for check in self.checks)

    @property
    def of(self) -> int:
        """What could have been reached."""
        return sum(check.of for check in self.checks)

    def to_json(self) -> str:
        """All of it, for a program."""
        whole = {**asdict(self), "points": self.points, "of": self.of}
        return json.dumps(whole, indent=1, ensure_ascii=False)

    def text(self) -> str:
        """All of it, for a person."""
        rows = [f"{self.notebook}: {self.points} of {self.of} points", *self.remarks]
        for check in self.checks:
            rows.append(f"{check.id}: {check.outcome}, {check.points}/{check.of}")
            rows += [f"    {row}" for row in check.feedback.splitlines()]
        return "\n".join(rows)


def grade(
    submission: Path,
    reference: Path | None = None,
    seed: str = PUBLIC_SEED,
    *,
    cell_timeout: float = CELL_TIMEOUT,
) -> Result:
    """Grade a notebook against the instructor's. Raises LabError."""
    students = read(submission)
    file = reference or find_reference(students, submission)
    instructors = read(file)
    if seed != PUBLIC_SEED:
        instructors = executed(instructors, seed)
    demand_evidence(instructors, file)
    grafted, remarks = graft(instructors, students)
    told = run_nbval(grafted, seed, cell_timeout)
    checks = [judge(c, told) for c in instructors["cells"] if is_check(c)]
    return Result(submission.name, seed, tuple(checks), tuple(remarks))


def find_reference(students: Notebook, submission: Path) -> Path:
    """The instructor's notebook with the same answer cells. Raises LabError."""
    handed_in = {grade_id(cell) for cell in students["cells"] if is_answer(cell)}
    for file in sorted(INSTRUCTOR.glob("*.ipynb")):
        wanted = {grade_id(cell) for cell in read(file)["cells"] if is_answer(cell)}
        if wanted & handed_in:
            return file
    raise LabError(
        f"{submission}: no reference in {INSTRUCTOR} has its answer cells; "
        f"name one with --reference FILE"
    )


def demand_evidence(instructors: Notebook, file: Path) -> None:
    """Raise LabError when a check shows no evidence of a right answer."""
    for cell in instructors["cells"]:
        if is_check(cell) and not has_passed(cell):
            raise LabError(
                f"{file}: {grade_id(cell)} was never run, or its solution fails; "
                f"type python -m maillab.grading.authoring.build"
            )


def graft(instructors: Notebook, students: Notebook) -> tuple[Notebook, list[str]]:
    """The instructor's notebook with the student's answers, and what was remarkable."""
    answers: dict[str, str] = {}
    remarks: list[str] = []
    for cell in students["cells"]:
        if not is_answer(cell):
            continue
        if grade_id(cell) in answers:
            remarks.append(f"{grade_id(cell)} occurs twice: the first one counts")
        answers.setdefault(grade_id(cell), source_of(cell))
    missing = {grade_id(c) for c in instructors["cells"] if is_answer(c)} - set(answers)
    remarks += [f"{name} is missing" for name in sorted(missing)]

    def grafted(cell: Cell) -> Cell:
        if is_answer(cell):
            cell["source"] = answers.get(grade_id(cell), MISSING)
            cell["outputs"] = []
        return cell

    return mapped(instructors, grafted), remarks


def judge(cell: Cell, told: dict[str, Any]) -> Graded:
    """The points of one check."""
    name, of = grade_id(cell), int(nbgrader(cell).get("points", 0))
    found = told.get(name, {"outcome": "not-run", "feedback": ""})
    points = of if found["outcome"] == "pass" else 0
    return Graded(name, points, of, found["outcome"], found["feedback"])


# nbval --------------------------------------------------------------------------------


def run_nbval(notebook: Notebook, seed: str, cell_timeout: float) -> dict[str, Any]:
    """Run a notebook in a fresh process; what its cells told, by `grade_id`."""
    with (
        tempfile.TemporaryDirectory() as desk,
        tempfile.TemporaryDirectory() as drawer,
    ):
        file, result = Path(desk) / "notebook.ipynb", Path(drawer) / "result.json"
        config = Path(drawer) / "pytest.ini"
        config.write_text("[pytest]\n")
        write(notebook, file)
        command = [
            *(sys.executable, "-m", "pytest", "-q", "--tb=no", "-c", str(config)),
            *("-p", "maillab.grading.running.faststart", "-p", "nbval.plugin"),
            *("-p", "maillab.grading.running.nbval_points", "-p", "no:cacheprovider"),
            f"--rootdir={desk}",
            f"--nbval-cell-timeout={cell_timeout}",
            f"--maillab-result={result}",
            str(file),
        ]
        run_limited(command, seed)
        return json.loads(result.read_text("utf-8")) if result.exists() else {}


def run_limited(command: list[str], seed: str) -> None:
    """Run a command, with all that it starts, for a limited time."""
    variables = kernel_environment(seed) | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    process = subprocess.Popen(
        command,
        env=os.environ | variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(TIMEOUT)
    except subprocess.TimeoutExpired:
        kill_all(process)


def kill_all(process: "subprocess.Popen[bytes]") -> None:
    """End a process and those that it started."""
    if sys.platform == "win32":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m maillab.grading.running.grade")
    parser.add_argument("submission", type=Path)
    parser.add_argument("--reference", type=Path, help="the instructor's notebook")
    parser.add_argument("--seed", default=PUBLIC_SEED, help="of the world to grade in")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    try:
        result = grade(options.submission, options.reference, options.seed)
    except LabError as error:
        print(error, file=sys.stderr)
        return 2
    print(result.to_json() if options.json else result.text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
