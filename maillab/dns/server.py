"""An authoritative DNS server on UDP and TCP, port 53 (RFC 1034, RFC 1035, RFC 7766).

Goes in: a query in wire format. Comes out: a response in wire format.

Rule: what does not fit a UDP response is cut off with the TC bit; TCP has it all.
"""

import asyncio
import struct
from collections.abc import Sequence
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass

from maillab.dns.zones import Lookup, Zone

PORT = 53
UDP_SIZE = 512  # octets, without EDNS (RFC 1035 §4.2.1)
EDNS_SIZE = 1232  # octets that we take by UDP (RFC 6891 §6.2.5)
HEADER_SIZE = 12


class AuthoritativeServer:
    """Answers for its zones and for nothing else."""

    def __init__(self, zones: Sequence[Zone]) -> None:
        self.zones = {zone.origin: zone for zone in zones}

    async def start(self) -> None:
        """Open port 53, UDP and TCP, on the host that this coroutine runs on."""
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(
            lambda: UDPPort(self), local_addr=("0.0.0.0", PORT)
        )
        await loop.create_server(lambda: TCPPort(self), port=PORT)

    def answer(self, wire: bytes, *, by_udp: bool) -> bytes | None:
        """The response to a query; None when there is nobody to answer to."""
        try:
            query = dns.message.from_wire(wire)
        except (dns.exception.DNSException, ValueError):
            return format_error(wire)
        if query.flags & dns.flags.QR:
            return None  # a response: answering it could go on for ever
        response = dns.message.make_response(query, our_payload=EDNS_SIZE)
        self._fill(query, response)
        limit = 65535
        if by_udp:
            limit = max(UDP_SIZE, min(query.payload, EDNS_SIZE))
        return render(response, limit)

    def _fill(self, query: dns.message.Message, response: dns.message.Message) -> None:
        if query.opcode() != dns.opcode.QUERY:
            response.set_rcode(dns.rcode.NOTIMP)
            return
        if len(query.question) != 1:
            response.set_rcode(dns.rcode.FORMERR)
            return
        question = query.question[0]
        zone = self._find_zone(question.name)
        if zone is None or question.rdclass != dns.rdataclass.IN:
            response.set_rcode(dns.rcode.REFUSED)
            return
        add_lookup(zone.lookup(question.name, question.rdtype), response)

    def _find_zone(self, name: dns.name.Name) -> Zone | None:
        """The zone that is nearest above a name."""
        for size in range(len(name.labels), 0, -1):
            zone = self.zones.get(dns.name.Name(name.labels[-size:]))
            if zone is not None:
                return zone
        return None


def add_lookup(found: Lookup, response: dns.message.Message) -> None:
    """Put what a zone said into a response."""
    response.set_rcode(found.rcode)
    if found.authoritative:
        response.flags |= dns.flags.AA
    response.answer += found.answer
    response.authority += found.authority
    response.additional += found.additional


def render(response: dns.message.Message, limit: int) -> bytes:
    """To wire format, in the order of the zone file (dnspython would shuffle)."""
    wire = to_wire(response)
    if len(wire) <= limit:
        return wire
    response.additional.clear()
    wire = to_wire(response)
    if len(wire) <= limit:
        return wire
    response.answer.clear()
    response.authority.clear()
    response.flags |= dns.flags.TC
    return to_wire(response)


def to_wire(message: dns.message.Message) -> bytes:
    """A DNS message in wire format, deterministic."""
    return message.to_wire(max_size=65535, want_shuffle=False)


def format_error(wire: bytes) -> bytes | None:
    """FORMERR for something that is no DNS message, if it has at least a header."""
    if len(wire) < HEADER_SIZE or wire[2] & 0x80:
        return None
    response = dns.message.Message(id=int.from_bytes(wire[:2], "big"))
    response.flags = dns.flags.QR
    response.set_rcode(dns.rcode.FORMERR)
    return to_wire(response)


class UDPPort(asyncio.DatagramProtocol):
    """One datagram, one answer."""

    def __init__(self, server: AuthoritativeServer) -> None:
        self._server = server
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The port is open."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Answer."""
        response = self._server.answer(data, by_udp=True)
        if response is not None:
            self._transport.sendto(response, addr)


class TCPPort(asyncio.Protocol):
    """Messages with a length in front (RFC 1035 §4.2.2)."""

    waiting = False  # an idle client may stay: nobody misses it

    def __init__(self, server: AuthoritativeServer) -> None:
        self._server = server
        self._transport: Any = None
        self._data = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is here."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each whole message."""
        self._data += data
        while len(self._data) >= 2:
            (size,) = struct.unpack_from("!H", self._data)
            if len(self._data) < size + 2:
                return
            query = bytes(self._data[2 : size + 2])
            del self._data[: size + 2]
            response = self._server.answer(query, by_udp=False)
            if response is not None:
                self._transport.write(struct.pack("!H", len(response)) + response)
