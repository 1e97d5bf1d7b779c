"""What students and teachers get to read: pages from a disk, without a kernel."""

from pathlib import Path
from typing import Any

import pytest

from maillab.grading.reporting import Wishes, write_reports
from tests.browser.exploring import faults
from tests.browser.jupyter import Watched
from tests.grading.a_class import LURE, graded

WIDER = "() => document.documentElement.scrollWidth - innerWidth"
ASKED = "performance.getEntriesByType('resource').length"


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the reports of a class."""
    folder = graded(tmp_path_factory.mktemp("graded"))
    write_reports(folder, Wishes(html=True))
    return folder / "reports"


def test_the_overview_of_a_class_can_be_read_by_all(reports: Path, page: Any) -> None:
    watched = Watched(page)
    page.goto((reports / "overview.html").as_uri())
    pictures = page.locator("figure img")
    assert pictures.count() == 4
    for picture in pictures.all():
        assert picture.evaluate("image => image.naturalWidth") > 400
        assert len(picture.get_attribute("alt")) > 40
    watched.picture("overview")
    assert faults(page) == []
    page.get_by_role("link", name="ann").click()
    page.get_by_role("heading", level=1, name="ann").wait_for()
    assert page.evaluate(ASKED) == 0
    assert (watched.outside, watched.errors) == ([], [])


def test_every_students_page_can_be_read_by_all(reports: Path, page: Any) -> None:
    watched = Watched(page)
    files = sorted((reports / "feedback").glob("*.html"))
    assert len(files) == 7
    for file in files:
        page.goto(file.as_uri())
        assert faults(page) == [], file.name
        assert page.evaluate(ASKED) == 0
        watched.picture(f"feedback-{file.stem}")
    assert (watched.outside, watched.errors) == ([], [])


def test_what_students_wrote_stays_text(reports: Path, page: Any) -> None:
    watched = Watched(page)
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    page.goto((reports / "overview.html").as_uri())
    page.get_by_role("link", name=LURE).click()
    assert page.get_by_role("heading", level=1).inner_text() == LURE
    assert page.locator("script").count() == 0
    assert asked == []
    assert watched.errors == []


@pytest.mark.parametrize("name", ["overview.html", "feedback/ann.html"])
def test_a_telephone_shows_it_without_scrolling_sideways(
    name: str, reports: Path, page: Any
) -> None:
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto((reports / name).as_uri())
    assert page.evaluate(WIDER) <= 0
