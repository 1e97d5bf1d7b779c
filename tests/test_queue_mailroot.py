"""The folders Pickup, Queue, Drop and Badmail, as IIS has them."""

import errno

import pytest

from maillab.errors import LabError
from maillab.store.folders import DiskFolder, MemoryFolder
from maillab.store.queue import Queue
from tests.queue_worlds import ALICE, CAROL, header

FILE = """From: Alice <alice@alpha.example>
To: Carol <carol@gamma.example>, bob@beta.example
Bcc: dan@gamma.example
Subject: picked up

Hello
"""
WITH_ENVELOPE = """x-sender: bounces@alpha.example
x-receiver: carol@gamma.example
x-receiver: dan@gamma.example
From: alice@alpha.example
To: everybody@elsewhere.example
Subject: picked up

Hello
"""


def test_a_file_in_pickup_is_sent(queue_world):
    lab = queue_world()
    server = lab.mx()
    lab.mta.mailroot.pickup.put("letter.eml", FILE)
    lab.world.settle()
    assert lab.mta.mailroot.pickup.names == []
    assert [line for line in server.commands if "RCPT" in line] == [
        f"RCPT TO:<{CAROL}>",
        "RCPT TO:<dan@gamma.example>",
    ]
    assert server.commands[1].startswith(f"MAIL FROM:<{ALICE}>")
    [content] = lab.inbox("bob")
    found = header(content)
    assert found.get("Bcc") is None, "nobody sees who else got it"
    assert found.get("Date")
    assert found.get("Message-ID")
    assert content.endswith(b"\r\n\r\nHello\r\n")
    [event] = lab.events("pickup")
    assert event["file"] == "letter.eml"


def test_the_envelope_may_stand_in_x_fields(queue_world):
    lab = queue_world()
    server = lab.mx()
    lab.mta.mailroot.pickup.put("letter.eml", WITH_ENVELOPE)
    lab.world.settle()
    said = [line for line in server.commands if line[:4] in ("MAIL", "RCPT")]
    assert [line.partition("<")[2].partition(">")[0] for line in said] == [
        "bounces@alpha.example",
        CAROL,
        "dan@gamma.example",
    ]
    assert b"x-sender" not in server.messages[0].lower()
    assert b"everybody@elsewhere.example" in server.messages[0]


def test_a_null_sender_in_an_x_field(queue_world):
    lab = queue_world()
    server = lab.mx()
    lab.mta.mailroot.pickup.put(
        "n", "X-Sender: <>\nX-Receiver: carol@gamma.example\n\n"
    )
    lab.world.settle()
    assert "MAIL FROM:<>" in server.commands


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("Subject: no sender\nTo: carol@gamma.example\n\n", "neither a From field"),
        ("From: alice@alpha.example\n\nnobody", "there is no recipient"),
        ("From: alice\nTo: carol@gamma.example\n\n", "'alice' is no mail address"),
        ("From: a@b.example\nTo: two@@x\n\n", "no mail address"),
        ("", "neither a From field"),
    ],
)
def test_a_bad_file_goes_to_badmail_with_a_reason(queue_world, content, reason):
    lab = queue_world()
    lab.mta.mailroot.pickup.put("bad.txt", content)
    badmail = lab.mta.mailroot.badmail
    assert badmail.names == ["bad.txt", "bad.txt.reason.txt"]
    assert reason in badmail.get("bad.txt.reason.txt").decode()
    assert lab.mta.mailroot.pickup.names == []
    assert len(lab.queue) == 0


def test_what_is_picked_up_is_masqueraded(queue_world):
    lab = queue_world()
    server = lab.mx()
    lab.deliver(masquerade="public.example")
    lab.mta.mailroot.pickup.put("letter.eml", FILE)
    lab.world.settle()
    assert server.commands[1].startswith("MAIL FROM:<alice@public.example>")


def test_local_mail_can_go_into_the_drop_folder(queue_world):
    lab = queue_world()
    lab.deliver(drop_folder=True)
    entry = lab.send(ALICE, "anybody@alpha.example", sender=CAROL)
    drop = lab.mta.mailroot.drop
    assert drop.names == [f"{entry.id}.eml"]
    lines = drop.get(drop.names[0]).decode().splitlines()
    assert lines[:4] == [
        f"X-Sender: {CAROL}",
        f"X-Receiver: {ALICE}",
        "X-Receiver: anybody@alpha.example",
        f"Return-Path: <{CAROL}>",
    ]
    assert lab.inbox() == []
    assert len(lab.queue) == 0


def test_what_was_dropped_may_be_picked_up_elsewhere(queue_world):
    lab = queue_world()
    server = lab.mx()
    lab.deliver(drop_folder=True)
    lab.send(ALICE)
    content = lab.mta.mailroot.drop.get(lab.mta.mailroot.drop.names[0])
    changed = content.replace(b"X-Receiver: alice@alpha", b"X-Receiver: carol@gamma")
    lab.mta.mailroot.pickup.put("again", changed)
    lab.world.settle()
    assert b"How are you?" in server.messages[0]


def test_the_queue_folder_shows_what_waits(queue_world):
    lab = queue_world()
    lab.off()
    entry = lab.put(CAROL)
    folder = lab.mta.mailroot.queue
    assert folder.names == [f"{entry.id}.eml"]
    assert folder.get(folder.names[0]) == entry.content


def test_directories_are_looked_into_again_and_again(queue_world, tmp_path):
    lab = queue_world()
    server = lab.mx()
    folders = [DiskFolder(tmp_path / name) for name in ("Pickup", "Drop", "Badmail")]
    lab.mta.mailroot.use_disk(*folders)
    lab.world.run(start(lab.mta), on=lab.server.host)
    (tmp_path / "Pickup" / "late.eml").write_text(FILE)
    lab.world.advance("2 s")
    lab.world.settle()
    assert len(server.messages) == 1
    assert folders[0].names == []


async def start(mta):
    mta.start()


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_both_kinds_of_folder_do_the_same(kind, tmp_path):
    folder = MemoryFolder("F") if kind == "memory" else DiskFolder(tmp_path / "F")
    folder.put("b", b"1")
    folder.put("a", b"2")
    assert (folder.names, folder.get("b"), len(folder)) == (["b", "a"], b"1", 2)
    folder.put("b", b"3")
    assert folder.get("b") == b"3"
    folder.remove("a")
    folder.remove("a")
    assert folder.names == ["b"]
    with pytest.raises(LabError, match="'a'"):
        folder.get("a")
    for name in ("", "..", "a/b", "a\\b"):
        with pytest.raises(LabError, match="no file name"):
            folder.put(name, b"")


def no_room(*_args):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_stays_in_pickup_while_the_queue_has_no_room(queue_world, monkeypatch):
    lab = queue_world()
    lab.forgive()
    server, mailroot = lab.mx(), lab.mta.mailroot
    with monkeypatch.context() as patch:
        patch.setattr(Queue, "add", no_room)
        mailroot.pickup.put("letter.eml", FILE)
        mailroot.collect()
    assert mailroot.pickup.names == ["letter.eml"]
    assert mailroot.badmail.names == []
    assert lab.events("accepted") == []
    assert len(lab.events("failure")) == 1, "told once, however often it is tried"
    mailroot.collect()
    lab.world.settle()
    assert mailroot.pickup.names == []
    assert len(server.messages) == 1


def test_a_file_that_cannot_be_removed_is_sent_once(queue_world, monkeypatch):
    lab = queue_world()
    lab.forgive()
    server, pickup = lab.mx(), lab.mta.mailroot.pickup
    with monkeypatch.context() as patch:
        patch.setattr(MemoryFolder, "remove", no_room)
        pickup.put("letter.eml", FILE)
        pickup.put("other.eml", "no message")
        lab.mta.mailroot.collect()
    lab.mta.mailroot.collect()
    lab.world.settle()
    assert len(server.messages) == 1
    assert pickup.names == []
    assert lab.mta.mailroot.badmail.names == ["other.eml", "other.eml.reason.txt"]
