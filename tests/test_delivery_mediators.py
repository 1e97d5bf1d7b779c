"""Aliases, lists, forwards, vacations: new messages for others (RFC 5321 §3.9)."""

import pytest

from maillab.policy.recipient_settings import (
    Alias,
    AliasDomain,
    Forward,
    MailingList,
    Vacation,
)
from maillab.policy.settings import DAY
from maillab.wire.message import Header
from tests.delivery_place import Place

ANN, BOB, EVE = "ann@ours.example", "bob@ours.example", "eve@sister.example"
FAR, JOE = "zoe@far.example", "joe@far.example"
TEAM, STAFF = "team@ours.example", "staff@ours.example"
SUCCESS, FAILURE, NEVER = {"SUCCESS"}, {"FAILURE"}, {"NEVER"}


# Aliases ------------------------------------------------------------------------------


def test_an_alias_of_several_keeps_the_reverse_path():
    place = Place(aliases=(Alias(TEAM, (ANN, BOB, FAR)),))
    assert place.send(TEAM, sender=JOE).status == "expanded"
    assert place.targets() == [("alias", (ANN, BOB, FAR))]
    assert str(place.out[0].reverse_path) == JOE
    assert place.out[0].content.startswith(b"Delivered-To: team@ours.example\r\n")
    assert [one.status for one in place.go_on()] == ["delivered"] * 2


def test_an_alias_of_one_elsewhere_hands_everything_on():
    place = Place(aliases=(Alias(TEAM, (FAR,)),))
    outcome = place.send(
        TEAM,
        notify=SUCCESS,
        original="rfc822;team@ours.example",
        ret="HDRS",
        envid="E1",
        body="8BITMIME",
        utf8=True,
    )
    assert outcome.status == "redirected"
    made = place.out[0]
    assert made.recipients[0].notify == SUCCESS
    assert made.recipients[0].original == "rfc822;team@ours.example"
    assert (made.ret, made.envid, made.body, made.utf8) == (
        "HDRS",
        "E1",
        "8BITMIME",
        True,
    )


@pytest.mark.parametrize(
    ("asked", "inherited"),
    [
        ((), set()),
        (SUCCESS, NEVER),
        (SUCCESS | FAILURE, FAILURE),
        (FAILURE, FAILURE),
        (NEVER, NEVER),
    ],
)
def test_several_inherit_no_success(asked, inherited):
    place = Place(aliases=(Alias(TEAM, (ANN, FAR)),))
    place.send(TEAM, notify=asked)
    assert {each.notify for each in place.out[0].recipients} == {frozenset(inherited)}


def test_an_alias_domain_elsewhere_redirects():
    place = Place(alias_domains=(AliasDomain("moved.example", "far.example"),))
    assert place.delivery.is_local("Moved.example")
    assert place.send("zoe@moved.example").status == "redirected"
    assert place.targets() == [("alias", (FAR,))]


def test_aliases_in_a_circle_are_a_loop():
    place = Place(aliases=(Alias(TEAM, (STAFF,)), Alias(STAFF, (TEAM,))))
    outcome = place.send(TEAM)
    assert (outcome.status, outcome.code) == ("failed", "5.4.6")


def test_what_comes_back_is_a_loop():
    place = Place(aliases=(Alias(TEAM, (FAR, JOE)),))
    place.send(TEAM)
    outcome = place.send(TEAM, place.out[0].content)
    assert (outcome.status, outcome.code) == ("failed", "5.4.6")
    assert "loop" in outcome.reason


def test_a_server_that_does_not_look_sends_it_round_again():
    place = Place(aliases=(Alias(TEAM, (FAR, JOE)),), detect_loops=False)
    place.send(TEAM)
    assert place.send(TEAM, place.out[0].content).status == "expanded"
    assert len(place.out) == 2


def test_the_trace_tells_who_stands_for_whom():
    place = Place(aliases=(Alias(TEAM, (ANN, FAR)),))
    place.send(TEAM)
    told = place.machine.told("mediated")[0]
    assert (told["what"], told["recipient"]) == ("alias", TEAM)
    assert told["targets"] == (ANN, FAR)
    assert told["new_message"]


# Lists --------------------------------------------------------------------------------


def a_list(**fields):
    return MailingList(STAFF, (ANN, FAR, ANN), **fields)


def test_a_list_has_its_own_reverse_path_and_fields():
    place = Place(lists=(a_list(),))
    outcome = place.send(STAFF, notify=SUCCESS, envid="E1", sender=JOE)
    assert outcome.status == "delivered"  # "considered final delivery"
    made = place.out[0]
    assert str(made.reverse_path) == "owner-staff@ours.example"
    assert place.targets() == [("list", (ANN, FAR))]
    assert made.recipients[0].notify == frozenset()
    assert made.envid == ""
    assert Header.from_wire(made.content).get("List-Id") == "<staff.ours.example>"


def test_bounces_of_a_list_come_to_its_owner():
    place = Place(lists=(a_list(owner=BOB),))
    place.send(STAFF)
    assert str(place.out[0].reverse_path) == BOB
    place = Place(lists=(a_list(),))
    assert place.send("owner-staff@ours.example", sender="<>").status == "delivered"
    assert len(place.mailbox(ANN)) == 1  # postmaster


def test_a_list_in_itself_does_not_go_round():
    inner = MailingList("inner@ours.example", (STAFF, BOB))
    outer = MailingList(STAFF, ("inner@ours.example", STAFF))
    place = Place(lists=(inner, outer))
    assert place.send(STAFF).status == "delivered"
    rounds = 0
    codes = []
    while place.out:
        codes += [one.code for one in place.go_on()]
        rounds += 1
        assert rounds < 5
    assert len(place.mailbox(BOB)) == 1
    assert "5.4.6" in codes


def test_a_list_without_members_is_a_failure():
    outcome = Place(lists=(MailingList(STAFF, ("?",)),)).send(STAFF)
    assert (outcome.status, outcome.code) == ("failed", "5.2.4")


def test_a_list_whose_only_member_writes_has_the_message():
    entry = MailingList(STAFF, (FAR,), own_copy=False)
    place = Place(lists=(entry,))
    assert place.send(STAFF, sender=FAR).status == "delivered"
    assert place.out == []


# Forwards -----------------------------------------------------------------------------


def test_a_forward_hands_it_on_and_keeps_nothing():
    place = Place(forwards=(Forward(ANN, (FAR,)),))
    assert place.send("Ann@ours.example", notify=SUCCESS).status == "redirected"
    assert place.targets() == [("forward", (FAR,))]
    assert place.out[0].recipients[0].notify == SUCCESS
    assert str(place.out[0].reverse_path) == FAR
    assert place.mailbox(ANN) == []


def test_a_forward_with_a_copy():
    place = Place(forwards=(Forward(ANN, (FAR, JOE), keep=True),))
    assert place.send(ANN, notify=SUCCESS).status == "delivered"
    assert place.targets() == [("forward", (FAR, JOE))]
    assert {one.notify for one in place.out[0].recipients} == {frozenset(NEVER)}
    assert len(place.mailbox(ANN)) == 1


def test_a_forward_to_oneself_is_a_mailbox():
    place = Place(forwards=(Forward(ANN, (ANN,)),))
    assert place.send(ANN).status == "delivered"
    assert len(place.mailbox(ANN)) == 1
    assert place.out == []


def test_a_forward_to_nonsense_is_a_mailbox():
    place = Place(forwards=(Forward(ANN, ("zoe at far", "")),))
    assert place.send(ANN).status == "delivered"
    assert len(place.mailbox(ANN)) == 1


def test_two_who_forward_to_each_other():
    place = Place(forwards=(Forward(ANN, (BOB,)), Forward(BOB, (ANN,))))
    assert place.send(ANN).status == "redirected"
    assert [one.status for one in place.go_on()] == ["redirected"]
    assert [one.code for one in place.go_on()] == ["5.4.6"]
    assert place.out == []


def test_two_who_forward_and_keep_have_one_copy_each():
    forwards = (Forward(ANN, (BOB,), keep=True), Forward(BOB, (ANN,), keep=True))
    place = Place(forwards=forwards)
    place.send(ANN)
    place.go_on()
    place.go_on()
    assert (len(place.mailbox(ANN)), len(place.mailbox(BOB))) == (1, 1)


# Vacations ----------------------------------------------------------------------------

LETTER = b"To: ann@ours.example\r\nSubject: Lunch\r\nMessage-ID: <1@x>\r\n\r\nHi\r\n"


def test_an_answer_from_nobody_to_the_return_path():
    place = Place(vacations=(Vacation(ANN, "Away."),))
    assert place.send(ANN, LETTER).status == "delivered"
    assert place.targets() == [("vacation", (FAR,))]
    made = place.out[0]
    assert made.reverse_path.is_null
    assert made.recipients[0].notify == NEVER
    header = Header.from_wire(made.content)
    assert header.get("Subject") == "Auto: Lunch"
    assert header.get("In-Reply-To") == "<1@x>"
    assert header.get("Date") == "Mon, 5 Jan 2026 09:00:00 +0000"


def test_one_answer_in_seven_days_to_each():
    place = Place(vacations=(Vacation(ANN, "Away."),))
    for sender in (FAR, FAR, JOE, "ZOE@far.example"):
        place.send(ANN, LETTER, sender=sender)
    assert [to for _, to in place.targets()] == [(FAR,), (JOE,)]
    place.machine.seconds = 7 * DAY
    place.send(ANN, LETTER)
    assert len(place.out) == 3


def test_an_answer_to_an_answer_is_never_written():
    place = Place(vacations=(Vacation(ANN, "Away."), Vacation(BOB, "Away too.")))
    place.send(ANN, LETTER, sender=BOB)
    place.go_on()
    assert place.out == []
    assert b"Auto-Submitted: auto-replied" in place.mailbox(BOB)[0]


def test_the_copy_of_a_list_gets_no_answer():
    place = Place(vacations=(Vacation(ANN, "Away."),), lists=(a_list(),))
    place.send(STAFF, LETTER)
    place.go_on()
    assert place.out == []
    assert place.machine.told("policy")[0]["verdict"] == "refuse"


def test_other_scripts_go_as_eight_bit():
    place = Place(vacations=(Vacation(ANN, "Schöne Grüße"),))
    place.send(ANN, LETTER)
    assert place.out[0].body == "8BITMIME"


def test_nothing_depends_on_chance():
    made = []
    for _ in range(2):
        place = Place(vacations=(Vacation(ANN, "Away."),), lists=(a_list(),))
        place.send(ANN, LETTER)
        place.send(STAFF, LETTER)
        made.append([(one.content, one.cause) for one in place.out])
    assert made[0] == made[1]
