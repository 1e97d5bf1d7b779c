"""labs/home-server: a mail server behind NAT, behind a provider that blocks port 25."""

import pytest

from maillab import open_world
from maillab.errors import LabError
from tests.worlds import Journal, queued

SERVER, BOB = "mail.home.example", "bob@bigmail.example"
ACCOUNT = ("relay.cloud.example", "home-server@cloud.example", "cheshire")


@pytest.fixture
def world():
    with open_world("home-server") as opened:
        yield opened
        assert Journal(opened).failures == []


def letters(world, who):
    return [stored.content.decode() for stored in world.mailbox(who).messages]


def test_a_letter_fails_directly_and_succeeds_through_the_cloud(world):
    world.send("alice", BOB, "Hello", "Are you there?")
    world.advance("3 min")
    [session] = world.trace.find_sessions(client=SERVER, port=25)
    assert session.outcome == "timed out"
    assert session.ended_ns - session.began_ns == 127_000_000_000
    [reason] = Journal(world).reasons("deferred")
    assert reason == "mx.bigmail.example [198.51.100.25]: Connection timed out"
    assert world.firewall("provider")[0].hits == 7
    assert letters(world, "bob") == []

    world.use_smart_host("home.example", *ACCOUNT)
    world.advance("10 min")
    [letter] = letters(world, "bob")
    assert "Subject: Hello" in letter
    assert "from mail.home.example ([203.0.113.77])" in letter
    assert "by relay.cloud.example with ESMTPSA" in letter
    assert queued(world, SERVER) == queued(world, "relay.cloud.example") == 0
    to_25 = world.trace.find_sessions(client=SERVER, port=25)
    assert len(to_25) == 1, "no SYN to port 25 leaves the flat any more"


def test_letters_come_in_by_the_forwarded_port(world):
    world.send("bob", "alice@home.example", "Hello")
    world.send("dora", "alice@home.example", "Hello")
    senders = [text.splitlines()[0] for text in letters(world, "alice")]
    assert senders == [
        "Return-Path: <bob@bigmail.example>",
        "Return-Path: <dora@megapost.example>",
    ]
    [nat, *_] = [e for e in world.trace.of_kind("nat") if e["inside"][1] == 25]
    assert nat["inside"] == ("192.168.1.10", 25)
    assert nat["outside"] == ("203.0.113.77", 25)


def test_the_large_providers_reach_each_other(world):
    world.send("bob", "dora@megapost.example", "Hello")
    assert len(letters(world, "dora")) == 1


def test_alice_reaches_her_server_by_its_public_name(world):
    world.send("bob", "alice@home.example", "Hello")
    assert len(world.read("alice")) == 1
    assert len(world.read("alice", "POP3")) == 1


def test_explain_names_the_rule_and_what_the_sender_will_see(world):
    explained = world.explain(SERVER, "mx.bigmail.example", 25)
    assert explained.outcome.sees == (
        "drop by provider, rule 1: 127 s, then timed out (SYN at 0, 1, 3, 7, 15, 31 "
        "and 63 s, no answer)"
    )
    places = [(step.place, step.what) for step in explained.path.steps]
    assert places == [
        (SERVER, "passes"),
        ("home-router", "is translated"),
        ("provider", "is dropped"),
    ]
    assert world.firewall("provider")[0].hits == 0, "nothing was counted"
    assert world.gateway("home-router").nat_text().count("\n") == 0
    assert len(world.trace) == 0


def really(world):
    """What happens to SERVER when it truly connects, in the words of a program."""
    call = world.host(SERVER).connect("198.51.100.25", 25)
    try:
        world.run(call, on=SERVER)
    except OSError as error:
        return error.strerror
    return "connected after"


@pytest.mark.parametrize(
    ("action", "keys", "sees"),
    [
        ("accept", {}, "connected after 31 ms"),
        ("drop", {}, "drop by provider, rule 1: 127 s, then timed out"),
        ("reject", {}, "reject: a RST comes from provider, rule 1 after 13 ms"),
        ("prohibit", {}, "prohibit: ICMP comes from provider, rule 1 after 13 ms"),
        ("tarpit", {}, "tarpit: connected after 13 ms, and then nothing"),
        ("delay", {"seconds": "1 s"}, "; but: delay out tcp to port 25 by 1 s"),
        ("lose", {"probability": 0.01}, "; but: lose out tcp to port 25 1% of"),
        ("throttle", {"rate": "64 kbit/s"}, "throttle out tcp to port 25 at 64 kbit/s"),
        ("redirect", {"to": "relay.cloud.example"}, "→ 192.0.2.80"),
    ],
)
def test_explain_and_the_truth_agree(world, action, keys, sees):
    world.firewall("provider").clear()
    rule = {"action": action, "direction": "out", "protocol": "tcp", "ports": 25}
    world.add_rule("provider", **rule, **keys)
    explained = world.explain(SERVER, "mx.bigmail.example", 25).outcome.sees
    assert sees in explained
    assert really(world).lower().removeprefix("connection ") in explained.lower()


@pytest.mark.parametrize(
    ("source", "target", "port", "sees"),
    [
        ("alice", "mx.bigmail.example", 143, "connected after 32 ms"),
        ("home", "mx.megapost.example", 587, "connected after 39 ms"),
        ("bob-pc", "mail.home.example", 80, "is unsolicited: dropped"),
        ("bob-pc", "mx.bigmail.example", 80, "nobody listens at port 80"),
        ("bob-pc", "192.168.1.10", 25, "no host: nobody has the address 192.168.1.10"),
        ("bob-pc", "nobody.example", 25, "the DNS has no address for nobody.example"),
        ("bob-pc", "2001:db8::1", 25, "no address of the same IP version"),
    ],
)
def test_what_explain_says_of_other_ways(world, source, target, port, sees):
    assert sees in world.explain(source, target, port).text()


def test_explain_sees_that_an_answer_would_be_lost(world):
    world.firewall("provider").clear()
    world.add_rule("provider", action="drop", direction="in")
    world.firewall("provider").tracking = "none"
    explained = world.explain(SERVER, "mx.bigmail.example", 25)
    assert explained.outcome.sees.startswith("the answer is lost: drop by provider")


def test_explain_of_a_server_that_is_off(world):
    world.power_off("mx.bigmail.example")
    sees = world.explain("bob-pc", "mx.bigmail.example", 25).outcome.sees
    assert sees.startswith("drop by mx.bigmail.example (it is off): 127 s")


def test_an_explanation_is_a_picture_with_words(world):
    explained = world.explain(SERVER, "mx.bigmail.example", 25)
    assert "✗ dropped" in explained.svg()
    assert "drop out tcp to port 25" in explained.html()
    assert explained.describe() in explained.text()


def test_a_power_cut_at_home_loses_no_letter(world):
    """Letters wait at the sender; what was queued at home goes out afterwards."""
    world.use_smart_host("home.example", *ACCOUNT)
    world.advance("1 s")
    world.power_off(SERVER)
    world.send("bob", "alice@home.example", "Hello")
    world.advance("1 day")
    assert letters(world, "alice") == []
    world.power_on(SERVER)
    world.advance("4 hours")
    assert len(letters(world, "alice")) == 1
    world.send("alice", BOB, "Thanks")
    assert len(letters(world, "bob")) == 1


@pytest.mark.parametrize("after_ms", range(50, 1050, 50))
def test_a_power_cut_in_the_middle_of_a_letter_loses_nothing(world, after_ms):
    world.use_smart_host("home.example", *ACCOUNT)
    world.user("alice").send(BOB, "Hello")
    world.advance(after_ms / 1000)
    world.power_off(SERVER)
    world.advance("30 min")
    world.power_on(SERVER)
    world.advance("12 h")
    assert len(letters(world, "bob")) >= 1
    assert queued(world, SERVER) == 0


def test_a_new_address_and_an_old_ttl(world):
    """Who has the old address in the cache goes astray until the TTL is over."""
    world.send("bob", "alice@home.example", "one")
    world.change_address("home-router", "203.0.113.99")
    world.zone("home.example").replace("mail", "A", "203.0.113.99")
    world.send("bob", "alice@home.example", "two")
    assert len(letters(world, "alice")) == 1
    world.advance("30 min")
    assert len(letters(world, "alice")) == 2


def test_a_wrong_name_gets_advice(world):
    with pytest.raises(LabError, match="did you mean 'provider'"):
        world.firewall("provder")
    with pytest.raises(LabError, match="there is no gateway 'alice-pc'"):
        world.gateway("alice-pc")
    with pytest.raises(LabError, match="'rejct' is not known; expected 'accept', "):
        world.add_rule("provider", action="rejct")
    with pytest.raises(LabError, match="there is no preset 'isp-block'"):
        world.add_preset("provider", "isp-block")


@pytest.mark.parametrize(
    ("user", "password", "reason"),
    [("home-server@cloud.example", "wrong", "535"), ("nobody", "x", "535")],
)
def test_a_wrong_password_at_the_smart_host_is_reported(world, user, password, reason):
    world.use_smart_host("home.example", "relay.cloud.example", user, password)
    world.send("alice", BOB, "Hello")
    world.advance("1 min")
    said = Journal(world).reasons("bounced") + Journal(world).reasons("deferred")
    assert reason in said[0]


def test_the_smart_host_never_gets_a_password_without_tls(world):
    world.add_rule("provider", action="strip-starttls", ports=587)
    world.use_smart_host("home.example", *ACCOUNT)
    world.send("alice", BOB, "Hello")
    world.advance("1 min")
    [reason, *_] = Journal(world).reasons("deferred")
    assert reason == (
        "relay.cloud.example offers no STARTTLS: the password was not sent"
    )
    assert "cheshire" not in world.trace.to_jsonl()


def test_a_resolver_without_power_forgets_what_it_knew(world):
    world.dig("mx.bigmail.example", host="alice-pc")
    cache = world.resolvers["dns.provider.example"].cache
    assert "mx.bigmail.example" in str(world.resolver("dns.provider.example").cache())
    world.power_off("dns.provider.example")
    world.power_on("dns.provider.example")
    assert cache.rows() == []


def test_explain_tells_of_other_addresses(world):
    world.zone("bigmail.example").add("mx", "A", "198.51.100.26")
    told = world.explain(SERVER, "mx.bigmail.example", 25).text()
    assert "(mx.bigmail.example has other addresses: 198.51.100.26.)" in told
    assert (
        "other addresses" not in world.explain(SERVER, "mx.megapost.example", 25).text()
    )
