"""Grade many submissions: `maillab grade`.

Goes in: `Wishes`. Comes out: results on the disk, and a `Summary`.

Rule 1: a result is on the disk as soon as it is there: who stops loses what is at
        work.
Rule 2: the second time, only what changed is graded.
Rule 3: the seed is secret: answers of the public world are worth nothing.
"""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from maillab.grading.batch.handed_in import collect
from maillab.grading.batch.job import Job, Jobs, grade_job
from maillab.grading.batch.plan import (
    Assignment,
    Plan,
    Rules,
    Task,
    failed_result,
    make_plan,
    run_bundle,
    world_of,
)
from maillab.grading.batch.pool import Died, Pool
from maillab.grading.batch.progress import Progress
from maillab.grading.batch.results import Entry, Results, seed_of
from maillab.grading.results import Result
from maillab.grading.running import Limits
from maillab.grading.running.choosing import choose_jail, warn_of
from maillab.grading.running.docker import demand_image
from maillab.grading.running.limits import as_authored

FOR_THE_REFERENCE = 120.0  # seconds that it may take in a student's own world

Answers = Generator[tuple[int, Result | Died], None, None]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is graded, and how.

    lab          "01", the name of a lab, or the path of an instructor's notebook
    submissions  files, folders, zip files
    out          where results go
    seed_file    holds the secret; without one it is drawn once and kept in `out`
    per_student  a world for each student, or one for all
    limits       of each grading; the seconds are the author's
    seconds      for one cell, instead of the author's
    jobs         processes
    dask         address of a scheduler, or "": processes here
    """

    lab: str
    submissions: Sequence[Path]
    out: Path
    seed_file: Path | None = None
    per_student: bool = False
    limits: Limits = Limits()  # noqa: RUF009  (it is frozen)
    jobs: int = 1
    dask: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What was done.

    entries  of all submissions, sorted by student
    graded   how many of them now; the others were graded before
    remarks  what could not be read, links, damaged archives
    """

    entries: Sequence[Entry]
    graded: int
    remarks: Sequence[str]


def grade_all(wishes: Wishes, progress: Progress) -> Summary:
    """Grade what has to be graded. Raises LabError."""
    assignment = Assignment.find(wishes.lab)
    found = collect(wishes.submissions, assignment.wanted)
    results = Results(wishes.out)
    results.create()
    wishes = _with_jail(_with_seconds(wishes, assignment))
    rules = Rules(results.secret(wishes.seed_file), wishes.per_student, wishes.limits)
    plan = make_plan(assignment, found, rules, results)
    graded: dict[str, Entry] = {}
    with closing(_graded(assignment, plan, rules, wishes, progress)) as entries:
        for entry in entries:
            results.keep(entry)
            progress.graded(entry)
            graded[entry.result.student] = entry
    everybody = [*graded.values(), *plan.kept]
    everybody.sort(key=lambda entry: entry.result.student)
    return Summary(everybody, len(graded), found.remarks)


def _graded(
    assignment: Assignment,
    plan: Plan,
    rules: Rules,
    wishes: Wishes,
    progress: Progress,
) -> Generator[Entry, None, None]:
    """Each task's result, as they come."""
    progress.begin(len(plan.tasks) + len(plan.unreadable), len(plan.kept))
    yield from plan.unreadable
    if not plan.tasks:
        return
    seed = seed_of(rules.secret, assignment.bare.number)
    bundle = world_of(assignment, seed)
    if not wishes.per_student:
        progress.say("running the reference in the secret world")
        bundle = run_bundle(bundle, assignment.file)
    jobs = Jobs(
        plan.tasks,
        bundle,
        not wishes.per_student,
        assignment.file.name,
        wishes.limits,
    )
    with closing(_answers(jobs, wishes)) as answers:
        for number, answer in answers:
            task = plan.tasks[number]
            yield task.entry(_result(answer, assignment, task))


def _answers(jobs: Jobs, wishes: Wishes) -> Answers:
    if wishes.dask:
        from maillab.grading.batch.on_dask import grade_on_dask

        yield from grade_on_dask(wishes.dask, jobs)
        return
    patience = 2 * wishes.limits.notebook + FOR_THE_REFERENCE
    count = max(1, min(wishes.jobs, len(jobs)))
    yield from Pool[Job, Result](grade_job, count, patience).run(jobs)


def _result(answer: Result | Died, assignment: Assignment, task: Task) -> Result:
    """What a worker found; if workers died of it, that."""
    if isinstance(answer, Result):
        return answer
    bare = world_of(assignment, task.seed)
    return failed_result(bare, task.submission(), answer.why, "killed")


def _with_seconds(wishes: Wishes, assignment: Assignment) -> Wishes:
    limits = as_authored(wishes.limits, assignment.bare.notebook)
    return replace(wishes, limits=replace(limits, cell=wishes.seconds or limits.cell))


def _with_jail(wishes: Wishes) -> Wishes:
    """With the jail that there is, of which it is told once."""
    if wishes.dask:
        from maillab.grading.batch.on_dask import choose_jail_on_dask

        jail = choose_jail_on_dask(wishes.dask, wishes.limits.jail)
    else:
        jail = choose_jail(wishes.limits.jail)
        if jail == "docker":
            demand_image(wishes.limits.image)
    warn_of(jail)
    return replace(wishes, limits=replace(wishes.limits, jail=jail))
