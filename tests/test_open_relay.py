"""About 200 ways to relay through a server, tried at every personality.

Rule: nobody relays for a stranger; everybody whom the server should serve gets through.
"""

from collections.abc import Iterator

import pytest

from maillab.net.stream import Stream
from maillab.world.personality import NAMES
from maillab.world.world import World
from tests.relay_probes import PROBES, Probe
from tests.worlds import Journal, dressed_world

WORDS = {
    "ours": "alpha.example",
    "user": "alice",
    "other": "beta.example",
    "third": "gamma.example",
    "ip4": "192.0.2.25",
    "ip6": "2001:db8::25",
    "far4": "203.0.113.25",
}
SERVER = "mail.alpha.example"


async def reply(stream: Stream) -> str:
    """One reply, all of its lines."""
    text = b""
    while not text.endswith(b"\r\n") or text.splitlines()[-1][3:4] == b"-":
        data = await stream.read()
        if not data:
            break
        text += data
    return text.decode()


async def session(world: World, *lines: str) -> list[str]:
    """The replies to some lines; the last one first."""
    stream = await world.host("bob-pc").connect(SERVER, 25)
    said = [await reply(stream)]
    for line in lines:
        stream.write(line.encode() + b"\r\n")
        said.append(await reply(stream))
    await stream.close()
    return said[::-1]


async def try_all(world: World) -> list[tuple[Probe, str]]:
    """Every probe in a session of its own: the reply to RCPT."""
    found: list[tuple[Probe, str]] = []
    for probe in (one.filled(**WORDS) for one in PROBES):
        lines = ["EHLO x.stranger.example", *probe.before]
        mail, rcpt = f"MAIL {probe.mail}", f"RCPT {probe.rcpt}"
        found.append((probe, (await session(world, *lines, mail, rcpt))[0]))
    return found


@pytest.fixture(params=NAMES)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with dressed_world(request.param) as opened:
        yield opened
        assert Journal(opened).failures == []


def test_there_are_about_two_hundred_probes():
    assert len(PROBES) >= 190


def test_nobody_relays_for_strangers(world):
    settings = world.server(SERVER).mta.settings
    tried = world.run(try_all(world))
    wrong = [
        (probe, said)
        for probe, said in tried
        if said.startswith("2") and not may_be_accepted(probe, settings)
    ]
    assert wrong == []
    assert {probe.expect for probe, said in tried if said.startswith("5")} >= {
        "denied",
        "syntax",
    } or settings.limits.bad_commands


def may_be_accepted(probe: Probe, settings) -> bool:
    """Ours; and whom we do not know is ours too, where nobody asks before."""
    backscatter = probe.expect == "unknown" and not settings.recipients.refuse_unknown
    return probe.expect == "local" or backscatter


def test_strangers_reach_our_people(world):
    tried = dict(world.run(try_all(world)))
    plain = [  # our server has no IPv6 address here
        probe
        for probe in tried
        if probe.expect == "local"
        and "stranger" in probe.mail
        and "IPv6" not in probe.rcpt
    ]
    assert plain
    assert all(tried[probe].startswith("250") for probe in plain)


def test_who_logs_in_may_relay(world):
    assert world.send("alice", "bob@beta.example", "By submission").startswith("250")
    assert b"By submission" in world.read("bob")[0]


def test_a_network_that_may_relay_does(world):
    bob_pc = "203.0.113.101"
    if world.server(SERVER).mta.settings.access.ip_ranges:  # they decide
        bob = {"name": "Bob", "first": bob_pc, "last": bob_pc, "priority": 40}
        world.configure(SERVER, access={"ip_ranges": [bob]})
    world.configure(SERVER, relay={"networks": [bob_pc]})
    lines = ("EHLO x", "MAIL FROM:<a@stranger.example>", "RCPT TO:<b@beta.example>")
    assert world.run(session(world, *lines))[0].startswith("250")


def test_an_open_relay_is_open(world):
    """The switch works: these tests can fail."""
    if world.server(SERVER).mta.settings.access.ip_ranges:
        world.configure(SERVER, access={"ip_ranges": []})
    world.configure(SERVER, relay={"open": True})
    tried = world.run(try_all(world))
    relayed = [p for p, said in tried if p.expect == "denied" and said.startswith("2")]
    assert len(relayed) > 50
