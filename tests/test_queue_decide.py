"""A rule of somebody else's decides what becomes of who was not reached."""

import pytest

from maillab.policy.retry import Bounce, Drop, Retry
from tests.queue_worlds import ALICE, BOB, CAROL, header

POSTMASTER = "postmaster@alpha.example"


def lab_with(queue_world, decide, **says):
    lab = queue_world()
    lab.seen = []

    def noted(failure):
        lab.seen.append(failure)
        return decide(failure)

    lab.queue.decide = noted
    if says:
        lab.mx(**says)
    return lab


def test_it_hears_what_the_server_said_and_its_wait_counts(queue_world):
    lab = lab_with(queue_world, lambda _: Retry(600), rcpt=["450 4.2.0 no", "250 ok"])
    lab.send(CAROL)
    (failure,) = lab.seen
    assert (failure.code, failure.enhanced, failure.attempts) == (450, "4.2.0", 1)
    assert (failure.mail_from, failure.rcpt_to) == (ALICE, CAROL)
    assert not failure.warned
    lab.world.advance("9 min")
    assert lab.times() == [0]
    lab.world.advance("2 min")
    assert lab.times() == [0, 10]
    assert len(lab.queue) == 0


def test_a_dead_host_is_tried_when_it_says_and_given_up_when_it_says(queue_world):
    def decide(failure):
        return Retry(3600) if failure.attempts < 4 else Bounce("", failure.mail_from)

    lab = lab_with(queue_world, decide)
    lab.off()
    lab.send(CAROL)
    lab.world.advance("5 hours")
    assert [one.code for one in lab.seen] == [0, 0, 0, 0]
    assert [one.attempts for one in lab.seen] == [1, 2, 3, 4]
    assert lab.seen[-1].age > 3 * 3600
    assert [one.action for r in lab.reports() for one in r.recipients] == ["failed"]
    assert len(lab.queue) == 0


def test_it_is_asked_about_final_refusals_too(queue_world):
    lab = lab_with(queue_world, lambda _: Drop(), rcpt="550 5.1.1 nobody")
    lab.send(CAROL)
    assert [one.code for one in lab.seen] == [550]
    assert lab.reports() == []
    assert len(lab.queue) == 0


def test_what_is_delivered_is_none_of_its_business(queue_world):
    lab = lab_with(queue_world, lambda _: Drop())
    lab.send(BOB)
    assert lab.seen == []
    assert len(lab.inbox("bob")) == 1


def test_it_warns_as_often_as_it_says(queue_world):
    def decide(failure):
        return Retry(3600, warn=not failure.warned)

    lab = lab_with(queue_world, decide, rcpt="450 4.2.0 no")
    lab.send(CAROL)
    lab.world.advance("5 hours")
    assert [one.warned for one in lab.seen[:3]] == [False, True, True]
    assert [one.action for r in lab.reports() for one in r.recipients] == ["delayed"]


@pytest.mark.parametrize("null", ["", "<>"])
def test_the_report_has_the_envelope_that_it_wants(queue_world, null):
    def decide(failure):
        return Bounce(null, POSTMASTER)

    lab = lab_with(queue_world, decide, rcpt="550 5.1.1 nobody")
    lab.world.configure("alpha.example", recipients={"aliases": {POSTMASTER: [ALICE]}})
    lab.send(CAROL, sender="")
    (content,) = lab.inbox()
    assert header(content).get("Return-Path").strip() == "<>"
    assert POSTMASTER in header(content).get("To")


def test_a_report_that_is_not_from_nobody_can_bounce(queue_world):
    def decide(failure):
        return Bounce(POSTMASTER, failure.mail_from or POSTMASTER)

    lab = lab_with(queue_world, decide, rcpt="550 5.1.1 nobody")
    lab.send(CAROL, sender="ghost@gamma.example")
    reports = [e for e in lab.events("accepted") if e["sender"] == POSTMASTER]
    assert reports[0]["recipients"] == ("ghost@gamma.example",)
    assert reports[1]["recipients"] == (POSTMASTER,), "a report about a report"


def test_reports_about_reports_come_to_an_end(queue_world):
    def decide(failure):
        return Bounce("nobody@alpha.example", failure.mail_from)

    lab = lab_with(queue_world, decide, rcpt="550 5.1.1 nobody")
    lab.forgive()
    lab.send(CAROL, sender="ghost@gamma.example")
    assert 100 <= len(lab.events("dsn")) <= 102
    assert len(lab.queue) == 0


def test_who_wanted_no_report_gets_none(queue_world):
    lab = lab_with(queue_world, lambda f: Bounce("", ALICE), rcpt="550 5.1.1 nobody")
    lab.send(CAROL, asked={"NOTIFY": "NEVER"})
    assert lab.reports() == []
    assert len(lab.queue) == 0


def no_rule(failure):
    raise KeyError(failure)


@pytest.mark.parametrize(
    "decide",
    [
        no_rule,
        lambda _: None,
        lambda _: Retry(0),
        lambda _: Retry(float("nan")),
        lambda _: Retry("1 h"),
        lambda _: Bounce("", ""),
    ],
)
def test_a_rule_that_fails_loses_nothing(queue_world, decide):
    lab = lab_with(queue_world, decide, rcpt=["450 4.2.0 no", "250 ok"])
    lab.forgive()
    lab.send(CAROL)
    assert len(lab.queue) == 1
    lab.world.advance("6 min")
    assert lab.times() == [0, 5], "as usual"
    assert len(lab.queue) == 0
