"""Questions to the DNS by hand: what `dig` prints, and what a resolver remembers.

Goes in: a question and who is asked. Comes out: a `Dig`, a `CacheView`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
from dns.rdatatype import RdataType

from maillab.dns.answers import Answer
from maillab.dns.cache import Row
from maillab.dns.client import ask, ask_tcp, make_query
from maillab.dns.records import rdatas
from maillab.dns.resolver import Resolver, tell
from maillab.dns.server import to_wire
from maillab.dns.stub import StubResolver, status_of
from maillab.net.host import Host
from maillab.trace.lines import clean
from maillab.trace.view import Table, View, plural

HEADERS = {"NODATA": "NOERROR", "referral": "NOERROR", "lame": "NOERROR"}
Sections = list[tuple[str, list[dns.rrset.RRset]]]


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked whom, and how long it took."""

    host: str
    server: str  # "203.0.113.53 (ns.beta.example)"; "" for the host's own walk
    transport: str
    when: datetime
    seconds: float
    options: str = ""  # "+norecurse +tcp"


class Dig(View):
    """What the DNS said to one question, as dig prints it.

    status    as in `Answer`; of a server that was asked itself also "referral", "lame"
              or an error such as "REFUSED"
    response  the whole message; None when there was none, or when the host found the
              answer out itself, from the root down
    """

    def __init__(
        self, answer: Answer, asked: Asked, response: dns.message.Message | None
    ) -> None:
        self.answer = answer
        self.asked = asked
        self.response = response
        self.question = answer.question
        self.rdtype = answer.rdtype
        self.status = answer.status
        self.rrset = answer.rrset
        self.aliases = answer.aliases
        self.ttl = answer.ttl
        self.records = answer.records
        self.temporary = answer.temporary

    @property
    def flags(self) -> list[str]:
        """The bits of the header: "qr", "aa", "tc", "rd", "ra"."""
        if self.response is None:
            return [] if self.status == "timeout" else ["qr", "rd", "ra"]
        return dns.flags.to_text(self.response.flags).lower().split()

    @property
    def rcode(self) -> str:
        """The status in the header."""
        if self.response is not None:
            return dns.rcode.to_text(self.response.rcode())
        return HEADERS.get(self.status, self.status)

    @property
    def sections(self) -> Sections:
        """The record sets, by the names that dig gives the sections."""
        found = self.response
        if found is not None:
            return [
                ("ANSWER", found.answer),
                ("AUTHORITY", found.authority),
                ("ADDITIONAL", found.additional),
            ]
        last = [self.rrset] if self.rrset is not None else []
        soa = [self.answer.soa] if self.answer.soa is not None else []
        answer = [*self.answer.chain, *last]
        return [("ANSWER", answer), ("AUTHORITY", soa), ("ADDITIONAL", [])]

    # As a view ------------------------------------------------------------------------

    def describe(self) -> str:
        """One sentence."""
        asked = self.asked
        whom = clean(asked.server) or "the DNS, from the root down,"
        found = f"{clean(self.status)}, {plural(len(self.records), 'record')}"
        what = f"{clean(self.question)} {self.rdtype}"
        return (
            f"{clean(asked.host)} asked {whom} for {what}: {found}, "
            f"in {asked.seconds * 1000:.1f} ms."
        )

    def table(self) -> Table:
        """All records."""
        rows = [
            (name.lower(), *fields)
            for name, rrsets in self.sections
            for fields in fields_of(rrsets)
        ]
        columns = ("section", "name", "ttl", "class", "type", "data")
        return Table(f"{self.question} {self.rdtype}", columns, rows)

    def text(self) -> str:
        """As dig prints it."""
        asked = self.asked
        words = [self.question, self.rdtype, asked.options]
        head = f"; {' '.join(filter(None, words))}, asked from {asked.host}"
        if self.status == "timeout":
            whom = f" to {asked.server}" if asked.server else ""
            lost = f";; communications error{whom}: timed out"
            return "\n".join([head, lost, ";; no servers could be reached"])
        parts = [head, self._header(), f";; QUESTION SECTION:\n{self._question()}"]
        for name, rrsets in self.sections:
            lines = ["  ".join(cells) for cells in aligned(fields_of(rrsets))]
            if lines:
                parts.append("\n".join([f";; {name} SECTION:", *lines]))
        return "\n\n".join([*parts, self._foot()])

    def _header(self) -> str:
        number = f", id: {self.response.id}" if self.response is not None else ""
        counts = "".join(
            f", {name}: {sum(len(rrset) for rrset in rrsets)}"
            for name, rrsets in self.sections
        )
        return (
            f";; ->>HEADER<<- opcode: QUERY, status: {self.rcode}{number}\n"
            f";; flags: {' '.join(self.flags)}; QUERY: 1{counts}"
        )

    def _question(self) -> str:
        name = self.question if self.question == "." else f"{self.question}."
        return f";{name}  IN  {self.rdtype}"

    def _foot(self) -> str:
        asked = self.asked
        server = asked.server or f"none: {asked.host} walks from the root itself"
        transport = f" ({asked.transport.upper()})" if asked.transport else ""
        lines = [
            f";; Query time: {round(asked.seconds * 1000)} msec",
            f";; SERVER: {server}{transport}",
            f";; WHEN: {asked.when:%a %b %d %H:%M:%S UTC %Y}",
        ]
        if self.response is not None:
            lines.append(f";; MSG SIZE  rcvd: {len(to_wire(self.response))}")
        return "\n".join(lines)


class CacheView(View):
    """What one resolver remembers at this moment."""

    def __init__(self, host: str, rows: Sequence[Row]) -> None:
        self.host = host
        self.rows = rows

    def describe(self) -> str:
        """One sentence."""
        return f"{clean(self.host)} remembers {plural(len(self.rows), 'thing')}."

    def table(self) -> Table:
        """Names, types, seconds left, data."""
        rows = [
            (clean(row.name), row.type, str(row.ttl), clean(row.data))
            for row in self.rows
        ]
        return Table(
            f"The cache of {self.host}", ("name", "type", "ttl (s)", "data"), rows
        )

    def text(self) -> str:
        """All of it for a terminal."""
        table = self.table().text() if self.rows else ""
        return f"{self.describe()}\n\n{table}".strip()


# Asking -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asking:
    """A question, and how it shall be asked. `server` is an IP address, or ""."""

    owner: dns.name.Name
    kind: RdataType
    server: str = ""
    recurse: bool = True
    tcp: bool = False

    @property
    def options(self) -> str:
        """As dig's command line has them."""
        norecurse = "" if self.recurse else "+norecurse"
        return " ".join(filter(None, [norecurse, "+tcp" if self.tcp else ""]))


async def look_up(host: Host, resolver: Resolver | StubResolver, what: Asking) -> Dig:
    """Ask as the programs on this host do, or ask one server directly."""
    began, when = host.time(), host.now()
    response: dns.message.Message | None = None
    if what.server:
        response, transport = await ask_server(host, what)
        answer, server = status_of(response, what.owner, what.kind), what.server
    elif isinstance(resolver, StubResolver):
        reply = await resolver.ask(what.owner, what.kind)
        response, server, transport = reply
        answer = status_of(response, what.owner, what.kind)
    else:
        answer = await resolver.look_up(what.owner, what.kind)
        server = transport = ""
    named = named_server(host, server)
    seconds = host.time() - began
    asked = Asked(host.name, named, transport, when, seconds, what.options)
    return Dig(answer, asked, response)


async def ask_server(
    host: Host, what: Asking
) -> tuple[dns.message.Message | None, str]:
    """One question to one server."""
    generator = host.random("dig")
    query = make_query(what.owner, what.kind, generator, recurse=what.recurse)
    if what.tcp:
        response = await ask_tcp(query, to_wire(query), what.server)
        transport = "tcp"
    else:
        response, transport = await ask(query, what.server)
    answer = status_of(response, what.owner, what.kind)
    tell(host, answer, what.server, transport)
    return response, transport


def named_server(host: Host, address: str) -> str:
    """An address with the name of the host that has it."""
    for other in host.network.hosts.values():
        if address in other.addresses:
            return f"{address}#53({other.name})"
    return f"{address}#53" if address else ""


def fields_of(rrsets: Sequence[dns.rrset.RRset]) -> list[tuple[str, ...]]:
    """One row for each record: name, TTL, class, type, data."""
    return [
        (rrset.name.to_text(), str(rrset.ttl), "IN", rrset.rdtype.name, rdata.to_text())
        for rrset in rrsets
        for rdata in rdatas(rrset)
    ]


def aligned(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """The same cells in columns; the last one is as long as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        + [row[-1]]
        for row in rows
    ]
