"""The lab of notebook 04: begun again, checked again, other faults for others."""

import random
from collections.abc import Iterator

import pytest

from maillab.grading import Lab, open_lab
from tests.exercises.answers_04_broken import all_found, each_in_its_way, mended
from tests.exercises.answers_04_journey import by_hand, looked_first
from tests.exercises.answers_04_zone import in_order


@pytest.fixture
def lab() -> Iterator[Lab]:
    with open_lab("04", "test") as lab:
        yield lab


def test_a_prediction_can_be_checked_again_and_is_told_from_looking(lab: Lab) -> None:
    plan = by_hand(lab, lab.begin("4.1"))
    first, second = lab.check("4.1", plan), lab.check("4.1", plan)
    assert not first.failed
    assert first.evidence == second.evidence
    looked_first(lab, lab.task("4.1"))
    assert lab.check("4.1", plan).failed
    lab.begin("4.1")
    assert not lab.check("4.1", plan).failed


def test_a_wrong_step_is_shown_with_its_packets(lab: Lab) -> None:
    task = lab.begin("4.1")
    lines = repr(lab.check("4.1", [("MX", task.domain, lab.names.root)]))
    assert f"in the capture of {lab.names.server}" in lines
    assert "a.nic.example" not in lines  # the answer


def test_a_domain_that_was_set_up_is_unknown_when_one_begins_again(lab: Lab) -> None:
    in_order(lab, lab.begin("4.2"))
    assert lab.check("4.2").points == 5
    in_order(lab, lab.begin("4.2"))
    assert lab.check("4.2").points == 5
    lab.begin("4.2")
    assert lab.check("4.2").points == 0


def test_each_mended_zone_is_worth_its_point(lab: Lab) -> None:
    task = lab.begin("4.3")
    found = all_found(lab, task)
    assert lab.check("4.3", found).points == 0
    (null,) = [domain for domain, fault in found.items() if fault == "null"]
    lab.world.zone(null).replace("@", "MX", "10 mail")
    assert lab.check("4.3", found).points == 1
    each_in_its_way(lab, lab.begin("4.3"))
    assert lab.check("4.3", found).points == 6


def test_a_check_leaves_no_letter_behind(lab: Lab) -> None:
    found, domain = mended(lab, lab.begin("4.3"), "alias")
    lab.check("4.3", found)
    assert lab.world.user(f"info@{domain}").inbox.messages == ()


def test_faults_sit_elsewhere_in_other_worlds() -> None:
    seen: set[tuple[str, ...]] = set()
    for seed in ("one", "two", "three"):
        with open_lab("04", seed) as lab:
            found = all_found(lab, lab.begin("4.3"))
            seen.add(tuple(found[f"{d}"] for d in found))
    assert len(seen) == 3


def rubbish() -> list[object]:
    dice = random.Random("4")
    words = ["MX", "", "cache", None, ..., 7, b"MX", ("MX",), {"MX": 1}, float("nan")]
    rows = [tuple(dice.choices(words, k=dice.randint(0, 4))) for _ in range(20)]
    return [*words, *[[row] for row in rows], {1: 2}, {"": ()}, {("a",): ...}]


def test_rubbish_is_answered_with_what_is_expected(lab: Lab) -> None:
    for exercise in ("4.1", "4.3"):
        lab.begin(exercise)
        for value in rubbish():
            verdict = lab.check(exercise, value)
            assert verdict.points == 0
            assert repr(verdict)
