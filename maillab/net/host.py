"""One computer of the virtual internet: addresses, ports, tasks, a name.

Code that runs on a host finds itself there by a context variable, so unmodified
libraries (aiosmtpd, aiosmtplib) open their sockets on the virtual host they run on.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractContextManager
from contextvars import Context
from datetime import datetime
from typing import Any

from maillab.errors import LabError
from maillab.net.acceptor import accepting
from maillab.net.conntrack import ConnTrack
from maillab.net.firewall import Firewall
from maillab.net.here import because, current_host, reason
from maillab.net.network import Network, checked_address
from maillab.net.path import Effect, FiveTuple
from maillab.net.stream import Stream
from maillab.net.subnet import Subnet

EPHEMERAL_PORTS = range(49152, 65536)  # RFC 6335 §6
DEFAULT_LATENCY = 0.005  # seconds, from the host to the core of the network

Resolve = Callable[[str], Awaitable[list[str]]]


class Host:
    """A virtual host. Fulfils `agents.machine.Machine`.

    uplink, downlink   what its line does to packets that leave and that arrive
    """

    def __init__(
        self,
        network: Network,
        name: str,
        addresses: Sequence[str],
        latency: float = DEFAULT_LATENCY,
        subnet: Subnet | None = None,
    ) -> None:
        if not addresses:
            raise LabError(f"host {name} has no address: give it at least one")
        self.network = network
        self.loop = network.loop
        self.name = name
        self.addresses = tuple(checked_address(text) for text in addresses)
        self.latency = latency
        self._up = True
        self.subnet = subnet or network.internet
        self.firewall = Firewall(network.changed)
        self.conntrack = ConnTrack()
        self.uplink: list[Effect] = []
        self.downlink: list[Effect] = []
        self.resolve: Resolve | None = None  # name -> addresses; set by the world
        self.tcp_ports: dict[int, Any] = {}  # port -> TCPServer
        self.udp_ports: dict[int, Any] = {}  # port -> DatagramEndpoint
        self.busy_ports: set[int] = set()  # local ports of its own TCP connections
        self._next_port = EPHEMERAL_PORTS.start
        self._power: asyncio.Event | None = None  # of a host that is off
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
        socket.gaierror: what a real network raises. While this host is off, nothing
        happens: the call waits for power.
        """
        if self._power is not None:
            await self._power.wait()

        event = reason.get()  # the task below has this host's own context

        async def dial() -> Stream:
            reason.set(event)
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

    def emit(self, kind: str, connection: str = "", **facts: Any) -> int:
        """Tell the observer of this world what happened here.

        Returns the number that it gave the event; 0 when nobody observes.
        """
        observer = self.network.observer  # straight: half of all events come this way
        if observer is None:
            return 0
        return observer(kind, self.name, connection, self.network.time_ns, **facts) or 0

    def because(self, event: int) -> AbstractContextManager[None]:
        """Connections that are opened meanwhile have this event as their cause."""
        return because(event)

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
            taken = port in self.udp_ports or port in self.tcp_ports
            if not taken and port not in self.busy_ports:
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

    # Its place in the network ---------------------------------------------------------

    def subnet_of(self, address: str) -> Subnet:
        """The network in which it has this address."""
        del address
        return self.subnet

    def towards(self, destination: str) -> Subnet:
        """The network into which it sends a packet for `destination`."""
        del destination
        return self.subnet

    def uses_line(self, destination: str) -> bool:
        """A packet for `destination` leaves by its line (of a gateway: outwards)."""
        del destination
        return True

    def interface(self, destination: str) -> str:
        """The place where a packet for `destination` leaves (see `Point`)."""
        del destination
        return self.name

    @property
    def passes_on(self) -> bool:
        """It hands on packets of others (a gateway)."""
        return False

    @property
    def filters(self) -> bool:
        """Its firewall has rules, or still remembers some."""
        return self.firewall.version > 0

    def translated_in(self, flow: FiveTuple) -> FiveTuple:
        """How a new flow that arrives looks behind this place."""
        return flow

    def translated_out(self, flow: FiveTuple) -> FiveTuple:
        """How a new flow that leaves looks behind this place."""
        return flow

    def renumber(self, old: str, new: str) -> None:
        """Change an address. Connections that used the old one hear nothing more.

        Raises LabError when it has no such address, or when the new one is taken.
        """
        new = checked_address(new)
        if old not in self.addresses:
            mine = ", ".join(self.addresses)
            raise LabError(f"{self.name} has no address {old}: it has {mine}")
        subnet = self.subnet_of(old)
        subnet.attach(self, new)
        subnet.detach(old)
        self.addresses = tuple(new if text == old else text for text in self.addresses)
        self.emit("address", old=old, new=new)
        self.network.changed()

    # Power ----------------------------------------------------------------------------

    @property
    def up(self) -> bool:
        """Its network works. `up = False` pulls the cable; `power_off` does more."""
        return self._up

    @up.setter
    def up(self, up: bool) -> None:
        self._up = up
        self.network.changed()

    def power_off(self) -> None:
        """Pull the plug: no goodbye to anybody. What is in memory only is gone."""
        if self._power is not None:
            return
        self.up = False
        self._power = asyncio.Event()
        self.conntrack.clear()
        self.emit("power", on=False)

    def power_on(self) -> None:
        """Start again: services listen, connections of before are unknown here."""
        if self._power is None:
            return
        self.up = True
        self._power.set()
        self._power = None
        self.network.forget_connections_of(self)
        self.emit("power", on=True)
