"""A notebook of our own, without a world: its kernel starts fast.

Goes in: cells. Comes out: a `Bundle` that nobody ran, or submissions to it.

Two exercises: 1.1 in two parts, 1.2 whole. The evidence is what the student's functions
return for numbers that the seed decides.
"""

import json

from maillab.grading.authoring.notebook import (
    METADATA,
    Cell,
    Notebook,
    graded,
)
from maillab.grading.running import Submission
from maillab.grading.verdict import EVIDENCE_TYPE

SETUP = f"""
import os, random
dice = random.Random(os.environ["MAILLAB_SEED"])
def part(name, points, fact):
    passed = isinstance(fact, int)
    told = {{"name": name, "points": points, "title": name, "passed": passed}}
    reasons = {{"expected": "a number", "found": repr(fact), "colour": "blue"}}
    more = {{"evidence": {{"fact": fact}}}} if passed else {{"reasons": reasons}}
    return told | more
def check(id, *parts):
    passed = all(part["passed"] for part in parts)
    told = {{"id": id, "passed": passed, "parts": parts}}
    display({{"text/plain": f"checked {{id}}", "{EVIDENCE_TYPE}": told}}, raw=True)
def tried(f, n):
    try:
        return f(n)
    except Exception as error:
        return str(error)
"""
CHECK_1 = """n = dice.randrange(10**9)
check("1.1", part("double", 2, tried(double, n)), part("square", 3, tried(square, n)))
"""
CHECK_2 = """check("1.2", part("", 4, tried(successor, dice.randrange(10**9))))"""
DOUBLE = "def double(n): return 2 * n\n"
SQUARE = "def square(n): return n * n\n"
RIGHT = {"1.1": DOUBLE + SQUARE, "1.2": "def successor(n): return n + 1"}


def code(
    source: str, name: str = "", role: str = "", points: int | None = None
) -> Cell:
    meta = {"nbgrader": graded(name, role, points)} if name else {}
    cell: Cell = {"cell_type": "code", "metadata": meta, "source": source}
    return cell | {"id": name or "plain", "outputs": [], "execution_count": None}


def small(**answers: str) -> Notebook:
    """The notebook with right answers, or `_1_1=…` in place of one."""
    mine = {
        name: answers.get(f"_{name.replace('.', '_')}", RIGHT[name]) for name in RIGHT
    }
    title: Cell = {"cell_type": "markdown", "metadata": {}, "source": "# 42. Small"}
    cells = [
        title | {"id": "title"},
        code(SETUP, "set-up", "locked"),
        code(mine["1.1"], "answer-1-1", "answer"),
        code(CHECK_1, "check-1-1", "check", 5),
        code(mine["1.2"], "answer-1-2", "answer"),
        code(CHECK_2, "check-1-2", "check", 4),
    ]
    return {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}


def submission(whole: Notebook) -> Submission:
    return Submission("zoe", "small.ipynb", json.dumps(whole).encode())
