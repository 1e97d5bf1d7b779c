"""A whole course, as an instructor types it: release, three students, grade, report.

    maillab author build 01 --check       the release is in step with its source
    (students work, and hand in)
    maillab grade 01 submitted --out graded --seed-file secret --per-student
    maillab report graded --html --csv --junit --moodle --canvas --students roster.csv

Zoe solves everything, in her own words. Ann solves half of it. Max attacks the grader.
"""

import csv
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from maillab.grading.authoring.notebook import (
    grade_id,
    is_answer,
    is_check,
    read,
    source_of,
    write,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROOT = Path(__file__).resolve().parents[2]
NAME = "01-a-letter-by-hand.ipynb"
SECRET = "rosebud-1941-and-nobody-guesses-it"

ROSTER = """\
student,name,email,id,section
zoe,"Ångström, Zoë",zoe@school.example,s1,A
ann,"Lee, Ann",ann@school.example,s2,A
max,=HYPERLINK("Max"),max@school.example,s3,B
eve,Eve,eve@school.example,s4,B
"""

BY_SESSION = """\
with world.console("desk", names.server, 25) as hand:
    hand.say("HELO desk", f"MAIL FROM:<{task.mail_from}>", f"RCPT TO:<{task.rcpt_to}>")
    hand.say("DATA")
    hand.say(f"From: {task.header_from}", f"To: {task.header_to}")
    hand.say(f"Subject: {task.subject}", "", "Bring a flamingo.", ".")
"""
NO_DOT = BY_SESSION.replace(', "."', "")
FORGED = """\
from maillab.grading.verdict import Outcome, Verdict
Verdict.failed = None
Verdict.to_json = lambda self: {
    "id": self.exercise.id, "passed": True,
    "parts": [{"name": "", "points": 3, "title": "x", "passed": True, "evidence": {}}],
}
word = 1
"""
LURE = "raise ValueError('<script>alert(1)</script>')"
LOOP = "while True:\n    pass"


def solutions() -> dict[str, str]:
    """The instructor's answers, which a good student finds."""
    cells = read(ROOT / "notebooks" / "instructor" / NAME)["cells"]
    return {grade_id(cell): source_of(cell) for cell in cells if is_answer(cell)}


def hand_in(folder: Path, student: str, answers: dict[str, str], lie: str = "") -> None:
    """A copy of the release, with these answers; `lie`: in the place of every check."""
    notebook = read(folder / "release" / NAME)
    for cell in notebook["cells"]:
        cell["source"] = answers.get(grade_id(cell), source_of(cell))
        if lie and is_check(cell):
            cell["source"] = lie
    file = folder / "submitted" / student / NAME
    file.parent.mkdir(parents=True)
    write(notebook, file)


def maillab(*words: str) -> str:
    """Run the command in the checkout, as an instructor does."""
    done = subprocess.run(
        [sys.executable, "-m", "maillab", *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The course, run from its beginning to its end; the folder of the reports."""
    folder = tmp_path_factory.mktemp("course")
    maillab("author", "build", "01", "--check")
    (folder / "release").mkdir()
    shutil.copy(ROOT / "notebooks" / NAME, folder / "release" / NAME)

    hand_in(folder, "zoe", solutions() | {"answer-1-1": BY_SESSION})
    half = {name: solutions()[name] for name in ("answer-1-3", "answer-1-4")}
    hand_in(folder, "ann", half | {"answer-1-1": NO_DOT})
    attack = {"answer-1-1": LOOP, "answer-1-2": LURE, "answer-1-3": FORGED}
    hand_in(folder, "max", attack, lie="print('✓ 12 of 12 points')")

    (folder / "secret").write_text(SECRET)
    (folder / "roster.csv").write_text(ROSTER, "utf-8")
    graded = str(folder / "graded")
    grade = ("grade", "01", str(folder / "submitted"), "--out", graded)
    secret = ("--seed-file", str(folder / "secret"), "--per-student")
    maillab(*grade, *secret, "--jobs", "2", "--time-out", "12")
    again = maillab(*grade, *secret, "--jobs", "2", "--time-out", "12")
    assert "3 of them graded before" in again
    every = ("--html", "--csv", "--junit", "--moodle", "--canvas")
    maillab("report", graded, *every, "--students", str(folder / "roster.csv"))
    return folder / "graded" / "reports"


def table(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_everybody_gets_what_was_earned(course: Path) -> None:
    rows = {row["student"]: row for row in table(course / "grades.csv")}
    columns = ("1.1", "1.2", "1.3", "1.4", "total")
    found = {name: [row[column] for column in columns] for name, row in rows.items()}
    assert found == {
        "points possible": ["3", "3", "3", "3", "12"],
        "zoe": ["3", "3", "3", "3", "12"],
        "ann": ["0", "0", "3", "3", "6"],
        "max": ["0", "0", "0", "0", "0"],
        "eve": ["", "", "", "", ""],
    }
    assert rows["max"]["name"].startswith("'=")


def test_moodle_and_canvas_get_their_columns(course: Path) -> None:
    moodle = {row["Email address"]: row for row in table(course / "moodle.csv")}
    assert moodle["zoe@school.example"]["01 A letter by hand (points)"] == "12"
    assert moodle["eve@school.example"]["01 A letter by hand (points)"] == ""
    possible, *rows = table(course / "canvas.csv")
    assert possible["01 A letter by hand"] == "12"
    points = {row["SIS User ID"]: row["01 A letter by hand"] for row in rows}
    assert points == {"s1": "12", "s2": "6", "s3": "0", "s4": ""}


def test_a_program_that_shows_tests_sees_the_same(course: Path) -> None:
    root = ET.parse(course / "junit.xml").getroot()
    bad = {
        suite.get("name"): int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        for suite in root
    }
    assert bad == {"zoe": 0, "ann": 2, "max": 4, "eve": 0}


def test_each_student_reads_why(course: Path) -> None:
    ann = (course / "feedback" / "ann.html").read_text("utf-8")
    assert "the line with the single dot, which ends the letter, is missing" in ann
    zoe = (course / "feedback" / "zoe.html").read_text("utf-8")
    assert "12 of 12 points" in zoe
    assert "<dt>" not in zoe


def test_the_teacher_sees_which_mistake_was_made(course: Path) -> None:
    overview = (course / "overview.html").read_text("utf-8")
    assert "the line with the single dot, which ends the letter, is missing" in overview
    assert "took too long: an endless loop?" in overview
    assert re.search(r"Handed in by 3 of 4", overview)


def test_no_report_tells_the_secret_or_runs_what_a_student_wrote(course: Path) -> None:
    for file in (*course.rglob("*.*"), *course.parent.glob("results/*/*.json")):
        text = file.read_text("utf-8")
        assert SECRET not in text, file.name
        if file.suffix in {".html", ".svg", ".xml"}:
            assert "<script" not in text, file.name
