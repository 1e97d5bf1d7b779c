"""Mail as a user's program sees it, and single steps through time."""

from collections.abc import Iterator

import pytest

from maillab import open_world
from maillab.errors import LabError
from maillab.world import mail_reading
from maillab.world.world import World
from tests.worlds import plain_world

BOB = "bob@beta.example"


@pytest.fixture
def world() -> Iterator[World]:
    world = plain_world()
    world.send("alice", BOB, "Größe", "Grüße,\n<b>Alice</b>")
    world.send("alice", BOB, "Second", "Hi")
    yield world
    world.close()


@pytest.fixture
def waiting() -> Iterator[World]:
    """Mail waits in a queue."""
    with waiting_world() as world:
        yield world


def waiting_world() -> World:
    world = plain_world()
    world.power_off("mx.beta.example")
    world.send("alice", BOB, "Hello")
    return world


def test_a_list_tells_who_wrote_what_and_what_is_new(world: World) -> None:
    listing = world.list_mail("bob")
    assert listing.numbers == [1, 2]
    subjects = [letter.row[3] for letter in listing.letters]
    assert subjects == ["Größe", "Second"]
    assert "2 letters, 2 of them new" in listing.describe()
    world.letter("bob", 1)
    assert "2 letters, 1 of them new" in world.list_mail("bob").describe()


def test_each_look_is_a_session_on_the_network(world: World) -> None:
    before = len(world.trace.find_sessions(protocol="IMAP"))
    world.list_mail("bob")
    world.letter("bob", 2)
    found = world.trace.find_sessions(protocol="IMAP")[before:]
    assert [session.client for session in found] == ["bob-pc", "bob-pc"]
    assert {session.outcome for session in found} == {"closed"}


@pytest.mark.parametrize("protocol", ["IMAP", "pop3"])
def test_a_letter_is_readable_and_harmless(world: World, protocol: str) -> None:
    letter = world.letter("bob", 1, protocol=protocol)
    assert "Grüße,\n<b>Alice</b>" in letter.text()
    assert "&lt;b&gt;Alice" in letter.html()
    assert "<b>" not in letter.html()
    assert letter.content.startswith(b"Return-Path:")


def test_pop3_has_numbers_and_knows_no_new_letters(world: World) -> None:
    listing = world.list_mail("bob", protocol="POP3")
    assert listing.numbers == [1, 2]
    assert "new" not in listing.describe()
    with pytest.raises(LabError, match="has 2 letters"):
        world.letter("bob", 3, protocol="POP3")


def test_what_is_not_there_is_said(world: World) -> None:
    with pytest.raises(LabError, match="UID 77"):
        world.letter("bob", 77)
    with pytest.raises(LabError, match="protocol"):
        world.list_mail("bob", protocol="HTTP")
    with pytest.raises(LabError):
        world.list_mail("bob", "Nowhere")


def test_folders_are_those_of_the_server(world: World) -> None:
    world.account("bob").mailboxes.create("Work")
    assert {"INBOX", "Work"} <= set(world.folders("bob"))


def test_a_long_mailbox_is_cut_and_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_reading, "MOST_LISTED", 1)
    for protocol in ("IMAP", "POP3"):
        listing = world.list_mail("bob", protocol=protocol)
        assert listing.numbers == [2]
        assert "2 letters" in listing.describe()
        assert "the oldest 1 are not listed" in listing.describe()


def test_html_loses_its_tags_and_attachments_are_named() -> None:
    with open_world("two-domains") as world:
        content = (
            b"Subject: =?utf-8?Q?<i>=07?=\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
            b"Content-Type: text/html\r\n\r\n<script>x</script><p>Hi <b>you</b>\r\n"
            b"--b\r\nContent-Type: image/png\r\n\r\nPNG\r\n--b--\r\n"
        )
        letter = mail_reading.Letter(world.user("bob"), 1, content)
        assert letter.body == ["Hi you"]
        assert letter.attachments == ["image/png"]
        assert "<script" not in letter.html()
        assert "<i>" not in letter.html()
        assert "\x07" not in letter.text()


# Time ---------------------------------------------------------------------------------


def test_a_step_ends_with_the_next_thing_that_happens(waiting: World) -> None:
    events, time = len(waiting.trace), waiting.time
    waiting.step()
    assert len(waiting.trace) > events
    assert waiting.time > time
    new = waiting.trace[events:]
    assert {event.time_ns for event in new} == {round(waiting.time * 1e9)}


def test_steps_change_nothing_but_the_pace(waiting: World) -> None:
    for _ in range(5):
        waiting.step()
    with waiting_world() as ran:
        ran.advance(waiting.time - ran.time)
        assert waiting.trace.to_jsonl() == ran.trace.to_jsonl()


def test_a_step_does_not_go_further_than_it_may(waiting: World) -> None:
    before, events = waiting.time, len(waiting.trace)
    waiting.step("0.5 s")
    assert waiting.time <= before + 0.501
    assert len(waiting.trace) == events


def test_a_closed_world_has_no_next_step(waiting: World) -> None:
    waiting.close()
    with pytest.raises(LabError, match="closed"):
        waiting.step()
