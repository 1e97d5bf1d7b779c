"""A resolver that asks its way down from the root (RFC 1034 §5.3.3), with a cache.

Goes in: a name and a type. Comes out: an `Answer`. Each answer is told to the observer.

Rule 1: a server that does not answer is asked again, then the next; one that is lame
        (it refuses, or does not know the zone as its own) is passed over at once.
Rule 2: every failure has a name: NXDOMAIN, NODATA, SERVFAIL, timeout.
Rule 3: the work for one question has a bound (RFC 1034 §5.3.3): nobody can make a
        resolver loop, not by aliases, not by name servers that name each other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import dns.message
import dns.name
import dns.rrset
from dns.rdatatype import RdataType

from maillab.dns.answers import (
    ADDRESS_TYPES,
    MAX_CNAMES,
    Answer,
    Delegation,
    find_name,
    is_alias,
    is_authoritative,
    read_answer,
    read_referral,
    read_status,
    text_of,
    with_chain,
)
from maillab.dns.cache import Cache, servers_text
from maillab.dns.client import PATIENT, Asker, Patience, ask, make_query
from maillab.dns.records import target_of

MAX_REFERRALS = 16
MAX_QUERIES = 60  # questions to servers for one question of ours
MAX_DEPTH = 8  # name servers whose addresses we need to find name servers …

UNHURRIED = (PATIENT,)
# A resolver that others wait for: as BIND, 800 ms, then twice as long; in all a bit
# less than its 10 s, which is what a stub resolver waits, so that it hears SERVFAIL.
HURRIED = (Patience(0.8, 1), Patience(1.6, 1), Patience(3.2, 1))
HURRY_UP = 9.0  # seconds


@dataclass(frozen=True, slots=True)
class Step:
    """One question to one server on the way down, and what came back."""

    zone: dns.name.Name
    server: str  # its name
    address: str
    question: str
    type: str
    response: dns.message.Message | None
    began: float  # seconds
    ended: float


@dataclass(slots=True)
class Errand:
    """What one question has cost so far."""

    deadline: float
    queries: int = 0
    depth: int = 0
    lame: set[tuple[dns.name.Name, str]] = field(
        default_factory=set[tuple[dns.name.Name, str]]
    )
    nowhere: set[dns.name.Name] = field(default_factory=set[dns.name.Name])

    def is_over(self, now: float) -> bool:
        """No more questions may be asked."""
        return self.queries >= MAX_QUERIES or now >= self.deadline


class Resolver:
    """One host's view of the DNS, from the root down."""

    def __init__(
        self,
        roots: Sequence[tuple[str, str]],
        asker: Asker,
        *,
        hurried: bool = False,
        watch: Callable[[Step], None] | None = None,
    ) -> None:
        """`roots`: names and addresses of the root servers (the root hints)."""
        hints = tuple((dns.name.from_text(name), (ip,)) for name, ip in roots)
        self._root = Delegation(dns.name.root, hints)
        self._asker = asker
        self._random = asker.random("dns")
        self._rounds = HURRIED if hurried else UNHURRIED
        self._time_limit = HURRY_UP if hurried else float("inf")
        self._watch = watch
        self.cache = Cache(asker.time)

    async def resolve(self, name: str, rdtype: str) -> Answer:
        """Look a name up, following CNAMEs. Never raises for what servers say."""
        owner = find_name(name)
        if owner is None:  # no server has to be asked
            return Answer(name, rdtype, "NXDOMAIN")
        return await self.look_up(owner, RdataType.make(rdtype))

    async def addresses(self, name: str) -> list[str]:
        """All A and AAAA records of a name, IPv4 first; [] when it has none."""
        found: list[str] = []
        for rdtype in ("A", "AAAA"):
            found += (await self.resolve(name, rdtype)).records
        return found

    async def look_up(self, question: dns.name.Name, kind: RdataType) -> Answer:
        """The same for a name in dnspython's words."""
        kept = self._find_kept(question, kind)
        if kept is not None and not is_alias(kept, kind):
            return kept
        errand = Errand(self._asker.time() + self._time_limit)
        owner, chain, seen = question, list[dns.rrset.RRset](), [question]
        for _ in range(MAX_CNAMES + 1):
            answer = await self._resolve_one(owner, kind, errand)
            if answer.rrset is None or not is_alias(answer, kind):
                return with_chain(answer, question, chain)
            chain.append(answer.rrset)
            owner = target_of(answer.rrset)
            if owner in seen:
                break
            seen.append(owner)
        failed = Answer(text_of(question), kind.name, "SERVFAIL")
        return with_chain(failed, question, chain)

    def find_known(self, owner: dns.name.Name, kind: RdataType) -> Answer | None:
        """What the cache says, without a question to anybody."""
        return self.cache.find(owner, kind) or self.cache.find_alias(owner)

    # One name -------------------------------------------------------------------------

    async def _resolve_one(
        self, owner: dns.name.Name, kind: RdataType, errand: Errand
    ) -> Answer:
        """The records of `owner`, or its CNAME record."""
        kept = self._find_kept(owner, kind)
        if kept is not None:
            return kept
        alias = self.cache.find_alias(owner)
        if alias is not None:
            return alias
        answer = await self._walk(owner, kind, errand)
        # What failed deep down, near the bounds, may be well when asked alone.
        if not answer.temporary or errand.depth == 0:
            self.cache.keep(owner, kind, answer)
        return answer

    def _find_kept(self, owner: dns.name.Name, kind: RdataType) -> Answer | None:
        kept = self.cache.find(owner, kind)
        if kept is not None:
            self._tell(kept, "", "", cached=True)
        return kept

    async def _walk(
        self, owner: dns.name.Name, kind: RdataType, errand: Errand
    ) -> Answer:
        """From the nearest known zone down to the one that answers."""
        known = self.cache.nearest_zone(owner)
        delegation = known[0] if known is not None else self._root
        for _ in range(MAX_REFERRALS):
            response = await self._ask_servers(delegation, owner, kind, errand)
            if response is None:
                return Answer(text_of(owner), kind.name, "timeout")
            answer = read_answer(response, owner, kind)
            if answer is not None and is_authoritative(response):
                return answer
            below = read_referral(response, owner, delegation.zone)
            if below is None:
                break
            delegation, ttl = below
            self.cache.keep_zone(delegation, ttl)
        return Answer(text_of(owner), kind.name, "SERVFAIL")

    async def _ask_servers(
        self,
        delegation: Delegation,
        owner: dns.name.Name,
        kind: RdataType,
        errand: Errand,
    ) -> dns.message.Message | None:
        """The first useful response of the servers of a zone, else a useless one."""
        zone = delegation.zone
        useless: dns.message.Message | None = None
        for patience in self._rounds:
            for server, known in delegation.servers:
                addresses = known or await self._server_addresses(server, zone, errand)
                for address in filter(self._asker.address_for, addresses):
                    one = Asking(zone, server, address, patience)
                    response = await self._try(one, owner, kind, errand)
                    if response is None:
                        continue
                    if is_useful(response, owner, kind, zone):
                        return response
                    useless = response
        return useless

    async def _try(
        self, one: "Asking", owner: dns.name.Name, kind: RdataType, errand: Errand
    ) -> dns.message.Message | None:
        """Ask one server, unless it proved lame or enough has been asked."""
        known_lame = (one.zone, one.address) in errand.lame
        if known_lame or errand.is_over(self._asker.time()):
            return None
        errand.queries += 1
        left = errand.deadline - self._asker.time()
        patience = one.patience._replace(timeout=min(one.patience.timeout, left))
        one = replace(one, patience=patience)
        response = await self._ask_one(one, owner, kind)
        if response is not None and not is_useful(response, owner, kind, one.zone):
            errand.lame.add((one.zone, one.address))
        return response

    async def _server_addresses(
        self, server: dns.name.Name, zone: dns.name.Name, errand: Errand
    ) -> Sequence[str]:
        """Addresses of a name server that came without glue."""
        if server.is_subdomain(zone) or errand.depth >= MAX_DEPTH:
            return ()  # of its own zone, only the server itself could tell
        if server in errand.nowhere:
            return ()
        errand.nowhere.add(server)  # while we look, and when it was in vain
        errand.depth += 1
        found: list[str] = []
        for kind in ADDRESS_TYPES:
            found += (await self._resolve_one(server, kind, errand)).records
        errand.depth -= 1
        if found:
            errand.nowhere.remove(server)
        return found

    async def _ask_one(
        self, one: "Asking", owner: dns.name.Name, kind: RdataType
    ) -> dns.message.Message | None:
        query = make_query(
            owner, kind, self._random, recurse=False
        )  # we walk ourselves
        began = self._asker.time()
        response, transport = await ask(query, one.address, one.patience)
        told = status_of(response, owner, kind)
        self._tell(told, one.address, transport, cached=False)
        if self._watch is not None:
            at = (text_of(one.server), one.address, text_of(owner), kind.name)
            self._watch(Step(one.zone, *at, response, began, self._asker.time()))
        return response

    def _tell(self, answer: Answer, server: str, transport: str, cached: bool) -> None:
        tell(self._asker, answer, server, transport, cached=cached)


@dataclass(frozen=True, slots=True)
class Asking:
    """Which server is asked, for which zone, how patiently."""

    zone: dns.name.Name
    server: dns.name.Name
    address: str
    patience: Patience


def is_useful(
    response: dns.message.Message,
    owner: dns.name.Name,
    kind: RdataType,
    zone: dns.name.Name,
) -> bool:
    """It answers from its own zone, or leads further down (RFC 2181 §5.4.1)."""
    if is_authoritative(response) and read_answer(response, owner, kind) is not None:
        return True
    return read_referral(response, owner, zone) is not None


def status_of(
    response: dns.message.Message | None, owner: dns.name.Name, kind: RdataType
) -> Answer:
    """What an authoritative server said, for the trace."""
    if response is None:
        return Answer(text_of(owner), kind.name, "timeout")
    answer = read_answer(response, owner, kind)
    if answer is None:
        return read_status(response, owner, kind)
    if not is_authoritative(response):
        return Answer(text_of(owner), kind.name, "lame")
    return answer


def said(step: Step) -> str:
    """What a server said, in words."""
    owner, kind = dns.name.from_text(step.question), RdataType.make(step.type)
    response = step.response
    status = status_of(response, owner, kind)
    below = read_referral(response, owner, step.zone) if response is not None else None
    if status.rrset is not None and status.status == "NOERROR":
        return f"answer: {', '.join(status.texts)}"
    if status.status == "referral" and below is not None:
        return f"referral to {text_of(below[0].zone)}: {servers_text(below[0])}"
    return "no answer" if status.status == "timeout" else status.status


def tell(
    asker: Asker, answer: Answer, server: str, transport: str, *, cached: bool = False
) -> None:
    """Tell the observer what came of a question."""
    asker.emit(
        "dns",
        question=answer.question,
        type=answer.rdtype,
        rcode=answer.status,
        answers=tuple(answer.texts),
        server=server,
        cached=cached,
        transport=transport,
    )
