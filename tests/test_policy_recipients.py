"""Who gets the mail for an address, and which settings led there."""

from itertools import pairwise

import pytest

from maillab.policy.recipient_settings import (
    Alias,
    AliasDomain,
    CatchAll,
    MailingList,
    Recipients,
)
from maillab.policy.recipients import resolve
from maillab.policy.settings import Settings
from maillab.wire.smtp_path import Address
from tests.policy_cases import OURS, path

ANN, BOB, EVE = "ann@ours.example", "bob@ours.example", "eve@sister.example"
FAR = "zoe@far.example"
SETTINGS = Settings(
    recipients=Recipients(
        separator="+",
        aliases=(
            Alias("info@ours.example", (ANN,)),
            Alias("all@ours.example", (ANN, BOB, FAR, ANN)),
            Alias("nested@ours.example", ("info@ours.example", EVE)),
            Alias("loop@ours.example", ("pool@ours.example",)),
            Alias("pool@ours.example", ("loop@ours.example",)),
            Alias("ann@ours.example", (BOB,)),
            Alias("tolist@ours.example", ("staff@ours.example",)),
            Alias("special@old.example", (BOB,)),
            Alias("broken@ours.example", ("not an address",)),
        ),
        alias_domains=(
            AliasDomain("old.example", "ours.example"),
            AliasDomain("moved.example", "elsewhere.example"),
        ),
        catch_all=(CatchAll("sister.example", EVE),),
        lists=(
            MailingList("staff@ours.example", (ANN, BOB), owner=BOB),
            MailingList("club@ours.example", (ANN,)),
        ),
    )
)


def who(text, settings=SETTINGS):
    found = resolve(path(text), OURS, settings)
    others = tuple(str(address) for address in found.others)
    return found.kind, found.accounts, found.lists, others


@pytest.mark.parametrize(
    ("address", "kind", "accounts", "lists", "others"),
    [
        (ANN, "account", (ANN,), (), ()),  # an account goes before an alias
        ("ANN@Ours.example", "account", (ANN,), (), ()),
        ('"ann"@ours.example', "account", (ANN,), (), ()),
        ('"a\\nn"@ours.example', "account", (ANN,), (), ()),
        ("ann+shop@ours.example", "account", (ANN,), (), ()),
        ("info+x@ours.example", "alias", (ANN,), (), ()),
        ("+ann@ours.example", "unknown", (), (), ()),
        ("info@ours.example", "alias", (ANN,), (), ()),
        ("INFO@ours.example", "alias", (ANN,), (), ()),
        ("all@ours.example", "alias", (ANN, BOB), (), (FAR,)),
        ("nested@ours.example", "alias", (ANN, EVE), (), ()),
        ("tolist@ours.example", "alias", (), (0,), ()),
        ("loop@ours.example", "loop", (), (), ()),
        ("broken@ours.example", "alias", (), (), ()),
        ("staff@ours.example", "list", (), (0,), ()),
        ("owner-staff@ours.example", "owner", (BOB,), (), ()),
        ("staff-request@ours.example", "owner", (BOB,), (), ()),
        ("owner-club@ours.example", "owner", (ANN,), (), ()),  # postmaster
        ("owner-nothing@ours.example", "unknown", (), (), ()),
        ("ann@old.example", "account", (ANN,), (), ()),
        ("info@old.example", "alias", (ANN,), (), ()),
        ("special@old.example", "alias", (BOB,), (), ()),
        ("special@ours.example", "unknown", (), (), ()),
        ("joe@old.example", "unknown", (), (), ()),
        ("joe@moved.example", "alias", (), (), ("joe@elsewhere.example",)),
        ("joe%far.example@moved.example", "unknown", (), (), ()),
        ("anything@sister.example", "catch-all", (EVE,), (), ()),
        ("any%far.example@sister.example", "catch-all", (EVE,), (), ()),
        ("postmaster@sister.example", "postmaster", (ANN,), (), ()),
        ("postmaster", "postmaster", (ANN,), (), ()),
        ("PostMaster", "postmaster", (ANN,), (), ()),
        ("ann@[192.0.2.25]", "account", (ANN,), (), ()),
        ("eve@[192.0.2.25]", "unknown", (), (), ()),  # not in the main domain
        ("joe@ours.example", "unknown", (), (), ()),
        (FAR, "elsewhere", (), (), (FAR,)),
    ],
)
def test_who_gets_the_mail(address, kind, accounts, lists, others):
    assert who(address) == (kind, accounts, lists, others)


def test_an_address_without_a_domain_is_postmaster_or_nobody():
    found = resolve(Address("ann", ""), OURS, SETTINGS)
    assert (found.kind, found.known) == ("unknown", False)


def test_plus_addressing_is_off_unless_there_is_a_separator():
    assert who("ann+shop@ours.example", Settings())[0] == "unknown"


def test_the_detail_of_plus_addressing_keeps_its_case():
    found = resolve(path("ann+Shop+2@ours.example"), OURS, SETTINGS)
    assert found.detail == "Shop+2"


def test_the_chain_says_why():
    chain = resolve(path("nested@ours.example"), OURS, SETTINGS).chain
    assert [(step.rule, step.setting) for step in chain] == [
        ("alias", "recipients.aliases.2")
    ]
    chain = resolve(path("info+x@old.example"), OURS, SETTINGS).chain
    assert [(step.rule, step.setting) for step in chain] == [
        ("alias domain", "recipients.alias_domains.0"),
        ("plus", "recipients.separator"),
        ("alias", "recipients.aliases.0"),
        ("account", ""),
    ]


@pytest.mark.parametrize(("length", "known"), [(10, True), (11, False)])
def test_aliases_may_lead_to_aliases_ten_times(length, known):
    names = [f"a{number}@ours.example" for number in range(length)] + [ANN]
    aliases = tuple(Alias(name, (after,)) for name, after in pairwise(names))
    settings = Settings(recipients=Recipients(aliases=aliases))
    assert resolve(path(names[0]), OURS, settings).known is known


@pytest.mark.parametrize(
    ("end", "kind"), [(ANN, "alias"), ("a0.0@ours.example", "loop")]
)
def test_each_alias_is_followed_once_however_many_lead_to_it(end, kind):
    depth, width = 9, 10  # 10^9 ways from the first to the last
    rows = [[f"a{at}.{n}@ours.example" for n in range(width)] for at in range(depth)]
    steps = pairwise([*rows, [end]])
    aliases = tuple(Alias(name, tuple(to)) for row, to in steps for name in row)
    settings = Settings(recipients=Recipients(aliases=aliases))
    assert resolve(path("a0.0@ours.example"), OURS, settings).kind == kind
