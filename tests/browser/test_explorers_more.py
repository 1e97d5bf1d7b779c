"""Explorers in JupyterLab: what takes longer, goes wrong, or is done in two places."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.exploring import HOME, OPEN, printed

WAITING = (
    OPEN
    + """
world.power_off("mx.beta.example")
world.user("alice").send("bob@beta.example", "Later", "Wait for me")
world.advance("1 min")
"""
)
# Thirty days, on one of which the world is at work until somebody lets it go on.
BUSY = (
    OPEN
    + """
import pathlib, threading
def work():
    while not pathlib.Path("go-on").exists():
        threading.Event().wait(0.05)
world.loop.call_at(world.time + 10 * 86400, work)
"""
)


@pytest.fixture
def go_on(lab_folder: Path) -> Iterator[Callable[[], None]]:
    """Lets a busy world go on."""
    sign = lab_folder / "bench" / "notebooks" / "go-on"
    yield sign.touch
    sign.unlink(missing_ok=True)


def test_play_goes_on_until_the_end(explorer: Any) -> None:
    output = explorer(OPEN, "world.trace.session(port=25).explore()")
    moment = output.get_by_role("slider")
    moment.focus()
    for _ in range(5):
        moment.press("ArrowLeft")
    output.get_by_text(".until(15).ladder()").wait_for()
    output.locator(".jupyter-widgets-play, .widget-play").get_by_role(
        "button"
    ).first.click()
    output.get_by_text(".until(16).ladder()").wait_for()
    output.get_by_text("world.trace.session('c2').ladder()", exact=True).wait_for()


def test_what_waits_is_held_released_and_tried(explorer: Any) -> None:
    output = explorer(WAITING, "world.explore()")
    output.get_by_role("tab", name="Queues").click()
    message = output.get_by_label("Message", exact=True).locator("visible=true")
    message.select_option(index=1)
    id = message.input_value()
    assert "bob@beta.example" in id
    output.get_by_role("button", name="Hold").click()
    output.get_by_text(".queue.hold(").wait_for()
    output.get_by_role("button", name="Release").click()
    output.get_by_text(".queue.release(").wait_for()
    output.get_by_role("tab", name="Network").click()
    output.get_by_label("Computer").select_option("mx.beta.example")
    output.get_by_role("button", name="Power on").click()
    output.get_by_text("world.power_on('mx.beta.example')").wait_for()
    output.get_by_role("tab", name="Queues").click()
    output.get_by_role("button", name="Try now").click()
    output.get_by_text(".queue.retry(").wait_for()
    output.get_by_role("button", name="Settle").click()
    output.get_by_text("0 messages of 2 that came in").wait_for()


def test_power_off_is_seen_in_the_picture(explorer: Any) -> None:
    output = explorer(HOME, "world.explore()")
    picture = output.locator("figure img")
    before = picture.get_attribute("src")
    output.get_by_label("Computer").select_option("mx.bigmail.example")
    output.get_by_role("button", name="Power off").click()
    output.get_by_text("world.power_off('mx.bigmail.example')").wait_for()
    assert picture.get_attribute("src") != before


def test_the_journey_of_a_letter_and_why_it_ended_so(explorer: Any) -> None:
    sent = OPEN + 'world.send("alice", "nobody@beta.example", "Anybody?")'
    output = explorer(sent, "world.explore()")
    output.get_by_role("tab", name="Letters").click()
    output.get_by_text("world.trace.journey(").wait_for()
    output.get_by_label("Message", exact=True).locator("visible=true").select_option(
        index=1
    )
    output.get_by_label("Show", exact=True).select_option("Why it ended so")
    output.get_by_text("world.trace.why(").wait_for()
    assert output.get_by_text("nobody@beta.example").first.is_visible()


def test_a_bar_is_shown_while_days_pass_and_goes(
    explorer: Any, go_on: Callable[[], None]
) -> None:
    output = explorer(BUSY, "world.explore()")
    output.get_by_label("Time to pass").fill("30 days")
    output.get_by_role("button", name="Advance").click()
    bar = output.locator(".widget-hprogress")
    bar.wait_for()
    go_on()
    output.get_by_text("world.advance('30 days')").wait_for()
    bar.wait_for(state="detached")


def test_a_bar_stands_below_a_cell_and_leaves_nothing(
    notebook: Any, go_on: Callable[[], None]
) -> None:
    made = notebook(BUSY, 'world.advance("30 days")', wait=False)
    bar = made.page.locator(".jp-Notebook .widget-hprogress")
    bar.wait_for()
    made.picture("bar_below_a_cell")
    go_on()
    bar.wait_for(state="detached")
    made.wait_until_done()
    assert made.output(1).inner_text().strip() in ("", "[2]:")
    assert (made.failures, made.outside, made.errors) == ([], [], [])


def test_an_error_of_our_own_is_shown_and_not_swallowed(explorer: Any) -> None:
    output = explorer(OPEN + "world.step = lambda: 1 / 0", "world.explore()")
    output.get_by_role("button", name="Step").click()
    alert = output.get_by_role("alert")
    alert.wait_for()
    assert "ZeroDivisionError" in alert.inner_text()
    output.get_by_text("Traceback", exact=True).click()
    assert output.get_by_text("1 / 0").first.is_visible()
    output.get_by_role("button", name="Settle").click()
    alert.wait_for(state="detached")


def test_two_explorers_of_one_world_agree(explorer: Any, notebook: Any) -> None:
    output = explorer(OPEN, "world.explore()", "world.explore()")
    other = output.page.locator(".jp-Notebook .jp-CodeCell").nth(2)
    output.get_by_label("Time to pass").fill("2 days")
    output.get_by_role("button", name="Advance").click()
    output.locator("[role=status]", has_text="2026-01-07 09:00").wait_for()
    other.get_by_role("button", name="Refresh").click()
    other.locator("[role=status]", has_text="2026-01-07 09:00").wait_for()
    assert (
        other.locator("[role=status]").first.inner_text()
        == output.locator("[role=status]").first.inner_text()
    )


def test_a_world_that_was_closed_says_so(explorer: Any) -> None:
    output = explorer(OPEN, "explorer = world.explore(); world.close(); explorer")
    output.get_by_role("button", name="Advance").click()
    output.get_by_role("alert", name="").get_by_text("this world is closed").wait_for()
    output.get_by_role("tab", name="Sessions").click()
    output.get_by_text("mail.alpha.example → mx.beta.example:25").first.wait_for()


def test_a_capture_is_filtered_paged_and_taken_apart(explorer: Any) -> None:
    output = explorer(OPEN, "world.trace.capture('mail.alpha.example').explore()")
    output.get_by_role("button", name="Page on").click()
    output.get_by_text(".listing(21, 20)").wait_for()
    output.get_by_label("Packet", exact=True).select_option(index=2)
    output.get_by_text(".dissect(22)").wait_for()
    only = output.get_by_label("Only with")
    only.fill("dns")
    only.press("Enter")
    output.get_by_text(".find('dns', first=1, count=20)").wait_for()
    assert output.locator("table tbody tr").count() > 2


def test_a_capture_that_was_read_is_gone_through(
    explorer: Any, lab_folder: Any
) -> None:
    read = OPEN + (
        "world.trace.capture('mail.alpha.example').write('alpha.pcapng')\n"
        "trace = maillab.read_capture('alpha.pcapng').trace"
    )
    output = explorer(read, "trace.explore()")
    output.get_by_label("Session", exact=True).select_option(index=1)
    output.get_by_text("trace.session('c1').ladder()", exact=True).wait_for()
    assert "trace.session('c1').ladder()" in printed(output).last.inner_text()
    output.get_by_role("button", name="Back", exact=True).click()
    output.get_by_text(".until(").wait_for()


def test_saved_and_opened_without_its_kernel_the_picture_stays(
    notebook: Any, open_notebook: Any, lab_folder: Path
) -> None:
    cells = OPEN, "world.trace.session(port=25).explore()"
    made = notebook(*cells)
    made.output(1).locator(".jupyter-widgets:visible").first.wait_for()
    made.save()
    made.shut_down()
    file = lab_folder / "bench" / "notebooks" / made.name
    copy = file.with_name("opened-again.ipynb")
    shutil.copy(file, copy)
    again = open_notebook(f"notebooks/{copy.name}")
    output = again.output(1)
    picture = output.locator("figure img[alt*='spoke SMTP with']")
    picture.wait_for()
    assert picture.evaluate("image => image.naturalWidth") > 400
    assert output.get_by_text("run this cell").is_visible()
    assert (again.outside, again.errors) == ([], [])
