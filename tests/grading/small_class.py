"""A small notebook, and a class that hands it in: for tests of grading many."""

import json
from pathlib import Path
from typing import Any

from maillab.grading.authoring.notebook import from_text, released, to_text, write
from maillab.grading.batch.batch import Wishes
from maillab.grading.batch.progress import Progress
from maillab.grading.batch.results import Entry, Results
from maillab.grading.running import Limits

REFERENCE = """\
# %% [markdown]
# # 91. Sums

# %% locked="set-up"
import os

seed = os.environ["MAILLAB_SEED"]
public = seed == "public"


class Shown:
    def __init__(self, id, value, right):
        told = {"evidence": {"value": value}} if right else {"reasons": {"found": "x"}}
        part = {"name": "", "points": 2, "title": "the sum", "passed": right, **told}
        self.verdict = {"id": id, "passed": right, "parts": [part]}

    def _repr_mimebundle_(self, include=None, exclude=None):
        kind = "application/vnd.maillab.check+json"
        return {"text/plain": "a verdict", kind: self.verdict}


# %% answer="91.1"
x = ...
### BEGIN SOLUTION
x = seed + "!"
### END SOLUTION

# %% check="91.1" points=2
Shown("91.1", x, x is not ... and x.endswith("!"))

# %% answer="91.2"
y = ...
### BEGIN SOLUTION
y = len(seed) + 1
### END SOLUTION

# %% check="91.2" points=2
Shown("91.2", y, y is not ... and y > 0)
"""
RIGHT = {"answer-91-1": 'x = f"{seed}!"', "answer-91-2": "y = 1 + len(seed)"}
HALF = {"answer-91-1": 'x = seed + "!"'}
PUBLIC = {"answer-91-1": 'x = "public!"', "answer-91-2": "y = 7"}


def reference(folder: Path) -> Path:
    """The instructor's text."""
    file = folder / "91-sums.py"
    file.write_text(REFERENCE, "utf-8")
    return file


def hand_in(file: Path, **answers: str) -> Path:
    """A notebook with answers, such as `**RIGHT`."""
    notebook = released(from_text(REFERENCE))
    for cell in notebook["cells"]:
        cell["source"] = answers.get(cell["id"], cell["source"])
    file.parent.mkdir(parents=True, exist_ok=True)
    write(notebook, file)
    return file


def octets(**answers: str) -> bytes:
    """The same, not on a disk."""
    notebook = released(from_text(REFERENCE))
    for cell in notebook["cells"]:
        cell["source"] = answers.get(cell["id"], cell["source"])
    return to_text(notebook).encode()


def a_class(folder: Path, **students: dict[str, str]) -> Path:
    """A folder for each student."""
    for name, answers in students.items():
        hand_in(folder / name / "91-sums.ipynb", **answers)
    return folder


def wishes(folder: Path, submissions: Path, **more: Any) -> Wishes:
    """To grade these, by one process, without a jail."""
    limits = Limits(jail="none")
    plain: dict[str, Any] = {"limits": limits, "out": folder / "graded"} | more
    return Wishes(str(reference(folder)), [submissions], **plain)


def points(folder: Path) -> dict[str, int]:
    """What is on the disk, by student."""
    entries = Results(folder / "graded").entries()
    return {e.result.student: e.result.points for e in entries}


def told(entry: Entry) -> dict[str, Any]:
    """All of a result but the time that it took."""
    return without_seconds(json.loads(entry.to_json()))


def without_seconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_seconds(v) for k, v in value.items() if k != "seconds"}
    return [without_seconds(v) for v in value] if isinstance(value, list) else value


class Noted(Progress):
    """Notes what it was told."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.counts = (0, 0)

    def begin(self, count: int, kept: int) -> None:
        self.counts = (count, kept)

    def graded(self, entry: Entry) -> None:
        self.names.append(entry.result.student)
