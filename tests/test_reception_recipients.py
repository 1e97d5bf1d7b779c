"""Who is who: each setting of recipients acts at RCPT and at delivery, and says why."""

import pytest

from tests.reception_worlds import (
    ALICE,
    ALPHA,
    BOB,
    HELLO,
    LOGIN,
    ask,
    explained,
    mail,
    subjects,
)
from tests.worlds import Journal, dressed_world

OK, UNKNOWN = "250 2.1.5 Recipient ok", "550 5.1.1 No such user here"
TEAM = "team@alpha.example"


@pytest.fixture
def world():
    access = {"login_on_port_25": True, "plain_login": True}
    with dressed_world("maillab", access=access) as opened:
        yield opened
        assert Journal(opened).failures == []


def people(world, **recipients):
    return world.configure(ALPHA, recipients=recipients)


def first(world, to, **keys):
    """The reply to RCPT, and what came of the message."""
    said = mail(world, to, **keys)[0]
    world.settle()
    return said


# Unknown names ------------------------------------------------------------------------


def test_unknown_names_are_refused_or_bounced_later(world):
    assert first(world, "nobody@alpha.example") == UNKNOWN
    explained(world, "recipients.refuse_unknown", "RFC 5321 §3.3")
    people(world, refuse_unknown=False)
    assert first(world, "nobody@alpha.example") == OK
    assert Journal(world).reasons("bounced")
    [report] = world.mailbox("bob").messages
    assert b"multipart/report" in report.content
    assert first(world, "nobody@beta.example").startswith("550 5.7.1")


# Other names for one ------------------------------------------------------------------

NAMES = {
    "separator": ("+", "alice+lists@alpha.example"),
    "aliases": ({"a.liddell@alpha.example": [ALICE]}, "A.Liddell@alpha.example"),
    "alias_domains": ({"wonder.example": "alpha.example"}, "alice@wonder.example"),
    "catch_all": ({"alpha.example": ALICE}, "whoever@alpha.example"),
}


@pytest.mark.parametrize("key", NAMES)
def test_another_name_for_a_mailbox(world, key):
    value, name = NAMES[key]
    refused = first(world, name)
    assert refused.startswith("550")
    people(world, **{key: value})
    assert first(world, name) == OK
    assert subjects(world, "alice") == ["Hello"]
    people(world, **{key: "" if key == "separator" else []})
    assert first(world, name) == refused


def test_an_alias_of_several_and_of_others(world):
    people(world, aliases={TEAM: [ALICE, BOB, "x+y@alpha.example"]}, separator="+")
    assert first(world, TEAM, sender="c@x.example") == OK
    assert (subjects(world, "alice"), subjects(world, "bob")) == (["Hello"], ["Hello"])


def test_aliases_in_a_circle_are_refused(world):
    people(world, aliases={TEAM: ["b@alpha.example"], "b@alpha.example": [TEAM]})
    assert first(world, TEAM) == f"554 5.4.6 {TEAM} leads back to itself"
    why = explained(world, "recipients.aliases.0", "RFC 5321 §6.3")
    assert why.refusal.rule == "alias loop"


# Lists --------------------------------------------------------------------------------

MEMBER, OWNER, LOCAL, STRANGER = (
    BOB,
    "chief@x.example",
    "eve@alpha.example",
    "s@y.example",
)
MODES = {
    "public": {MEMBER, OWNER, LOCAL, STRANGER},
    "members": {MEMBER},
    "announcements": {OWNER},
    "domain": {LOCAL},
    "server": {LOCAL},
}


@pytest.mark.parametrize("login", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_who_may_write_to_a_list(world, mode, login):
    team = {"address": TEAM, "members": [ALICE, BOB], "mode": mode, "owner": OWNER}
    people(world, lists=[team | {"login": login}])
    for sender in (MEMBER, OWNER, LOCAL, STRANGER):
        before = (HELLO, LOGIN) if login else (HELLO,)
        said = ask(world, *before, f"MAIL FROM:<{sender}>", f"RCPT TO:<{TEAM}>")[-1]
        if sender in MODES[mode]:
            assert said == OK, sender
        else:
            assert said == "550 5.7.2 You may not write to this list"
            explained(world, "recipients.lists.0.mode", "RFC 3463 §3.8")
    if login:
        assert first(world, TEAM) == "530 5.7.0 Authentication required"
        explained(world, "recipients.lists.0.login", "RFC 4954 §6")


def test_a_list_reaches_its_members_and_no_report_does(world):
    people(world, lists={TEAM: {"members": [ALICE, BOB], "own_copy": False}})
    assert first(world, TEAM) == OK
    assert (subjects(world, "alice"), subjects(world, "bob")) == (["Hello"], [])
    assert first(world, TEAM, sender="").startswith("550 5.7.2")
    assert first(world, "owner-team@alpha.example", sender="") == OK


# Forwards, vacations, rules -----------------------------------------------------------


@pytest.mark.parametrize("keep", [True, False])
def test_a_forward_keeps_a_copy_or_not(world, keep):
    people(world, forwards=[{"address": ALICE, "to": [BOB], "keep": keep}])
    assert first(world, ALICE, sender="c@x.example") == OK
    assert subjects(world, "bob") == ["Hello"]
    assert subjects(world, "alice") == ["Hello"] * keep
    people(world, forwards=[])
    first(world, ALICE, sender="c@x.example")
    assert subjects(world, "bob") == ["Hello"]


def test_forwards_in_a_circle_end(world):
    people(world, forwards={ALICE: [BOB]})
    world.configure("mx.beta.example", recipients={"forwards": {BOB: [ALICE]}})
    assert first(world, ALICE, sender="c@x.example") == OK
    world.advance("1 h")
    assert any("before" in reason for reason in Journal(world).reasons("bounced"))
    assert len(world.trace.of_kind("accepted")) < 10


def test_a_vacation_answers_once(world):
    people(world, vacations={ALICE: "Back on Monday"})
    for _ in range(2):
        # Only what names her is answered (RFC 3834 §2).
        world.send("bob", ALICE, "Are you there?")
    assert len(world.mailbox("bob").messages) == 1
    assert b"Back on Monday" in world.mailbox("bob").messages[0].content
    people(world, vacations=[])
    world.advance("8 days")
    world.send("bob", ALICE, "And now?")
    assert len(world.mailbox("bob").messages) == 1


def test_a_rule_moves_and_another_one_rejects(world):
    hello = {"field": "Subject", "test": "is", "value": "Hello"}
    rule = {
        "name": "hello",
        "conditions": [hello],
        "actions": [{"do": "move", "to": "Archive"}],
    }
    people(world, rules=[rule])
    first(world, ALICE)
    assert subjects(world, "alice") == []
    assert len(world.mailbox("alice", "Archive").messages) == 1
    rule["actions"] = [{"do": "reject", "to": "No greetings"}]
    people(world, rules=[rule])
    first(world, ALICE)
    assert "No greetings" in Journal(world).reasons("bounced")[-1]


# Room ---------------------------------------------------------------------------------

QUOTAS = {
    "recipients.default_quota": {"default_quota": 100},
    "recipients.quotas.0.octets": {"default_quota": "1 MB", "quotas": {ALICE: 100}},
}


@pytest.mark.parametrize("setting", QUOTAS)
@pytest.mark.parametrize(
    ("reply", "said"),
    [("later", "452 4.2.2"), ("never", "552 5.2.2")],
)
def test_a_full_mailbox(world, setting, reply, said):
    assert first(world, ALICE) == OK
    people(world, quota_reply=reply, **QUOTAS[setting])
    assert len(world.mailbox("alice").messages) == 1
    assert first(world, ALICE).startswith(f"{said} The mailbox is full")
    explained(world, setting, "RFC 3463 §3.3")
    assert first(world, "postmaster@alpha.example")[:9] == said  # she is that too
    people(world, default_quota=0, quotas=[])
    assert first(world, ALICE) == OK


def test_what_says_its_size_is_refused_before_it_comes(world):
    people(world, default_quota="10 KB")
    lines = (HELLO, f"MAIL FROM:<{BOB}> SIZE=20000", f"RCPT TO:<{ALICE}>")
    assert ask(world, *lines)[-1].startswith("452 4.2.2")
