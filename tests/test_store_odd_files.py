"""Whatever lies about in Maildir folders: no mail is lost, and nobody reads /etc."""

import os
import shutil
from contextlib import suppress

import pytest

from maillab.store import maildir_following, maildir_watch
from maillab.store.backup import backup, verify
from maillab.store.messages import MailboxError, StoreUnavailable
from tests.mail_disks import (
    ANN,
    LETTER,
    NOW,
    OTHER,
    Crash,
    CrashingDisk,
    FailingDisk,
    QuickDisk,
    abandon,
    home,
    open_store,
)


@pytest.fixture
def store(tmp_path):
    opened = open_store(tmp_path / "mail")
    opened.tree(ANN)
    yield opened
    opened.close()


def reopened(store):
    store.close()
    return open_store(store.folder)


def contents(box):
    return [one.content for one in box.messages]


def only(folder):
    [path] = folder.iterdir()
    return path


# No messages --------------------------------------------------------------------------


def test_what_is_no_file_is_no_message_and_hides_none(store, tmp_path):
    secret = tmp_path / "shadow"
    secret.write_bytes(b"root:secret")
    new = home(store) / "new"
    (new / "1.link").symlink_to(secret)
    (new / "2.folder").mkdir()
    os.mkfifo(new / "3.pipe")
    (new / "4.nothing").write_bytes(b"")
    (new / "5.new\nline").write_bytes(LETTER)
    (new / os.fsdecode(b"6.\xff")).write_bytes(LETTER)
    store.refresh()
    assert contents(store.tree(ANN).inbox) == [b"", LETTER]
    ignored = " ".join(store.problems_of(ANN))
    for name in ("1.link", "2.folder", "3.pipe", "6."):
        assert name in ignored
    assert "4." not in ignored
    report = backup(store.folder, tmp_path / "copy")
    assert len(report.problems) == 3
    assert verify(tmp_path / "copy").problems == []


def test_a_file_of_a_gigabyte_is_left_where_it_is(store):
    path = home(store) / "new" / "1.a.b"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    store.refresh()
    assert store.tree(ANN).inbox.count == 0
    assert str(maildir_watch.MAX_FILE) in store.problems_of(ANN)[0]
    assert path.exists()


def test_a_message_that_became_a_link_is_not_read(store, tmp_path):
    inbox = store.tree(ANN).inbox
    inbox.append(LETTER, NOW)
    secret = tmp_path / "shadow"
    secret.write_bytes(b"root:secret")
    path = only(home(store) / "new")
    path.unlink()
    path.symlink_to(secret)
    with pytest.raises(StoreUnavailable):
        inbox.messages[0].blob.read()


def test_a_folder_that_is_a_link_is_no_mailbox(store, tmp_path):
    outside = tmp_path / "outside"
    for place in ("new", "cur", "tmp"):
        (outside / place).mkdir(parents=True)
    (outside / "new" / "1.a").write_bytes(b"root:secret")
    (home(store) / ".etc").symlink_to(outside)
    store.refresh()
    assert store.tree(ANN).find("etc") is None
    assert "is a link" in store.problems_of(ANN)[0]
    backup(store.folder, tmp_path / "copy")
    assert not (tmp_path / "copy" / ANN / ".etc").exists()


def test_a_file_without_rights_does_not_hide_the_others(tmp_path, monkeypatch):
    disk = FailingDisk()
    store = open_store(tmp_path, disk)
    store.tree(ANN)
    for number in (1, 2, 3):
        (home(store) / "new" / f"{number}.a").write_bytes(LETTER)
    read = disk.read

    def guarded(path):
        if path.name == "2.a":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(disk, "read", guarded)
    store.refresh()
    assert store.tree(ANN).inbox.count == 2
    assert "2.a" in store.problems_of(ANN)[0]
    store.close()


# Files that will not follow -----------------------------------------------------------


def test_a_folder_in_the_way_of_one_file_is_no_trouble_of_others(store):
    inbox = store.tree(ANN).inbox
    inbox.append(LETTER, NOW)
    inbox.append(OTHER, NOW)
    first = next(p for p in (home(store) / "new").iterdir() if "1.maillab" in p.name)
    (home(store) / "cur" / f"{first.name}:2,S").mkdir()
    inbox.set_all_flags({1: frozenset({"\\Seen"}), 2: frozenset({"\\Seen"})})
    assert "cannot be put right" in store.problems_of(ANN)[0]
    inbox.append(LETTER, NOW)
    assert contents(inbox) == [LETTER, OTHER, LETTER]
    opened = reopened(store)
    inbox = opened.tree(ANN).inbox
    assert contents(inbox) == [LETTER, OTHER, LETTER]
    assert {one.flags for one in inbox.messages[:2]} == {frozenset({"\\Seen"})}
    opened.close()


def test_a_file_where_a_folder_should_be(store):
    tree = store.tree(ANN)
    (home(store) / ".w").write_bytes(b"")
    with pytest.raises(MailboxError):
        tree.create("w")
    tree.inbox.append(LETTER, NOW)
    assert contents(tree.inbox) == [LETTER]


class Intruder(QuickDisk):
    """Another program makes a mailbox right before ours is renamed."""

    intruding = None

    def step(self, what, path):
        super().step(what, path)
        if what == "rename" and path.name == ".b" and self.intruding:
            for place in ("tmp", "new", "cur"):
                (path / place).mkdir(parents=True)
            (path / "new" / "9.foreign").write_bytes(OTHER)
            self.intruding = False


def test_a_folder_made_right_before_a_rename_has_the_mail_of_both(tmp_path):
    disk = Intruder()
    store = open_store(tmp_path, disk)
    tree = store.tree(ANN)
    tree.create("a").append(LETTER, NOW, ["\\Seen"])
    disk.intruding = True
    tree.rename("a", "b")
    store.refresh()
    assert contents(tree.require("b")) == [LETTER, OTHER]
    assert not (home(store) / ".a").exists()
    opened = reopened(store)
    assert contents(opened.tree(ANN).require("b")) == [LETTER, OTHER]
    opened.close()


class Postman(QuickDisk):
    """Another program brings a letter right before a folder is removed."""

    folder = None

    def step(self, what, path):
        super().step(what, path)
        if self.folder and what in ("rename", "remove") and "w" in path.name:
            (self.folder / "new" / "9.foreign").write_bytes(OTHER)
            self.folder = None


def test_mail_that_comes_while_its_mailbox_is_deleted_is_kept(tmp_path):
    disk = Postman()
    store = open_store(tmp_path, disk)
    store.tree(ANN).create("w").append(LETTER, NOW)
    disk.folder = home(store) / ".w"
    shutil.rmtree(disk.folder / "cur")
    store.tree(ANN).delete("w")
    assert disk.folder is None
    (home(store) / ".w" / "cur").mkdir()
    store.refresh()
    assert contents(store.tree(ANN).require("w")) == [OTHER]
    store.close()


def test_many_files_follow_in_slices(store, monkeypatch):
    monkeypatch.setattr("maillab.store.maildir_keeper.SLICE", 70)
    assert maildir_following.SLICE == 1000
    tree = store.tree(ANN)
    for _ in range(2):
        tree.inbox.append_all([_new() for _ in range(150)])
    tree.inbox.set_all_flags(dict.fromkeys(tree.inbox.uids, frozenset({"\\Seen"})))
    assert len(list((home(store) / "cur").iterdir())) < 300
    assert contents(tree.inbox) == [LETTER] * 300
    tree.inbox.expunge(range(1, 101))
    tree.move(tree.inbox, range(101, 301), tree.require("Sent"))
    assert contents(tree.require("Sent")) == [LETTER] * 200
    for _ in range(9):
        store.refresh()
    assert len(list((home(store) / ".Sent" / "cur").iterdir())) == 200
    assert not list((home(store) / "cur").iterdir())
    assert tree.inbox.count == 0
    tree.rename("Sent", "w")
    abandon(store)
    opened = open_store(store.folder)
    assert contents(opened.tree(ANN).require("w")) == [LETTER] * 200
    assert opened.tree(ANN).inbox.count == 0
    opened.close()


def _new():
    from maillab.store.messages import NewMessage

    return NewMessage(LETTER, NOW)


# One name, two files ------------------------------------------------------------------


def test_a_second_name_for_one_message_is_taken_away(store):
    inbox = store.tree(ANN).inbox
    inbox.append(LETTER, NOW, ["\\Seen"])
    path = only(home(store) / "cur")
    os.link(path, path.with_name(path.name + "T"))
    store.refresh()
    assert inbox.count == 1
    assert len(list((home(store) / "cur").iterdir())) == 1
    inbox.expunge([1])
    store.refresh()
    assert inbox.count == 0


def test_a_copy_beside_its_original_is_a_message_of_its_own(store):
    inbox = store.tree(ANN).inbox
    inbox.append(LETTER, NOW, ["\\Seen"])
    path = only(home(store) / "cur")
    shutil.copy(path, path.with_name(path.name + "T"))
    store.refresh()
    assert sorted(inbox.uids) == [1, 2]
    inbox.expunge([1])
    store.refresh()
    assert inbox.uids == (2,)
    assert contents(inbox) == [LETTER]


def test_a_file_moved_by_hand_while_its_name_is_doomed_elsewhere(store):
    tree = store.tree(ANN)
    tree.inbox.append(LETTER, NOW, ["\\Seen"])
    path = only(home(store) / "cur")
    shutil.copy(path, home(store) / ".Trash" / "cur" / path.name)
    tree.inbox.expunge([1])
    store.refresh()
    assert contents(tree.require("Trash")) == [LETTER]


def test_a_backup_has_both_files_of_one_name(store, tmp_path):
    tree = store.tree(ANN)
    tree.inbox.append(LETTER, NOW, ["\\Seen"])
    path = only(home(store) / "cur")
    shutil.copy(path, home(store) / ".Trash" / "cur" / path.name)
    store.refresh()
    report = backup(store.folder, tmp_path / "copy")
    assert (report.messages, report.problems) == (2, [])
    assert verify(tmp_path / "copy").problems == []
    copy = open_store(tmp_path / "copy")
    assert contents(copy.tree(ANN).inbox) == [LETTER]
    assert contents(copy.tree(ANN).require("Trash")) == [LETTER]
    copy.close()


def test_flags_changed_by_two_at_the_same_time_are_all_there(store):
    inbox = store.tree(ANN).inbox
    inbox.append(LETTER, NOW, ["\\Seen", "\\Draft"])
    path = only(home(store) / "cur")
    path.rename(path.with_name(path.name.replace(":2,DS", ":2,FS")))
    inbox.set_flags(1, ["\\Seen", "\\Draft", "\\Answered"])
    store.refresh()
    assert inbox.messages[0].flags == {"\\Seen", "\\Answered", "\\Flagged"}


# Names and users ----------------------------------------------------------------------


@pytest.mark.parametrize("to", ["old/mail", "w"])
def test_inbox_is_renamed_at_once_or_not_at_all(tmp_path, to):
    for crash_at in range(1, 100):
        disk = CrashingDisk()
        store = open_store(tmp_path / str(crash_at), disk)
        store.tree(ANN).inbox.append(LETTER, NOW, ["\\Seen"])
        disk.crash_at = disk.steps + crash_at
        with suppress(Crash):
            store.tree(ANN).rename("inbox", to)
            disk.crash_at = None
        abandon(store)
        if disk.crash_at is None:
            return
        store = open_store(tmp_path / str(crash_at))
        tree = store.tree(ANN)
        made = tree.find(to)
        assert contents(tree.inbox) == [LETTER] * (made is None)
        assert made is None or contents(made) == [LETTER]
        store.close()


def test_a_user_is_removed_though_one_of_that_name_could_not_be_deleted(store):
    (store.folder / f"%removed-0-{ANN}" / "x").mkdir(parents=True)
    store.tree(ANN).inbox.append(LETTER, NOW)
    store.remove(ANN)
    assert store.tree(ANN).inbox.count == 0
