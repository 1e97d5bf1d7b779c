"""What others did to the accounts of a server, and where mailboxes come from.

Goes in: what was known of the accounts, and what is so now. Comes out: events, for
those who watch a directory.

Rule: an account that was not known before is no event: nobody can have logged in.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from maillab.store.mailbox_tree import STANDARD_FOLDERS, MailboxTree

Event = Literal["disabled", "removed", "password"]

Mailboxes = Callable[[str], MailboxTree]  # of an address


def mailboxes_in_memory(address: str) -> MailboxTree:
    """New mailboxes that are gone with the process."""
    del address
    return MailboxTree(STANDARD_FOLDERS)


class DirectoryUnavailable(Exception):
    """The directory cannot answer now: its database or its host is gone.

    Servers say "later": 454 4.7.0 (RFC 4954 §4), [SYS/TEMP] (RFC 3206 §4),
    [UNAVAILABLE] (RFC 5530 §3), and 451 4.3.0 for recipients.
    """


@dataclass(frozen=True, slots=True)
class State:
    """What matters of an account to those who have logged in.

    secret  a text that is another one when the password is
    """

    enabled: bool
    secret: str


def changes(
    before: Mapping[str, State], now: Mapping[str, State]
) -> Iterator[tuple[str, Event]]:
    """What happened, each account once: the worst that did.

    >>> ann, bob = State(True, "x"), State(True, "y")
    >>> list(changes({"ann": ann, "bob": bob}, {"bob": State(False, "y")}))
    [('ann', 'removed'), ('bob', 'disabled')]
    """
    for address, old in before.items():
        new = now.get(address)
        if new is None:
            yield address, "removed"
        elif old.enabled and not new.enabled:
            yield address, "disabled"
        elif new.secret != old.secret:
            yield address, "password"
