"""What a domain is for a server: local, alias, remote, foreign."""

import pytest

from maillab.policy.domains import find_domain, find_remote, same_name
from maillab.policy.recipient_settings import AliasDomain, Recipients
from maillab.policy.settings import RemoteDomain, Settings
from tests.policy_cases import OURS

REMOTE = (
    RemoteDomain("*.partner.example"),
    RemoteDomain("*.deep.partner.example"),
    RemoteDomain("shop.partner.example"),
    RemoteDomain("OTHER.example"),
    RemoteDomain("a.partner.example"),  # as long as the wildcard
)
SETTINGS = Settings(
    recipients=Recipients(
        alias_domains=(
            AliasDomain("old.example", "ours.example"),
            AliasDomain("older.example", "Old.example"),
            AliasDomain("a.example", "b.example"),
            AliasDomain("b.example", "a.example"),
            AliasDomain("moved.example", "elsewhere.example"),
        )
    ),
    remote_domains=REMOTE,
)


@pytest.mark.parametrize(
    ("text", "kind", "means"),
    [
        ("ours.example", "local", "ours.example"),
        ("OURS.Example", "local", "ours.example"),
        ("ours.example.", "local", "ours.example"),
        ("sister.example", "local", "sister.example"),
        ("", "local", "ours.example"),
        ("[192.0.2.25]", "local", "ours.example"),
        ("[IPv6:2001:db8::25]", "local", "ours.example"),
        ("[IPv6:2001:DB8:0:0::25]", "local", "ours.example"),
        ("[IPv6:::ffff:192.0.2.25]", "local", "ours.example"),
        ("[127.0.0.1]", "local", "ours.example"),
        ("[IPv6:::1]", "local", "ours.example"),
        ("[0.0.0.0]", "local", "ours.example"),
        ("[192.0.2.26]", "foreign", "[192.0.2.26]"),
        ("[ours.example]", "foreign", "[ours.example]"),
        ("192.0.2.25", "foreign", "192.0.2.25"),
        ("old.example", "alias", "ours.example"),
        ("older.example", "alias", "ours.example"),
        ("a.example", "alias", ""),
        ("moved.example", "alias", "elsewhere.example"),
        ("other.example", "remote", "other.example"),
        ("x.partner.example", "remote", "x.partner.example"),
        ("sub.ours.example", "foreign", "sub.ours.example"),
        ("xours.example", "foreign", "xours.example"),
        ("partner.example", "foreign", "partner.example"),
        ("xpartner.example", "foreign", "xpartner.example"),
        ("sub.old.example", "foreign", "sub.old.example"),
    ],
)
def test_a_domain_is_one_of_four_things(text, kind, means):
    found = find_domain(text, OURS, SETTINGS)
    assert (found.kind, found.means) == (kind, means)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("shop.partner.example", 2),  # exact before wildcard
        ("a.partner.example", 4),
        ("www.shop.partner.example", 0),
        ("x.deep.partner.example", 1),  # the longest wildcard
        ("deep.partner.example", 0),
        ("partner.example", None),  # as IIS has it
        (".partner.example", None),
        ("Other.Example.", 3),
        ("sub.other.example", None),
    ],
)
def test_the_exact_entry_comes_first_then_the_longest_wildcard(name, place):
    found = find_remote(name, REMOTE)
    assert (found[0] if found else None) == place


def test_names_in_other_scripts_compare_in_their_ascii_form():
    assert same_name("BÜCHER.example") == same_name("xn--bcher-kva.EXAMPLE")
    assert same_name("ü" * 80 + ".example").startswith("ü")  # too long for a label


def test_a_domain_names_its_setting():
    def setting(name):
        return find_domain(name, OURS, SETTINGS).setting

    assert setting("older.example") == "recipients.alias_domains.1"
    assert setting("other.example") == "remote_domains.3"
    assert setting("ours.example") == ""
