"""A pytest plug-in: nbval with points.

Goes in: a notebook that the grader put together. Comes out: for every cell that grading
knows, how it ended, as JSON.

Rule 1: the notebook with the expected evidence is deleted before a kernel starts.
Rule 2: of a check cell only evidence and errors count; of other cells nothing does.
Rule 3: after an error or a time-out the next cells are still run.
"""

# nbval has no types, and these classes are nbval's.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from maillab.grading.authoring.notebook import grade_id, is_check
from maillab.grading.verdict import EVIDENCE_TYPE

nbval: Any = importlib.import_module("nbval.plugin")  # it has no types

MAX_FEEDBACK = 2000  # characters
OUTCOMES = {  # the beginning of nbval's message -> our word
    "Timeout": "timeout",
    "Cell outputs differ": "fail",
    "Cell execution caused an exception": "error",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where the result goes."""
    parser.addoption("--maillab-result", help="grade notebooks, write this JSON file")


def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> pytest.Collector | None:
    """Notebooks are graded when the option says so."""
    if parent.config.option.maillab_result and file_path.suffix == ".ipynb":
        return GradedFile.from_parent(parent, path=file_path)
    return None


class GradedFile(nbval.IPyNbFile):
    """A notebook of which some cells have points."""

    def setup(self) -> None:
        """Start the kernel, which must not find what is expected of it."""
        self.path.unlink()
        super().setup()

    def collect(self) -> Iterator[pytest.Item]:
        """All code cells; outputs are compared for checks only."""
        for item in super().collect():
            item.options["check"] = is_check(item.cell)
            yield GradedCell.from_parent(
                self,
                name=item.name,
                cell_num=item.cell_num,
                cell=item.cell,
                options=item.options,
            )


class GradedCell(nbval.IPyNbCell):
    """A cell, and how it ended."""

    outcome = "not-run"

    def setup(self) -> None:
        """Nothing: nbval would expect a cell behind a time-out to fail."""

    def runtest(self) -> None:
        """Run the cell, and note how it ended."""
        try:
            super().runtest()
            self.outcome = "pass"
        except nbval.NbCellError as error:
            message = str(error)
            known = (
                word for text, word in OUTCOMES.items() if message.startswith(text)
            )
            self.outcome = next(known, "error")
            raise
        finally:
            told = {"outcome": self.outcome, "feedback": feedback(self.test_outputs)}
            self.user_properties += [("id", grade_id(self.cell)), ("told", told)]

    def compare_outputs(self, test: Any, ref: Any, skip_compare: Any = None) -> bool:
        """Compare nothing but evidence."""
        return bool(super().compare_outputs(evidence(test), evidence(ref)))


def evidence(outputs: list[Any]) -> list[Any]:
    """Of all outputs, what checks have shown."""
    found = [o for o in outputs if EVIDENCE_TYPE in o.get("data", {})]
    return [type(o)(o, data={EVIDENCE_TYPE: o["data"][EVIDENCE_TYPE]}) for o in found]


def feedback(outputs: list[Any] | None) -> str:
    """What a check said, or the error that stopped a cell."""
    texts = [
        str(output.get("data", {}).get("text/plain", ""))
        or f"{output.get('ename', '')}: {output.get('evalue', '')}".strip(": ")
        for output in outputs or []
        if output["output_type"] != "stream"
    ]
    return "\n".join(filter(None, texts))[:MAX_FEEDBACK]


class Results:
    """Collects what the cells told."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.cells: dict[str, Any] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the report of a cell that grading knows."""
        told: dict[str, Any] = dict(report.user_properties)
        if report.when == "call" and told.get("id"):
            self.cells[told["id"]] = told["told"]

    def pytest_sessionfinish(self) -> None:
        """Write them all."""
        self.file.write_text(json.dumps(self.cells), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    """Begin to collect."""
    if config.option.maillab_result:
        file = Path(config.option.maillab_result)
        config.pluginmanager.register(Results(file), "maillab-results")
