"""Who one is: mechanisms, logins, accounts that end, directories out of reach."""

import base64
import hashlib
import hmac

import pytest

from maillab.agents.smtp_dialogue import SMTPDialogue
from maillab.world.world import World
from tests.reception_worlds import (
    ALICE,
    ALPHA,
    BETA,
    FROM,
    HELLO,
    LOGIN,
    TEXT,
    TO,
    ask,
    explained,
    plain,
    written_world,
)
from tests.worlds import Journal, dressed_world

AWAY = "RCPT TO:<bob@beta.example>"
ON_25 = {"login_on_port_25": True, "plain_login": True}


@pytest.fixture
def world():
    with dressed_world("maillab", access=ON_25) as opened:
        yield opened
        assert Journal(opened).failures == []


async def log_in(world: World, mechanism: str, password: str, port: int = 587):
    stream = await world.host("bob-pc").connect(ALPHA, port)
    dialogue = SMTPDialogue(world.host("bob-pc"), stream)
    await dialogue.greeting()
    await dialogue.ehlo("pc.example")
    reply = await dialogue.login(ALICE, password, (mechanism,))
    await dialogue.quit()
    return str(reply)


# Where and how ------------------------------------------------------------------------


def test_logins_at_port_25(world):
    assert "AUTH PLAIN" in ask(world, HELLO)[1]
    world.configure(ALPHA, access={"login_on_port_25": False})
    assert "AUTH" not in ask(world, HELLO)[1]
    assert ask(world, HELLO, LOGIN)[-1] == "502 5.5.1 AUTH is not implemented here"
    explained(world, "access.login_on_port_25", "RFC 5321 §4.2.4")
    assert ask(world, HELLO, LOGIN, port=587)[-1].startswith("235")


def test_passwords_without_tls(world):
    assert ask(world, HELLO, LOGIN)[-1].startswith("235")
    world.configure(ALPHA, access={"plain_login": False})
    hello, refused = ask(world, HELLO, LOGIN)[1:]
    assert "AUTH" not in hello
    assert refused.startswith("538 5.7.11")
    why = explained(world, "access.plain_login", "RFC 4954 §6")
    assert why.origin.startswith("while the world ran: it is 'no' now; world.toml:")
    assert plain(ALICE, "rabbit-hole").split()[-1] not in why.text()


def test_pop3_and_imap_know_of_it_in_their_next_session(world):
    with world.console("bob-pc", ALPHA, 110) as before:
        world.configure(ALPHA, access={"plain_login": False})
        assert before.say("USER alice").startswith("+OK")
    assert ask(world, "USER alice", port=110)[-1].startswith("-ERR")
    assert "LOGINDISABLED" in ask(world, "a CAPABILITY", port=143)[-1]
    assert ask(world, "a LOGIN alice rabbit-hole", port=143)[-1].startswith("a NO")
    world.configure(ALPHA, access={"plain_login": True})
    assert ask(world, "USER alice", port=110)[-1].startswith("+OK")
    assert ask(world, "a LOGIN alice rabbit-hole", port=143)[-1].startswith("a OK")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256"])
def test_mechanisms_prove_who_one_is(world, mechanism):
    world.configure(ALPHA, access={"mechanisms": [mechanism]})
    offered = ask(world, HELLO)[1].splitlines()[-1]
    assert offered == f"250 AUTH {mechanism}"
    assert world.run(log_in(world, mechanism, "rabbit-hole")).startswith("235")
    assert world.run(log_in(world, mechanism, "guess")).startswith("535")
    other = "LOGIN" if mechanism == "PLAIN" else "PLAIN"
    assert ask(world, HELLO, f"AUTH {other}")[-1].startswith("504")
    explained(world, "access.mechanisms", "RFC 4954 §4")


def test_cram_md5_needs_passwords_that_can_be_read(tmp_path):
    toml = f'\n[hosts."{ALPHA}".mail.access]\nmechanisms = ["CRAM-MD5"]\n'
    host = f'[hosts."{ALPHA}"]\n'
    readable = (host, f"{host}reversible_passwords = true\n")
    with written_world(tmp_path, toml, host=readable) as world:
        assert world.run(log_in(world, "CRAM-MD5", "rabbit-hole")).startswith("235")
        assert world.run(log_in(world, "CRAM-MD5", "guess")).startswith("535")
        challenge = ask(world, HELLO, "AUTH CRAM-MD5", port=587)[-1].split()[1]
        digest = hmac.new(b"", base64.b64decode(challenge), hashlib.md5).hexdigest()
        nobody = base64.b64encode(f"nobody {digest}".encode()).decode()
        assert ask(world, HELLO, "AUTH CRAM-MD5", nobody, port=587)[-1][:3] == "535"
        assert ask(world, HELLO, "AUTH CRAM-MD5", "*", port=587)[-1][:3] == "501"


def test_no_challenge_comes_twice_not_even_at_another_port(tmp_path):
    """Else an answer that was overheard at one port would be good at the other."""
    host = f'[hosts."{ALPHA}"]\n'
    readable = (host, f"{host}reversible_passwords = true\n")
    with written_world(tmp_path, "", host=readable) as world:
        world.configure(ALPHA, access={**ON_25, "mechanisms": ["CRAM-MD5"]})
        lines = (HELLO, "AUTH CRAM-MD5")
        said = [ask(world, *lines, port=port)[-1] for port in (25, 587, 25, 587)]
        assert len(set(said)) == 4


def salt_of(world, user, port):
    """What SCRAM tells of a user before it knows who asks."""
    first = base64.b64encode(f"n,,n={user},r=abc".encode()).decode()
    said = ask(world, HELLO, f"AUTH SCRAM-SHA-256 {first}", port=port)[-1]
    return base64.b64decode(said.split()[1]).decode().split(",")[1]


@pytest.mark.parametrize("user", ["alice", "nobody"])
def test_scram_tells_the_same_salt_at_every_port(world, user):
    """Whoever is unknown has a salt too, or else strangers learn who is known."""
    assert len({salt_of(world, user, port) for port in (25, 587, 25)}) == 1


# What nobody hears --------------------------------------------------------------------

WRONG = {
    plain("nobody", "x"): "no such account",
    plain(ALICE, "x"): "wrong password",
    "AUTH PLAIN " + base64.b64encode(b"bob\0alice\0rabbit-hole").decode(): "authzid",
}


def test_why_a_login_failed_is_in_the_trace_only(world):
    replies = ask(world, HELLO, *WRONG)[2:]
    assert set(replies) == {"535 5.7.8 Authentication credentials invalid"}
    reasons = [event["reason"] for event in world.trace.of_kind("auth")]
    assert len(reasons) == len(WRONG)
    for reason, expected in zip(reasons, WRONG.values(), strict=True):
        assert expected in reason


def test_a_disabled_account_is_refused_in_the_same_words(world):
    world.directory("alpha.example").disable_user("alice")
    assert (
        ask(world, HELLO, LOGIN)[-1] == "535 5.7.8 Authentication credentials invalid"
    )
    assert "disabled" in world.trace.of_kind("auth")[-1]["reason"]


# Accounts that end while somebody is logged in ----------------------------------------


def test_who_is_disabled_in_a_session_sends_no_more(world):
    people = world.directory("alpha.example")
    with world.console("bob-pc", ALPHA, 587) as console:
        for line in (HELLO, LOGIN, f"MAIL FROM:<{ALICE}>", AWAY):
            assert console.say(line)[:3] in ("250", "235")
        people.disable_user("alice")
        assert console.say(AWAY) == "530 5.7.0 Authentication required"
        console.say("RSET")
        assert (
            console.say(f"MAIL FROM:<{ALICE}>") == "530 5.7.0 Authentication required"
        )
        assert "disabled" in world.why("530").refusal.reason
        people.enable_user("alice")
        assert console.say(f"MAIL FROM:<{ALICE}>").startswith("250")


def test_a_login_ends_with_starttls(world):
    """RFC 3207 §4.2: the server discards all that it knows of the client."""
    with world.console("bob-pc", ALPHA, 25) as console:
        for line in (HELLO, LOGIN, "STARTTLS"):
            console.say(line)
        console.start_tls()
        console.say(HELLO)
        console.say(f"MAIL FROM:<{ALICE}>")
        assert console.say(AWAY) == "550 5.7.1 Relaying denied"
        console.say("RSET")
        assert console.say(LOGIN).startswith("235")


def test_rset_and_ehlo_forget_the_transaction_and_keep_the_login(world):
    for line in ("RSET", HELLO):
        with world.console("bob-pc", ALPHA, 25) as console:
            for before in (HELLO, LOGIN, FROM, AWAY):
                console.say(before)
            console.say(line)
            assert console.say("DATA").startswith("503")
            assert console.say(AWAY).startswith("503")
            assert console.say(f"MAIL FROM:<{ALICE}>").startswith("250")
            assert console.say(AWAY).startswith("250")


# A directory out of reach -------------------------------------------------------------

DC = """
[hosts."dc.alpha.example"]
address = "192.0.2.10"
"""


@pytest.fixture
def company(tmp_path):
    host = f'[hosts."{ALPHA}"]\n'
    elsewhere = (host, f'{host}accounts = "directory:dc.alpha.example"\n')
    with written_world(tmp_path, DC, host=elsewhere) as opened:
        opened.configure(ALPHA, access=ON_25)
        yield opened
        assert Journal(opened).failures == []


def test_nobody_can_say_who_lives_here(company):
    world = company
    with world.console("bob-pc", ALPHA, 25) as console:
        console.say(HELLO)
        console.say(FROM)
        world.power_off("dc.alpha.example")
        assert console.say(TO) == "451 4.3.0 Local error in processing"
        for line in (LOGIN,):
            console.say("RSET")
            said = console.say(line)
            assert said == "454 4.7.0 Temporary authentication failure"
        world.power_on("dc.alpha.example")
        console.say(FROM)
        assert console.say(TO).startswith("250")
        console.say("DATA")
        assert console.say(*TEXT).startswith("250")


def test_no_attack_is_counted_while_nobody_can_say(company):
    world = company
    world.configure(ALPHA, defence={"autoblock": {"attempts": 1}})
    world.power_off("dc.alpha.example")
    for line in (LOGIN, plain(ALICE, "x")):
        assert ask(world, HELLO, line)[-1].startswith("454 4.7.0")
    assert world.server(ALPHA).doorkeeper.bans == ()
    scram = "AUTH SCRAM-SHA-256 " + base64.b64encode(b"n,,n=alice,r=abc").decode()
    world.configure(ALPHA, access={"mechanisms": ["SCRAM-SHA-256"]})
    assert ask(world, HELLO, scram)[-1].startswith("454 4.7.0")


def test_mail_that_waits_for_a_directory_is_kept(company):
    world = company
    world.power_off("dc.alpha.example")
    world.send("bob", ALICE, "Later")
    assert len(world.server(BETA).queue.entries) == 1
    world.power_on("dc.alpha.example")
    world.advance("20 min")
    [letter] = world.mailbox("alice").messages
    assert b"Subject: Later" in letter.content
