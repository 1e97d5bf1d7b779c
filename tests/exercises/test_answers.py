"""Each exercise: right answers that pass, wrong ones that fail for their reason."""

import pytest

from maillab.grading.lab import NOTEBOOKS, exercises_of
from maillab.world.files import find_scenario
from tests.exercises.kit import Answer, all_answers, empty, number_of, outcome

ANSWERS = all_answers()
WRONG = [(e, *wrong) for e, answers in ANSWERS.items() for wrong in answers.wrong]
RIGHT = [(e, answer) for e, answers in ANSWERS.items() for answer in answers.right]


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
    verdicts = [outcome(exercise, answer) for answer in ANSWERS[exercise].right]
    assert [repr(v) for v in verdicts if v.failed] == []
    assert len({repr(verdict) for verdict in verdicts}) == 1
    first, *others = (verdict.evidence for verdict in verdicts)
    assert first
    assert all(evidence == first for evidence in others)


@pytest.mark.parametrize(("exercise", "answer", "reason"), WRONG, ids=name_of)
def test_a_wrong_answer_fails_for_its_reason(
    exercise: str, answer: Answer, reason: str
) -> None:
    verdict = outcome(exercise, answer)
    assert verdict.failed
    told = [f"{o.failed} {o.failed.perhaps}" for o in verdict.outcomes if o.failed]
    assert reason in "\n".join(told)
    assert verdict.points < verdict.exercise.points


@pytest.mark.parametrize("exercise", ANSWERS)
def test_the_evidence_differs_from_seed_to_seed(exercise: str) -> None:
    answer = ANSWERS[exercise].right[0]
    one, other = (outcome(exercise, answer, seed) for seed in ("one", "other"))
    assert repr(one) == repr(other)
    assert one.evidence != other.evidence


@pytest.mark.parametrize("exercise", ANSWERS)
def test_the_points_of_the_parts_are_those_of_the_exercise(exercise: str) -> None:
    folder = find_scenario(NOTEBOOKS[number_of(exercise)]).parent
    (found,) = [e for e in exercises_of(folder) if e.id == exercise]
    assert not found.parts or sum(p.points for p in found.parts) == found.points
