"""What becomes of a recipient of ours: mailbox, alias, list, forward, vacation, rules.

Goes in: a queue entry and one of its recipients. Comes out: an `Outcome`; messages in
mailboxes, and new messages for others by way of `inject`.

Rule 1: policies say who gets it (`policy.recipients`, `policy.content_rules` …), this
        agent does it. Settings are read when they are needed.
Rule 2: what goes on from here carries Delivered-To with the address that it was for;
        what comes with the address that it is for goes round in circles: 5.4.6.
Rule 3: nothing happens before it is certain that the recipient can be served: a full
        mailbox is found out before copies leave.
Rule 4: a directory that cannot answer, or a disk that is full, is no reason to lose
        mail: it is tried again.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from maillab.agents.directory_aliases import with_directory_aliases
from maillab.agents.expansion import Expansion, Inject, valid
from maillab.agents.machine import Machine
from maillab.agents.mda import MDA, Parcel
from maillab.agents.outcome import Outcome, Status
from maillab.agents.vacationing import Vacationing
from maillab.policy.content_rules import Effects, Letter, apply_rules
from maillab.policy.domains import Ours, find_domain
from maillab.policy.quota import Room, find_limit, judge_quota
from maillab.policy.recipient_settings import Forward
from maillab.policy.recipients import (
    Resolution,
    find_entry,
    once_each,
    resolve,
    same_address,
)
from maillab.policy.settings import Settings
from maillab.policy.verdict import Verdict
from maillab.store.accounts import Account, Directory, DirectoryUnavailable
from maillab.store.mailboxes import INBOX
from maillab.store.messages import StoreUnavailable
from maillab.store.queue import QueueEntry, Recipient
from maillab.wire.message import Header
from maillab.wire.smtp_path import Address

GetSettings = Callable[[], Settings]

DELIVERED_TO = re.compile(rb"^Delivered-To[ \t]*:", re.IGNORECASE | re.MULTILINE)
NOBODY = "there is no mailbox of this name"


@dataclass(frozen=True, slots=True)
class Case:
    """One message for one recipient of ours, and who that is."""

    entry: QueueEntry
    recipient: Recipient
    found: Resolution
    settings: Settings

    def outcome(self, status: Status, reason: str = "", code: str = "") -> Outcome:
        """How it ends."""
        return Outcome(self.recipient, status, reason, code)


class LocalDelivery:
    """Final delivery, and mediation, of one server.

    settings  gives the settings of now
    inject    queues a new message
    """

    def __init__(
        self,
        machine: Machine,
        hostname: str,
        directory: Directory,
        settings: GetSettings,
        inject: Inject,
    ) -> None:
        self.machine = machine
        self.directory = directory
        self.settings = settings
        self.mda = MDA(machine)
        self.expansion = Expansion(machine, inject)
        self.vacationing = Vacationing(machine, hostname, inject)
        self._known: tuple[frozenset[str], tuple[str, ...]] = (frozenset(), ())
        self._ours = Ours.of((), (), self._find_account)

    # What others ask ------------------------------------------------------------------

    @property
    def ours(self) -> Ours:
        """What this server knows of itself, for policies.

        The domains are those of before while the directory cannot answer.
        """
        addresses: tuple[str, ...] = getattr(self.machine, "addresses", ())
        try:
            known = (self.directory.domains, addresses)
        except DirectoryUnavailable:
            if not self._ours.domains:
                raise
            return self._ours
        if self._known != known:
            self._known = known
            self._ours = Ours.of(*known, self._find_account)
        return self._ours

    def settings_with_aliases(self) -> Settings:
        """The settings of now, with the aliases that stand in the directory.

        May raise DirectoryUnavailable.
        """
        return with_directory_aliases(self.settings(), self.directory)

    def is_local(self, domain: str) -> bool:
        """Mail for this domain is ours to deliver: alias domains and our own address
        literals too.
        """
        return find_domain(domain, self.ours, self.settings()).is_ours

    def resolve(self, address: Address) -> Resolution:
        """Who gets the mail for an address. May raise DirectoryUnavailable."""
        return resolve(address, self.ours, self.settings_with_aliases())

    def judge_quota(self, address: Address, size: int = 0) -> Verdict | None:
        """Is there room for a message of this size? (RCPT; None: not for one account.)

        May raise DirectoryUnavailable.
        """
        found = self.resolve(address)
        account = self._account(found.single_account)
        try:
            return self._room(account, size, self.settings()) if account else None
        except StoreUnavailable as error:
            raise DirectoryUnavailable(str(error)) from error

    def _find_account(self, local_part: str, domain: str) -> str:
        account = self.directory.find_address(local_part, domain)
        return account.address if account is not None else ""

    def _account(self, address: str) -> Account | None:
        local_part, _, domain = address.rpartition("@")
        return self.directory.find_address(local_part, domain) if address else None

    # Delivery -------------------------------------------------------------------------

    async def deliver(self, entry: QueueEntry, recipient: Recipient) -> Outcome:
        """Do for one recipient what is to be done."""
        try:
            return self._deliver(entry, recipient)
        except DirectoryUnavailable as error:
            reason = f"the directory cannot answer: {error}"
            return Outcome(recipient, "deferred", reason, "4.3.0")
        except StoreUnavailable as error:  # RFC 3463 §3.4: "mail system full"
            return Outcome(recipient, "deferred", str(error), "4.3.1")

    def _deliver(self, entry: QueueEntry, recipient: Recipient) -> Outcome:
        settings = self.settings_with_aliases()
        found = resolve(recipient.address, self.ours, settings)
        case = Case(entry, recipient, found, settings)
        if found.kind == "loop":
            reason = f"the aliases of {recipient.address} lead in a circle"
            return case.outcome("failed", reason, "5.4.6")
        if not found.known:
            return case.outcome("failed", NOBODY, "5.1.1")
        if self._came_back(case):
            reason = f"the message was at {recipient.address} before: a mail loop"
            return case.outcome("failed", reason, "5.4.6")
        if found.single_account:
            return self._to_account(case)
        return self.expansion.expand(entry, recipient, found, settings)

    def _came_back(self, case: Case) -> bool:
        """Delivered-To says so (RFC 5321 §6.3 wants servers to detect loops)."""
        content = case.entry.content
        if not (case.settings.recipients.detect_loops and DELIVERED_TO.search(content)):
            return False
        before = {
            same_address(one) for one in Header.from_wire(content).all("Delivered-To")
        }
        names = {str(case.recipient.address), case.found.single_account}
        return any(same_address(name) in before for name in names if name)

    # One account ----------------------------------------------------------------------

    def _to_account(self, case: Case) -> Outcome:
        account = self._account(case.found.single_account)
        if account is None:
            return case.outcome("failed", NOBODY, "5.1.1")
        recipient = str(case.recipient.address)
        letter = Letter(str(case.entry.reverse_path), recipient, case.entry.content)
        effects = apply_rules(letter, account.address, case.settings)
        return self._with_rules(case, account, effects)

    def _with_rules(self, case: Case, account: Account, effects: Effects) -> Outcome:
        if effects.rejected:
            self._obey(case, effects)
            return case.outcome("failed", effects.rejected, "5.7.1")
        if effects.deleted:
            self._obey(case, effects)
            return case.outcome("delivered", "a rule deleted it")
        forward = self._forward(account, case.settings)
        keeps = forward is None or forward.keep
        full = self._room(account, len(case.entry.content), case.settings)
        if keeps and not full.accepted:
            status = "deferred" if full.result == "defer" else "failed"
            return case.outcome(status, full.reason, full.code)
        self._obey(case, effects)
        self._tell_way(case)
        if keeps:
            self._put(case, account, effects)
        outcome = case.outcome("delivered")
        if forward is not None:
            outcome = self.expansion.forward(case.entry, case.recipient, forward)
        self.vacationing.answer(case.entry, account.address, self.ours, case.settings)
        return outcome

    def _put(self, case: Case, account: Account, effects: Effects) -> None:
        folders = (effects.folder or INBOX, *effects.copies)
        content = effects.letter.content
        address = case.recipient.address
        self.mda.put(
            account, Parcel(case.entry, content, address, folders, effects.flags)
        )

    def _forward(self, account: Account, settings: Settings) -> Forward | None:
        """Where the account's mail goes; None when that is nowhere else."""
        forwards = settings.recipients.forwards
        at = find_entry(*same_address(account.address), forwards)
        if at is None:
            return None
        others = once_each(valid(forwards[at].to), account.address)
        return replace(forwards[at], to=others) if others else None

    def _room(self, account: Account, size: int, settings: Settings) -> Verdict:
        used = octets_of(account) if find_limit(account.address, settings)[0] else 0
        return judge_quota(Room(account.address, used, size), settings)

    def _obey(self, case: Case, effects: Effects) -> None:
        """Tell which rules acted; their copies for others leave now, once: the mailbox
        may be on a disk that is full, and is tried again.
        """
        if case.recipient.obeyed:
            return
        for step in effects.steps:
            self.machine.emit(
                "policy",
                subject=f"message to {case.recipient.address}",
                verdict="refuse" if effects.rejected else "accept",
                reason=f'the rule "{step.address}" fits',
                ref="RFC 5598 §5",
                rule=step.rule,
                setting=step.setting,
            )
        targets = tuple(to for to, _ in effects.forwards)
        self.expansion.copy_by_rule(case.entry, case.recipient, targets)
        case.recipient.obeyed = True

    def _tell_way(self, case: Case) -> None:
        """The account was reached by another name."""
        rules = [step.rule for step in case.found.chain]
        for what in ("alias", "plus", "catch-all"):
            if what in rules:
                targets = case.found.accounts
                self.expansion.tell(case.entry, what, case.recipient, targets, "")


def octets_of(account: Account) -> int:
    """What all mailboxes of an account hold."""
    tree = account.mailboxes
    return sum(tree.require(name).size for name in tree.names)
