"""What all tests of explorers need: worlds, what is printed, what axe finds."""

from typing import Any

import pytest

OPEN = """
import maillab
world = maillab.open_world("two-domains")
world.send("alice", "bob@beta.example", "Hello <b>Bob</b>", "How are you?")
"""
HOME = """
import maillab
world = maillab.open_world("home-server")
"""
# JupyterLab itself, and the widgets of ipywidgets, are not ours to mend.
OURS = ".jp-OutputArea-output .widget-html-content"
# Of a whole page; a view is a part of one.
NOT_FOR_PARTS = ("page-has-heading-one", "region", "landmark-one-main")


def printed(output: Any) -> Any:
    """The calls that an explorer prints."""
    return output.locator("pre code:visible")


def faults(page: Any, context: str | None = None) -> list[str]:
    """What axe finds that keeps somebody from reading."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page, context=context).response["violations"]
    return [
        f"{fault['id']}: {fault['help']} {fault['nodes'][0]['html'][:200]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
        and fault["id"] not in NOT_FOR_PARTS
    ]
