"""What a server says of its own zones (RFC 1034 §4.3.2, RFC 1035 §4.1).

Goes in: a query in wire format. Comes out: a response in wire format.

Rule: what does not fit a UDP response is cut off with the TC bit; TCP has it all, but
for what no DNS message can hold: that is SERVFAIL.
"""

import copy
from collections.abc import Sequence
from functools import lru_cache

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
from dns.rdatatype import RdataType

from maillab.dns.zones import Lookup, Zone

PORT = 53
UDP_SIZE = 512  # octets, without EDNS (RFC 1035 §4.2.1)
TCP_SIZE = 65535  # octets: the length is told in two of them (RFC 1035 §4.2.2)
EDNS_SIZE = 1232  # octets that we take by UDP (RFC 6891 §6.2.5)
HEADER_SIZE = 12
TRANSFERS = (RdataType.AXFR, RdataType.IXFR)


class AuthoritativeServer:
    """Answers for its zones and for nothing else."""

    def __init__(self, zones: Sequence[Zone]) -> None:
        self.zones = {zone.origin: zone for zone in zones}

    def answer(self, wire: bytes, *, by_udp: bool) -> bytes | None:
        """The response to a query; None when there is nobody to answer to."""
        query = parse(wire)
        if query is None:
            return format_error(wire)
        if query.flags & dns.flags.QR:
            return None  # a response: answering it could go on for ever
        return render(self.respond(query), size_limit(query, by_udp=by_udp))

    def respond(self, query: dns.message.Message) -> dns.message.Message:
        """The response to a query, whole."""
        response = begin(query)
        if response.rcode() != dns.rcode.NOERROR:
            return response
        question = query.question[0]
        zone = self.find_zone(question.name)
        if zone is None or question.rdtype in TRANSFERS:
            response.set_rcode(dns.rcode.REFUSED)
            return response
        add_lookup(zone.lookup(question.name, question.rdtype), response)
        return response

    def find_zone(self, name: dns.name.Name) -> Zone | None:
        """The zone that is nearest above a name."""
        for size in range(len(name.labels), 0, -1):
            zone = self.zones.get(dns.name.Name(name.labels[-size:]))
            if zone is not None:
                return zone
        return None


def parse(wire: bytes) -> dns.message.Message | None:
    """A DNS message, or None when it is none."""
    try:
        known = _parsed(wire[2:])
    except (dns.exception.DNSException, ValueError):
        return None
    message = copy.copy(known)  # its lists are copied too: some callers clear them
    message.id = int.from_bytes(wire[:2], "big")
    message.sections = [list(section) for section in known.sections]
    return message


@lru_cache(maxsize=1024)
def _parsed(behind_id: bytes) -> dns.message.Message:
    """A message, read without its id: that differs each time, the rest often not.

    Reading takes many times as long as copying what was read.
    """
    return dns.message.from_wire(b"\0\0" + behind_id)


def begin(query: dns.message.Message) -> dns.message.Message:
    """A response without records. It says so when nobody could answer such a query."""
    response = dns.message.make_response(query, our_payload=EDNS_SIZE)
    if query.edns > 0:
        response.set_rcode(dns.rcode.BADVERS)  # RFC 6891 §6.1.3
    elif query.opcode() != dns.opcode.QUERY:
        response.set_rcode(dns.rcode.NOTIMP)
    elif len(query.question) != 1:
        response.set_rcode(dns.rcode.FORMERR)
    elif query.question[0].rdclass != dns.rdataclass.IN:
        response.set_rcode(dns.rcode.REFUSED)
    return response


def add_lookup(found: Lookup, response: dns.message.Message) -> None:
    """Put what a zone said into a response."""
    response.set_rcode(found.rcode)
    if found.authoritative:
        response.flags |= dns.flags.AA
    response.answer += found.answer
    response.authority += found.authority
    response.additional += found.additional


def size_limit(query: dns.message.Message, *, by_udp: bool) -> int:
    """How long the response may be, in octets."""
    return max(UDP_SIZE, min(query.payload, EDNS_SIZE)) if by_udp else TCP_SIZE


def render(response: dns.message.Message, limit: int) -> bytes:
    """To wire format, in the order of the zone file (dnspython would shuffle)."""
    wire = fitting(response, limit)
    if wire is None:
        response.additional.clear()
        wire = fitting(response, limit)
    if wire is not None:
        return wire
    cut_off(response)
    if limit == TCP_SIZE:  # there is no other way to ask
        response.flags &= ~dns.flags.TC
        response.set_rcode(dns.rcode.SERVFAIL)
    return to_wire(response)


def fitting(response: dns.message.Message, limit: int) -> bytes | None:
    """The response in wire format; None when it is too long."""
    try:
        wire = to_wire(response)
    except dns.exception.TooBig:
        return None
    return wire if len(wire) <= limit else None


def cut_off(response: dns.message.Message) -> None:
    """Leave the records out and say so: ask again by TCP (RFC 2181 §9)."""
    for section in (response.answer, response.authority, response.additional):
        section.clear()
    response.flags |= dns.flags.TC


def to_wire(message: dns.message.Message) -> bytes:
    """A DNS message in wire format, deterministic."""
    return message.to_wire(max_size=TCP_SIZE, want_shuffle=False)


def format_error(wire: bytes) -> bytes | None:
    """FORMERR for something that is no DNS message, if it has at least a header."""
    if len(wire) < HEADER_SIZE or wire[2] & 0x80:
        return None
    response = dns.message.Message(id=int.from_bytes(wire[:2], "big"))
    response.flags = dns.flags.QR
    response.set_rcode(dns.rcode.FORMERR)
    return to_wire(response)
