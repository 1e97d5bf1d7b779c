"""Rules that look at messages, and quotas."""

import pytest

from maillab.policy.content_rules import Letter, apply_rules, fits, holds
from maillab.policy.quota import Room, judge_quota
from maillab.policy.recipient_settings import (
    Action,
    Condition,
    MailRule,
    Quota,
    Recipients,
)
from maillab.policy.settings import Settings
from tests.policy_cases import Case

ANN, BOB = "ann@ours.example", "bob@ours.example"
CONTENT = (
    b"From: Zoe <zoe@far.example>\r\nSubject: =?utf-8?B?w5xiZXJ3ZWlzdW5n?= 5 EUR\r\n"
    b"X-Score: 7\r\nReceived: by a\r\nReceived: by b\r\n\r\nCheap pills\r\n"
)
LETTER = Letter("zoe@far.example", ANN, CONTENT)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Condition("Subject", "contains", "überweisung"), True),  # as people read it
        (Condition("subject", "is", "Überweisung 5 EUR"), True),
        (Condition("Subject", "is", "Überweisung"), False),
        (Condition("Subject", "matches", "über* ? eur"), True),
        (Condition("Subject", "matches", "eur"), False),
        (Condition("X-Nothing", "exists"), False),
        (Condition("X-Nothing", "exists", unless=True), True),
        (Condition("X-Nothing", "contains", ""), False),
        (Condition("X-Score", "above", "6"), True),
        (Condition("X-Score", "above", "7"), False),
        (Condition("X-Score", "below", "10"), True),  # numbers, not texts
        (Condition("From", "above", "6"), False),
        (Condition("Received", "is", "by b"), True),  # any field of the name
        (Condition("MailFrom", "contains", "@FAR."), True),
        (Condition("RcptTo", "is", ANN), True),
        (Condition("RcptTo", "is", ANN, unless=True), False),
        (Condition("size", "above", "100"), True),
        (Condition("size", "below", "100"), False),
        (Condition("body", "contains", "PILLS"), True),
        (Condition("body", "contains", "Received"), False),
    ],
)
def test_conditions(condition, expected):
    assert holds(condition, LETTER) is expected


TRUE, FALSE = Condition("size", "above", "0"), Condition("size", "below", "0")


@pytest.mark.parametrize(
    ("match", "conditions", "expected"),
    [
        ("all", (TRUE, TRUE), True),
        ("all", (TRUE, FALSE), False),
        ("any", (FALSE, TRUE), True),
        ("any", (FALSE, FALSE), False),
        ("all", (), True),
        ("any", (), True),
    ],
)
def test_all_or_any(match, conditions, expected):
    assert fits(MailRule("r", conditions, (), match), LETTER) is expected


def rule(name, *actions, when=TRUE, account=""):
    pairs = (action.partition(" ") for action in actions)
    made = tuple(Action(do, to) for do, _, to in pairs)
    return MailRule(name, (when,), made, account=account)


def effects(*rules, limit=5, account=ANN):
    settings = Settings(recipients=Recipients(rules=rules, rule_loops=limit))
    return apply_rules(LETTER, account, settings)


def test_actions():
    found = effects(
        rule("a", "move Shop", "copy Archive", "flag \\Seen", "flag"),
        rule("b", f"forward {BOB}", "add-header X-Mark: yes"),
    )
    assert (found.folder, found.copies) == ("Shop", ("Archive",))
    assert found.flags == {"\\Seen", "\\Flagged"}
    assert [to for to, _ in found.forwards] == [BOB]
    assert found.letter.content == b"X-Mark: yes\r\n" + CONTENT
    assert not found.deleted
    assert not found.rejected


def test_no_rule_no_effect():
    assert effects().letter is LETTER


@pytest.mark.parametrize("end", ["stop", "delete", "reject Go away"])
def test_what_ends_it(end):
    found = effects(rule("a", end, "move X"), rule("b", "move Y"))
    assert found.folder == ""
    assert found.deleted is (end == "delete")
    assert found.rejected == ("Go away" if end.startswith("reject") else "")


def test_rules_of_the_server_come_first_and_others_are_not_asked():
    found = effects(
        rule("mine", "move Mine", account="ANN@ours.example"),
        rule("hers", "move Hers", account=BOB),
        rule("server", "move Server"),
    )
    assert found.folder == "Mine"
    assert [step.address for step in found.steps] == ["server", "mine"]
    assert [step.setting for step in found.steps] == [
        "recipients.rules.2",
        "recipients.rules.0",
    ]


def test_a_field_that_a_rule_adds_is_there_for_the_next():
    found = effects(
        rule("a", "add-header X-Spam: yes"),
        rule("b", "move Junk", when=Condition("X-Spam", "is", "yes")),
    )
    assert found.folder == "Junk"


@pytest.mark.parametrize(("limit", "acted"), [(2, 2), (5, 3), (0, 3)])
def test_so_many_rules_act_and_no_more(limit, acted):
    found = effects(*(rule(n, f"copy {n}") for n in "abc"), limit=limit)
    assert len(found.copies) == acted
    stopped = [step.setting for step in found.steps if step.rule == "rule limit"]
    assert stopped == (["recipients.rule_loops"] if acted < 3 else [])


def test_a_header_line_cannot_be_smuggled_in():
    found = effects(rule("a", "add-header X: 1\r\nBcc: x@far.example"))
    assert found.letter.content.startswith(b"X: 1 Bcc: x@far.example\r\nFrom:")


# Quota --------------------------------------------------------------------------------


def quotas(default=0, reply="later", **own):
    them = tuple(Quota(f"{name}@Ours.example", size) for name, size in own.items())
    return Settings(
        recipients=Recipients(quotas=them, default_quota=default, quota_reply=reply)
    )


def room(used, size=0):
    return lambda settings: judge_quota(Room(ANN, used, size), settings)


DEFAULT, OWN = "recipients.default_quota", "recipients.quotas.0.octets"
CASES = [
    Case("no limit", quotas(), room(10**9), "accept", DEFAULT),
    Case("below", quotas(100), room(99), "accept", DEFAULT),
    Case("full", quotas(100), room(100), "defer", DEFAULT, "4.2.2"),
    Case("full for ever", quotas(100, "never"), room(100), "reject", DEFAULT, "5.2.2"),
    Case("it fits", quotas(100), room(60, 40), "accept", DEFAULT),
    Case("it does not fit", quotas(100), room(60, 41), "defer", DEFAULT, "4.2.2"),
    Case("too big at all", quotas(100, "never"), room(0, 101), "reject", DEFAULT),
    Case("an own quota", quotas(100, ann=200), room(150), "accept", OWN),
    Case("an own quota, full", quotas(0, ann=200), room(200), "defer", OWN),
    Case("no quota of one's own", quotas(100, ann=0), room(500), "accept", OWN),
    Case("somebody else's", quotas(0, bob=1), room(500), "accept", DEFAULT),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_is_there_room(case):
    case.check()
