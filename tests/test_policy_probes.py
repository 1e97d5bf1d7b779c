"""Nothing is relayed for strangers, whatever the address looks like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maillab.policy.domains import find_domain
from maillab.policy.ip_ranges import INTERNET, INTERNET_IPV6
from maillab.policy.recipient_settings import AliasDomain, CatchAll, Recipients
from maillab.policy.relay import RecipientFacts, judge_recipient
from maillab.policy.settings import Access, Relay, RemoteDomain, Settings
from maillab.wire.smtp_path import Address, parse_path
from maillab.world.personality import NAMES as PERSONALITIES
from maillab.world.personality import personality
from tests.policy_cases import OURS, path
from tests.relay_probes import NAMES, PROBES, Probe

FAR, SIX = "203.0.113.9", "2001:db8:bad::9"
DEFAULT = Settings()


def relay(**fields):
    return Settings(relay=Relay(**fields))


def people(**fields):
    return Settings(recipients=Recipients(**fields))


# Open-relay probes --------------------------------------------------------------------


def answer_to(probe, settings, client):
    """What becomes of a probe, without a server: grammar, then policy."""
    if not probe.rcpt.startswith("TO:<"):
        return "syntax"
    try:
        to, rest = parse_path(probe.rcpt.removeprefix("TO:"))
        sender, _ = parse_path(probe.mail.removeprefix("FROM:"))
    except ValueError:
        return "syntax"
    if rest and not rest.startswith(" "):
        return "syntax"
    verdict = judge_recipient(RecipientFacts(OURS, to, client, sender=sender), settings)
    if verdict.accepted:
        return "local" if find_domain(to.domain, OURS, settings).is_ours else "RELAYED"
    return "unknown" if verdict.code == "5.1.1" else "denied"


@pytest.mark.parametrize("client", [FAR, SIX, f"::ffff:{FAR}"])
def test_no_probe_gets_through(client):
    wrong = [
        (probe.expect, found, probe.rcpt)
        for probe in (each.filled(**NAMES) for each in PROBES)
        if (found := answer_to(probe, DEFAULT, client)) != probe.expect
        and not (probe.expect == "refused" and found not in ("local", "RELAYED"))
    ]
    assert wrong == []


@pytest.mark.parametrize("name", PERSONALITIES)
@pytest.mark.parametrize("client", [FAR, SIX])
def test_no_personality_relays_as_it_is_installed(name, client):
    settings = personality(name).settings
    answers = {
        probe.rcpt: answer_to(probe, settings, client)
        for probe in (each.filled(**NAMES) for each in PROBES)
    }
    assert "RELAYED" not in answers.values()
    assert answers["TO:<ann@ours.example>"] == "local"
    assert answers["TO:<postmaster>"] == "local"


@pytest.mark.parametrize("name", PERSONALITIES)
def test_the_users_of_every_personality_may_send_out(name):
    facts = RecipientFacts(
        OURS,
        path("zoe@other.example"),
        FAR,
        "ann@ours.example",
        path("ann@ours.example"),
    )
    assert judge_recipient(facts, personality(name).settings).accepted


def test_there_are_about_200_probes_and_no_two_are_the_same():
    assert len(PROBES) >= 200
    assert len(set(PROBES)) == len(PROBES)


def test_an_open_relay_is_seen_by_the_probes():
    relayed = [
        probe.rcpt
        for probe in (each.filled(**NAMES) for each in PROBES)
        if answer_to(probe, relay(open=True), FAR) == "RELAYED"
    ]
    denied = [probe for probe in PROBES if probe.expect == "denied"]
    assert len(relayed) >= len(denied)


def test_a_probe_is_data_that_every_server_can_fill():
    probe = Probe("TO:<{user}@{ours}>", "local").filled(**NAMES)
    assert probe.rcpt == "TO:<ann@ours.example>"


# Whatever the address is --------------------------------------------------------------

LABEL = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,8}[A-Za-z0-9])?", fullmatch=True)
DOMAIN_NAME = st.lists(LABEL, min_size=1, max_size=4).map(".".join)
NEARLY_OURS = st.sampled_from(
    ["sub.ours.example", "xours.example", "ours.example.com", "ours", "example"]
)
LOCAL_PART = st.text(max_size=30) | st.sampled_from(
    ["ann%ours.example", "ours.example!ann", "ann@ours.example", "@ours.example:ann"]
)
ROUTE = st.lists(DOMAIN_NAME | st.just("ours.example"), max_size=3).map(tuple)
CLIENT = st.ip_addresses().map(str)
POLICIES = st.sampled_from(
    [
        DEFAULT,
        people(refuse_unknown=False, separator="+"),
        people(catch_all=(CatchAll("ours.example", "ann@ours.example"),)),
        people(alias_domains=(AliasDomain("old.example", "ours.example"),)),
        relay(authenticated=False, source_routes="refuse"),
        Settings(remote_domains=(RemoteDomain("other.example"),)),
        Settings(access=Access(ip_ranges=(INTERNET, INTERNET_IPV6))),
    ]
)


@given(LOCAL_PART, DOMAIN_NAME | NEARLY_OURS, ROUTE, CLIENT, POLICIES)
def test_nothing_is_relayed_for_strangers(local_part, domain, route, client, settings):
    to = Address(local_part, domain)
    if find_domain(domain, OURS, settings).is_ours:
        return
    for sender in ("<>", "ann@ours.example", "zoe@far.example"):
        facts = RecipientFacts(OURS, to, client, "", path(sender), route)
        verdict = judge_recipient(facts, settings)
        assert verdict.result == "reject"
        assert verdict.code.startswith("5.7.")
