"""What has to be graded: which submission, in which world, and what is done already.

Goes in: a reference, what was handed in, limits, a secret. Comes out: tasks, each with
a key.

Rule: the key is that of everything that could change the result: the submission, the
      reference, the lab, the seed, the limits, this version of maillab. The same key:
      nothing is graded again, unless it failed through no fault of the student.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from maillab import __version__
from maillab.errors import LabError
from maillab.grading.authoring.notebook import Notebook, grade_id, is_answer
from maillab.grading.authoring.settings import Settings
from maillab.grading.batch.handed_in import Collected, HandedIn, Wanted
from maillab.grading.batch.results import Entry, Results, seed_of
from maillab.grading.lab import NOTEBOOKS
from maillab.grading.results import CheckResult, Ending, PartResult, Result
from maillab.grading.running import Bundle, Limits, Submission, find_reference
from maillab.grading.running.bundle import read_reference, run_reference, title_of
from maillab.grading.running.grading import NOT_THEIRS
from maillab.grading.running.judging import not_judged, points_of
from maillab.world.files import find_scenario


@dataclass(frozen=True)
class Assignment:
    """What was to be done: the instructor's notebook, not yet run.

    file  the instructor's
    """

    file: Path
    bare: Bundle

    @classmethod
    def find(cls, which: str) -> "Assignment":
        """By number, name of the lab, or path. Raises LabError."""
        file = find_reference(which)
        notebook = with_settings(read_reference(file), file)
        return cls(file, Bundle(*title_of(notebook, file), notebook))

    @property
    def wanted(self) -> Wanted:
        """How one knows a submission of it."""
        answers = [grade_id(c) for c in self.bare.notebook["cells"] if is_answer(c)]
        return Wanted((self.file.stem, self.bare.number), answers)

    @cached_property
    def lab(self) -> str:
        """A digest of the files of its lab: world, zones, checks."""
        if self.bare.number not in NOTEBOOKS:
            return ""
        folder = find_scenario(NOTEBOOKS[self.bare.number]).parent
        files = [f for f in sorted(folder.rglob("*")) if f.is_file()]
        told = sha256()
        for file in files:
            if file.suffix != ".pyc":
                told.update(f"{file.relative_to(folder)}\0".encode())
                told.update(sha256(file.read_bytes()).digest())
        return told.hexdigest()


def with_settings(notebook: Notebook, file: Path) -> Notebook:
    """A reference with its settings; in a text they are not, but beside it."""
    beside = file.with_suffix(".toml")
    if file.suffix == ".ipynb" or not beside.is_file():
        return notebook
    metadata = {**notebook["metadata"], "maillab": Settings.read(beside).to_metadata()}
    return {**notebook, "metadata": metadata}


@dataclass(frozen=True, slots=True)
class Rules:
    """How it is graded.

    secret       from which seeds are made
    per_student  a world for each student, or one for all
    limits       of each grading
    """

    secret: str
    per_student: bool
    limits: Limits


@dataclass(frozen=True, slots=True)
class Task:
    """One submission to grade."""

    handed_in: HandedIn
    seed: str
    key: str

    def submission(self) -> Submission:
        """What is graded. Raises LabError when it cannot be read."""
        one = self.handed_in
        return Submission(one.author.student, one.file, one.content())

    def entry(self, result: Result) -> Entry:
        """A result, with what is known beside it."""
        one = self.handed_in
        remarks = (*one.remarks, *result.remarks)
        whole = replace(result, remarks=remarks)
        again = result.trouble.startswith(NOT_THEIRS)
        key = "" if again else self.key
        return Entry(whole, key, one.author.system, one.author.login)


@dataclass(frozen=True, slots=True)
class Plan:
    """Tasks, sorted by student; what is done; what cannot be read."""

    tasks: Sequence[Task]
    kept: Sequence[Entry]
    unreadable: Sequence[Entry]


def make_plan(
    assignment: Assignment, found: Collected, rules: Rules, results: Results
) -> Plan:
    """Look at each submission whether it has to be graded."""
    tasks: list[Task] = []
    kept: list[Entry] = []
    unreadable: list[Entry] = []
    for one in found.notebooks:
        student = one.author.student
        named = student if rules.per_student else ""
        seed = seed_of(rules.secret, assignment.bare.number, named)
        try:
            task = Task(one, seed, key_of(assignment, one.digest(), seed, rules.limits))
        except LabError as error:
            unreadable.append(_unreadable(assignment, one, seed, str(error)))
            continue
        before = results.find(assignment.bare.number, student)
        if before and before.key == task.key:
            kept.append(before)
        else:
            tasks.append(task)
    return Plan(tasks, kept, unreadable)


def key_of(assignment: Assignment, digest: str, seed: str, limits: Limits) -> str:
    """What the result depends on, as one word."""
    notebook = json.dumps(assignment.bare.notebook, sort_keys=True)
    facts = [notebook, assignment.lab, digest, seed, asdict(limits), __version__]
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def world_of(assignment: Assignment, seed: str) -> Bundle:
    """The reference with its seed, not yet run."""
    return replace(assignment.bare, seed=seed)


def run_bundle(bare: Bundle, file: Path) -> Bundle:
    """The reference, run in its world. Raises LabError.

    file  of the reference, for messages, and to see whether it was run ever
    """
    return replace(bare, notebook=run_reference(bare.notebook, bare.seed, file))


def failed_result(
    bundle: Bundle, submission: Submission, trouble: str, ending: Ending = "not-run"
) -> Result:
    """The result of what could not be graded."""
    return Result(
        student=submission.student,
        notebook=bundle.number,
        title=bundle.title,
        file=submission.file,
        digest=submission.digest,
        reference=bundle.fingerprint,
        jail="",
        checks=tuple(_no_points(bundle, ending)),
        trouble=trouble,
    )


def _no_points(bundle: Bundle, ending: Ending) -> Iterator[CheckResult]:
    """The checks, also of a reference that was never run and so shows no parts."""
    cells = bundle.notebook["cells"]
    worth = {grade_id(cell): points_of(cell) for cell in cells}
    for check in not_judged(cells, ending):
        whole = (PartResult("", "", 0, worth[check.grade_id]),)
        yield check if check.parts else replace(check, parts=whole)


def _unreadable(assignment: Assignment, one: HandedIn, seed: str, why: str) -> Entry:
    nothing = Submission(one.author.student, one.file, b"")
    result = failed_result(world_of(assignment, seed), nothing, why)
    return Entry(result, "", one.author.system, one.author.login)
