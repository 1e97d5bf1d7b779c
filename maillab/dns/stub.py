"""A stub resolver: it asks a server that does the work (RFC 1034 §5.3.1).

Goes in: a name and a type. Comes out: an `Answer`, as from `Resolver`.

Rule: as glibc does it: no cache, no EDNS; each server in turn for 5 s, the whole list
twice; one that fails (SERVFAIL, REFUSED, NOTIMP) is passed over; an answer that was cut
off is asked for again by TCP.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import dns.flags
import dns.message
import dns.name
import dns.rcode
from dns.rdatatype import RdataType

from maillab.dns.answers import (
    Answer,
    find_name,
    is_authoritative,
    read_chain,
    read_status,
    text_of,
)
from maillab.dns.client import ATTEMPTS, Asker, Patience, ask, make_query
from maillab.dns.resolver import tell

MAX_SERVERS = 3  # glibc reads no more
ONCE = Patience(attempts=1)


class Reply(NamedTuple):
    """What a server said, and which one; no response when none did."""

    response: dns.message.Message | None
    server: str
    transport: str


class StubResolver:
    """One host's view of the DNS, by the eyes of its resolver."""

    def __init__(self, servers: Callable[[], Sequence[str]], asker: Asker) -> None:
        """`servers`: the addresses to ask, best first, as they are now."""
        self._servers = servers
        self._asker = asker
        self._random = asker.random("dns")

    @property
    def servers(self) -> list[str]:
        """The addresses that this host can reach and will ask, in turn."""
        return list(filter(self._asker.address_for, self._servers()))[:MAX_SERVERS]

    async def resolve(self, name: str, rdtype: str) -> Answer:
        """Look a name up. Never raises for what servers say."""
        owner = find_name(name)
        if owner is None:  # no server has to be asked
            return Answer(name, rdtype, "NXDOMAIN")
        kind = RdataType.make(rdtype)
        return read_reply((await self.ask(owner, kind)).response, owner, kind)

    async def addresses(self, name: str) -> list[str]:
        """All A and AAAA records of a name, IPv4 first; [] when it has none."""
        found: list[str] = []
        for rdtype in ("A", "AAAA"):
            found += (await self.resolve(name, rdtype)).records
        return found

    async def ask(self, owner: dns.name.Name, kind: RdataType) -> Reply:
        """The first useful response; else the last one."""
        last = Reply(None, "", "")
        for server in self.servers * ATTEMPTS:
            query = make_query(owner, kind, self._random, recurse=True)
            query.use_edns(False)
            reply = Reply(*await self._ask_one(query, server))
            told = status_of(reply.response, owner, kind)
            tell(self._asker, told, server, reply.transport)
            if is_final(reply.response):
                return reply
            if reply.response is not None or not last.server:
                last = reply
        return last

    async def _ask_one(
        self, query: dns.message.Message, server: str
    ) -> tuple[dns.message.Message | None, str, str]:
        response, transport = await ask(query, server, ONCE)
        return response, server, transport


def is_final(response: dns.message.Message | None) -> bool:
    """There is no use in asking another server."""
    if response is None:
        return False
    if response.rcode() == dns.rcode.NXDOMAIN or response.answer:
        return True
    helps = bool(response.flags & dns.flags.RA) or is_authoritative(response)
    return response.rcode() == dns.rcode.NOERROR and helps


def read_reply(
    response: dns.message.Message | None, owner: dns.name.Name, kind: RdataType
) -> Answer:
    """What a recursive server said, as an answer."""
    said = status_of(response, owner, kind)
    usual = ("NOERROR", "NXDOMAIN", "NODATA", "timeout")
    return said if said.status in usual else replace(said, status="SERVFAIL")


def status_of(
    response: dns.message.Message | None, owner: dns.name.Name, kind: RdataType
) -> Answer:
    """The same, with the words of the server when it failed ("REFUSED", "lame")."""
    if response is None:
        return Answer(text_of(owner), kind.name, "timeout")
    answer = read_chain(response, owner, kind)
    if answer is not None:
        return answer
    told = replace(read_status(response, owner, kind), rrset=None)
    is_denial = is_final(response) and told.status == "lame"  # without a SOA record
    return replace(told, status="NODATA") if is_denial else told
