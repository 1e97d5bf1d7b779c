"""Rules that are turned off and on while the world runs."""

from collections.abc import Iterator

import pytest

from maillab.errors import LabError
from maillab.net.rules import Rule
from maillab.world.world import World
from tests.worlds import plain_world

SMTP = (range(25, 26),)


@pytest.fixture
def world() -> Iterator[World]:
    world = plain_world()
    firewall = world.firewall("mx.beta.example")
    firewall.add(Rule("drop", "in", "tcp", SMTP, comment="the <first>"))
    firewall.add(Rule("reject", "in", "tcp", SMTP, comment="the second"))
    yield world
    world.close()


def fate(world: World) -> str:
    explained = world.explain("mail.alpha.example", "mx.beta.example", 25)
    assert explained.path is not None
    return explained.path.fate


def test_a_rule_that_is_turned_off_lets_the_next_one_decide(world: World) -> None:
    firewall = world.firewall("mx.beta.example")
    assert fate(world) == "lost"
    firewall.turn_off(1)
    assert fate(world) == "refused"
    firewall.turn_off(2)
    assert fate(world) == "delivered"
    firewall.turn_on(1)
    assert fate(world) == "lost"


def test_number_and_counter_of_a_rule_survive(world: World) -> None:
    firewall = world.firewall("mx.beta.example")
    world.send("alice", "bob@beta.example", "Hello")
    first, second = firewall
    assert first.hits > 0
    before = first.hits
    firewall.turn_off(1)
    assert (first.hits, firewall.number(first), firewall.number(second)) == (
        before,
        1,
        2,
    )
    assert "(off) drop" in firewall.text()
    firewall.turn_on(1)
    assert "(off)" not in firewall.text()


def test_mail_that_waits_goes_when_the_rules_are_off(world: World) -> None:
    firewall = world.firewall("mx.beta.example")
    world.send("alice", "bob@beta.example", "Hello")
    assert not world.mailbox("bob").messages
    firewall.turn_off(1)
    firewall.turn_off(2)
    world.advance("1 h")
    assert len(world.mailbox("bob").messages) == 1


def test_turning_off_what_is_off_changes_nothing(world: World) -> None:
    firewall = world.firewall("mx.beta.example")
    firewall.turn_off(1)
    version = firewall.version
    assert not firewall.turn_off(1).enabled
    assert firewall.version == version


@pytest.mark.parametrize("number", [0, 3, -1])
def test_there_is_no_such_rule(world: World, number: int) -> None:
    with pytest.raises(LabError, match="from 1 to 2"):
        world.firewall("mx.beta.example").turn_off(number)
