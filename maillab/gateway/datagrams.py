"""A door for UDP: a real port leads to a port of a virtual host.

Goes in: datagrams of real programs. Comes out: the same datagrams, sent from the seat;
and back, what is answered.

Rule: each real client gets a virtual port of its own, as behind a home router, until it
      has been quiet for a while.
"""

import asyncio
from typing import Any

from maillab.net.host import Host

QUIET = 30.0  # seconds of the world: what Linux's NAT grants a question (conntrack)

Address = tuple[str, int]


class DatagramDoor(asyncio.DatagramProtocol):
    """The real port."""

    def __init__(self, seat: Host, target: Address) -> None:
        self.seat = seat
        self.target = target
        self._real: Any = None
        self._clients: dict[Address, Correspondent] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The port is open."""
        self._real = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """The port is closed."""
        for client in list(self._clients.values()):
            client.close()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """From a real client: send it on."""
        client = self._clients.get(addr)
        if client is None:
            client = self._clients[addr] = Correspondent(self, addr)
        client.send(data)

    def answer(self, data: bytes, client: Address) -> None:
        """To a real client."""
        if not self._real.is_closing():
            self._real.sendto(data, client)

    def forget(self, client: Address) -> None:
        """It has been quiet."""
        self._clients.pop(client, None)


class Correspondent(asyncio.DatagramProtocol):
    """The virtual port of one real client."""

    def __init__(self, door: DatagramDoor, client: Address) -> None:
        self._door = door
        self._client = client
        self._waiting: list[bytes] = []
        self._virtual: Any = None
        self._timer: asyncio.TimerHandle | None = None
        door.seat.spawn(self._open(), "a real client's datagrams")

    def send(self, data: bytes) -> None:
        """To the virtual host."""
        if self._virtual is None:
            self._waiting.append(data)
            return
        self._virtual.sendto(data)
        self._rest()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """From the virtual host."""
        self._door.answer(data, self._client)
        self._rest()

    def close(self) -> None:
        """Give the virtual port back."""
        self._door.forget(self._client)
        if self._timer is not None:
            self._timer.cancel()
        if self._virtual is not None:
            self._virtual.close()

    async def _open(self) -> None:
        loop, target = self._door.seat.loop, self._door.target
        self._virtual, _ = await loop.create_datagram_endpoint(
            lambda: self, remote_addr=target
        )
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            self.send(data)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._door.seat.loop.call_later(QUIET, self.close)
