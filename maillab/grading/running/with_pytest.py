"""Grade notebooks from the command line of pytest.

    pytest --maillab-grade zoe.ipynb yan.ipynb --maillab-seed "$(cat seed)"

Goes in: notebooks that were handed in. Comes out: a test for each check, and the points
of each notebook in the summary.

Rule: this is the grader of `maillab grade`, called by pytest: the same jail, the same
      limits, the same points.
"""

# What pytest knows of its reports and nodes has no types that help here.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from maillab.errors import LabError
from maillab.grading.lab import PUBLIC_SEED
from maillab.grading.results import CheckResult, Result
from maillab.grading.running.bundle import Bundle, make_bundle, reference_of
from maillab.grading.running.grading import grade_one
from maillab.grading.running.limits import Limits, as_authored
from maillab.grading.running.parsing import parse
from maillab.grading.running.submission import Submission

POINTS = "maillab points"


class Failed(Exception):
    """A check has not all of its points; the text is the feedback."""


class Notebook(pytest.File):
    """A notebook that somebody handed in."""

    def collect(self) -> Iterator["Check"]:
        """Its checks, as the reference has them. Raises CollectError."""
        try:
            self.submission = Submission.read(self.path)
            self.bundle = self._bundle()
        except LabError as error:
            raise self.CollectError(f"{self.path.name}: {error}") from error
        from maillab.grading.running.judging import not_judged

        for check in not_judged(self.bundle.notebook["cells"], "not-run"):
            yield Check.from_parent(self, name=check.id)

    def result(self) -> Result:
        """All of it, graded when it is first asked for."""
        if not hasattr(self, "_result"):
            wish = Limits(jail=self.config.option.maillab_jail)
            limits = as_authored(wish, self.bundle.notebook)
            self._result = grade_one(self.bundle, self.submission, limits)
        return self._result

    def _bundle(self) -> Bundle:
        option = self.config.option
        which = option.maillab_reference
        if not which:
            which = reference_of(parse(self.submission.content)[0])
        kept = self.config.stash.setdefault(KEPT, {})
        return make_bundle(which, option.maillab_seed or PUBLIC_SEED, kept)


KEPT = pytest.StashKey[dict[str, Any]]()


class Check(pytest.Item):
    """One check of a notebook."""

    parent: Notebook

    def runtest(self) -> None:
        """Grade. Raises Failed."""
        result = self.parent.result()
        found = next(check for check in result.checks if check.id == self.name)
        told = (self.path.name, found.points, found.of)
        self.user_properties.append((POINTS, told))
        if found.ending != "pass":
            raise Failed(feedback(result, found))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The feedback, without a traceback of the grader."""
        return f"{type(excinfo.value).__name__}: {excinfo.value}"

    def reportinfo(self) -> tuple[Path, int, str]:
        """How the test is called."""
        return self.path, 0, f"{self.path.name}: {self.name}"


def feedback(result: Result, check: CheckResult) -> str:
    """Why a check failed."""
    head = f"{check.id}: {check.ending}, {check.points}/{check.of}"
    return "\n".join(filter(None, [head, result.trouble, check.feedback]))


def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> pytest.Collector | None:
    """Every notebook is a submission."""
    if file_path.suffix == ".ipynb":
        return Notebook.from_parent(parent, path=file_path)
    return None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The points of each notebook."""
    points: dict[str, list[tuple[int, int]]] = {}
    for report in [r for found in terminalreporter.stats.values() for r in found]:
        known = dict(getattr(report, "user_properties", ()))
        if getattr(report, "when", "") == "call" and POINTS in known:
            file, got, of = known[POINTS]
            points.setdefault(file, []).append((got, of))
    terminalreporter.section("points")
    for file, found in sorted(points.items()):
        got, of = map(sum, zip(*found, strict=True))
        terminalreporter.write_line(f"{file}: {got} of {of} points")
