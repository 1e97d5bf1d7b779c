"""What students get, run as it is: every cell runs, and no exercise is solved.

A student who reads on before an exercise is solved chooses "Run All Cells": an error
between would leave the rest of the notebook without outputs.
"""

import re
from pathlib import Path

import pytest

from maillab.errors import LabError
from maillab.grading.authoring.executing import executed
from maillab.grading.authoring.notebook import grade_id, is_check, read

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
GRADED = sorted(NOTEBOOKS.glob("*.ipynb"))[1:]  # 00 has no exercises
HEAD = re.compile(r"^cell \d+ \((?:(check-[\d-]+))?.*\n(?:    )?(.*)", re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("file", GRADED, ids=lambda file: file.stem)
def test_every_cell_of_it_runs_and_every_check_says_no(file: Path) -> None:
    notebook = read(file)
    with pytest.raises(LabError) as caught:
        executed(notebook)
    told = HEAD.findall(str(caught.value))
    checks = [grade_id(cell) for cell in notebook["cells"] if is_check(cell)]
    assert told == [(name, "the solution fails") for name in checks], caught.value
