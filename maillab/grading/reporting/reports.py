"""Which reports are written, and where.

    DIR/reports/overview.html            the class
    DIR/reports/feedback/STUDENT.html    for each student
    DIR/reports/exercises-01.svg, points-01.svg
    DIR/reports/grades.csv, junit.xml
    DIR/reports/moodle.csv, moodle-worksheet-01.csv
    DIR/reports/canvas.csv

Goes in: the folder of `maillab grade`, and what is wished. Comes out: files.

Rule: a spread sheet that opens a CSV file must know that it is UTF-8, so there is a
mark in front; Moodle and Canvas get none.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from maillab.errors import LabError
from maillab.grading.reporting.course import Course
from maillab.grading.reporting.levels import Feedback, Levels

MARK = "\ufeff"  # of UTF-8, without which spread sheets take Umlauts for Latin-1

INSTRUCTOR = Path("notebooks/instructor")  # where settings are, in a checkout

Written = tuple[str, str]  # where, what


@dataclass(frozen=True, slots=True)
class Wishes:
    """Which reports to write.

    html      a page for each student, and the overview of the class
    csv       one row for each student, one column for each exercise
    junit     for programs that show test results
    moodle    a grade book for Moodle
    canvas    a grade book for Canvas
    students  a roster, CSV: student, name, email, id, section (see `roster.py`)
    feedback  what students are told: "full"; "brief" without what was found; "points";
              "" as the author of each notebook wishes (NN-name.toml)
    """

    html: bool = False
    csv: bool = False
    junit: bool = False
    moodle: bool = False
    canvas: bool = False
    students: Path | None = None
    feedback: Feedback | Literal[""] = ""


def write_reports(folder: Path, wishes: Wishes) -> list[Path]:
    """Write what is wished into `folder`/reports; the files. Raises LabError."""
    course = Course.read(folder, wishes.students)
    levels: Levels = {n: wishes.feedback or level_of(n) for n in course.titles}
    target = folder / "reports"
    files: list[Path] = []
    try:
        for name, text in _reports(course, wishes, levels):
            file = target / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8", newline="")
            files.append(file)
    except OSError as error:
        raise LabError(f"{target}: cannot be written: {error.strerror}") from error
    if not files:
        raise LabError(
            "no report was named: --html, --csv, --junit, --moodle, --canvas"
        )
    return files


def level_of(number: str) -> Feedback:
    """What the author of a notebook lets students read; "full" where nobody says."""
    from maillab.grading.authoring.settings import Settings

    found = sorted(INSTRUCTOR.glob(f"{number}-*.toml"))
    return Settings.read(found[0]).feedback if found else "full"


def _reports(course: Course, wishes: Wishes, levels: Levels) -> Iterator[Written]:
    if wishes.html:
        yield from _pages(course, levels)
    yield from _tables(course, wishes, levels)


def _pages(course: Course, levels: Levels) -> Iterator[Written]:
    from maillab.grading.reporting import pages, plots, statistics

    yield "overview.html", pages.overview_page(course)
    for person in course.people:
        page = pages.student_page(course, person, levels)
        yield f"feedback/{pages.page_name(person)}", page
    for number in course.titles:
        solved = statistics.solved(course, number)
        yield f"exercises-{number}.svg", plots.solved_svg(solved)
        bins = statistics.distribution(course, number)
        yield f"points-{number}.svg", plots.distribution_svg(bins)


def _tables(course: Course, wishes: Wishes, levels: Levels) -> Iterator[Written]:
    from maillab.grading.reporting import grade_books, junit

    if wishes.csv:
        yield "grades.csv", MARK + grade_books.points_csv(course)
    if wishes.junit:
        yield "junit.xml", junit.junit_text(course, levels)
    if wishes.moodle:
        yield "moodle.csv", grade_books.moodle_csv(course, levels)
        for number in course.titles:
            sheet = grade_books.moodle_worksheet(course, number, levels[number])
            if sheet:
                yield f"moodle-worksheet-{number}.csv", sheet
    if wishes.canvas:
        yield "canvas.csv", grade_books.canvas_csv(course)
