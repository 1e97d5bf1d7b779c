"""Who may send in whose name, and which setting says so."""

import pytest

from maillab.policy.recipient_settings import (
    Alias,
    AliasDomain,
    CatchAll,
    MailingList,
    Recipients,
)
from maillab.policy.senders import SenderFacts, judge_sender
from maillab.policy.settings import Access, Relay, Settings
from tests.policy_cases import OURS, Case, path

FAR = "203.0.113.9"
DEFAULT = Settings()


def mail(sender, user="", account="", state=""):
    facts = SenderFacts(OURS, path(sender), FAR, user, account, state)
    return lambda settings: judge_sender(facts, settings)


def relay(**fields):
    return Settings(relay=Relay(**fields))


ACCOUNT = relay(sender_match="account")
DOMAIN = relay(sender_match="domain")
WITH_NAMES = Settings(
    relay=Relay(sender_match="account"),
    recipients=Recipients(
        separator="+",
        aliases=(
            Alias("sales@ours.example", ("bob@ours.example", "ann@ours.example")),
        ),
        alias_domains=(AliasDomain("old.example", "ours.example"),),
        lists=(
            MailingList(
                "all@ours.example", ("ann@ours.example",), owner="ann@ours.example"
            ),
        ),
        catch_all=(CatchAll("sister.example", "ann@ours.example"),),
    ),
)
MATCH = "relay.sender_match"
CHECKED = Settings(access=Access(check_sender_domain=True))
CHECK = "access.check_sender_domain"


def ann(sender):
    return mail(sender, "ann", "ann@ours.example")


CASES = [
    Case("anybody", DEFAULT, mail("zoe@far.example"), "accept"),
    Case("a report", DEFAULT, mail("<>"), "accept"),
    Case(
        "nobody without a login",
        Settings(access=Access(anonymous=False)),
        mail("zoe@far.example"),
        "reject",
        "access.anonymous",
        "5.7.0",
    ),
    Case(
        "anonymous off, a login",
        Settings(access=Access(anonymous=False)),
        ann("ann@ours.example"),
        "accept",
    ),
    Case("match any", DEFAULT, ann("ceo@other.example"), "accept"),
    Case("match account: own", ACCOUNT, ann("Ann@ours.example"), "accept"),
    Case("match account: a report", ACCOUNT, ann("<>"), "accept"),
    Case(
        "match account: bob",
        ACCOUNT,
        ann("bob@ours.example"),
        "reject",
        MATCH,
        "5.7.1",
    ),
    Case("match account: foreign", ACCOUNT, ann("ann@other.example"), "reject", MATCH),
    Case("an alias is one's own", WITH_NAMES, ann("sales@ours.example"), "accept"),
    Case("an alias domain too", WITH_NAMES, ann("ann@old.example"), "accept"),
    Case("plus addressing too", WITH_NAMES, ann("ann+shop@ours.example"), "accept"),
    Case("a list is not", WITH_NAMES, ann("all@ours.example"), "reject", MATCH),
    Case("nor its owner", WITH_NAMES, ann("owner-all@ours.example"), "reject", MATCH),
    Case("nor a catch-all", WITH_NAMES, ann("x@sister.example"), "reject", MATCH),
    Case("match domain: bob", DOMAIN, ann("bob@ours.example"), "accept"),
    Case("match domain: anything", DOMAIN, ann("no.one@ours.example"), "accept"),
    Case("match domain: eve", DOMAIN, ann("eve@sister.example"), "reject", MATCH),
    Case("match domain: foreign", DOMAIN, ann("ann@other.example"), "reject", MATCH),
    Case(
        "our name from a stranger",
        relay(local_sender_needs_login=True),
        mail("ann@ours.example"),
        "reject",
        "relay.local_sender_needs_login",
        "5.7.0",
    ),
    Case(
        "another name from a stranger",
        relay(local_sender_needs_login=True),
        mail("zoe@far.example"),
        "accept",
    ),
    Case("our name, nobody minds", DEFAULT, mail("ann@ours.example"), "accept"),
    Case("domain: not asked", DEFAULT, mail("a@b.example", state="missing"), "accept"),
    Case("domain: exists", CHECKED, mail("a@b.example", state="exists"), "accept"),
    Case(
        "domain: missing",
        CHECKED,
        mail("a@b.example", state="missing"),
        "reject",
        CHECK,
        "5.1.8",
    ),
    Case(
        "domain: null MX",
        CHECKED,
        mail("a@b.example", state="null-mx"),
        "reject",
        CHECK,
        "5.7.27",
    ),
    Case(
        "domain: no answer",
        CHECKED,
        mail("a@b.example", state="unknown"),
        "defer",
        CHECK,
        "4.1.8",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_who_may_send_in_whose_name(case):
    case.check()
