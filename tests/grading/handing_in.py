"""Submissions of notebook 01 for tests: the reference's answers, some of them replaced.

Goes in: answers by the number of their exercise. Comes out: a `Submission`.
"""

import copy
import json
from functools import cache
from typing import Any

from maillab.grading.authoring.notebook import Cell, Notebook, grade_id, to_text
from maillab.grading.results import Result
from maillab.grading.running import Bundle, Submission, make_bundle

POINTS = 12
CHECKS = ["1.1", "1.2", "1.3", "1.4"]


@cache
def public() -> Bundle:
    return make_bundle("01")


@cache
def secret() -> Bundle:
    return make_bundle("01", "a secret seed")


def notebook(start: Notebook | None = None, **answers: str) -> Notebook:
    """The instructor's notebook, or `start`, with answers such as `_1_1="x = 1"`."""
    mine = copy.deepcopy(start or public().notebook)
    for cell in mine["cells"]:
        name = grade_id(cell).removeprefix("answer-").replace("-", "_")
        cell["source"] = answers.get(f"_{name}", cell["source"])
    return mine


def handed_in(mine: Notebook, student: str = "zoe") -> Submission:
    return Submission(student, "mine.ipynb", to_text(mine).encode())


def damaged(**parts: Any) -> Submission:
    whole = {**public().notebook, **parts}
    return Submission("zoe", "mine.ipynb", json.dumps(whole).encode())


def cell_called(whole: Notebook, name: str) -> Cell:
    return next(cell for cell in whole["cells"] if grade_id(cell) == name)


def endings(result: Result) -> list[str]:
    return [check.ending for check in result.checks]
