"""nbval with points: the cells of one notebook, run and compared.

Goes in: cells, of which some have expected outputs. Comes out: how each of them ended.

Rule 1: of a check cell only evidence and errors count; of other cells nothing does.
Rule 2: after an error or an interrupt the next cells run. After a kill they run, too,
        in a new kernel, in which the student's own earlier cells were run again, except
        those that ended badly.
        deviation: the design says to replay the reference's answers. They would then be
        in the hands of whoever kills the kernel on purpose.
Rule 3: nothing that a cell does ends the grading.
"""

# nbval has no types, and these classes are nbval's.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

import importlib
import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from maillab.grading.authoring.notebook import (
    Cell,
    grade_id,
    is_answer,
    is_check,
    source_of,
)
from maillab.grading.results import Ending
from maillab.grading.running.kernel import (
    NEVER,
    CellEnded,
    JailedKernel,
    excess,
    too_slow,
)
from maillab.grading.running.limits import SET_UP, Limits
from maillab.grading.running.process import folder_prefix
from maillab.grading.verdict import EVIDENCE_TYPE

nbval: Any = importlib.import_module("nbval.plugin")
NotebookNode: Any = importlib.import_module("nbformat").NotebookNode

ONE_AT_A_TIME = threading.Lock()  # threads of a process: pytest is not made for them
MOST_KERNELS = 8  # of one notebook
ARGUMENTS = [  # pytest, alone: none of its own files, no plug-ins, no terminal
    *("-c", os.devnull, "--noconftest", "--assert=plain", "-p", "nbval.plugin"),
    *("-p", "no:cacheprovider", "-p", "no:terminal", "-p", "no:warnings"),
    *("-p", "no:faulthandler", "-p", "no:threadexception", "-p", "no:logging"),
    *("-p", "no:unraisableexception", "-p", "no:doctest", "-p", "no:junitxml"),
    *("-p", "no:capture", "-p", "no:debugging", "-p", "no:pastebin"),
]


@dataclass
class CellRun:
    """How a cell ended.

    why      of a bad end
    outputs  what it showed, as nbval collects it
    parts    of a check: whether the evidence of a part is that of the reference
    """

    cell: Cell
    ending: Ending = "not-run"
    why: str = ""
    outputs: list[Any] = field(default_factory=list[Any])
    parts: dict[str, bool] = field(default_factory=dict[str, bool])
    seconds: float = 0.0


class Run:
    """All code cells of a notebook, one after the other."""

    def __init__(self, cells: list[Cell], seed: str, limits: Limits) -> None:
        self.seed = seed
        self.limits = limits
        self.runs = [CellRun(c) for c in cells if c["cell_type"] == "code"]
        self.end = time.monotonic() + limits.notebook
        self.kernels = 1
        self.kernel = JailedKernel(seed, limits)

    def finish(self) -> list[CellRun]:
        """Run them with pytest and nbval, in this process. Raises LabError."""
        try:
            self.kernel.wait_until_ready()
            with tempfile.TemporaryDirectory(prefix=folder_prefix()) as desk:
                file = Path(desk) / "notebook.ipynb"
                file.touch()  # pytest wants a file; what is expected stays in memory
                code = run_pytest([*ARGUMENTS, f"--rootdir={desk}", str(file)], self)
        finally:
            self.kernel.stop()
        if code == pytest.ExitCode.INTERRUPTED:
            raise KeyboardInterrupt
        return self.runs

    def kernel_for(self, number: int) -> JailedKernel:
        """A living kernel in which the cells before `number` were run."""
        while not self.kernel.is_alive():
            self.kernel.stop()
            if self.kernels >= MOST_KERNELS or time.monotonic() > self.end:
                raise CellEnded("not-run", "the kernel had died too often")
            self.kernels += 1
            self.kernel = JailedKernel(self.seed, self.limits)
            self.kernel.wait_until_ready()
            for run in self.runs[:number]:
                if run.ending not in {"timeout", "killed", "output-limit"}:
                    self._again(run)
        return self.kernel

    def _again(self, run: CellRun) -> None:
        """Run a cell once more; its outputs do not matter."""
        if not self.kernel.is_alive():
            return
        kernel = self.kernel
        try:
            kernel.cell = self._seconds(run.cell)
            asked = kernel.execute_cell_input(source_of(run.cell))
            kernel.await_idle(asked, NEVER)
        except CellEnded as ended:
            run.ending, run.why = ended.ending, f"in a new kernel, {ended}"
            kernel.stop()

    def begin_cell(self, number: int) -> None:
        """Make ready for a cell. Raises CellEnded when there is no time for it."""
        kernel = self.kernel_for(number)
        kernel.cell = self._seconds(self.runs[number].cell)
        if kernel.cell <= 0:
            raise CellEnded("not-run", "the time for the notebook was over")

    def _seconds(self, cell: Cell) -> float:
        """What is left for a cell."""
        ours = not is_answer(cell) and not is_check(cell)
        least = SET_UP if ours else 0.0
        wanted = max(self.limits.cell, seconds_of(cell), least)
        return min(wanted, self.end - time.monotonic())


def run_pytest(arguments: list[str], run: Run) -> int | pytest.ExitCode:
    """Run pytest in this process, and leave its environment as it was."""
    with ONE_AT_A_TIME:
        kept = {name: text for name, text in os.environ.items() if "PYTEST" in name}
        for name in kept:
            del os.environ[name]
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        try:
            return pytest.main(arguments, plugins=[Plugin(run)])
        finally:
            del os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
            os.environ.pop("PYTEST_CURRENT_TEST", None)
            os.environ |= kept


class Plugin:
    """Gives pytest the cells of a run."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def pytest_addoption(self, parser: pytest.Parser) -> None:
        """What nbval reads and the terminal would have defined."""
        parser.addoption("--color", default="no")

    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> pytest.Collector:
        """There is one file."""
        found: Any = GradedFile.from_parent(parent, path=file_path)
        found.run = self.run
        return found


class GradedFile(nbval.IPyNbFile):
    """A notebook of which some cells have points."""

    run: Run
    timed_out = False

    @property
    def kernel(self) -> JailedKernel:
        """The kernel that runs now; another one after a kill."""
        return self.run.kernel

    def setup(self) -> None:
        """Nothing: the kernel has been starting since pytest was called."""

    def teardown(self) -> None:
        """Nothing: the run stops its kernel."""

    def collect(self) -> Iterator[pytest.Item]:
        """All code cells; what is in them gives no orders to nbval."""
        for number, run in enumerate(self.run.runs):
            yield GradedCell.from_parent(
                self,
                name=f"Cell {number}",
                cell_num=number,
                cell=expected(run.cell),
                options={"check": is_check(run.cell), "skip": False}
                | {"check_exception": False},
            )


class GradedCell(nbval.IPyNbCell):
    """A cell, and how it ended."""

    def setup(self) -> None:
        """Nothing: nbval would expect a cell behind a time-out to fail."""

    def runtest(self) -> None:
        """Run the cell, and note how it ended."""
        run: CellRun = self.parent.run.runs[self.cell_num]
        began = time.monotonic()
        run.ending = "error"  # until it is known better
        try:
            self.parent.run.begin_cell(self.cell_num)
            super().runtest()
            run.ending = "pass"
        except CellEnded as ended:
            run.ending, run.why = ended.ending, str(ended)
            self.parent.kernel.stop()
            raise
        except nbval.NbCellError as error:
            run.ending = ending_of(str(error))
            lost = run.ending == "output-limit"
            run.why = str(excess("output") if lost else error)
            raise
        finally:
            run.seconds = time.monotonic() - began
            run.outputs = list(self.test_outputs or [])
            if self.parent.kernel.timed_out:
                run.ending = "timeout"
                run.why = too_slow(self.parent.kernel.cell)

    def compare_outputs(self, test: Any, ref: Any, skip_compare: Any = None) -> bool:
        """Compare nothing but evidence, part by part."""
        run: CellRun = self.parent.run.runs[self.cell_num]
        self.comparison_traceback: list[str] = []  # nbval prints it; it stays empty
        wanted, found = parts_of(ref), parts_of(test)
        for name, part in wanted.items():
            shown = [as_output(found[name])] if name in found else []
            run.parts[name] = bool(super().compare_outputs(shown, [as_output(part)]))
        return all(run.parts.values()) and wanted.keys() == found.keys()

    def format_output_compare(self, key: str, left: Any, right: Any) -> None:
        """Nothing: what is expected stays with the grader."""


def ending_of(message: str) -> Ending:
    """What nbval's words for a cell mean here."""
    if message == "Cell outputs differ":
        return "fail"
    if message.endswith("waiting for output."):  # there was more than zmq keeps
        return "output-limit"
    return "error"


def seconds_of(cell: Cell) -> float:
    """The time that the author of a notebook gave to a cell; 0 when it is as others."""
    found: Any = cell["metadata"].get("maillab", {}).get("timeout", 0)
    return float(found) if isinstance(found, int | float) else 0.0


def expected(cell: Cell) -> Any:
    """A cell as nbval reads it, with what is expected of a check."""
    outputs = [NotebookNode(one) for one in cell["outputs"]] if is_check(cell) else []
    return NotebookNode(
        cell_type="code",
        source=source_of(cell),
        metadata=NotebookNode(),
        outputs=outputs,
        execution_count=1,
        id=grade_id(cell),
    )


def shown_verdict(outputs: list[Any]) -> dict[str, Any]:
    """The verdict that a check cell showed; {} when it showed none, or several."""
    found = [o["data"][EVIDENCE_TYPE] for o in outputs if EVIDENCE_TYPE in data_of(o)]
    verdict: Any = found[0] if len(found) == 1 else {}
    return verdict if isinstance(verdict, dict) else {}  # pyright: ignore


def data_of(output: Any) -> dict[str, Any]:
    """The pictures, texts and evidence of an output, by MIME type."""
    return output.get("data", {})


def parts_of(outputs: list[Any]) -> dict[str, Any]:
    """The parts of the verdict that was shown, by name."""
    parts: Any = shown_verdict(outputs).get("parts")
    if not isinstance(parts, list):
        return {}
    named = [part for part in parts if isinstance(part, dict)]  # pyright: ignore
    return {str(part.get("name")): part for part in named}


def as_output(part: Any) -> Any:
    """A part as an output that nbval can compare; 1 and true differ in it."""
    text = json.dumps(part, sort_keys=True)
    return NotebookNode(output_type="display_data", data={EVIDENCE_TYPE: text})
