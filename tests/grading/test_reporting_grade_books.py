"""Grade books: the columns that other systems read, and names that are traps."""

import csv
import io
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from maillab.errors import LabError
from maillab.grading.reporting.course import Course
from maillab.grading.reporting.grade_books import (
    canvas_csv,
    csv_text,
    moodle_csv,
    moodle_worksheet,
    points_csv,
)
from maillab.grading.reporting.junit import junit_text
from maillab.grading.reporting.levels import Levels
from maillab.grading.reporting.roster import read_roster
from tests.grading.a_class import LURE, graded

FULL: Levels = {"01": "full", "04": "full"}
ROSTER = """\
\ufeffUsername,Full name,Email address,ID number,Group
zoe,"Ångström, Zoë",zoe@school.example,s1,A
ann,"Lee, ""Ann"" M",ann@school.example,s2,A

dora,Dora,dora@school.example,s9,B
"""


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    folder = graded(tmp_path_factory.mktemp("graded"))
    roster = folder / "roster.csv"
    roster.write_text(ROSTER, "utf-8")
    return Course.read(folder, roster)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def by(column: str, text: str) -> dict[str, dict[str, str]]:
    return {row[column]: row for row in rows(text)}


def test_one_row_a_student_and_one_column_an_exercise(course: Course) -> None:
    found = by("student", points_csv(course))
    assert list(found["zoe"]) == [
        *("student", "name", "email", "id", "section"),
        *("1.1", "1.2", "1.3", "1.4", "4.3", "total", "remarks"),
    ]
    assert found["points possible"]["total"] == "15"
    assert found["ann"]["4.3"] == "1"
    assert found["ann"]["total"] == "4"
    assert "occurs twice" in found["zoe"]["remarks"]


def test_who_handed_in_nothing_has_empty_cells(course: Course) -> None:
    dora = by("student", points_csv(course))["dora"]
    assert dora["1.1"] == dora["total"] == ""


def test_names_with_commas_quotes_and_umlauts_come_back(course: Course) -> None:
    found = by("student", points_csv(course))
    assert found['Müller, "Jo"']["total"] == "9"
    assert found["ann"]["name"] == 'Lee, "Ann" M'
    assert found["zoe"]["name"] == "Ångström, Zoë"
    assert LURE in found  # harmless in a table


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "=cmd|' /C calc'!A0"]
)
def test_no_name_becomes_a_formula(name: str) -> None:
    (row,) = csv.reader(io.StringIO(csv_text([[name, -1]]), newline=""))
    assert row[0].startswith("'")
    assert row[1] == "-1"


def test_moodles_grade_book_has_users_points_and_feedback(course: Course) -> None:
    found = by("Email address", moodle_csv(course, FULL))["ann@school.example"]
    assert list(found) == [
        *("Full name", "Email address", "ID number"),
        "01 A letter by hand (points)",
        "01 A letter by hand (feedback)",
        "04 Where does it go? (points)",
        "04 Where does it go? (feedback)",
    ]
    assert found["01 A letter by hand (points)"] == "3"
    assert "1.2: 0/3" in found["01 A letter by hand (feedback)"]


def test_moodles_worksheet_names_its_participants(course: Course) -> None:
    (row,) = rows(moodle_worksheet(course, "01", "full"))
    assert row["Identifier"] == "Participant 4711"
    assert row["Full name"] == 'Lee, "Ann" M'
    assert (row["Grade"], row["Maximum Grade"]) == ("3", "12")
    assert "Last modified (grade)" in row


def test_canvas_gets_its_columns_in_order_and_the_points_possible(
    course: Course,
) -> None:
    first, *found = rows(canvas_csv(course))
    assert list(first)[:5] == [
        *("Student", "ID", "SIS User ID", "SIS Login ID", "Section"),
    ]
    assert first["Student"] == "    Points Possible"
    assert first["01 A letter by hand"] == "12"
    people = {row["Student"]: row for row in found}
    assert people["ben"]["ID"] == "123"
    assert people['Lee, "Ann" M']["SIS User ID"] == "s2"
    assert people["Dora"]["01 A letter by hand"] == ""


def test_junit_has_a_suite_a_student_and_points_as_properties(course: Course) -> None:
    root = ET.fromstring(junit_text(course, FULL).encode())
    suites = {suite.get("name"): suite for suite in root}
    ben = suites["ben"]
    assert (ben.get("tests"), ben.get("failures"), ben.get("errors")) == ("4", "2", "1")
    points = ben.find("./properties/property[@name='points']")
    assert points is not None
    assert points.get("value") == "3"
    failure = ben.find("./testcase[@name='1.1']/failure")
    assert failure is not None
    assert "the final dot is missing" in (failure.text or "")
    assert suites["=HYPERLINK(1)"].get("errors") == "1"
    assert suites["dora"].get("tests") == "0"


def test_a_roster_with_other_systems_headings_is_read(tmp_path: Path) -> None:
    file = tmp_path / "roster.csv"
    file.write_text("SIS Login ID\tGroup\nzoe\tA\n", "utf-8")
    (zoe,) = read_roster(file)
    assert (zoe.student, zoe.section, zoe.called) == ("zoe", "A", "zoe")


@pytest.mark.parametrize("text", ["", "colour,size\nred,1\n"])
def test_a_roster_without_names_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "roster.csv"
    file.write_text(text)
    with pytest.raises(LabError, match="expected student"):
        read_roster(file)


def test_a_roster_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"none\.csv"):
        read_roster(tmp_path / "none.csv")
