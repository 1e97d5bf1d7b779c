"""One computer of the virtual internet: addresses, ports, tasks, a name.

Code that runs on a host finds itself there by a context variable, so unmodified
libraries (aiosmtpd, aiosmtplib) open their sockets on the virtual host they run on.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import Context
from datetime import datetime
from typing import Any

from maillab.errors import LabError
from maillab.net.acceptor import accepting
from maillab.net.here import current_host
from maillab.net.network import Network, checked_address
from maillab.net.stream import Stream

EPHEMERAL_PORTS = range(49152, 65536)  # RFC 6335 §6
DEFAULT_LATENCY = 0.005  # seconds, from the host to the core of the network

Resolve = Callable[[str], Awaitable[list[str]]]


class Host:
    """A virtual host. Fulfils `agents.machine.Machine`."""

    def __init__(
        self,
        network: Network,
        name: str,
        addresses: Sequence[str],
        latency: float = DEFAULT_LATENCY,
    ) -> None:
        if not addresses:
            raise LabError(f"host {name} has no address: give it at least one")
        self.network = network
        self.loop = network.loop
        self.name = name
        self.addresses = tuple(checked_address(text) for text in addresses)
        self.latency = latency
        self.up = True
        self.resolve: Resolve | None = None  # name -> addresses; set by the world
        self.tcp_ports: dict[int, Any] = {}  # port -> TCPServer
        self.udp_ports: dict[int, Any] = {}  # port -> DatagramEndpoint
        self._next_port = EPHEMERAL_PORTS.start
        self.context = Context()
        self.context.run(current_host.set, self)
        network.attach(self)

    def __repr__(self) -> str:
        return f"<Host {self.name} {' '.join(self.addresses)}>"

    # agents.machine.Machine -----------------------------------------------------------

    def time(self) -> float:
        """Seconds since the world began."""
        return self.loop.time()

    def now(self) -> datetime:
        """The date and time on this host (UTC)."""
        return self.network.now()

    async def sleep(self, seconds: float) -> None:
        """Wait, on the world's clock."""
        await asyncio.sleep(seconds)

    def random(self, use: str) -> random.Random:
        """A generator that depends on the world's seed, this host and `use` only."""
        return random.Random(f"{self.network.seed}:{self.name}:{use}")

    async def connect(self, address: str, port: int) -> Stream:
        """Open a TCP connection to an IP address or a host name.

        Raises ConnectionRefusedError, TimeoutError (127 s), OSError (EHOSTUNREACH),
        socket.gaierror: what a real network raises.
        """

        async def dial() -> Stream:
            _, stream = await self.loop.create_connection(Stream, address, port)
            return stream

        return await self.spawn(dial(), f"{self.name} connects to {address}:{port}")

    async def listen(
        self, port: int, on_stream: Callable[[Stream], Awaitable[None]]
    ) -> Any:
        """Call `on_stream`, in a task of its own, for each connection to `port`."""

        factory = accepting(self, port, on_stream)

        async def bind() -> Any:
            return await self.loop.create_server(factory, self.addresses[0], port)

        return await self.spawn(bind())

    def spawn(
        self, coroutine: Coroutine[Any, Any, Any], name: str = ""
    ) -> "asyncio.Task[Any]":
        """Run a coroutine on this host."""
        return self.loop.create_task(
            coroutine, name=name or self.name, context=self.fork_context()
        )

    def emit(self, kind: str, connection: str = "", **facts: Any) -> None:
        """Tell the observer of this world what happened here."""
        self.network.emit(kind, self.name, connection, **facts)

    # The host itself ------------------------------------------------------------------

    def fork_context(self) -> Context:
        """A context in which `current_host` is this host."""
        return self.context.copy()

    def free_port(self) -> int:
        """The next ephemeral port."""
        for _ in EPHEMERAL_PORTS:
            port = self._next_port
            after = port + 1
            self._next_port = after if after in EPHEMERAL_PORTS else EPHEMERAL_PORTS[0]
            if port not in self.udp_ports and port not in self.tcp_ports:
                return port
        raise LabError(f"{self.name} has no free port left")

    def address_for(self, destination: str) -> str:
        """Which of this host's addresses talks to `destination` (same IP version)."""
        wants_v6 = ":" in destination
        same = [text for text in self.addresses if (":" in text) == wants_v6]
        if destination.startswith("127."):
            return "127.0.0.1"
        if destination == "::1":
            return "::1"
        return same[0] if same else ""

    def close(self) -> None:
        """Close every port."""
        for server in list(self.tcp_ports.values()):
            server.close()
        for endpoint in list(self.udp_ports.values()):
            endpoint.close()
