"""Mailboxes and their tree, as MDA, POP3 and IMAP see them."""

from datetime import UTC, datetime

import pytest

from maillab.store.changes import KeptMailbox
from maillab.store.mailbox_tree import STANDARD_FOLDERS, MailboxTree
from maillab.store.mailboxes import Change, Mailbox
from maillab.store.messages import MailboxError

NOW = datetime(2026, 1, 1, 9, tzinfo=UTC)


def filled(count: int = 3) -> Mailbox:
    mailbox = Mailbox(KeptMailbox("INBOX", 1))
    for number in range(count):
        mailbox.append(b"%d" % number, NOW)
    return mailbox


def test_a_uid_is_never_used_twice():
    mailbox = filled()
    mailbox.expunge([3])
    assert mailbox.append(b"new", NOW) == 4
    assert [message.uid for message in mailbox.messages] == [1, 2, 4]
    assert mailbox.uid_next == 5


def test_watchers_are_told_of_every_change_until_they_leave():
    mailbox, seen = filled(1), []
    unwatch = mailbox.watch(seen.append)
    mailbox.append(b"x", NOW, ["\\Seen"])
    mailbox.set_flags(1, {"\\Flagged"})
    mailbox.set_flags(1, {"\\Flagged"})  # no change
    mailbox.set_flags(77, {"\\Flagged"})  # not here
    mailbox.expunge([2, 1, 99])
    unwatch()
    unwatch()
    mailbox.append(b"y", NOW)
    assert seen == [
        Change("added", 2, frozenset({"\\Seen"}), 3),
        Change("flags", 1, frozenset({"\\Flagged"}), 4),
        Change("removed", 1, modseq=5),
        Change("removed", 2, modseq=5),
    ]


def test_recent_messages_belong_to_the_first_session():
    mailbox = filled(2)
    assert mailbox.recent == mailbox.claim_recent() == {1, 2}
    assert mailbox.claim_recent() == frozenset()


def test_a_date_without_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        filled().append(b"x", datetime(2026, 1, 1))  # noqa: DTZ001


def test_inbox_is_inbox_in_any_case_also_above_others():
    tree = MailboxTree()
    assert tree.find("inBOX") is tree.inbox
    tree.create("inbox/lists")
    assert tree.names == ("INBOX", "INBOX/lists")


def test_a_mailbox_made_anew_has_another_uid_validity():
    tree = MailboxTree()
    first = tree.create("a").uid_validity
    tree.delete("a")
    assert tree.create("a").uid_validity > first
    assert [MailboxTree(STANDARD_FOLDERS).require("Sent").uid_validity] * 2 == [5, 5]


def test_renaming_takes_inferior_names_along():
    tree = MailboxTree({"Sent": "\\Sent"})
    tree.create("Sent/2025")
    tree.rename("Sent", "Old")
    assert tree.names == ("INBOX", "Old", "Old/2025")
    assert tree.use_of("Old") == "\\Sent"
    assert tree.require("Old").name == "Old"


@pytest.mark.parametrize(
    ("code", "do"),
    [
        ("ALREADYEXISTS", lambda tree: tree.create("INBOX")),
        ("ALREADYEXISTS", lambda tree: tree.rename("Sent", "Trash")),
        ("NONEXISTENT", lambda tree: tree.delete("nowhere")),
        ("NONEXISTENT", lambda tree: tree.rename("nowhere", "x")),
        ("NONEXISTENT", lambda tree: tree.unsubscribe("nowhere")),
        ("CANNOT", lambda tree: tree.delete("inbox")),
        ("CANNOT", lambda tree: tree.create("")),
        ("CANNOT", lambda tree: tree.create("a//b")),
        ("CANNOT", lambda tree: tree.create("/a")),
        ("CANNOT", lambda tree: tree.create("a*")),
        ("CANNOT", lambda tree: tree.create("a\nb")),
        ("CANNOT", lambda tree: tree.create("x" * 256)),
        ("CANNOT", lambda tree: tree.rename("Sent", "Sent/deeper")),
        ("LIMIT", lambda tree: [tree.create(f"m{n}") for n in range(1001)]),
        ("LIMIT", lambda tree: tree.create("/".join("abcdefghij" * 12) + "/x" * 8)),
        ("LIMIT", lambda tree: tree.inbox.append(b"", NOW, map(str, range(101)))),
    ],
)
def test_what_cannot_be_done_says_why(code, do):
    tree = MailboxTree(STANDARD_FOLDERS)
    if code == "LIMIT":
        for number in range(900):
            tree.create(f"full{number}")
    with pytest.raises(MailboxError) as caught:
        do(tree)
    assert caught.value.code == code
