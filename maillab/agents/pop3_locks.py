"""One session at a time has a maildrop (RFC 1939 §4), whichever port it came to.

Goes in: mailboxes. Comes out: whether they are free, and since when.

Rule: the lock belongs to the mailbox itself, so all ports and hosts that serve it
      share the lock. POP3 sessions only: IMAP may read, add and remove meanwhile.
"""

from weakref import WeakKeyDictionary, WeakSet

from maillab.store.mailboxes import Mailbox


class MaildropLocks:
    """Which maildrops are open, and when each was opened last.

    >>> from maillab.store.mailbox_tree import MailboxTree
    >>> locks, inbox = MaildropLocks(), MailboxTree().inbox
    >>> locks.take(inbox), locks.take(inbox), locks.release(inbox), locks.take(inbox)
    (True, False, None, True)
    """

    def __init__(self) -> None:
        self._open: WeakSet[Mailbox] = WeakSet()
        self._opened: WeakKeyDictionary[Mailbox, float] = WeakKeyDictionary()

    def take(self, mailbox: Mailbox) -> bool:
        """Lock a maildrop; False: somebody has it."""
        free = mailbox not in self._open
        self._open.add(mailbox)
        return free

    def release(self, mailbox: Mailbox) -> None:
        """Let others open it."""
        self._open.discard(mailbox)

    def note_login(self, mailbox: Mailbox, now: float) -> None:
        """Somebody has opened it."""
        self._opened[mailbox] = now

    def wait(self, mailbox: Mailbox, now: float, delay: int) -> float:
        """How many seconds a user still has to wait (RFC 2449 §6.5)."""
        opened = self._opened.get(mailbox)
        return 0.0 if opened is None else max(0.0, opened + delay - now)


LOCKS = MaildropLocks()  # of this process: a store has one writer
