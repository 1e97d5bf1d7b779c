"""One job of a worker, here or on another computer.

Goes in: a `Job`: data, no paths of this computer. Comes out: a `Result`.

Rule: one job at a time in a process. A Dask worker with several threads waits.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import overload

from maillab.errors import LabError
from maillab.grading.batch.plan import Task, failed_result, run_bundle
from maillab.grading.results import Result
from maillab.grading.running import Bundle, Limits, Submission, grade_one

ALONE = Lock()  # what runs a notebook changes the environment of its process


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker needs.

    bundle  the reference; when it is not `ready`, it is run first
    origin  name of the reference's file
    """

    bundle: Bundle
    ready: bool
    origin: str
    submission: Submission
    limits: Limits


def grade_job(job: Job) -> Result:
    """Grade one submission, in a world of its own if need be."""
    with ALONE:
        try:
            bundle = job.bundle
            if not job.ready:
                bundle = run_bundle(bundle, Path(job.origin))
        except LabError as error:
            trouble = f"the reference does not work in this student's world: {error}"
            return failed_result(job.bundle, job.submission, trouble)
        return grade_one(bundle, job.submission, job.limits)


@dataclass(frozen=True, slots=True)
class Jobs(Sequence[Job]):
    """The jobs of tasks. A submission is read when its turn comes.

    bundle  that of all, run already; or one to be run for each seed
    """

    tasks: Sequence[Task]
    bundle: Bundle
    ready: bool
    origin: str
    limits: Limits

    def __len__(self) -> int:
        return len(self.tasks)

    @overload
    def __getitem__(self, index: int) -> Job: ...
    @overload
    def __getitem__(self, index: slice) -> list[Job]: ...
    def __getitem__(self, index: int | slice) -> Job | list[Job]:
        if isinstance(index, slice):
            return [self._job(task) for task in self.tasks[index]]
        return self._job(self.tasks[index])

    def __iter__(self) -> Iterator[Job]:
        return map(self._job, self.tasks)

    def _job(self, task: Task) -> Job:
        bundle = self.bundle if self.ready else replace(self.bundle, seed=task.seed)
        return Job(bundle, self.ready, self.origin, task.submission(), self.limits)
