"""Distribution lists: who may write, what the copy looks like."""

import pytest

from maillab.policy.mailing_lists import (
    Post,
    judge_post,
    list_copy,
    list_fields,
    members_for,
    owner_of,
)
from maillab.policy.recipient_settings import AliasDomain, MailingList, Recipients
from maillab.policy.settings import Settings
from maillab.wire.message import Header
from tests.policy_cases import OURS, Case, path

MEMBERS = ("ann@ours.example", "zoe@far.example")


def one(mode, **more):
    entry = MailingList("all@ours.example", MEMBERS, mode, **more)
    domains = (AliasDomain("old.example", "ours.example"),)
    return Settings(recipients=Recipients(lists=(entry,), alias_domains=domains))


def writes(sender, user=""):
    return lambda settings: judge_post(Post(path(sender), user, OURS), 0, settings)


ANN, BOB, ZOE = "ann@ours.example", "bob@ours.example", "zoe@far.example"
EVE, JOE = "eve@sister.example", "joe@far.example"
MODE = "recipients.lists.0.mode"
NEWS = one("announcements", owner=BOB)

CASES = [
    Case("public: a stranger", one("public"), writes(JOE), "accept", MODE),
    Case("public: a report", one("public"), writes("<>"), "reject", MODE, "5.7.2"),
    Case("members: one of ours", one("members"), writes(ANN), "accept", MODE),
    Case(
        "members: ... in capitals",
        one("members"),
        writes("ANN@OURS.EXAMPLE"),
        "accept",
        MODE,
    ),
    Case(
        "members: ... by an alias domain",
        one("members"),
        writes("ann@old.example"),
        "accept",
        MODE,
    ),
    Case("members: one outside", one("members"), writes(ZOE), "accept", MODE),
    Case("members: not one", one("members"), writes(BOB), "reject", MODE, "5.7.2"),
    Case("announcements: the owner", NEWS, writes(BOB), "accept", MODE),
    Case("announcements: a member", NEWS, writes(ANN), "reject", MODE),
    Case(
        "announcements: nobody has it",
        one("announcements"),
        writes(ANN),
        "reject",
        MODE,
    ),
    Case("domain: the same", one("domain"), writes(BOB), "accept", MODE),
    Case("domain: its alias", one("domain"), writes("joe@old.example"), "accept", MODE),
    Case("domain: the sister", one("domain"), writes(EVE), "reject", MODE),
    Case("domain: a member outside", one("domain"), writes(ZOE), "reject", MODE),
    Case("server: the sister", one("server"), writes(EVE), "accept", MODE),
    Case("server: outside", one("server"), writes(ZOE), "reject", MODE),
    Case(
        "login: none",
        one("public", login=True),
        writes(ANN),
        "reject",
        "recipients.lists.0.login",
        "5.7.0",
    ),
    Case("login: one", one("public", login=True), writes(ANN, "ann"), "accept", MODE),
    Case(
        "login does not make a member",
        one("members", login=True),
        writes(BOB, "bob"),
        "reject",
        MODE,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_who_may_write(case):
    case.check()


def test_everybody_gets_one_copy_and_the_list_none():
    members = (ANN, "ANN@Ours.example", "all@ours.example", ZOE)
    entry = MailingList("all@ours.example", members)
    assert members_for(entry, path(JOE)) == (ANN, ZOE)


@pytest.mark.parametrize(("own_copy", "who"), [(True, (ANN, ZOE)), (False, (ZOE,))])
def test_who_writes_gets_a_copy_or_not(own_copy, who):
    entry = MailingList("all@ours.example", MEMBERS, own_copy=own_copy)
    assert members_for(entry, path("Ann@ours.example")) == who


def test_bounces_go_to_the_owner():
    assert owner_of(MailingList("all@ours.example", ())) == "owner-all@ours.example"
    assert owner_of(MailingList("all@ours.example", (), owner=BOB)) == BOB


def test_the_copy_says_which_list_it_comes_from():
    content = b"List-Id: <outer.far.example>\r\nSubject: Hi\r\n\r\nList-Id: no\r\n"
    copy = list_copy(content, MailingList("all@ours.example", ()))
    header = Header.from_wire(copy)
    assert header.all("List-Id") == ["<all.ours.example>"]
    assert header.get("List-Post") == "<mailto:all@ours.example>"
    assert header.get("List-Unsubscribe") == (
        "<mailto:all-request@ours.example?subject=unsubscribe>"
    )
    assert header.get("Precedence") == "list"
    assert copy.endswith(b"Subject: Hi\r\n\r\nList-Id: no\r\n")


def test_nobody_posts_to_announcements():
    entry = MailingList("all@ours.example", (), "announcements")
    assert b"List-Post: NO\r\n" in list_fields(entry)
