"""What a DNS response says: an answer, a denial, a referral, or a failure.

Goes in: a response. Comes out: an `Answer`, or the `Delegation` of a referral.

Rule: a server is believed about its own zone and what lies below it, and about nothing
else (RFC 5452 §6): other records in a response are not even read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Protocol

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.reversename
import dns.rrset
from dns.rdatatype import RdataType

from maillab.dns.records import addresses, denial_ttl, rdatas, target_of, texts

MAX_CNAMES = 8  # aliases of one name; more is a mistake or a trick
ADDRESS_TYPES = (RdataType.A, RdataType.AAAA)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the DNS says about one name and type.

    status   "NOERROR", "NXDOMAIN", "NODATA", "SERVFAIL" or "timeout"
    records  the record data as zone files write them, such as "10 mx.beta.example."
    rrset    the same with owner and TTL; the owner is the end of a CNAME chain
    ttl      how long it may be kept, in seconds
    chain    the CNAME records that led there; `aliases` are their targets
    soa      in a denial: the SOA that says how long it may be kept (RFC 2308 §3)
    words    `records`, if somebody has written them down already (a cache has)
    """

    question: str
    rdtype: str
    status: str
    rrset: dns.rrset.RRset | None = None
    aliases: tuple[str, ...] = ()
    ttl: float = 0.0
    chain: tuple[dns.rrset.RRset, ...] = ()
    soa: dns.rrset.RRset | None = None
    words: tuple[str, ...] | None = field(default=None, compare=False, repr=False)

    @property
    def records(self) -> list[str]:
        """The record data in presentation format."""
        return texts(self.rrset) if self.words is None else list(self.words)

    @property
    def texts(self) -> list[str]:
        """`MX 10 mx.beta.example.`, for the trace."""
        if self.rrset is None:
            return []
        kind = self.rrset.rdtype.name
        return [f"{kind} {text}" for text in self.records]

    @property
    def temporary(self) -> bool:
        """Asking again later may help."""
        return self.status in ("SERVFAIL", "timeout")


class Lookups(Protocol):
    """Whoever looks names up: `Resolver` and `StubResolver`."""

    async def resolve(self, name: str, rdtype: str) -> Answer:
        """The records of a name, CNAMEs followed."""
        ...

    async def addresses(self, name: str) -> list[str]:
        """All A and AAAA records of a name."""
        ...


@dataclass(frozen=True, slots=True)
class Delegation:
    """The servers of a zone: names with the addresses that we know."""

    zone: dns.name.Name
    servers: tuple[tuple[dns.name.Name, tuple[str, ...]], ...]


# Reading responses --------------------------------------------------------------------


def read_answer(
    response: dns.message.Message, owner: dns.name.Name, kind: RdataType
) -> Answer | None:
    """The answer in a response, or None when it is a referral or a failure."""
    text = text_of(owner)
    for wanted in (kind, RdataType.CNAME):
        for rrset in response.answer:
            fits = rrset.rdtype == wanted or kind == RdataType.ANY
            if rrset.name == owner and fits:
                return Answer(text, kind.name, "NOERROR", rrset, ttl=float(rrset.ttl))
    soa = find_soa(response, owner)
    ttl = float(denial_ttl(soa)) if soa is not None else 0.0
    if response.rcode() == dns.rcode.NXDOMAIN:
        return Answer(text, kind.name, "NXDOMAIN", ttl=ttl, soa=soa)
    if response.rcode() == dns.rcode.NOERROR and soa is not None:
        return Answer(text, kind.name, "NODATA", ttl=ttl, soa=soa)
    return None


def find_soa(
    response: dns.message.Message, owner: dns.name.Name
) -> dns.rrset.RRset | None:
    """The SOA of a denial (RFC 2308 §2), if it is of a zone above `owner`."""
    for rrset in response.authority:
        if rrset.rdtype == RdataType.SOA and owner.is_subdomain(rrset.name):
            return rrset
    return None


def read_chain(
    response: dns.message.Message, owner: dns.name.Name, kind: RdataType
) -> Answer | None:
    """The answer of a recursive server, which has followed the CNAMEs for us."""
    question, chain = owner, list[dns.rrset.RRset]()
    for _ in range(MAX_CNAMES + 1):
        answer = read_answer(response, owner, kind)
        if answer is None or not is_alias(answer, kind):
            return with_chain(answer, question, chain) if answer else None
        assert answer.rrset is not None
        chain.append(answer.rrset)
        owner = target_of(answer.rrset)
        if response.rcode() == dns.rcode.NOERROR and not knows(response, owner):
            denial = Answer(text_of(owner), kind.name, "NODATA")
            return with_chain(denial, question, chain)
    return Answer(text_of(question), kind.name, "SERVFAIL")


def knows(response: dns.message.Message, owner: dns.name.Name) -> bool:
    """The response says something about `owner`: records, or a denial."""
    has_soa = find_soa(response, owner) is not None
    return has_soa or any(rrset.name == owner for rrset in response.answer)


def is_alias(answer: Answer, kind: RdataType) -> bool:
    """The answer is a CNAME and not what was asked for."""
    found = answer.rrset.rdtype if answer.rrset is not None else kind
    return found != kind and kind != RdataType.ANY


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
    """The delegation in a response and its TTL, if it leads down towards `owner`.

    `zone` is the zone whose server said it: glue of names outside of it is not believed
    (RFC 5452 §6, RFC 2181 §5.4.1).
    """
    if response.rcode() != dns.rcode.NOERROR:
        return None
    for rrset in response.authority:
        below = rrset.name.is_subdomain(zone) and rrset.name != zone
        if rrset.rdtype == RdataType.NS and below and owner.is_subdomain(rrset.name):
            servers = tuple(
                (rdata.target, glue(response, rdata.target, zone))
                for rdata in rdatas(rrset)
            )
            return Delegation(rrset.name, servers), float(rrset.ttl)
    return None


def glue(
    response: dns.message.Message, name: dns.name.Name, zone: dns.name.Name
) -> tuple[str, ...]:
    """Addresses of `name` in the additional section, if `zone` may know them."""
    if not name.is_subdomain(zone):
        return ()
    return addresses(
        rrset
        for rrset in response.additional
        if rrset.name == name and rrset.rdtype in ADDRESS_TYPES
    )


def is_authoritative(response: dns.message.Message) -> bool:
    """The server says that the zone is its own (RFC 1035 §4.1.1)."""
    return bool(response.flags & dns.flags.AA)


def with_chain(
    answer: Answer, question: dns.name.Name, chain: Sequence[dns.rrset.RRset]
) -> Answer:
    """The last answer of a CNAME chain, as the answer to the first question.

    It may be kept as long as its shortest link.
    """
    if not chain:
        return answer
    aliases = tuple(text_of(target_of(link)) for link in chain)
    ttl = min([answer.ttl, *(float(link.ttl) for link in chain)])
    text = text_of(question)
    return replace(answer, question=text, aliases=aliases, ttl=ttl, chain=tuple(chain))


# Names --------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def find_name(text: str) -> dns.name.Name | None:
    """A name that was typed; None when no name can look so (RFC 1035 §2.3.4)."""
    try:
        return dns.name.from_text(text)
    except dns.exception.DNSException:
        return None


def text_of(name: dns.name.Name) -> str:
    """A name without its final dot; the root as "."."""
    return _text_of(name.labels)


@lru_cache(maxsize=4096)
def _text_of(labels: tuple[bytes, ...]) -> str:
    name = dns.name.Name(labels)  # two names are equal in any case, labels are not
    return name.to_text(omit_final_dot=True) if name != dns.name.root else "."


def reverse_of(address: str) -> str:
    """The name that holds the PTR records of an address (RFC 1035 §3.5, RFC 3596 §2.5).

    >>> reverse_of("192.0.2.25")
    '25.2.0.192.in-addr.arpa'
    """
    return text_of(dns.reversename.from_address(address))
