"""How a TCP connection begins: listening ports, and SYN until somebody answers.

Rule: Linux's times. SYN at 0, 1, 3, 7, 15, 31 and 63 s, then ETIMEDOUT at 127 s; a
closed
port refuses after one round trip; an address that nobody has is reported after 3 s.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from maillab.net.network import Address, Route, no_route, os_error
from maillab.net.tcp import Endpoint

if TYPE_CHECKING:
    from maillab.net.host import Host

Factory = Callable[[], asyncio.BaseProtocol]

SYN_WAITS = (1, 2, 4, 8, 16, 32, 64)  # seconds after each SYN
NO_HOST_WAIT = 3.0  # seconds until a router gives up asking for a neighbour


class TCPServer(asyncio.AbstractServer):
    """An open port: what `loop.create_server` returns on a virtual host."""

    def __init__(self, host: "Host", port: int, factory: Factory) -> None:
        if port in host.tcp_ports:
            raise os_error(errno.EADDRINUSE)
        self.host = host
        self.port = port
        self._factory = factory
        host.tcp_ports[port] = self

    def accept(self, endpoint: Endpoint) -> None:
        """The third step of the handshake arrived: give the connection away."""
        if self.host.tcp_ports.get(self.port) is self:
            endpoint.start(self._factory())
        else:
            endpoint.reset()

    def close(self) -> None:
        """Accept no more connections; those that are open stay open."""
        if self.host.tcp_ports.get(self.port) is self:
            del self.host.tcp_ports[self.port]

    def is_serving(self) -> bool:
        """The port is open."""
        return self.host.tcp_ports.get(self.port) is self

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The world's loop."""
        return self.host.loop

    @property
    def sockets(self) -> tuple[()]:
        """There are none: this server is virtual."""
        return ()

    async def start_serving(self) -> None:
        """It already does."""

    async def serve_forever(self) -> None:
        """Wait until cancelled."""
        try:
            await self.host.loop.create_future()
        finally:
            self.close()

    async def wait_closed(self) -> None:
        """Nothing to wait for."""


class Dial:
    """One attempt to connect: the SYNs of one client port."""

    def __init__(self, host: "Host", target: Address, name: str = "") -> None:
        local = host.address_for(target[0])
        if not local:  # no address of this IP version: connect() fails at once
            raise os_error(errno.ENETUNREACH)
        self.host = host
        self.target = target
        self.id = host.network.new_connection_id()
        self.source = (local, host.free_port())
        self.emit(host, "connect", src=self.source, dst=target, to=name)

    def emit(self, host: "Host", kind: str, **facts: Any) -> None:
        """Tell the observer, as `host`."""
        host.network.emit(kind, host.name, self.id, **facts)

    async def connect(self, factory: Factory) -> Endpoint:
        """Send SYNs until there is an answer; give the connection to `factory()`."""
        for attempt, wait in enumerate(SYN_WAITS):
            if attempt:
                self.emit(self.host, "syn", attempt=attempt)
            route = self.host.network.route(self.host, self.target[0])
            if route.fate == "delivered":
                return await self._knock(route, factory)
            if route.fate == "no host":
                await self._no_host()
            await asyncio.sleep(wait)
        error = os_error(errno.ETIMEDOUT)
        self.emit(self.host, "timed_out", reason=str(error.strerror), by="")
        raise error

    async def _no_host(self) -> None:
        await asyncio.sleep(NO_HOST_WAIT)
        error = no_route()
        self.emit(self.host, "unreachable", reason=str(error.strerror), by="")
        raise error

    async def _knock(self, route: Route, factory: Factory) -> Endpoint:
        """The SYN arrives: SYN-ACK, or RST when the port is closed."""
        node = route.node
        assert node is not None, "a route that delivers ends at a host"
        await asyncio.sleep(route.latency)
        server = node.tcp_ports.get(self.target[1])
        if server is None:
            await asyncio.sleep(route.latency)
            error = os_error(errno.ECONNREFUSED)
            self.emit(self.host, "refused", reason=str(error.strerror), by=node.name)
            raise error
        self.emit(node, "accept", latency=round(route.latency * 1e9))
        await asyncio.sleep(route.latency)
        self.emit(self.host, "established")
        return self._established(node, server, route, factory)

    def _established(
        self, node: "Host", server: TCPServer, route: Route, factory: Factory
    ) -> Endpoint:
        ours = Endpoint(self.host, "C", self.id, self.source, self.target)
        theirs = Endpoint(node, "S", self.id, self.target, self.source)
        ours.peer, theirs.peer = theirs, ours
        ours.latency = theirs.latency = route.latency
        loop = self.host.loop
        arrival = loop.time() + route.latency  # the ACK that completes the handshake
        loop.call_at(arrival, server.accept, theirs, context=node.fork_context())
        ours.start(factory())
        return ours


def look_up_error(name: str) -> socket.gaierror:
    """What getaddrinfo raises for a name that has no address."""
    return socket.gaierror(socket.EAI_NONAME, f"Name or service not known: {name}")
