"""How long does it take to grade a class?

    python benchmarks/grading.py [--count 40] [--jobs 2] [--nbgrader PYTHON]

Goes in: nothing, or the Python of an environment that has nbgrader. Comes out: seconds
for each notebook, of three programs that run the same submissions of notebook 01 here
and now: `maillab grade` (in a jail if there is one), plain `pytest --nbval` on as many
processes, `nbgrader autograde` (which has one).

Rule: each is measured with its start and its end, as somebody waits for it.
"""

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NAME = "01-a-letter-by-hand.ipynb"
REFERENCE = ROOT / "notebooks" / "instructor" / NAME
RELEASE = ROOT / "notebooks" / NAME
SLOW = 8  # submissions for who takes several seconds for each


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--nbgrader", default=own_nbgrader(), help="a Python with it")
    wishes = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        hand_in(folder / "submitted", wishes.count)
        seconds, points = maillab_grade(folder, wishes.jobs)
        told(f"maillab grade --jobs {wishes.jobs}", seconds, wishes.count, points)
        seconds = nbval(folder, wishes.jobs)
        told(f"pytest --nbval -n {wishes.jobs}", seconds, wishes.count)
        if wishes.nbgrader:
            count = min(SLOW, wishes.count)
            seconds = nbgrader(folder, wishes.nbgrader, count)
            told("nbgrader autograde", seconds, count)


def own_nbgrader() -> str:
    """This Python, if it has nbgrader."""
    return sys.executable if importlib.util.find_spec("nbgrader") else ""


def told(what: str, seconds: float, count: int, more: str = "") -> None:
    """One line."""
    each = seconds / count
    print(f"{what:28} {count:3} notebooks {seconds:7.1f} s {each:6.2f} s each  {more}")


def hand_in(submitted: Path, count: int) -> None:
    """A third is right, a third is half right, a third has not begun."""
    for number in range(count):
        notebook = json.loads((REFERENCE, REFERENCE, RELEASE)[number % 3].read_text())
        if number % 3 == 1:
            empty(notebook, "answer-1-2", "answer-1-4")
        folder = submitted / f"student{number:02}" / "01"
        folder.mkdir(parents=True)
        (folder / NAME).write_text(json.dumps(notebook), "utf-8")


def empty(notebook: dict[str, Any], *names: str) -> None:
    """Put back what was released."""
    released = {c["id"]: c for c in json.loads(RELEASE.read_text())["cells"]}
    for cell in notebook["cells"]:
        if cell["id"] in names:
            cell["source"] = released[cell["id"]]["source"]


def timed(command: list[str | Path], folder: Path, **variables: str) -> float:
    """Seconds that a command took."""
    began = time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    run = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True
    )
    if run.returncode not in (0, 1):  # 1: pytest found failures, as it should
        sys.exit(run.stdout.decode()[-2000:] + run.stderr.decode()[-2000:])
    return time.perf_counter() - began


def maillab_grade(folder: Path, jobs: int) -> tuple[float, str]:
    """Seconds, and what came out."""
    command = [sys.executable, "-m", "maillab.cli", "grade", REFERENCE, "submitted"]
    seconds = timed([*command, "--jobs", str(jobs), "--out", "graded"], folder)
    found = [json.loads(f.read_text()) for f in folder.glob("graded/results/01/*.json")]
    jails = ", ".join(sorted({one["jail"] for one in found}))
    points = sorted({one["points"] for one in found})
    return seconds, f"points {points}, jail {jails}"


def nbval(folder: Path, jobs: int) -> float:
    """Seconds of nbval as it is."""
    files = sorted(folder.glob("submitted/*/*/*.ipynb"))
    command = [sys.executable, "-m", "pytest", "--nbval", "-q", "--tb=no"]
    command += ["-p", "no:cacheprovider", "-n", str(jobs), "--dist=loadfile"]
    return timed([*command, *files], folder)


def nbgrader(folder: Path, python: str, count: int) -> float:
    """A course of its own, with kernels of the Python that has maillab."""
    course = folder / "course"
    (course / "source" / "01").mkdir(parents=True)
    shutil.copy(REFERENCE, course / "source" / "01" / NAME)
    for student in sorted((folder / "submitted").iterdir())[:count]:
        shutil.copytree(student, course / "submitted" / student.name)
    kernel = folder / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Python 3", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    command: list[str | Path] = [python, "-m", "nbgrader"]
    programs = os.pathsep.join([str(Path(python).parent), os.environ["PATH"]])
    paths = {"JUPYTER_PATH": str(folder / "jupyter"), "PATH": programs}
    timed([*command, "generate_assignment", "01"], course, **paths)
    seconds = timed([*command, "autograde", "01"], course, **paths)
    graded = list(course.glob(f"autograded/*/01/{NAME}"))
    if len(graded) != count:
        sys.exit(f"nbgrader graded {len(graded)} of {count}")
    return seconds


if __name__ == "__main__":
    main()
