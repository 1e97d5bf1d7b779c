"""Processes that grade: they stay for many submissions, and may die of one.

Goes in: jobs, and a function. Comes out: for each job what the function returned, or
`Died`, as they end.

Rule 1: who dies takes one job along, and everybody knows which: that job is tried once
        more, in a fresh process, and then given up.
Rule 2: a process that grades for too long is ended; so is one that has done enough.
Rule 3: when the work ends, however it ends, so do the processes.
"""

import contextlib
import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

LIFE = 50  # jobs, then a fresh process: what leaks, leaks no further
TRIES = 2
GRACE = 5.0  # seconds in which a process may clear up
START = 120.0  # seconds in which one must have started

Job = TypeVar("Job")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Died:
    """A job at which processes died: why."""

    why: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The first that a process says."""


@dataclass(slots=True)
class Worker(Generic[Job]):
    """A process, and what it is at."""

    process: BaseProcess
    pipe: Any  # its class is another one on each system
    done: int = 0
    at: int | None = None  # number of the job
    until: float = 0.0
    ready: bool = False


@dataclass(slots=True)
class Pool(Generic[Job, Answer]):
    """So many processes that apply `function`, which a module has to have.

    count     of processes
    patience  seconds for one job; starting is not counted
    life      jobs of a process
    """

    function: Callable[[Job], Answer]
    count: int
    patience: float
    life: int = LIFE
    workers: list[Worker[Job]] = field(default_factory=list[Worker[Job]])

    def run(
        self, jobs: Sequence[Job]
    ) -> Generator[tuple[int, Answer | Died], None, None]:
        """The number of a job, and what became of it, as they end."""
        waiting = deque(range(len(jobs)))
        tries = [0] * len(jobs)
        try:
            while waiting or any(w.at is not None for w in self.workers):
                self._give(jobs, waiting)
                for number, answer in self._hear():
                    tries[number] += 1
                    if isinstance(answer, Died) and tries[number] < TRIES:
                        waiting.appendleft(number)
                    else:
                        yield number, answer
        finally:
            self.close()

    def close(self) -> None:
        """End all processes: they may clear up, for a while."""
        for worker in self.workers:
            worker.pipe.close()
            if worker.at is not None:
                worker.process.terminate()
        until = time.monotonic() + GRACE
        for worker in self.workers:
            worker.process.join(max(0.0, until - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self.workers.clear()

    # Inside ---------------------------------------------------------------------------

    def _give(self, jobs: Sequence[Job], waiting: deque[int]) -> None:
        """Give each process that is free a job; start those that are missing."""
        free = [worker for worker in self.workers if worker.at is None]
        while waiting and (free or len(self.workers) < self.count):
            worker = free.pop() if free else self._start()
            number = waiting.popleft()
            seconds = self.patience if worker.ready else START
            worker.at, worker.until = number, time.monotonic() + seconds
            with contextlib.suppress(BrokenPipeError, ConnectionError):
                worker.pipe.send(
                    jobs[number]
                )  # if it died meanwhile, `_hear` finds out

    def _start(self) -> Worker[Job]:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=work, args=(self.function, theirs), daemon=True
        )
        process.start()
        theirs.close()  # so that its death is the end of the pipe
        worker = Worker[Job](process, ours)
        self.workers.append(worker)
        return worker

    def _hear(self) -> Iterator[tuple[int, Any]]:
        """What has come meanwhile; waits until something does."""
        busy = [worker for worker in self.workers if worker.at is not None]
        soonest = min(worker.until for worker in busy) - time.monotonic()
        ready = wait([worker.pipe for worker in busy], max(0.0, soonest))
        for worker in busy:
            number = worker.at
            assert number is not None
            if worker.pipe in ready:
                answer = self._answer(worker)
                if not isinstance(answer, Ready):
                    yield number, answer
            elif worker.until < time.monotonic():
                self._end(worker)
                yield number, Died(f"grading it took more than {self.patience:.0f} s")

    def _answer(self, worker: Worker[Job]) -> Any:
        try:
            answer = worker.pipe.recv()
        except (EOFError, OSError):
            self._end(worker)
            return Died(f"grading it ended the grader ({ending(worker.process)})")
        if isinstance(answer, Ready):
            worker.ready, worker.until = True, time.monotonic() + self.patience
            return answer
        worker.at, worker.done = None, worker.done + 1
        if worker.done >= self.life:
            self._end(worker)
        return answer

    def _end(self, worker: Worker[Job]) -> None:
        self.workers.remove(worker)
        worker.pipe.close()
        worker.process.join(GRACE if worker.at is None else 0.2)
        if worker.process.is_alive():
            worker.process.terminate()
            worker.process.join(GRACE)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


def ending(process: BaseProcess) -> str:
    """How a process ended, in words."""
    code = process.exitcode or 0
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


# In the process -----------------------------------------------------------------------


def work(function: Callable[[Any], Any], pipe: Any) -> None:
    """Apply the function to what comes, until nothing comes any more."""
    listen_to_the_parent()
    pipe.send(Ready())
    while True:
        try:
            job = pipe.recv()
        except (EOFError, OSError):
            return
        answer = function(job)
        try:
            pipe.send(answer)
        except (BrokenPipeError, ConnectionError):
            return


def listen_to_the_parent() -> None:
    """Ctrl-C is for the parent, which then ends us: so that we clear up first.

    A handler, and not SIG_IGN: kernels would inherit that, and could not be
    interrupted.
    """
    signal.signal(signal.SIGINT, _wait_for_the_parent)
    signal.signal(signal.SIGTERM, _leave)


def _wait_for_the_parent(*_: object) -> None:
    """It ends us, or closes the pipe."""


def _leave(*_: object) -> None:
    raise SystemExit(1)
