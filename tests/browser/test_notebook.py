"""Notebook 00, as a student meets it: open, run everything, read."""

from typing import Any


def test_notebook_00_runs_from_top_to_bottom(open_notebook: Any) -> None:
    notebook = open_notebook("notebooks/00-start-here.ipynb")
    notebook.run_all()
    assert notebook.failures == []
    page = notebook.page
    ladder = page.locator(".jp-OutputArea img[alt*='spoke SMTP with']").first
    ladder.scroll_into_view_if_needed()
    width = ladder.evaluate("image => image.naturalWidth")
    assert width > 400, "the picture is there, and not just its alt text"
    notebook.picture("notebook-00")
    assert (notebook.outside, notebook.errors) == ([], [])
