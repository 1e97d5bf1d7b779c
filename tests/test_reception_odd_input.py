"""Odd input with every rule switched on: answers, no failures, nothing that leaks."""

import random
import re

import pytest

from tests.reception_worlds import ALICE, ALPHA, BOB, HELLO, TEXT, TO, ask, plain
from tests.worlds import Journal, dressed_world

EVERYTHING = {
    "limits": {"messages_per_hour": 1000, "recipients_per_hour": 1000, "hops": 30},
    "access": {
        "login_on_port_25": True,
        "plain_login": True,
        "mechanisms": ["PLAIN", "LOGIN", "SCRAM-SHA-256"],
        "vrfy": "tell",
        "expn": "tell",
        "check_sender_domain": True,
    },
    "relay": {"networks": ["198.51.100.0/24"], "sender_match": "account"},
    "recipients": {
        "separator": "+",
        "aliases": {"sales@alpha.example": [ALICE]},
        "lists": {"team@alpha.example": {"members": [ALICE], "mode": "members"}},
        "alias_domains": {"wonder.example": "alpha.example"},
        "default_quota": "1 MB",
    },
    "remote_domains": [{"name": "*.partner.example", "allow_relay": True}],
    "defence": {
        "dnsbl": ["bl.beta.example"],
        "greylisting": {"delay": 60},
        "tarpit": 1,
        "tarpit_after": 5,
    },
}
PARTS = [
    "alice", "team", "sales", '"alice"', '"a b"', "postmaster", "+", "@", "%", "!",
    "alpha.example", "beta.example", "x.partner.example", "wonder.example", "..",
    "[192.0.2.25]", "[IPv6:::1]", "[IPv6:]", "xn--", "b\u00fccher.example", "<", ">",
    "\\", '"', " ", "\t", "\x00", "\x7f", "SIZE=9", "BODY=8BITMIME", "SMTPUTF8",
    "RET=FULL", "NOTIFY=NEVER", "AUTH=<>", "x" * 70, ",", ":", ";", "=", "--", "0",
]  # fmt: skip
VERBS = [
    "MAIL FROM:<", "RCPT TO:<", "VRFY ", "EXPN ", "EHLO ", "AUTH ", "AUTH PLAIN ",
    "RSET ", "NOOP ", "HELP ", "ETRN @", "BDAT ", "STARTTLS ", "",
]  # fmt: skip
SECRETS = re.compile(
    r"Traceback|Error\b(?! in processing)|maillab/|\.py|None|Verdict|<obj"
)


def odd_lines(seed, count):
    """Lines that nobody should say."""
    generator = random.Random(seed)
    for _ in range(count):
        verb = generator.choice(VERBS)
        parts = generator.choices(PARTS, k=generator.randrange(1, 6))
        end = ">" if verb.endswith("<") and generator.random() < 0.8 else ""
        if verb.endswith("<") and generator.random() < 0.6:
            name, domain = generator.choices(PARTS, k=2)
            parts = [name, "@", domain]
        yield verb + "".join(parts) + end


@pytest.mark.parametrize("seed", range(6))
def test_odd_lines_are_answered_and_nothing_of_ours_shows(seed):
    with dressed_world("maillab", **EVERYTHING) as world:
        world.configure(ALPHA, limits={"bad_commands": 0})
        console = world.console("bob-pc", ALPHA, 25)
        console.say(HELLO)
        for number, line in enumerate(odd_lines(seed, 60)):
            if number % 7 == 0:
                console.say("RSET")
                console.say(f"MAIL FROM:<{BOB}>")
            said = console.say(line)
            if said[:3] in ("220", "221", "421") or line.startswith("BDAT"):
                console.close()
                console = world.console("bob-pc", ALPHA, 25)
                console.say(HELLO)
            elif said.startswith("334"):
                assert console.say("*").startswith("501")
            assert re.match(r"[2-5]\d\d[ -]", said) or line.startswith("BDAT"), line
            assert not SECRETS.search(said), (line, said)
        assert Journal(world).failures == []
        for event in world.trace.of_kind("policy"):
            world.why(event.connection) if event["verdict"] == "refuse" else None


def test_reasons_stay_in_the_trace():
    """What a policy knows is never said to a peer."""
    with dressed_world("maillab", **EVERYTHING) as world:
        world.configure(ALPHA, defence={"autoblock": {"attempts": 2, "ban": 600}})
        ask(world, HELLO, "MAIL FROM:<x@no.such.example>")
        ask(world, HELLO, f"MAIL FROM:<{BOB}>", TO, "RCPT TO:<x@far.example>")
        ask(world, HELLO, plain("nobody", "x"), plain(ALICE, "x"))
        ask(world)
        said = b"".join(
            event["octets"]
            for event in world.trace.of_kind("line")
            if event["speaker"] == "S"
        ).decode()
        reasons = [event["reason"] for event in world.trace.of_kind("policy", "auth")]
        assert len(reasons) >= 6
        for reason in reasons:
            assert reason not in said


def test_a_failure_of_ours_is_a_local_error():
    with dressed_world("maillab") as world:
        mta = world.server(ALPHA).mta

        def broken(_submission):
            raise RuntimeError("secret")

        mta.accept = broken
        replies = ask(world, HELLO, f"MAIL FROM:<{BOB}>", TO, "DATA")
        assert replies[-1].startswith("354")
        with world.console("bob-pc", ALPHA, 25) as console:
            for line in (HELLO, f"MAIL FROM:<{BOB}>", TO, "DATA"):
                console.say(line)
            assert console.say(*TEXT) == "451 4.3.0 Local error in processing"
            assert console.say("NOOP").startswith("250")
        assert len(Journal(world).failures) == 1
