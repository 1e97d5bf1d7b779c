"""Connections, bans, greylisting, rates, lists of bad addresses."""

from ipaddress import ip_network

import pytest

from maillab.policy import dnsbl, greylist, rates
from maillab.policy.autoblock import make_ban, note_failure
from maillab.policy.ip_ranges import (
    INTERNET,
    INTERNET_IPV6,
    MY_COMPUTER,
    Visit,
    find_range,
    judge_connection,
)
from maillab.policy.settings import (
    DAY,
    HOUR,
    MINUTE,
    Access,
    AutoBlock,
    Defence,
    Greylisting,
    IPRange,
    Limits,
    Settings,
)
from tests.policy_cases import Case

FAR, NEAR, SIX = "203.0.113.9", "10.0.0.5", "2001:db8::9"


# Connections --------------------------------------------------------------------------


def comes(client, protocol="smtp", now=0.0, bans=()):
    visit = Visit(client, protocol, now)
    return lambda settings: judge_connection(visit, settings, bans)


def nets(*texts):
    return tuple(ip_network(text) for text in texts)


def access(**fields):
    return Settings(access=Access(**fields))


GRANT = access(grant=nets("10.0.0.0/8", "2001:db8::/32"))
DENY = access(deny=nets("192.0.2.0/24", "203.0.113.0/24"))
BOTH = access(grant=nets("203.0.113.9/32"), deny=nets("203.0.113.0/24"))
MY_COMPUTER_IPV6 = IPRange(
    "My computer (IPv6)", "::1", "::1", 30, login_for=MY_COMPUTER.login_for
)
HMAIL = access(ip_ranges=(INTERNET, MY_COMPUTER))
FULL = access(ip_ranges=(INTERNET, MY_COMPUTER, INTERNET_IPV6, MY_COMPUTER_IPV6))
MAIL_ONLY = access(
    ip_ranges=(INTERNET, IPRange("LAN", "10.0.0.0", "10.0.0.255", 20, 0.0, ("imap",)))
)
SHORT = access(
    ip_ranges=(INTERNET, IPRange("guest", NEAR, NEAR, 20, 600.0, protocols=()))
)
VIP = access(ip_ranges=(IPRange("boss", FAR, FAR, 200),))
BAN = (make_ban(FAR, 3600.0, "3 wrong logins within 30 minutes"),)
RANGE = "access.ip_ranges.0.protocols"

CASES = [
    Case("anybody", Settings(), comes(FAR), "accept"),
    Case("granted", GRANT, comes(NEAR), "accept", "access.grant.0"),
    Case("granted, IPv6", GRANT, comes(SIX), "accept", "access.grant.1"),
    Case("not granted", GRANT, comes(FAR), "reject", "access.grant", "5.7.1"),
    Case("denied", DENY, comes(FAR), "reject", "access.deny.1"),
    Case(
        "denied in an IPv6 coat",
        DENY,
        comes(f"::ffff:{FAR}"),
        "reject",
        "access.deny.1",
    ),
    Case("not denied", DENY, comes(NEAR), "accept"),
    Case("granted goes before denied", BOTH, comes(FAR), "accept", "access.grant.0"),
    Case(
        "denied beside a grant", BOTH, comes("203.0.113.10"), "reject", "access.deny.0"
    ),
    Case("the internet", HMAIL, comes(FAR), "accept", RANGE),
    Case(
        "this computer",
        HMAIL,
        comes("127.0.0.1"),
        "accept",
        "access.ip_ranges.1.protocols",
    ),
    Case("no range", HMAIL, comes(SIX), "reject", "access.ip_ranges"),
    Case("IPv6 ranges", FULL, comes(SIX), "accept", "access.ip_ranges.2.protocols"),
    Case(
        "IPv6, this computer",
        FULL,
        comes("::1"),
        "accept",
        "access.ip_ranges.3.protocols",
    ),
    Case(
        "a protocol",
        MAIL_ONLY,
        comes(NEAR, "imap"),
        "accept",
        "access.ip_ranges.1.protocols",
    ),
    Case(
        "not this one",
        MAIL_ONLY,
        comes(NEAR, "pop3"),
        "reject",
        "access.ip_ranges.1.protocols",
    ),
    Case("elsewhere", MAIL_ONLY, comes(FAR, "pop3"), "accept", RANGE),
    Case(
        "before it expires",
        SHORT,
        comes(NEAR, now=599.0),
        "reject",
        "access.ip_ranges.1.protocols",
    ),
    Case("after it expired", SHORT, comes(NEAR, now=600.0), "accept", RANGE),
    Case("banned", Settings(), comes(FAR, bans=BAN), "reject", "defence.autoblock"),
    Case(
        "banned for IMAP too",
        Settings(),
        comes(FAR, "imap", bans=BAN),
        "reject",
        "defence.autoblock",
    ),
    Case("somebody else is not", Settings(), comes(NEAR, bans=BAN), "accept"),
    Case("a ban ends", Settings(), comes(FAR, now=3600.0, bans=BAN), "accept"),
    Case(
        "a ban goes before ranges",
        HMAIL,
        comes(FAR, bans=BAN),
        "reject",
        "defence.autoblock",
    ),
    Case("... of less priority", VIP, comes(FAR, bans=BAN), "accept", RANGE),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_who_may_connect(case):
    case.check()


def test_of_equal_ranges_the_first_counts():
    ranges = (IPRange("a", NEAR, NEAR), IPRange("b", NEAR, NEAR))
    found = find_range(NEAR, ranges, 0.0)
    assert found is not None
    assert found[0] == 0


def test_a_range_that_is_no_range_holds_nobody():
    assert find_range(NEAR, (IPRange("x", "10.0.0.0", "2001:db8::"),), 0.0) is None
    assert find_range("nobody", (INTERNET,), 0.0) is None


# Bans ---------------------------------------------------------------------------------


def ban_after(times, settings):
    failures = ()
    for now in times:
        failures, ban = note_failure(failures, FAR, now, settings)
        if ban is not None:
            return now, ban
    return None


THREE = AutoBlock(attempts=3, window=30 * MINUTE, ban=60 * MINUTE)


@pytest.mark.parametrize(
    ("times", "when"),
    [
        ((0, 1, 2), 2),
        ((0, 1, 1799), 1799),
        ((0, 1, 1800), None),  # the first one is too old
        ((0, 1, 1800, 1800.5), 1800.5),
        ((0, 1), None),
    ],
)
def test_three_wrong_logins_in_half_an_hour(times, when):
    found = ban_after(times, THREE)
    assert (found[0] if found else None) == when


def test_a_ban_is_an_expiring_range_for_nothing():
    _, ban = ban_after((0.0, 1.0, 2.0), THREE)
    assert (ban.first, ban.last, ban.priority) == (FAR, FAR, 100)
    assert (ban.protocols, ban.expires) == ((), 2.0 + 3600.0)


def test_no_attempts_no_ban():
    assert ban_after(range(100), AutoBlock()) is None


# Greylisting --------------------------------------------------------------------------

GREY = Greylisting(delay=30 * MINUTE, window=DAY, keep=36 * DAY)


def visits(*times):
    """What each visit is: "new", "early", "passed", "known"."""
    record, states = None, []
    for now in times:
        verdict, after = greylist.step(record, now, GREY)
        state = greylist.state(record, after)
        assert verdict.accepted is (state in ("passed", "known"))
        states.append(state)
        record = after
    return states


@pytest.mark.parametrize(
    ("times", "states"),
    [
        ((0, 60, 1799), ["new", "early", "early"]),
        ((0, 1800), ["new", "passed"]),
        ((0, DAY), ["new", "passed"]),
        ((0, DAY + 1), ["new", "new"]),
        ((0, DAY + 1, DAY + 1801), ["new", "new", "passed"]),
        ((0, 1800, 1801), ["new", "passed", "known"]),
        ((0, 1800, 1800 + 36 * DAY), ["new", "passed", "known"]),
        ((0, 1800, 1801 + 36 * DAY), ["new", "passed", "new"]),
        ((0, 1800, 30 * DAY, 60 * DAY), ["new", "passed", "known", "known"]),
    ],
)
def test_a_stranger_must_come_again(times, states):
    assert visits(*times) == states


def test_a_neighbour_of_the_client_is_the_same():
    first = greylist.triplet("192.0.2.1", "a@x.example", "b@y.example")
    assert greylist.triplet("192.0.2.254", "A@X.example", "B@Y.example") == first
    assert greylist.triplet("192.0.3.1", "a@x.example", "b@y.example") != first
    six = greylist.triplet("2001:db8:0:1::1", "", "")
    assert six[0] == "2001:db8:0:1::/64"


def test_a_refusal_says_when_to_come_again():
    verdict, _ = greylist.step(None, 0.0, GREY)
    assert (verdict.result, verdict.code) == ("defer", "4.7.1")
    assert "30 minutes" in verdict.reason


# Rates --------------------------------------------------------------------------------


def accepted(limit, *times):
    window, results = (), []
    for now in times:
        verdict, window = rates.count(window, now, rates.Rate("x", "messages", limit))
        results.append(verdict.accepted)
    return results


@pytest.mark.parametrize(
    ("limit", "times", "results"),
    [
        (0, (0, 0, 0), [True] * 3),
        (2, (0, 1, 2), [True, True, False]),
        (2, (0, 1, 2, HOUR), [True, True, False, True]),
        (2, (0, 1, 2, HOUR, HOUR), [True, True, False, True, False]),
        (1, (0, HOUR - 1, HOUR), [True, False, True]),  # a refusal does not count
    ],
)
def test_the_hour_slides(limit, times, results):
    assert accepted(limit, *times) == results


def counted(what, limit):
    window = (0.0,) * limit
    return lambda _: rates.count(window, 1.0, rates.Rate(FAR, what, limit))[0]


# Lists of bad addresses ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("client", "name"),
    [
        ("192.0.2.99", "99.2.0.192.bl.example"),
        ("::ffff:192.0.2.99", "99.2.0.192.bl.example"),
        (
            "2001:db8::1",
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example",
        ),
        ("nobody", ""),
    ],
)
def test_the_name_to_ask_for(client, name):
    assert dnsbl.query_name(client, "bl.example.") == name


def listed(records, texts=()):
    return lambda _: dnsbl.judge_listing(FAR, "bl.example", 1, (records, texts))


LISTS = Settings(
    defence=Defence(dnsbl=("a.example", "bl.example")),
    limits=Limits(messages_per_hour=3),
)
ZONE = "defence.dnsbl.1"
CASES += [
    Case("listed", LISTS, listed(["127.0.0.2"], ['"a bot"']), "reject", ZONE, "5.7.1"),
    Case("listed as something", LISTS, listed(["127.0.0.11"]), "reject", ZONE),
    Case("not listed", LISTS, listed([]), "accept", ZONE),
    Case("a parked zone", LISTS, listed(["203.0.113.1"]), "accept", ZONE),
    Case("the list refuses", LISTS, listed(["127.255.255.254"]), "accept", ZONE),
    Case(
        "too fast", LISTS, counted("messages", 3), "defer", "limits.messages_per_hour"
    ),
    Case(
        "too many",
        LISTS,
        counted("recipients", 3),
        "defer",
        "limits.recipients_per_hour",
    ),
    Case(
        "new here",
        LISTS,
        lambda _: greylist.step(None, 0.0, GREY)[0],
        "defer",
        "defence.greylisting.delay",
    ),
]


@pytest.mark.parametrize("case", CASES[-8:], ids=str)
def test_lists_and_rates(case):
    case.check()


def test_the_reason_on_the_list_is_the_reason():
    verdict = listed(["127.0.0.2"], ['"a bot"', '"since May"'])(None)
    assert verdict.reason.endswith("(127.0.0.2): a bot since May")
