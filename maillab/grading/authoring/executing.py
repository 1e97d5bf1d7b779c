"""Run a notebook, and say which cell did not do what it should.

Goes in: a notebook. Comes out: the same with outputs, or a LabError that names the
cells, their lines in the author's text and what they said.

Rule 1: a fresh kernel, an empty folder, and a seed; nothing of this process is changed,
        so several notebooks can run beside each other.
Rule 2: after a check that fails the rest is still run: an author reads all of them.
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import maillab
from maillab.errors import LabError
from maillab.grading.authoring.notebook import (
    Cell,
    Notebook,
    grade_id,
    has_passed,
    imported,
    is_check,
    source_of,
    without_outputs,
    without_widgets,
)
from maillab.grading.lab import PUBLIC_SEED, SEED_VARIABLE

CELL_TIMEOUT = 60.0  # seconds
MOST_LINES = 12  # of what an error says
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
IN_CELL = re.compile(r"^Cell In\[\d+\], line (\d+)", re.MULTILINE)


def executed(
    notebook: Notebook,
    seed: str = PUBLIC_SEED,
    *,
    lines: Sequence[int] = (),
    timeout: float = CELL_TIMEOUT,
) -> Notebook:
    """The notebook, run. Raises LabError when a cell or a check fails.

    `lines`: where in the author's text the cells begin (`notebook.first_lines`).
    """
    node = _run(notebook, seed, timeout)
    problems = list(_problems(node["cells"], lines))
    if problems:
        raise LabError("\n".join(problems))
    cells = [without_widgets(cell) for cell in node["cells"]]
    return {**node, "metadata": notebook["metadata"], "cells": cells}


def kernel_environment(seed: str) -> dict[str, str]:
    """Environment variables with which a kernel finds this maillab, and a seed."""
    package = str(Path(maillab.__file__).parents[1])
    paths = [package, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, dict.fromkeys(paths))),
        SEED_VARIABLE: seed,
    }


def _run(notebook: Notebook, seed: str, timeout: float) -> Any:
    """The cells up to the first that raises an error, with what they showed."""
    nbclient: Any = imported("nbclient")
    nbformat: Any = imported("nbformat")
    traitlets: Any = imported("traitlets.config")
    node: Any = nbformat.from_dict(without_outputs(notebook))
    with (
        tempfile.TemporaryDirectory() as place,
        tempfile.TemporaryDirectory() as sockets,
    ):
        client = nbclient.NotebookClient(
            node,
            timeout=timeout,
            kernel_name="python3",
            resources={"metadata": {"path": place}},
            record_timing=False,
            shutdown_kernel="immediate",
            config=traitlets.Config({"KernelManager": _transport(sockets)}),
        )
        try:
            client.execute(env=dict(os.environ) | kernel_environment(seed))
        except nbclient.exceptions.CellExecutionError:
            pass  # the cell shows it
        except nbclient.exceptions.CellTimeoutError as error:
            raise LabError(f"a cell took more than {timeout:g} s: {error}") from error
        except nbclient.exceptions.DeadKernelError as error:
            raise LabError("the kernel died: memory, or os._exit?") from error
    return node


def _transport(sockets: str) -> dict[str, str]:
    """How to speak with a kernel: by files where there are such, not by ports."""
    if sys.platform == "win32":
        return {"transport": "tcp"}
    return {"transport": "ipc", "ip": f"{sockets}/kernel"}


# What went wrong ----------------------------------------------------------------------


def _problems(cells: Sequence[Cell], lines: Sequence[int]) -> Iterator[str]:
    for number, cell in enumerate(cells):
        errors = [o for o in cell.get("outputs", []) if o["output_type"] == "error"]
        first = lines[number] if number < len(lines) else 0
        if errors:
            yield _told(number, cell, first, _error(errors[0]))
            return  # what stands behind was not run
        if is_check(cell) and not has_passed(cell):
            yield _told(number, cell, first, ["the solution fails", *_shown(cell)])


def _told(number: int, cell: Cell, first: int, what: Sequence[str]) -> str:
    """`cell 7 (check-1-1, line 120): lab.check("1.1")`, and below it what it said."""
    at = f"line {first + 1}" if first else ""
    where = ", ".join(filter(None, [grade_id(cell), at]))
    code = source_of(cell).strip().splitlines()
    head = f"cell {number} ({where})" if where else f"cell {number}"
    line = _failing_line(cell) or 1
    shown = code[line - 1] if line <= len(code) else ""
    if line > 1 and first:
        shown = f"{shown.strip()}  (line {first + line})"
    return "\n".join([f"{head}: {shown}", *(f"    {row}" for row in what)])


def _failing_line(cell: Cell) -> int:
    """The line of the cell in which its error was raised; 0 without one."""
    for output in cell.get("outputs", []):
        trace = COLOURS.sub("", "\n".join(output.get("traceback", [])))
        if found := IN_CELL.search(trace):
            return int(found[1])
    return 0


def _error(output: Cell) -> list[str]:
    """Name and value of an error, and the last place outside the notebook."""
    trace = COLOURS.sub("", "\n".join(output.get("traceback", [])))
    said = f"{output['ename']}: {output['evalue']}".splitlines()[:MOST_LINES]
    places = re.findall(r"^File (\S+:\d+)", trace, re.MULTILINE)
    return [*said, *(f"in {place}" for place in places[-2:])]


def _shown(cell: Cell) -> list[str]:
    """What a check said; of one that shows something else, what it shows."""
    texts = [
        "".join(output.get("data", {}).get("text/plain", output.get("text", "")))
        for output in cell.get("outputs", [])
    ]
    rows = "\n".join(texts).splitlines()[:MOST_LINES]
    return rows or ["it shows nothing: its last line must be lab.check(…)"]
