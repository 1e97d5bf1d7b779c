"""Plans of faults: where they strike, how often, and what cannot be meant."""

import dataclasses
import random

import pytest

from maillab.policy.fault_plan import EFFECTS, Fault, FaultPlan, Moment
from maillab.policy.fault_words import EXAMPLES, STAGES, fits, reply_in
from maillab.world.scenario import FaultTable

AT_RCPT = Moment(
    host="mx.beta.example",
    client="192.0.2.25",
    protocol="smtp",
    port=25,
    stage="RCPT",
    sender="alice@alpha.example",
    recipients=("bob@beta.example",),
)


def strikes(fault: Fault, moment: Moment = AT_RCPT, number: int = 1) -> list[bool]:
    """Does it strike at the first, second … of these moments?"""
    plan, dice = FaultPlan(), random.Random(7)
    plan.add(fault)
    return [
        plan.find_strike(moment, lambda _: dice.random()) is not None
        for _ in range(number)
    ]


@pytest.mark.parametrize(
    "place",
    [
        {},
        {"host": "mx.beta.example"},
        {"host": "MX.*.example"},
        {"client": "192.0.2.25"},
        {"client": "192.0.2.*"},
        {"client": "192.0.2.0/24"},
        {"client": "192.0.2.1/24"},
        {"protocol": "smtp"},
        {"port": 25},
        {"stage": "*"},
        {"sender": "alice@*"},
        {"sender": "*@ALPHA.example"},
        {"recipient": "bob@beta.example"},
        {"reply": "451 4.3.0 Later", "disconnect": False},
    ],
)
def test_a_fault_strikes_where_it_was_planned(place):
    assert strikes(Fault(**{"stage": "RCPT", "disconnect": True, **place})) == [True]


@pytest.mark.parametrize(
    "place",
    [
        {"stage": "MAIL"},
        {"host": "mx.alpha.example"},
        {"client": "192.0.2.2"},
        {"client": "198.51.100.0/24"},
        {"client": "2001:db8::/32"},
        {"protocol": "pop3", "stage": "*"},
        {"port": 587},
        {"sender": "<>"},
        {"sender": "carol@*"},
        {"recipient": "carol@*"},
        {"reply": "NO Later", "disconnect": False, "stage": "*"},
        {"truncated_tls": True, "disconnect": False},  # there is no TLS to break off
    ],
)
def test_a_fault_strikes_nowhere_else(place):
    assert strikes(Fault(**{"stage": "RCPT", "disconnect": True, **place})) == [False]


def test_the_null_reverse_path_has_a_pattern_of_its_own():
    bounce = dataclasses.replace(AT_RCPT, sender="")
    assert strikes(Fault("RCPT", sender="<>", reset=True), bounce) == [True]
    assert strikes(Fault("RCPT", sender="alice@*", reset=True), bounce) == [False]


def test_before_mail_nobody_is_the_sender():
    early = dataclasses.replace(AT_RCPT, stage="EHLO", sender=None, recipients=())
    assert strikes(Fault("*", sender="*", reset=True), early) == [False]
    assert strikes(Fault("*", recipient="*", reset=True), early) == [False]


def test_a_handshake_has_no_reply():
    handshake = dataclasses.replace(AT_RCPT, stage="tls", secure=True)
    assert strikes(Fault("*", half_reply=True), handshake) == [False]
    assert strikes(Fault("*", truncated_tls=True), handshake) == [True]


def test_the_first_times_only():
    fault = Fault("RCPT", delay=1, times=2)
    assert strikes(fault, number=4) == [True, True, False, False]


def test_each_third_time():
    found = strikes(Fault("RCPT", delay=1, every=3), number=7)
    assert found == [False, False, True, False, False, True, False]


def test_each_second_time_but_twice_only():
    found = strikes(Fault("RCPT", delay=1, every=2, times=2), number=8)
    assert found == [False, True, False, True, False, False, False, False]


def test_chance_is_a_matter_of_the_dice():
    found = strikes(Fault("RCPT", delay=1, chance=0.25), number=1000)
    dice = random.Random(7)
    assert found == [dice.random() < 0.25 for _ in range(1000)]


def test_two_faults_for_one_place_come_one_after_the_other():
    plan = FaultPlan()
    first = plan.add(Fault("RCPT", reset=True, times=1))
    second = plan.add(Fault("RCPT", reply="451 Later", times=1))
    found = [plan.find_strike(AT_RCPT, lambda _: 0) for _ in range(3)]
    assert found == [first, second, None]
    assert (first.hits, second.hits) == (1, 1)


def test_a_fault_that_was_removed_strikes_no_more():
    plan = FaultPlan()
    planned = plan.add(Fault("RCPT", reset=True))
    planned.remove()
    planned.remove()
    assert plan.find_strike(AT_RCPT, lambda _: 0) is None
    assert plan.add(Fault("RCPT", reset=True)).number == 2


@pytest.mark.parametrize(
    ("keys", "key", "message"),
    [
        ({"stage": "RCPT"}, "stage", "found no effect, expected one of reply, delay"),
        (
            {"stage": "RCPT", "delay": 1.0, "reset": True},
            "stage",
            "found delay and reset",
        ),
        ({"stage": "RCTP", "reset": True}, "stage", "did you mean 'RCPT'"),
        (
            {"stage": "RETR", "reset": True, "protocol": "imap"},
            "stage",
            "no stage 'RETR'",
        ),
        ({"stage": "*", "reset": True, "protocol": "nntp"}, "protocol", "write smtp"),
        ({"stage": "RCPT", "reply": "250 OK"}, "reply", 'write "451 4.3.0 Try'),
        ({"stage": "RETR", "reply": "451 Later"}, "reply", 'write "-ERR [SYS/TEMP]'),
        ({"stage": "greeting", "reply": "hm"}, "reply", '" or "NO [UNAVAILABLE]'),
        ({"stage": "tls", "reply": "451 Later"}, "reply", "has no reply"),
        ({"stage": "tls", "half_reply": True}, "half_reply", "has no reply"),
        ({"stage": "RCPT", "delay": -1.0}, "delay", "above 0"),
        ({"stage": "RCPT", "reset": True, "times": -1}, "times", "1 or more"),
        ({"stage": "RCPT", "reset": True, "every": 0}, "every", "1 or more"),
        ({"stage": "RCPT", "reset": True, "chance": 0.0}, "chance", "more than 0"),
        ({"stage": "RCPT", "reset": True, "chance": 2.0}, "chance", "at most 1"),
        ({"stage": "RCPT", "reset": True, "client": "pc"}, "client", "is no address"),
        ({"stage": "RCPT", "reset": True, "client": "1/33"}, "client", "is no address"),
        ({"stage": "RCPT", "reset": True, "client": "999"}, "client", "is no address"),
        ({"stage": "EHLO", "reset": True, "sender": "a@b"}, "sender", "not at EHLO"),
        ({"stage": "MAIL", "reset": True, "recipient": "a@b"}, "recipient", "at MAIL"),
        ({"stage": "RETR", "reset": True, "sender": "a@b"}, "sender", "not at RETR"),
        (
            {"stage": "*", "reset": True, "sender": "a@b", "protocol": "imap"},
            "sender",
            "known in SMTP only, not in imap",
        ),
    ],
)
def test_what_cannot_be_meant_is_said(keys, key, message):
    found = dict(Fault(**keys).mistakes())
    assert message in found[key]


@pytest.mark.parametrize("protocol", STAGES)
def test_every_stage_takes_every_effect_that_makes_sense(protocol):
    for stage in STAGES[protocol]:
        for effect in EFFECTS:
            value = {"reply": EXAMPLES[protocol].strip('"'), "delay": 1.0}
            fault = Fault(stage, protocol=protocol, **{effect: value.get(effect, True)})
            senseless = stage == "tls" and effect in ("reply", "half_reply")
            assert bool(list(fault.mistakes())) == senseless, (stage, effect)
            assert senseless or fault.protocols == [protocol]


@pytest.mark.parametrize(
    ("protocol", "text", "wire"),
    [
        ("smtp", "451 4.3.0 Later", b"451 4.3.0 Later\r\n"),
        ("smtp", "550 No", b"550 No\r\n"),
        ("smtp", "421", b"421 \r\n"),
        ("pop3", "-ERR [SYS/TEMP] Later", b"-ERR [SYS/TEMP] Later\r\n"),
        ("pop3", "-ERR", b"-ERR\r\n"),
        ("imap", "NO [UNAVAILABLE] Later", b"* NO [UNAVAILABLE] Later\r\n"),
        ("imap", "BAD What?", b"* BAD What?\r\n"),
        ("imap", "BYE So long", b"* BYE So long\r\n"),
    ],
)
def test_a_reply_is_said_as_it_was_written(protocol, text, wire):
    assert fits(protocol, text)
    reply = reply_in(protocol, text, "because")
    assert reply.to_wire() == wire
    assert reply.why == "because"


@pytest.mark.parametrize(
    ("protocol", "text"),
    [
        ("smtp", "250 OK"),
        ("smtp", "999 What"),
        ("smtp", "451 two\r\n250 lines"),
        ("pop3", "+OK"),
        ("imap", "OK Fine"),
        ("imap", "NO"),
    ],
)
def test_only_refusals_can_be_planned(protocol, text):
    assert not fits(protocol, text)


def test_the_scenario_has_the_keys_of_the_plan():
    in_plan = {field.name: field.default for field in dataclasses.fields(Fault)}
    del in_plan["stage"]
    table = FaultTable(stage="RCPT").model_dump(exclude={"stage"})
    assert table == in_plan
