"""This computer, as the machine of a mail server: several addresses, ports by name.

Goes in: addresses and ports. Comes out: open sockets, and a stream for each connection.

Rule 1: all ports are bound before the first connection is taken: then the process may
        give up its privileges.
Rule 2: port 0 is one that is free at all addresses. An address that this computer does
        not have (::1 where there is no IPv6) is left out, if there is another one.
"""

import errno
import os
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from maillab.errors import LabError
from maillab.gateway.real import Observer, RealHost
from maillab.net.acceptor import accepting
from maillab.net.sockets import WorldLoop
from maillab.net.stream import Stream

BACKLOG = 512
TRIES = 20  # for a port that is free everywhere
ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT}
EVERYWHERE = {"0.0.0.0", "::"}

OnStream = Callable[[Stream], Awaitable[None]]


class ServingHost(RealHost):
    """This computer.

    streams  the connections that are open, by their names
    open_at  how many there are at each port
    """

    def __init__(
        self, name: str, loop: WorldLoop, observer: Observer | None = None
    ) -> None:
        super().__init__(name, loop, observer=observer)
        self.streams: dict[str, Stream] = {}
        self.open_at: Counter[str] = Counter()
        self.addresses: tuple[str, ...] = ()  # mail for a host that is us goes nowhere
        self._servers: list[Any] = []

    async def accept(
        self, sockets: Sequence[socket.socket], name: str, on_stream: OnStream
    ) -> None:
        """Call `on_stream` for each connection to these sockets, count and tell."""

        async def hold(stream: Stream) -> None:
            self.streams[stream.id] = stream
            self.open_at[name] += 1
            self.emit("connected", stream.id, peer=stream.peer[0], port=name)
            try:
                await on_stream(stream)
            finally:
                del self.streams[stream.id]
                self.open_at[name] -= 1
                self.emit("disconnected", stream.id)

        await self.listen_at(sockets, hold)

    async def listen_at(
        self, sockets: Sequence[socket.socket], on_stream: OnStream
    ) -> None:
        """Call `on_stream` for each connection to these sockets."""
        for sock in sockets:
            port = sock.getsockname()[1]
            factory = accepting(self, port, on_stream, self._new_stream)
            server = await self.loop.real_create_server(
                factory, sock=sock, backlog=BACKLOG
            )
            self._servers.append(server)

    def close_ports(self) -> None:
        """Take no more connections."""
        for server in self._servers:
            server.close()
        self._servers.clear()


def bind(name: str, addresses: Sequence[str], port: int) -> list[socket.socket]:
    """Sockets at all these addresses, with one port number. Raises LabError."""
    for _ in range(TRIES):
        try:
            return _bind_all(addresses, port)
        except OSError as error:
            if port == 0 and error.errno == errno.EADDRINUSE:
                continue  # free at the first address only
            raise LabError(cannot_open(name, port, error, addresses)) from None
    raise LabError(f"no port for {name} is free at all of {', '.join(addresses)}")


def _bind_all(addresses: Sequence[str], port: int) -> list[socket.socket]:
    made: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for address in addresses:
            number = made[0].getsockname()[1] if made else port
            try:
                made.append(_bind_one(address, number))
            except OSError as error:
                if error.errno not in ABSENT:
                    raise
                absent = error
        if not made:
            raise absent or OSError(errno.EADDRNOTAVAIL, "no address")
    except OSError:
        for sock in made:
            sock.close()
        raise
    return made


def _bind_one(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it would share the port with others
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)
        sock.bind((address, port))
        sock.listen(BACKLOG)  # only now it is certain that nobody else has it
    except OSError:
        sock.close()
        raise
    return sock


def cannot_open(
    name: str, port: int, error: OSError, addresses: Sequence[str] = ()
) -> str:
    """Why a port does not open, and what to do."""
    setting = f"ports.{name}" if name != "health" else "health.port"
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"{setting}: port {port} needs root (below 1024): start as root with "
            f'user = "…", or take a port such as {port + 2500}'
        )
    if error.errno == errno.EADDRINUSE:
        return (
            f"{setting}: port {port} is taken by another program; write another "
            "number into maillab.toml, 0 for any free one, or false for none"
        )
    reason = os.strerror(error.errno or 0)
    if error.errno in ABSENT:
        reason += f"; listen = {list(addresses)} must be addresses of this computer"
    return f"{setting}: port {port} cannot be opened: {reason}"


def own_addresses(listen: Sequence[str]) -> tuple[str, ...]:
    """Those by which others reach us; loopback may be a server beside us."""
    return tuple(
        one
        for one in listen
        if one not in EVERYWHERE and one != "::1" and not one.startswith("127.")
    )


def close_all(sockets: Sequence[socket.socket]) -> None:
    """Close sockets that nobody serves."""
    for sock in sockets:
        with suppress(OSError):
            sock.close()
