"""The lock file of a notebook: a hash of every cell that students must not change.

Goes in: a notebook. Comes out: the text of NN-name.lock.json; later, the names of the
cells that somebody changed.

Rule: the hashes are those of the students' version: what they could have changed.
"""

import json
from hashlib import sha256
from pathlib import Path

from maillab.errors import LabError
from maillab.grading.authoring.notebook import (
    Cell,
    Notebook,
    grade_id,
    nbgrader,
    released,
    source_of,
)

DIGITS = 16


def locked_cells(notebook: Notebook) -> dict[str, str]:
    """The name of each locked cell, and the hash of its text."""
    cells = [cell for cell in notebook["cells"] if nbgrader(cell).get("locked")]
    return {grade_id(cell): fingerprint(cell) for cell in cells}


def fingerprint(cell: Cell) -> str:
    """The hash of a cell's text; blank lines at its end do not matter."""
    text = source_of(cell).rstrip()
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]


def lock_text(notebook: Notebook) -> str:
    """The lock file of an instructor's notebook."""
    told = {"format": 1, "cells": locked_cells(released(notebook))}
    return json.dumps(told, indent=1, sort_keys=True) + "\n"


def changed_cells(notebook: Notebook, lock: Path) -> list[str]:
    """The locked cells that are not as they were handed out. Raises LabError."""
    try:
        wanted: dict[str, str] = json.loads(lock.read_text("utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LabError(
            f"{lock}: is no lock file ({error}); type: maillab author build"
        ) from error
    found = locked_cells(notebook)
    return [name for name, mark in wanted.items() if found.get(name) != mark]
