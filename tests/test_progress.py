"""Bars of long work: where somebody looks, and without a change of the work."""

import io
import threading

import pytest

from maillab import progress
from maillab.ui.controls import column
from maillab.ui.progress import NotebookBar, TerminalBar, shown_in
from maillab.ui.progress import new_bar as new_ui_bar
from tests.worlds import plain_world


class FakeBar:
    """Notes what it was told; `seen` is set when it was told something."""

    def __init__(self) -> None:
        self.parts: list[float] = []
        self.seen = threading.Event()
        self.closed = False

    def to(self, part: float) -> None:
        self.parts.append(part)
        self.seen.set()

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def bar(monkeypatch: pytest.MonkeyPatch) -> FakeBar:
    """Somebody looks, and every work is long."""
    bar = FakeBar()

    def new_bar(what: str) -> FakeBar:
        assert what
        return bar

    monkeypatch.setattr(progress, "SHOWN_AFTER", 0.0)
    monkeypatch.setattr(progress, "somebody_looks", lambda: True)
    monkeypatch.setattr(progress, "new_bar", new_bar)
    return bar


def test_work_tells_how_far_it_is_until_it_is_over(bar: FakeBar) -> None:
    with progress.watched("Work", lambda: 0.5):
        assert bar.seen.wait(10)
        assert not bar.closed
    assert bar.closed
    assert set(bar.parts) == {0.5}


def test_work_that_fails_takes_its_bar_away(bar: FakeBar) -> None:
    def fail() -> None:
        with progress.watched("Work", lambda: -1.0):
            assert bar.seen.wait(10)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert bar.closed


def test_a_world_that_is_watched_does_the_same(bar: FakeBar) -> None:
    with plain_world() as watched, plain_world() as alone:
        watched.loop.call_at(1800.0, bar.seen.wait, 10)
        for world in (watched, alone):
            world.send("alice", "bob@beta.example", "Hello")
            world.advance("1 h")
        assert bar.parts
        assert watched.trace.to_jsonl() == alone.trace.to_jsonl()
        assert watched.time == alone.time


def test_nobody_looks_and_no_thread_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "somebody_looks", lambda: False)
    before = threading.active_count()
    with progress.watched("Work", lambda: 0.0):
        assert threading.active_count() == before


def test_who_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert not progress.somebody_looks()
    monkeypatch.setattr("sys.stderr", Terminal())
    assert progress.somebody_looks()
    monkeypatch.setattr("sys.stderr", None)
    assert not progress.somebody_looks()


def test_an_explorer_has_a_place_for_bars() -> None:
    box = column()
    with shown_in(box):
        bar = new_ui_bar("Time <passes>")
    assert isinstance(bar, NotebookBar)
    assert box.children == (bar.widget,)
    bar.to(0.25)
    assert (bar.widget.value, bar.widget.description) == (0.25, "Time <passes>")
    bar.to(-1)
    assert (bar.widget.value, bar.widget.bar_style) == (1.0, "info")
    bar.close()
    assert box.children == ()


def test_a_terminal_shows_words_and_percents_and_cleans_up() -> None:
    from rich.console import Console

    screen = io.StringIO()
    bar = TerminalBar("Reading [a]", Console(file=screen, force_terminal=True))
    bar.to(0.5)
    bar.to(-1)
    bar.to(1.0)
    bar.close()
    assert "Reading [a]" in screen.getvalue()
