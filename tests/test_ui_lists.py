"""Lists by buttons, where JupyterLab takes the arrow keys; and refreshing."""

from collections.abc import Iterator
from typing import Any

import pytest

from maillab.trace import Trace
from maillab.trace.sample import letter
from maillab.ui.capture_explorer import CaptureExplorer
from maillab.ui.mailbox_reader import MailboxReader
from maillab.ui.trace_explorer import TraceExplorer
from maillab.ui.world_explorer import WorldExplorer
from maillab.world.world import World
from tests.worlds import plain_world


@pytest.fixture
def world() -> Iterator[World]:
    with plain_world() as world:
        world.send("alice", "bob@beta.example", "Hello")
        yield world


def button(widget: Any, name: str) -> Any:
    """The button with this name, somewhere inside."""
    if getattr(widget, "description", "") == name:
        return widget
    inside = (button(one, name) for one in getattr(widget, "children", ()))
    return next((found for found in inside if found is not None), None)


def test_sessions_are_gone_through_and_the_list_ends_at_its_ends() -> None:
    trace: Trace = letter()
    explorer = TraceExplorer(trace)
    ids = [id for _, id in explorer.chosen.options]
    on, back = (button(explorer.widget, f"Session {way}") for way in ("on", "back"))
    for id in [*ids[1:], ids[-1]]:
        on.click()
        assert explorer.chosen.value == id
        assert id in explorer.call
    for _ in ids:
        back.click()
    assert explorer.call == "trace.summary()"


def test_packets_are_gone_through(world: World) -> None:
    explorer = CaptureExplorer(world.trace.capture("mail.alpha.example"))
    for number in (1, 2):
        button(explorer.widget, "Packet on").click()
        assert explorer.call.endswith(f".dissect({number})")
        assert explorer.go.value == number
    button(explorer.widget, "Packet back").click()
    assert explorer.call.endswith(".dissect(1)")


def test_letters_are_gone_through(world: World) -> None:
    world.send("alice", "bob@beta.example", "Again")
    reader = MailboxReader(world, "bob@beta.example")
    reader.fetch.click()
    button(reader.widget, "Letter on").click()
    assert reader.call == "world.letter('bob@beta.example', 2)"
    button(reader.widget, "Letter on").click()
    assert reader.call == "world.letter('bob@beta.example', 1)"


def test_refresh_shows_what_others_did_and_is_no_call(world: World) -> None:
    explorer, other = WorldExplorer(world), WorldExplorer(world)
    other.length.value = "2 days"
    other.advance.click()
    assert explorer.clock.value != other.clock.value
    explorer.again.click()
    assert explorer.clock.value == other.clock.value
    assert explorer.calls == ["world.topology()"]


def test_a_user_s_computer_asks_the_dns_at_first(world: World) -> None:
    assert WorldExplorer(world).pages["DNS"].host.value == "alice-pc"
