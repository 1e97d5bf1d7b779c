"""For whom a server relays: each setting acts at the next decision, and says why."""

import pytest

from tests.reception_worlds import (
    ALICE,
    ALPHA,
    BOB,
    FROM,
    HELLO,
    LOGIN,
    ask,
    explained,
    mail,
    subjects,
    written_world,
)
from tests.worlds import Journal, dressed_world

AWAY = "carol@gamma.example"
RELAYING = "RFC 5321 §7.9"
OK, DENIED = "250 2.1.5 Recipient ok", "550 5.7.1 Relaying denied"


@pytest.fixture
def world():
    with dressed_world("maillab", access={"login_on_port_25": True}) as opened:
        opened.configure(ALPHA, access={"plain_login": True})
        yield opened
        assert Journal(opened).failures == []


def rcpt(world, to, *before, sender=BOB, host="bob-pc"):
    """The reply to RCPT."""
    lines = (HELLO, *before, f"MAIL FROM:<{sender}>", f"RCPT TO:{to}")
    return ask(world, *lines, host=host)[-1]


# Whose mail goes on -------------------------------------------------------------------


def test_a_network_may_relay_from_the_next_recipient_on(world):
    with world.console("bob-pc", ALPHA, 25) as console:
        for line in (HELLO, FROM):
            console.say(line)
        assert console.say(f"RCPT TO:<{AWAY}>") == DENIED
        why = explained(world, "relay.networks", RELAYING)
        assert why.origin == "nowhere: the default of maillab is 'none'"
        world.configure(ALPHA, relay={"networks": ["192.0.2.0/24", "203.0.113.101"]})
        assert console.say(f"RCPT TO:<{AWAY}>") == OK
        accepted = world.trace.of_kind("policy")[-1]
        assert accepted["setting"] == "relay.networks.1"
        world.configure(ALPHA, relay={"networks": []})
        assert console.say(f"RCPT TO:<{AWAY}>") == DENIED


def test_the_line_of_a_network_is_found(tmp_path):
    toml = f'\n[hosts."{ALPHA}".mail]\nrelay.networks = [\n  "10.0.0.0/8",\n]\n'
    with written_world(tmp_path, toml) as world:
        assert rcpt(world, f"<{AWAY}>") == DENIED
        why = explained(world, "relay.networks", RELAYING)
        number = int(why.origin.split(":")[1])
        assert "relay.networks" in world.loaded.text.splitlines()[number - 1]


def test_a_login_may_relay_unless_it_may_not(world):
    assert rcpt(world, f"<{AWAY}>", LOGIN) == OK
    world.configure(ALPHA, relay={"authenticated": False})
    assert rcpt(world, f"<{AWAY}>", LOGIN) == DENIED
    explained(world, "relay.authenticated", RELAYING)


def test_an_open_relay_is_open_to_everybody(world):
    world.configure(ALPHA, relay={"open": True})
    assert mail(world, BOB, host="alice-pc")[-1].startswith("250 2.0.0")
    world.settle()
    assert subjects(world, "bob") == ["Hello"]
    world.configure(ALPHA, relay={"open": False})
    assert mail(world, BOB, host="alice-pc") == [DENIED]


# In whose name ------------------------------------------------------------------------

MATCHES = [
    ("any", AWAY, True),
    ("domain", "boss@alpha.example", True),
    ("domain", "boss@ALPHA.example", True),
    ("domain", BOB, False),
    ("account", ALICE, True),
    ("account", "sales@alpha.example", True),  # an alias of hers
    ("account", "boss@alpha.example", False),
    ("account", "", True),
]


@pytest.mark.parametrize(("match", "sender", "fine"), MATCHES)
def test_senders_that_a_login_may_use(world, match, sender, fine):
    world.configure(
        ALPHA,
        relay={"sender_match": match},
        recipients={"aliases": {"sales@alpha.example": [ALICE]}},
    )
    said = ask(world, HELLO, LOGIN, f"MAIL FROM:<{sender}>")[-1]
    if fine:
        assert said.startswith("250")
    else:
        assert said == f"553 5.7.1 {sender} is not your address"
        explained(world, "relay.sender_match", "RFC 6409 §6.1")


def test_local_senders_need_a_login(world):
    world.configure(ALPHA, relay={"local_sender_needs_login": True})
    for sender in (ALICE, "nobody@alpha.example", "alice@[192.0.2.25]"):
        said = ask(world, HELLO, f"MAIL FROM:<{sender}>")[-1]
        assert said == "530 5.7.0 Authentication required"
        explained(world, "relay.local_sender_needs_login", "RFC 4954 §6")
    assert ask(world, HELLO, LOGIN, f"MAIL FROM:<{ALICE}>")[-1].startswith("250")
    assert rcpt(world, f"<{ALICE}>", sender="") == OK
    world.configure(ALPHA, relay={"local_sender_needs_login": False})
    assert ask(world, HELLO, f"MAIL FROM:<{ALICE}>")[-1].startswith("250")


# Routes -------------------------------------------------------------------------------


def test_source_routes_are_ignored_or_refused(world):
    assert rcpt(world, f"<@x.example,@y.example:{ALICE}>") == OK
    assert rcpt(world, f"<@alpha.example:{AWAY}>") == DENIED
    world.configure(ALPHA, relay={"source_routes": "refuse"})
    assert rcpt(world, f"<@x.example,@y.example:{ALICE}>") == DENIED
    explained(world, "relay.source_routes", "RFC 5321 §3.6.1")
    assert rcpt(world, f"<{ALICE}>") == OK


@pytest.mark.parametrize(
    "text", ["bob%beta.example@alpha.example", "beta.example!bob@alpha.example"]
)
def test_a_local_part_is_no_route(world, text):
    assert rcpt(world, f"<{text}>") == "550 5.1.1 No such user here"
    why = explained(world, "recipients.refuse_unknown", "RFC 5321 §3.3")
    assert "no route" in why.refusal.reason


# Remote domains -----------------------------------------------------------------------


def test_a_backed_up_domain_is_taken_from_anybody(world):
    domains = [{"name": "*.gamma.example"}, {"name": "gamma.example"}]
    world.configure(ALPHA, remote_domains=domains)
    assert rcpt(world, f"<{AWAY}>") == DENIED
    explained(world, "remote_domains.1.allow_relay", RELAYING)
    domains[1]["allow_relay"] = True
    world.configure(ALPHA, remote_domains=domains)
    assert rcpt(world, f"<{AWAY}>") == OK
    assert rcpt(world, "<x@sub.gamma.example>") == DENIED
    assert rcpt(world, "<a%b.example@gamma.example>") == DENIED
    explained(world, "remote_domains.1.allow_relay", "RFC 2505 §2.1")
    assert rcpt(world, f"<{AWAY}>", sender="") == OK


# ETRN ---------------------------------------------------------------------------------


def test_who_was_away_asks_for_its_mail(tmp_path):
    host = f'[hosts."{ALPHA}"]\n'
    dressed = (host, f'{host}personality = "postfix"\n')
    with written_world(tmp_path, "", host=dressed) as world:
        backup = {"name": "beta.example", "allow_relay": True}
        world.configure(ALPHA, remote_domains=[backup])
        assert "ETRN" in ask(world, HELLO)[1]
        world.power_off("mx.beta.example")
        assert mail(world, BOB, sender="a@x.example", host="alice-pc")[-1][:3] == "250"
        world.settle()
        assert len(world.server(ALPHA).queue.entries) == 1
        world.power_on("mx.beta.example")
        refused = ask(world, HELLO, "ETRN gamma.example")[-1]
        assert refused[:3] in ("458", "459")
        world.advance("10 s")
        before = subjects(world, "bob")
        started = ask(world, HELLO, "ETRN beta.example")[-1]
        world.settle()
        assert (before, started[:3], subjects(world, "bob")) == ([], "250", ["Hello"])
        assert ask(world, HELLO, "ETRN beta.example")[-1].startswith("25")


@pytest.mark.parametrize(
    ("name", "there"), [("maillab", False), ("iis-smtp", True), ("postfix", True)]
)
def test_etrn_is_there_where_it_is_announced(name, there):
    with dressed_world(name) as world:
        hello, said = ask(world, HELLO, "ETRN beta.example")[1:]
        assert ("ETRN" in hello) is there
        assert said.startswith("502") is not there
        assert ask(world, HELLO, "ETRN -x")[-1][:3] == ("501" if there else "502")


# Small commands -----------------------------------------------------------------------


def test_help_and_noop(world):
    replies = ask(world, "NOOP", "HELP", HELLO, "HELP RCPT", "HELP ETRN", "NOOP what")
    assert replies[1] == "250 2.0.0 Nothing done"
    assert replies[2].startswith("214-2.0.0 This is maillab. Commands:\n214")
    assert "ETRN" not in replies[2]
    assert "RFC 5321" in replies[4]
    assert replies[5] == "504 5.5.4 No help for ETRN"
    assert replies[6].startswith("250")


def test_one_of_two_recipients_is_refused(world):
    replies = mail(world, "nobody@alpha.example", ALICE)
    assert [one[:3] for one in replies] == ["550", "250", "250"]
    assert mail(world, "nobody@alpha.example") == ["550 5.1.1 No such user here"]
    world.settle()
    assert subjects(world, "alice") == ["Hello"]
    assert world.mailbox("alice").messages[0].content.count(b"nobody") == 0
