"""What was made faster may not be seen from outside."""

import asyncio
import gc

import dns.message
import pytest

from maillab.dns.server import parse, to_wire
from maillab.net.driver import FEW_LOOKS, Driver
from maillab.net.loop import VirtualLoop


@pytest.fixture
def driver():
    loop = VirtualLoop()
    yield Driver(loop)
    loop.close()


async def threshold():
    await asyncio.sleep(1)
    return gc.get_threshold()[0]


async def fail():
    raise ValueError("nobody's fault")


def test_the_garbage_collector_looks_less_often_while_a_world_runs(driver):
    before = gc.get_threshold()
    assert driver.run(threshold()) == FEW_LOOKS
    driver.advance(5)
    assert gc.get_threshold() == before


def test_the_garbage_collector_is_as_before_when_the_world_fails(driver):
    before = gc.get_threshold()
    with pytest.raises(ValueError, match="fault"):
        driver.run(fail())
    assert gc.get_threshold() == before


@pytest.mark.parametrize("chosen", [0, 10 * FEW_LOOKS])
def test_who_has_chosen_fewer_looks_has_his_way(driver, chosen):
    before = gc.get_threshold()
    gc.set_threshold(chosen, *before[1:])
    try:
        assert driver.run(threshold()) == chosen
        assert gc.get_threshold()[0] == chosen
    finally:
        gc.set_threshold(*before)


def test_the_same_octets_with_another_id_are_another_message():
    first, second = (query("a.example", id) for id in (1, 2))
    assert (first.id, second.id) == (1, 2)
    assert first.question == second.question


def test_who_changes_a_message_changes_no_other():
    first = query("b.example", 1)
    first.question.clear()
    first.use_edns(False)
    second = query("b.example", 2)
    assert len(second.question) == 1
    assert second.edns == 0


@pytest.mark.parametrize("octets", [b"", b"\0", b"\0\1\0", bytes(11)])
def test_too_few_octets_are_no_message(octets):
    assert parse(octets) is None


def query(name, id):
    message = dns.message.make_query(name, "MX", use_edns=0, id=id)
    found = parse(to_wire(message))
    assert found is not None
    return found
