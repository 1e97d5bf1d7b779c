"""The student's copies: kept when changed, renewed when untouched."""

import os
from pathlib import Path

import pytest

from maillab.errors import LabError
from maillab.ui import launch, workbench
from maillab.ui.workbench import refresh


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "notebooks"
    for name in ("00.ipynb", "images/world.svg", "instructor/00.ipynb"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("first edition")
    return folder


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    return tmp_path / "bench"


def test_the_first_start_copies_all_but_the_solutions(
    source: Path, bench: Path
) -> None:
    assert refresh(source, bench).copied == ["00.ipynb", "images/world.svg"]
    assert (bench / "images/world.svg").read_text() == "first edition"
    assert not (bench / "instructor").exists()


def test_the_second_start_copies_nothing(source: Path, bench: Path) -> None:
    refresh(source, bench)
    assert refresh(source, bench) == workbench.Refreshed()


def test_answers_are_never_overwritten(source: Path, bench: Path) -> None:
    refresh(source, bench)
    (bench / "00.ipynb").write_text("my answers")
    (source / "00.ipynb").write_text("second edition")
    done = refresh(source, bench)
    assert (bench / "00.ipynb").read_text() == "my answers"
    assert (done.copied, done.outdated) == ([], ["00.ipynb"])


def test_an_untouched_copy_follows_its_original(source: Path, bench: Path) -> None:
    refresh(source, bench)
    (source / "00.ipynb").write_text("second edition")
    assert refresh(source, bench).copied == ["00.ipynb"]
    assert (bench / "00.ipynb").read_text() == "second edition"


def test_a_renamed_copy_makes_room_for_a_new_one(source: Path, bench: Path) -> None:
    refresh(source, bench)
    (bench / "00.ipynb").rename(bench / "mine.ipynb")
    assert refresh(source, bench).copied == ["00.ipynb"]
    assert (bench / "mine.ipynb").exists()


def test_the_originals_themselves_can_be_opened(source: Path) -> None:
    assert refresh(source, source) == workbench.Refreshed()
    assert not (source / workbench.NOTE).exists()


def test_a_place_that_cannot_be_written_is_answered_with_what_to_type(
    source: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match="maillab lab --folder"):
        refresh(source, tmp_path / "file" / "notebooks")


def test_jupyterlab_serves_the_folder_at_the_wanted_port(tmp_path: Path) -> None:
    options = launch.server_options(tmp_path, 9000, browser=False)
    assert f"--ServerApp.root_dir={tmp_path.resolve()}" in options
    assert "--ServerApp.port=9000" in options
    assert "--no-browser" in options


def test_root_is_warned_and_not_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    launch.warn_root()
    assert "You are root" in capsys.readouterr().err
    assert "--allow-root" in launch.server_options(tmp_path, 1, browser=True)


def test_an_ordinary_user_hears_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    launch.warn_root()
    assert capsys.readouterr().err == ""
    assert "--allow-root" not in launch.server_options(tmp_path, 1, browser=True)
