"""Notebooks as plain JSON: from the author's text to what students get.

Goes in: a text file in cells (`# %%`). Comes out: the instructor's notebook, and the
student's without solutions and outputs.

What an author writes beside `# %%`, and what becomes of it (nbgrader's metadata):

    answer="1.1"             a cell for the student's answer
    check="1.1" points=3     a locked cell that is worth points
    locked="begin 1.1"       a locked cell that the grader puts back

and, beside these, what becomes `metadata.maillab` of the cell:

    timeout=60               seconds, where the notebook's are too few
    hint="…"                 what the student reads when the check fails

Rule 1: the same text gives the same notebook, with the same cell ids.
Rule 2: between `### BEGIN SOLUTION` and `### END SOLUTION` nothing leaves this house.
"""

import importlib
import json
import re
import sys
from collections.abc import Callable
from hashlib import blake2s
from pathlib import Path
from typing import Any

from maillab.errors import LabError
from maillab.grading.verdict import EVIDENCE_TYPE

Cell = dict[str, Any]
Notebook = dict[str, Any]

MAX_SIZE = 5_000_000  # octets of a notebook that somebody hands in
SCHEMA_VERSION = 3  # of nbgrader's metadata
WIDGET_TYPE = "application/vnd.jupyter.widget-view+json"
PICTURE_TYPE = "text/html"
SOLUTION = re.compile(
    r"^([ \t]*)### BEGIN SOLUTION\n.*?^[ \t]*### END SOLUTION$",
    re.DOTALL | re.MULTILINE,
)
HIDDEN = re.compile(
    r"^[ \t]*### BEGIN HIDDEN TESTS\n.*?^[ \t]*### END HIDDEN TESTS\n?",
    re.DOTALL | re.MULTILINE,
)
STUB = r"\1# Your code here."
OURS = ("timeout", "hint")  # words that become metadata.maillab
METADATA = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}


# Files --------------------------------------------------------------------------------


def read(file: Path) -> Notebook:
    """A notebook. Raises LabError when the file is none."""
    try:
        octets = file.read_bytes()
        if len(octets) > MAX_SIZE:
            raise LabError(f"{file}: more than {MAX_SIZE:,} octets, too big to grade")
        found = json.loads(octets)
    except OSError as error:
        raise LabError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise LabError(f"{file}: is not a notebook: {error}") from error
    return checked(found, file)


def checked(found: Any, file: Path) -> Notebook:
    """`found`, when it looks like a notebook of format 4. Raises LabError."""
    whole: Notebook = found if isinstance(found, dict) else {}  # pyright: ignore
    if whole.get("nbformat") != 4:
        raise LabError(f"{file}: is not a notebook of format 4; save it in JupyterLab")
    cells: Any = whole.get("cells")
    if not isinstance(cells, list) or not all(map(is_cell, cells)):  # pyright: ignore
        raise LabError(f"{file}: its cells are damaged")
    return mapped(whole, joined)


def is_cell(cell: Any) -> bool:
    """Whether this has the parts of a cell."""
    match cell:
        case {"cell_type": str(), "source": str() | list(), "metadata": dict()}:
            return True
        case _:
            return False


def joined(cell: Cell) -> Cell:
    """A cell whose source is one text."""
    return cell | {"source": source_of(cell)}


def write(notebook: Notebook, file: Path) -> None:
    """Save it as Jupyter does, with lines split."""
    file.write_text(to_text(notebook), encoding="utf-8", newline="\n")


def to_text(notebook: Notebook) -> str:
    """A notebook as the text of its file."""
    cells = [{**c, "source": source_of(c).splitlines(True)} for c in notebook["cells"]]
    whole = {**notebook, "cells": cells}
    return json.dumps(whole, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


# Cells --------------------------------------------------------------------------------


def source_of(cell: Cell) -> str:
    """What stands in a cell."""
    source: Any = cell["source"]
    return source if isinstance(source, str) else "".join(map(str, source))


def nbgrader(cell: Cell) -> dict[str, Any]:
    """The grading metadata of a cell; {} when it has none."""
    found: Any = cell.get("metadata", {}).get("nbgrader", {})
    return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def ours(cell: Cell) -> dict[str, Any]:
    """What an author wrote about a cell beside nbgrader's words: timeout, hint."""
    found: Any = cell.get("metadata", {}).get("maillab", {})
    return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def grade_id(cell: Cell) -> str:
    """The name of a cell that grading knows, or ""."""
    return str(nbgrader(cell).get("grade_id", ""))


def is_answer(cell: Cell) -> bool:
    """The student writes here."""
    return cell["cell_type"] == "code" and bool(nbgrader(cell).get("solution"))


def is_check(cell: Cell) -> bool:
    """This cell is worth points."""
    return cell["cell_type"] == "code" and bool(nbgrader(cell).get("grade"))


def has_passed(cell: Cell) -> bool:
    """The stored output of this check is evidence of a right answer."""
    data = (output.get("data", {}) for output in cell.get("outputs", []))
    return any(found.get(EVIDENCE_TYPE, {}).get("passed") for found in data)


def mapped(notebook: Notebook, change: Callable[[Cell], Cell]) -> Notebook:
    """A copy in which `change` was applied to every cell."""
    return {**notebook, "cells": [change(dict(cell)) for cell in notebook["cells"]]}


def without_outputs(notebook: Notebook) -> Notebook:
    """A copy that was never run."""

    def cleared(cell: Cell) -> Cell:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
        return cell

    return mapped(notebook, cleared)


def without_widgets(cell: Cell) -> Cell:
    """A cell whose explorers have left their text and picture, and no controls.

    Controls are dead without their kernel, hide the picture then, and have another name
    at each run. Widgets of others, which have no picture, stay.
    """
    outputs: list[dict[str, Any]] = cell.get("outputs", [])
    for output in outputs:
        data: dict[str, Any] = output.get("data", {})
        if PICTURE_TYPE in data:
            data.pop(WIDGET_TYPE, None)
    return cell


# From text to notebook ----------------------------------------------------------------


def from_text(text: str) -> Notebook:
    """The instructor's notebook, not yet run."""
    jupytext: Any = imported("jupytext")
    parsed: Any = jupytext.reads(text, fmt="py:percent")
    cells = [instructors_cell(cell) for cell in parsed.cells]
    with_ids(cells)
    return {
        "cells": cells,
        "metadata": METADATA,
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def imported(name: str) -> Any:
    """A library of Jupyter's, without a grammar that it builds and nobody needs."""
    modules: dict[str, Any] = sys.modules
    modules.setdefault("rfc3987_syntax", None)  # it would cost a second
    return importlib.import_module(name)


def first_lines(text: str) -> list[int]:
    """The lines with `# %%` of a text, counted from 1: line 1 of a cell follows."""
    rows = enumerate(text.splitlines(), start=1)
    return [number for number, row in rows if row.startswith("# %%")]


def instructors_cell(parsed: Any) -> Cell:
    """A cell with nbgrader's metadata in place of the author's short words."""
    words: dict[str, Any] = dict(parsed.metadata)
    cell: Cell = {
        "cell_type": parsed.cell_type,
        "metadata": {},
        "source": str(parsed.source),
    }
    for role in ("answer", "check", "locked"):
        if role in words:
            name = re.sub(r"[^\w-]", "-", str(words.pop(role)))
            prefix = "" if role == "locked" else f"{role}-"
            points = words.pop("points", None)
            cell["metadata"]["nbgrader"] = graded(f"{prefix}{name}", role, points)
    cell["metadata"] |= {"tags": words["tags"]} if "tags" in words else {}
    if ours := {name: words[name] for name in OURS if name in words}:
        cell["metadata"]["maillab"] = ours
    if parsed.cell_type == "code":
        cell |= {"outputs": [], "execution_count": None}
    return cell


def graded(name: str, role: str, points: int | None) -> dict[str, Any]:
    """nbgrader's metadata, version 3."""
    found: dict[str, Any] = {
        "grade": role == "check",
        "grade_id": name,
        "locked": role != "answer",
        "schema_version": SCHEMA_VERSION,
        "solution": role == "answer",
        "task": False,
    }
    return found if points is None else found | {"points": points}


def with_ids(cells: list[Cell]) -> None:
    """Give every cell an id that only changes when its text does."""
    seen: set[str] = set()
    for cell in cells:
        text = cell["cell_type"] + source_of(cell)
        name = grade_id(cell) or blake2s(text.encode(), digest_size=4).hexdigest()
        while name in seen:
            name += "-2"
        seen.add(name)
        cell["id"] = name


# What students get --------------------------------------------------------------------


def released(notebook: Notebook) -> Notebook:
    """The student's version: no solutions, no hidden tests, no outputs, cells held."""

    def stripped(cell: Cell) -> Cell:
        source = SOLUTION.sub(STUB, source_of(cell))
        cell["source"] = HIDDEN.sub("", source).rstrip("\n")
        cell["metadata"] = cell["metadata"] | held(cell)
        return cell

    return without_outputs(mapped(notebook, stripped))


def held(cell: Cell) -> dict[str, bool]:
    """What JupyterLab must not let happen to a cell by mistake; nbgrader says the same.

    >>> held({"metadata": {"nbgrader": {"locked": False, "solution": True}}})
    {'deletable': False}
    """
    match nbgrader(cell).get("locked"):
        case True:
            return {"deletable": False, "editable": False}
        case False:
            return {"deletable": False}
        case _:
            return {}
