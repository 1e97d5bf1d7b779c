"""Grading on a Dask cluster: the same results, whoever dies meanwhile."""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from maillab.errors import LabError
from maillab.grading.batch.batch import Wishes, grade_all
from maillab.grading.batch.progress import Progress
from maillab.grading.batch.results import Entry
from tests.grading.small_class import HALF, PUBLIC, RIGHT, a_class, told, wishes

distributed: Any = pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # those of Dask are not ours
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two processes on this computer, each with a nanny that starts another one."""
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        dashboard_address=None,
        scheduler_port=0,
        worker_class=distributed.Nanny,
    ) as found:
        yield found


def class_of(tmp_path: Path, count: int) -> Wishes:
    kinds = [RIGHT, HALF, PUBLIC]
    students = {f"s{number}": kinds[number % 3] for number in range(count)}
    secret = tmp_path / "secret"
    secret.write_text("the same for both", "utf-8")
    folder = a_class(tmp_path / "in", **students)
    return wishes(tmp_path, folder, seed_file=secret, jobs=2)


def results(wanted: Wishes, out: str, **more: Any) -> list[dict[str, Any]]:
    """All that is known, but for the seconds that it took."""
    place = replace(wanted, out=wanted.out / out)
    progress = more.pop("progress", Progress())
    summary = grade_all(replace(place, **more), progress)
    return list(map(told, summary.entries))


def test_results_are_those_of_processes_here(cluster: Any, tmp_path: Path) -> None:
    wanted = class_of(tmp_path, 4)
    here = results(wanted, "here")
    assert [one["points"] for one in here] == [4, 2, 0, 4]
    assert results(wanted, "there", dask=cluster.scheduler_address) == here


def test_worlds_of_their_own_are_run_by_the_workers(
    cluster: Any, tmp_path: Path
) -> None:
    wanted = replace(class_of(tmp_path, 3), per_student=True)
    found = results(wanted, "there", dask=cluster.scheduler_address)
    assert [one["points"] for one in found] == [4, 2, 0]
    assert len({one["reference"] for one in found}) == 3


class Killer(Progress):
    """Kills a worker when the first result has come."""

    def __init__(self, process: Callable[[], int]) -> None:
        self.process = process
        self.killed = 0

    def graded(self, entry: Entry) -> None:
        if not self.killed:
            self.killed = self.process()
            os.kill(self.killed, signal.SIGKILL)


def test_a_killed_worker_loses_nothing(cluster: Any, tmp_path: Path) -> None:
    wanted = class_of(tmp_path, 6)
    killer = Killer(lambda: next(iter(cluster.workers.values())).pid)
    found = results(wanted, "killed", dask=cluster.scheduler_address, progress=killer)
    assert killer.killed
    assert found == results(wanted, "quiet")


def test_a_cluster_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no scheduler answers"):
        results(class_of(tmp_path, 1), "x", dask="tcp://127.0.0.1:1")


def test_an_address_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no scheduler answers"):
        results(class_of(tmp_path, 1), "x", dask="nonsense://x")
