"""Limits of a server that receives mail: each acts, at once, and `why` names it."""

import pytest

from tests.reception_worlds import (
    ALICE,
    ALPHA,
    FROM,
    HELLO,
    LOGIN,
    TEXT,
    TO,
    ask,
    explained,
    mail,
    plain,
    subjects,
    written_world,
)
from tests.worlds import Journal, dressed_world

RFC_SIZE = "RFC 1870 §6.1"
MANY = [f"RCPT TO:<x{number}@alpha.example>" for number in range(3)]

# What is configured, what is said, the last reply before and after, and why.
CASES = {
    "message_size": (
        {"message_size": "1 KB"},
        (HELLO, f"{FROM} SIZE=2000"),
        "250 2.1.0",
        "552 5.3.4",
        RFC_SIZE,
    ),
    "session_size": (
        {"session_size": 30},
        (HELLO, FROM, TO, "DATA", *[TEXT], FROM, TO, "DATA", *[TEXT]),
        "250 2.0.0",
        "452 4.3.1",
        RFC_SIZE,
    ),
    "messages": (
        {"messages": 1},
        (HELLO, FROM, "RSET", FROM),
        "250 2.1.0",
        "452 4.5.3",
        "RFC 9422 §4.1",
    ),
    "recipients": (
        {"recipients": 1},
        (HELLO, FROM, TO, TO),
        "250 2.1.5",
        "452 4.5.3",
        "RFC 5321 §4.5.3.1.10",
    ),
    "bad_commands": (
        {"bad_commands": 1},
        ("WHAT", "WHAT"),
        "500 5.5.2",
        "421 4.7.0",
        "RFC 5321",
    ),
    "hops": (
        {"hops": 2},
        (HELLO, FROM, TO, "DATA", ("Received: a", "Received: b", "", ".")),
        "250 2.0.0",
        "554 5.4.6",
        "RFC 5321 §6.3",
    ),
}


@pytest.fixture
def world():
    with dressed_world("maillab") as opened:
        yield opened
        assert Journal(opened).failures == []


def last(world, lines):
    with world.console("bob-pc", ALPHA, 25) as console:
        said = ""
        for line in lines:
            said = console.say(*([line] if isinstance(line, str) else line))
        return said


@pytest.mark.parametrize("name", CASES)
def test_a_limit_acts_in_the_next_session_and_says_why(world, name):
    change, lines, before, after, rfc = CASES[name]
    assert last(world, lines).startswith(before)
    world.configure(ALPHA, limits=change)
    assert last(world, lines).startswith(after)
    why = explained(world, f"limits.{name}", rfc)
    assert why.origin.startswith("while the world ran: ")
    world.configure(ALPHA, limits={name: 0})  # no limit at all
    assert last(world, lines).startswith(before)


def test_a_limit_that_nobody_wrote_is_the_default(world):
    with world.console("bob-pc", ALPHA, 25) as console:
        assert "SIZE 36700160" in console.say(HELLO)
        assert console.say(f"{FROM} SIZE=36700161").startswith("552")
    why = explained(world, "limits.message_size", RFC_SIZE)
    assert why.origin.startswith("nowhere: the default of maillab is ")


def test_a_limit_of_the_scenario_file_has_its_line(tmp_path):
    toml = f'\n[hosts."{ALPHA}".mail.limits]\n# small\nmessage_size = "1 KB"\n'
    with written_world(tmp_path, toml) as world:
        ask(world, HELLO, f"{FROM} SIZE=2000")
        why = explained(world, "limits.message_size", RFC_SIZE)
        lines = world.loaded.text.splitlines()
        number = int(why.origin.split(":")[1])
        assert lines[number - 1] == 'message_size = "1 KB"'
        assert why.origin.startswith(f"world.toml:{number}: ")
        world.configure(ALPHA, limits={"message_size": "1.25 KB"})
        ask(world, HELLO, f"{FROM} SIZE=2000")
        why = explained(world, "limits.message_size", RFC_SIZE)
        assert why.origin.startswith("while the world ran: ")
        assert f"; world.toml:{number} says " in why.origin


def test_what_is_announced_is_what_holds_to_the_end_of_the_session(world):
    with world.console("bob-pc", ALPHA, 25) as console:
        console.say(HELLO)
        world.configure(ALPHA, limits={"message_size": 10})
        assert console.say(f"{FROM} SIZE=2000").startswith("250")


# Hops, at once ------------------------------------------------------------------------


def test_hops_act_within_a_session(world):
    with world.console("bob-pc", ALPHA, 25) as console:
        for line in (HELLO, FROM, TO, "DATA"):
            console.say(line)
        world.configure(ALPHA, limits={"hops": 1})
        assert console.say("Received: x", "", ".").startswith("554 5.4.6")


# Connections --------------------------------------------------------------------------

NUMBERS = ["connections", "connections_per_address"]


@pytest.mark.parametrize("name", NUMBERS)
def test_one_connection_too_many(world, name):
    with world.console("bob-pc", ALPHA, 25) as first:
        world.configure(ALPHA, limits={name: 1})
        [refused] = ask(world)
        assert refused == f"421 4.7.0 {ALPHA} too many connections"
        why = explained(world, f"limits.{name}", "RFC 5321 §3.8")
        assert why.refusal.rule == "connections"
        [other] = ask(world, host="alice-pc")
        assert other.startswith("421" if name == "connections" else "220")
        assert first.say("QUIT").startswith("221")
    assert ask(world)[0].startswith("220")


def test_who_never_begins_with_tls_is_counted_too(world):
    world.configure(ALPHA, limits={"connections_per_address": 1})
    silent = world.run(world.host("bob-pc").connect(ALPHA, 465))
    world.advance(1)
    assert ask(world)[0].startswith("421")
    world.run(silent.close())
    world.advance(1)
    assert ask(world)[0].startswith("220")


def test_a_refused_connection_is_not_counted(world):
    world.configure(ALPHA, limits={"connections": 1})
    with world.console("bob-pc", ALPHA, 25):
        for _ in range(3):
            assert ask(world)[0].startswith("421")
    assert ask(world)[0].startswith("220")


# Within an hour -----------------------------------------------------------------------


def test_messages_of_an_hour_slide(world):
    world.configure(ALPHA, limits={"messages_per_hour": 2})
    assert mail(world, ALICE)[-1].startswith("250")
    world.advance("30 min")
    assert mail(world, ALICE)[-1].startswith("250")
    assert mail(world, ALICE) == ["450 4.7.0 Too much mail for now: try again later"]
    why = explained(world, "limits.messages_per_hour", "RFC 2505 §2.8")
    assert why.refusal.command.startswith("MAIL")
    world.advance("31 min")
    assert mail(world, ALICE)[-1].startswith("250")
    world.settle()
    assert subjects(world, "alice") == ["Hello"] * 3


def test_what_was_refused_is_not_counted(world):
    world.configure(
        ALPHA, limits={"messages_per_hour": 1, "recipients_per_hour": 1, "hops": 1}
    )
    for _ in range(3):
        assert mail(world, "nobody@alpha.example") == ["550 5.1.1 No such user here"]
        assert mail(world, "x@far.example") == ["550 5.7.1 Relaying denied"]
    again = (HELLO, FROM, "RSET", FROM, "RSET", FROM)
    assert last(world, again).startswith("250")
    assert mail(world, ALICE)[-1].startswith("250")


def test_greylisted_recipients_are_not_counted(world):
    world.configure(
        ALPHA,
        limits={"recipients_per_hour": 1},
        defence={"greylisting": {"delay": "5 min"}},
    )
    for _ in range(3):
        assert mail(world, ALICE)[0].startswith("450 4.7.1")
    world.advance("6 min")
    assert mail(world, ALICE)[0].startswith("250")


def test_recipients_of_an_hour(world):
    world.configure(ALPHA, limits={"recipients_per_hour": 2})
    replies = mail(world, ALICE, "postmaster@alpha.example", ALICE)
    assert [one[:3] for one in replies] == ["250", "250", "450", "250"]
    explained(world, "limits.recipients_per_hour", "RFC 2505 §2.8")


def test_two_messages_at_one_time_are_two(world):
    """The check at MAIL came for both before one of them was there."""
    world.configure(ALPHA, limits={"messages_per_hour": 1})
    consoles = [world.console("bob-pc", ALPHA, 25) for _ in range(2)]
    for console in consoles:
        for line in (HELLO, FROM, TO, "DATA"):
            console.say(line)
    replies = [console.say(*TEXT)[:9] for console in consoles]
    assert replies == ["250 2.0.0", "450 4.7.0"]
    for console in consoles:
        console.close()
    world.settle()
    assert subjects(world, "alice") == ["Hello"]


def test_an_account_is_one_whatever_it_calls_itself(world):
    world.configure(
        ALPHA,
        limits={"messages_per_hour": 1},
        access={"login_on_port_25": True, "plain_login": True},
    )
    for user, code in ((ALICE, "250"), ("alice", "450")):
        lines = (HELLO, plain(user, "rabbit-hole"), FROM, TO, "DATA", TEXT)
        assert last(world, lines[:4] if code == "450" else lines)[:3] in (code, "503")
    assert world.why(server=ALPHA).refusal.reply.startswith("503")
    explained(world, "limits.messages_per_hour", "RFC 2505 §2.8", "450")


# Idle ---------------------------------------------------------------------------------


def test_who_says_nothing_has_to_go(world):
    world.configure(ALPHA, limits={"idle": "1 min"})
    console = world.console("bob-pc", ALPHA, 25)
    world.advance(61)
    assert console.say("NOOP").startswith("421 4.4.2")
    why = explained(world, "limits.idle", "RFC 5321 §4.5.3.2.7")
    assert why.refusal.reply == f"421 4.4.2 {ALPHA} timeout, closing the connection"


def test_patience_is_that_of_now(world):
    with world.console("bob-pc", ALPHA, 25) as console:
        world.advance("4 min")
        world.configure(ALPHA, limits={"idle": 0})
        assert console.say("NOOP").startswith("250")
        world.advance("3 days")
        assert console.say("NOOP").startswith("250")


# Guessing -----------------------------------------------------------------------------


def test_wrong_passwords_are_bad_commands_too(world):
    world.configure(
        ALPHA,
        limits={"bad_commands": 2},
        access={"login_on_port_25": True, "plain_login": True},
    )
    wrong = [plain(ALICE, f"guess{number}") for number in range(3)]
    replies = ask(world, HELLO, *wrong)
    assert [one[:3] for one in replies] == ["220", "250", "535", "535", "421"]
    explained(world, "limits.bad_commands", "RFC 5321 §3.8")
    assert ask(world, HELLO, LOGIN)[-1].startswith("235")
