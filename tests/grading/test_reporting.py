"""Reports: the files, what they tell, and what they never tell."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from maillab.errors import LabError
from maillab.grading.batch.results import Entry, Results
from maillab.grading.reporting import Wishes, write_reports
from maillab.grading.reporting.course import Course
from maillab.grading.reporting.plots import describe_distribution, describe_solved
from maillab.grading.reporting.statistics import Bin, distribution, solved
from tests.grading.a_class import LURE, SECRET, TITLES, ended, graded, result

ROSTER = """\
student;name;email;id;section
zoe;"Zoë Ångström";zoe@school.example;s1;A
ann;"Lee, Ann";ann@school.example;s2;A
dora;"Dora";dora@school.example;s9;B
"""
EVERYTHING = Wishes(html=True, csv=True, junit=True, moodle=True, canvas=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return graded(tmp_path_factory.mktemp("graded"))


@pytest.fixture(scope="module")
def files(folder: Path) -> dict[str, str]:
    """All reports: name -> text."""
    roster = folder / "roster.csv"
    roster.write_text(ROSTER, "utf-8")
    written = write_reports(folder, replace(EVERYTHING, students=roster))
    place = folder / "reports"
    return {f.relative_to(place).as_posix(): f.read_text("utf-8") for f in written}


def test_every_student_has_a_page_also_who_handed_in_nothing(
    files: dict[str, str],
) -> None:
    pages = [name for name in files if name.startswith("feedback/")]
    assert len(pages) == 8
    assert "Nothing of yours was graded yet" in files["feedback/dora.html"]
    assert "15 of 15 points" in files["feedback/zoe.html"]


def test_a_page_tells_why_an_exercise_failed(files: dict[str, str]) -> None:
    page = files["feedback/ben.html"]
    assert "the final dot is missing" in page
    assert "RFC 5321 §4.1.1.4" in page
    assert "Took too long: an endless loop?" in page
    assert "<h1>ben</h1>" in page


def test_a_page_tells_the_error_that_stopped_an_answer(files: dict[str, str]) -> None:
    assert "name &#39;read_reply&#39; is not defined" in files["feedback/ann.html"]


def test_parts_have_lines_of_their_own(files: dict[str, str]) -> None:
    page = files["feedback/ann.html"]
    assert "✗ <strong>cname</strong>" in page
    assert "✓ <strong>dot</strong>" in page
    assert "~ 4.3" in page


def test_remarks_and_trouble_are_told(files: dict[str, str]) -> None:
    assert "answer-1-4 occurs twice" in files["feedback/zoe.html"]
    (page,) = [t for name, t in files.items() if name.startswith("feedback/hyperlink")]
    assert "could not be graded: mine.ipynb: is not a notebook" in page


def test_nothing_of_a_student_is_run_or_read_as_html(files: dict[str, str]) -> None:
    for name, text in files.items():
        if not name.endswith(".csv"):
            assert LURE not in text, name
            assert "\x1b" not in text, name
        if name.endswith(".html"):
            assert "<script" not in text
            assert "default-src 'none'" in text
            assert not re.search(r'(?:src|href)="(?:https?:|//)', text)


def test_long_texts_are_cut(files: dict[str, str]) -> None:
    assert max(len(text) for name, text in files.items() if "feedback/" in name) < 9000


def test_neither_seed_nor_fingerprint_is_told(files: dict[str, str]) -> None:
    for name, text in files.items():
        assert SECRET not in text, name
        assert "f" * 16 not in text, name


def test_pages_can_be_heard(files: dict[str, str]) -> None:
    """A language, one title, captions, scopes, alt texts, headings in order."""
    for name, text in files.items():
        if not name.endswith(".html"):
            continue
        assert '<html lang="en">' in text
        assert text.count("<h1>") == 1
        assert text.count("<caption>") == text.count("<table>")
        assert not re.search(r"<th(?! scope=)[ >]", text), name
        assert not re.search(r'<img(?! alt="[^"])', text), name
        levels = [int(level) for level in re.findall(r"<h(\d)", text)]
        assert all(b - a <= 1 for a, b in pairwise(levels)), name
        ids = re.findall(r' id="([^"]+)"', text)
        assert len(ids) == len(set(ids)), name


def test_pages_are_well_formed(files: dict[str, str]) -> None:
    for name, text in files.items():
        for tag in ("section", "dl", "table", "tr", "ul", "p", "div", "figure"):
            opened = len(re.findall(rf"<{tag}[ >]", text))
            assert opened == text.count(f"</{tag}>"), (name, tag)


def test_the_overview_counts_mistakes_in_the_words_that_all_share(
    files: dict[str, str],
) -> None:
    row = r"the final dot is missing</td><td class=\"number\">2</td><td>ben; cem"
    assert re.search(row, files["overview.html"])
    assert "the answer raised an error: NameError" in files["overview.html"]
    assert "expected that carol logs in by POP3" in files["overview.html"]


def test_the_overview_links_every_students_page(files: dict[str, str]) -> None:
    linked = re.findall(r'href="([^"]+)"', files["overview.html"])
    assert sorted(linked) == sorted(n for n in files if n.startswith("feedback/"))


def test_with_brief_feedback_nobody_reads_what_was_found(tmp_path: Path) -> None:
    write_reports(graded(tmp_path), Wishes(html=True, feedback="brief"))
    page = (tmp_path / "reports/feedback/ann.html").read_text("utf-8")
    assert "<dt>expected</dt>" in page
    assert "<dt>found</dt>" not in page
    assert "NameError" not in page


def test_with_points_only_nobody_reads_a_reason(tmp_path: Path) -> None:
    write_reports(graded(tmp_path), Wishes(html=True, junit=True, feedback="points"))
    page = (tmp_path / "reports/feedback/ann.html").read_text("utf-8")
    assert "<dt>" not in page
    assert "(1 of 3)" in page
    assert "final dot" not in (tmp_path / "reports/junit.xml").read_text("utf-8")


def test_who_wishes_nothing_is_told_what_there_is(folder: Path) -> None:
    with pytest.raises(LabError, match="--html, --csv"):
        write_reports(folder, Wishes())


def test_a_folder_without_results_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="maillab grade"):
        write_reports(tmp_path, EVERYTHING)


# Numbers and pictures -----------------------------------------------------------------


def test_how_an_exercise_went(folder: Path) -> None:
    first, *_ = solved(Course.read(folder), "01")
    assert (first.full, first.partly, first.none, first.absent) == (3, 0, 3, 1)
    (zones,) = solved(Course.read(folder), "04")
    assert (zones.full, zones.partly, zones.none) == (1, 1, 0)


def test_every_graded_notebook_is_in_the_distribution(folder: Path) -> None:
    bins = distribution(Course.read(folder), "01")
    assert sum(one.students for one in bins) == 6
    assert (bins[0].lowest, bins[-1].highest) == (0, 12)
    lowest = [one.lowest for one in bins]
    assert lowest == [0, *(one.highest + 1 for one in bins[:-1])]


def test_pictures_say_in_words_what_they_show(
    folder: Path, files: dict[str, str]
) -> None:
    course = Course.read(folder)
    told = describe_solved(solved(course, "04"))
    assert "4.3: 1 of 7 students with all points, 1 with some, 0 with none" in told
    assert describe_distribution([Bin(0, 1, 0), Bin(2, 3, 1)]) == (
        "How many students have how many points. 2–3 points: 1 student."
    )
    assert "<title>How each exercise went. 1.1: " in files["exercises-01.svg"]


def test_areas_of_a_picture_differ_without_colour(files: dict[str, str]) -> None:
    svg = files["exercises-04.svg"]
    assert 'fill="url(#stripes)"' in svg
    assert 'fill="url(#dots)"' in svg


def test_what_could_not_be_graded_is_no_mistake_in_an_exercise(tmp_path: Path) -> None:
    folder = graded(tmp_path)
    kept = Results(folder)
    lost = [ended(id, "not-run") for id in TITLES]
    kept.keep(Entry(result("hal", *lost, trouble="is damaged"), "key"))
    course = Course.read(folder)
    first = solved(course, "01")[0]
    assert "hal" not in {who for m in first.mistakes for who in m.students}
    assert first.absent == 2  # who handed in a page of formulas, and hal
    write_reports(folder, Wishes(html=True, csv=True))
    page = (folder / "reports/feedback/hal.html").read_text("utf-8")
    assert "It could not be graded: is damaged" in page
    assert "given up before" not in page
    grades = (folder / "reports/grades.csv").read_text("utf-8")
    assert re.search(r"^hal,.*,0,0,0,0,,,?0,is damaged|^hal,,,,,0,0,0,0", grades, re.M)


def test_no_name_or_text_steers_a_terminal_or_the_direction_of_writing() -> None:
    from maillab.grading.reporting.pages import visible

    assert (
        visible("Zo\u00eb\u202eecneilA \x1b[31m\x00\n")
        == "Zo\u00eb\ufffdecneilA \ufffd[31m\ufffd\n"
    )
    assert visible(7) == 7
