"""The notebooks: sources, references and students' versions in step, by the rules."""

import json
from pathlib import Path

import pytest

from maillab.errors import LabError
from maillab.grading.authoring.build import (
    instructors,
    is_graded,
    lock_file,
    main,
    out_of_step,
)
from maillab.grading.authoring.lint import complaints
from maillab.grading.authoring.notebook import (
    SOLUTION,
    from_text,
    is_answer,
    nbgrader,
    read,
    released,
    source_of,
    to_text,
)
from maillab.grading.authoring.settings import Settings
from maillab.grading.results import Result
from maillab.grading.running import Limits, Submission, grade_one, make_bundle

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
SOURCES = sorted((FOLDER / "instructor").glob("[0-9]*.py"))


def stem(file: Path) -> str:
    return file.stem


@pytest.fixture(params=SOURCES, ids=stem)
def source(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_files_are_in_step_with_their_source(source: Path) -> None:
    assert out_of_step(source, FOLDER) == [], "type: maillab author build"


def test_the_same_source_gives_the_same_notebook(source: Path) -> None:
    assert to_text(instructors(source)) == to_text(instructors(source))


def test_the_reference_keeps_the_rules(source: Path) -> None:
    assert complaints(read(source.with_suffix(".ipynb"))) == []


def test_the_students_version_keeps_the_rules(source: Path) -> None:
    assert complaints(read(FOLDER / f"{source.stem}.ipynb")) == []


def test_students_get_no_solution_and_no_output(source: Path) -> None:
    file = FOLDER / f"{source.stem}.ipynb"
    reference = read(source.with_suffix(".ipynb"))
    for line in solution_lines(source):
        assert line not in file.read_text("utf-8")
    for cell, original in zip(read(file)["cells"], reference["cells"], strict=True):
        assert not cell.get("outputs")
        assert not is_answer(cell) or source_of(cell) != source_of(original)


def solution_lines(source: Path) -> list[str]:
    """The lines that stand in solutions and nowhere else, as JSON has them."""
    text = source.read_text("utf-8")
    shown = SOLUTION.sub("", text)
    solutions = "\n".join(match[0] for match in SOLUTION.finditer(text))
    lines = {line.strip() for line in solutions.splitlines()} - {""}
    return [json.dumps(n, ensure_ascii=False)[1:-1] for n in lines if n not in shown]


def test_the_reference_was_run_from_top_to_bottom(source: Path) -> None:
    cells = read(source.with_suffix(".ipynb"))["cells"]
    counts = [c["execution_count"] for c in cells if c["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1))


def test_nothing_of_this_machine_is_in_a_notebook(source: Path) -> None:
    text = source.with_suffix(".ipynb").read_text("utf-8")
    assert str(Path.home()) not in text
    assert '"version"' not in text


def test_only_graded_notebooks_have_settings_and_a_lock_file(source: Path) -> None:
    graded = is_graded(read(source.with_suffix(".ipynb")))
    assert source.with_suffix(".toml").is_file() == graded
    assert lock_file(source).is_file() == graded


def test_the_settings_of_a_notebook_say_what_its_text_says(source: Path) -> None:
    notebook = read(source.with_suffix(".ipynb"))
    if is_graded(notebook):
        settings = Settings.read(source.with_suffix(".toml"))
        said = Settings.of(notebook)
        assert (settings.title, settings.points) == (said.title, said.points)


@pytest.mark.slow
def test_the_students_version_scores_nothing(source: Path) -> None:
    result = scored(source, FOLDER / f"{source.stem}.ipynb")
    assert (result.points, result.of > 0, result.trouble) == (0, True, "")


@pytest.mark.slow
def test_the_solutions_score_everything_in_a_world_of_their_own(source: Path) -> None:
    result = scored(source, source.with_suffix(".ipynb"))
    assert result.points == result.of, result.text()


def scored(source: Path, file: Path) -> Result:
    reference = source.with_suffix(".ipynb")
    if not is_graded(read(reference)):
        pytest.skip("it is not graded")
    bundle = make_bundle(reference, f"seed of {source.stem}")
    return grade_one(bundle, Submission.read(file, "zoe"), Limits(jail="none"))


def test_notebook_00_is_not_graded() -> None:
    cells = read(FOLDER / "00-start-here.ipynb")["cells"]
    assert not [c for c in cells if nbgrader(c)]


def test_the_command_says_what_is_out_of_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "instructor"
    folder.mkdir()
    (folder / "09-x.py").write_text("# %%\n1 + 1\n")
    assert main(["--check", "--folder", str(tmp_path)]) == 1
    assert "09-x.ipynb is out of step" in capsys.readouterr().out


def test_the_command_says_where_sources_should_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--folder", str(tmp_path)]) == 2
    assert "run this in a checkout" in capsys.readouterr().err


GRADED = """\
# %% [markdown]
# # Title

# %% answer="1.1"
x = ...
### BEGIN SOLUTION
x = 1
### END SOLUTION
print(x)

# %% check="1.1" points=2
x
### BEGIN HIDDEN TESTS
assert x == 1
### END HIDDEN TESTS
"""


def test_nbgraders_conventions_are_kept() -> None:
    _, answer, check = from_text(GRADED)["cells"]
    assert nbgrader(answer) == {
        "grade": False,
        "grade_id": "answer-1-1",
        "locked": False,
        "schema_version": 3,
        "solution": True,
        "task": False,
    }
    assert nbgrader(check) == {
        "grade": True,
        "grade_id": "check-1-1",
        "locked": True,
        "points": 2,
        "schema_version": 3,
        "solution": False,
        "task": False,
    }


def test_solutions_and_hidden_tests_are_cut_out() -> None:
    _, answer, check = released(from_text(GRADED))["cells"]
    assert source_of(answer) == "x = ...\n# Your code here.\nprint(x)"
    assert source_of(check) == "x"


def test_jupyterlab_holds_what_is_locked_and_keeps_the_place_of_an_answer() -> None:
    text, answer, check = (c["metadata"] for c in released(from_text(GRADED))["cells"])
    assert not {"deletable", "editable"} & set(text)
    assert (answer["deletable"], "editable" in answer) == (False, False)
    assert (check["deletable"], check["editable"]) == (False, False)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("# %%\nx = 1;\n", "semicolon"),
        ("# %%\n" + "x = 1\n" * 13, "13 lines of code"),
        ("# %%\n1\n# %%\n2\n# %%\n3\n", "3 code cells in a row"),
        ("# %%\n1\n# %% [markdown]\n# a\n# %%\nimport re\n", "imports stand"),
        ("# %%\nimport time\ntime.sleep(1)\n", "world.advance"),
        ("# %%\nimport smtplib\n", "real network"),
        ("# %% [markdown]\n# " + "word " * 121, "121 words"),
        ("# %% [markdown]\n# # One\n# %% [markdown]\n# # Two\n", "one title"),
        ("# %% [markdown]\n# ![](picture.png)\n", "alt text"),
        ("# %%\n1\n", "1 cells"),
        ('# %% check="1"\n1\n', "without points"),
        ('# %% answer="1"\n1\n# %% answer="1"\n2\n', "grade_id occurs twice"),
    ],
)
def test_the_rules_are_enforced(text: str, complaint: str) -> None:
    assert any(complaint in found for found in complaints(from_text(text)))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"nbformat": 3}', '{"nbformat": 4, "cells": [1]}', "\0"]
)
def test_what_is_no_notebook_is_said_to_be_none(text: str, tmp_path: Path) -> None:
    file = tmp_path / "x.ipynb"
    file.write_text(text)
    with pytest.raises(LabError, match=r"x\.ipynb"):
        read(file)
