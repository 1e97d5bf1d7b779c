"""The linter knows the template: each rule, broken once."""

import re
from collections.abc import Callable
from functools import cache

import pytest

from maillab.grading.authoring import lint_template
from maillab.grading.authoring.lint import complaints
from maillab.grading.authoring.new import SCAFFOLD, filled, words_for
from maillab.grading.authoring.notebook import from_text

LAB_13 = ({"13.1": 3}, ["post.example", "192.0.2.25"])
Complain = Callable[[str], list[str]]


@cache
def whole() -> str:
    """A notebook that keeps the rules: the one that `author new` writes."""
    text = (SCAFFOLD / "notebook.py.txt").read_text("utf-8")
    return filled(text, words_for("13", "The lost letter"))


def of_lab_13(number: str) -> tuple[dict[str, int], list[str]]:
    assert number == "13"
    return LAB_13


@pytest.fixture
def complain(monkeypatch: pytest.MonkeyPatch) -> Complain:
    monkeypatch.setattr(lint_template, "_of_lab", of_lab_13)
    return lambda text: complaints(from_text(text))


def without(text: str, pattern: str) -> str:
    found = re.sub(pattern, "", text, count=1, flags=re.DOTALL | re.MULTILINE)
    assert found != text
    return found


def test_the_scaffold_keeps_all_rules(complain: Complain) -> None:
    assert complain(whole()) == []


@pytest.mark.parametrize(
    ("gone", "complaint"),
    [
        (r"\*\*You need\*\*", r"nothing about \*\*You need"),
        (r" \*\*3 points\*\*", r"should say \*\*3 points"),
        (r"^# # 13[^\n]*\n", "one title"),
        (r"```text.*?```", "no picture of the world"),
        (r' locked="set-up"', "the first code cell is the set-up"),
        (r"\*Your prediction:\*", "asks for no prediction"),
        (r"<details><summary>Hint</summary>", "no folded hint"),
        (r"\*\*Deliver a letter[^*]*\*\*", "no bold imperative"),
        (r"\(RFC 5321 §3\.3\)", "names no section of an RFC"),
        (r"\(RFC 3463 §3\.8\)", "'## Break it' names no section"),
        (r'# %% locked="begin-13\.1".*?\n\n', "has no begin-13-1"),
        (r"## Exercise 13\.1: ", "no heading '## Exercise 13.1"),
        (r"^# ## Break it", "no section with 'break it'"),
        (r"^# ## Summary", "no section with 'summary'"),
        (r"^# \|.*?\n\n", "table of other people's words"),
        (r"^lab\.report\(\)", "the last cell shows the points"),
        (r"### END SOLUTION\n", "not in pairs"),
        (r'lab = open_lab\("13"\)\n', "opens no lab"),
        (r"points=3", "without points"),
    ],
)
def test_what_is_missing_is_told(gone: str, complaint: str, complain: Complain) -> None:
    told = "\n".join(complain(without(whole(), gone)))
    assert re.search(complaint, told), told


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("names.server, 25", '"mail.post.example", 25', "'post.example' differs"),
        ("names.server, 25", '"192.0.2.25", 25', "'192.0.2.25' differs"),
        ('lab.check("13.1")', 'lab.check("13.2")', "the last line of check-13-1"),
        ('lab.check("13.1")', 'lab.check("13.1")\nx = 1', "the last line of check"),
        ("points=3", "points=4", "the lab has the exercises"),
        ('# %% answer="13.1"', "# %%", "has no answer-13-1"),
        ('# %% answer="13.1"', "# %%", "a solution stands in a cell that is no"),
    ],
)
def test_what_is_wrong_is_told(
    old: str, new: str, complaint: str, complain: Complain
) -> None:
    text = whole().replace(old, new)
    assert text != whole()
    told = "\n".join(complain(text))
    assert complaint in told, told


def test_an_answer_behind_its_check_is_in_the_wrong_order(complain: Complain) -> None:
    text = whole().replace('answer="13.1"', 'answer="x"')
    text = text.replace('check="13.1" points=3', 'answer="13.1"')
    text = text.replace('answer="x"', 'check="13.1" points=3')
    assert any("is the order" in what for what in complain(text))


def test_a_prediction_behind_the_look_is_too_late(complain: Complain) -> None:
    prediction = "# *Your prediction:* …\n\n# %%\nprint(world.user"
    text = whole().replace(prediction, "# x\n\n# %%\nprint(world.user")
    late = text.replace("`Received` is the postmark", "*Your prediction:* …")
    assert late != text != whole()
    assert any("nothing to look at" in what for what in complain(late))


def test_a_lab_that_is_not_there_is_told() -> None:
    text = whole().replace('open_lab("13")', 'open_lab("77")')
    assert any("no lab '77'" in what for what in complaints(from_text(text)))


def test_notebooks_without_grades_need_no_template() -> None:
    told = complaints(from_text("# %% [markdown]\n# # Hello\n\n# %%\n1\n"))
    assert told == ["2 cells, expected 25 to 60"]
