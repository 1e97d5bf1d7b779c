"""What led to what, where much happens in the same instant; and where a chain ends."""

from collections.abc import Callable, Iterator

import pytest

from maillab import open_world
from maillab.world.world import World
from tests.worlds import plain_world

ALPHA, BETA, BOB = "mail.alpha.example", "mx.beta.example", "bob@beta.example"


@pytest.fixture
def world() -> Iterator[World]:
    with plain_world() as opened:
        yield opened


def talk_at_once(world: World, names: list[str], port: int, *rows: str) -> None:
    """Hosts of these names do the same in the same moments; `{me}` is their name."""

    async def talk(name: str, server: str) -> None:
        stream = await world.hosts[name].connect(server, port)
        await stream.read()
        for row in rows:
            stream.write(row.format(me=name).encode() + b"\r\n")
            await stream.read()
        await stream.close()

    for number, name in enumerate(names, 1):
        host = world.add_host(name, f"198.51.100.{170 + number}")
        host.spawn(talk(name, world.hosts[BETA].addresses[0]))
    world.advance("2 min")


# The same instant ---------------------------------------------------------------------


def test_deliveries_to_one_address_at_once_are_told_apart(world: World) -> None:
    world.power_off(BETA)
    for number in range(2):
        world.user("alice").send(BOB, "Hello", "")
        world.user("alice").send(f"nobody{number}@beta.example", "Hello", "")
    world.settle()
    world.advance("20 min")
    world.power_on(BETA)
    world.advance("20 min")
    trace = world.trace
    tried = {e.number: e for e in trace.of_kind("attempt") if not e.connection}
    opened = [e for e in trace.of_kind("connect") if e.host == ALPHA]
    assert sorted(n for e in opened for n in e["cause"]) == sorted(tried)
    moments = [e.time_ns for e in opened]
    assert len(set(moments)) < len(moments), "some were opened at once"
    for bounced in trace.of_kind("bounced"):
        root = trace.why(bounced).root
        assert root["subject"] == f"RCPT TO:<{bounced['recipient']}>"
    for kind in ("relayed", "accepted"):
        for event in trace.of_kind(kind):
            causes = [e for e in trace.causes(event) if e.kind == "attempt"]
            assert {e["message"] for e in causes} <= {event["message"]}
            assert causes or event.host == ALPHA


def test_one_message_for_two_domains_has_an_attempt_for_each(world: World) -> None:
    world.configure(ALPHA, recipients={"aliases": {"all@alpha.example": [BOB]}})
    world.user("alice").send([BOB, "x@nowhere.example"], "Hello", "")
    world.settle()
    (relayed,) = world.trace.of_kind("relayed")
    tried, took = world.trace.causes(relayed)
    assert tried["recipients"] == (BOB,)
    assert took.connection == relayed.connection


def test_who_is_greylisted_at_the_same_moment_is_told_apart(world: World) -> None:
    world.configure(BETA, defence={"greylisting": {"delay": "5 min"}})
    rows = ("EHLO x", "MAIL FROM:<a@{me}.example>", f"RCPT TO:<{BOB}>", "QUIT")
    talk_at_once(world, ["one", "two"], 25, *rows)
    trace = world.trace
    refused = [e for e in trace.of_kind("policy") if e["rule"] == "greylisting"]
    assert len({e.time_ns for e in refused}) == 1
    met = [e for r in refused for e in trace.causes(r) if e.kind == "greylist"]
    assert [e["sender"] for e in met] == ["<a@one.example>", "<a@two.example>"]


def test_who_is_banned_at_the_same_moment_is_told_apart(world: World) -> None:
    world.configure(BETA, defence={"autoblock": {"attempts": 2}})
    rows = ("USER bob", "PASS {me}", "USER bob", "PASS {me}")
    talk_at_once(world, ["one", "two"], 110, *rows)
    bans = world.trace.of_kind("ban")
    assert len({e.time_ns for e in bans}) == 1
    led = [{e.connection for e in world.trace.causes(ban)} for ban in bans]
    assert all(map(len, led))
    assert not led[0] & led[1]


# Where a chain ends -------------------------------------------------------------------


def null_mx(world: World) -> None:
    world.zone("beta.example").replace("beta.example.", "MX", "0 .")


def servfail(world: World) -> None:
    world.dns_fault("ns.beta.example")


def silence(world: World) -> None:
    world.dns_fault("ns.beta.example", kind="timeout")


def full(world: World) -> None:
    world.configure(BETA, recipients={"default_quota": 10})


def listed(world: World) -> None:
    world.configure(BETA, defence={"dnsbl": ["bl.alpha.example"]})
    world.zone("alpha.example").add("25.2.0.192.bl", "A", "127.0.0.2")


@pytest.mark.parametrize(
    ("breaks", "kind", "configured"),
    [
        (null_mx, "dns", "while the world ran: world.zone('beta.example')"),
        (servfail, "fault", "while the world ran: world.dns_fault(…)"),
        (silence, "fault", "while the world ran: world.dns_fault(…)"),
        (full, "policy", "recipients.default_quota: while the world ran: it is '10'"),
        (listed, "policy", "defence.dnsbl.0: while the world ran"),
    ],
)
def test_a_chain_ends_at_what_decided(
    world: World, breaks: Callable[[World], None], kind: str, configured: str
) -> None:
    breaks(world)
    world.send("alice", BOB, "Hello")
    chain = world.why(world.trace.of_kind("deferred", "bounced")[-1])
    (step,) = [s for s in chain.steps if s.event is chain.root]
    assert step.event.kind == kind
    assert step.configured.startswith(configured)
    assert ".." not in chain.describe()
    assert "Nothing else" not in chain.describe()


def test_the_answer_that_lists_a_client_comes_before_the_empty_one(
    world: World,
) -> None:
    listed(world)
    world.send("alice", BOB, "Hello")
    chain = world.why(world.trace.of_kind("bounced")[-1])
    first = next(step for step in chain.steps if step.event.kind == "dns")
    assert first.event["answers"] == ("A 127.0.0.2",)
    assert first.configured == "while the world ran: world.zone('alpha.example')"


def test_a_verdict_that_decided_says_where_it_is_configured(world: World) -> None:
    with world.console("bob-pc", ALPHA, 25) as console:
        console.say("EHLO x")
        console.say("MAIL FROM:<a@b.example>")
        console.say("RCPT TO:<x@nowhere.example>")
    refused = [e for e in world.trace.of_kind("policy") if e["verdict"] == "refuse"]
    assert (
        world.why(refused[-1])
        .describe()
        .endswith(
            "That is configured: relay.networks: nowhere: the default of maillab is "
            "'none'."
        )
    )


def test_the_rule_of_the_provider_is_a_line_of_the_scenario() -> None:
    with open_world("home-server") as world:
        world.send("alice", "dora@megapost.example", "Hello")
        chain = world.why(world.trace.of_kind("deferred")[-1])
        (step,) = [s for s in chain.steps if s.event is chain.root]
        assert step.configured == "world.toml:21: the preset isp-blocks-25"
        seen = world.trace.as_seen_by("mail.home.example")
        why = seen.why(seen.of_kind("deferred")[-1])
        assert why.root.kind == "timed_out"
        assert "provider blocks" not in why.text() + seen.hints().text()


def test_a_server_is_not_told_why_a_client_connects(world: World) -> None:
    world.send("alice", BOB, "Hello")
    world.read("bob")
    theirs = [e for e in world.trace.of_kind("connect") if e.host != BETA]
    assert any("cause" in e.facts for e in theirs)
    assert any(e["to"] == BETA for e in theirs)
    for event in world.trace.as_seen_by(BETA).of_kind("connect"):
        if event.host != BETA:
            assert "cause" not in event.facts
            assert event["to"] == ""
