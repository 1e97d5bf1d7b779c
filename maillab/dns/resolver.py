"""A resolver that asks its way down from the root (RFC 1034 §5.3.3), with a cache.

Goes in: a name and a type. Comes out: an `Answer`. Each answer is told to the observer.

Rule 1: the cache lives on the virtual clock; denials are kept as RFC 2308 §5 says.
Rule 2: a server that does not answer is asked again after 5 s, twice in all; then the
        next.
Rule 3: every failure has a name: NXDOMAIN, NODATA, SERVFAIL, timeout.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dns.message
import dns.name
import dns.rcode
import dns.rrset
from dns.rdatatype import RdataType

from maillab.dns.client import ask
from maillab.dns.records import addresses, denial_ttl, rdatas, target_of, texts

MAX_REFERRALS = 16
MAX_CNAMES = 8
MAX_TTL = 7 * 86400  # seconds (RFC 8767 §4)

ADDRESS_TYPES = (RdataType.A, RdataType.AAAA)

Emit = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the DNS says about one name and type.

    status   "NOERROR", "NXDOMAIN", "NODATA", "SERVFAIL" or "timeout"
    records  the record data as zone files write them, such as "10 mx.beta.example."
    name     the owner of the records, at the end of a CNAME chain
    """

    question: str
    rdtype: str
    status: str
    rrset: dns.rrset.RRset | None = None
    aliases: tuple[str, ...] = ()
    ttl: float = 0.0

    @property
    def records(self) -> list[str]:
        """The record data in presentation format."""
        return texts(self.rrset)

    @property
    def temporary(self) -> bool:
        """Asking again later may help."""
        return self.status in ("SERVFAIL", "timeout")


@dataclass(frozen=True, slots=True)
class Delegation:
    """The servers of a zone: names with the addresses that we know."""

    zone: dns.name.Name
    servers: tuple[tuple[dns.name.Name, tuple[str, ...]], ...]


class Resolver:
    """One host's view of the DNS."""

    def __init__(
        self,
        roots: Sequence[tuple[str, str]],
        *,
        emit: Emit,
        generator: random.Random,
        can_reach: Callable[[str], bool] = bool,
    ) -> None:
        """`roots`: names and addresses of the root servers (the root hints).

        `can_reach`: does this host have an address of the same IP version?
        """
        hints = tuple((dns.name.from_text(name), (ip,)) for name, ip in roots)
        self._root = Delegation(dns.name.root, hints)
        self._emit = emit
        self._random = generator
        self._can_reach = can_reach
        self._cache: dict[tuple[dns.name.Name, RdataType], tuple[float, Answer]] = {}
        self._zones: dict[dns.name.Name, tuple[float, Delegation]] = {}

    async def resolve(self, name: str, rdtype: str) -> Answer:
        """Look a name up, following CNAMEs. Never raises for what servers say."""
        owner = dns.name.from_text(name)
        kind = RdataType.make(rdtype)
        aliases: list[str] = []
        for _ in range(MAX_CNAMES):
            answer = await self._resolve_one(owner, kind, 0)
            if answer.rrset is None or answer.rrset.rdtype == kind:
                return with_aliases(answer, name, aliases)
            owner = target_of(answer.rrset)
            aliases.append(text_of(owner))
        return Answer(name, rdtype, "SERVFAIL", aliases=tuple(aliases))

    async def addresses(self, name: str) -> list[str]:
        """All A and AAAA records of a name, IPv4 first; [] when it has none."""
        found: list[str] = []
        for rdtype in ("A", "AAAA"):
            found += (await self.resolve(name, rdtype)).records
        return found

    # One name -------------------------------------------------------------------------

    async def _resolve_one(
        self, owner: dns.name.Name, kind: RdataType, depth: int
    ) -> Answer:
        """The records of `owner`, or its CNAME record."""
        kept = self._kept(owner, kind)
        if kept is not None:
            self._tell(kept, "", "", cached=True)
            return kept
        alias = self._kept(owner, RdataType.CNAME)
        if alias is not None and alias.rrset is not None:
            return alias
        answer = await self._walk(owner, kind, depth)
        if not answer.temporary:
            now = asyncio.get_running_loop().time()
            key = (owner, answer.rrset.rdtype if answer.rrset is not None else kind)
            self._cache[key] = (now + min(answer.ttl, MAX_TTL), answer)
        return answer

    def _kept(self, owner: dns.name.Name, kind: RdataType) -> Answer | None:
        """What the cache has and may still use."""
        expires, answer = self._cache.get((owner, kind), (0.0, None))
        return answer if expires > asyncio.get_running_loop().time() else None

    async def _walk(self, owner: dns.name.Name, kind: RdataType, depth: int) -> Answer:
        """From the nearest known zone down to the one that answers."""
        delegation = self._nearest(owner)
        for _ in range(MAX_REFERRALS):
            response = await self._ask_servers(delegation, owner, kind, depth)
            if response is None:
                return Answer(text_of(owner), kind.name, "timeout")
            answer = read_answer(response, owner, kind)
            if answer is not None:
                return answer
            below = read_referral(response, owner, delegation.zone)
            if below is None:
                return Answer(text_of(owner), kind.name, "SERVFAIL")
            delegation, ttl = below
            expires = asyncio.get_running_loop().time() + ttl
            self._zones[delegation.zone] = (expires, delegation)
        return Answer(text_of(owner), kind.name, "SERVFAIL")

    def _nearest(self, owner: dns.name.Name) -> Delegation:
        """The lowest zone above `owner` whose servers we know."""
        now = asyncio.get_running_loop().time()
        for size in range(len(owner.labels), 0, -1):
            kept = self._zones.get(dns.name.Name(owner.labels[-size:]))
            if kept is not None and kept[0] > now:
                return kept[1]
        return self._root

    async def _ask_servers(
        self, delegation: Delegation, owner: dns.name.Name, kind: RdataType, depth: int
    ) -> dns.message.Message | None:
        """The first useful response of the servers of a zone."""
        useless: dns.message.Message | None = None
        for server, known in delegation.servers:
            addresses = known or await self._server_addresses(server, depth)
            for address in filter(self._can_reach, addresses):
                response = await self._ask_one(address, owner, kind)
                if response is None:
                    continue
                if response.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                    return response
                useless = response
        return useless

    async def _server_addresses(
        self, server: dns.name.Name, depth: int
    ) -> Sequence[str]:
        """Addresses of a name server that came without glue."""
        if depth >= MAX_CNAMES:
            return ()
        found: list[str] = []
        for kind in ADDRESS_TYPES:
            found += (await self._resolve_one(server, kind, depth + 1)).records
        return found

    async def _ask_one(
        self, address: str, owner: dns.name.Name, kind: RdataType
    ) -> dns.message.Message | None:
        query = dns.message.make_query(
            owner, kind, use_edns=0, payload=1232, id=self._random.getrandbits(16)
        )
        query.flags = 0  # no recursion desired: we walk ourselves
        response, transport = await ask(query, address)
        if response is None:
            failed = Answer(text_of(owner), kind.name, "timeout")
            self._tell(failed, address, transport, cached=False)
            return None
        answer = read_answer(response, owner, kind) or read_status(
            response, owner, kind
        )
        self._tell(answer, address, transport, cached=False)
        return response

    def _tell(self, answer: Answer, server: str, transport: str, cached: bool) -> None:
        self._emit(
            "dns",
            question=answer.question,
            type=answer.rdtype,
            rcode=answer.status,
            answers=record_texts(answer.rrset),
            server=server,
            cached=cached,
            transport=transport,
        )


# Reading responses --------------------------------------------------------------------


def read_answer(
    response: dns.message.Message, owner: dns.name.Name, kind: RdataType
) -> Answer | None:
    """The answer in a response, or None when it is a referral or a failure."""
    text = text_of(owner)
    for wanted in (kind, RdataType.CNAME):
        for rrset in response.answer:
            if rrset.name == owner and rrset.rdtype == wanted:
                return Answer(text, kind.name, "NOERROR", rrset, ttl=float(rrset.ttl))
    soa = [rrset for rrset in response.authority if rrset.rdtype == RdataType.SOA]
    ttl = float(denial_ttl(soa[0])) if soa else 0.0
    if response.rcode() == dns.rcode.NXDOMAIN:
        return Answer(text, kind.name, "NXDOMAIN", ttl=ttl)
    if response.rcode() == dns.rcode.NOERROR and soa:
        return Answer(text, kind.name, "NODATA", ttl=ttl)
    return None


def read_status(
    response: dns.message.Message, owner: dns.name.Name, kind: RdataType
) -> Answer:
    """A response without an answer: a referral, or a failure."""
    for rrset in response.authority:
        if rrset.rdtype == RdataType.NS and response.rcode() == dns.rcode.NOERROR:
            return Answer(text_of(owner), kind.name, "referral", rrset)
    code = dns.rcode.to_text(response.rcode())
    return Answer(text_of(owner), kind.name, "lame" if code == "NOERROR" else code)


def read_referral(
    response: dns.message.Message, owner: dns.name.Name, zone: dns.name.Name
) -> tuple[Delegation, float] | None:
    """The delegation in a response and its TTL, if it leads down towards `owner`."""
    for rrset in response.authority:
        below = rrset.name.is_subdomain(zone) and rrset.name != zone
        if rrset.rdtype == RdataType.NS and below and owner.is_subdomain(rrset.name):
            servers = tuple(
                (rdata.target, glue(response, rdata.target)) for rdata in rdatas(rrset)
            )
            return Delegation(rrset.name, servers), float(rrset.ttl)
    return None


def glue(response: dns.message.Message, name: dns.name.Name) -> tuple[str, ...]:
    """Addresses of `name` in the additional section."""
    return addresses(
        rrset
        for rrset in response.additional
        if rrset.name == name and rrset.rdtype in ADDRESS_TYPES
    )


def with_aliases(answer: Answer, question: str, aliases: Sequence[str]) -> Answer:
    """The last answer of a CNAME chain, as the answer to the first question."""
    if not aliases:
        return answer
    return Answer(
        question,
        answer.rdtype,
        answer.status,
        answer.rrset,
        tuple(aliases),
        answer.ttl,
    )


def record_texts(rrset: dns.rrset.RRset | None) -> list[str]:
    """`MX 10 mx.beta.example.`, for the trace."""
    if rrset is None:
        return []
    kind = rrset.rdtype.name
    return [f"{kind} {text}" for text in texts(rrset)]


def text_of(name: dns.name.Name) -> str:
    """A name without its final dot; the root as "."."""
    return name.to_text(omit_final_dot=True) if name != dns.name.root else "."
