"""Processes that grade: who dies takes one job along, which is tried once more."""

import multiprocessing
from pathlib import Path

import pytest

from maillab.grading.batch.pool import Died, Pool
from tests.grading.pool_jobs import do

pytestmark = pytest.mark.slow  # processes start

Pooled = Pool[str, str]


def ran(pool: Pooled, *jobs: str) -> dict[int, str | Died]:
    """What became of each job; afterwards no process is left."""
    found = dict(pool.run(jobs))
    assert not multiprocessing.active_children()
    return found


def test_every_job_is_answered() -> None:
    found = ran(Pooled(do, 2, 60), *map(str, range(9)))
    assert sorted(found) == list(range(9))
    answers = [str(found[number]).split() for number in range(9)]
    assert [job for job, _ in answers] == list(map(str, range(9)))
    assert len({process for _, process in answers}) <= 2


def test_a_job_that_kills_its_process_twice_is_given_up() -> None:
    found = ran(Pooled(do, 2, 60), "a", "die", "b", "leave", "c")
    assert found[1] == Died("grading it ended the grader (SIGKILL)")
    assert found[3] == Died("grading it ended the grader (exit code 3)")
    assert all(isinstance(found[number], str) for number in (0, 2, 4))


def test_a_job_whose_process_was_killed_once_is_done(tmp_path: Path) -> None:
    found = ran(Pooled(do, 1, 60), f"die-once {tmp_path / 'mark'}", "b")
    assert all(isinstance(answer, str) for answer in found.values())


def test_a_job_that_never_ends_is_ended() -> None:
    found = ran(Pooled(do, 2, 1.0), "hang", "b")
    assert found[0] == Died("grading it took more than 1 s")
    assert isinstance(found[1], str)


def test_a_process_lives_for_so_many_jobs() -> None:
    found = ran(Pooled(do, 1, 60, life=2), *map(str, range(4)))
    assert len({str(answer).split()[1] for answer in found.values()}) == 2


def test_who_stops_half_way_leaves_no_process() -> None:
    answers = Pooled(do, 2, 60).run(["a", "hang", "hang"])
    assert next(answers)[0] == 0
    assert multiprocessing.active_children()
    answers.close()
    assert not multiprocessing.active_children()
