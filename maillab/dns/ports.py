"""Port 53 of a host, UDP and TCP (RFC 1035 §4.2, RFC 7766).

Goes in: messages from the network. Comes out: each is handed to `take`, with a way to
reply, at once or later.

Rule: answers to one TCP connection may overtake each other (RFC 7766 §6.2.1.1).
"""

import asyncio
import struct
from collections.abc import Callable
from typing import Any, Protocol

from maillab.dns.server import PORT

Reply = Callable[[bytes], None]


class Taker(Protocol):
    """Who answers."""

    def take(self, wire: bytes, reply: Reply, *, by_udp: bool) -> None:
        """Call `reply` with the response, now or later, or never."""
        ...


async def open_ports(server: Taker) -> None:
    """Open port 53, UDP and TCP, on the host that this coroutine runs on."""
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(
        lambda: UDPPort(server), local_addr=("0.0.0.0", PORT)
    )
    await loop.create_server(lambda: TCPPort(server), port=PORT)


class UDPPort(asyncio.DatagramProtocol):
    """One datagram, one answer."""

    def __init__(self, server: Taker) -> None:
        self._server = server
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The port is open."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Answer."""

        def reply(response: bytes) -> None:
            if not self._transport.is_closing():
                self._transport.sendto(response, addr)

        self._server.take(data, reply, by_udp=True)


class TCPPort(asyncio.Protocol):
    """Messages with a length in front (RFC 1035 §4.2.2)."""

    waiting = False  # an idle client may stay: nobody misses it

    def __init__(self, server: Taker) -> None:
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
            self._server.take(query, self._reply, by_udp=False)

    def _reply(self, response: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(struct.pack("!H", len(response)) + response)
