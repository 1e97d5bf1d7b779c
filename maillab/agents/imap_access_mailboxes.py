"""Answers about one user's mailboxes: what the IMAP access agent does with the store.

Goes in: a question of the IMAP engine. Comes out: its answer, read from the store,
which it may have changed. Raises MailboxError when the store says no.

Rule: what is beyond the quota of the user is refused as a whole (RFC 9208 §4.3.1).
"""

from collections.abc import Callable
from datetime import datetime

from maillab.agents.imap_access_messages import (
    as_new_message,
    read_part,
    store_flags,
)
from maillab.protocol import imap_server_events as ask
from maillab.protocol.engine import Question
from maillab.store.mailbox_tree import DELIMITER, MailboxTree
from maillab.store.mailboxes import Mailbox
from maillab.store.messages import MailboxError
from maillab.wire.imap_list import Folder

Clock = Callable[[], datetime]


class ImapDesk:
    """Knows one user's mailboxes. `now` is the clock of the machine.

    limit  octets that all mailboxes together may hold; 0: any number
    """

    def __init__(
        self, tree: MailboxTree, now: Clock, limit: Callable[[], int] = lambda: 0
    ) -> None:
        self.tree = tree
        self.now = now
        self.limit = limit

    def answer(self, question: Question, mailbox: Mailbox | None) -> ask.Answer:
        """Answer a question; `mailbox` is the open one."""
        found = self._about_all(question) or self._change_tree(question)
        if found is None and mailbox is not None:
            found = self._about_open(question, mailbox)
        assert found is not None, f"a question nobody answers: {question}"
        return found

    def open(self, name: str) -> tuple[Mailbox, Folder]:
        """The mailbox of this name, as it is now, and as LIST shows it."""
        self.tree.refresh()
        mailbox = self.tree.require(name)
        below = f"{mailbox.name}{DELIMITER}"
        parent = any(other.startswith(below) for other in self.tree.names)
        words = ["\\HasChildren" if parent else "\\HasNoChildren"]  # RFC 3348 §3
        words += [mailbox.use] if mailbox.use else []
        return mailbox, Folder(mailbox.name, tuple(words))

    # All mailboxes --------------------------------------------------------------------

    def _about_all(self, question: Question) -> ask.Answer | None:
        match question:
            case ask.Refresh():
                self.tree.refresh()
                return ask.Done()
            case ask.ListMailboxes():
                return self._folders()
            case ask.CountMailbox(name):
                return _counts(self.tree.require(name))
            case ask.AppendMessages():
                return self._append(question)
            case ask.AskUsage():
                return ask.Usage(self.tree.size, self.limit())
            case _:
                return None

    def _change_tree(self, question: Question) -> ask.Answer | None:
        """Do what is asked of names; None when it is about something else."""
        match question:
            case ask.CreateMailbox(name, use):
                return ask.Made(self.tree.create(name, use).mailbox_id)
            case ask.DeleteMailbox(name):
                self.tree.delete(name)
            case ask.RenameMailbox(old, new):
                self.tree.rename(old, new)
            case ask.SubscribeMailbox(name, True):
                self.tree.subscribe(name)
            case ask.SubscribeMailbox(name, _):
                self._unsubscribe(name)
            case _:
                return None
        return ask.Done()

    def _unsubscribe(self, name: str) -> None:
        """OK "if the mailbox is not subscribed" too (RFC 9051 §6.3.8)."""
        try:
            self.tree.unsubscribe(name)
        except MailboxError as error:
            if error.code != "NONEXISTENT":
                raise

    def _folders(self) -> ask.Folders:
        uses = {name: self.tree.use_of(name) for name in self.tree.names}
        folders = (Folder(n, (use,) if use else ()) for n, use in uses.items())
        return ask.Folders(tuple(folders), self.tree.subscriptions)

    def _append(self, question: ask.AppendMessages) -> ask.Added:
        mailbox, now = self.tree.require(question.name), self.now()
        new = [as_new_message(letter, now) for letter in question.letters]
        self._make_room(sum(len(letter.content) for letter in question.letters))
        uids = mailbox.append_all(new)
        return ask.Added(mailbox.uid_validity, tuple(uids))

    def _make_room(self, octets: int) -> None:
        limit = self.limit()
        if limit and self.tree.size + octets > limit:
            raise MailboxError("OVERQUOTA", "There is no room for that")

    # The open mailbox -----------------------------------------------------------------

    def _about_open(self, question: Question, mailbox: Mailbox) -> ask.Answer | None:
        match question:
            case ask.ReadMessages():
                return read_part(self.tree, mailbox, question)
            case ask.StoreFlags():
                return store_flags(mailbox, question)
            case ask.AskTime():
                return ask.Now(int(self.now().timestamp()))
            case ask.FindVanished(modseq):
                return ask.Vanished(mailbox.vanished_since(modseq))
            case ask.ExpungeMessages(uids):
                expunge_deleted(mailbox, uids)
                return ask.Done()
            case ask.CopyMessages():
                return self._copy(question, mailbox)
            case ask.ReplaceMessage():
                return self._replace(question, mailbox)
            case _:
                return None

    def _copy(self, question: ask.CopyMessages, mailbox: Mailbox) -> ask.Added:
        target = self.tree.require(question.target)
        if not question.move:
            self._make_room(sum(m.size for m in mailbox.existing(question.uids)))
        transfer = self.tree.move if question.move else self.tree.copy
        pairs = transfer(mailbox, question.uids, target, self.now())
        new = tuple(uid for _, uid in pairs)
        return ask.Added(target.uid_validity, new, tuple(uid for uid, _ in pairs))

    def _replace(self, question: ask.ReplaceMessage, mailbox: Mailbox) -> ask.Added:
        target = self.tree.require(question.name)
        old = mailbox.get(question.uid)
        self._make_room(len(question.letter.content) - (old.size if old else 0))
        new = as_new_message(question.letter, self.now())
        uid = self.tree.replace(mailbox, question.uid, target, new)
        return ask.Added(target.uid_validity, (uid,))


def expunge_deleted(mailbox: Mailbox, uids: tuple[int, ...]) -> None:
    """Remove those of these messages that are marked \\Deleted."""
    marked = (m.uid for m in mailbox.existing(uids) if "\\Deleted" in m.flags)
    mailbox.expunge(tuple(marked))


def _counts(mailbox: Mailbox) -> ask.Counts:
    messages = mailbox.messages
    deleted = [message.size for message in messages if "\\Deleted" in message.flags]
    return ask.Counts(
        messages=len(messages),
        recent=len(mailbox.recent),
        uid_next=mailbox.uid_next,
        uid_validity=mailbox.uid_validity,
        unseen=sum("\\Seen" not in message.flags for message in messages),
        deleted=len(deleted),
        size=mailbox.size,
        deleted_size=sum(deleted),
        highest_modseq=mailbox.highest_modseq,
        mailbox_id=mailbox.mailbox_id,
    )
