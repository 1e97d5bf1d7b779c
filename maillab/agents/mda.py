"""The mail delivery agent: from the queue into a mailbox (RFC 5598 §4.3.3)."""

from maillab.agents.machine import Machine
from maillab.store.accounts import Directory
from maillab.store.queue import QueueEntry
from maillab.wire.message import field, prepend
from maillab.wire.smtp_path import Address


class MDA:
    """Puts messages into the INBOXes of one server."""

    def __init__(self, machine: Machine, directory: Directory) -> None:
        self.machine = machine
        self.directory = directory

    def deliver(self, entry: QueueEntry, recipient: Address) -> bool:
        """Deliver to one recipient; False when the account is gone.

        "When the delivery SMTP server makes the 'final delivery' of a message, it
        inserts a return-path line" (RFC 5321 §4.4).
        """
        account = self.directory.find_address(recipient.local_part, recipient.domain)
        if account is None:
            return False
        path = field("Return-Path", entry.reverse_path.to_path())
        inbox = account.mailboxes.inbox
        uid = inbox.append(prepend(entry.content, path), self.machine.now())
        self.machine.emit(
            "delivered",
            message=entry.message,
            mailbox=account.address,
            folder=inbox.name,
            uid=uid,
        )
        return True
