"""Notebook 10: what its labs promise beside the answers to the exercises."""

from collections.abc import Iterator

import pytest

from maillab.grading import Lab, open_lab
from tests.exercises.answers_10 import (
    a_good_night,
    by_rows,
    changing,
    forgets_imap,
    forwards,
)


@pytest.fixture
def lab() -> Iterator[Lab]:
    with open_lab("10") as opened:
        yield opened


def test_the_captures_of_the_forum_hold_packets_and_nothing_that_tells(
    lab: Lab,
) -> None:
    captures = lab.begin("10.1").captures
    assert len(captures) == 6
    for capture in captures.values():
        assert {packet.comment for packet in capture.packets} == {""}
        assert all(packet.data for packet in capture.packets)


def test_a_diagnosis_that_spoils_the_captures_spoils_only_its_own(lab: Lab) -> None:
    task = lab.begin("10.1")
    right = by_rows(lab, task)

    def spoiling(capture):
        said = right(capture)
        capture.__dict__.clear()
        return said

    assert not lab.check("10.1", spoiling).failed
    assert not lab.check("10.1", right).failed


def test_each_part_of_a_diagnosis_counts_for_itself(lab: Lab) -> None:
    task = lab.begin("10.1")
    right = by_rows(lab, task)

    def half(capture):
        cause, number = right(capture)
        return (cause, number) if cause in ("drop", "reject") else ("drop?", 1)

    assert lab.check("10.1", half).points == 2


def test_a_night_can_be_lived_again(lab: Lab) -> None:
    forgets_imap(lab, lab.begin("10.2"))
    assert lab.check("10.2").points < 5
    a_good_night(lab, lab.begin("10.2"))
    first = lab.check("10.2")
    a_good_night(lab, lab.begin("10.2"))
    assert not first.failed
    assert lab.check("10.2").evidence == first.evidence


SLOW = [pytest.param(hours, marks=pytest.mark.slow) for hours in ("40 min", "11 h")]


@pytest.mark.parametrize("hours", ["5 h", *SLOW])
def test_the_evidence_of_a_night_does_not_depend_on_the_hour(
    lab: Lab, hours: str
) -> None:
    with open_lab("10") as other:
        a_good_night(other, other.begin("10.2"))
        lab.world.advance(hours)
        a_good_night(lab, lab.begin("10.2"))
        verdict = lab.check("10.2")
        assert not verdict.failed
        assert verdict.evidence == other.check("10.2").evidence


def test_who_let_the_night_go_by_is_told_what_the_monitor_met(lab: Lab) -> None:
    task = lab.begin("10.2")
    forwards(lab, 25)
    lab.world.advance(f"{task.hours} h")
    night = lab.check("10.2").outcomes[2].failed
    assert night
    assert night.packets
    assert "monitor opened a connection" in night.why


def test_the_firewall_does_not_depend_on_the_night(lab: Lab) -> None:
    lab.begin("10.2")
    with open_lab("10") as other:
        for one in (lab, other):
            one.world.advance("1 day" if one is lab else "1 h")
            changing("rules")(one, one.begin("10.3"))
        verdict = lab.check("10.3")
        assert not verdict.failed
        assert verdict.evidence == other.check("10.3").evidence
