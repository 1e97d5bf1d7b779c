"""What an SMTP session asks the policies, and with which facts.

Goes in: who connects, an envelope. Comes out: verdicts.

Rule 1: the order is fixed: who may send, how much, to whom, is there room, and only
        then lists of bad addresses and greylisting, which ask the DNS and remember.
Rule 2: what is refused does not count: a recipient is counted last, a message when all
        of it has come.
Rule 3: who comes by LMTP is the MTA of the house: it is no stranger, and nothing goes
        on from here (RFC 2033 §2).
"""

from maillab.agents.doorkeeper import Caller, Doorkeeper
from maillab.agents.mta import MTA
from maillab.policy import reply_names
from maillab.policy.domains import Ours, find_domain
from maillab.policy.recipients import Resolution
from maillab.policy.relay import RecipientFacts, judge_recipient
from maillab.policy.senders import SenderFacts, judge_sender
from maillab.policy.settings import Settings
from maillab.policy.verdict import Verdict
from maillab.protocol.smtp_phrases import Phrases
from maillab.protocol.smtp_server_events import RcptTo
from maillab.wire.smtp import Envelope, Reply, declared_size
from maillab.wire.smtp_path import Address


class Rules:
    """The policies of one server, asked by one session."""

    def __init__(self, mta: MTA, doorkeeper: Doorkeeper, *, lmtp: bool = False) -> None:
        self.mta = mta
        self.doorkeeper = doorkeeper
        self.lmtp = lmtp

    @property
    def settings(self) -> Settings:
        """How the server is configured now, with the aliases of its directory.

        May raise DirectoryUnavailable.
        """
        return self.mta.delivery.settings_with_aliases()

    @property
    def ours(self) -> Ours:
        """What the server knows of itself."""
        return self.mta.delivery.ours

    async def judge_sender(self, caller: Caller, path: Address) -> Verdict:
        """MAIL."""
        lost = self._judge_login(caller)
        if lost is not None:
            return lost
        if self.lmtp:
            return Verdict(
                "accept", "the MTA of the house", "2.1.0", "", reply_names.SENDER_OK
            )
        user, state = caller.user, ""
        checked = self.settings.access.check_sender_domain and not user
        if checked and not path.is_null and not self.mta.is_local(path.domain):
            state = await self.doorkeeper.sender_domain_state(path.domain)
        facts = SenderFacts(self.ours, path, caller.client, user, caller.account, state)
        verdict = judge_sender(facts, self.settings)
        if not verdict.accepted:
            return verdict
        rate = self.doorkeeper.may_send(caller)
        return verdict if rate.accepted else rate

    def _judge_login(self, caller: Caller) -> Verdict | None:
        """Is the account that logged in one still? None: it is, or nobody did."""
        if not caller.user or self.mta.directory.is_active(caller.user):
            return None
        reason = f"the account of {caller.user} was disabled after the login"
        rfc, phrase = "RFC 4954 §6", reply_names.AUTH_REQUIRED
        return Verdict("reject", reason, "5.7.0", rfc, phrase, "account")

    async def judge_recipient(
        self, caller: Caller, envelope: Envelope, question: RcptTo
    ) -> Verdict:
        """RCPT."""
        lost = self._judge_login(caller)
        if lost is not None:
            return lost
        path = question.path
        verdict = self._judge_way(caller, envelope, question)
        if verdict.accepted:
            room = self._judge_room(path, envelope)
            verdict = verdict if room.accepted else room
        if not verdict.accepted or self.lmtp:
            return verdict
        found = await self.doorkeeper.judge_recipient_defence(
            caller, envelope.reverse_path, path
        )
        if found.accepted:
            found = self.doorkeeper.count_recipient(caller)
        return verdict if found.accepted else found

    def _judge_way(
        self, caller: Caller, envelope: Envelope, question: RcptTo
    ) -> Verdict:
        """Whose is this recipient, and may this client write to it?"""
        path = question.path
        if self.lmtp and not self.mta.is_local(path.domain):
            reason = f"LMTP leads to mailboxes of this server, not on to {path.domain}"
            rfc, phrase = "RFC 2033 §2", reply_names.RELAYING_DENIED
            return Verdict("reject", reason, "5.7.1", rfc, phrase, "LMTP")
        facts = RecipientFacts(
            self.ours,
            path,
            client=caller.client,
            user=caller.user,
            sender=envelope.reverse_path,
            route=question.route,
            now=self.mta.machine.time(),
        )
        return judge_recipient(facts, self.settings)

    def _judge_room(self, path: Address, envelope: Envelope) -> Verdict:
        """Is there room in the mailbox, if it is one account's?"""
        size = declared_size(envelope.parameters)
        verdict = self.mta.delivery.judge_quota(path, size)
        return verdict or Verdict("accept", "nobody's mailbox alone", rule="quota")

    def is_backup_for(self, domain: str) -> bool:
        """Mail for this domain waits here for its own server (RFC 1985 §5.1)."""
        found = find_domain(domain, self.ours, self.settings)
        return found.entry is not None and found.entry.allow_relay

    def look_up(self, phrases: Phrases, text: str, *, expand: bool) -> Reply:
        """Answer VRFY or EXPN truly (RFC 5321 §3.5)."""
        meant = self._meant(text)
        if not expand and meant and not any(self._is_ours(one) for one in meant):
            return phrases.reply("cannot-verify", address=text)  # RFC 5321 §3.5.3
        known = [
            one for one in meant if self._is_ours(one) and self._resolve(one).known
        ]
        if not known:
            return phrases.reply("no-such-user", address=text)
        if len(known) > 1:
            return phrases.reply("ambiguous", address=text)
        if not expand:
            return phrases.reply("verified", address=f"<{known[0]}>")
        members = self._members(known[0])
        if not members:
            return phrases.reply("not-a-list", address=text)
        addresses = "\n".join(f"<{member}>" for member in members)
        return phrases.reply("expanded", addresses=addresses)

    def _members(self, address: Address) -> list[str]:
        """Who is on a list, or behind an alias; nobody behind a plain account."""
        found = self._resolve(address)
        if found.kind not in ("list", "alias"):
            return []
        lists = self.settings.recipients.lists
        members = [one for at in found.lists for one in lists[at].members]
        return [*members, *found.accounts, *map(str, found.others)]

    def _meant(self, text: str) -> list[Address]:
        """Whom "ann", "ann@alpha.example" or "Ann <ann@alpha.example>" may mean."""
        inside = text.partition("<")[2].partition(">")[0] or text
        local, at, domain = inside.strip().rpartition("@")
        if at:
            return [Address(local, domain)]
        return [Address(domain, one) for one in self.ours.domains]

    def _is_ours(self, address: Address) -> bool:
        return self.mta.is_local(address.domain)

    def _resolve(self, address: Address) -> Resolution:
        return self.mta.delivery.resolve(address)
