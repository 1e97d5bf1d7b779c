"""The name server of a host: its own zones, and, if it resolves, everybody else's.

Goes in: queries on port 53. Comes out: responses (RFC 1034 §4.3.2).

Rule 1: about its own zones it answers with authority and at once.
Rule 2: about the rest it asks others, for clients that want that (the RD bit), when it
        has a `Resolver`; what the same clients ask meanwhile waits for the same answer.
Rule 3: a planned fault comes before all that.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
from dns.rdatatype import RdataType

from maillab.dns.answers import Answer, text_of
from maillab.dns.client import Asker
from maillab.dns.faults import DnsFault, FaultList
from maillab.dns.ports import Reply, open_ports
from maillab.dns.records import target_of
from maillab.dns.resolver import Resolver
from maillab.dns.server import (
    TRANSFERS,
    AuthoritativeServer,
    begin,
    cut_off,
    format_error,
    parse,
    render,
    size_limit,
)
from maillab.dns.zones import Zone
from maillab.net.network import trace_of

RCODES = {
    "NOERROR": dns.rcode.NOERROR,
    "NODATA": dns.rcode.NOERROR,
    "NXDOMAIN": dns.rcode.NXDOMAIN,
}
NO_ANY = f'"RFC{8482}" ""'  # what such an answer holds (RFC 8482 §4.2)
Question = tuple[dns.name.Name, RdataType]


class ServerHost(Asker, Protocol):
    """The host that a name server runs on."""

    name: str

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str = "") -> Any:
        """Run a coroutine there."""
        ...


class NameServer:
    """What answers on port 53.

    zones     by origin
    faults    what it does wrong
    resolver  asks others; None when it answers for its zones only
    """

    def __init__(
        self,
        host: ServerHost,
        zones: Sequence[Zone] = (),
        resolver: Resolver | None = None,
    ) -> None:
        self.host = host
        self.resolver = resolver
        self.faults = FaultList()
        self._own = AuthoritativeServer(zones)
        self.zones = self._own.zones
        self._planned = 0
        self._running: dict[Question, asyncio.Task[Answer]] = {}

    async def start(self) -> None:
        """Open port 53."""
        await self.host.spawn(open_ports(self))

    def plan(self, fault: DnsFault) -> DnsFault:
        """Let it do something wrong from now on."""
        self._planned += 1
        generator = self.host.random(f"dns fault {self._planned}")
        return self.faults.add(fault, generator)

    # Answering ------------------------------------------------------------------------

    def take(self, wire: bytes, reply: Reply, *, by_udp: bool) -> None:
        """Answer a query: at once, or, when others must be asked, later."""
        query = parse(wire)
        if query is None:
            error = format_error(wire)
            if error is not None:
                reply(error)
            return
        if query.flags & dns.flags.QR:
            return  # a response: answering it could go on for ever
        fault = self.faults.strike(query, by_udp=by_udp)
        if fault is not None:
            self._tell(fault, query)
        if fault is not None and fault.kind == "timeout":
            return
        work = self._work(query, fault)
        limit = size_limit(query, by_udp=by_udp)
        if isinstance(work, dns.message.Message):
            reply(render(work, limit))
        else:
            self.host.spawn(self._reply_later(query, work, reply, limit))

    def _work(
        self, query: dns.message.Message, fault: DnsFault | None
    ) -> dns.message.Message | Coroutine[Any, Any, dns.message.Message]:
        """The response, or, when it takes time, the work that makes it."""
        if fault is not None and fault.rcode is not None:
            response = begin(query)
            response.set_rcode(fault.rcode)
            return response
        own = self._own.respond(query)
        if self.resolver is not None:
            own.flags |= dns.flags.RA
        if (fault is None or not fault.seconds) and not self._must_ask(query, own):
            return spoiled(own, fault)
        return self._complete(query, own, fault)

    async def _complete(
        self,
        query: dns.message.Message,
        response: dns.message.Message,
        fault: DnsFault | None,
    ) -> dns.message.Message:
        """Wait if a fault says so, and ask others for what is missing."""
        if fault is not None:
            await asyncio.sleep(fault.seconds)
        if self._must_ask(query, response):
            await self._recurse(query, response)
        return spoiled(response, fault)

    async def _reply_later(
        self,
        query: dns.message.Message,
        work: Coroutine[Any, Any, dns.message.Message],
        reply: Reply,
        limit: int,
    ) -> None:
        try:
            response = await work
        except Exception as error:  # noqa: BLE001  (the top of this task)
            self.host.emit("failure", error=repr(error), traceback=trace_of(error))
            response = begin(query)
            response.set_rcode(dns.rcode.SERVFAIL)
        reply(render(response, limit))

    def _tell(self, fault: DnsFault, query: dns.message.Message) -> None:
        question = query.question[0]
        what = f"{fault.kind}: {text_of(question.name)} {question.rdtype.name}"
        self.host.emit("fault", stage="dns", what=what, comment=fault.comment)

    # Asking others --------------------------------------------------------------------

    def _must_ask(self, query: dns.message.Message, own: dns.message.Message) -> bool:
        """Our own zones do not have it all, and we are there to find out."""
        if self.resolver is None or begin(query).rcode() != dns.rcode.NOERROR:
            return False
        if own.rcode() == dns.rcode.REFUSED:
            return query.question[0].rdtype not in TRANSFERS
        if own.rcode() != dns.rcode.NOERROR or not query.flags & dns.flags.RD:
            return False
        return is_referral(own) or self._leads_away(query, own) is not None

    def _leads_away(
        self, query: dns.message.Message, own: dns.message.Message
    ) -> dns.name.Name | None:
        """Where the last CNAME of our own answer leads, when that is not here."""
        last = own.answer[-1] if own.answer else None
        kind = query.question[0].rdtype
        if last is None or last.rdtype != RdataType.CNAME or kind == RdataType.CNAME:
            return None
        target = target_of(last)
        return target if self._own.find_zone(target) is None else None

    async def _recurse(
        self, query: dns.message.Message, response: dns.message.Message
    ) -> None:
        """Fill in what others say."""
        assert self.resolver is not None
        question = query.question[0]
        owner = self._leads_away(query, response) or question.name
        response.authority.clear()
        response.additional.clear()
        if question.rdtype == RdataType.ANY:
            add_minimal(response, owner)
        elif query.flags & dns.flags.RD:
            add_answer(response, await self._shared(owner, question.rdtype))
        else:
            known = self.resolver.find_known(owner, question.rdtype)
            response.set_rcode(dns.rcode.NOERROR)
            if known is not None:
                add_answer(response, known)

    async def _shared(self, owner: dns.name.Name, kind: RdataType) -> Answer:
        """Look a name up; who asks the same meanwhile gets the same answer."""
        assert self.resolver is not None
        key = (owner, kind)
        task = self._running.get(key)
        if task is None:
            made: asyncio.Task[Answer]
            made = self.host.spawn(self.resolver.look_up(owner, kind))
            made.add_done_callback(lambda done: self._running.pop(key, done))
            self._running[key] = task = made
        return await asyncio.shield(task)


def is_referral(response: dns.message.Message) -> bool:
    """It only says who would know."""
    return not response.flags & dns.flags.AA and not response.answer


def add_answer(response: dns.message.Message, answer: Answer) -> None:
    """Put what others said into a response. It is nothing that we know ourselves."""
    response.set_rcode(RCODES.get(answer.status, dns.rcode.SERVFAIL))
    if not response.answer:
        response.flags &= ~dns.flags.AA
    if answer.temporary:
        return
    response.answer += answer.chain
    if answer.rrset is not None:
        response.answer.append(answer.rrset)
    elif answer.soa is not None:  # the client may keep the denial too (RFC 2308 §6)
        response.authority.append(answer.soa)


def add_minimal(response: dns.message.Message, owner: dns.name.Name) -> None:
    """Who asks for ANY gets one small record (RFC 8482 §4.2)."""
    response.set_rcode(dns.rcode.NOERROR)
    hint = dns.rrset.from_text(owner, 3600, "IN", RdataType.HINFO, NO_ANY)
    response.answer.append(hint)


def spoiled(
    response: dns.message.Message, fault: DnsFault | None
) -> dns.message.Message:
    """A good response, after a fault that changes it."""
    if fault is not None and fault.kind == "wrong-glue":
        fault.spoil_glue(response)
    if fault is not None and fault.kind == "truncate":
        cut_off(response)
    return response
