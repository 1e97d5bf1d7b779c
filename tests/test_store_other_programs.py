"""Other programs read the Maildir folders of the store, and change them."""

import mailbox
import os
from datetime import UTC, datetime

import pytest

from maillab.store.mailboxes import Change
from maillab.store.messages import StoreUnavailable
from tests.mail_disks import ANN, LETTER, NOW, QuickDisk, home, open_store


@pytest.fixture
def store(tmp_path):
    opened = open_store(tmp_path / "mail")
    opened.tree(ANN)
    yield opened
    opened.close()


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def only(folder):
    [name] = names(folder)
    return folder / name


def info(path):
    return path.name.partition(":2,")[2]


def watched(box):
    seen = []
    box.watch(seen.append)
    return seen


# Reading ------------------------------------------------------------------------------


def test_python_reads_what_we_wrote(store):
    tree = store.tree(ANN)
    tree.inbox.append(LETTER, NOW)
    tree.inbox.append(LETTER, NOW, ["\\Seen", "\\Answered", "\\Flagged", "$Junk"])
    tree.create("lists/a.b")
    tree.copy(tree.inbox, [2], tree.require("lists/a.b"))
    referee = mailbox.Maildir(home(store), create=False)
    found = {one.get_subdir(): one for one in referee}
    assert found["new"].as_bytes().replace(b"\r\n", b"\n") == LETTER.replace(
        b"\r\n", b"\n"
    )
    assert set(found["cur"].get_flags()) >= set("FRS")
    assert found["cur"].get_date() == NOW.timestamp()
    assert "lists.a&AC4-b" in referee.list_folders()
    assert len(referee.get_folder("lists.a&AC4-b")) == 1
    for folder in ("Archive", "Drafts", "Junk", "Sent", "Trash"):
        assert len(referee.get_folder(folder)) == 0


def test_file_names_tell_size_and_flags_and_are_never_used_twice(store):
    inbox = store.tree(ANN).inbox
    inbox.append(LETTER, NOW)
    path = only(home(store) / "new")
    assert f",S={len(LETTER)}" in path.name
    assert path.read_bytes() == LETTER
    assert path.stat().st_mtime == NOW.timestamp()
    inbox.set_flags(1, ["\\Seen", "\\Draft"])
    assert info(only(home(store) / "cur")) == "DS"
    base = only(home(store) / "cur").name.partition(":")[0]
    inbox.expunge([1])
    inbox.append(LETTER, NOW)
    assert only(home(store) / "new").name != base
    assert names(home(store) / "cur") == names(home(store) / "tmp") == []


def test_keywords_have_letters_that_dovecot_knows(store):
    inbox = store.tree(ANN).inbox
    inbox.append(LETTER, NOW, ["$Junk", "\\Seen"])
    inbox.append(LETTER, NOW, ["$Forwarded"])
    lines = (home(store) / "dovecot-keywords").read_text().splitlines()
    assert lines == ["0 $Junk", "1 $Forwarded"]
    assert sorted(map(info, (home(store) / "cur").iterdir())) == ["Sa", "b"]


def test_the_27th_keyword_stands_in_the_index_alone(store):
    flags = {f"k{number:02}" for number in range(30)}
    store.tree(ANN).inbox.append(LETTER, NOW, flags)
    assert info(only(home(store) / "cur")) == "abcdefghijklmnopqrstuvwxyz"
    path = only(home(store) / "cur")
    path.rename(path.with_name(path.name + "S"))  # the letters we cannot see stay
    store.refresh()
    assert store.tree(ANN).inbox.messages[0].flags == flags | {"\\Seen"}


def test_mail_is_for_its_owner_only(store):
    store.tree(ANN).inbox.append(LETTER, NOW)
    for path in home(store).rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_copies_are_there_once(store):
    tree = store.tree(ANN)
    tree.inbox.append(LETTER, NOW)
    tree.copy(tree.inbox, [1], tree.require("Sent"))
    assert only(home(store) / "new").stat().st_nlink == 2


def test_subscriptions_are_a_list_for_people(store):
    tree = store.tree(ANN)
    tree.create("lists/mail")
    tree.subscribe("lists/mail")
    tree.unsubscribe("Trash")
    lines = (home(store) / "subscriptions").read_text().splitlines()
    assert lines == ["Archive", "Drafts", "INBOX", "Junk", "Sent", "lists.mail"]


# Dropping in --------------------------------------------------------------------------


def test_mail_that_another_program_brings_is_picked_up(store):
    inbox = store.tree(ANN).inbox
    seen = watched(inbox)
    message = mailbox.MaildirMessage(LETTER)
    message.set_date(NOW.timestamp())
    mailbox.Maildir(home(store)).add(message)
    message.set_subdir("cur")
    message.set_flags("FS")
    mailbox.Maildir(home(store)).add(message)
    store.refresh()
    assert [(one.uid, one.content) for one in inbox.messages] == [
        (1, LETTER),
        (2, LETTER),
    ]
    flagged = frozenset({"\\Seen", "\\Flagged"})
    assert {one.flags for one in inbox.messages} == {frozenset(), flagged}
    assert inbox.messages[0].internal_date == NOW
    assert [one.what for one in seen] == ["added", "added"]
    assert inbox.recent == {1, 2}
    store.refresh()
    assert len(seen) == 2


def test_mail_that_came_while_nobody_was_there(tmp_path):
    store = open_store(tmp_path)
    store.tree(ANN).inbox.append(LETTER, NOW)
    store.close()
    for number in (3, 1, 2):
        (tmp_path / ANN / "new" / f"{number}.a.b").write_bytes(b"To: %d\n\nx" % number)
    store = open_store(tmp_path)
    contents = [one.content for one in store.tree(ANN).inbox.messages]
    assert contents == [LETTER, *(b"To: %d\r\n\r\nx" % number for number in (1, 2, 3))]
    assert store.tree(ANN).inbox.messages[1].size == len(contents[1])
    store.close()


def test_lines_of_local_programs_end_with_crlf_for_us_also_in_copies(store):
    (home(store) / "new" / "1.a.b").write_bytes(b"To: x\n\nbody\n")
    store.refresh()
    tree = store.tree(ANN)
    [(_, uid)] = tree.move(tree.inbox, [1], tree.require("Sent"))
    message = tree.require("Sent").get(uid)
    assert message.content == b"To: x\r\n\r\nbody\r\n"
    assert message.blob.read_header() == b"To: x\r\n\r\n"
    assert message.size == len(message.content)
    path = only(home(store) / ".Sent" / "new")
    assert path.name.endswith(f"S={path.stat().st_size}")


def test_a_file_in_new_may_have_flags_in_its_name(store):
    for name in ("1.a.b:2,", "2.a.b:2,F"):
        (home(store) / "new" / name).write_bytes(LETTER)
    store.refresh()
    messages = store.tree(ANN).inbox.messages
    assert [one.flags for one in messages] == [frozenset(), {"\\Flagged"}]
    assert {one.content for one in messages} == {LETTER}


def test_a_message_that_is_being_written_is_left_alone(store):
    half = home(store) / "tmp" / "9.P1.other"
    half.write_bytes(b"To: x\r\n")
    store.refresh()
    assert store.tree(ANN).inbox.count == 0
    half.rename(home(store) / "new" / half.name)
    store.refresh()
    assert store.tree(ANN).inbox.count == 1


def test_a_file_shorter_than_its_name_says_is_shown_as_it_is(store):
    (home(store) / "new" / "1.a.b,S=100").write_bytes(b"To: x\r\n\r\nhal")
    store.refresh()
    [message] = store.tree(ANN).inbox.messages
    assert (message.content, message.size) == (b"To: x\r\n\r\nhal", 12)


def test_folders_that_other_programs_make_and_remove(store):
    tree = store.tree(ANN)
    referee = mailbox.Maildir(home(store))
    referee.add_folder("new.&U,BTFw-").add(LETTER)
    referee.remove_folder("Junk")
    (home(store) / ".not&utf7").mkdir()
    (home(store) / ".not&utf7" / "cur").mkdir()
    (home(store) / ".not&utf7" / "new").mkdir()
    store.refresh()
    assert tree.names == ("INBOX", "Archive", "Drafts", "Sent", "Trash", "new/台北")
    assert tree.require("new/台北").messages[0].size == len(LETTER)
    assert "'.not&utf7' is ignored" in store.problems_of(ANN)[0]
    tree.create("Junk")
    assert tree.require("Junk").uid_validity > tree.require("new/台北").uid_validity


# Changing -----------------------------------------------------------------------------


def test_flags_that_another_program_changes_win(store):
    inbox = store.tree(ANN).inbox
    inbox.append(LETTER, NOW, ["\\Seen", "$Junk"])
    seen, before = watched(inbox), inbox.highest_modseq
    path = only(home(store) / "cur")
    path.rename(path.with_name(path.name.replace(":2,Sa", ":2,FaZ")))
    store.refresh()
    flags = frozenset({"\\Flagged", "$Junk"})
    assert seen == [Change("flags", 1, flags, before + 1)]
    assert inbox.messages[0].content == LETTER
    inbox.set_flags(1, ["\\Answered"])
    assert info(only(home(store) / "cur")) == "R"


def test_the_uid_of_mbsync_in_a_file_name_is_its_own_affair(store):
    inbox = store.tree(ANN).inbox
    inbox.append(LETTER, NOW, ["\\Seen"])
    path = only(home(store) / "cur")
    path.rename(path.with_name(path.name.replace(":", ",U=7:")))
    assert inbox.messages[0].content == LETTER
    store.refresh()
    assert (inbox.uids, inbox.messages[0].flags) == ((1,), {"\\Seen"})
    inbox.set_flags(1, ["\\Flagged"])
    assert only(home(store) / "cur").name.endswith(",U=7:2,F")
    inbox.expunge([1])
    assert names(home(store) / "cur") == []


def test_a_keyword_that_dovecot_named_is_known(store):
    (home(store) / "dovecot-keywords").write_text("0 first\n3 $Later\nx y\n")
    (home(store) / "cur" / "1.a.b:2,adS").write_bytes(LETTER)
    store.refresh()
    inbox = store.tree(ANN).inbox
    assert inbox.messages[0].flags == {"\\Seen", "first", "$Later"}
    inbox.append(LETTER, NOW, ["mine"])
    assert "1 mine" in (home(store) / "dovecot-keywords").read_text()


def test_a_message_that_another_program_removes_is_gone(store):
    inbox = store.tree(ANN).inbox
    inbox.append_all([])
    for _ in range(3):
        inbox.append(LETTER, NOW)
    held = inbox.get(2)
    (home(store) / "new" / names(home(store) / "new")[1]).unlink()
    with pytest.raises(StoreUnavailable, match="no longer there"):
        held.content  # noqa: B018
    seen = watched(inbox)
    store.refresh()
    assert seen == [Change("removed", 2, modseq=inbox.highest_modseq)]
    assert (inbox.uids, inbox.size) == ((1, 3), 2 * len(LETTER))


def test_a_message_is_read_wherever_another_program_has_put_it(store):
    inbox = store.tree(ANN).inbox
    inbox.append(LETTER, NOW)
    path = only(home(store) / "new")
    path.rename(home(store) / "cur" / f"{path.name}:2,PS")
    assert inbox.messages[0].content == LETTER
    inbox.set_flags(1, ["\\Deleted"])  # what both did stays done
    assert info(only(home(store) / "cur")) == "PST"
    store.refresh()
    assert inbox.messages[0].flags == {"\\Deleted", "\\Seen", "$Forwarded"}


def test_a_deleted_mailbox_keeps_mail_that_nobody_has_seen(store):
    tree = store.tree(ANN)
    tree.require("Junk").append(LETTER, NOW)
    (home(store) / ".Junk" / "new" / "1.a.b").write_bytes(b"To: x\r\n\r\nnew")
    old = tree.require("Junk").uid_validity
    tree.delete("Junk")
    store.refresh()
    assert [one.content for one in tree.require("Junk").messages] == [
        b"To: x\r\n\r\nnew"
    ]
    assert tree.require("Junk").uid_validity > old


def test_a_disk_that_is_gone_is_no_reason_to_forget_mail(store):
    tree = store.tree(ANN)
    tree.inbox.append(LETTER, NOW)
    home(store).rename(home(store).with_name("away"))
    store.refresh()
    with pytest.raises(StoreUnavailable):
        tree.refresh()
    assert "cannot look for changes" in store.problems[0]
    home(store).with_name("away").rename(home(store))
    store.refresh()
    assert (tree.inbox.count, "Sent" in tree.names) == (1, True)


class CountingDisk(QuickDisk):
    """Counts how often folders are read; its clock is far ahead of all files."""

    def __init__(self):
        super().__init__()
        self.reads = 0

    def names(self, path):
        self.reads += 1
        return super().names(path)

    def now_ns(self):
        return super().now_ns() + self.ahead

    ahead = 0


def test_nothing_is_read_again_while_nothing_changes(tmp_path):
    disk = CountingDisk()
    store = open_store(tmp_path, disk)
    store.tree(ANN).inbox.append(LETTER, NOW)
    disk.reads = 0
    store.refresh()
    assert disk.reads > 0  # a change in the same tick of the clock would not show
    disk.ahead = 60_000_000_000
    store.refresh()
    disk.reads = 0
    store.refresh()
    assert disk.reads == 0
    store.close()


def test_a_change_that_leaves_the_time_of_a_folder_is_found(store):
    store.refresh()
    new = home(store) / "new"
    before = new.stat()
    (new / "1.a.b").write_bytes(LETTER)
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    store.refresh()
    assert store.tree(ANN).inbox.count == 1


def test_a_maildir_that_was_there_before_is_taken_over(tmp_path):
    referee = mailbox.Maildir(tmp_path / ANN)
    referee.add(LETTER)
    referee.add_folder("Sent").add(LETTER)
    store = open_store(tmp_path)
    tree = store.tree(ANN)
    assert (tree.inbox.count, tree.require("Sent").count) == (1, 1)
    assert tree.use_of("Sent") == "\\Sent"
    assert tree.inbox.uid_validity > datetime(2025, 1, 1, tzinfo=UTC).timestamp()
    store.close()


class BlindDisk(QuickDisk):
    """Misses the names in new/ once: they change while it reads."""

    blind = False

    def names(self, path):
        if self.blind and path.name == "new":
            self.blind = False
            return []
        return super().names(path)


def test_a_name_that_is_missed_once_is_not_gone(tmp_path):
    disk = BlindDisk()
    store = open_store(tmp_path, disk)
    inbox = store.tree(ANN).inbox
    inbox.append(LETTER, NOW)
    seen = watched(inbox)
    (home(store) / "new" / "1.a.b").write_bytes(LETTER)
    disk.blind = True
    store.refresh()
    assert (seen, disk.blind) == ([], False)
    store.refresh()
    assert ([one.what for one in seen], inbox.uids) == (["added"], (1, 2))
    store.close()
