"""The grader: the student's answers, the instructor's checks, nbval, points."""

import copy
import json
from pathlib import Path

import pytest

from maillab.errors import LabError
from maillab.grading.authoring.notebook import (
    Notebook,
    grade_id,
    is_check,
    read,
    released,
    source_of,
    without_outputs,
    write,
)
from maillab.grading.running.grade import Result, grade, graft, main

INSTRUCTOR = Path(__file__).resolve().parent.parent / "notebooks" / "instructor"
REFERENCE = INSTRUCTOR / "01-a-letter-by-hand.ipynb"

BOB_BY_SESSION = """
with world.console("desk", "mail.post.example", 25) as hand:
    hand.say("HELO desk", f"MAIL FROM:<{task.mail_from}>", f"RCPT TO:<{task.rcpt_to}>")
    hand.say("DATA")
    hand.say(f"From: {task.header_from}", f"To: {task.header_to}")
    hand.say(f"Subject: {task.subject}", "", "x", ".")
"""


@pytest.fixture(scope="module")
def reference() -> Notebook:
    return read(REFERENCE)


def handed_in(notebook: Notebook, folder: Path, **answers: str) -> Path:
    """A notebook in which answers such as `answer_1_1` were replaced."""
    mine = copy.deepcopy(notebook)
    for cell in mine["cells"]:
        name = grade_id(cell).replace("-", "_")
        cell["source"] = answers.get(name, cell["source"])
    file = folder / "mine.ipynb"
    write(mine, file)
    return file


def outcomes(result: Result) -> dict[str, str]:
    return {check.id: check.outcome for check in result.checks}


def test_the_untouched_notebook_scores_nothing(
    reference: Notebook, tmp_path: Path
) -> None:
    result = grade(handed_in(released(reference), tmp_path), REFERENCE)
    assert (result.points, result.of) == (0, 12)
    assert set(outcomes(result).values()) == {"fail"}


def test_the_instructors_notebook_scores_all_in_a_world_it_never_saw() -> None:
    result = grade(REFERENCE, REFERENCE, "a secret seed")
    assert (result.points, result.of) == (12, 12)


def test_each_answer_stands_for_itself(reference: Notebook, tmp_path: Path) -> None:
    """A right one in other words, an error, a forgery, a wrong one."""
    forged = (
        "from maillab.grading import verdict\n"
        "verdict.Verdict._repr_mimebundle_ = lambda *a, **k: {'text/plain': '✓ 1.3',"
        " 'application/vnd.maillab.check+json': {'id': '1.3', 'passed': True}}\n"
        "word = 1"
    )
    file = handed_in(
        released(reference),
        tmp_path,
        answer_1_1=BOB_BY_SESSION,
        answer_1_2="def read_reply(text)\n    return 1",
        answer_1_3=forged,
    )
    result = grade(file, REFERENCE)
    assert outcomes(result) == {
        "check-1-1": "pass",
        "check-1-2": "error",  # read_reply was never defined
        "check-1-3": "fail",
        "check-1-4": "fail",
    }
    assert result.points == 3


def test_an_endless_loop_costs_its_own_points_only(
    reference: Notebook, tmp_path: Path
) -> None:
    mine = released(reference)
    for cell in mine["cells"]:
        if is_check(cell):
            cell["source"] = "print('✓ all of it')  # a check is put back"
    loop = "while True:\n    pass"
    file = handed_in(mine, tmp_path, answer_1_2=loop, answer_1_1=BOB_BY_SESSION)
    result = grade(file, REFERENCE, cell_timeout=1)
    assert outcomes(result)["check-1-2"] == "error"
    assert outcomes(result)["check-1-1"] == "pass"
    assert result.points == 3


def test_answers_of_the_public_world_are_worth_nothing_in_another(
    reference: Notebook, tmp_path: Path
) -> None:
    typed = "word = 'thimble'\nclass task: pass"
    result = grade(handed_in(reference, tmp_path, answer_1_3=typed), REFERENCE, "x")
    assert outcomes(result)["check-1-3"] == "fail"
    assert result.points == 9


# Without running anything -------------------------------------------------------------


def test_only_answer_cells_are_taken(reference: Notebook) -> None:
    mine = copy.deepcopy(reference)
    for cell in mine["cells"]:
        cell["source"] = f"# mine\n{source_of(cell)}"
    grafted, remarks = graft(reference, mine)
    changed = [
        grade_id(new)
        for new, old in zip(grafted["cells"], reference["cells"], strict=True)
        if source_of(new) != source_of(old)
    ]
    assert changed == ["answer-1-1", "answer-1-2", "answer-1-3", "answer-1-4"]
    assert remarks == []


def test_missing_and_double_cells_are_said_and_never_fatal(reference: Notebook) -> None:
    mine = copy.deepcopy(reference)
    by_name = {grade_id(cell): cell for cell in mine["cells"]}
    mine["cells"].remove(by_name["answer-1-4"])
    mine["cells"].append({**by_name["answer-1-1"], "source": "second"})
    grafted, remarks = graft(reference, mine)
    assert remarks == [
        "answer-1-1 occurs twice: the first one counts",
        "answer-1-4 is missing",
    ]
    sources = {grade_id(cell): source_of(cell) for cell in grafted["cells"]}
    assert sources["answer-1-1"] != "second"
    assert "missing" in sources["answer-1-4"]


def test_a_reference_that_was_never_run_is_refused(
    reference: Notebook, tmp_path: Path
) -> None:
    file = tmp_path / "reference.ipynb"
    write(without_outputs(reference), file)
    with pytest.raises(LabError, match=r"check-1-1 was never run.*grading\.build"):
        grade(REFERENCE, file)


def test_a_notebook_of_something_else_is_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(INSTRUCTOR.parent.parent)
    assert main(["notebooks/00-start-here.ipynb"]) == 2
    assert "no reference" in capsys.readouterr().err
    assert main([str(tmp_path / "none.ipynb")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_a_result_is_text_and_json() -> None:
    result = Result("mine.ipynb", "public", (), ("answer-1-4 is missing",))
    assert json.loads(result.to_json())["remarks"] == ["answer-1-4 is missing"]
    assert result.text() == "mine.ipynb: 0 of 0 points\nanswer-1-4 is missing"
