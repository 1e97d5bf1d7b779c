"""The disk is full, write-protected, damaged, or taken: a clear error, and no loss.

Tests run as root, whom permissions do not bind: the disk says the errors by itself.
"""

import errno
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from maillab.errors import LabError
from maillab.store.mail_index import INDEX
from maillab.store.mail_store import MailStore
from maillab.store.messages import MailboxError, NewMessage, StoreUnavailable
from tests.mail_disks import (
    ANN,
    NOW,
    FailingDisk,
    QuickDisk,
    abandon,
    facts,
    open_store,
)
from tests.store_steps import SCRIPT, do

ROOT = Path(__file__).resolve().parent.parent
LETTER = b"Subject: hi\r\n\r\nHello\r\n"
WORDS = {
    errno.ENOSPC: "is full",
    errno.EROFS: "is write-protected",
    errno.EACCES: "may not be written",
}


def filled(folder, disk=None):
    store = open_store(folder, disk)
    tree = store.tree(ANN)
    tree.inbox.append_all([NewMessage(LETTER, NOW, ["\\Seen", "$Junk"])] * 2)
    tree.inbox.append(LETTER, NOW)
    tree.require("Sent").append(LETTER, NOW)
    return store


def files(folder):
    """All messages, wherever they are."""
    return sorted(str(path) for path in folder.rglob("*.maillab,*"))


# Full, write-protected, forbidden -----------------------------------------------------

CHANGES = (
    ("append", "INBOX", [0, 1, 2], ["\\Seen", "new-keyword"]),
    ("copy", "INBOX", [0, 1, 2], "Sent"),
    ("move", "INBOX", [0, 1, 2], "Sent"),
    ("store", "INBOX", [0, 1, 2], ["\\Flagged"]),
    ("expunge", "INBOX", [0, 1, 2], []),
    ("create", "a/b"),
    ("delete", "Sent"),
    ("rename", "Sent", "b"),
)


@pytest.mark.parametrize("error", WORDS)
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change[0])
def test_a_change_that_the_disk_refuses_is_not_made_or_made_whole(
    tmp_path, change, error
):
    disk = FailingDisk(error)
    store = filled(tmp_path / "mail", disk)
    tree, refused = store.tree(ANN), 0
    first = 4 if change[0] in ("copy", "move") else 1  # a link may fail: see below
    for at in range(first, 40):
        before, there = facts(tree), files(tmp_path)
        disk.fail(at, times=1)
        disk.failed.clear()
        try:
            do(tree, change)
        except StoreUnavailable as refusal:
            words = str(refusal)
        else:
            assert facts(tree) != before  # after the commit: the change stands
            break
        assert WORDS[error] in words
        assert "/" not in words
        assert facts(tree) == before
        assert files(tmp_path) == there
        refused += 1
    assert refused
    disk.fail_at = None
    now = facts(tree)
    abandon(store)
    again = open_store(tmp_path / "mail")
    assert facts(again.tree(ANN)) == now
    again.close()


@pytest.mark.parametrize("error", [errno.EMLINK, errno.EPERM])
def test_where_links_cannot_be_made_octets_are_copied(tmp_path, error):
    disk = FailingDisk(error)
    store = filled(tmp_path, disk)
    tree = store.tree(ANN)
    disk.fail(at=1, times=1)
    tree.copy(tree.inbox, [1], tree.require("Trash"))
    assert disk.failed == ["link"]
    assert tree.require("Trash").messages[0].content == LETTER
    store.close()


@pytest.mark.parametrize("error", WORDS)
def test_files_that_cannot_follow_now_follow_later(tmp_path, error):
    disk = FailingDisk(error)
    store = filled(tmp_path / "mail", disk)
    tree = store.tree(ANN)
    disk.fail(at=5)  # write, sync, sync, commit; and no rename
    uid = tree.inbox.append(LETTER, NOW, ["\\Flagged"])
    assert tree.inbox.get(uid).content == LETTER
    assert "files are behind the index" in store.problems[0]
    with pytest.raises(StoreUnavailable):
        tree.inbox.append(LETTER, NOW)
    with pytest.raises(StoreUnavailable):
        tree.refresh()
    assert tree.inbox.claim_recent()  # this never fails
    disk.fail_at = None
    store.refresh()
    assert [f for f in files(tmp_path / "mail" / ANN / "cur") if f.endswith(":2,F")]
    assert not files(tmp_path / "mail" / ANN / "tmp")
    store.close()


def test_a_name_too_long_for_a_folder_is_refused(tmp_path):
    store = open_store(tmp_path)
    with pytest.raises(MailboxError, match="too long"):
        store.tree(ANN).create("\u00e4" * 100)
    assert store.tree(ANN).create("a" * 250).name == "a" * 250
    store.close()


@pytest.mark.parametrize("error", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_folder_that_cannot_be_used_is_named_with_what_to_do(tmp_path, error):
    disk = FailingDisk(error)
    disk.fail(at=1)
    words = rf"mail store {tmp_path} cannot be used: {os.strerror(error)}.*chown"
    with pytest.raises(LabError, match=words):
        open_store(tmp_path, disk)
    open_store(tmp_path).close()


def test_a_file_in_the_place_of_the_store_is_no_store(tmp_path):
    path = tmp_path / "mail"
    path.write_text("x")
    with pytest.raises(LabError, match=r"mail store .* cannot be used"):
        MailStore.open(path)


def test_a_user_whose_folder_cannot_be_read_harms_nobody_else(tmp_path):
    store = filled(tmp_path)
    store.close()
    (tmp_path / "bob@here.example").write_text("a file")
    store = open_store(tmp_path)
    with pytest.raises(StoreUnavailable):
        store.tree("bob@here.example")
    assert store.tree(ANN).inbox.count == 3
    assert store.addresses == (ANN,)
    store.close()


# Two processes ------------------------------------------------------------------------


def test_two_processes_cannot_open_one_store(tmp_path):
    store = open_store(tmp_path)
    program = (
        "import sys; from maillab.store.mail_store import MailStore\n"
        "from maillab.errors import LabError\n"
        "try: MailStore.open(sys.argv[1])\n"
        "except LabError as error: print(error)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout
    assert (
        f"the store {tmp_path} is open in another process (pid {os.getpid()})" in said
    )
    assert "stop that one" in said
    store.close()
    said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout
    assert said == ""


# Damage -------------------------------------------------------------------------------


def overwrite(path):
    path.write_bytes(b"this is no database" * 100)


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def empty(path):
    path.write_bytes(b"")


def missing(path):
    path.unlink()


def other_schema(path):
    path.unlink()
    program = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
    program += "c.execute('CREATE TABLE a (b)')"
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)


def holes(path):
    data = bytearray(path.read_bytes())
    for at in range(4096 * 2, len(data), 4096):
        data[at : at + 100] = b"\xff" * 100
    path.write_bytes(data)


DAMAGES = (overwrite, cut, empty, missing, other_schema, holes)


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_index_that_is_damaged_is_made_anew_from_the_folders(tmp_path, damage):
    store = filled(tmp_path)
    tree = store.tree(ANN)
    tree.create("lists/a.b")
    tree.unsubscribe("Trash")
    tree.inbox.append(b"To: x\r\n\r\n", NOW - timedelta(days=3))
    before = {box.name: box for box in tree.mailboxes}
    last = max(box.uid_validity for box in before.values())
    assert sum(len(box.messages) for box in before.values()) == 5
    store.close()
    damage(tmp_path / ANN / INDEX)
    store = open_store(tmp_path)
    tree = store.tree(ANN)
    assert tree.names == tuple(before)
    assert min(box.uid_validity for box in tree.mailboxes) > last
    for name, old in before.items():
        box = tree.require(name)
        assert [(m.flags, m.internal_date, m.email_id) for m in box.messages] == [
            (m.flags, m.internal_date, m.email_id) for m in old.messages
        ]
        assert box.use == old.use
    assert "Trash" not in tree.subscriptions
    if damage not in (empty, missing):
        assert (tmp_path / ANN / f"{INDEX}.damaged-1").exists()
        assert "was damaged" in store.problems_of(ANN)[0]
    store.close()


def test_a_second_damage_does_not_overwrite_the_first(tmp_path):
    for number in (1, 2):
        filled(tmp_path).close()
        overwrite(tmp_path / ANN / INDEX)
        store = open_store(tmp_path)
        store.tree(ANN)
        assert (tmp_path / ANN / f"{INDEX}.damaged-{number}").exists()
        store.close()


def test_a_message_between_commit_and_rename_outlives_its_index(tmp_path):
    disk = FailingDisk()
    store = filled(tmp_path, disk)
    disk.fail(at=5)
    store.tree(ANN).inbox.append(b"To: last\r\n\r\n", NOW)
    abandon(store)
    for file in (tmp_path / ANN).glob(f"{INDEX}*"):
        file.unlink()
    half = tmp_path / ANN / "tmp" / "1.M1P1V1U9.maillab,S=99"
    half.write_bytes(b"half")
    store = open_store(tmp_path)
    assert b"To: last\r\n\r\n" in [m.content for m in store.tree(ANN).inbox.messages]
    assert half.exists()
    store.close()


def test_leftovers_of_ours_go_and_those_of_others_stay(tmp_path):
    filled(tmp_path).close()
    ours = tmp_path / ANN / "tmp" / "1.M1P1V1U9.maillab,S=99"
    theirs = tmp_path / ANN / "tmp" / "1.M1P1.other"
    for file in (ours, theirs):
        file.write_bytes(b"half")
    store = open_store(tmp_path)
    store.tree(ANN)
    assert (ours.exists(), theirs.exists()) == (False, True)
    store.close()


# Users --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["../../etc/x", "..", "lock", "a/b@c", "%2E@x", "\u00e4@\u00f6.example", "~"],
)
def test_an_address_is_a_folder_in_the_store(tmp_path, address):
    store = open_store(tmp_path / "mail")
    store.tree(address).inbox.append(LETTER, NOW)
    assert store.addresses == (address.lower(),)
    assert [path.name for path in tmp_path.iterdir()] == ["mail"]
    assert len(list((tmp_path / "mail").iterdir())) == 2  # and the lock
    store.remove(address)
    assert store.addresses == ()
    assert store.tree(address).inbox.count == 0
    store.close()


def test_an_address_that_is_too_long_or_empty_is_refused(tmp_path):
    store = open_store(tmp_path)
    for address in ("", "a" * 250 + "@b.example"):
        with pytest.raises(LabError, match="cannot be the name of a folder"):
            store.tree(address)
    store.close()


def test_a_user_who_is_removed_halfway_does_not_come_back(tmp_path):
    disk = FailingDisk()
    store = filled(tmp_path, disk)
    store.tree("bob@here.example")
    disk.fail(at=0)
    with pytest.raises(StoreUnavailable):
        store.remove("bob@here.example")
    disk.fail_at = None
    assert store.tree("bob@here.example").inbox.count == 0
    store.close()
    store = open_store(tmp_path, HalfRemoving())
    store.remove(ANN)
    store.close()
    store = open_store(tmp_path)
    assert store.addresses == ("bob@here.example",)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "bob@here.example",
        "lock",
    ]
    store.close()


class HalfRemoving(QuickDisk):
    def remove_folder(self, path):
        raise OSError(errno.EIO, "broken", str(path))


def test_the_whole_script_again_after_each_restart(tmp_path):
    for _ in range(2):
        store = open_store(tmp_path)
        for order in SCRIPT:
            do(store.tree(ANN), order)
        left = facts(store.tree(ANN))
        store.close()
        store = open_store(tmp_path)
        assert facts(store.tree(ANN)) == left
        store.close()
