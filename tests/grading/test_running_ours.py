"""What is the instructor's in a grading: set-up cells, seconds, hidden tests."""

import json
import time
from dataclasses import replace

import pytest

from maillab.errors import LabError
from maillab.grading.authoring.notebook import grade_id, source_of, to_text
from maillab.grading.results import Ending
from maillab.grading.running import Bundle, Limits, grade_one, make_bundle
from maillab.grading.running.cells import CellRun, Run
from maillab.grading.running.grading import NOT_THEIRS, demand_a_beginning
from maillab.grading.running.limits import as_authored
from tests.grading.handing_in import cell_called, endings
from tests.grading.small_notebook import CHECK_1, SQUARE, small, submission

LIMITS = Limits(jail="none")


@pytest.fixture(scope="module")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    file = tmp_path_factory.mktemp("reference") / "42-small.ipynb"
    file.write_text(to_text(small()), "utf-8")
    return make_bundle(file, "a secret seed")


@pytest.fixture
def bare() -> Bundle:
    return Bundle("42", "Small", small(), "a secret seed")


# What is nobody's mistake -------------------------------------------------------------


def ran(ending: Ending, why: str = "", name: str = "set-up") -> CellRun:
    cell = next(c for c in small()["cells"] if grade_id(c) == name)
    return CellRun(cell, ending, why)


def test_a_set_up_that_fails_is_not_the_students_fault() -> None:
    answer = ran("pass", name="answer-1-1")
    with pytest.raises(LabError, match="'set-up' ended in timeout: it took more"):
        demand_a_beginning([ran("timeout", "it took more than 20 seconds"), answer])
    demand_a_beginning([ran("pass"), answer, ran("timeout", "it took more")])


def test_a_set_up_that_fails_in_a_second_kernel_is() -> None:
    """Who filled the disk and killed the kernel is not graded again and again."""
    demand_a_beginning([ran("timeout"), ran("killed", name="answer-1-1")])


def test_a_notebook_has_the_seconds_of_its_author() -> None:
    told = small() | {"metadata": {"maillab": {"cell_timeout": 7, "timeout": 70}}}
    found = as_authored(LIMITS, told)
    assert (found.cell, found.notebook) == (7.0, 70.0)
    assert as_authored(LIMITS, small()) == LIMITS
    odd = small() | {"metadata": {"maillab": {"cell_timeout": "7", "timeout": -1}}}
    assert as_authored(LIMITS, odd) == LIMITS


def test_short_time_is_for_students_and_not_for_the_instructors_cells() -> None:
    run = Run.__new__(Run)
    run.limits, run.end = replace(LIMITS, cell=1.0), time.monotonic() + 300
    seconds = {grade_id(c): round(run._seconds(c)) for c in small()["cells"][1:]}
    assert seconds["set-up"] == 20
    assert {seconds["answer-1-1"], seconds["check-1-1"]} == {1}


@pytest.mark.slow
def test_trouble_before_the_first_answer_is_told_as_ours(run_once: Bundle) -> None:
    whole = json.loads(json.dumps(run_once.notebook))
    cell_called(whole, "set-up")["source"] = "raise OSError('no room')"
    broken = replace(run_once, notebook=whole)
    result = grade_one(broken, submission(small()), LIMITS)
    assert result.trouble.startswith(NOT_THEIRS)
    assert "no room" in result.trouble
    assert endings(result) == ["not-run", "not-run"]


# Hidden tests -------------------------------------------------------------------------

HIDDEN = """### BEGIN HIDDEN TESTS
if "double" in globals():
    assert double(-1) == -2, "numbers below zero"
### END HIDDEN TESTS
"""


def test_hidden_tests_never_leave_the_house(bare: Bundle) -> None:
    whole = json.loads(json.dumps(bare.notebook))
    check = cell_called(whole, "check-1-1")
    check["source"] = HIDDEN + check["source"]
    release = replace(bare, notebook=whole).release
    assert "HIDDEN" not in to_text(release)
    assert "below zero" not in to_text(release)
    assert source_of(cell_called(release, "check-1-1")) == CHECK_1.rstrip()


@pytest.mark.slow
def test_hidden_tests_run_when_it_is_graded(run_once: Bundle) -> None:
    whole = json.loads(json.dumps(run_once.notebook))
    check = cell_called(whole, "check-1-1")
    check["source"] = HIDDEN + check["source"]
    hiding = replace(run_once, notebook=whole)
    assert endings(grade_one(hiding, submission(small()), LIMITS)) == ["pass", "pass"]
    wrong = "def double(n): return 2 * n if n > 0 else 0\n" + SQUARE
    handed = submission(hiding.release | {"cells": small(_1_1=wrong)["cells"]})
    result = grade_one(hiding, handed, LIMITS)
    assert result.checks[0].ending == "error"
    assert result.checks[0].feedback == "AssertionError: numbers below zero"
