"""What becomes of mail for accounts: mailboxes, plus addressing, quota, rules."""

import pytest

from maillab.policy.recipient_settings import (
    Action,
    Alias,
    AliasDomain,
    CatchAll,
    Condition,
    Forward,
    MailRule,
    Quota,
)
from maillab.store.accounts import DirectoryUnavailable, MemoryDirectory
from maillab.store.queue import Recipient
from tests.delivery_place import Place, run
from tests.policy_cases import path

ANN, BOB, EVE = "ann@ours.example", "bob@ours.example", "eve@sister.example"
FAR = "zoe@far.example"


def test_a_letter_comes_into_the_inbox_with_its_return_path():
    place = Place()
    outcome = place.send("Ann@OURS.example")
    assert outcome.status == "delivered"
    assert place.mailbox(ANN) == [
        b"Return-Path: <zoe@far.example>\r\nTo: ann@ours.example\r\n\r\nHi\r\n"
    ]
    assert place.machine.told("delivered")[0]["mailbox"] == ANN
    assert place.out == []


def test_a_report_has_the_null_return_path():
    place = Place()
    place.send(ANN, sender="<>")
    assert place.mailbox(ANN)[0].startswith(b"Return-Path: <>\r\n")


@pytest.mark.parametrize(
    ("to", "account"),
    [
        ("ann+shop@ours.example", ANN),
        ("info@ours.example", BOB),
        ("bob@old.example", BOB),
        ("anybody@sister.example", EVE),
        ("ann@[192.0.2.25]", ANN),
        ("ann@[IPv6:2001:db8::25]", ANN),
    ],
)
def test_by_another_name_it_says_by_which(to, account):
    place = Place(
        separator="+",
        aliases=(Alias("info@ours.example", (BOB,)),),
        alias_domains=(AliasDomain("old.example", "ours.example"),),
        catch_all=(CatchAll("sister.example", EVE),),
    )
    assert place.delivery.is_local(to.rpartition("@")[2])
    assert place.send(to).status == "delivered"
    assert f"\r\nDelivered-To: {to}\r\n".encode() in place.mailbox(account)[0]


@pytest.mark.parametrize(
    ("to", "what"),
    [
        ("ann+shop@ours.example", ["plus"]),
        ("info@ours.example", ["alias"]),
        ("x@sister.example", ["catch-all"]),
        (ANN, []),
    ],
)
def test_the_trace_tells_of_other_names(to, what):
    place = Place(
        separator="+",
        aliases=(Alias("info@ours.example", (BOB,)),),
        catch_all=(CatchAll("sister.example", EVE),),
    )
    place.send(to)
    assert [facts["what"] for facts in place.machine.told("mediated")] == what


def test_plain_postmaster_is_somebody():
    place = Place()
    assert place.send("postmaster").status == "delivered"
    assert len(place.mailbox(ANN)) == 1


def test_nobody_is_a_failure():
    outcome = Place().send("joe@ours.example")
    assert (outcome.status, outcome.code) == ("failed", "5.1.1")


def test_a_directory_that_is_gone_is_asked_again():
    place = Place()

    def gone(local_part, domain):
        raise DirectoryUnavailable("the domain controller is off")

    place.directory.find_address = gone
    outcome = place.send(ANN)
    assert (outcome.status, outcome.code) == ("deferred", "4.3.0")
    assert "domain controller" in outcome.reason


def test_who_is_local_is_remembered_while_the_directory_is_gone(monkeypatch):
    place = Place()
    assert place.delivery.is_local("ours.example")

    def gone(_):
        raise DirectoryUnavailable("the database is off")

    monkeypatch.setattr(MemoryDirectory, "domains", property(gone))
    assert place.delivery.is_local("ours.example")
    assert not place.delivery.is_local("far.example")
    with pytest.raises(DirectoryUnavailable):
        Place().delivery.is_local("ours.example")


def test_aliases_of_the_directory_count_too(monkeypatch):
    place = Place(aliases=(Alias("info@ours.example", (ANN,)),))
    table = {"info@ours.example": (BOB,), "help@ours.example": (BOB,)}
    monkeypatch.setattr(place.directory, "aliases", lambda: table)
    assert place.send("info@ours.example").status == "delivered"  # the settings first
    assert place.send("help@ours.example").status == "delivered"
    assert (len(place.mailbox(ANN)), len(place.mailbox(BOB))) == (1, 1)


def test_settings_act_at_the_next_letter():
    place = Place()
    assert place.send("info@ours.example").status == "failed"
    place.settings = Place(aliases=(Alias("info@ours.example", (ANN,)),)).settings
    assert place.send("info@ours.example").status == "delivered"


# Quota --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "status", "code"),
    [("later", "deferred", "4.2.2"), ("never", "failed", "5.2.2")],
)
def test_a_full_mailbox(reply, status, code):
    place = Place(quotas=(Quota(ANN, 80),), quota_reply=reply)
    assert place.send(ANN).status == "delivered"
    outcome = place.send(ANN)
    assert (outcome.status, outcome.code) == (status, code)
    assert len(place.mailbox(ANN)) == 1
    assert place.send(BOB).status == "delivered"


def test_all_folders_count():
    place = Place(default_quota=140, rules=(rule("copy Old"),))
    place.send(ANN)
    assert place.send(ANN).status == "deferred"


def test_room_is_known_before_the_letter_comes():
    place = Place(default_quota=50, aliases=(Alias("two@ours.example", (ANN, BOB)),))
    assert place.delivery.judge_quota(path(ANN), 50).accepted
    assert place.delivery.judge_quota(path(ANN), 51).result == "defer"
    assert place.delivery.judge_quota(path("two@ours.example"), 51) is None


def test_who_keeps_no_copy_needs_no_room():
    place = Place(default_quota=1, forwards=(Forward(ANN, (FAR,)),))
    assert place.send(ANN).status == "redirected"


def test_a_full_mailbox_sends_no_copies():
    place = Place(default_quota=1, forwards=(Forward(ANN, (FAR,), keep=True),))
    assert place.send(ANN).status == "deferred"
    assert place.out == []


# Rules --------------------------------------------------------------------------------

SPAM = Condition("Subject", "contains", "pills")
PILLS = b"Subject: Cheap pills\r\n\r\nBuy!\r\n"


def rule(*actions, when=(), account=""):
    pairs = (action.partition(" ") for action in actions)
    made = tuple(Action(do, to) for do, _, to in pairs)
    return MailRule(actions[0], when, made, account=account)


def test_a_rule_moves_flags_and_marks():
    mark = rule("move Junk", "flag $Junk", "add-header X-Spam: yes", when=(SPAM,))
    place = Place(rules=(mark,))
    place.send(ANN, PILLS)
    place.send(ANN)
    assert len(place.mailbox(ANN)) == 1
    assert place.mailbox(ANN, "Junk")[0] == (
        b"Return-Path: <zoe@far.example>\r\nX-Spam: yes\r\n" + PILLS
    )
    tree = place.directory.find_address("ann", "ours.example").mailboxes
    assert tree.require("Junk").messages[0].flags == {"$Junk"}


def test_a_rule_makes_folders_and_the_inbox_has_what_no_folder_can():
    place = Place(rules=(rule("move Shops/Books", "copy *impossible*"),))
    place.send(ANN)
    assert len(place.mailbox(ANN, "Shops/Books")) == 1
    assert len(place.mailbox(ANN)) == 1


def test_a_rule_refuses():
    place = Place(rules=(rule("reject No pills here", when=(SPAM,)),))
    outcome = place.send(ANN, PILLS)
    assert (outcome.status, outcome.code) == ("failed", "5.7.1")
    assert outcome.reason == "No pills here"
    told = place.machine.told("policy")[0]
    assert (told["rule"], told["setting"]) == ("rule", "recipients.rules.0")


def test_a_rule_deletes_and_nobody_is_told():
    place = Place(rules=(rule("delete", when=(SPAM,)),))
    assert place.send(ANN, PILLS).status == "delivered"
    assert place.mailbox(ANN) == []


def test_a_rule_of_an_account_is_for_that_account():
    place = Place(rules=(rule("move Archive", account="ANN@ours.example"),))
    place.send(ANN)
    place.send(BOB)
    assert len(place.mailbox(ANN, "Archive")) == len(place.mailbox(BOB)) == 1


def test_a_rule_forwards_and_the_mailbox_has_it_too():
    place = Place(rules=(rule(f"forward {FAR}", account=ANN),))
    assert place.send(ANN, notify=("SUCCESS",)).status == "delivered"
    assert place.targets() == [("rule", (FAR,))]
    assert place.out[0].recipients[0].notify == {"NEVER"}
    assert len(place.mailbox(ANN)) == 1


def test_a_rule_of_the_server_forwards_one_message_once():
    place = Place(rules=(rule("forward archive@far.example"),))
    entry = place.entry(b"\r\n")
    for who in (ANN, BOB):
        run(place.delivery.deliver(entry, Recipient(path(who))))
    assert place.targets() == [("rule", ("archive@far.example",))]
    place.send(ANN)
    assert len(place.targets()) == 2


def test_a_rule_does_not_forward_to_the_same_address():
    place = Place(rules=(rule(f"forward {ANN}"),))
    place.send(ANN)
    assert place.out == []
