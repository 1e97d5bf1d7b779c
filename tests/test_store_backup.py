"""A copy of a mail store is a mail store, also when it was made under load."""

import errno
import os
import signal
import threading
from contextlib import suppress

import pytest

from maillab.errors import LabError
from maillab.store.backup import backup, restore, verify
from maillab.store.mail_index import INDEX
from tests import crash_store
from tests.mail_disks import (
    ANN,
    NOW,
    Crash,
    CrashingDisk,
    FailingDisk,
    QuickDisk,
    abandon,
    facts,
    open_store,
)
from tests.store_steps import SCRIPT, do

BOB = "bob@here.example"
LETTER = b"Subject: hi\r\n\r\nHello\r\n"


@pytest.fixture
def store(tmp_path):
    opened = open_store(tmp_path / "mail")
    for order in SCRIPT:
        do(opened.tree(ANN), order)
    opened.tree(BOB).inbox.append(LETTER, NOW, ["$Junk"])
    yield opened
    opened.close()


def opened_facts(folder, address=ANN):
    store = open_store(folder)
    try:
        assert store.problems == []
        return facts(store.tree(address))
    finally:
        store.close()


def test_a_copy_has_everything_and_says_how_much(store, tmp_path):
    report = backup(store.folder, tmp_path / "copy", QuickDisk())
    assert report.problems == []
    assert (report.users, report.mailboxes) == (2, 14)
    for address in (ANN, BOB):
        assert opened_facts(tmp_path / "copy", address) == facts(store.tree(address))
    assert verify(tmp_path / "copy") == report


def test_restoring_gives_the_same_store(store, tmp_path):
    backup(store.folder, tmp_path / "copy", QuickDisk())
    expected = facts(store.tree(ANN))
    do(store.tree(ANN), ("expunge", "INBOX", [0, 1], []))
    restore(tmp_path / "copy", tmp_path / "new", QuickDisk())
    assert opened_facts(tmp_path / "new") == expected
    assert facts(store.tree(ANN)) != expected


def test_what_happens_later_does_not_reach_the_copy(store, tmp_path):
    expected = facts(store.tree(ANN))
    backup(store.folder, tmp_path / "copy", QuickDisk())
    tree = store.tree(ANN)
    for box in tree.mailboxes:
        box.set_all_flags(dict.fromkeys(box.uids, frozenset({"\\Flagged"})))
        box.expunge(box.uids)
    assert opened_facts(tmp_path / "copy") == expected


def test_where_links_cannot_be_made_octets_are_copied(store, tmp_path):
    class Elsewhere(QuickDisk):
        def link(self, old, new):
            raise OSError(errno.EXDEV, "another disk")

    backup(store.folder, tmp_path / "copy", Elsewhere())
    assert opened_facts(tmp_path / "copy") == facts(store.tree(ANN))


def test_files_that_have_not_followed_yet_are_in_the_copy(tmp_path):
    disk = FailingDisk()
    store = open_store(tmp_path / "mail", disk)
    store.tree(ANN)
    disk.fail(at=5)
    store.tree(ANN).inbox.append(LETTER, NOW, ["\\Seen"])
    assert [*(tmp_path / "mail" / ANN / "tmp").iterdir()]
    backup(store.folder, tmp_path / "copy", QuickDisk())
    assert opened_facts(tmp_path / "copy") == facts(store.tree(ANN))
    abandon(store)


def test_mail_that_only_another_program_knows_is_in_the_copy(store, tmp_path):
    home = store.folder / ANN
    (home / "new" / "1.a.b").write_bytes(LETTER)
    store.refresh()
    (home / ".Sent" / "cur" / "1.a.b:2,F").write_bytes(LETTER)
    backup(store.folder, tmp_path / "copy", QuickDisk())
    store.refresh()
    assert opened_facts(tmp_path / "copy") == facts(store.tree(ANN))


@pytest.mark.parametrize("is_known", [False, True])
def test_files_that_mbsync_has_renamed_are_in_the_copy(store, tmp_path, is_known):
    for path in [*(store.folder / ANN).rglob("cur/*")]:
        path.rename(path.with_name(path.name.replace(":", ",U=7:")))
    if is_known:
        store.refresh()
    assert backup(store.folder, tmp_path / "copy", QuickDisk()).problems == []
    store.refresh()
    found, expected = opened_facts(tmp_path / "copy"), facts(store.tree(ANN))
    messages = found["INBOX"]["messages"]
    assert [one[:7] for one in messages] == [
        one[:7] for one in expected["INBOX"]["messages"]
    ]
    assert found["size"] == expected["size"]


def test_a_file_that_is_taken_away_is_told(store, tmp_path):
    [path] = (store.folder / BOB / "cur").iterdir()
    path.unlink()
    report = backup(store.folder, tmp_path / "copy", QuickDisk())
    assert report.problems == [f"{BOB}: UID 1 was taken away meanwhile"]
    assert verify(tmp_path / "copy").problems == [
        f"{BOB}, INBOX, UID 1: there is no file"
    ]


def test_an_index_that_cannot_be_copied_is_made_anew(store, tmp_path):
    expected = facts(store.tree(BOB))["INBOX"]["messages"][0][1:4]
    store.close()
    (store.folder / BOB / INDEX).write_bytes(b"no database" * 99)
    report = backup(store.folder, tmp_path / "copy", QuickDisk())
    assert "copied without its index" in report.problems[0]
    found = opened_facts(tmp_path / "copy", BOB)["INBOX"]["messages"]
    assert found[0][1:4] == expected


def test_damage_is_found(store, tmp_path):
    [path] = (store.folder / BOB / "cur").iterdir()
    path.write_bytes(b"Subject: no\r\n\r\nHello\r\n")
    assert verify(store.folder).problems == [
        f"{BOB}, INBOX, UID 1: the file is not what it was"
    ]


def test_nothing_is_overwritten(store, tmp_path):
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "x").write_text("mine")
    with pytest.raises(LabError, match="is not empty"):
        backup(store.folder, tmp_path / "copy")
    with pytest.raises(LabError, match="open in another process"):
        restore(store.folder, store.folder)
    store.close()
    with pytest.raises(LabError, match="is no mail store"):
        backup(tmp_path / "nothing", tmp_path / "second")
    assert not (tmp_path / "second").exists()


def test_a_copy_that_finds_no_room_says_so(store, tmp_path):
    disk = FailingDisk()
    disk.fail(at=9)
    with pytest.raises(LabError, match="is not whole: No space left"):
        backup(store.folder, tmp_path / "copy", disk)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_copies_that_are_made_under_load_are_whole(tmp_path):
    pid, reading = crash_store.fork(str(tmp_path / "mail"), "load", 1)
    journal, lines = crash_store.Journal(), os.fdopen(reading, "rb")
    journal.hear(lines.readline())
    listening = threading.Thread(target=lambda: [journal.hear(one) for one in lines])
    listening.start()
    copies = []
    for number in range(12):
        begun = journal.changes
        report = backup(tmp_path / "mail", tmp_path / f"{number}", QuickDisk())
        assert report.problems == []
        copies.append((tmp_path / f"{number}", begun))
    enough = max(journal.changes + 2, 13)  # what is under way will have been told
    while journal.changes < enough and listening.is_alive():
        listening.join(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    listening.join()
    lines.close()
    assert journal.changes > 12
    possible = [{name: {} for name in crash_store.NAMES}, *journal.history]
    for folder, begun in copies:
        store = open_store(folder)
        assert crash_store.found(store.tree(ANN)) in possible[begun:], folder
        store.close()
        assert verify(folder).problems == []


def test_a_copy_of_a_store_that_crashed_is_as_the_store_will_be(tmp_path):
    disk = CrashingDisk()
    store = open_store(tmp_path / "mail", disk)
    store.tree(ANN)
    for number in range(3, 40, 4):
        disk.crash_at = disk.steps + number
        with suppress(Crash):
            for order in SCRIPT[:7]:
                do(store.tree(ANN), order)
        abandon(store)
        backup(tmp_path / "mail", tmp_path / f"{number}", QuickDisk())
        store = open_store(tmp_path / "mail", disk := CrashingDisk())
        assert opened_facts(tmp_path / f"{number}") == facts(store.tree(ANN))
    store.close()
