"""Defence: each setting acts at the next decision, and `why` names it."""

import pytest

from tests.reception_worlds import (
    ALICE,
    ALPHA,
    BOB,
    FROM,
    HELLO,
    LOGIN,
    TO,
    ask,
    explained,
    mail,
    plain,
    subjects,
)
from tests.worlds import Journal, dressed_world

BOB_PC, ALICE_PC = "203.0.113.101", "192.0.2.101"
ZONE = "bl.beta.example"
OPEN = {"login_on_port_25": True, "plain_login": True}


@pytest.fixture
def world():
    with dressed_world("maillab", access=OPEN) as opened:
        yield opened
        assert Journal(opened).failures == []


def listed(world, client, text=""):
    """Put an address on the list."""
    name = ".".join(reversed(client.split("."))) + ".bl"
    world.zone("beta.example").add(name, "A", "127.0.0.2")
    if text:
        world.zone("beta.example").add(name, "TXT", text)


# Lists of bad addresses ---------------------------------------------------------------


def test_who_is_on_a_list_is_refused(world):
    listed(world, BOB_PC, '"See https://bl.example/why"')
    assert mail(world, ALICE)[-1].startswith("250")
    world.configure(ALPHA, defence={"dnsbl": ["other.beta.example", ZONE]})
    assert mail(world, ALICE) == [f"554 5.7.1 {BOB_PC} is listed in {ZONE}"]
    why = explained(world, "defence.dnsbl.1", "RFC 5782 §2.1")
    assert "See https://bl.example/why" in why.refusal.reason
    assert mail(world, "x@far.example") == ["550 5.7.1 Relaying denied"]  # asked first
    assert mail(world, "postmaster@alpha.example")[-1].startswith("250")
    assert mail(world, ALICE, host="alice-pc")[-1].startswith("250")
    assert ask(world, HELLO, LOGIN, FROM, TO)[-1].startswith("250")


def test_exempt_networks_are_not_judged(world):
    listed(world, BOB_PC)
    strict = {"dnsbl": [ZONE], "greylisting": {"delay": "5 min"}}
    world.configure(ALPHA, defence=strict)
    assert mail(world, ALICE)[0].startswith("554")
    world.configure(ALPHA, defence={"exempt": ["203.0.113.0/24"]})
    assert mail(world, ALICE)[-1].startswith("250")


def test_a_list_that_does_not_answer_lists_nobody(world):
    world.power_off("ns.beta.example")
    world.configure(ALPHA, defence={"dnsbl": [ZONE]})
    assert mail(world, ALICE)[-1].startswith("250")


# Greylisting --------------------------------------------------------------------------


def test_a_mail_server_comes_again_and_gets_through(world):
    world.configure(ALPHA, defence={"greylisting": {"delay": "4 min"}})
    world.send("bob", ALICE, "One")
    assert subjects(world, "alice") == []
    why = explained(world, "defence.greylisting.delay", "RFC 6647 §5", "450")
    assert why.refusal.command == TO
    world.advance("6 min")
    assert subjects(world, "alice") == ["One"]
    world.send("bob", ALICE, "Two")  # known now
    assert subjects(world, "alice") == ["One", "Two"]
    states = [event["state"] for event in world.trace.of_kind("greylist")]
    assert states == ["new", "passed", "known"]


def test_who_does_not_come_again_is_not_heard(world):
    world.configure(ALPHA, defence={"greylisting": {"delay": 60, "window": 120}})
    assert mail(world, ALICE)[0].startswith("450 4.7.1")
    assert mail(world, ALICE)[0].startswith("450 4.7.1")  # too early
    world.advance(200)
    assert mail(world, ALICE)[0].startswith("450 4.7.1")  # too late: a new one
    world.advance(61)
    assert mail(world, ALICE)[0].startswith("250")
    world.configure(ALPHA, defence={"greylisting": {"delay": 0}})
    assert mail(world, ALICE, sender="new@x.example")[0].startswith("250")


def test_what_is_refused_anyway_is_not_remembered(world):
    world.configure(ALPHA, defence={"greylisting": {"delay": "5 min"}})
    assert mail(world, "x@far.example")[0].startswith("550")
    assert mail(world, "nobody@alpha.example")[0].startswith("550")
    assert world.server(ALPHA).doorkeeper.triplets == {}


# Wrong passwords ----------------------------------------------------------------------

GUESSES = {
    25: (HELLO, plain(ALICE, "x")),
    110: ("USER alice", "PASS x"),
    143: ("a LOGIN alice x",),
}


@pytest.mark.parametrize("last", GUESSES)
def test_three_wrong_passwords_by_any_protocol(world, last):
    ban = {"attempts": 3, "window": "10 min", "ban": "30 min"}
    world.configure(ALPHA, defence={"autoblock": ban})
    order = [port for port in GUESSES if port != last] + [last]
    replies = [ask(world, *GUESSES[port], port=port)[-1] for port in order]
    ends = {25: "421 4.7.0", 110: "-ERR [SYS/PERM] Too many", 143: "* BYE Too many"}
    assert ends[last] in replies[-1]
    assert not any(end in said for said in replies[:-1] for end in ends.values())
    assert ask(world) == [f"554 5.7.1 {BOB_PC} is banned for now"]
    explained(world, "defence.autoblock", "RFC 5321 §3.1")
    assert ask(world, port=110)[0].startswith("-ERR")
    assert "BYE" in ask(world, port=143)[0]
    assert ask(world, host="alice-pc")[0].startswith("220")
    world.advance("31 min")
    assert ask(world, HELLO, LOGIN)[-1].startswith("235")


def test_a_ban_ends_what_is_open_at_the_next_guess(world):
    world.configure(ALPHA, defence={"autoblock": {"attempts": 1}})
    consoles = {port: world.console("bob-pc", ALPHA, port) for port in (25, 110, 143)}
    assert ask(world, *GUESSES[25])[-1].startswith("421")
    right = {
        25: (HELLO, LOGIN),
        110: ("USER alice", "PASS rabbit-hole"),
        143: ("a LOGIN alice rabbit-hole",),
    }
    for port, lines in right.items():
        said = [consoles[port].say(line) for line in lines][-1]
        assert "421" in said or "Too many" in said
    reasons = [event["reason"] for event in world.trace.of_kind("auth")]
    assert sum("banned" in reason for reason in reasons) == 3


def test_the_window_and_who_is_exempt(world):
    world.configure(ALPHA, defence={"autoblock": {"attempts": 2, "window": "1 min"}})
    for _ in range(3):
        assert ask(world, *GUESSES[25])[-1].startswith("535")
        world.advance(61)
    world.configure(ALPHA, defence={"exempt": [BOB_PC]})
    for _ in range(3):
        assert ask(world, *GUESSES[25])[-1].startswith("535")
    world.configure(ALPHA, defence={"exempt": []})
    assert ask(world, *GUESSES[25])[-1].startswith("535")
    assert ask(world, *GUESSES[25])[-1].startswith("421")
    explained(world, "defence.autoblock", "RFC 5321 §3.8")


@pytest.mark.parametrize("port", GUESSES)
def test_a_ban_may_be_told_or_not(world, port):
    world.server(ALPHA).doorkeeper.ban(BOB_PC, 600, "an administrator")
    assert ask(world, port=port)[0] != ""
    world.configure(ALPHA, defence={"tell_bans": "drop"})
    assert ask(world, port=port)[0] == ""
    assert world.trace.of_kind("reset")
    explained(world, "defence.autoblock", "RFC 5321 §3.1")
    world.configure(ALPHA, defence={"tell_bans": "refuse"})
    assert ask(world, port=port)[0] != ""


# A tarpit -----------------------------------------------------------------------------


def seconds(world, console, line):
    """How long a reply takes."""
    before = world.time
    said = console.say(line)
    return said[:3], round(world.time - before - 0.5)


def test_refusals_take_their_time(world):
    world.configure(ALPHA, defence={"tarpit": 7, "tarpit_after": 1})
    with world.console("bob-pc", ALPHA, 25) as console:
        console.say(HELLO)
        console.say(FROM)
        nobody = "RCPT TO:<nobody@alpha.example>"
        assert seconds(world, console, nobody) == ("550", 0)
        assert seconds(world, console, nobody) == ("550", 7)
        assert seconds(world, console, TO) == ("250", 0)
        world.configure(ALPHA, defence={"tarpit": 2})
        assert seconds(world, console, nobody) == ("550", 2)
        world.configure(ALPHA, defence={"exempt": [BOB_PC]})
        assert seconds(world, console, nobody) == ("550", 0)


def test_who_logged_in_may_mistype(world):
    world.configure(ALPHA, defence={"tarpit": 7})
    with world.console("bob-pc", ALPHA, 25) as console:
        for line in (HELLO, LOGIN, FROM):
            console.say(line)
        nobody = "RCPT TO:<nobody@alpha.example>"
        assert seconds(world, console, nobody) == ("550", 0)


def test_two_runs_are_the_same():
    lines = []
    for _ in range(2):
        with dressed_world("maillab", access=OPEN) as world:
            world.configure(ALPHA, defence={"greylisting": {"delay": "4 min"}})
            world.send("bob", ALICE, "One")
            world.advance("6 min")
            world.send("alice", BOB, "Two")
            kinds = ("line", "policy", "greylist", "accepted")
            told = [event for event in world.trace if event.kind in kinds]
            lines.append([(e.time_ns, e.host, e.get("octets")) for e in told])
    assert len(lines[0]) > 50
    assert lines[0] == lines[1]
