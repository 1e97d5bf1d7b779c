"""Each exercise: right answers that pass, wrong ones that fail for their reason.

The quick run takes the empty answer and the first three mistakes; the slow one, all.
"""

from functools import cache

import pytest

from maillab.grading.lab import NOTEBOOKS, exercises_of
from maillab.world.files import find_scenario
from tests.exercises.kit import (
    Answer,
    all_answers,
    empty,
    number_of,
    outcome,
    reasons,
)

ANSWERS = all_answers()
verdict_of = cache(outcome)  # right answers are looked at twice
QUICK = 4  # wrong answers of an exercise
WRONG = [
    pytest.param(e, *wrong, marks=[pytest.mark.slow] if number >= QUICK else [])
    for e, answers in ANSWERS.items()
    for number, wrong in enumerate(answers.wrong)
]


def name_of(value: object) -> str:
    return getattr(value, "__name__", str(value))


def test_every_exercise_has_its_answers() -> None:
    folders = [find_scenario(name).parent for name in NOTEBOOKS.values()]
    exercises = {e.id for folder in folders for e in exercises_of(folder)}
    assert set(ANSWERS) == exercises


@pytest.mark.parametrize("exercise", ANSWERS)
def test_there_are_two_right_ones_the_empty_one_and_three_mistakes(
    exercise: str,
) -> None:
    answers = ANSWERS[exercise]
    assert len(answers.right) >= 2
    assert len(answers.wrong) >= 4
    assert name_of(answers.wrong[0][0]).startswith(empty.__name__)


@pytest.mark.parametrize("exercise", ANSWERS)
def test_right_answers_pass_and_leave_the_same_evidence(exercise: str) -> None:
    right = ANSWERS[exercise].right[:2]  # of others, and more worlds, see test_seeds
    verdicts = [verdict_of(exercise, answer, "test") for answer in right]
    assert [repr(v) for v in verdicts if v.failed] == []
    assert len({repr(verdict) for verdict in verdicts}) == 1
    first, other = (verdict.evidence for verdict in verdicts)
    assert first
    assert other == first


@pytest.mark.parametrize(("exercise", "answer", "reason"), WRONG, ids=name_of)
def test_a_wrong_answer_fails_for_its_reason(
    exercise: str, answer: Answer, reason: str
) -> None:
    verdict = outcome(exercise, answer)
    assert verdict.failed
    assert reason in reasons(verdict)
    assert verdict.points < verdict.exercise.points


@pytest.mark.parametrize("exercise", ANSWERS)
def test_the_evidence_differs_from_seed_to_seed(exercise: str) -> None:
    answer = ANSWERS[exercise].right[0]
    known, other = (verdict_of(exercise, answer, seed) for seed in ("test", "other"))
    assert repr(known) == repr(other)
    assert known.evidence != other.evidence


@pytest.mark.parametrize("exercise", ANSWERS)
def test_the_points_of_the_parts_are_those_of_the_exercise(exercise: str) -> None:
    folder = find_scenario(NOTEBOOKS[number_of(exercise)]).parent
    (found,) = [e for e in exercises_of(folder) if e.id == exercise]
    assert not found.parts or sum(p.points for p in found.parts) == found.points
