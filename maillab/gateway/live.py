"""Live mode: a world in real time, with real loopback ports for its servers.

Goes in: a world. Comes out: `Door`s, real ports that lead to ports of virtual hosts. A
real client that comes in sits on the virtual host `your-computer`, so its sessions are
in the trace like all others.

Rule 1: doors open on loopback only.
Rule 2: the world's clock follows real time, and its date becomes today's.
"""

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, TypeVar

from maillab.gateway.pump import Pump
from maillab.net.host import Host
from maillab.net.sockets import WorldLoop
from maillab.world.servers import PORTS
from maillab.world.world import World

LOOPBACK = "127.0.0.1"
VISITOR = "your-computer"
VISITOR_ADDRESS = "198.18.0.1"  # RFC 2544: for tests, so nobody else has it
FIRST_PORT = 10_000  # the port 25 of the first server becomes 10025
PORTS_PER_SERVER = 1_000

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Door:
    """A real port and where it leads."""

    host: str
    port: int
    protocol: str
    implicit_tls: bool
    real_port: int
    real_host: str = LOOPBACK


class Live:
    """A world that runs in real time, in a thread of its own, while this is open.

    `preferred`: try port numbers that are easy to remember; else any free one.
    """

    def __init__(self, world: World, *, preferred: bool = False) -> None:
        self.world = world
        self.loop: WorldLoop = world.loop
        self.doors: list[Door] = []
        self._preferred = preferred
        self._thread: threading.Thread | None = None
        self._servers: list[asyncio.AbstractServer] = []
        self._visits: dict[Visit, None] = {}  # who is inside, oldest first
        self._visitor: Host | None = None

    def open(self) -> list[Door]:
        """Start real time and open a door for each port of each mail server."""
        world = self.world
        if VISITOR not in world.hosts:
            world.add_host(VISITOR, VISITOR_ADDRESS, latency=0.0)
        self._visitor = world.hosts[VISITOR]
        self.loop.go_live()
        passed = timedelta(seconds=self.loop.time())
        world.network.epoch = datetime.now(UTC) - passed
        world.trace.epoch_ns = int(world.network.epoch.timestamp() * 1e9)
        self._thread = threading.Thread(
            target=self.loop.run_forever, name="maillab-live", daemon=True
        )
        self._thread.start()
        self.doors = self.call(self._open_doors())
        return self.doors

    def close(self) -> None:
        """Close the doors; from now on the clock stands still again."""
        if self._thread is None:
            return
        self.call(self._close_doors())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self._thread = None
        self.loop.go_virtual()

    def call(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine in the world and wait for its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def door(self, host: str, port: int) -> Door:
        """The door to a port of a virtual host."""
        return next(d for d in self.doors if (d.host, d.port) == (host, port))

    def __enter__(self) -> "Live":
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Doors ----------------------------------------------------------------------------

    async def _open_doors(self) -> list[Door]:
        doors: list[Door] = []
        for index, (name, server) in enumerate(self.world.servers.items()):
            roles = self.world.scenario.hosts[name].serves
            for port in (port for role in roles for port in PORTS[role]):
                if port.number not in server.host.tcp_ports:
                    continue
                wish = FIRST_PORT + index * PORTS_PER_SERVER + port.number
                real = await self._open_door(server.host, port.number, wish)
                door = Door(name, port.number, port.protocol, port.implicit_tls, real)
                doors.append(door)
        return doors

    async def _open_door(self, target: Host, port: int, wish: int) -> int:
        """Open one real port; return its number."""
        visitor = self._visitor
        assert visitor is not None, "open() made it"

        def come_in() -> Pump:
            return Visit(visitor, (target.addresses[0], port), self._visits)

        for number in candidates(wish, preferred=self._preferred):
            try:
                server = await self.loop.real_create_server(
                    come_in, LOOPBACK, number, reuse_address=True
                )
            except OSError:
                continue
            self._servers.append(server)
            return int(server.sockets[0].getsockname()[1])
        raise OSError("no loopback port is free")

    async def _close_doors(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()
        for visit in list(self._visits):
            visit.transport.abort()
        while self._visits:
            await asyncio.sleep(0)


class Visit(Pump):
    """A real client that comes in: dial the virtual server for it."""

    def __init__(
        self, visitor: Host, target: tuple[str, int], visits: "dict[Visit, None]"
    ) -> None:
        super().__init__()
        self._visitor = visitor
        self._target = target
        self._visits = visits

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is at the door."""
        super().connection_made(transport)
        self._visits[self] = None
        without_delay(transport)
        self._visitor.spawn(self._dial(), "a real client")

    def connection_lost(self, exc: Exception | None) -> None:
        """Somebody has left."""
        super().connection_lost(exc)
        self._visits.pop(self, None)

    async def _dial(self) -> None:
        loop = self._visitor.loop
        try:
            _, far = await loop.create_connection(Pump, *self._target)
        except OSError:
            if self.transport is not None:
                self.transport.abort()
            return
        if self.transport is None:  # gone already
            far.transport.close()
            return
        self.link(far)


def candidates(wish: int, *, preferred: bool) -> Iterable[int]:
    """Port numbers to try; 0 lets the system choose."""
    return (wish, 0) if preferred else (0,)


def without_delay(transport: asyncio.BaseTransport) -> None:
    """Send small segments at once (asyncio does so for its own sockets too)."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
