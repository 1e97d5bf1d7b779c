"""Aliases, lists, forwards and vacations between two real servers of a world."""

from dataclasses import replace

import pytest

from maillab import open_world
from maillab.policy.recipient_settings import (
    Alias,
    AliasDomain,
    CatchAll,
    Forward,
    MailingList,
    Recipients,
    Vacation,
)
from maillab.policy.settings import RemoteDomain, Settings
from tests.relay_probes import PROBES
from tests.worlds import Journal, queued

ALICE, BOB = "alice@alpha.example", "bob@beta.example"
ALPHA, BETA = "mail.alpha.example", "mx.beta.example"


@pytest.fixture
def world():
    with open_world("two-domains") as world:
        yield world
        assert Journal(world).failures == []
        assert queued(world, ALPHA) == queued(world, BETA) == 0


def people(world, server, **recipients):
    mta = world.server(server).mta
    mta.settings = replace(mta.settings, recipients=Recipients(**recipients))


def send(world, to, sender="alice"):
    reply = world.send(sender, to, "Hello", "How are you?")
    world.settle()
    return reply


def subjects(world, name):
    found = []
    for message in world.mailbox(name).messages:
        lines = message.content.decode().split("\r\n")
        found += [line[9:] for line in lines if line.startswith("Subject: ")]
    return found


def mediated(world):
    return [event["what"] for event in world.trace if event.kind == "mediated"]


def test_an_alias_for_two_servers(world):
    people(world, BETA, aliases=(Alias("team@beta.example", (BOB, ALICE)),))
    send(world, "team@beta.example")
    assert subjects(world, "bob") == subjects(world, "alice") == ["Hello"]
    assert mediated(world) == ["alias"]


def test_an_alias_domain_has_the_same_people(world):
    # The DNS knows nothing of the name: Beta takes it, as it would with an MX record.
    people(world, BETA, alias_domains=(AliasDomain("b.example", "beta.example"),))
    client = world.console("bob-pc", BETA, 25)
    for line in ("EHLO x", f"MAIL FROM:<{ALICE}>", "RCPT TO:<bob@b.example>"):
        assert client.say(line).startswith("250")


def test_a_list_with_members_on_both_sides(world):
    staff = MailingList("staff@beta.example", (BOB, ALICE), "members")
    people(world, BETA, lists=(staff,))
    send(world, "staff@beta.example")
    for name in ("alice", "bob"):
        content = world.mailbox(name).messages[0].content
        assert b"Return-Path: <owner-staff@beta.example>\r\n" in content
        assert b"List-Id: <staff.beta.example>\r\n" in content


def test_two_servers_that_forward_to_each_other_end_with_one_bounce(world):
    people(world, ALPHA, forwards=(Forward("carol@alpha.example", (BOB,)),))
    people(world, BETA, forwards=(Forward(BOB, ("carol@alpha.example",)),))
    world.server(ALPHA).directory.add("carol@alpha.example", "secret")
    send(world, BOB)
    assert len(world.mailbox("bob").messages) == 0
    assert len(world.mailbox("alice").messages) == 1
    assert b"5.4.6" in world.mailbox("alice").messages[0].content


def test_both_are_away_and_there_is_one_answer(world):
    people(world, ALPHA, vacations=(Vacation(ALICE, "Away."),))
    people(world, BETA, vacations=(Vacation(BOB, "Away too."),))
    send(world, BOB)
    send(world, BOB)
    assert subjects(world, "bob") == ["Hello", "Hello"]
    assert subjects(world, "alice") == ["Auto: Hello"]
    assert mediated(world) == ["vacation"]


def test_who_does_not_refuse_unknown_names_bounces_them(world):
    people(world, BETA, refuse_unknown=False)
    send(world, "joe@beta.example")
    report = world.mailbox("alice").messages[0].content
    assert b"Status: 5.1.1" in report
    assert b"joe@beta.example" in report


def test_a_catch_all(world):
    people(world, BETA, catch_all=(CatchAll("beta.example", BOB),))
    send(world, "whoever@beta.example")
    content = world.mailbox("bob").messages[0].content
    assert b"Delivered-To: whoever@beta.example\r\n" in content


# Probes against a running server ------------------------------------------------------

KINDS = {"local": "2", "unknown": "550 5.1.1", "denied": "550 5.7.1", "syntax": "5"}


def names():
    return {
        "ours": "beta.example",
        "user": "bob",
        "other": "other.example",
        "third": "third.example",
        "ip4": "198.51.100.25",
        "ip6": "2001:db8::25",
        "far4": "203.0.113.80",
    }


def answer(world, probe):
    client = world.console("alice-pc", BETA, 25)
    client.say("EHLO probe.example")
    for line in (*probe.before, f"MAIL {probe.mail}"):
        client.say(line)
    reply = client.say(f"RCPT {probe.rcpt}")
    client.close()
    return reply


def test_a_running_server_relays_no_probe(world):
    mta = world.server(BETA).mta
    mta.settings = Settings(remote_domains=(RemoteDomain("other.example"),))
    ip4 = world.host(BETA).addresses[0]
    facts = names() | {"ip4": ip4}
    wrong = []
    for probe in PROBES:
        filled = probe.filled(**facts)
        if "{ip6}" in probe.rcpt or not filled.rcpt.isascii():
            continue
        reply = answer(world, filled)
        if not reply.startswith(KINDS.get(filled.expect, "5")):
            wrong.append((filled, reply))
    assert wrong == []
