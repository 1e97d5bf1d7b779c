"""The mail delivery agent: from the queue into a mailbox (RFC 5598 §4.3.3).

Goes in: a message with its envelope, an account, folders. Comes out: copies in the
mailboxes of the account.

Rule 1: final delivery puts Return-Path on top (RFC 5321 §4.4); and Delivered-To, when
        the message was for another address than the account's own.
Rule 2: a folder that is not there is made; where that cannot be, the INBOX has it.
        A disk that cannot take it now is no such reason: StoreUnavailable.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from maillab.agents.machine import Machine
from maillab.store.accounts import Account
from maillab.store.mailbox_tree import MailboxTree
from maillab.store.mailboxes import INBOX, Mailbox
from maillab.store.messages import MailboxError, StoreUnavailable
from maillab.store.queue import QueueEntry
from maillab.wire.message import field as header_field
from maillab.wire.message import prepend
from maillab.wire.smtp_path import Address


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is put into mailboxes.

    content  with what rules have added; without Return-Path
    address  the recipient's address, as the envelope had it
    folders  each gets a copy
    """

    entry: QueueEntry
    content: bytes
    address: Address
    folders: tuple[str, ...] = (INBOX,)
    flags: frozenset[str] = field(default_factory=frozenset[str])


class MDA:
    """Puts messages into the mailboxes of one server."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def put(self, account: Account, parcel: Parcel) -> None:
        """Final delivery. Raises MailboxError for flags that no mailbox takes,
        and StoreUnavailable.
        """
        content = prepend(parcel.content, *delivery_fields(account, parcel))
        for name in dict.fromkeys(parcel.folders):
            mailbox = find_or_make(account.mailboxes, name)
            uid = mailbox.append(content, self.machine.now(), parcel.flags)
            self.machine.emit(
                "delivered",
                message=parcel.entry.message,
                queue_id=parcel.entry.id,
                mailbox=account.address,
                folder=mailbox.name,
                uid=uid,
                return_path=parcel.entry.reverse_path.to_path(),
            )


def delivery_fields(account: Account, parcel: Parcel) -> Iterable[bytes]:
    """ "When the delivery SMTP server makes the 'final delivery' of a message, it
    inserts a return-path line" (RFC 5321 §4.4).
    """
    yield header_field("Return-Path", parcel.entry.reverse_path.to_path())
    used = str(parcel.address)
    if parcel.address.domain and used.lower() != account.address.lower():
        yield header_field("Delivered-To", used)


def find_or_make(tree: MailboxTree, name: str) -> Mailbox:
    """The folder of a rule."""
    try:
        return tree.find(name) or tree.create(name)
    except StoreUnavailable:
        raise
    except MailboxError:
        return tree.inbox
