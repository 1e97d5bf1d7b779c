"""Views without a kernel: untrusted, converted to HTML, read by a screen reader."""

import shutil
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from maillab.trace.reading.capture_file import CaptureFile
from maillab.trace.report import Report
from maillab.trace.view import View
from maillab.world.world import World
from tests.browser.exploring import faults
from tests.browser.jupyter import Watched, as_page
from tests.view_gallery import gallery
from tests.worlds import plain_world

NOTEBOOKS = Path(__file__).parents[2] / "notebooks" / "instructor"
NO_ALT = '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=">'


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


def test_nbconvert_keeps_pictures_and_tables(page: Any) -> None:
    watched = Watched(page)
    page.set_content(as_page(NOTEBOOKS / "00-start-here.ipynb"))
    picture = page.locator("img[alt*='spoke SMTP with']").first
    assert picture.evaluate("image => image.naturalWidth") > 400
    assert page.locator("details table caption").count() > 1
    assert watched.outside == []


def page_of(views: Mapping[str, View]) -> str:
    """All views below each other."""
    parts = (
        f"<section><h2>{escape(name)}</h2>{view.html()}</section>"
        for name, view in views.items()
    )
    body = f"<main><h1>Views</h1>{''.join(parts)}</main>"
    return f"<!doctype html><html lang=en><title>Views</title>{body}</html>"


def test_no_view_has_a_serious_fault_for_those_who_cannot_see(page: Any) -> None:
    with gallery() as views:
        written = page_of(views)
    watched = Watched(page)
    page.set_content(written)
    page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    watched.picture("views")
    assert faults(page) == []
    assert (watched.outside, watched.errors) == ([], [])
    page.locator("main").evaluate(f"main => main.innerHTML += '{NO_ALT}'")
    assert [told[:9] for told in faults(page)] == ["image-alt"], "axe looks"


def test_a_report_can_be_read_by_all_and_asks_for_nothing(
    page: Any, tmp_path: Path
) -> None:
    capture, report = tmp_path / "alpha.pcapng", tmp_path / "report.html"
    with plain_world() as world:
        played(world)
        world.trace.capture("mail.alpha.example").write(capture)
    read = CaptureFile.read(capture)
    Report(read.trace, capture.name, read).write(report)
    watched = Watched(page)
    page.goto(report.as_uri())
    picture = page.locator("figure img").first
    assert picture.evaluate("image => image.naturalWidth") > 400
    page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    watched.picture("report")
    assert faults(page) == []
    assert page.evaluate("performance.getEntriesByType('resource').length") == 0
    assert (watched.outside, watched.errors) == ([], [])
    wider = "() => document.documentElement.scrollWidth - innerWidth"
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate(wider) <= 0, "a telephone shows it without scrolling sideways"


def played(world: World) -> None:
    """A letter that arrives, and one that does not."""
    world.send("alice", "bob@beta.example", "Hello", "How are you?")
    world.send("alice", "nobody@beta.example", "Anybody?")
