"""Grade books: tables of points, as spread sheets, Moodle and Canvas read them.

Goes in: a `Course`. Comes out: the text of CSV files.

- `csv`     one row for each student, one column for each exercise.
- Moodle    Grades > Import > CSV file. The teacher maps columns: "Email address" or "ID
            number" to the user, points and feedback to grade items. Feedback must come
            with the points, or Moodle empties what it does not find
            (docs.moodle.org, "Grade import", note 3).
- Moodle    Assignment > Upload grading worksheet, for notebooks that came from Moodle.
            It finds students by "Identifier" ("Participant 4711", the number that is in
            the names of the files), and needs "Grade" and "Last modified (grade)"
            (`assignfeedback_offline_grade_importer` in Moodle's source).
- Canvas    Grades > Import. It wants "Student", "ID", "SIS User ID", "SIS Login ID",
            "Section" in this order, then one column for each assignment, and a row that
            begins with "Points Possible" (`GradebookImporter` in Canvas' source).

Rule 1: a text that a spread sheet would run as a formula has an apostrophe before it.
Rule 2: who handed in nothing has an empty cell, which overwrites nothing.
"""

import csv
import io
from collections.abc import Iterable, Sequence

from maillab.grading.reporting.course import Course
from maillab.grading.reporting.levels import Feedback, Levels, let_through
from maillab.grading.reporting.roster import Person
from maillab.grading.results import Result
from maillab.trace.lines import clean

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
MOST = 1000  # characters of a comment
CANVAS_HEAD = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
WORKSHEET_HEAD = (
    *("Identifier", "Full name", "Email address", "Grade", "Maximum Grade"),
    *("Last modified (grade)", "Feedback comments"),
)

Cell = str | int | None
Row = Sequence[Cell]


def csv_text(rows: Iterable[Row]) -> str:
    """A CSV file, as RFC 4180 §2 has it.

    >>> csv_text([["Lee, Ann", "=1+1", 3, None]])
    '"Lee, Ann",\\'=1+1,3,\\r\\n'
    """
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\r\n").writerows(map(_harmless_row, rows))
    return stream.getvalue()


def harmless(cell: Cell) -> Cell:
    """A cell that no spread sheet runs; numbers stay numbers."""
    if not isinstance(cell, str):
        return cell
    text = clean(cell)
    return f"'{text}" if cell.lstrip(" \xa0").startswith(FORMULA) else text


def _harmless_row(row: Row) -> list[Cell]:
    return [harmless(cell) for cell in row]


# The three systems --------------------------------------------------------------------


def points_csv(course: Course) -> str:
    """For a spread sheet."""
    exercises = [e for number in course.titles for e in course.exercises(number)]
    head = ["student", "name", "email", "id", "section", *(e.id for e in exercises)]
    possible: list[Cell] = ["points possible", None, None, None, None]
    possible += [exercise.of for exercise in exercises]
    rows: list[Row] = [
        [*head, "total", "remarks"],
        [*possible, sum(e.of for e in exercises), None],
    ]
    for person in course.people:
        points = [course.points(person.student, e) for e in exercises]
        who = (person.student, person.name, person.email, person.id, person.section)
        total = sum(filter(None, points)) if course.of_student(person.student) else None
        rows.append([*who, *points, total, _remarks(course, person)])
    return csv_text(rows)


def moodle_csv(course: Course, levels: Levels) -> str:
    """For Moodle's grade book."""
    head = ["Full name", "Email address", "ID number"]
    for number in course.titles:
        head += [f"{called(course, number)} (points)"]
        head += [f"{called(course, number)} (feedback)"]
    rows: list[Row] = [head]
    for person in course.people:
        row: list[Cell] = [person.called, person.email, person.id]
        for number in course.titles:
            result = course.results.get((person.student, number))
            row += (
                [result.points, comment(result, levels[number])]
                if result
                else [None] * 2
            )
        rows.append(row)
    return csv_text(rows)


def moodle_worksheet(course: Course, number: str, level: Feedback) -> str:
    """For an assignment in Moodle; "" when no notebook came from Moodle."""
    rows: list[Row] = [WORKSHEET_HEAD]
    for person in course.people:
        result = course.results.get((person.student, number))
        login = course.login(person.student, number, "moodle")
        if result and login:
            who = (f"Participant {login}", person.called, person.email)
            points = (result.points, course.worth(number))
            rows.append([*who, *points, "", comment(result, level)])
    return csv_text(rows) if len(rows) > 1 else ""


def canvas_csv(course: Course) -> str:
    """For the grade book of Canvas."""
    titles = [called(course, number) for number in course.titles]
    possible: list[Cell] = ["    Points Possible", None, None, None, None]
    rows: list[Row] = [
        [*CANVAS_HEAD, *titles],
        [*possible, *(course.worth(number) for number in course.titles)],
    ]
    for person in course.people:
        logins = (course.login(person.student, n, "canvas") for n in course.titles)
        number = next(filter(None, logins), "")
        who: list[Cell] = [person.called, number, person.id]
        who += [person.email or person.student, person.section]
        found = (course.results.get((person.student, n)) for n in course.titles)
        rows.append([*who, *(result.points if result else None for result in found)])
    return csv_text(rows)


# Words --------------------------------------------------------------------------------


def called(course: Course, number: str) -> str:
    """How a notebook is called in a grade book: "01 A letter by hand"."""
    return f"{number} {course.titles[number]}".strip()


def comment(result: Result, level: Feedback) -> str:
    """A result in one line, for a cell of a grade book."""
    if result.trouble:
        return clip(result.trouble)
    told = [f"{check.id}: {check.points}/{check.of}" for check in result.checks]
    for check in result.checks:
        for part in check.parts:
            reasons = let_through(part.reasons, level)
            if not part.passed and "expected" in reasons:
                where = f"{check.id} {part.name}".strip()
                told.append(f"{where}: expected {reasons['expected']}")
    return clip("; ".join(told))


def clip(text: str, most: int = MOST) -> str:
    """A text that fits.

    >>> clip("abcdef", 4)
    'abc…'
    """
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _remarks(course: Course, person: Person) -> str:
    found = course.of_student(person.student)
    said = [t for r in found for t in (*r.remarks, r.trouble) if t]
    return clip("; ".join(said))
