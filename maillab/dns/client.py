"""Ask one DNS server one question, by UDP, and by TCP when the answer was cut off.

Rule: only a response with our id, our question and the server's address counts;
anything else is dropped and we go on waiting (RFC 5452 §9.1).
"""

import asyncio
import random
import struct
from typing import Any, NamedTuple, Protocol

import dns.flags
import dns.message
import dns.name
from dns.rdatatype import RdataType

from maillab.dns.server import EDNS_SIZE, PORT, parse, to_wire

TIMEOUT = 5.0  # seconds for each attempt (resolv.conf's default)
ATTEMPTS = 2


class Patience(NamedTuple):
    """How long to wait for a server, and how often to ask it."""

    timeout: float = TIMEOUT
    attempts: int = ATTEMPTS


class Asker(Protocol):
    """The host that asks."""

    def time(self) -> float:
        """Seconds since the world began."""
        ...

    def random(self, use: str) -> random.Random:
        """A generator of its own for each use."""
        ...

    def emit(self, kind: str, connection: str = "", **facts: Any) -> int:
        """Tell the observer."""
        ...

    def address_for(self, destination: str) -> str:
        """The address that talks to `destination`; "" when it has none such."""
        ...


def make_query(
    name: dns.name.Name, kind: RdataType, generator: random.Random, *, recurse: bool
) -> dns.message.Message:
    """A question. With `recurse`, the server shall ask the others (the RD bit)."""
    id = generator.getrandbits(16)
    query = dns.message.make_query(name, kind, use_edns=0, payload=EDNS_SIZE, id=id)
    query.flags = dns.flags.RD if recurse else 0
    return query


PATIENT = Patience()


async def ask(
    query: dns.message.Message, server: str, patience: Patience = PATIENT
) -> tuple[dns.message.Message | None, str]:
    """The response, None when none came, and "udp" or "tcp"."""
    wire = to_wire(query)
    for _ in range(patience.attempts):
        response = await ask_udp(query, wire, server, patience.timeout)
        if response is None:
            continue
        if response.flags & dns.flags.TC:
            return await ask_tcp(query, wire, server), "tcp"
        return response, "udp"
    return None, "udp"


async def ask_udp(
    query: dns.message.Message, wire: bytes, server: str, timeout: float
) -> dns.message.Message | None:
    """One datagram, one response, or None after `timeout` seconds."""
    loop = asyncio.get_running_loop()
    waiter = Waiter(query)
    transport: Any = None
    try:
        transport, _ = await loop.create_datagram_endpoint(
            lambda: waiter, remote_addr=(server, PORT)
        )
        transport.sendto(wire)
        async with asyncio.timeout(timeout):
            return await waiter.response
    except OSError:  # TimeoutError is one of them; ICMP port unreachable is another
        return None
    finally:
        if transport is not None:
            transport.close()


class Waiter(asyncio.DatagramProtocol):
    """Waits for the response to one query."""

    def __init__(self, query: dns.message.Message) -> None:
        self._query = query
        loop = asyncio.get_running_loop()
        self.response: asyncio.Future[dns.message.Message] = loop.create_future()

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Take it if it answers our query."""
        response = parse(data)
        if response is not None and self._query.is_response(response):
            self._settle(response)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there."""
        if not self.response.done():
            self.response.set_exception(exc)

    def _settle(self, response: dns.message.Message) -> None:
        if not self.response.done():
            self.response.set_result(response)


async def ask_tcp(
    query: dns.message.Message, wire: bytes, server: str
) -> dns.message.Message | None:
    """The same question over TCP, or None."""
    from maillab.net.stream import Stream

    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(TIMEOUT):
            _, stream = await loop.create_connection(Stream, server, PORT)
            try:
                stream.write(struct.pack("!H", len(wire)) + wire)
                data = await read_message(stream)
            finally:
                stream.hang_up()
    except OSError:
        return None
    response = parse(data)
    return response if response and query.is_response(response) else None


async def read_message(stream: Any) -> bytes:
    """One message after its length (RFC 1035 §4.2.2); what came if the stream ends."""
    data = bytearray()
    while len(data) < 2 or len(data) < 2 + struct.unpack_from("!H", data)[0]:
        more = await stream.read()
        if not more:
            break
        data += more
    return bytes(data[2:])
