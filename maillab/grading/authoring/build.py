"""Build the notebooks: from the author's text to reference and student's version.

    python -m maillab.grading.authoring.build            all of notebooks/instructor
    python -m maillab.grading.authoring.build --check    what is out of step
    python -m maillab.grading.authoring.build --only 04  one of them

Goes in: `instructor/NAME.py` and `instructor/NAME.toml`. Comes out:
`instructor/NAME.ipynb`, with solutions and outputs; `NAME.ipynb` for students, with
neither; and `instructor/NAME.lock.json`, by which a changed cell is known.

Rule 1: the student's version has no outputs: what one sees there, one has made oneself.
        Who has no kernel reads the instructor's version of a notebook without grades.
Rule 2: a reference that raises an error, or whose solutions fail, is not written.
"""

import argparse
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from maillab.errors import LabError
from maillab.grading.authoring.executing import executed, kernel_environment
from maillab.grading.authoring.lock import lock_text
from maillab.grading.authoring.notebook import (
    Notebook,
    first_lines,
    from_text,
    is_check,
    read,
    released,
    to_text,
    without_outputs,
    write,
)
from maillab.grading.authoring.settings import Settings

__all__ = ["build", "executed", "instructors", "kernel_environment", "out_of_step"]
FOLDER = Path("notebooks")

Say = Callable[[str], None]  # gets a line to show


def sources(folder: Path, only: str = "") -> list[Path]:
    """The authored notebooks. Raises LabError when there is none."""
    found = sorted((folder / "instructor").glob("[0-9]*-*.py"))
    if not found:
        raise LabError(f"no instructor/*.py in {folder}: run this in a checkout")
    wanted = [file for file in found if not only or number_of(file) == only.zfill(2)]
    if not wanted:
        known = ", ".join(map(number_of, found))
        raise LabError(f"there is no notebook {only!r} in {folder}; there is {known}")
    return wanted


def instructors(source: Path) -> Notebook:
    """The instructor's notebook, not yet run; with its settings, if it is graded."""
    notebook = from_text(source.read_text("utf-8"))
    file = source.with_suffix(".toml")
    if not file.is_file():
        return notebook
    ours = {"notebook": number_of(source), **Settings.read(file).to_metadata()}
    return {**notebook, "metadata": {**notebook["metadata"], "maillab": ours}}


def number_of(source: Path) -> str:
    """The number of a notebook: "01".

    >>> number_of(Path("notebooks/instructor/01-a-letter-by-hand.py"))
    '01'
    """
    return source.stem.partition("-")[0]


def is_graded(notebook: Notebook) -> bool:
    """Some cell of it is worth points."""
    return any(map(is_check, notebook["cells"]))


def build(source: Path, folder: Path) -> None:
    """Write the reference, the student's version and the lock file of a notebook.

    A graded notebook without settings gets some. Raises LabError.
    """
    settings = source.with_suffix(".toml")
    notebook = instructors(source)
    if is_graded(notebook) and not settings.is_file():
        settings.write_text(Settings.of(notebook).to_toml(), "utf-8", newline="\n")
        notebook = instructors(source)
    lines = first_lines(source.read_text("utf-8"))
    write(executed(notebook, lines=lines), source.with_suffix(".ipynb"))
    write(released(notebook), folder / f"{source.stem}.ipynb")
    if is_graded(notebook):
        lock_file(source).write_text(lock_text(notebook), "utf-8", newline="\n")


def lock_file(source: Path) -> Path:
    """Where the hashes of the locked cells are."""
    return source.with_suffix(".lock.json")


def out_of_step(source: Path, folder: Path) -> list[Path]:
    """The files that differ from what their source would give."""
    notebook = instructors(source)
    wanted = {
        source.with_suffix(".ipynb"): notebook,
        folder / f"{source.stem}.ipynb": released(notebook),
    }
    stale = [file for file, built in wanted.items() if not is_in_step(file, built)]
    if not is_graded(notebook):
        return stale
    settings, lock = source.with_suffix(".toml"), lock_file(source)
    stale += [] if settings.is_file() else [settings]
    return stale + [f for f in [lock] if not has_text(f, lock_text(notebook))]


def has_text(file: Path, text: str) -> bool:
    """A file is there and says this."""
    return file.is_file() and file.read_text("utf-8") == text


def is_in_step(file: Path, built: Notebook) -> bool:
    """A file has the cells of `built`; its outputs do not matter here."""
    return file.is_file() and to_text(without_outputs(read(file))) == to_text(built)


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
    """Build or check all; 1 when something is out of step or fails."""
    found = sources(folder, only)

    def say(row: str) -> None:
        print(row, flush=True)

    make = say_out_of_step if check else build_all
    return make(found, folder, say)


def say_out_of_step(found: list[Path], folder: Path, say: Say) -> int:
    """Say which files are; 1 when there is one."""
    stale = [file for source in found for file in out_of_step(source, folder)]
    for file in stale:
        say(f"{file} is out of step: maillab author build")
    return 1 if stale else 0


def build_all(found: list[Path], folder: Path, say: Say) -> int:
    """Build several beside each other; 1 when one of them fails."""
    trouble: list[str] = []

    def one(source: Path) -> str:
        try:
            build(source, folder)
        except LabError as error:
            trouble.append(source.stem)
            return f"{source}: nothing written\n{error}"
        return f"{source} -> {folder / source.stem}.ipynb"

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # each has a process: its kernel
        for told in pool.map(one, found):
            say(told)
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
