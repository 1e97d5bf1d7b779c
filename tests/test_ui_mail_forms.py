"""The mail reader and the composer, driven without a browser."""

from collections.abc import Iterator

import pytest

from maillab.world.world import World
from tests.worlds import plain_world

BOB = "bob@beta.example"
MX = "mx.beta.example"


@pytest.fixture
def world() -> Iterator[World]:
    with plain_world() as world:
        yield world


def test_a_reader_fetches_only_when_told(world: World) -> None:
    world.send("alice", BOB, "Hello", "Hi Bob")
    reader = world.read_mail("bob")
    sessions = len(world.trace.sessions)
    reader.protocol.value = "POP3"
    reader.protocol.value = "IMAP"
    assert len(world.trace.sessions) == sessions
    reader.fetch.click()
    assert "Hello" in reader.letters.options[1][0]
    assert reader.call == f"world.list_mail({BOB!r})"
    reader.letters.value = 1
    assert "Hi Bob" in reader.text()
    assert reader.call == f"world.letter({BOB!r}, 1)"


def test_a_reader_lists_other_folders(world: World) -> None:
    world.account("bob").mailboxes.create("<b>Work")
    reader = world.read_mail("bob")
    reader.fetch.click()
    reader.folder.value = "<b>Work"
    assert reader.call == f"world.list_mail({BOB!r}, '<b>Work')"
    assert "0 letters" in reader.text()
    assert "<b>Work" not in reader.html()


def test_a_server_that_is_off_is_an_error_that_is_shown(world: World) -> None:
    reader = world.read_mail("bob")
    world.power_off(MX)
    reader.fetch.click()
    assert reader.trouble
    assert reader.view is None
    world.power_on(MX)
    reader.fetch.click()
    assert reader.trouble == ""


def test_a_letter_is_composed_and_sent(world: World) -> None:
    composer = world.compose("alice")
    composer.recipient.value = BOB
    composer.subject.value = "Lunch?"
    assert composer.call == f"world.send('alice@alpha.example', {BOB!r}, 'Lunch?', '')"
    composer.send.click()
    assert composer.trouble == ""
    assert "250 2.0.0" in composer.text()
    assert b"Lunch?" in world.mailbox("bob").messages[0].content


def test_a_letter_that_is_refused_is_said(world: World) -> None:
    composer = world.compose("alice")
    composer.recipient.value = "nobody@alpha.example"
    composer.send.click()
    assert "refused" in composer.trouble
    composer.recipient.value = "no address"
    composer.send.click()
    assert "no mail address" in composer.trouble
    assert composer.calls == ["world.send('alice@alpha.example', 'no address', '', '')"]
