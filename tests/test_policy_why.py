"""Whatever is refused can be asked why: a sentence, a rule, a setting, an RFC."""

import re

import pytest

from maillab.protocol.smtp_phrases import PHRASES
from tests import (
    test_policy_content,
    test_policy_defence,
    test_policy_lists,
    test_policy_relay,
    test_policy_senders,
    test_policy_vacation,
)
from tests.policy_cases import value_at

TABLES = {
    "content": test_policy_content.CASES,
    "defence": test_policy_defence.CASES,
    "lists": test_policy_lists.CASES,
    "relay": test_policy_relay.CASES,
    "senders": test_policy_senders.CASES,
    "vacation": test_policy_vacation.CASES,
}


@pytest.fixture(params=TABLES)
def verdicts(request):
    cases = TABLES[request.param]
    return [(case, case.judge(case.settings)) for case in cases]


def test_the_setting_of_every_verdict_is_there(verdicts):
    for case, verdict in verdicts:
        if verdict.setting:
            value_at(case.settings, verdict.setting)


def test_every_refusal_names_setting_rule_and_rfc(verdicts):
    for case, verdict in verdicts:
        if not verdict.accepted:
            assert verdict.setting, case
            assert verdict.rule, case
            assert re.fullmatch(r"RFC \d+ §[\d.]+", verdict.rfc), case


def test_every_refusal_at_the_door_has_a_phrase_and_a_code(verdicts):
    for case, verdict in verdicts:
        if not verdict.accepted and verdict.rule != "vacation":
            kind = {"reject": "5", "defer": "4"}[verdict.result]
            assert str(PHRASES[verdict.phrase].code).startswith(kind), case
            assert re.fullmatch(rf"{kind}\.\d+\.\d+", verdict.code), case


def test_every_reason_is_a_sentence_of_its_own(verdicts):
    for case, verdict in verdicts:
        assert len(verdict.reason.split()) >= 3, case
        assert "\n" not in verdict.reason, case
        assert not re.search(r"None|<|\bTrue\b|\(\)", verdict.reason), verdict.reason


def test_a_path_that_is_wrong_is_found():
    settings = test_policy_relay.DEFAULT
    for wrong in ("relay.nets", "relay.networks.0", "recipients.lists.x"):
        with pytest.raises((LookupError, ValueError)):
            value_at(settings, wrong)
