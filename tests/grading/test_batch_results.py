"""The folder with results: nothing half, nothing lost, nothing told."""

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from maillab.errors import LabError
from maillab.grading.batch.results import (
    Entry,
    Results,
    file_name,
    read_secret,
    seed_of,
    write_whole,
)
from maillab.grading.results import CheckResult, PartResult, Result

PART = PartResult("", "solved", 2, 3)
RESULT = Result(
    *("ann", "01", "A letter", "01.ipynb", "d" * 64, "abcd", "none"),
    (CheckResult("1.1", "check-1-1", "fail", (PART,)),),
)
ENTRY = Entry(RESULT, "k" * 32, "moodle", "4711")


@pytest.fixture
def results(tmp_path: Path) -> Results:
    found = Results(tmp_path / "graded")
    found.create()
    return found


def test_what_is_kept_is_found(results: Results) -> None:
    results.keep(ENTRY)
    assert results.find("01", "ann") == ENTRY
    assert results.entries() == [ENTRY]
    assert results.find("01", "bob") is None


def test_entries_are_sorted_by_student(results: Results) -> None:
    for student in ("zoe", "Ånn", "bob", "Bob"):
        results.keep(replace(ENTRY, result=replace(RESULT, student=student)))
    names = [entry.result.student for entry in results.entries()]
    assert names == ["Bob", "bob", "zoe", "Ånn"]


def test_an_earlier_result_is_put_aside(results: Results) -> None:
    results.keep(ENTRY)
    results.keep(ENTRY)
    again = replace(ENTRY, key="m" * 32)
    file = results.keep(again)
    (earlier,) = results.folder.glob("earlier/01/ann/*.json")
    assert Entry.from_json(earlier.read_text("utf-8")) == ENTRY
    assert Entry.from_json(file.read_text("utf-8")) == again


def test_a_damaged_result_is_graded_again_and_never_reported(results: Results) -> None:
    file = results.keep(ENTRY)
    for text in ("", "{}", '{"format": 1}', "\xff", "[]"):
        file.write_bytes(text.encode("latin-1"))
        assert results.find("01", "ann") is None
        with pytest.raises(LabError, match="delete it, and grade once more"):
            results.entries()


def test_nobody_finds_half_a_file(tmp_path: Path) -> None:
    file = tmp_path / "x"
    write_whole(file, "old")
    with file.open() as reader:
        write_whole(file, "new")
        assert reader.read() == "old"
    assert file.read_text() == "new"
    assert [one.name for one in tmp_path.iterdir()] == ["x"]


def test_a_crash_while_writing_leaves_the_old_result(results: Results) -> None:
    file = results.keep(ENTRY)
    (file.parent / ".ann.json.4711").write_text('{"half": ')
    assert results.entries() == [ENTRY]


@pytest.mark.parametrize(
    "student",
    [
        "../../x",
        "..",
        ".",
        "",
        "a/b",
        "con",
        "NUL.txt",
        "x" * 300,
        "\0",
        "zoë",
        "A",
        "a.",
    ],
)
def test_a_file_name_does_no_harm(student: str, results: Results) -> None:
    name = file_name(student)
    assert len(name) < 70
    assert name.isascii()
    assert not set(name) & set('/\\:\0 "')
    assert name.strip(".") == name == name.lower()
    file = results.keep(replace(ENTRY, result=replace(RESULT, student=student)))
    assert file.parent == results.folder / "results" / "01"


def test_students_never_share_a_file() -> None:
    names = ["a", "A", "a.", "ä", "á", "a b", "a_b", "a-b", "", "..", "student"]
    names += [file_name(name) for name in names]  # who is called so on purpose
    assert len(set(map(file_name, names))) == len(set(names))


# The secret ---------------------------------------------------------------------------


def test_the_secret_is_drawn_once_and_for_the_owner(results: Results) -> None:
    secret = results.secret()
    file = results.folder / "secret-seed"
    assert results.secret() == secret
    assert len(secret) == 64
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_two_folders_have_two_secrets(tmp_path: Path) -> None:
    both = [Results(tmp_path / name) for name in "ab"]
    for one in both:
        one.create()
    assert both[0].secret() != both[1].secret()


def test_a_secret_can_be_brought(results: Results, tmp_path: Path) -> None:
    file = tmp_path / "seed"
    file.write_text("our own secret\n")
    assert results.secret(file) == "our own secret"
    assert not (results.folder / "secret-seed").exists()


@pytest.mark.parametrize("text", ["", "\n", "short"])
def test_a_poor_secret_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "seed"
    file.write_text(text)
    with pytest.raises(LabError, match="at least 8 characters"):
        read_secret(file)
    with pytest.raises(LabError, match="cannot be read"):
        read_secret(tmp_path / "gone")


def test_seeds_differ_by_secret_notebook_and_student() -> None:
    seeds = {
        seed_of(*of)
        for of in [("s", "01"), ("t", "01"), ("s", "02"), ("s", "01", "ann")]
    }
    assert len(seeds) == 4
    assert all(len(seed) == 16 for seed in seeds)
    assert seed_of("s", "01", "ann") == seed_of("s", "01", "ann")


def test_no_seed_stands_in_a_result(results: Results) -> None:
    told = json.loads(results.keep(ENTRY).read_text("utf-8"))
    assert not [name for name in told if "seed" in name]
