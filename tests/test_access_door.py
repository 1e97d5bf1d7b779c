"""POP3 and IMAP keep their doors: bans, limits, and who failed to log in."""

from dataclasses import replace

import pytest

from maillab.agents.doorkeeper import Doorkeeper
from maillab.agents.imap_access import ImapAccess
from maillab.agents.pop3_access import Pop3Access
from maillab.policy.settings import AutoBlock, Limits, Settings
from tests.worlds import Journal, plain_world

SERVER, PC = "mail.alpha.example", "bob-pc"
PORTS = {"pop3": 2110, "imap": 2143}
REFUSALS = {"pop3": "-ERR [SYS/PERM] Not from here", "imap": "* BYE Not from here"}
WRONG = {"pop3": ("USER alice", "PASS guess"), "imap": ("a LOGIN alice guess",)}
RIGHT = {
    "pop3": ("USER alice", "PASS rabbit-hole"),
    "imap": ("a LOGIN alice rabbit-hole",),
}


@pytest.fixture
def world():
    with plain_world() as opened:
        yield opened
        assert Journal(opened).failures == []


def guarded(world, **changes):
    """Both protocols once more, with one doorkeeper."""
    server = world.server(SERVER)
    settings = replace(Settings(), **changes)
    door = Doorkeeper(server.host, world.resolvers[SERVER], lambda: settings)
    for agent in (Pop3Access, ImapAccess):
        access = agent(server.host, server.directory, plain_login=True)
        access.door = door
        world.run(server.host.listen(PORTS[agent.protocol], access.serve))
    return door


def greeting(world, protocol):
    return world.console(PC, SERVER, PORTS[protocol]).greeting


@pytest.mark.parametrize("protocol", PORTS)
def test_a_banned_client_is_refused_at_the_greeting(world, protocol):
    door = guarded(world)
    client = world.host(PC).addresses[0]
    door.ban(client, 60, "noise")
    assert greeting(world, protocol) == REFUSALS[protocol]
    assert any("refuses" in e["text"] for e in world.trace.of_kind("note"))
    world.advance(61)
    assert greeting(world, protocol) != REFUSALS[protocol]


@pytest.mark.parametrize("protocol", PORTS)
def test_wrong_passwords_close_the_door_for_both_protocols(world, protocol):
    block = AutoBlock(attempts=2, window=600, ban=300)
    guarded(world, defence=replace(Settings().defence, autoblock=block))
    for _ in range(2):
        console = world.console(PC, SERVER, PORTS[protocol])
        console.say(*WRONG[protocol])
        console.close()
    for other in PORTS:
        assert greeting(world, other) == REFUSALS[other]
    world.advance(301)
    console = world.console(PC, SERVER, PORTS[protocol])
    assert "OK" in console.say(*RIGHT[protocol]).splitlines()[-1]


@pytest.mark.parametrize("protocol", PORTS)
def test_a_session_counts_until_it_ends(world, protocol):
    guarded(world, limits=Limits(connections_per_address=1))
    first = world.console(PC, SERVER, PORTS[protocol])
    assert greeting(world, protocol) == REFUSALS[protocol]
    first.close()
    assert greeting(world, protocol) == first.greeting
