"""Many submissions: graded once, all of them, whoever dies meanwhile."""

import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from maillab.errors import LabError
from maillab.grading.batch.batch import Wishes, _with_seconds, grade_all
from maillab.grading.batch.handed_in import collect
from maillab.grading.batch.plan import (
    Assignment,
    Plan,
    Rules,
    failed_result,
    make_plan,
)
from maillab.grading.batch.progress import Progress
from maillab.grading.batch.results import Entry, Results, seed_of
from maillab.grading.running import Limits
from maillab.grading.running.grading import NOT_THEIRS
from tests.grading.small_class import (
    HALF,
    PUBLIC,
    RIGHT,
    Noted,
    a_class,
    hand_in,
    points,
    told,
    wishes,
)

LIMITS = Limits(jail="none")
THREE = {"ann": RIGHT, "bob": HALF, "cat": PUBLIC}


@pytest.fixture
def three(tmp_path: Path) -> Wishes:
    """A class of three: right, half right, answers of the public world."""
    return wishes(tmp_path, a_class(tmp_path / "in", **THREE))


# What has to be graded ----------------------------------------------------------------


def plan(wanted: Wishes, secret: str = "not public", limits: Limits = LIMITS) -> Plan:
    assignment = Assignment.find(wanted.lab)
    found = collect(wanted.submissions, assignment.wanted)
    rules = Rules(secret, wanted.per_student, limits)
    return make_plan(assignment, found, rules, Results(wanted.out))


def keep_all(wanted: Wishes, planned: Plan) -> None:
    """As if all of it had been graded."""
    bundle = Assignment.find(wanted.lab).bare
    for task in planned.tasks:
        result = failed_result(bundle, task.submission(), "graded")
        Results(wanted.out).keep(task.entry(result))


def names(planned: Plan) -> list[str]:
    return [task.handed_in.author.student for task in planned.tasks]


def test_everything_is_graded_once(three: Wishes) -> None:
    assert names(plan(three)) == ["ann", "bob", "cat"]
    keep_all(three, plan(three))
    again = plan(three)
    assert not again.tasks
    assert [entry.result.student for entry in again.kept] == ["ann", "bob", "cat"]


def test_only_what_changed_is_graded_again(three: Wishes) -> None:
    keep_all(three, plan(three))
    hand_in(three.submissions[0] / "bob" / "91-sums.ipynb", **RIGHT)
    assert names(plan(three)) == ["bob"]


def test_other_rules_mean_another_grading(three: Wishes) -> None:
    keep_all(three, plan(three))
    assert len(plan(three, "another secret").tasks) == 3
    assert len(plan(three, limits=replace(LIMITS, cell=1.0)).tasks) == 3
    assert len(plan(replace(three, per_student=True)).tasks) == 3


def test_another_reference_means_another_grading(three: Wishes) -> None:
    keep_all(three, plan(three))
    file = Path(three.lab)
    file.write_text(file.read_text("utf-8").replace("points=2", "points=3"), "utf-8")
    assert len(plan(three).tasks) == 3


def test_another_lab_means_another_grading() -> None:
    """A lab's checks count, too; they stand in no notebook."""
    assert len(Assignment.find("01").lab) == 64
    assert Assignment.find("letter-by-hand").lab == Assignment.find("01").lab


def test_one_world_or_one_for_each(three: Wishes) -> None:
    assert len({task.seed for task in plan(three).tasks}) == 1
    assert (
        len({task.seed for task in plan(replace(three, per_student=True)).tasks}) == 3
    )


def test_seeds_are_not_the_secret(three: Wishes) -> None:
    assert not {t.seed for t in plan(three, "not public").tasks} & {"not public"}


def test_what_cannot_be_read_has_a_result_that_says_so(three: Wishes) -> None:
    broken = three.submissions[0] / "dan" / "91-sums.zip"
    broken.parent.mkdir()
    content = encrypted(b"x" * 100)
    broken.write_bytes(content)
    (entry,) = plan(three).unreadable
    assert entry.result.student == "dan"
    assert "encrypted" in entry.result.trouble
    assert (entry.result.points, entry.result.of) == (0, 4)


def encrypted(content: bytes) -> bytes:
    """A zip file with the flag of encryption set."""
    import zipfile
    from io import BytesIO

    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("91-sums.ipynb", content)
    octets = bytearray(stream.getvalue())
    octets[6] |= 1
    octets[octets.index(b"PK\x01\x02") + 8] |= 1
    return bytes(octets)


def test_a_lab_that_is_not_there_is_an_error(three: Wishes) -> None:
    with pytest.raises(LabError, match="99"):
        grade_all(replace(three, lab="99"), Progress())


# Graded -------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_class_is_graded_in_the_order_of_names(three: Wishes, tmp_path: Path) -> None:
    noted = Noted()
    summary = grade_all(replace(three, jobs=2), noted)
    assert points(tmp_path) == {"ann": 4, "bob": 2, "cat": 0}
    assert [e.result.student for e in summary.entries] == ["ann", "bob", "cat"]
    assert (summary.graded, sorted(noted.names)) == (3, ["ann", "bob", "cat"])
    again = grade_all(replace(three, jobs=2), noted)
    assert (again.graded, noted.counts) == (0, (0, 3))
    assert again.entries == summary.entries


@pytest.mark.slow
def test_each_student_can_have_a_world_of_their_own(
    three: Wishes, tmp_path: Path
) -> None:
    grade_all(replace(three, per_student=True, jobs=2), Progress())
    assert points(tmp_path) == {"ann": 4, "bob": 2, "cat": 0}
    entries = Results(three.out).entries()
    assert len({entry.result.reference for entry in entries}) == 3


@pytest.mark.slow
def test_the_seed_stands_nowhere_but_in_its_file(three: Wishes) -> None:
    printing = {
        "answer-91-1": "print(seed)\nx = seed",
        "answer-91-2": "raise Exception(seed)",
    }
    hand_in(three.submissions[0] / "dan" / "91-sums.ipynb", **printing)
    grade_all(three, Progress())
    secret = (three.out / "secret-seed").read_text().strip()
    world = seed_of(secret, "91")
    for file in three.out.rglob("*.json"):
        assert secret not in file.read_text("utf-8")
        assert world not in file.read_text("utf-8")


class Killer(Progress):
    """Kills the processes that grade, when the first result has come."""

    def __init__(self) -> None:
        self.killed = 0

    def graded(self, entry: Entry) -> None:
        if not self.killed:
            for process in multiprocessing.active_children():
                os.kill(process.pid or 0, signal.SIGKILL)
                self.killed += 1


@pytest.mark.slow
def test_killed_processes_lose_nothing(tmp_path: Path) -> None:
    students = {f"s{number}": RIGHT if number % 2 else HALF for number in range(6)}
    wanted = wishes(tmp_path, a_class(tmp_path / "in", **students), jobs=2)
    killer = Killer()
    killed = grade_all(wanted, killer)
    assert killer.killed == 2
    secret = {"seed_file": wanted.out / "secret-seed", "out": tmp_path / "quiet"}
    quiet = grade_all(replace(wanted, **secret), Progress())
    assert list(map(told, killed.entries)) == list(map(told, quiet.entries))


class Stopping(Progress):
    """Ctrl-C when the second result has come."""

    count = 0

    def graded(self, entry: Entry) -> None:
        self.count += 1
        if self.count == 2:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_who_stops_half_way_goes_on_where_it_was(three: Wishes, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        grade_all(three, Stopping())
    assert not multiprocessing.active_children()
    assert len(points(tmp_path)) == 2
    noted = Noted()
    grade_all(three, noted)
    assert noted.counts == (1, 2)
    assert points(tmp_path) == {"ann": 4, "bob": 2, "cat": 0}


@pytest.mark.slow
def test_a_reference_that_fails_is_said(three: Wishes) -> None:
    file = Path(three.lab)
    file.write_text(file.read_text("utf-8").replace('seed + "!"', "0 / 0"), "utf-8")
    with pytest.raises(LabError, match="ZeroDivisionError"):
        grade_all(three, Progress())


def test_what_failed_through_no_fault_of_the_student_is_graded_again(
    three: Wishes,
) -> None:
    bundle = Assignment.find(three.lab).bare
    for task in plan(three).tasks:
        why = f"{NOT_THEIRS if task.handed_in.author.student == 'bob' else ''}no disk"
        Results(three.out).keep(
            task.entry(failed_result(bundle, task.submission(), why))
        )
    assert names(plan(three)) == ["bob"]


def test_the_authors_seconds_are_the_limits_unless_others_are_wished(
    three: Wishes,
) -> None:
    settings = Path(three.lab).with_suffix(".toml")
    settings.write_text('title = "Sums"\npoints = 4\ncell_timeout = 7\ntimeout = 70\n')
    assignment = Assignment.find(three.lab)
    found = _with_seconds(three, assignment).limits
    assert (found.cell, found.notebook) == (7.0, 70.0)
    assert _with_seconds(replace(three, seconds=3.0), assignment).limits.cell == 3.0
