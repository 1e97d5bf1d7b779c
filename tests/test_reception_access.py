"""Who may connect, and what a server offers: each setting acts, and `why` names it."""

import pytest

from tests.reception_worlds import (
    ALICE,
    ALPHA,
    BETA,
    BOB,
    FROM,
    HELLO,
    TEXT,
    TO,
    ask,
    explained,
    mail,
    subjects,
)
from tests.worlds import Journal, dressed_world

BOB_PC = "203.0.113.101"


@pytest.fixture
def world():
    with dressed_world("maillab") as opened:
        yield opened
        assert Journal(opened).failures == []


def greetings(world, host="bob-pc"):
    """The first words at the ports of SMTP, POP3 and IMAP."""
    return [ask(world, host=host, port=port)[0].split()[0] for port in (25, 110, 143)]


# Who may connect ----------------------------------------------------------------------


def test_only_who_is_granted_may_connect(world):
    world.configure(ALPHA, access={"grant": ["192.0.2.0/24"]})
    [refused] = ask(world)
    assert refused == f"554 5.7.1 {ALPHA} takes no mail from {BOB_PC}"
    why = explained(world, "access.grant", "RFC 5321 §3.1")
    assert why.refusal.command == ""
    assert greetings(world) == ["554", "-ERR", "*"]
    assert greetings(world, "alice-pc") == ["220", "+OK", "*"]
    assert ask(world, HELLO, "NOOP", "QUIT")[1:] == [
        "503 5.5.1 No SMTP service here: say QUIT",
        "503 5.5.1 No SMTP service here: say QUIT",
        f"221 2.0.0 {ALPHA} closes the connection",
    ]


def test_who_is_denied_may_not_connect_but_a_grant_goes_before(world):
    deny = {"deny": ["198.51.100.0/24", "203.0.113.0/24"]}
    world.configure(ALPHA, access=deny)
    assert ask(world)[0].startswith("554")
    explained(world, "access.deny.1", "RFC 5321 §3.1")
    world.configure(ALPHA, access={"grant": [BOB_PC]})
    assert ask(world)[0].startswith("220")
    world.configure(ALPHA, access={"grant": [], "deny": []})
    assert ask(world, host="bob-pc")[0].startswith("220")


def test_ip_ranges_decide_about_protocols_and_ways(world):
    ranges = {
        "All": {
            "first": "0.0.0.0",
            "last": "255.255.255.255",
            "protocols": ["smtp"],
            "relays": ["external-local"],
        },
        "Alpha": {"first": "192.0.2.0", "last": "192.0.2.255", "priority": 20},
    }
    world.configure(ALPHA, access={"ip_ranges": ranges})
    assert greetings(world) == ["220", "-ERR", "*"]
    assert greetings(world, "alice-pc") == ["220", "+OK", "*"]
    assert mail(world, ALICE)[0].startswith("250")
    assert mail(world, "x@far.example")[0].startswith("550")
    explained(world, "access.ip_ranges.0.relays", "RFC 5321 §7.9")
    assert mail(world, "x@far.example", host="alice-pc")[0].startswith("250")
    ranges["All"]["login_for"] = ["external-local"]
    world.configure(ALPHA, access={"ip_ranges": ranges})
    assert mail(world, ALICE) == ["530 5.7.0 Authentication required"]
    explained(world, "access.ip_ranges.0.login_for", "RFC 4954 §6")


def test_an_ip_range_expires(world):
    ranges = [
        {"name": "All", "first": "0.0.0.0", "last": "255.255.255.255"},
        {
            "name": "Not bob",
            "first": BOB_PC,
            "last": BOB_PC,
            "priority": 50,
            "protocols": [],
            "expires": world.time + 600,
        },
    ]
    world.configure(ALPHA, access={"ip_ranges": ranges})
    assert ask(world)[0].startswith("554")
    explained(world, "access.ip_ranges.1.protocols", "RFC 5321 §3.1")
    world.advance("11 min")
    assert ask(world)[0].startswith("220")


def test_a_server_for_those_who_log_in_only(world):
    world.configure(ALPHA, access={"anonymous": False})
    assert mail(world, ALICE) == ["530 5.7.0 Authentication required"]
    why = explained(world, "access.anonymous", "RFC 4954 §6")
    assert why.refusal.command == FROM
    world.send("alice", ALICE, "Still here")
    assert subjects(world, "alice") == ["Still here"]


# What is offered ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "word",
    ["PIPELINING", "SIZE", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING", "STARTTLS"],
)
def test_a_hidden_extension_is_neither_announced_nor_there(world, word):
    assert f"250-{word}" in ask(world, HELLO)[1] + "250-STARTTLS"
    world.configure(ALPHA, access={"hide": [word.lower()]})
    assert word not in ask(world, HELLO)[1]
    assert mail(world, ALICE)[-1].startswith("250")


def test_hidden_commands_are_not_implemented_and_why_says_so(world):
    hidden = {"STARTTLS": "STARTTLS", "AUTH": "AUTH PLAIN", "CHUNKING": "BDAT 0 LAST"}
    world.configure(ALPHA, access={"hide": list(hidden)})
    for line in hidden.values():
        said = ask(world, HELLO, line)[-1]
        assert said == f"502 5.5.1 {line.split()[0]} is not implemented here"
        explained(world, "access.hide", "RFC 5321 §4.2.4")


def test_hidden_parameters_are_unknown(world):
    world.configure(ALPHA, access={"hide": ["SIZE", "DSN"]})
    assert ask(world, HELLO, f"{FROM} SIZE=10")[-1].startswith("555")
    assert ask(world, HELLO, f"{FROM} RET=HDRS")[-1].startswith("555")


def test_hidden_enhanced_codes_are_not_sent(world):
    world.configure(ALPHA, access={"hide": ["ENHANCEDSTATUSCODES"]})
    assert ask(world, HELLO, "NOOP")[-1] == "250 Nothing done"


def test_tls_may_be_required_at_a_port(world):
    world.configure(ALPHA, access={"tls_required": [25]})
    replies = ask(world, HELLO, FROM, "NOOP")
    assert replies[2] == "530 5.7.0 Must issue a STARTTLS command first"
    assert replies[3].startswith("250")
    explained(world, "access.tls_required", "RFC 3207 §4")
    with world.console("bob-pc", ALPHA, 25) as console:
        console.say(HELLO)
        console.say("STARTTLS")
        console.start_tls()
        assert console.say(FROM).startswith("503")  # nothing is left of before
        console.say(HELLO)
        assert console.say(FROM).startswith("250")
    world.send("bob", ALICE, "By TLS")
    assert subjects(world, "alice") == ["By TLS"]


# VRFY and EXPN ------------------------------------------------------------------------

STAFF = {"staff@alpha.example": {"members": [ALICE, BOB]}}
ASKED = [
    ("tell", "VRFY alice", f"250 2.1.5 <{ALICE}>"),
    ("tell", f"VRFY <{ALICE}>", f"250 2.1.5 <{ALICE}>"),
    ("tell", 'VRFY "alice"@alpha.example', '250 2.1.5 <"'),
    ("tell", "VRFY nobody", "550 5.1.1"),
    ("tell", f"VRFY {BOB}", "252 2.5.0"),  # not ours: nobody can say
    ("tell", "VRFY @", "550 5.1.1"),
    ("tell", "VRFY <>", "550 5.1.1"),
    ("tell", "VRFY a@b@alpha.example", "550 5.1.1"),
    ("tell", "VRFY " + "x" * 300, "550 5.1.1"),
    ("hide", "VRFY alice", "252 2.5.0"),
    ("hide", "VRFY nobody", "252 2.5.0"),
    ("off", "VRFY alice", "502 5.5.1"),
    ("tell", "EXPN staff", f"250-2.1.5 <{ALICE}>\n250 2.1.5 <{BOB}>"),
    ("tell", f"EXPN {ALICE}", "550"),
    ("tell", f"EXPN {BOB}", "550"),
    ("tell", "EXPN nobody", "550"),
    ("hide", "EXPN staff", "252"),
    ("off", "EXPN staff", "502 5.5.1"),
]


@pytest.mark.parametrize(("how", "line", "reply"), ASKED)
def test_what_strangers_hear_of_people(world, how, line, reply):
    key = line[:4].lower()
    world.configure(ALPHA, access={key: how}, recipients={"lists": STAFF})
    assert ask(world, HELLO, line)[-1].startswith(reply)
    if how == "off":
        explained(world, f"access.{key}", "RFC 5321 §4.2.4")


# Whose domain can get mail ------------------------------------------------------------


def test_a_sender_whose_domain_gets_no_mail(world):
    world.zone("beta.example").add("null", "MX", "0 .")
    assert mail(world, ALICE, sender="x@no.such.example")[0].startswith("250")
    world.configure(ALPHA, access={"check_sender_domain": True})
    cases = {
        "x@no.such.example": "550 5.1.8",
        "x@null.beta.example": "550 5.7.27",
        BOB: "250",
        ALICE: "250",
        "": "250",
        "x@[203.0.113.9]": "250",
    }
    for sender, reply in cases.items():
        assert mail(world, ALICE, sender=sender)[0].startswith(reply), sender
    why = world.why("no.such.example", server=ALPHA)
    assert why.refusal.setting == "access.check_sender_domain"
    assert why.refusal.ref == "RFC 2505 §2.9"
    for name in ("a.nic.example", "a.root-servers.example"):
        world.power_off(name)
    later = mail(world, ALICE, sender="x@other.example")
    assert later == ["451 4.1.8 The DNS does not answer"]
    explained(world, "access.check_sender_domain", "RFC 2505 §2.9")


# Smuggling ----------------------------------------------------------------------------

SMUGGLED = (
    b"Subject: One\r\n\r\nHi\n.\nMAIL FROM:<admin@beta.example>\r\n"
    b"RCPT TO:<bob@beta.example>\r\nDATA\r\nSubject: Two\r\n\r\nPay\r\n.\r\n"
)


def smuggle(world):
    """From alice-pc by alpha, which passes octets on, to a mailbox at beta."""
    with world.console("alice-pc", ALPHA, 25) as console:
        for line in (HELLO, f"MAIL FROM:<{ALICE}>", f"RCPT TO:<{BOB}>", "DATA"):
            console.say(line)
        said = console.send_raw(SMUGGLED)
    world.settle()
    return said


def test_a_vulnerable_server_takes_one_message_for_two(world):
    """Whoever hands it in lets LF pass, and means one message of its user."""
    world.configure(BETA, access={"smuggling": "vulnerable"})
    lines = ("MAIL FROM:<a@x.example>", f"RCPT TO:<{BOB}>", "DATA")
    with world.console("alice-pc", BETA, 25) as console:
        for line in (HELLO, *lines):
            console.say(line)
        console.send_raw(SMUGGLED)
    world.settle()
    assert subjects(world, "bob") == ["One", "Two"]
    assert (
        b"Return-Path: <admin@beta.example>" in world.mailbox("bob").messages[1].content
    )


def test_a_server_that_keeps_bare_line_ends_takes_exactly_one_message(world):
    world.configure(BETA, access={"smuggling": "keep"})
    lines = ("MAIL FROM:<a@x.example>", f"RCPT TO:<{BOB}>", "DATA")
    with world.console("alice-pc", BETA, 25) as console:
        for line in (HELLO, *lines):
            console.say(line)
        assert console.send_raw(SMUGGLED).startswith("250")
    world.settle()
    [kept] = world.mailbox("bob").messages
    assert b"MAIL FROM:<admin@beta.example>" in kept.content


def test_a_strict_server_takes_it_for_one_or_not_at_all(world):
    world.configure(ALPHA, relay={"networks": "192.0.2.0/24"})
    assert smuggle(world).startswith("554 5.6.0")
    assert subjects(world, "bob") == []
    with world.console("alice-pc", BETA, 25) as console:
        for line in (HELLO, f"MAIL FROM:<{ALICE}>", f"RCPT TO:<{BOB}>", "DATA"):
            console.say(line)
        assert console.say(*TEXT).startswith("250")
    world.settle()
    assert subjects(world, "bob") == ["Hello"]


def test_to_is_still_taken(world):
    assert ask(world, HELLO, FROM, TO)[-1].startswith("250")
