"""nbgrader reads what we build: metadata, release, points. Needs nbgrader.

It is no dependency of ours. Where another Python has it, NBGRADER_PYTHON names that.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from maillab.grading.authoring.notebook import (
    grade_id,
    is_answer,
    is_check,
    read,
    source_of,
    without_outputs,
    write,
)
from maillab.grading.lab import open_lab
from maillab.grading.verdict import EVIDENCE_TYPE, NBGRADER_VARIABLE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROOT = Path(__file__).resolve().parents[2]
NAME = "01-a-letter-by-hand.ipynb"
REFERENCE = ROOT / "notebooks" / "instructor" / NAME
PYTHON = os.environ.get("NBGRADER_PYTHON", sys.executable)
OURS = next(p for p in sys.path if p.endswith("site-packages"))
COURSE = (
    'c = get_config()\nc.ClearSolutions.code_stub = {"python": "# Your code here."}\n'
)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course of nbgrader with our reference as its source."""
    ask = [PYTHON, "-c", "import nbgrader"]
    if not shutil.which(PYTHON) or subprocess.run(ask, capture_output=True).returncode:
        pytest.skip(
            "nbgrader is not here; NBGRADER_PYTHON may name a Python that has it"
        )
    folder = tmp_path_factory.mktemp("course")
    (folder / "source" / "ps1").mkdir(parents=True)
    write(without_outputs(read(REFERENCE)), folder / "source" / "ps1" / NAME)
    (folder / "nbgrader_config.py").write_text(COURSE)
    alembic = folder / "bin" / "alembic"  # nbgrader runs it by its name
    alembic.parent.mkdir()
    alembic.write_text(f'#!/bin/sh\nexec {PYTHON} -m alembic.config "$@"\n')
    alembic.chmod(0o755)
    return folder


def nbgrader(course: Path, *words: str) -> str:
    """Run a command of nbgrader, with our libraries for its kernel."""
    variables = {
        "PATH": f"{course / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{OURS}",
    }
    done = subprocess.run(
        [PYTHON, "-m", "nbgrader", *words],
        cwd=course,
        env=os.environ | variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_its_schema_takes_our_metadata(course: Path) -> None:
    script = "from nbgrader.nbgraderformat import read; read('x.ipynb', as_version=4)"
    shutil.copy(course / "source" / "ps1" / NAME, course / "x.ipynb")
    done = subprocess.run([PYTHON, "-c", script], cwd=course, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_it_releases_what_we_release_and_grades_it(course: Path) -> None:
    nbgrader(course, "generate_assignment", "ps1", "--create")
    theirs, ours = (
        read(file)["cells"]
        for file in (course / "release" / "ps1" / NAME, ROOT / "notebooks" / NAME)
    )
    assert list(map(source_of, theirs)) == list(map(source_of, ours))
    hand_in(course, "empty", read(course / "release" / "ps1" / NAME), {})
    solutions = {grade_id(c): source_of(c) for c in read(REFERENCE)["cells"]}
    whole = read(course / "release" / "ps1" / NAME)
    hand_in(course, "solved", whole, solutions)
    nbgrader(course, "autograde", "ps1", "--create")
    assert points(course, "solved") == {"check-1-1": "3"} | {
        f"check-1-{n}": "3" for n in (2, 3, 4)
    }
    assert set(points(course, "empty").values()) <= {"0", "error"}


def hand_in(course: Path, who: str, notebook: Any, answers: dict[str, str]) -> None:
    for cell in notebook["cells"]:
        if is_answer(cell):
            cell["source"] = answers.get(grade_id(cell), cell["source"])
    folder = course / "submitted" / who / "ps1"
    folder.mkdir(parents=True)
    write(notebook, folder / NAME)


def points(course: Path, who: str) -> dict[str, str]:
    """What nbgrader sees in each check: a number is the points."""
    cells = read(course / "autograded" / who / "ps1" / NAME)["cells"]
    return {grade_id(cell): seen(cell) for cell in cells if is_check(cell)}


def seen(cell: Any) -> str:
    (output,) = cell["outputs"]
    if output["output_type"] == "error":
        return "error"
    return "".join(output["data"]["text/plain"])


def test_under_nbgrader_a_verdict_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NBGRADER_VARIABLE, "autograde")
    with open_lab("01") as lab:
        lab.begin("1.1")
        told = lab.check("1.1")._repr_mimebundle_()
    assert told["text/plain"] == "0"
    assert "an SMTP session" in str(told["text/html"])
    assert json.dumps(told[EVIDENCE_TYPE])
