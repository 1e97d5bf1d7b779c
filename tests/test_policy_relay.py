"""Who may send to whom through this server, and which setting says so."""

from ipaddress import ip_network

import pytest

from maillab.policy.ip_ranges import INTERNET, MY_COMPUTER
from maillab.policy.recipient_settings import (
    Alias,
    AliasDomain,
    CatchAll,
    MailingList,
    Recipients,
)
from maillab.policy.relay import RecipientFacts, judge_recipient
from maillab.policy.settings import Access, IPRange, Relay, RemoteDomain, Settings
from tests.policy_cases import OURS, Case, path

FAR, NEAR, SIX, HOME = "203.0.113.9", "10.0.0.5", "2001:db8:bad::9", "127.0.0.1"
LAN = (ip_network("10.0.0.0/8"), ip_network("2001:db8:bad::/48"))


def rcpt(to, sender="zoe@far.example", client=FAR, user="", **more):
    facts = RecipientFacts(OURS, path(to), client, user, path(sender), **more)
    return lambda settings: judge_recipient(facts, settings)


def relay(**fields):
    return Settings(relay=Relay(**fields))


def remote(*names, allow=True):
    domains = tuple(RemoteDomain(name, allow_relay=allow) for name in names)
    return Settings(remote_domains=domains)


def people(**fields):
    return Settings(recipients=Recipients(**fields))


def ranges(*them):
    return Settings(access=Access(ip_ranges=them))


HMAIL = ranges(INTERNET, MY_COMPUTER)
NOBODY_OUT = IPRange("no", "10.0.0.0", "10.0.0.9", 50, relays=("external-local",))
DEFAULT = Settings()
OTHER = "x@other.example"
BACKUP = remote("other.example", "*.partner.example")
LISTS = people(
    lists=(MailingList("all@ours.example", ("ann@ours.example",), "members", "", True),)
)

CASES = [
    # Rule 1: mail for our own users
    Case("a user", DEFAULT, rcpt("ann@ours.example"), "accept"),
    Case("case does not matter", DEFAULT, rcpt("ANN@OURS.example"), "accept"),
    Case("quotes do not matter", DEFAULT, rcpt('"ann"@ours.example'), "accept"),
    Case("plain postmaster", DEFAULT, rcpt("postmaster"), "accept"),
    Case("our own address", DEFAULT, rcpt("ann@[192.0.2.25]"), "accept"),
    Case("... and IPv6", DEFAULT, rcpt("ann@[IPv6:2001:db8::25]"), "accept"),
    Case(
        "nobody",
        DEFAULT,
        rcpt("joe@ours.example"),
        "reject",
        "recipients.refuse_unknown",
        "5.1.1",
    ),
    Case(
        "nobody, and a bounce will say so",
        people(refuse_unknown=False),
        rcpt("joe@ours.example"),
        "accept",
        "recipients.refuse_unknown",
    ),
    Case(
        "an alias",
        people(aliases=(Alias("info@ours.example", ("ann@ours.example",)),)),
        rcpt("Info@ours.example"),
        "accept",
        "recipients.aliases.0",
    ),
    Case(
        "aliases in a circle",
        people(
            aliases=(
                Alias("a@ours.example", ("b@ours.example",)),
                Alias("b@ours.example", ("a@ours.example",)),
            )
        ),
        rcpt("a@ours.example"),
        "reject",
        "recipients.aliases.0",
        "5.4.6",
    ),
    Case(
        "a catch-all",
        people(catch_all=(CatchAll("ours.example", "ann@ours.example"),)),
        rcpt("joe@ours.example"),
        "accept",
        "recipients.catch_all.0",
    ),
    Case(
        "an alias domain",
        people(alias_domains=(AliasDomain("old.example", "ours.example"),)),
        rcpt("ann@old.example"),
        "accept",
        "recipients.alias_domains.0",
    ),
    Case(
        "an alias domain, nobody",
        people(alias_domains=(AliasDomain("old.example", "ours.example"),)),
        rcpt("joe@old.example"),
        "reject",
        "recipients.refuse_unknown",
    ),
    Case(
        "a list that wants a login",
        LISTS,
        rcpt("all@ours.example", "ann@ours.example"),
        "reject",
        "recipients.lists.0.login",
        "5.7.0",
    ),
    Case(
        "a list for members, and one of them",
        LISTS,
        rcpt("all@ours.example", "ann@ours.example", user="ann"),
        "accept",
        "recipients.lists.0",
    ),
    Case(
        "a list for members, and a stranger",
        LISTS,
        rcpt("all@ours.example", user="ann"),
        "reject",
        "recipients.lists.0.mode",
        "5.7.2",
    ),
    # Rule 2: mail for others
    Case("a stranger", DEFAULT, rcpt(OTHER), "reject", "relay.networks", "5.7.1"),
    Case("a login", DEFAULT, rcpt(OTHER, user="ann"), "accept", "relay.authenticated"),
    Case(
        "a login that does not count",
        relay(authenticated=False),
        rcpt(OTHER, user="ann"),
        "reject",
        "relay.authenticated",
    ),
    Case(
        "a trusted network",
        relay(networks=LAN),
        rcpt(OTHER, client=NEAR),
        "accept",
        "relay.networks.0",
    ),
    Case(
        "a trusted IPv6 network",
        relay(networks=LAN),
        rcpt(OTHER, client=SIX),
        "accept",
        "relay.networks.1",
    ),
    Case(
        "an IPv4 client on an IPv6 socket",
        relay(networks=LAN),
        rcpt(OTHER, client=f"::ffff:{NEAR}"),
        "accept",
        "relay.networks.0",
    ),
    Case(
        "not a trusted network",
        relay(networks=LAN),
        rcpt(OTHER),
        "reject",
        "relay.networks",
    ),
    Case("an open relay", relay(open=True), rcpt(OTHER), "accept", "relay.open"),
    Case("a backup MX", BACKUP, rcpt(OTHER), "accept", "remote_domains.0.allow_relay"),
    Case(
        "a backup MX for all below a domain",
        BACKUP,
        rcpt("x@a.b.partner.example"),
        "accept",
        "remote_domains.1.allow_relay",
    ),
    Case(
        "*.x is not x",
        BACKUP,
        rcpt("x@partner.example"),
        "reject",
        "relay.networks",
    ),
    Case(
        "a domain that is known, but not relayed for",
        remote("other.example", allow=False),
        rcpt(OTHER),
        "reject",
        "remote_domains.0.allow_relay",
    ),
    # Rule 3: no route but the domain
    Case(
        "a source route is ignored",
        DEFAULT,
        rcpt("ann@ours.example", route=("other.example",)),
        "accept",
    ),
    Case(
        "a source route through us",
        DEFAULT,
        rcpt(OTHER, route=("ours.example",)),
        "reject",
        "relay.networks",
    ),
    Case(
        "a source route is refused",
        relay(source_routes="refuse"),
        rcpt("ann@ours.example", route=("other.example",)),
        "reject",
        "relay.source_routes",
        "5.7.1",
    ),
    Case(
        "a hidden route at a domain that we back up",
        BACKUP,
        rcpt("victim%third.example@other.example"),
        "reject",
        "remote_domains.0.allow_relay",
        "5.7.1",
    ),
    Case(
        "... but users may write so",
        BACKUP,
        rcpt("victim%third.example@other.example", user="ann"),
        "accept",
        "remote_domains.0.allow_relay",
    ),
    # hMailServer's ranges: four ways
    Case("in", HMAIL, rcpt("ann@ours.example"), "accept"),
    Case(
        "local to local wants a login",
        HMAIL,
        rcpt("ann@ours.example", "bob@ours.example"),
        "reject",
        "access.ip_ranges.0.login_for",
        "5.7.0",
    ),
    Case(
        "local to local with a login",
        HMAIL,
        rcpt("ann@ours.example", "bob@ours.example", user="bob"),
        "accept",
    ),
    Case(
        "local to external wants a login",
        HMAIL,
        rcpt(OTHER, "bob@ours.example"),
        "reject",
        "access.ip_ranges.0.login_for",
    ),
    Case(
        "external to external wants a login",
        HMAIL,
        rcpt(OTHER),
        "reject",
        "access.ip_ranges.0.login_for",
    ),
    Case(
        "a report to the outside wants a login",
        HMAIL,
        rcpt(OTHER, "<>"),
        "reject",
        "access.ip_ranges.0.login_for",
    ),
    Case(
        "external to external with a login",
        HMAIL,
        rcpt(OTHER, user="ann"),
        "accept",
        "access.ip_ranges.0.relays",
    ),
    Case(
        "this computer sends out",
        HMAIL,
        rcpt(OTHER, "bob@ours.example", HOME),
        "accept",
        "access.ip_ranges.1.relays",
    ),
    Case(
        "this computer relays for nobody",
        HMAIL,
        rcpt(OTHER, client=HOME),
        "reject",
        "access.ip_ranges.1.login_for",
    ),
    Case(
        "a report of this computer is nobody's",
        HMAIL,
        rcpt(OTHER, "<>", HOME),
        "reject",
        "access.ip_ranges.1.login_for",
    ),
    Case(
        "no range, no relaying",
        HMAIL,
        rcpt(OTHER, client=SIX, user="ann"),
        "reject",
        "access.ip_ranges",
    ),
    Case(
        "a way that a range does not know, login or not",
        ranges(INTERNET, NOBODY_OUT),
        rcpt(OTHER, "ann@ours.example", NEAR, "ann"),
        "reject",
        "access.ip_ranges.1.relays",
    ),
    Case(
        "a range that has expired",
        ranges(INTERNET, IPRange("yesterday", NEAR, NEAR, 90, 60.0)),
        rcpt(OTHER, client=NEAR, now=61.0),
        "reject",
        "access.ip_ranges.0.login_for",
    ),
    Case(
        "a backed-up domain is local to a range",
        Settings(
            access=Access(ip_ranges=(INTERNET,)),
            remote_domains=(RemoteDomain("other.example", allow_relay=True),),
        ),
        rcpt(OTHER),
        "accept",
        "remote_domains.0.allow_relay",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_who_may_send_to_whom(case):
    case.check()
