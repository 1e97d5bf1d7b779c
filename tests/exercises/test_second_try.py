"""A mistake leaves nothing behind: `lab.begin` and a right answer, in the same world.

Goes in   one mistake after the other, in one lab, and then a right answer
Comes out full marks, and the evidence of a student who was right at once
Rule      what a student tried before may cost time, never points
"""

import pytest

from maillab.grading import Lab, open_lab
from maillab.grading.verdict import Verdict
from tests.exercises.kit import Answer, Several, all_answers, number_of, outcome

ANSWERS = all_answers()


def attempt(lab: Lab, exercise: str, answer: Answer) -> Verdict:
    """Begin, answer and check, in a lab that stays open."""
    given = answer(lab, lab.begin(exercise))
    if isinstance(given, Several):
        return lab.check(exercise, *given)
    return lab.check(exercise, *(() if given is None else (given,)))


@pytest.mark.slow
@pytest.mark.parametrize("exercise", ANSWERS)
def test_after_all_mistakes_the_right_answer_is_right(exercise: str) -> None:
    answers = ANSWERS[exercise]
    with open_lab(number_of(exercise), "again") as lab:
        for mistake, _ in answers.wrong:
            assert attempt(lab, exercise, mistake).failed
        verdict = attempt(lab, exercise, answers.right[0])
    assert not verdict.failed, repr(verdict)


@pytest.mark.slow
@pytest.mark.parametrize("exercise", ["7.3", "10.3", "11.1", "11.3"])
def test_a_mistake_leaves_no_trace_in_the_evidence(exercise: str) -> None:
    answers = ANSWERS[exercise]
    at_once = outcome(exercise, answers.right[0], "again")
    with open_lab(number_of(exercise), "again") as lab:
        attempt(lab, exercise, answers.wrong[1][0])
        late = attempt(lab, exercise, answers.right[0])
    assert late.evidence == at_once.evidence
