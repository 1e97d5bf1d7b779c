"""Mediators: aliases, lists, forwards and rules that send a message on (RFC 5598 §5).

Goes in: a message for an address that stands for others. Comes out: a new message for
them, and an `Outcome` for the one who was named.

Rule 1: alias and forward keep the reverse-path, a list replaces it (RFC 5321 §3.9).
Rule 2: one other address inherits what the sender asked of reports (RFC 3461 §5.2.7);
        several inherit it without SUCCESS, and the sender hears "expanded" from us
        (RFC 3461 §5.2.7); with a list, the message has arrived, and nothing of it is
        inherited (RFC 3461 §5.2.7).
Rule 3: who keeps a copy has got the message: what becomes of the other copies is no
        business of the sender's (NOTIFY=NEVER).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from maillab.agents.injection import Cause, Injection
from maillab.agents.machine import Machine
from maillab.agents.outcome import Outcome
from maillab.policy.mailing_lists import list_copy, members_for, owner_of
from maillab.policy.recipient_settings import Forward
from maillab.policy.recipients import (
    Resolution,
    once_each,
    read_addresses,
    same_address,
)
from maillab.policy.settings import Settings
from maillab.store.queue import QueueEntry, Recipient
from maillab.wire.message import field, prepend
from maillab.wire.smtp_path import NULL_PATH, Address

Inject = Callable[[Injection], QueueEntry]

NEVER = frozenset({"NEVER"})
NO_MEMBERS = "the list has no members"


@dataclass(frozen=True, slots=True)
class Copy:
    """A message that goes on: why, for whom, and what reports are wanted."""

    cause: Cause
    targets: tuple[str, ...]
    notify: frozenset[str] = frozenset()
    original: str = ""
    reverse_path: Address | None = None  # None: as it came


class Expansion:
    """Sends messages on, in the name of one server."""

    def __init__(self, machine: Machine, inject: Inject) -> None:
        self.machine = machine
        self.inject = inject
        self._copied: tuple[str, set[tuple[str, str]]] = ("", set())

    def expand(
        self,
        entry: QueueEntry,
        recipient: Recipient,
        found: Resolution,
        settings: Settings,
    ) -> Outcome:
        """An alias of several, of somebody elsewhere, or a mailing list."""
        lists = settings.recipients.lists
        if len(found.lists) == 1 and not found.accounts and not found.others:
            return self._to_list(entry, recipient, found.lists[0], settings)
        targets = (
            *found.accounts,
            *(lists[at].address for at in found.lists),
            *(str(address) for address in found.others),
        )
        return self._to_others(entry, recipient, "alias", targets)

    def forward(
        self, entry: QueueEntry, recipient: Recipient, rule: Forward
    ) -> Outcome:
        """The owner of an account wants the mail elsewhere, or elsewhere too."""
        if not rule.keep:
            return self._to_others(entry, recipient, "forward", rule.to)
        self._send(entry, recipient, Copy("forward", rule.to, NEVER))
        return Outcome(recipient, "delivered")

    def copy_by_rule(
        self, entry: QueueEntry, recipient: Recipient, targets: Sequence[str]
    ) -> None:
        """A rule wants others to have it too: each once, however many recipients of
        one message the rule looked at.
        """
        if self._copied[0] != entry.id:
            self._copied = (entry.id, set())
        had = self._copied[1]
        others = once_each(valid(targets), str(recipient.address))
        others = tuple(one for one in others if same_address(one) not in had)
        had.update(map(same_address, others))
        if others:
            self._send(entry, recipient, Copy("rule", others, NEVER))

    def _to_others(
        self,
        entry: QueueEntry,
        recipient: Recipient,
        cause: Cause,
        targets: tuple[str, ...],
    ) -> Outcome:
        one = len(targets) == 1
        notify = recipient.notify if one else without_success(recipient.notify)
        self._send(entry, recipient, Copy(cause, targets, notify, recipient.original))
        return Outcome(recipient, "redirected" if one else "expanded")

    def _to_list(
        self, entry: QueueEntry, recipient: Recipient, at: int, settings: Settings
    ) -> Outcome:
        a_list = settings.recipients.lists[at]
        if not valid(a_list.members):
            return Outcome(recipient, "failed", NO_MEMBERS, "5.2.4")
        members = valid(members_for(a_list, entry.reverse_path))
        if members:
            owner = next(read_addresses((owner_of(a_list),)), None)
            if entry.reverse_path.is_null:  # there is no report about a report, and no
                owner = NULL_PATH  # circle where the list is its own owner
            content = list_copy(entry.content, a_list)
            copy = Copy("list", members, reverse_path=owner)
            self._send(entry, recipient, copy, content)
        return Outcome(recipient, "delivered")

    def _send(
        self,
        entry: QueueEntry,
        recipient: Recipient,
        copy: Copy,
        content: bytes | None = None,
    ) -> None:
        mark = field("Delivered-To", str(recipient.address))
        recipients = tuple(
            Recipient(address, copy.notify, copy.original)
            for address in read_addresses(copy.targets)
        )
        keeps_path = copy.reverse_path is None
        made = self.inject(
            Injection(
                entry.reverse_path if copy.reverse_path is None else copy.reverse_path,
                recipients,
                prepend(entry.content if content is None else content, mark),
                copy.cause,
                entry.ret if keeps_path else "",
                entry.envid if keeps_path else "",
                entry.body,
                entry.utf8,
            )
        )
        self.tell(entry, copy.cause, recipient, copy.targets, made.message)

    def tell(
        self,
        entry: QueueEntry,
        what: str,
        recipient: Recipient,
        targets: tuple[str, ...],
        new_message: str,
    ) -> None:
        """Put it into the trace."""
        self.machine.emit(
            "mediated",
            message=entry.message,
            queue_id=entry.id,
            what=what,
            recipient=str(recipient.address),
            targets=targets,
            new_message=new_message,
        )


def without_success(notify: frozenset[str]) -> frozenset[str]:
    """ "Any SUCCESS keyword is removed" (RFC 3461 §5.2.7); if nothing remains, the
    sender has not asked for failures either.

    >>> sorted(without_success(frozenset({"SUCCESS"})))
    ['NEVER']
    """
    return notify - {"SUCCESS"} or (NEVER if notify else notify)


def valid(texts: Sequence[str]) -> tuple[str, ...]:
    """Those that are addresses."""
    return tuple(map(str, read_addresses(texts)))
