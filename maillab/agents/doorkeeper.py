"""Keeps the door of one mail server: bans, limits, lists of bad addresses, greylisting.

Goes in: who connects, who fails to log in, who sends what to whom. Comes out: verdicts
of `policy`, and what they need to remember.

Rule 1: policies decide, this agent remembers and looks names up. Settings are read when
        they are needed; time is the machine's.
Rule 2: who logged in, and who is in an exempt network, is not judged by Defence.
Rule 3: postmaster can be reached by those who are on a list (RFC 5321 §4.5.1).
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from maillab.agents.machine import Machine
from maillab.agents.reception_options import Secrets
from maillab.agents.routing import is_null_mx
from maillab.dns.answers import Lookups
from maillab.dns.records import rdatas
from maillab.policy import dnsbl, greylist, rates, reply_names
from maillab.policy.autoblock import Failures, make_ban, note_failure
from maillab.policy.ip_ranges import Visit, judge_connection
from maillab.policy.networks import find_network, same_client
from maillab.policy.recipients import same_local_part
from maillab.policy.senders import DomainState
from maillab.policy.settings import HOUR, IPRange, Settings
from maillab.policy.verdict import Verdict
from maillab.wire.smtp_path import Address

GetSettings = Callable[[], Settings]

PURGE_EVERY = 1000  # new triplets or clients, until the old ones are thrown away

Key = TypeVar("Key")
Times = tuple[float, ...]  # never empty, the latest one at the end


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who brings mail. `user` is the login as it was typed, or ""; `account`
    is the address of its account: one account may have several logins.
    """

    client: str
    user: str = ""
    account: str = ""


class Doorkeeper:
    """Everything that one server remembers of those who connect to it.

    triplets  what greylisting remembers
    """

    def __init__(
        self, machine: Machine, resolver: Lookups, settings: GetSettings
    ) -> None:
        self.machine = machine
        self.resolver = resolver
        self.settings = settings
        self.triplets: dict[greylist.Triplet, greylist.Record] = {}
        self._bans: list[IPRange] = []
        self._failures: dict[str, Failures] = {}
        self._open: Counter[str] = Counter()  # by protocol
        self._open_from: Counter[tuple[str, str]] = Counter()  # by protocol, address
        self._windows: dict[tuple[str, str], rates.Window] = {}

    @cached_property
    def secrets(self) -> Secrets:
        """One for all ports: a challenge of one port is never that of another."""
        return Secrets(self.machine.random("SASL"))

    # Connections ----------------------------------------------------------------------

    async def admit(self, address: str, protocol: str = "smtp") -> Verdict:
        """May this client have a session? If so, it counts until `leave`."""
        settings = self.settings()
        visit = Visit(address, protocol, self.machine.time())
        bans = () if self._exempt(address) else self.bans
        verdict = judge_connection(visit, settings, bans)
        if verdict.accepted:
            verdict = self._judge_number(visit, settings) or verdict
        if verdict.accepted:
            self._open[protocol] += 1
            self._open_from[protocol, same_client(address)] += 1
        return verdict

    def leave(self, address: str, protocol: str = "smtp") -> None:
        """A session that was admitted has ended."""
        self._open[protocol] -= 1
        key = (protocol, same_client(address))
        self._open_from[key] -= 1
        if self._open_from[key] <= 0:
            del self._open_from[key]

    def _judge_number(self, visit: Visit, settings: Settings) -> Verdict | None:
        limits = settings.limits
        protocol = visit.protocol
        here = self._open[protocol]
        if limits.connections and here >= limits.connections:
            reason = f"{here} {protocol} connections are open: that is the limit"
            return _too_many(reason, "limits.connections")
        theirs = self._open_from[protocol, same_client(visit.client)]
        if limits.connections_per_address and theirs >= limits.connections_per_address:
            reason = f"{visit.client} has {theirs} {protocol} connections open already"
            return _too_many(reason, "limits.connections_per_address")
        return None

    # Bans -----------------------------------------------------------------------------

    @property
    def bans(self) -> tuple[IPRange, ...]:
        """The bans of now, the oldest first."""
        now = self.machine.time()
        self._bans = [ban for ban in self._bans if ban.expires > now]
        return tuple(self._bans)

    def note_login(self, address: str, ok: bool) -> IPRange | None:
        """Somebody tried to log in; the ban, when this was once too often.

        As in hMailServer, the address counts, whoever it says it is.
        """
        if ok or self._exempt(address):
            return None
        client = same_client(address)
        failures, ban = note_failure(
            self._failures.get(client, ()),
            client,
            self.machine.time(),
            self.settings().defence.autoblock,
        )
        if client not in self._failures and len(self._failures) % PURGE_EVERY == 0:
            since = self.machine.time() - self.settings().defence.autoblock.window
            self._failures = later_than(since, self._failures)
        self._failures[client] = failures
        if not failures:
            del self._failures[client]
        if ban is not None:
            self._add_ban(ban)
        return ban

    def ban_of(self, address: str) -> IPRange | None:
        """The ban of a client: it may be younger than the client's connection."""
        if self._exempt(address):
            return None
        client = same_client(address)
        return next((ban for ban in self.bans if ban.first == client), None)

    def is_silent(self, verdict: Verdict) -> bool:
        """Whoever is refused by this verdict hears nothing at all."""
        return verdict.rule == "ban" and self.settings().defence.tell_bans == "drop"

    def ban(self, address: str, seconds: float, reason: str) -> IPRange:
        """Keep somebody out, because an administrator says so."""
        until = self.machine.time() + seconds
        made = make_ban(same_client(address), until, reason)
        self._add_ban(made)
        return made

    def unban(self, address: str) -> bool:
        """Let somebody in again; False when there was no ban."""
        client = same_client(address)
        kept = [ban for ban in self.bans if ban.first != client]
        lifted = len(kept) < len(self._bans)
        self._bans = kept
        self._failures.pop(client, None)
        if lifted:
            self._tell_ban(client, self.machine.time(), "lifted")
        return lifted

    def _add_ban(self, ban: IPRange) -> None:
        others = [one for one in self.bans if one.first != ban.first]
        self._bans = [*others, ban]
        self._tell_ban(ban.first, ban.expires, ban.name)

    def _tell_ban(self, address: str, until: float, reason: str) -> None:
        self.machine.emit("ban", address=address, until=until, reason=reason)

    def _exempt(self, address: str) -> bool:
        return find_network(address, self.settings().defence.exempt) is not None

    # Recipients -----------------------------------------------------------------------

    async def judge_recipient_defence(
        self, caller: Caller, sender: Address, recipient: Address
    ) -> Verdict:
        """What Defence says to a recipient that relaying rules have accepted."""
        if caller.user or self._exempt(caller.client):
            return Verdict("accept", "no stranger", rule="defence")
        if same_local_part(recipient.local_part) == "postmaster":
            return Verdict("accept", "postmaster is for everybody", rule="defence")
        listed = await self._judge_lists(caller.client)
        if listed is not None:
            return listed
        return self._judge_triplet(caller.client, sender, recipient)

    async def _judge_lists(self, client: str) -> Verdict | None:
        for at, zone in enumerate(self.settings().defence.dnsbl):
            name = dnsbl.query_name(client, zone)
            if not name:
                return None
            answer = await self.resolver.resolve(name, "A")
            if any(map(dnsbl.is_listing, answer.records)):
                texts = await self.resolver.resolve(name, "TXT")
                records = (answer.records, texts.records)
                return dnsbl.judge_listing(client, zone, at, records)
        return None

    def _judge_triplet(
        self, client: str, sender: Address, recipient: Address
    ) -> Verdict:
        settings = self.settings().defence.greylisting
        if not settings.delay:
            return Verdict("accept", "there is no greylisting", rule="greylisting")
        key = greylist.triplet(client, str(sender), str(recipient))
        before = self.triplets.get(key)
        verdict, after = greylist.step(before, self.machine.time(), settings)
        self.triplets[key] = after
        self.machine.emit(
            "greylist",
            client=key[0],
            sender=sender.to_path(),
            recipient=str(recipient),
            state=greylist.state(before, after),
            until=greylist.until(after, settings),
        )
        if before is None and len(self.triplets) % PURGE_EVERY == 0:
            self._forget(settings)
        return verdict

    def _forget(self, settings: greylist.Greylisting) -> None:
        now = self.machine.time()
        self.triplets = {
            key: record
            for key, record in self.triplets.items()
            if not greylist.expired(record, now, settings)
        }

    # Rates and patience ---------------------------------------------------------------

    def may_send(self, caller: Caller) -> Verdict:
        """Would one more message of this hour be too much? Nothing is counted yet."""
        window, rate = self._window(caller, "messages")
        return rates.count(window, self.machine.time(), rate)[0]

    def count_message(self, caller: Caller) -> Verdict:
        """One more message of this hour."""
        return self._count(caller, "messages")

    def count_recipient(self, caller: Caller) -> Verdict:
        """One more recipient of this hour."""
        return self._count(caller, "recipients")

    def _count(self, caller: Caller, what: str) -> Verdict:
        window, rate = self._window(caller, what)
        verdict, window = rates.count(window, self.machine.time(), rate)
        key = what, rate.who
        if key not in self._windows and len(self._windows) % PURGE_EVERY == 0:
            self._windows = later_than(self.machine.time() - HOUR, self._windows)
        self._windows[key] = window
        if not window:
            del self._windows[key]
        return verdict

    def _window(self, caller: Caller, what: str) -> tuple[rates.Window, rates.Rate]:
        """What came of late, and how much may come."""
        limits = self.settings().limits
        most = {
            "messages": limits.messages_per_hour,
            "recipients": limits.recipients_per_hour,
        }
        who = caller.account or caller.user or same_client(caller.client)
        rate = rates.Rate(who, what, most[what])
        return self._windows.get((what, who), ()), rate

    def tarpit_seconds(self, refusals: int, client: str = "") -> float:
        """How long the next refusal takes: `refusals` is with this one."""
        defence = self.settings().defence
        if self._exempt(client) or refusals <= defence.tarpit_after:
            return 0.0
        return defence.tarpit

    async def sender_domain_state(self, domain: str) -> DomainState:
        """Can the sender's domain get mail? For `policy.senders`, which wants to know
        when `access.check_sender_domain` is on.
        """
        if domain.startswith("[") or not domain:
            return "exists"
        answer = await self.resolver.resolve(domain, "MX")
        if answer.rrset is not None:
            return "null-mx" if is_null_mx(rdatas(answer.rrset)) else "exists"
        if answer.temporary:
            return "unknown"
        if answer.status == "NXDOMAIN":
            return "missing"
        return "exists" if await self.resolver.addresses(domain) else "missing"


def later_than(since: float, times: Mapping[Key, Times]) -> dict[Key, Times]:
    """Without those who did nothing since then: strangers have many addresses.

    >>> later_than(5.0, {"ann": (1.0, 4.0), "bob": (1.0, 6.0)})
    {'bob': (1.0, 6.0)}
    """
    return {who: when for who, when in times.items() if when[-1] > since}


def _too_many(reason: str, setting: str) -> Verdict:
    name = reply_names.TOO_MANY_CONNECTIONS
    rfc = "RFC 5321 §3.8"
    return Verdict("defer", reason, "4.7.0", rfc, name, "connections", setting)
