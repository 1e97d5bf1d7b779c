"""Every view gives what it gave: golden texts and pictures."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from maillab.trace.view import View
from tests.golden import GOLDEN, check_golden
from tests.view_gallery import gallery

NAMES = sorted(path.stem for path in GOLDEN.glob("*.txt"))
# Drawn by matplotlib, slowly, and by another version in another way.
BY_A_LIBRARY = ("time-sequence",)


@pytest.fixture(scope="module")
def views() -> Iterator[Mapping[str, View]]:
    with gallery() as found:
        yield found


@pytest.fixture(scope="module")
def again() -> Iterator[Mapping[str, View]]:
    with gallery() as found:
        yield found


def test_every_view_is_what_it_was(views: Mapping[str, View]) -> None:
    wrong: list[str] = []
    for name, view in views.items():
        svg = "" if name in BY_A_LIBRARY else view.svg()
        texts = {f"{name}.txt": view.text()} | ({f"{name}.svg": svg} if svg else {})
        for file, text in texts.items():
            try:
                check_golden(file, text)
            except AssertionError as error:
                wrong.append(str(error))
    assert not wrong, "\n\n".join(wrong)


def test_no_golden_file_is_left_over(views: Mapping[str, View]) -> None:
    known = {path.stem for path in GOLDEN.iterdir()}
    assert known == views.keys()


@pytest.mark.parametrize("name", NAMES)
def test_two_runs_give_the_same(
    views: Mapping[str, View], again: Mapping[str, View], name: str
) -> None:
    one, two = views[name], again[name]
    assert one.text() == two.text()
    if name not in BY_A_LIBRARY:
        assert one.html() == two.html()
    assert one.describe() == two.describe()


def test_a_view_that_changes_is_told_with_what_changed(tmp_path: Path) -> None:
    file = tmp_path / "x.txt"
    file.write_text("a\nb\n", "utf-8")
    check_golden("x.txt", "a\nb", folder=tmp_path, rewrites=False)
    with pytest.raises(AssertionError, match=r"(?s)pytest --rewrite.*-b\n\+c"):
        check_golden("x.txt", "a\nc", folder=tmp_path, rewrites=False)
    assert file.read_text("utf-8") == "a\nb\n"


def test_what_changed_is_written_when_asked_for(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="made"):
        check_golden("made.svg", "<a><b/></a>", folder=tmp_path, rewrites=True)
    check_golden("made.svg", "<a><b/></a>", folder=tmp_path, rewrites=False)
    assert (tmp_path / "made.svg").read_text("utf-8") == "<a>\n<b/>\n</a>\n"
