"""`maillab grade`, `maillab report`, `maillab check-notebook`."""

import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from maillab.cli import app
from maillab.errors import LabError
from maillab.grading.authoring.notebook import (
    Notebook,
    grade_id,
    is_answer,
    is_check,
    read,
    write,
)
from maillab.grading.batch.oneself import changes, look_at, release_of
from maillab.grading.batch.progress import Bar, Lines, progress_for
from maillab.grading.batch.results import Entry, Results
from maillab.grading.results import Result as Graded
from maillab.grading.running.matching import match_answers
from tests.grading.small_class import HALF, RIGHT, a_class, hand_in, reference

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
RELEASE = NOTEBOOKS / "01-a-letter-by-hand.ipynb"
REFERENCE = NOTEBOOKS / "instructor" / "01-a-letter-by-hand.ipynb"


def maillab(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def grade(tmp_path: Path, *words: object) -> Result:
    out = tmp_path / "graded"
    return maillab(
        *("grade", reference(tmp_path), tmp_path / "in", "--out", out),
        *("--jail", "none", "--jobs", 2),
        *words,
    )


@pytest.mark.slow
def test_a_class_is_graded_and_graded_again(tmp_path: Path) -> None:
    a_class(tmp_path / "in", ann=RIGHT, bob=HALF)
    first = grade(tmp_path)
    assert first.exit_code == 0
    assert first.stdout.splitlines()[:3] == ["  4 of 4   ann", "  2 of 4   bob", ""]
    assert "2 notebooks, 0 of them graded before" in first.stdout
    assert "[2/2]" in first.stderr
    hand_in(tmp_path / "in/bob/91-sums.ipynb", **RIGHT)
    second = grade(tmp_path)
    assert "2 notebooks, 1 of them graded before" in second.stdout
    assert "  4 of 4   bob" in second.stdout
    assert "to grade: 1; graded before and unchanged: 1" in second.stderr


@pytest.mark.slow
def test_the_command_runs_as_a_program(tmp_path: Path) -> None:
    """Its processes begin with importing the program anew: that does no harm."""
    a_class(tmp_path / "in", ann=RIGHT)
    words = ["grade", str(reference(tmp_path)), str(tmp_path / "in"), "--jail", "none"]
    out = str(tmp_path / "graded")
    run = subprocess.run(
        [sys.executable, "-m", "maillab.cli", *words, "--out", out],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "  4 of 4   ann" in run.stdout
    assert "Traceback" not in run.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is a signal here")
def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    """As in a terminal: the whole group of processes gets the signal."""
    loop = {**RIGHT, "answer-91-2": "while True: pass"}
    a_class(tmp_path / "in", ann=RIGHT, bob=loop)
    words = ["grade", str(reference(tmp_path)), str(tmp_path / "in"), "--jail", "none"]
    words += ["--jobs", "1", "--time-out", "300", "--out", str(tmp_path / "graded")]
    run = subprocess.Popen(
        [sys.executable, "-m", "maillab.cli", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with run:
        assert run.stderr is not None
        while "[1/2] ann: 4 of 4" not in run.stderr.readline():
            assert run.poll() is None
        os.killpg(run.pid, signal.SIGINT)
        said = run.stderr.read()  # ends when the last process has closed it
    assert run.returncode == 130
    assert "type the same again to go on" in said
    assert "Traceback" not in said
    assert [e.result.student for e in Results(tmp_path / "graded").entries()] == ["ann"]


@pytest.mark.slow
def test_reports_are_written_from_results(tmp_path: Path) -> None:
    a_class(tmp_path / "in", ann=RIGHT)
    grade(tmp_path)
    told = maillab("report", tmp_path / "graded", "--csv").stdout.split()
    assert [Path(file).name for file in told] == ["grades.csv"]
    assert "ann" in Path(told[0]).read_text("utf-8")


@pytest.mark.slow
def test_a_short_time_out_ends_a_loop(tmp_path: Path) -> None:
    loop = {**RIGHT, "answer-91-2": "while True: pass"}
    a_class(tmp_path / "in", ann=loop)
    assert "  2 of 4   ann" in grade(tmp_path, "--time-out", 2).stdout
    (entry,) = Results(tmp_path / "graded").entries()
    assert [check.ending for check in entry.result.checks] == ["pass", "timeout"]


def test_mistakes_are_told_in_a_line(tmp_path: Path) -> None:
    a_class(tmp_path / "in", ann=RIGHT)
    for words, told in [
        (("grade", "99", tmp_path / "in", "--out", tmp_path / "x"), "99"),
        (("grade", reference(tmp_path), tmp_path / "gone"), "no such file or folder"),
        (("report", tmp_path), "no results there; type first: maillab grade"),
        (("check-notebook", tmp_path / "gone.ipynb"), "cannot be read"),
    ]:
        found = maillab(*words)
        assert isinstance(found.exception, LabError)
        assert told in str(found.exception)
        assert f"{words[1]}: {words[1]}" not in str(found.exception)


def test_a_jail_that_is_none_is_refused() -> None:
    found = maillab("grade", "01", ".", "--jail", "cellar")
    assert found.exit_code == 2
    assert "bwrap" in found.stderr


# Progress -----------------------------------------------------------------------------

ENTRY = Entry(Graded("ann", "01", "A", "x.ipynb", "d", "r", "none", ()), "k")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_and_a_file_gets_lines() -> None:
    assert isinstance(progress_for(Terminal()), Bar)
    assert isinstance(progress_for(io.StringIO()), Lines)


def test_lines_say_how_far_it_is() -> None:
    stream = io.StringIO()
    with Lines(stream) as lines:
        lines.begin(2, 5)
        lines.graded(ENTRY)
        lines.graded(replace(ENTRY, result=replace(ENTRY.result, trouble="damaged")))
    assert stream.getvalue().splitlines() == [
        "to grade: 2; graded before and unchanged: 5",
        "[1/2] ann: 0 of 0",
        "[2/2] ann: damaged",
    ]


def test_a_bar_ends_when_the_work_does() -> None:
    with Bar() as bar:
        bar.begin(2, 0)
        bar.say("begun")
        bar.graded(ENTRY)
        assert bar.rich.tasks[0].completed == 1
    assert bar.rich.live.is_started is False


# check-notebook -----------------------------------------------------------------------


def changed(tmp_path: Path, **sources: str) -> Path:
    """The reference of notebook 01 with other cells, such as `begin_1_1`."""
    notebook = read(REFERENCE)
    for cell in notebook["cells"]:
        name = grade_id(cell).replace("-", "_").replace(".", "_")
        cell["source"] = sources.get(name, cell["source"])
    file = tmp_path / "mine.ipynb"
    write(notebook, file)
    return file


@pytest.mark.slow
def test_a_solved_notebook_is_worth_all_points() -> None:
    found = maillab("check-notebook", REFERENCE)
    assert found.exit_code == 0, found.output
    assert "✓ 1.4  read unseen, flagged, and one removed  (3/3)" in found.stdout
    assert "12 of 12 points." in found.stdout


@pytest.mark.slow
def test_an_untouched_notebook_is_worth_nothing() -> None:
    found = maillab("check-notebook", RELEASE)
    assert found.exit_code == 1
    assert found.stdout.count("✗ 1.") == 4
    assert "0 of 12 points." in found.stdout


@pytest.mark.slow
def test_locked_cells_are_put_back_and_own_cells_do_not_run(tmp_path: Path) -> None:
    file = changed(tmp_path, check_1_2="print('✓')", answer_1_1="helper()")
    notebook = read(file)
    own = {"cell_type": "code", "metadata": {}, "source": "def helper(): pass"}
    write({**notebook, "cells": [own | {"outputs": []}, *notebook["cells"]]}, file)
    look = look_at(file, 60)
    assert [check.points for check in look.checks] == [0, 3, 3, 3]
    assert "name 'helper' is not defined" in look.text()
    assert "changed, and that were put back: check-1-2" in look.remarks[0]
    assert "Cells of your own, which the grader does not run: 1." in look.remarks[1]


def remarks(release: Notebook, mine: Notebook) -> list[str]:
    answers = match_answers(release, mine["cells"])
    return list(changes(release, mine["cells"], answers))


def test_an_untouched_notebook_has_no_changes() -> None:
    release = read(RELEASE)
    assert remarks(release, release) == []
    assert remarks(release, read(REFERENCE)) == []


def test_a_missing_locked_cell_is_said() -> None:
    release = read(RELEASE)
    cells = [c for c in release["cells"] if not is_check(c)]
    (told,) = remarks(release, {**release, "cells": cells})
    assert told.startswith("Locked cells that are missing, and that were put back: ch")


def test_the_release_is_found_by_its_answer_cells(tmp_path: Path) -> None:
    assert release_of(read(REFERENCE)["cells"], REFERENCE) == read(RELEASE)
    plain = [c for c in read(RELEASE)["cells"] if not is_answer(c)]
    with pytest.raises(LabError, match="no answer cell of a graded notebook"):
        release_of(plain, RELEASE)


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"nbformat": 3})])
def test_what_is_no_notebook_is_said(text: str, tmp_path: Path) -> None:
    file = tmp_path / "x.ipynb"
    file.write_text(text)
    with pytest.raises(LabError, match=r"x\.ipynb: "):
        look_at(file, 1)


def test_the_help_of_grade_has_examples_and_the_recipe_of_the_image() -> None:
    told = maillab("grade", "--help").stdout
    assert "docker build -t maillab -f maillab/grading/running/Dockerfile ." in told
    assert "maillab grade 01 moodle.zip canvas.zip" in told
    assert "--image" in told
