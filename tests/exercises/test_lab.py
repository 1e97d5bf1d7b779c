"""Each exercise: right answers that pass, wrong ones that fail for their reason."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.answers_reading import Answer, first_letter, twice
from tests.answers_sending import no_dot, step_by_step

from maillab.errors import LabError
from maillab.grading import Lab, open_lab
from maillab.grading.verdict import EVIDENCE_TYPE, Verdict
from tests import answers_reading, answers_sending

RIGHT = answers_sending.RIGHT | answers_reading.RIGHT
WRONG = answers_sending.WRONG + answers_reading.WRONG


def outcome(exercise: str, answer: Answer, seed: str = "test") -> Verdict:
    """What the check says when a student writes `answer`."""
    with open_lab("01", seed) as lab:
        given = answer(lab, lab.begin(exercise))
        answers = () if given is None else (given,)
        return lab.check(exercise, *answers)


def name_of(value: object) -> str:
    return getattr(value, "__name__", str(value))


@pytest.mark.parametrize("seed", ["test", "another"])
@pytest.mark.parametrize("exercise", RIGHT)
def test_right_answers_pass_and_leave_the_same_evidence(
    exercise: str, seed: str
) -> None:
    verdicts = [outcome(exercise, answer, seed) for answer in RIGHT[exercise]]
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
    assert reason in str(verdict.failed)
    assert verdict.points == 0


@pytest.mark.parametrize("exercise", RIGHT)
def test_wrong_answers_fail_for_different_reasons(exercise: str) -> None:
    answers = [answer for name, answer, _ in WRONG if name == exercise]
    said = {str(outcome(exercise, answer).failed) for answer in answers}
    assert len(said) >= len(answers) - 2


@pytest.mark.parametrize("exercise", RIGHT)
def test_the_evidence_differs_from_seed_to_seed(exercise: str) -> None:
    answer = RIGHT[exercise][0]
    one, other = (outcome(exercise, answer, seed) for seed in ("one", "other"))
    assert repr(one) == repr(other)
    assert one.evidence != other.evidence


def test_the_evidence_is_shown_beside_the_line() -> None:
    bundle = outcome("1.1", step_by_step)._repr_mimebundle_()
    line = "✓ 1.1  the envelope delivered, the header only talked  (3/3)"
    assert bundle["text/plain"] == line
    shown: Any = bundle[EVIDENCE_TYPE]
    assert (shown["id"], shown["passed"]) == ("1.1", True)


def test_a_failed_check_fits_on_the_page_and_names_the_section() -> None:
    told = repr(outcome("1.1", no_dot))
    assert max(map(len, told.splitlines())) <= 88
    assert "RFC 5321 §4.1.1.4" in told
    assert told.startswith("✗ 1.1 ")
    assert "(0/3)" in told


@pytest.fixture
def lab() -> Iterator[Lab]:
    with open_lab("01") as lab:
        yield lab


def test_an_exercise_can_be_begun_again(lab: Lab) -> None:
    first_letter(lab, lab.begin("1.3"))
    assert lab.check("1.3").failed
    assert not lab.check("1.3", twice(lab, lab.begin("1.3"))).failed


def test_a_check_before_the_beginning_says_what_to_do(lab: Lab) -> None:
    assert 'lab.begin("1.4")' in str(lab.check("1.4").failed)


def test_the_report_counts_the_points(lab: Lab) -> None:
    step_by_step(lab, lab.begin("1.1"))
    lab.check("1.1")
    lab.check("1.2")
    assert lab.report().describe() == "3 of 12 points."


def test_the_seed_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILLAB_SEED", "ann")
    with open_lab("01") as lab, open_lab("01", "ann") as anns:
        assert repr(lab.begin("1.1")) == repr(anns.begin("1.1"))


@pytest.mark.parametrize(
    ("protocol", "verb", "words"),
    [
        ("SMTP", "rcpt", "def rcpt"),
        ("POP3", "DELE", "def _dele"),
        ("imap", "FETCH", ""),
    ],
)
def test_the_source_of_a_handler_can_be_read(
    lab: Lab, protocol: str, verb: str, words: str
) -> None:
    told = repr(lab.source(verb, protocol))
    assert words in told
    assert "RFC " in told.splitlines()[0]


def test_mistyped_names_are_answered_with_what_there_is(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"'1\.1', '1\.2'"):
        lab.check("1.9")
    with pytest.raises(LabError, match="EHLO"):
        lab.source("HALLO")
    with pytest.raises(LabError, match="'01'"):
        open_lab("1")
