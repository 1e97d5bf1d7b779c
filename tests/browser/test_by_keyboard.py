"""Explorers by keyboard alone: Tab, Space, Enter, arrows; no mouse is touched."""

from typing import Any

import pytest

from tests.browser.exploring import OPEN, printed

FOCUSED = "document.activeElement"


class Keyboard:
    """A student without a mouse."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.press = page.keyboard.press

    @property
    def at(self) -> str:
        """The words of what has the focus: those on it, else those of its tooltip."""
        return self.page.evaluate(
            f"""() => {{
                const e = {FOCUSED};
                const words = e.tagName === 'BUTTON' || e.role === 'tab';
                const label = e.labels && e.labels[0];
                const box = e.closest('.jupyter-widgets');
                return words ? e.innerText.trim()
                    : label ? label.innerText.trim()
                    : box ? box.innerText.trim() : e.tagName;
            }}"""
        )

    def tab_to(self, words: str, key: str = "Tab") -> None:
        """Press Tab until something with these words has the focus."""
        passed: list[str] = []
        while not self.at.startswith(words):
            passed.append(self.at)
            assert len(passed) < 30, f"{words!r} is not reached: {passed}"
            self.press(key)


@pytest.fixture
def keyboard(notebook: Any) -> Any:
    """Opens an explorer; the focus stands before its first control."""

    def opened(call: str) -> tuple[Any, Keyboard]:
        made = notebook(OPEN, call)
        output = made.output(1)
        controls = output.locator("select, input, button")
        controls.first.wait_for()
        controls.first.focus()
        return output, Keyboard(made.page)

    return opened


def test_a_session_is_gone_through_by_keys(keyboard: Any) -> None:
    output, keys = keyboard("world.trace.session(port=25).explore()")
    for key in ("Space", "ArrowDown", "Enter"):
        keys.press(key)
    output.get_by_text("world.trace.session('c2').transcript()").wait_for()
    keys.tab_to("Moment")
    keys.press("ArrowLeft")
    output.get_by_text("until(19).transcript()").wait_for()
    keys.tab_to("Back", "Shift+Tab")
    for key in ("Space", "Enter"):
        keys.press(key)
    output.get_by_text("until(17).transcript()").wait_for()
    keys.tab_to("Forward")
    keys.press("Space")
    output.get_by_text("until(18).transcript()").wait_for()


def test_a_world_is_gone_through_by_keys(keyboard: Any) -> None:
    output, keys = keyboard("world.explore()")
    keys.press("End")
    keys.page.keyboard.type("0")  # "10 min" becomes "10 min0"
    keys.press("Backspace")
    keys.tab_to("Advance")
    keys.press("Enter")
    output.locator("[role=status]", has_text="2026-01-05 09:10").wait_for()
    keys.tab_to("Network")
    keys.press("ArrowRight")
    keys.press("Enter")
    keys.tab_to("Session on")
    keys.press("Space")
    output.get_by_text("world.trace.session('c1').ladder()").wait_for()
    keys.press("Space")
    output.get_by_text("world.trace.session('c2').ladder()").wait_for()
    keys.tab_to("Session back", "Shift+Tab")
    for _ in range(3):
        keys.press("Space")
    output.get_by_text("world.trace.summary()").wait_for()


def test_a_packet_is_chosen_by_keys(keyboard: Any) -> None:
    output, keys = keyboard("world.trace.capture('mail.alpha.example').explore()")
    keys.tab_to("Packet on")
    keys.press("Space")
    output.get_by_text(".dissect(1)").wait_for()
    keys.press("Space")
    output.get_by_text(".dissect(2)").wait_for()
    keys.tab_to("Packet number", "Shift+Tab")
    keys.press("ArrowUp")
    output.get_by_text(".dissect(3)").wait_for()
    keys.tab_to("Only with", "Shift+Tab")
    keys.page.keyboard.type("starttls")
    keys.press("Enter")
    output.get_by_text(".find('starttls', first=1, count=20)").wait_for()
    rows = output.locator("table tbody tr")
    assert rows.count() >= 2
    assert all("STARTTLS" in row for row in rows.all_inner_texts())
    assert ".find('starttls'" in printed(output).inner_text()
