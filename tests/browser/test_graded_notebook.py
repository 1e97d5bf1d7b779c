"""A graded notebook, as a student meets it: run, read ✗, answer, read ✓, add up."""

from pathlib import Path
from typing import Any

import pytest

from maillab.grading.authoring.notebook import grade_id, nbgrader, read, source_of
from tests.browser.exploring import faults
from tests.browser.jupyter import Watched, as_page

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAME = "01-a-letter-by-hand.ipynb"
RELEASE = read(NOTEBOOKS / NAME)["cells"]
REFERENCE = read(NOTEBOOKS / "instructor" / NAME)["cells"]
OUTPUTS = ".jp-OutputArea-output"
CONVERTED = ".output_subarea"  # the same, in a page of nbconvert's
# What no picture and no table of ours may be without.
UNSAID = """all => all.filter(one => one.tagName === 'IMG'
    ? !one.alt || !one.naturalWidth : !one.caption).map(one => one.outerHTML)"""


def place(name: str) -> int:
    """Which code cell of the notebook has this name, counted from 0."""
    code = [cell for cell in RELEASE if cell["cell_type"] == "code"]
    return [grade_id(cell) for cell in code].index(name)


def solution(name: str) -> str:
    """What the instructor answered."""
    return next(source_of(cell) for cell in REFERENCE if grade_id(cell) == name)


@pytest.fixture
def opened(open_notebook: Any) -> Any:
    """The student's version, run from top to bottom."""
    notebook = open_notebook(f"notebooks/{NAME}")
    notebook.run_all()
    return notebook


def test_a_student_reads_why_answers_and_gets_points(opened: Any) -> None:
    assert opened.failures == [], "an exercise that is not solved stops nothing"
    check = opened.output(place("check-1-2"))
    assert "✗ 1.2" in check.inner_text()
    assert "expected" in check.inner_text()
    report = opened.page.locator(f".jp-Notebook {OUTPUTS}", has_text="Your points")
    assert "0 of 12 points" in report.inner_text()
    opened.type(place("answer-1-2"), solution("answer-1-2"))
    opened.run_cell(place("answer-1-2"))
    opened.run_cell(place("check-1-2"))
    check.get_by_text("✓ 1.2").wait_for()
    assert "(3/3)" in check.inner_text()
    opened.run_cell(opened.count - 1)
    report.get_by_text("3 of 12 points").wait_for()
    report.scroll_into_view_if_needed()
    opened.picture("graded-notebook")
    pictures = opened.page.locator(OUTPUTS).locator("img, table")
    assert pictures.count() >= 2
    assert pictures.evaluate_all(UNSAID) == []
    assert faults(opened.page, OUTPUTS) == []
    assert (opened.outside, opened.errors) == ([], [])


def test_what_is_locked_can_neither_be_changed_nor_deleted(
    opened: Any, lab_folder: Path
) -> None:
    for name in ("set-up", "check-1-1"):
        told = opened.text(place(name))
        opened.type(place(name), "# mine")
        assert opened.text(place(name)) == told, name
    opened.type(place("answer-1-1"), "# mine")
    count = opened.count
    for name in ("set-up", "begin-1-1", "answer-1-1", "check-1-1"):
        opened.press_beside(place(name), "d", "d")
    assert opened.count == count
    opened.press_beside(place("set-up") + 1, "d", "d")
    assert opened.count == count - 1, "keys do delete what is nobody's to hold"
    opened.save()
    saved = read(lab_folder / "bench" / "notebooks" / NAME)["cells"]
    names = {grade_id(cell): source_of(cell) for cell in saved if nbgrader(cell)}
    wanted = {grade_id(cell): source_of(cell) for cell in RELEASE if nbgrader(cell)}
    assert names == wanted | {"answer-1-1": "# mine"}


@pytest.mark.parametrize(
    "name", sorted(file.name for file in NOTEBOOKS.glob("instructor/*.ipynb"))[1:]
)
def test_all_that_a_reference_shows_can_be_heard(name: str, page: Any) -> None:
    watched = Watched(page)
    page.set_content(as_page(NOTEBOOKS / "instructor" / name))
    outputs = page.locator(CONVERTED)
    outputs.locator("img").first.wait_for()
    page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    assert outputs.locator("img, table").evaluate_all(UNSAID) == []
    assert faults(page, CONVERTED) == []
    assert (watched.outside, watched.errors) == ([], [])
