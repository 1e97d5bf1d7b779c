"""Is a notebook ready to be handed out?

Goes in: an author's text. Comes out: complaints; none when it is ready.

Rule 1: the solutions must pass in the public world and in some others.
Rule 2: the reference must look the same when nbval runs it again.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from maillab.errors import LabError
from maillab.grading.authoring.build import (
    executed,
    instructors,
    is_graded,
    kernel_environment,
    out_of_step,
)
from maillab.grading.authoring.lint import complaints
from maillab.grading.authoring.notebook import Notebook, first_lines, read, source_of
from maillab.grading.authoring.settings import Settings, points_of
from maillab.grading.lab import PUBLIC_SEED

MOST_LINES = 30  # of what nbval says


def check_all(found: list[Path], folder: Path, say: Callable[[str], None]) -> int:
    """Check several; 1 when there is something to complain about."""
    ready = True
    for source in found:
        problems = list(problems_of(source, folder))
        ready = ready and not problems
        say(f"{'✗' if problems else '✓'} {source.stem}")
        for problem in problems:
            say("\n".join(f"    {row}" for row in problem.splitlines()))
    return 0 if ready else 1


def problems_of(source: Path, folder: Path) -> Iterator[str]:
    """Everything that is wrong with one notebook; the slow things last."""
    try:
        notebook = instructors(source)
        yield from _kept_rules(source, folder, notebook)
        yield from _said_twice(source, notebook)
        yield from _passes(source, notebook)
    except LabError as error:
        yield str(error)


def _kept_rules(source: Path, folder: Path, notebook: Notebook) -> Iterator[str]:
    stale = out_of_step(source, folder)
    for file in stale:
        yield f"{file} is out of step: maillab author build {source.stem[:2]}"
    reference = source.with_suffix(".ipynb")
    looked_at = notebook if reference in stale else read(reference)
    yield from complaints(looked_at)
    if not stale:
        yield from _runs_alike(reference)


def _said_twice(source: Path, notebook: Notebook) -> Iterator[str]:
    """Points and title, in the settings and in the text."""
    file = source.with_suffix(".toml")
    if not is_graded(notebook) or not file.is_file():
        return
    settings = Settings.read(file)
    if settings.points != points_of(notebook):
        yield f"{file}: points = {settings.points}, its checks: {points_of(notebook)}"
    heading = source_of(notebook["cells"][0]).partition("\n")[0]
    if settings.title not in heading:
        yield f"{file}: title = {settings.title!r}, its heading: {heading!r}"


def _passes(source: Path, notebook: Notebook) -> Iterator[str]:
    """The solutions, in other worlds."""
    if not is_graded(notebook) or not source.with_suffix(".toml").is_file():
        return
    lines = first_lines(source.read_text("utf-8"))
    for seed in Settings.read(source.with_suffix(".toml")).seeds:
        try:
            executed(notebook, seed, lines=lines)
        except LabError as error:
            yield f"in the world of the seed {seed!r}:\n{error}"


def _runs_alike(reference: Path) -> Iterator[str]:
    """What nbval says when the reference is run once more."""
    command = [sys.executable, "-m", "pytest", "--nbval", "-q", "--tb=short"]
    command += ["-p", "no:cacheprovider", "--override-ini=filterwarnings=default"]
    done = subprocess.run(
        [*command, str(reference)],
        env=os.environ | kernel_environment(PUBLIC_SEED),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        rows = done.stdout.splitlines() or done.stderr.splitlines()
        yield "\n".join(["nbval sees other outputs:", *rows[-MOST_LINES:]])
