"""Long answers come in parts: memory is bounded, and others have a turn."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from runpy import run_path

from maillab.agents.conversation import Conversation
from maillab.agents.imap_access import ImapSession
from maillab.agents.imap_access_messages import MESSAGES, OCTETS
from maillab.agents.serving import Security, answer_all
from maillab.protocol.engine import Pause, Question
from maillab.protocol.imap_server_events import ReadMessages
from maillab.protocol.imap_server_reading import read
from maillab.store.mailbox_tree import MailboxTree
from maillab.store.messages import NewMessage, Octets, StoreUnavailable

player = run_path(str(Path(__file__).with_name("imap_player.py")))
new_session, FakeStream = player["new_session"], player["FakeStream"]
DATE = datetime(2026, 1, 1, tzinfo=UTC)


def stage_with(contents, **words):
    stage = new_session(**words)
    inbox = stage.directory.ann.mailboxes.inbox
    inbox.append_all([NewMessage(content, DATE) for content in contents])
    return stage


def parts_of(contents, need) -> list:
    """What the agent answers, part by part, to somebody who wants all messages."""
    stage = stage_with(contents)
    stage.greeting(1)
    stage.hear(1, b"a LOGIN ann wonderland\r\nb SELECT INBOX\r\n")
    uids = tuple(range(1, len(contents) + 1))
    parts, seen = [], []

    def whole():
        count = yield from read(ReadMessages(uids, need), seen.append)
        assert count == len(seen)
        assert tuple(data.uid for data in seen) == uids

    steps, reply = whole(), None
    while (step := next_step(steps, reply)) is not None:
        reply = None
        if isinstance(step, Question):
            reply = stage.sessions[1]._answer(step)
            parts.append(reply)
    return parts


def next_step(steps, reply):
    try:
        return steps.send(reply)
    except StopIteration:
        return None


def test_a_part_has_a_thousand_messages_when_only_facts_are_needed():
    parts = parts_of([b"To: ann\r\n\r\nhi"] * (2 * MESSAGES + 1), "facts")
    assert [len(part.messages) for part in parts] == [MESSAGES, MESSAGES, 1]
    data = parts[0].messages[0]
    assert (data.content, data.size, data.email_id[:1]) == (b"", 13, "M")
    assert data.save_date is not None


def test_a_part_has_about_a_mebioctet_of_content():
    contents = [b"x" * (OCTETS // 2)] * 3 + [b"y" * 3 * OCTETS] + [b"z"]
    parts = parts_of(contents, "content")
    assert [len(part.messages) for part in parts] == [2, 1, 1, 1]


def test_of_a_message_only_the_header_is_read_when_that_is_enough():
    (part,) = parts_of([b"To: ann\r\n\r\nhi"], "header")
    assert part.messages[0].content == b"To: ann\r\n\r\n"
    assert part.messages[0].size == 13


def test_store_in_a_huge_mailbox_pauses_and_tells_everything():
    stage = stage_with([b"hi"] * 2500)
    stage.greeting(1)
    stage.hear(1, b"a LOGIN ann wonderland\r\nb SELECT INBOX\r\n")
    engine = stage.sessions[1].engine
    engine.receive(b"c STORE 1:* +FLAGS (\\Seen)\r\n")
    pauses = 0
    while event := engine.next_event():
        pauses += isinstance(event, Pause)
        if isinstance(event, Question):
            engine.answer(stage.sessions[1]._answer(event))
    assert pauses == 2
    assert engine.data_to_send().count(b"FETCH (FLAGS (\\Seen") == 2500


class Gone:
    """Octets that somebody has removed, and a store that may notice."""

    size = 2

    def read(self):
        raise StoreUnavailable("The message is no longer there")

    read_header = read


def a_session_with_a_lost_file():
    stage = stage_with([b"hi", b"ho"])
    tree: MailboxTree = stage.directory.ann.mailboxes
    blob = NewMessage(Octets(b"ha"), DATE)
    tree.inbox.append_all([blob])
    message = tree.inbox.get(3)
    object.__setattr__(message, "blob", Gone())
    stage.greeting(1)
    stage.hear(1, b"a LOGIN ann wonderland\r\nb SELECT INBOX\r\n")
    return stage, tree


def test_a_disk_that_is_gone_is_a_no_and_the_session_lives():
    stage, _ = a_session_with_a_lost_file()
    said = stage.hear(1, b"c FETCH 1:3 BODY.PEEK[]\r\n")
    assert b"c NO [UNAVAILABLE]" in said
    assert stage.hear(1, b"d NOOP\r\n") == b"d OK Nothing done\r\n"
    assert not [event for event in stage.machine.events if event[0] == "failure"]


def test_a_message_whose_file_is_gone_was_expunged():
    stage, tree = a_session_with_a_lost_file()
    tree.refresh = lambda: tree.inbox.expunge([3])  # what the store finds out
    said = stage.hear(1, b"c UID FETCH 1:3 (UID BODY.PEEK[])\r\n")
    assert said.count(b"FETCH (UID") == 2
    assert said.endswith(b"* 3 EXPUNGE\r\nc OK Fetched\r\n")


# Over a stream ------------------------------------------------------------------------


class Peer(FakeStream):
    """A client that says one thing, and counts how often it is waited for."""

    is_open = True

    def __init__(self, says: bytes) -> None:
        super().__init__("c1")
        self.says = says
        self.heard = bytearray()
        self.waited = 0

    async def read(self):
        says, self.says = self.says, b""
        return says

    def write(self, data):
        self.heard += data

    async def drain(self, patience=None):
        self.waited += 1


def test_between_parts_the_conversation_waits_for_its_peer_and_lets_others_run():
    stage = stage_with([b"hi"] * 2500)
    peer = Peer(
        b"a LOGIN ann wonderland\r\nb SELECT INBOX\r\n"
        b"c STORE 1:* +FLAGS (\\Seen)\r\nd LOGOUT\r\n"
    )
    session = ImapSession(stage.service, peer)
    conversation = Conversation(stage.machine, peer, session.engine)
    turns = []

    async def somebody_else():
        while b"c OK" not in peer.heard:
            turns.append(peer.heard.count(b"FETCH"))
            await asyncio.sleep(0)

    async def both():
        other = asyncio.ensure_future(somebody_else())
        await asyncio.sleep(0)
        await answer_all(conversation, session, Security())
        await other

    asyncio.run(both())
    assert peer.heard.count(b"FETCH") == 2500
    assert sorted(set(turns)) == [0, 1000, 2000]
    assert peer.waited >= 2
