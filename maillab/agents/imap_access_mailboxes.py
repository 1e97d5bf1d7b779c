"""Answers about one user's mailboxes: what the IMAP access agent does with the store.

Goes in: a question of the IMAP engine. Comes out: its answer, read from the store,
which it may have changed. Raises MailboxError when the store says no.
"""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from maillab.protocol import imap_server_events as ask
from maillab.protocol.engine import Question
from maillab.protocol.imap_server_messages import changed
from maillab.store.mailbox_tree import MailboxTree
from maillab.store.mailboxes import Mailbox
from maillab.store.messages import StoredMessage
from maillab.wire.imap_list import Folder
from maillab.wire.imap_message import MessageData
from maillab.wire.message import DateTime


class ImapDesk:
    """Knows one user's mailboxes. `now` is the clock of the machine."""

    def __init__(self, tree: MailboxTree, now: Callable[[], datetime]) -> None:
        self.tree = tree
        self.now = now

    def answer(self, question: Question, mailbox: Mailbox | None) -> ask.Answer:
        """Answer a question; `mailbox` is the open one."""
        match question:
            case ask.ListMailboxes(subscribed):
                return self._folders(subscribed)
            case ask.CountMailbox(name):
                return _counts(self.tree.require(name))
            case ask.AppendMessage():
                return self._append(question)
            case _ if mailbox:
                return self._change_tree(question) or self._open_one(question, mailbox)
            case _:
                return self._change_tree(question) or ask.Done()

    # Names ----------------------------------------------------------------------------

    def _change_tree(self, question: Question) -> ask.Done | None:
        """Do what is asked of names; None when it is about something else."""
        match question:
            case ask.CreateMailbox(name):
                self.tree.create(name)
            case ask.DeleteMailbox(name):
                self.tree.delete(name)
            case ask.RenameMailbox(old, new):
                self.tree.rename(old, new)
            case ask.SubscribeMailbox(name, True):
                self.tree.subscribe(name)
            case ask.SubscribeMailbox(name, _):
                self.tree.unsubscribe(name)
            case _:
                return None
        return ask.Done()

    def _folders(self, subscribed: bool) -> ask.Folders:
        names = self.tree.subscriptions if subscribed else self.tree.names
        uses = {name: self.tree.use_of(name) for name in names}
        return ask.Folders(
            tuple(Folder(name, (use,) if use else ()) for name, use in uses.items())
        )

    def _append(self, question: ask.AppendMessage) -> ask.Added:
        mailbox = self.tree.require(question.name)
        date = as_datetime(question.date) if question.date else self.now()
        uid = mailbox.append(question.content, date, question.flags)
        return ask.Added(mailbox.uid_validity, (uid,))

    # Messages of the open mailbox -----------------------------------------------------

    def _open_one(self, question: Question, mailbox: Mailbox) -> ask.Answer:
        match question:
            case ask.ReadMessages(uids, _, mark_seen):
                seen = frozenset({"\\Seen"} if mark_seen else ())
                return _store(mailbox, uids, "+", seen)
            case ask.StoreFlags(uids, mode, flags):
                return _store(mailbox, uids, mode, flags)
            case ask.ExpungeMessages(uids):
                messages = _existing(mailbox, uids)
                mailbox.expunge(m.uid for m in messages if "\\Deleted" in m.flags)
                return ask.Done()
            case ask.CopyMessages():
                return self._copy(question, mailbox)
            case _:
                raise AssertionError(f"a question nobody answers: {question}")

    def _copy(self, question: ask.CopyMessages, mailbox: Mailbox) -> ask.Added:
        target = self.tree.require(question.target)
        transfer = self.tree.move if question.move else self.tree.copy
        pairs = transfer(mailbox, question.uids, target, self.now())
        new = tuple(uid for _, uid in pairs)
        return ask.Added(target.uid_validity, new, tuple(uid for uid, _ in pairs))


def as_message_data(message: StoredMessage) -> MessageData:
    """A stored message as the engine wants it."""
    at = message.internal_date
    offset = at.utcoffset() or timedelta()
    clock = (at.hour, at.minute, at.second, round(offset.total_seconds() / 60))
    date = DateTime(at.year, at.month, at.day, *clock)
    return MessageData(message.uid, message.flags, date, message.content)


def as_datetime(at: DateTime) -> datetime:
    """A date of the wire as the store wants it."""
    zone = timezone(timedelta(minutes=at.zone))
    return datetime(*at.date, at.hour, at.minute, at.second, tzinfo=zone)


def _counts(mailbox: Mailbox) -> ask.Counts:
    unseen = sum("\\Seen" not in message.flags for message in mailbox.messages)
    return ask.Counts(
        len(mailbox.messages),
        len(mailbox.recent),
        mailbox.uid_next,
        mailbox.uid_validity,
        unseen,
    )


def _existing(mailbox: Mailbox, uids: tuple[int, ...]) -> list[StoredMessage]:
    found = (mailbox.get(uid) for uid in uids)
    return [message for message in found if message]


def _store(
    mailbox: Mailbox, uids: tuple[int, ...], mode: str, flags: frozenset[str]
) -> ask.Messages:
    for message in _existing(mailbox, uids):
        mailbox.set_flags(message.uid, changed(message.flags, mode, flags))
    return ask.Messages(tuple(map(as_message_data, _existing(mailbox, uids))))
