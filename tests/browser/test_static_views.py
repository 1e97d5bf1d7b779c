"""Views without a kernel: untrusted, converted to HTML, read by a screen reader."""

import shutil
from html import escape
from pathlib import Path
from typing import Any

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.jupyter import Watched
from tests.every_view import VIEWS, every_view

NOTEBOOKS = Path(__file__).parents[2] / "notebooks" / "instructor"
SERIOUS = ("serious", "critical")
# Of a whole page; a view is a part of one.
NOT_FOR_PARTS = ("page-has-heading-one", "region", "landmark-one-main")


@pytest.fixture(scope="module")
def views() -> Any:
    with every_view() as found:
        yield found


def test_an_untrusted_notebook_shows_pictures_and_tables(
    lab_folder: Path, open_notebook: Any, lab: str
) -> None:
    stranger = lab_folder / "bench" / "notebooks" / "from-a-stranger.ipynb"
    shutil.copy(NOTEBOOKS / "00-start-here.ipynb", stranger)
    notebook = open_notebook("notebooks/from-a-stranger.ipynb")
    page = notebook.page
    picture = page.locator("figure img[alt*='spoke SMTP with']").first
    picture.wait_for()
    assert picture.evaluate("image => image.naturalWidth") > 400
    page.locator("details summary").first.click()
    table = page.locator("details table").first
    assert table.locator("caption").inner_text()
    assert table.locator("th[scope=col]").count() > 2
    notebook.picture("untrusted")
    assert (notebook.outside, notebook.errors) == ([], [])


def test_nbconvert_keeps_pictures_and_tables(page: Any, tmp_path: Path) -> None:
    nbconvert = pytest.importorskip("nbconvert")
    with (NOTEBOOKS / "00-start-here.ipynb").open(encoding="utf-8") as file:
        read = nbformat.read(file, as_version=4)
    body, _ = nbconvert.HTMLExporter(template_name="basic").from_notebook_node(read)
    watched = Watched(page)
    page.set_content(f"<!doctype html><html lang=en><title>00</title>{body}")
    picture = page.locator("img[alt*='spoke SMTP with']").first
    assert picture.evaluate("image => image.naturalWidth") > 400
    assert page.locator("details table caption").count() > 1
    assert watched.outside == []


@pytest.mark.parametrize("name", VIEWS)
def test_no_view_has_a_serious_fault_for_those_who_cannot_see(
    page: Any, views: Any, name: str
) -> None:
    view = views[name]
    page.set_content(
        f"<!doctype html><html lang=en><title>{escape(name)}</title>"
        f"<main><h1>{escape(name)}</h1>{view.html()}</main></html>"
    )
    page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    found = Axe().run(page).response["violations"]
    faults = [
        f"{fault['id']}: {fault['help']} {fault['nodes'][0]['html'][:200]}"
        for fault in found
        if fault["impact"] in SERIOUS and fault["id"] not in NOT_FOR_PARTS
    ]
    assert faults == []
