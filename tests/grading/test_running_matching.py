"""Which cell answers which exercise, and files that are no notebooks. Nothing runs."""

import copy
import json
from pathlib import Path

import pytest

from maillab.errors import LabError
from maillab.grading.authoring.notebook import MAX_SIZE, Notebook, source_of
from maillab.grading.running.grading import grade_one, graft
from maillab.grading.running.matching import match_answers
from maillab.grading.running.parsing import parse
from maillab.grading.running.submission import Submission
from tests.grading.handing_in import CHECKS, cell_called, damaged, notebook, public

ANSWERS = ["answer-1-1", "answer-1-2", "answer-1-3", "answer-1-4"]


def nameless(whole: Notebook, name: str) -> Notebook:
    """A copy in which a cell has lost its metadata, as after a detour by a script."""
    mine = copy.deepcopy(whole)
    cell_called(mine, name)["metadata"] = {}
    return mine


def test_only_answers_are_taken() -> None:
    mine = notebook()
    for cell in mine["cells"]:
        cell["source"] = f"# mine\n{source_of(cell)}"
    answers = match_answers(public().release, mine["cells"])
    assert list(answers.sources) == ANSWERS
    assert answers.remarks == []
    reference = public().notebook["cells"]
    changed = [
        new["id"]
        for new, old in zip(graft(public().notebook, answers), reference, strict=True)
        if source_of(new) != source_of(old)
    ]
    assert changed == ANSWERS


def test_of_two_cells_with_one_name_the_first_that_was_changed_counts() -> None:
    mine = notebook(public().release)
    stub = cell_called(mine, "answer-1-1")
    mine["cells"] += [{**stub, "source": "second"}, {**stub, "source": "third"}]
    answers = match_answers(public().release, mine["cells"])
    assert answers.sources["answer-1-1"] == "second"
    assert answers.remarks == [
        "answer-1-1 occurs 3 times: the first that was changed counts"
    ]


def test_nothing_of_the_instructor_takes_the_place_of_a_deleted_answer() -> None:
    mine = notebook()
    mine["cells"].remove(cell_called(mine, "answer-1-4"))
    answers = match_answers(public().release, mine["cells"])
    assert answers.remarks == ["answer-1-4 is missing"]
    grafted = {cell["id"]: cell for cell in graft(public().notebook, answers)}
    assert source_of(grafted["answer-1-4"]) == ""


def test_a_cell_without_a_name_is_found_by_its_id() -> None:
    mine = nameless(notebook(_1_2="x = 1"), "answer-1-2")
    answers = match_answers(public().release, mine["cells"])
    assert answers.sources["answer-1-2"] == "x = 1"
    assert answers.remarks == ["answer-1-2 was found by its cell id"]


@pytest.mark.parametrize("line", ["# answer 1.2", "# 1.2", "## Exercise 1-2: replies"])
def test_else_by_its_first_line(line: str) -> None:
    mine = nameless(notebook(_1_2=f"{line}\nx = 1"), "answer-1-2")
    for number, cell in enumerate(mine["cells"]):
        cell["id"] = str(number)
    answers = match_answers(public().release, mine["cells"])
    assert answers.sources["answer-1-2"] == f"{line}\nx = 1"
    assert answers.remarks == ["answer-1-2 was found by its first line"]


def test_else_by_its_place_between_two_locked_cells() -> None:
    mine = nameless(notebook(_1_2="x = 1"), "answer-1-2")
    for number, cell in enumerate(mine["cells"]):
        cell["id"] = str(number)
    answers = match_answers(public().release, mine["cells"])
    assert answers.sources["answer-1-2"] == "x = 1"
    assert answers.remarks == [
        "answer-1-2 was found by its place between two locked cells"
    ]


# Files that are no notebooks ----------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a notebook, or is damaged"),
        (b'{"cells": [{"cell_t', "not a notebook, or is damaged"),
        (b"\xff\xfe\x00", "not a notebook, or is damaged"),
        (b"[" * 100_000, "not a notebook, or is damaged"),
        (b"7", "format 4 was expected, found 'None'"),
        (b'{"nbformat": 3, "worksheets": []}', "format 4 was expected, found '3'"),
        (b'{"nbformat": 4, "cells": 7}', "has no cells"),
        (b'{"nbformat": 4, "cells": [7, {"source": 7}]}', "has no cells"),
        (b"x" * (MAX_SIZE + 1), "more than 5,000,000 octets: clear the outputs"),
        (b"1" * 10_000, "not a notebook, or is damaged"),
    ],
)
def test_trouble_is_told_in_one_line(content: bytes, words: str) -> None:
    with pytest.raises(LabError, match=words) as error:
        parse(content)
    assert "\n" not in str(error.value)


def test_damaged_cells_are_left_out_and_said() -> None:
    cells = [7, {"cell_type": "code"}, *public().release["cells"]]
    found, remarks = parse(damaged(cells=cells).content)
    assert len(found) == len(public().release["cells"])
    assert remarks == ["2 damaged cells were left out"]


def test_half_a_surrogate_can_still_be_sent() -> None:
    cell = {"cell_type": "code", "metadata": {}, "source": ["x = '\ud800'", "\n1"]}
    whole = json.dumps({"nbformat": 4, "cells": [cell]})
    (found,) = parse(whole.encode())[0]
    assert found["source"] == "x = '?'\n1"
    assert found["source"].encode("utf-8")


def test_a_file_that_cannot_be_graded_has_a_result_with_all_its_checks() -> None:
    result = grade_one(public(), Submission("zoe", "mine.ipynb", b"{"))
    assert [check.id for check in result.checks] == CHECKS
    assert (result.points, result.of) == (0, 12)
    assert {check.ending for check in result.checks} == {"not-run"}
    assert "damaged" in result.trouble


def test_another_notebook_is_told_from_an_empty_one() -> None:
    cell = {"cell_type": "code", "metadata": {}, "source": "1", "id": "x"}
    result = grade_one(public(), damaged(cells=[cell]))
    assert "no answer cell of notebook 01" in result.trouble


def test_a_big_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "big.ipynb"
    with file.open("wb") as big:
        big.truncate(3 * MAX_SIZE)  # a hole, which takes no space
    assert len(Submission.read(file).content) == MAX_SIZE + 1
    with pytest.raises(LabError, match="cannot be read"):
        Submission.read(tmp_path / "none.ipynb")
