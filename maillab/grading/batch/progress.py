"""What one sees while many submissions are graded.

Goes in: results, as they come. Comes out: a bar on a terminal; elsewhere a line each.

Rule: it goes to stderr; stdout is for what one keeps.
"""

import sys
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from maillab.grading.batch.results import Entry
from maillab.grading.results import Result
from maillab.trace.lines import clean

if TYPE_CHECKING:
    import rich.progress


class Progress:
    """Says nothing: for programs and tests."""

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def begin(self, count: int, kept: int) -> None:
        """So many will be graded; so many were."""

    def say(self, line: str) -> None:
        """What goes on."""

    def graded(self, entry: Entry) -> None:
        """One more."""

    def end(self) -> None:
        """No more will come."""


class Lines(Progress):
    """A line for each result."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.count = self.done = 0

    def begin(self, count: int, kept: int) -> None:
        """How much there is to do."""
        self.count = count
        self.say(f"to grade: {count}; graded before and unchanged: {kept}")

    def say(self, line: str) -> None:
        """At once."""
        print(line, file=self.stream, flush=True)

    def graded(self, entry: Entry) -> None:
        """Who, and how many points."""
        self.done += 1
        self.say(f"[{self.done}/{self.count}] {line_of(entry.result)}")


class Bar(Progress):
    """A bar, and the last result behind it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Rich

        self.rich = Rich(
            TextColumn("grading"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[last]}", markup=False),
            console=Console(stderr=True),
        )
        self.task: rich.progress.TaskID | None = None

    def begin(self, count: int, kept: int) -> None:
        """Show it."""
        last = f"{kept} were graded before" if kept else ""
        if count:
            self.rich.start()
        self.task = self.rich.add_task("", total=count, last=last)

    def say(self, line: str) -> None:
        """Behind the bar."""
        if self.task is not None:
            self.rich.update(self.task, last=line)

    def graded(self, entry: Entry) -> None:
        """One step."""
        if self.task is not None:
            self.rich.update(self.task, advance=1, last=line_of(entry.result))

    def end(self) -> None:
        """Give the terminal back."""
        self.rich.stop()


def progress_for(stream: TextIO) -> Progress:
    """A bar on a terminal, lines elsewhere."""
    return Bar() if stream.isatty() else Lines(stream)


def line_of(result: Result) -> str:
    """One result in one line."""
    if result.trouble:
        return clean(f"{result.student}: {result.trouble}")
    return f"{result.student}: {result.points} of {result.of}"
