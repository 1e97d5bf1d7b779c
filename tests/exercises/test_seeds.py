"""Exercises and reference notebooks in twenty different worlds."""

import ast
from pathlib import Path
from typing import Any

import pytest

from maillab.grading.authoring.build import instructors
from maillab.grading.authoring.notebook import is_check, nbgrader, source_of
from maillab.grading.lab import SEED_VARIABLE
from tests.exercises.kit import all_answers, outcome, reasons

pytestmark = pytest.mark.slow
SEEDS = [f"seed {number}" for number in range(20)]
FOLDER = Path(__file__).resolve().parents[2] / "notebooks" / "instructor"
GRADED = sorted(set(FOLDER.glob("[0-9]*.py")) - set(FOLDER.glob("00-*.py")))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("exercise", all_answers())
def test_answers_are_judged_alike_in_every_world(exercise: str, seed: str) -> None:
    answers = all_answers()[exercise]
    right = [outcome(exercise, answer, seed) for answer in answers.right]
    assert [repr(verdict) for verdict in right if verdict.failed] == []
    assert all(verdict.evidence == right[0].evidence for verdict in right)
    for answer, reason in answers.wrong:
        verdict = outcome(exercise, answer, seed)
        assert verdict.failed, answer.__name__
        assert reason in reasons(verdict), answer.__name__


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("source", GRADED, ids=lambda file: file.stem)
def test_the_reference_passes_in_every_world(
    source: Path, seed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SEED_VARIABLE, seed)
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in instructors(source)["cells"]:
        if cell["cell_type"] == "code":
            value = run(source_of(cell), names)
            if is_check(cell):
                assert repr(value).startswith("✓"), value
                assert value.exercise.points == nbgrader(cell)["points"]
    names["lab"].close()


def run(source: str, names: dict[str, Any]) -> Any:
    """Run a cell; its value, when its last line is an expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), names)
    if isinstance(last, ast.Expr):
        return eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
    return None
