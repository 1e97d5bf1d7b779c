"""What the grader knows of a notebook: the reference, run in the world of one seed.

Goes in: the number of a notebook, or a file, and a seed. Comes out: a `Bundle`.

Rule 1: a reference whose checks were never run, or whose solutions fail, is refused.
Rule 2: with another seed than the public one the reference is run again first: who
        wrote down the answers of the public world gets nothing for them.
"""

import json
import re
from collections.abc import MutableMapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from maillab.errors import LabError
from maillab.grading.authoring.notebook import (
    Cell,
    Notebook,
    from_text,
    grade_id,
    has_passed,
    is_answer,
    is_check,
    read,
    released,
    source_of,
    to_text,
    without_outputs,
)
from maillab.grading.lab import NOTEBOOKS, PUBLIC_SEED
from maillab.grading.running.limits import Limits

TRUSTED = Limits(jail="none", cell=60.0)  # the instructor's own code
INSTRUCTOR = Path("notebooks/instructor")
FINGERPRINT = 8  # digits: enough to see a change, too few to guess a seed from

Cache = MutableMapping[str, Notebook]


@dataclass(frozen=True)
class Bundle:
    """A reference that was run in the world of a seed.

    number    of the notebook: "01"
    title     "A letter by hand"
    notebook  the instructor's, with solutions, outputs and evidence: keep it
    seed      of the world: keep it
    """

    number: str
    title: str
    notebook: Notebook
    seed: str = PUBLIC_SEED

    @cached_property
    def fingerprint(self) -> str:
        """Another one when the reference or the seed is another."""
        whole = f"{to_text(without_outputs(self.notebook))}\0{self.seed}"
        return sha256(whole.encode()).hexdigest()[:FINGERPRINT]

    @cached_property
    def release(self) -> Notebook:
        """What students got."""
        return released(self.notebook)


def make_bundle(
    which: str | Path, seed: str = PUBLIC_SEED, cache: Cache | None = None
) -> Bundle:
    """The reference of a notebook, run under a seed. Raises LabError.

    which  "01", the name of a lab, or the path of an instructor's .ipynb or .py
    cache  references that were run, by their fingerprint; the caller keeps it
    """
    file = find_reference(which)
    notebook = read_reference(file)
    number, title = title_of(notebook, file)
    bare = Bundle(number, title, notebook, seed)
    kept: Cache = {} if cache is None else cache
    if bare.fingerprint not in kept:
        kept[bare.fingerprint] = run_reference(notebook, seed, file)
    return Bundle(number, title, kept[bare.fingerprint], seed)


def find_reference(which: str | Path) -> Path:
    """The instructor's file of a notebook. Raises LabError."""
    path = Path(which)
    if path.suffix in {".ipynb", ".py"} and path.is_file():
        return path
    folder = path if path.is_dir() else INSTRUCTOR
    number = next((n for n, lab in NOTEBOOKS.items() if lab == str(which)), str(which))
    pattern = "*" if path.is_dir() else f"{number}-*"
    found = sorted(folder.glob(f"{pattern}.ipynb")) or sorted(
        folder.glob(f"{pattern}.py")
    )
    if len(found) != 1:
        known = ", ".join(f"{n} ({lab})" for n, lab in NOTEBOOKS.items())
        raise LabError(
            f"expected one instructor's notebook for {str(which)!r}, found {len(found)}"
            f" in {folder}; type the path of one, or run this in a checkout: {known}"
        )
    return found[0]


def reference_of(cells: list[Cell], folder: Path = INSTRUCTOR) -> Path:
    """The instructor's notebook with the same answer cells. Raises LabError."""
    handed_in = {grade_id(cell) for cell in cells if is_answer(cell)}
    for file in sorted(folder.glob("*.ipynb")):
        if handed_in & {grade_id(c) for c in read(file)["cells"] if is_answer(c)}:
            return file
    raise LabError(f"no notebook in {folder} has these answer cells: name one")


def read_reference(file: Path) -> Notebook:
    """An instructor's notebook, as text or as a notebook. Raises LabError."""
    if file.suffix == ".ipynb":
        return read(file)
    try:
        return from_text(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise LabError(f"{file}: cannot be read: {error}") from error


def title_of(notebook: Notebook, file: Path) -> tuple[str, str]:
    """Number and title of a notebook, from its first heading, else its file's name."""
    first = source_of(notebook["cells"][0]) if notebook["cells"] else ""
    found = re.match(r"# (\d+)\.? +(.+)", first)
    if found:
        return found[1], found[2].strip()
    number = re.match(r"\d*", file.stem)
    return (number[0] if number else ""), file.stem


def run_reference(notebook: Notebook, seed: str, file: Path) -> Notebook:
    """The notebook with the evidence that it shows under a seed. Raises LabError."""
    if seed != PUBLIC_SEED or file.suffix == ".py":
        notebook = executed(notebook, seed, file)
    checks = [cell for cell in notebook["cells"] if is_check(cell)]
    if not checks:
        raise LabError(f"{file}: no cell of it is worth points")
    for cell in checks:
        if not has_passed(cell):
            raise LabError(
                f"{file}: {grade_id(cell)} was never run, or its solution fails; "
                f"type maillab author build"
            )
    return notebook


def executed(notebook: Notebook, seed: str, file: Path) -> Notebook:
    """Run a reference as submissions are run, but without a jail. Raises LabError.

    Of the outputs only those of checks are kept.
    """
    from maillab.grading.running.cells import Run

    bare = without_outputs(notebook)
    code = [cell for cell in bare["cells"] if cell["cell_type"] == "code"]
    for cell, run in zip(code, Run(code, seed, TRUSTED).finish(), strict=True):
        if run.ending not in {"pass", "fail"}:  # a check has nothing to compare with
            first = source_of(cell).partition("\n")[0]
            raise LabError(
                f"{file}: a cell of the reference ends in {run.ending} ({first!r}): "
                f"{complaint(run.outputs) or run.why}"
            )
        if is_check(cell):
            cell["outputs"] = json.loads(json.dumps(run.outputs))
            cell["execution_count"] = 1
    return bare


def complaint(outputs: list[dict[str, Any]]) -> str:
    """The error that a cell ended in, or ""."""
    errors = [o for o in outputs if o["output_type"] == "error"]
    return f"{errors[-1]['ename']}: {errors[-1]['evalue']}" if errors else ""
