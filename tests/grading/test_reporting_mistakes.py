"""Mistakes are counted in words that are the same for all students of a class."""

import pytest

from maillab.grading.reporting.statistics import mistakes_of
from maillab.grading.results import CheckResult, PartResult
from maillab.grading.verdict import Verdict
from tests.exercises.kit import all_answers, outcome


def told(verdict: Verdict) -> list[str]:
    """What a class overview would count of a verdict."""
    found = verdict.to_json()
    parts = [
        PartResult(
            part["name"],
            part["title"],
            part["points"] if part["passed"] else 0,
            part["points"],
            part.get("reasons", {}),
        )
        for part in found["parts"]
    ]
    return mistakes_of(CheckResult(found["id"], "check", "fail", tuple(parts)))


def failed(expected: str, perhaps: str = "") -> CheckResult:
    reasons = {"expected": expected} | ({"perhaps": perhaps} if perhaps else {})
    return CheckResult(
        "1.1", "check-1-1", "fail", (PartResult("", "t", 0, 1, reasons),)
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("“Word:” in 'About the noodle'", "“Word:” in 'About the candle'"),
        ("a letter for <bob@post.example>", "a letter for <bob@cloud.test>"),
        ("mail.post.example answers", "mx.owl.test. answers"),
        ("an A record: 192.0.2.25", "an A record: 192.0.2.77"),
    ],
)
def test_without_a_likely_mistake_the_names_of_a_world_are_left_out(
    one: str, other: str
) -> None:
    assert mistakes_of(failed(one)) == mistakes_of(failed(other))
    assert "…" in mistakes_of(failed(one))[0]


def test_the_likely_mistake_goes_before_what_was_expected() -> None:
    assert mistakes_of(failed("a letter", "no dot")) == ["no dot"]
    assert mistakes_of(failed("the caller's own words")) == [
        "expected the caller's own words"
    ]


@pytest.mark.slow
@pytest.mark.parametrize("exercise", all_answers())
def test_a_mistake_has_the_same_words_in_two_worlds(exercise: str) -> None:
    for answer, _ in all_answers()[exercise].wrong:
        words = [told(outcome(exercise, answer, seed)) for seed in ("one", "other")]
        assert words[0] == words[1], answer.__name__
