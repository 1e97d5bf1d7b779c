"""LMTP (RFC 2033): the MTA of the house brings mail to the server of the mailboxes."""

import pytest

from tests.reception_worlds import ALICE, ALPHA, BOB, TEXT, subjects, written_world
from tests.worlds import Journal, queued

STORE = "store.alpha.example"
TOML = f"""
[hosts."{STORE}"]
address = "192.0.2.27"
serves = ["lmtp"]
domains = ["store.alpha.example"]

[users."dora@store.alpha.example"]
password = "dora"

[users."emil@store.alpha.example"]
password = "emil"
"""
DORA, EMIL = "dora@store.alpha.example", "emil@store.alpha.example"


@pytest.fixture
def world(tmp_path):
    with written_world(tmp_path, TOML) as opened:
        opened.zone("alpha.example").add("store", "A", "192.0.2.27")
        yield opened
        assert Journal(opened).failures == []


def lmtp(world, *lines, content=TEXT):
    with world.console("alice-pc", STORE, 24) as console:
        replies = [console.say(line) for line in lines]
        return [*replies, console.say("DATA"), console.say(*content)]


def rcpt(*names):
    return [f"RCPT TO:<{name}>" for name in names]


HELLO = ("LHLO edge.alpha.example", f"MAIL FROM:<{BOB}>")


def test_a_reply_for_each_recipient(world):
    replies = lmtp(world, *HELLO, *rcpt(DORA, "nobody@store.alpha.example", EMIL))
    assert [one[:3] for one in replies[2:5]] == ["250", "550", "250"]
    told = f"250 2.0.0 {DORA} has it\n250 2.0.0 {EMIL} has it"
    assert replies[-1] == told
    assert subjects(world, "dora") == subjects(world, "emil") == ["Hello"]
    assert queued(world, STORE) == 0
    content = world.mailbox("dora").messages[0].content
    assert b"with LMTP id" in content.replace(b"\r\n ", b" ")
    assert not world.trace.of_kind("queue")


def test_one_has_room_and_one_has_not(world):
    world.configure(STORE, recipients={"quotas": {EMIL: 150}})
    long = ("Subject: Long", "", "x" * 200, ".")
    replies = lmtp(world, *HELLO, *rcpt(DORA, EMIL), content=long)
    assert replies[-1].splitlines() == [
        f"250 2.0.0 {DORA} has it",
        "452 4.2.2 The mailbox is full",
    ]
    world.configure(STORE, recipients={"quota_reply": "never"})
    replies = lmtp(world, *HELLO, *rcpt(EMIL, DORA), content=long)
    assert [one[:9] for one in replies[-1].splitlines()] == ["552 5.2.2", "250 2.0.0"]
    assert queued(world, STORE) == 0


def test_too_many_hops_are_told_for_each(world):
    world.configure(STORE, limits={"hops": 1})
    looped = ("Received: x", "", ".")
    replies = lmtp(world, *HELLO, *rcpt(DORA, EMIL), content=looped)
    assert [one[:9] for one in replies[-1].splitlines()] == ["554 5.4.6"] * 2


def test_lmtp_is_no_way_to_others_and_knows_no_ehlo(world):
    world.configure(STORE, relay={"open": True})
    replies = lmtp(world, *HELLO, *rcpt(BOB))
    assert replies[2] == "550 5.7.1 Relaying denied"
    assert world.why(BOB, server=STORE).refusal.rule == "LMTP"
    assert replies[3].startswith("503")
    with world.console("alice-pc", STORE, 24) as console:
        assert console.say("EHLO x").startswith("500")
        assert "AUTH" not in console.say("LHLO x")


def test_defence_is_against_strangers(world):
    world.configure(
        STORE,
        defence={"greylisting": {"delay": "5 min"}, "tarpit": 100},
        access={"anonymous": False},
        limits={"messages_per_hour": 1, "recipients_per_hour": 1},
    )
    for _ in range(2):
        assert lmtp(world, *HELLO, *rcpt(DORA))[-1].startswith("250")


def test_a_login_is_no_matter_of_lmtp(world):
    """The edge has looked at senders and ways already."""
    range_ = {"first": "0.0.0.0", "last": "255.255.255.255", "relays": []}
    world.configure(STORE, relay={"local_sender_needs_login": True})
    sender = f"MAIL FROM:<{EMIL}>"
    assert lmtp(world, HELLO[0], sender, *rcpt(DORA))[-1].startswith("250")
    world.configure(STORE, access={"ip_ranges": {"All": range_}})
    assert lmtp(world, *HELLO, *rcpt(DORA))[2].startswith("550")


# From an MTA with a queue -------------------------------------------------------------

LMTP = {"lmtp": f"{STORE}:24"}


@pytest.fixture
def house(tmp_path):
    """Alpha's MTA gives local mail to a server of mailboxes for the same people."""
    toml = f"""
[hosts."{STORE}"]
address = "192.0.2.27"
serves = ["lmtp"]
domains = ["alpha.example"]
accounts = "directory:dc.alpha.example"

[hosts."dc.alpha.example"]
address = "192.0.2.10"

[users."emil@alpha.example"]
password = "emil"
"""
    host = f'[hosts."{ALPHA}"]\n'
    shared = (
        host,
        f'{host}accounts = "directory:dc.alpha.example"\n'
        f'mail.delivery.lmtp = "{STORE}:24"\n',
    )
    with written_world(tmp_path, toml, host=shared) as opened:
        opened.zone("alpha.example").add("store", "A", "192.0.2.27")
        yield opened
        assert Journal(opened).failures == []


def test_the_mta_keeps_and_tries_again_what_was_deferred(house):
    world, emil = house, "emil@alpha.example"
    world.configure(STORE, recipients={"quotas": {emil: 100}})
    world.user("bob").send([ALICE, emil], "Hello", "x" * 100)
    world.settle()
    assert subjects(world, "alice") == ["Hello"]
    assert subjects(world, "emil") == []
    assert (queued(world, ALPHA), queued(world, STORE)) == (1, 0)
    [entry] = world.server(ALPHA).queue.entries.values()
    assert [str(one) for one in entry.recipients] == [emil]
    world.configure(STORE, recipients={"quotas": []})
    world.advance("20 min")
    assert subjects(world, "emil") == ["Hello"]
    assert queued(world, ALPHA) == 0
    content = world.mailbox("emil").messages[0].content.replace(b"\r\n ", b" ")
    assert b"with LMTP" in content
    assert b"with ESMTP" in content


def test_what_lmtp_refuses_for_good_is_bounced_by_the_mta(house):
    world = house
    world.configure(STORE, recipients={"quotas": {ALICE: 100}, "quota_reply": "never"})
    world.send("bob", ALICE, "Hello", "x" * 100)
    world.settle()
    [report] = world.mailbox("bob").messages
    assert b"5.2.2" in report.content
    assert (queued(world, ALPHA), queued(world, STORE)) == (0, 0)


def test_a_store_without_power_is_waited_for(house):
    world = house
    world.power_off(STORE)
    world.send("bob", ALICE, "Hello")
    assert queued(world, ALPHA) == 1
    world.power_on(STORE)
    world.advance("20 min")
    assert subjects(world, "alice") == ["Hello"]
