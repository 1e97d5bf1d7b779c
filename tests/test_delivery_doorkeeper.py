"""The keeper of the door: who may come in, how often, and who comes back when."""

from dataclasses import replace
from ipaddress import ip_network

import dns.rrset
import pytest

from maillab.agents.doorkeeper import Caller, Doorkeeper
from maillab.dns.answers import Answer
from maillab.policy.settings import (
    HOUR,
    Access,
    AutoBlock,
    Defence,
    Greylisting,
    Limits,
    Settings,
)
from tests.delivery_place import FakeMachine, run
from tests.policy_cases import path

FAR, NEAR, SIX = "203.0.113.9", "10.0.0.5", "2001:db8::9"
ANN, ZOE = path("ann@ours.example"), path("zoe@far.example")
BLOCK = AutoBlock(attempts=3, window=1800.0, ban=3600.0)
LAN = (ip_network("10.0.0.0/8"),)


class FakeLookups:
    """The DNS as a table: (name, type) to record texts, or to a status."""

    def __init__(self, records):
        self.records = records
        self.asked = []

    async def resolve(self, name, rdtype):
        self.asked.append((name, rdtype))
        found = self.records.get((name, rdtype), "NXDOMAIN")
        if isinstance(found, str):
            return Answer(name, rdtype, found)
        rrset = dns.rrset.from_text(f"{name}.", 60, "IN", rdtype, *found)
        return Answer(name, rdtype, "NOERROR", rrset)

    async def addresses(self, name):
        found = self.records.get((name, "A"), ())
        return [] if isinstance(found, str) else list(found)


class Door:
    """A doorkeeper with a clock and a DNS in our hands."""

    def __init__(self, settings=None, **records):
        self.machine = FakeMachine()
        self.settings = settings or Settings()
        self.lookups = FakeLookups(records.get("records", {}))
        self.keeper = Doorkeeper(self.machine, self.lookups, lambda: self.settings)

    def admit(self, client=FAR, protocol="smtp"):
        return run(self.keeper.admit(client, protocol))

    def fail_logins(self, count, client=FAR):
        for _ in range(count):
            self.keeper.note_login(client, False)

    def judge(self, client=FAR, user="", to=ANN, sender=ZOE):
        caller = Caller(client, user)
        return run(self.keeper.judge_recipient_defence(caller, sender, to))


def defence(**fields):
    return Settings(defence=Defence(**fields))


# Connections --------------------------------------------------------------------------


def test_so_many_connections_and_no_more():
    door = Door(Settings(limits=Limits(connections=2)))
    assert door.admit(FAR).accepted
    assert door.admit(NEAR).accepted
    verdict = door.admit(SIX)
    assert (verdict.result, verdict.setting) == ("defer", "limits.connections")
    door.keeper.leave(FAR)
    assert door.admit(SIX).accepted
    for client in (NEAR, SIX):
        door.keeper.leave(client)
    assert not door.keeper._open_from


def test_so_many_from_one_address():
    door = Door(Settings(limits=Limits(connections_per_address=1)))
    assert door.admit(FAR).accepted
    verdict = door.admit(f"::ffff:{FAR}")
    assert verdict.setting == "limits.connections_per_address"
    assert door.admit(NEAR).accepted
    assert door.admit(FAR, "imap").accepted  # another protocol, another count


def test_who_is_refused_does_not_count():
    door = Door(
        Settings(
            access=Access(deny=(ip_network(f"{FAR}/32"),)), limits=Limits(connections=1)
        )
    )
    for _ in range(3):
        assert door.admit(FAR).result == "reject"
    assert door.admit(NEAR).accepted


def test_a_new_setting_acts_at_the_next_connection():
    door = Door()
    assert door.admit().accepted
    door.settings = Settings(access=Access(deny=(ip_network("203.0.113.0/24"),)))
    assert not door.admit().accepted


# Bans ---------------------------------------------------------------------------------


def test_three_wrong_passwords_and_out():
    door = Door(defence(autoblock=BLOCK))
    door.fail_logins(2)
    assert door.admit().accepted
    door.fail_logins(1)
    for protocol in ("smtp", "pop3", "imap"):
        verdict = door.admit(FAR, protocol)
        assert (verdict.result, verdict.rule) == ("reject", "ban")
    assert door.admit(NEAR).accepted
    told = door.machine.told("ban")
    assert told == [
        {
            "address": FAR,
            "until": 3600.0,
            "reason": "3 wrong logins within 30 minutes",
        }
    ]


def test_a_ban_ends_by_itself():
    door = Door(defence(autoblock=BLOCK))
    door.fail_logins(3)
    door.machine.seconds = 3599.0
    assert not door.admit().accepted
    door.machine.seconds = 3600.0
    assert door.admit().accepted
    assert door.keeper.bans == ()


def test_a_ban_can_be_lifted():
    door = Door(defence(autoblock=BLOCK))
    door.fail_logins(3)
    assert door.keeper.unban(f"::ffff:{FAR}")
    assert door.admit().accepted
    assert not door.keeper.unban(FAR)
    assert [told["reason"] for told in door.machine.told("ban")][-1] == "lifted"


def test_who_becomes_exempt_is_let_in():
    door = Door(defence(autoblock=BLOCK))
    door.fail_logins(3, NEAR)
    door.settings = defence(autoblock=BLOCK, exempt=LAN)
    assert door.admit(NEAR).accepted


def test_lifting_forgets_what_was_before():
    door = Door(defence(autoblock=BLOCK))
    door.fail_logins(2)
    door.keeper.unban(FAR)
    door.fail_logins(2)
    assert door.admit().accepted


def test_an_administrator_may_ban():
    door = Door()
    ban = door.keeper.ban(SIX, 60.0, "asked for it")
    assert door.keeper.bans == (ban,)
    assert "asked for it" in door.admit(SIX).reason


def test_a_right_password_does_not_reset_the_count():
    door = Door(defence(autoblock=BLOCK))
    door.fail_logins(2)
    door.keeper.note_login(FAR, True)
    door.fail_logins(1)
    assert not door.admit().accepted


@pytest.mark.parametrize(
    "settings",
    [Settings(), defence(autoblock=BLOCK, exempt=LAN)],
    ids=["off", "exempt"],
)
def test_who_is_never_banned(settings):
    door = Door(settings)
    door.fail_logins(10, NEAR)
    assert door.admit(NEAR).accepted


# Recipients ---------------------------------------------------------------------------

BOT = {
    ("9.113.0.203.bl.example", "A"): ("127.0.0.2",),
    ("9.113.0.203.bl.example", "TXT"): ('"a bot since May"',),
    ("9.113.0.203.parked.example", "A"): ("192.0.2.1",),
    ("9.113.0.203.dead.example", "A"): "timeout",
}


def listed(*zones, **more):
    return Door(defence(dnsbl=zones, **more), records=BOT)


def test_a_listed_client_hears_why():
    verdict = listed("dead.example", "parked.example", "bl.example").judge()
    assert (verdict.result, verdict.setting) == ("reject", "defence.dnsbl.2")
    assert verdict.reason.endswith("a bot since May")


@pytest.mark.parametrize("zone", ["parked.example", "dead.example", "other.example"])
def test_a_list_that_is_silent_or_parked_lists_nobody(zone):
    assert listed(zone).judge().accepted


@pytest.mark.parametrize(
    "who",
    [{"client": NEAR}, {"user": "ann"}, {"to": path("postmaster@ours.example")}],
    ids=["exempt", "login", "postmaster"],
)
def test_who_is_not_looked_up(who):
    door = listed("bl.example", exempt=LAN)
    assert door.judge(**who).accepted
    assert door.lookups.asked == []


def test_a_stranger_comes_again_and_is_known():
    door = Door(defence(greylisting=Greylisting(delay=1800.0)))
    assert door.judge().result == "defer"
    door.machine.seconds = 1799.0
    assert door.judge().result == "defer"
    door.machine.seconds = 1800.0
    assert door.judge("203.0.113.77").accepted  # a neighbour of the client
    assert door.judge().accepted
    assert door.judge(sender=path("<>")).result == "defer"  # another triplet
    states = [told["state"] for told in door.machine.told("greylist")]
    assert states == ["new", "early", "passed", "known", "new"]


def test_what_nobody_needs_is_forgotten(monkeypatch):
    monkeypatch.setattr("maillab.agents.doorkeeper.PURGE_EVERY", 5)
    door = Door(defence(greylisting=Greylisting(delay=60.0, window=600.0)))
    for number in range(4):
        door.judge(sender=path(f"s{number}@far.example"))
    door.machine.seconds = 601.0
    door.judge()
    assert len(door.keeper.triplets) == 1


def test_clients_that_came_long_ago_are_forgotten(monkeypatch):
    monkeypatch.setattr("maillab.agents.doorkeeper.PURGE_EVERY", 5)
    door = Door(defence(autoblock=BLOCK))
    door.settings = replace(door.settings, limits=Limits(messages_per_hour=2))
    for number in range(5):
        door.fail_logins(1, f"2001:db8::{number}")
        door.keeper.count_message(Caller(f"2001:db8::{number}"))
    door.machine.seconds = 3601.0
    door.fail_logins(1)
    door.keeper.count_message(Caller(FAR))
    assert list(door.keeper._failures) == [FAR]
    assert list(door.keeper._windows) == [("messages", FAR)]


# Rates and patience -------------------------------------------------------------------


def test_messages_and_recipients_of_an_hour():
    limits = Limits(messages_per_hour=2, recipients_per_hour=1)
    door = Door(Settings(limits=limits))
    count = door.keeper.count_message
    assert [count(Caller(FAR)).accepted for _ in range(3)] == [True, True, False]
    assert count(Caller(NEAR)).accepted
    assert count(Caller(FAR, "ann")).accepted  # a login has an account of its own
    assert door.keeper.count_recipient(Caller(FAR)).accepted
    assert door.keeper.count_recipient(Caller(FAR)).result == "defer"
    door.machine.seconds = HOUR
    assert count(Caller(FAR)).accepted


def test_nothing_is_remembered_without_a_limit():
    door = Door()
    assert door.keeper.count_message(Caller(FAR)).accepted
    assert door.keeper._windows == {}


@pytest.mark.parametrize(
    ("client", "refusals", "seconds"),
    [(FAR, 1, 0.0), (FAR, 2, 0.0), (FAR, 3, 20.0), (NEAR, 3, 0.0)],
)
def test_refusals_become_slow(client, refusals, seconds):
    door = Door(defence(tarpit=20.0, tarpit_after=2, exempt=LAN))
    assert door.keeper.tarpit_seconds(refusals, client) == seconds


# Senders' domains ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("domain", "state"),
    [
        ("mx.example", "exists"),
        ("null.example", "null-mx"),
        ("address.example", "exists"),
        ("empty.example", "missing"),
        ("nothing.example", "missing"),
        ("broken.example", "unknown"),
        ("[192.0.2.1]", "exists"),
    ],
)
def test_what_the_dns_says_of_a_senders_domain(domain, state):
    records = {
        ("mx.example", "MX"): ("10 mail.mx.example.",),
        ("null.example", "MX"): ("0 .",),
        ("address.example", "MX"): "NODATA",
        ("address.example", "A"): ("192.0.2.7",),
        ("empty.example", "MX"): "NODATA",
        ("broken.example", "MX"): "SERVFAIL",
    }
    door = Door(records=records)
    assert run(door.keeper.sender_domain_state(domain)) == state


def test_settings_are_never_copied():
    door = Door(defence(tarpit=1.0))
    door.settings = replace(door.settings, defence=Defence(tarpit=2.0))
    assert door.keeper.tarpit_seconds(1) == 2.0
