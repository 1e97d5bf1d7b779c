"""Build the notebooks: from the author's text to reference and student's version.

    python -m maillab.grading.authoring.build            all of notebooks/instructor
    python -m maillab.grading.authoring.build --check    what is out of step
    python -m maillab.grading.authoring.build --only 04  one of them

Goes in: `instructor/NAME.py`. Comes out: `instructor/NAME.ipynb`, with solutions and
outputs, and `NAME.ipynb` for students, with neither.

Rule 1: the student's version has no outputs: what one sees there, one has made oneself.
        Who has no kernel reads the instructor's version of a notebook without grades.
Rule 2: a reference that raises an error, or whose solutions fail, is not written.
"""

import argparse
import importlib
import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import maillab
from maillab.errors import LabError
from maillab.grading.authoring.notebook import (
    Notebook,
    from_text,
    grade_id,
    has_passed,
    is_check,
    read,
    released,
    to_text,
    without_outputs,
    without_widgets,
    write,
)
from maillab.grading.lab import PUBLIC_SEED, SEED_VARIABLE

CELL_TIMEOUT = 60  # seconds
FOLDER = Path("notebooks")


def sources(folder: Path, only: str = "") -> list[Path]:
    """The authored notebooks. Raises LabError when there is none."""
    found = sorted((folder / "instructor").glob(f"{only or '[0-9]'}*.py"))
    if not found:
        raise LabError(f"no instructor/*.py in {folder}: run this in a checkout")
    return found


def instructors(source: Path) -> Notebook:
    """The instructor's notebook, not yet run."""
    return from_text(source.read_text("utf-8"))


def build(source: Path, folder: Path) -> None:
    """Write the reference and the student's version of one notebook."""
    notebook = instructors(source)
    write(executed(notebook), source.with_suffix(".ipynb"))
    write(released(notebook), folder / f"{source.stem}.ipynb")


def out_of_step(source: Path, folder: Path) -> list[Path]:
    """The files that differ from what their source would give."""
    notebook = instructors(source)
    wanted = {
        source.with_suffix(".ipynb"): notebook,
        folder / f"{source.stem}.ipynb": released(notebook),
    }
    return [file for file, built in wanted.items() if not is_in_step(file, built)]


def is_in_step(file: Path, built: Notebook) -> bool:
    """A file has the cells of `built`; its outputs do not matter here."""
    return file.is_file() and to_text(without_outputs(read(file))) == to_text(built)


def executed(notebook: Notebook, seed: str = PUBLIC_SEED) -> Notebook:
    """Run a notebook in a fresh kernel, in an empty folder. Raises LabError."""
    nbclient: Any = importlib.import_module("nbclient")
    nbformat: Any = importlib.import_module("nbformat")
    node: Any = nbformat.from_dict(without_outputs(notebook))
    with tempfile.TemporaryDirectory() as place, environment(seed):
        client = nbclient.NotebookClient(
            node,
            timeout=CELL_TIMEOUT,
            kernel_name="python3",
            resources={"metadata": {"path": place}},
            record_timing=False,
        )
        try:
            client.execute()
        except nbclient.exceptions.CellExecutionError as error:
            what = f"{error.ename}: {error.evalue}"
            raise LabError(f"a cell of the reference fails: {what}") from error
    failed = [grade_id(c) for c in node["cells"] if is_check(c) and not has_passed(c)]
    if failed:
        raise LabError(f"the solutions of the reference fail in {', '.join(failed)}")
    cells = [without_widgets(cell) for cell in node["cells"]]
    return {**node, "metadata": notebook["metadata"], "cells": cells}


@contextmanager
def environment(seed: str) -> Generator[None, None, None]:
    """What a kernel should find: this maillab, and a seed."""
    before = dict(os.environ)
    os.environ |= kernel_environment(seed)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before


def kernel_environment(seed: str) -> dict[str, str]:
    """Environment variables with which a kernel finds this maillab, and a seed."""
    package = str(Path(maillab.__file__).parents[1])
    paths = [package, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, dict.fromkeys(paths))),
        SEED_VARIABLE: seed,
    }


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m maillab.grading.authoring.build")
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="notebooks")
    parser.add_argument("--only", default="", help="the number of one notebook")
    options = parser.parse_args(arguments)
    try:
        return run(options.folder, options.only, check=options.check)
    except LabError as error:
        print(error, file=sys.stderr)
        return 2


def run(folder: Path, only: str = "", *, check: bool) -> int:
    """Build or check all; 1 when something is out of step."""
    found = sources(folder, only)
    stale = [file for source in found for file in out_of_step(source, folder)]
    if check:
        for file in stale:
            print(f"{file} is out of step: python -m maillab.grading.authoring.build")
        return 1 if stale else 0
    for source in found:
        build(source, folder)
        print(f"{source} -> {folder / source.stem}.ipynb")
    return 0


if __name__ == "__main__":
    sys.exit(main())
