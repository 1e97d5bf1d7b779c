"""Authoring: settings, lock file, build, what is said about a cell that fails."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from maillab.cli import app
from maillab.errors import LabError
from maillab.grading import open_lab
from maillab.grading.authoring.build import build, instructors, out_of_step, sources
from maillab.grading.authoring.executing import executed
from maillab.grading.authoring.lock import changed_cells, lock_text
from maillab.grading.authoring.new import SCAFFOLD, create, filled, with_lab, words_for
from maillab.grading.authoring.notebook import (
    first_lines,
    from_text,
    read,
    released,
    source_of,
)
from maillab.grading.authoring.settings import Settings
from maillab.grading.running.cells import CellRun
from maillab.grading.running.judging import judge
from maillab.grading.verdict import EVIDENCE_TYPE, NBGRADER_VARIABLE

GRADED = """\
# %% [markdown]
# # 09. A small one

# %% locked="set-up"
print("ready")

# %% answer="9.1"
x = ...
### BEGIN SOLUTION
x = 1
### END SOLUTION

# %% check="9.1" points=2 timeout=60 hint="count"
### BEGIN HIDDEN TESTS
assert x == 1
### END HIDDEN TESTS
x
"""
WHY = {"expected": "1", "found": "2"}
CHECK = f"""\
class Verdict:
    def __init__(self, passed): self.passed = passed
    def __repr__(self): return "✓ fine" if self.passed else "✗ expected 1, found 2"
    def _repr_mimebundle_(self, **_):
        told = {{"id": "9.1", "passed": self.passed}}
        return {{"text/plain": repr(self), "{EVIDENCE_TYPE}": told}}
"""


def written(folder: Path, text: str, name: str = "09-small.py") -> Path:
    source = folder / "instructor" / name
    source.parent.mkdir(exist_ok=True)
    source.write_text(text, "utf-8")
    return source


# Settings -----------------------------------------------------------------------------


def test_settings_are_made_from_the_text_and_read_back(tmp_path: Path) -> None:
    made = Settings.of(from_text(GRADED))
    assert (made.title, made.points) == ("A small one", 2)
    file = tmp_path / "x.toml"
    file.write_text(made.to_toml(), "utf-8")
    assert Settings.read(file) == made


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('title = "x"', "points is missing"),
        ('title = "x"\npoints = "3"', "points = '3': expected a number"),
        ('title = "x"\npoints = 3\ntimeout = 0', "expected seconds, more than 0"),
        ('title = "x"\npoints = 3\nseeds = 1', "expected texts"),
        ('title = "x"\npoints = 3\nfeedback = "all"', "expected full, brief, points"),
        ('title = "x"\npoints = 3\ncolour = 1', "there is no 'colour'; there is title"),
        ("title = ", "Invalid value"),
    ],
)
def test_wrong_settings_are_told_with_what_may_stand_there(
    text: str, complaint: str, tmp_path: Path
) -> None:
    file = tmp_path / "09-x.toml"
    file.write_text(text)
    with pytest.raises(LabError, match=complaint) as caught:
        Settings.read(file)
    assert "09-x.toml" in str(caught.value)


def test_a_notebook_carries_its_settings_but_not_its_seeds(tmp_path: Path) -> None:
    source = written(tmp_path, GRADED)
    source.with_suffix(".toml").write_text(Settings.of(from_text(GRADED)).to_toml())
    ours = instructors(source)["metadata"]["maillab"]
    assert (ours["notebook"], ours["points"], ours["timeout"]) == ("09", 2, 300)
    assert "seeds" not in ours


def test_a_cell_may_have_a_time_out_and_a_hint() -> None:
    cell = from_text(GRADED)["cells"][-1]
    assert cell["metadata"]["maillab"] == {"timeout": 60, "hint": "count"}
    assert cell["metadata"]["nbgrader"]["points"] == 2


def test_a_hint_is_told_with_the_reasons() -> None:
    check = from_text(GRADED)["cells"][-1]
    failed = {"name": "", "points": 2, "title": "x", "passed": False}
    told = {"id": "9.1", "passed": False, "parts": [failed | {"reasons": WHY}]}
    shown = {"output_type": "display_data", "data": {EVIDENCE_TYPE: told}}
    whole = {**check, "outputs": [shown]}
    run = CellRun(whole, "fail", outputs=[shown], parts={"": False})
    (result,) = judge([run], [], "public")
    assert result.parts[0].reasons == {**WHY, "hint": "count"}


# The lock file ------------------------------------------------------------------------


def test_a_changed_locked_cell_is_found_and_a_changed_answer_is_not(
    tmp_path: Path,
) -> None:
    notebook = from_text(GRADED)
    lock = tmp_path / "09.lock.json"
    lock.write_text(lock_text(notebook))
    mine = released(notebook)
    assert changed_cells(mine, lock) == []
    mine["cells"][2]["source"] = "x = 5"
    assert changed_cells(mine, lock) == []
    mine["cells"][3]["source"] = "print('✓')"
    del mine["cells"][1]
    assert changed_cells(mine, lock) == ["check-9-1", "set-up"]


def test_the_lock_file_knows_nothing_of_solutions() -> None:
    other = GRADED.replace("x = 1\n", "x = 1.0\n").replace("x == 1", "x == 1.0")
    assert lock_text(from_text(GRADED)) == lock_text(from_text(other))
    assert list(json.loads(lock_text(from_text(GRADED)))["cells"]) == [
        *("check-9-1", "set-up"),
    ]


def test_a_lock_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="maillab author build"):
        changed_cells(from_text(GRADED), tmp_path / "none.json")


# Numbers and lines --------------------------------------------------------------------


def test_the_lines_of_an_authors_text_are_those_of_its_cells() -> None:
    lines = first_lines(GRADED)
    cells = from_text(GRADED)["cells"]
    rows = GRADED.splitlines()
    assert len(lines) == len(cells)
    for line, cell in zip(lines[1:], cells[1:], strict=True):
        assert rows[line] == source_of(cell).splitlines()[0]


def test_a_number_without_a_notebook_is_refused(tmp_path: Path) -> None:
    written(tmp_path, GRADED)
    assert [file.stem for file in sources(tmp_path, "9")] == ["09-small"]
    with pytest.raises(LabError, match="there is 09"):
        sources(tmp_path, "10")


def test_what_is_missing_is_out_of_step(tmp_path: Path) -> None:
    source = written(tmp_path, GRADED)
    names = [file.name for file in out_of_step(source, tmp_path)]
    assert names == [
        *("09-small.ipynb", "09-small.ipynb", "09-small.toml", "09-small.lock.json"),
    ]


def test_under_nbgrader_a_verdict_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """nbgrader reads the points of a check from what it shows."""
    monkeypatch.setenv(NBGRADER_VARIABLE, "autograde")
    with open_lab("01") as lab:
        lab.begin("1.1")
        told = lab.check("1.1")._repr_mimebundle_()
    assert told["text/plain"] == "0"
    assert "an SMTP session" in str(told["text/html"])
    assert told[EVIDENCE_TYPE]


# A new notebook -----------------------------------------------------------------------


def test_a_new_notebook_is_entered_in_order() -> None:
    table = 'NOTEBOOKS = {  # x\n    "01": "a",\n    "11": "b",\n}\nrest'
    assert with_lab(table, "04", "c") == (
        'NOTEBOOKS = {  # x\n    "01": "a",\n    "04": "c",\n    "11": "b",\n}\nrest'
    )
    with pytest.raises(LabError, match="already"):
        with_lab(table, "11", "c")


@pytest.mark.parametrize(
    ("number", "title"), [("x", "T"), ("100", "T"), ("3", "???"), ("3", 'a "b"')]
)
def test_what_is_no_number_or_no_title_is_refused(number: str, title: str) -> None:
    with pytest.raises(LabError, match="expected"):
        words_for(number, title)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    table = tmp_path / "maillab" / "grading" / "lab.py"
    table.parent.mkdir(parents=True)
    table.write_text('NOTEBOOKS = {\n    "01": "a",\n}\n')
    create("13", "One", tmp_path)
    before = table.read_text()
    table.write_text('NOTEBOOKS = {\n    "01": "a",\n}\n')
    with pytest.raises(LabError, match="is there already"):
        create("13", "One", tmp_path)
    assert '"13": "one"' in before
    assert '"13"' not in table.read_text()


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="is no checkout"):
        create("13", "One", tmp_path)


def test_the_scaffold_fills_in_all_of_its_words() -> None:
    words = words_for("3", "Any title")
    for file in SCAFFOLD.iterdir():
        text = filled(file.read_text("utf-8"), words)
        assert not any(f"@{name}@" in text for name in words), file.name
        if file.name.endswith(".py.txt"):
            compile(text, file.name, "exec")


def test_the_commands_explain_themselves() -> None:
    told = CliRunner().invoke(app, ["author", "--help"]).output
    for word in ("build", "check", "new"):
        assert word in told


# With a kernel ------------------------------------------------------------------------


@pytest.mark.slow
def test_a_build_writes_reference_release_settings_and_lock(tmp_path: Path) -> None:
    text = GRADED.replace("\nx\n", "\nVerdict(True)\n")
    source = written(tmp_path, text.replace('print("ready")', CHECK))
    build(source, tmp_path)
    assert out_of_step(source, tmp_path) == []
    reference = read(source.with_suffix(".ipynb"))
    assert "HIDDEN" in source_of(reference["cells"][-1])
    assert reference["cells"][-1]["outputs"]
    release = (tmp_path / "09-small.ipynb").read_text("utf-8")
    assert "HIDDEN" not in release
    assert "x = 1" not in release
    source.write_text(source.read_text("utf-8").replace("small", "tiny"), "utf-8")
    assert len(out_of_step(source, tmp_path)) == 2  # no locked cell has changed


@pytest.mark.slow
def test_all_checks_that_fail_are_told_and_the_error_behind_them() -> None:
    text = GRADED.replace('print("ready")', CHECK).replace(
        "\nx\n", "\nVerdict(False)\n"
    )
    text += "\n# %%\nfine = 1\nx.nothing\n\n# %%\nnever = 1 / 0\n"
    with pytest.raises(LabError) as caught:
        executed(from_text(text), lines=first_lines(text))
    told = str(caught.value)
    rows = text.splitlines()
    assert "cell 3 (check-9-1, line " in told
    assert "✗ expected 1, found 2" in told
    assert f"x.nothing  (line {rows.index('x.nothing') + 1})" in told
    assert "AttributeError: 'int' object has no attribute 'nothing'" in told
    assert "never" not in told


@pytest.mark.slow
def test_hidden_tests_are_run_in_the_reference() -> None:
    text = GRADED.replace("x = 1\n", "x = 2\n")
    with pytest.raises(LabError, match="AssertionError"):
        executed(from_text(text))


@pytest.mark.slow
def test_an_endless_cell_is_told() -> None:
    with pytest.raises(LabError, match="more than 1 s"):
        executed(from_text("# %%\nwhile True:\n    pass\n"), timeout=1)
