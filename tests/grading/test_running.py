"""Grading one submission: evidence, parts, endings, references; all with nbval."""

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from maillab.errors import LabError
from maillab.grading.authoring.notebook import source_of, to_text
from maillab.grading.results import Result
from maillab.grading.running import Bundle, Limits, Submission, grade_one, make_bundle
from maillab.grading.running.bundle import find_reference, reference_of
from maillab.grading.running.judging import cut
from tests.grading.handing_in import (
    cell_called,
    endings,
    handed_in,
    notebook,
    public,
    secret,
)
from tests.grading.small_notebook import DOUBLE, RIGHT, SQUARE, small, submission

LIMITS = Limits(jail="none")
ROOT = Path(__file__).resolve().parents[2]
ALL = 5 + 4


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small notebook as a file that was never run."""
    file = tmp_path_factory.mktemp("reference") / "42-small.ipynb"
    file.write_text(to_text(small()), "utf-8")
    return file


@pytest.fixture(scope="module")
def bundle(reference: Path) -> Bundle:
    return make_bundle(reference, "a secret seed")


def points(result: Result) -> list[list[int]]:
    return [[part.points for part in check.parts] for check in result.checks]


# The small notebook -------------------------------------------------------------------


@pytest.mark.slow
def test_the_solutions_have_all_points(bundle: Bundle) -> None:
    result = grade_one(bundle, submission(small()), LIMITS)
    assert (result.points, result.of) == (ALL, ALL)
    assert (result.notebook, result.title, result.jail) == ("42", "Small", "none")
    assert endings(result) == ["pass", "pass"]


@pytest.mark.slow
def test_a_part_counts_for_itself(bundle: Bundle) -> None:
    wrong = DOUBLE + "def square(n): return 'nine'"
    result = grade_one(bundle, submission(small(_1_1=wrong)), LIMITS)
    assert points(result) == [[2, 0], [4]]
    assert endings(result) == ["fail", "pass"]
    assert result.checks[0].parts[1].reasons == {
        "expected": "a number",  # the words of the check, and none of its own making
        "found": "'nine'",
    }


@pytest.mark.slow
def test_a_check_that_says_it_has_passed_is_not_believed(bundle: Bundle) -> None:
    wrong = RIGHT["1.2"].replace("n + 1", "n + 2")
    result = grade_one(bundle, submission(small(_1_2=wrong)), LIMITS)
    assert points(result) == [[2, 3], [0]]
    (part,) = result.checks[1].parts
    assert "written down" in part.reasons["perhaps"]
    assert "not that of a right answer" in result.checks[1].feedback


@pytest.mark.slow
def test_the_same_submission_has_the_same_result(bundle: Bundle) -> None:
    again = pickle.loads(pickle.dumps((bundle, submission(small()), LIMITS)))

    def timeless(result: Result) -> str:
        checks = tuple(replace(check, seconds=0.0) for check in result.checks)
        return replace(result, seconds=0.0, checks=checks).to_json()

    first = grade_one(bundle, submission(small()), LIMITS)
    assert timeless(grade_one(*again)) == timeless(first)


@pytest.mark.slow
def test_one_and_true_are_not_the_same_evidence(bundle: Bundle) -> None:
    whole = json.loads(json.dumps(bundle.notebook))
    evidence = whole["cells"][5]["outputs"][0]["data"]
    (kind,) = [name for name in evidence if "maillab" in name]
    evidence[kind]["parts"][0]["evidence"] = {"fact": 1}
    forged = small(_1_2="def successor(n): return True")
    result = grade_one(replace(bundle, notebook=whole), submission(forged), LIMITS)
    assert endings(result) == ["pass", "fail"]


@pytest.mark.slow
def test_after_a_kill_only_the_students_own_cells_run_again(bundle: Bundle) -> None:
    """The first answer is run again, the deadly one is not, no solution comes in."""
    deadly = DOUBLE + "import os; os._exit(0)"
    result = grade_one(bundle, submission(small(_1_1=deadly)), LIMITS)
    assert endings(result) == ["killed", "pass"]
    assert "name 'double' is not defined" in result.checks[0].feedback
    result = grade_one(bundle, submission(small(_1_2="import os; os._exit(0)")), LIMITS)
    assert endings(result) == ["pass", "killed"]
    assert points(result) == [[2, 3], [0]]


@pytest.mark.slow
def test_an_answer_may_raise_an_error_after_it_was_right(bundle: Bundle) -> None:
    answer = RIGHT["1.2"] + "\nraise ValueError('too late')"
    result = grade_one(bundle, submission(small(_1_2=answer)), LIMITS)
    assert endings(result) == ["pass", "pass"]
    assert "ended badly: ValueError: too late" in result.checks[1].feedback


@pytest.mark.slow
def test_what_is_not_run_in_time_is_not_run(bundle: Bundle) -> None:
    limits = replace(LIMITS, notebook=0.0)
    result = grade_one(bundle, submission(small()), limits)
    assert endings(result) == ["not-run", "not-run"]
    assert result.points == 0


@pytest.mark.slow
def test_an_answer_that_was_right_before_it_looped_is_right(bundle: Bundle) -> None:
    loops = RIGHT["1.2"] + "\nwhile True: pass"
    result = grade_one(bundle, submission(small(_1_2=loops)), replace(LIMITS, cell=2.0))
    assert endings(result) == ["pass", "pass"]
    assert "it took more than 2 seconds" in result.checks[1].feedback


@pytest.mark.slow
def test_an_author_can_give_a_cell_more_time(bundle: Bundle) -> None:
    whole = json.loads(json.dumps(bundle.notebook))
    cell_called(whole, "answer-1-2")["metadata"]["maillab"] = {"timeout": 30}
    takes = (
        "import time; now = time.monotonic()\nwhile time.monotonic() < now + 2: pass"
    )
    handed = submission(small(_1_2=f"{takes}\n{RIGHT['1.2']}"))
    limits = replace(LIMITS, cell=1.5)
    assert endings(grade_one(bundle, handed, limits)) == ["pass", "timeout"]
    patient = replace(bundle, notebook=whole)
    assert endings(grade_one(patient, handed, limits)) == ["pass", "pass"]


# References ---------------------------------------------------------------------------


@pytest.mark.slow
def test_a_reference_is_run_once_for_a_seed(reference: Path) -> None:
    cache: dict[str, object] = {}
    first = make_bundle(reference, "one", cache)  # pyright: ignore
    again = make_bundle(reference, "one", cache)  # pyright: ignore
    other = make_bundle(reference, "two", cache)  # pyright: ignore
    assert again.notebook is first.notebook
    assert len(cache) == 2
    assert first.fingerprint != other.fingerprint
    assert first.notebook != other.notebook


def test_a_reference_that_was_never_run_is_refused(reference: Path) -> None:
    with pytest.raises(
        LabError, match=r"check-1-1 was never run.*maillab author build"
    ):
        make_bundle(reference)


@pytest.mark.slow
def test_a_reference_whose_solutions_fail_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "42-small.ipynb"
    file.write_text(to_text(small(_1_1=DOUBLE + "def square(n): return ''")))
    with pytest.raises(
        LabError, match="check-1-1 was never run, or its solution fails"
    ):
        make_bundle(file, "x")
    file.write_text(to_text(small(_1_1=SQUARE)))
    with pytest.raises(LabError, match=r"ends in error.*name 'double' is not defined"):
        make_bundle(file, "x")


def test_a_reference_is_found_by_number_lab_folder_and_answers() -> None:
    by_number = find_reference("01")
    assert by_number == find_reference("letter-by-hand")
    assert find_reference(by_number) == by_number
    assert reference_of(public().release["cells"]) == by_number
    with pytest.raises(LabError, match="expected one instructor's notebook for '77'"):
        find_reference("77")


def test_a_fingerprint_tells_of_a_change_and_not_of_a_seed() -> None:
    bundle = public()
    assert bundle.fingerprint != replace(bundle, seed="x").fingerprint
    assert len(bundle.fingerprint) == 8  # a guess at a seed is right too often
    assert "x" * 3 not in replace(bundle, seed="xxx").fingerprint


def test_a_seed_is_cut_out_of_what_students_say() -> None:
    assert cut("the seed is hush-hush", "hush-hush", 100) == "the seed is …"
    assert cut("a public place", "public", 100) == "a public place"
    assert cut("a" * 100, "", 10) == "a" * 10


# Notebook 01 --------------------------------------------------------------------------

BOB_BY_SESSION = """
with world.console("desk", names.server, 25) as hand:
    hand.say("HELO desk", f"MAIL FROM:<{task.mail_from}>", f"RCPT TO:<{task.rcpt_to}>")
    hand.say("DATA")
    hand.say(f"From: {task.header_from}", f"To: {task.header_to}")
    hand.say(f"Subject: {task.subject}", "", "x", ".")
"""


@pytest.mark.slow
def test_the_untouched_notebook_scores_nothing() -> None:
    result = grade_one(public(), handed_in(public().release), LIMITS)
    assert (result.points, result.of) == (0, 12)
    assert set(endings(result)) == {"fail"}


@pytest.mark.slow
def test_the_instructors_notebook_scores_all_in_a_world_it_never_saw() -> None:
    result = grade_one(secret(), handed_in(public().notebook), LIMITS)
    assert (result.points, result.of) == (12, 12)
    assert secret().seed not in result.to_json()


@pytest.mark.slow
def test_each_answer_stands_for_itself() -> None:
    """A right one in other words, one that is no Python, a typed one."""
    mine = notebook(
        public().release,
        _1_1=BOB_BY_SESSION,
        _1_2="def read_reply(text)\n    return 1",
        _1_3="word = 'thimble'",
    )
    result = grade_one(secret(), handed_in(mine), LIMITS)
    assert endings(result) == ["pass", "error", "fail", "fail"]
    assert "SyntaxError" in result.checks[1].feedback
    assert result.points == 3


@pytest.mark.slow
def test_no_expected_evidence_is_told() -> None:
    result = grade_one(secret(), handed_in(public().release), LIMITS)
    told = result.to_json()
    outputs = [c.get("outputs") for c in secret().notebook["cells"] if c.get("outputs")]
    assert outputs
    assert "evidence" not in told
    for cell in public().notebook["cells"]:
        assert not source_of(cell) or source_of(cell) not in told


@pytest.mark.slow
def test_pytest_grades_notebooks_and_lists_their_points(tmp_path: Path) -> None:
    for name, whole in {"all": public().notebook, "none": public().release}.items():
        (tmp_path / f"{name}.ipynb").write_text(to_text(whole), "utf-8")
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c"),
        *("pyproject.toml", "--maillab-grade", "--maillab-jail=none"),
        *map(str, sorted(tmp_path.glob("*.ipynb"))),
    ]
    told = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    assert "all.ipynb: 12 of 12 points" in told
    assert "none.ipynb: 0 of 12 points" in told
    assert "perhaps  MAIL, RCPT, DATA" in told
    assert "4 failed, 4 passed" in told


def test_a_submission_knows_its_digest() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert Submission("zoe", "x.ipynb", b"").digest == empty
