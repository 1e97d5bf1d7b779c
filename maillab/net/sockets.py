"""asyncio's connection calls, on the virtual network.

`loop.create_connection`, `create_server`, `create_datagram_endpoint` and `getaddrinfo`
open sockets on the virtual host that the calling code runs on, so unmodified asyncio
libraries live in the world. `real_…` are asyncio's own, for the doors to real sockets.
"""

# Signatures are narrower than asyncio's, whose stubs list forty overloads.
# pyright: reportIncompatibleMethodOverride=false, reportPrivateUsage=false
# pyright: reportArgumentType=false

import asyncio
import ipaddress
import socket
import ssl as tls
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeVar

from maillab.errors import LabError
from maillab.net.handshake import Dial, TCPServer, look_up_error
from maillab.net.here import here
from maillab.net.loop import VirtualLoop
from maillab.net.tcp import fill_buffer
from maillab.net.tls import LabTLS, TLSServerStart
from maillab.net.udp import DatagramEndpoint

P = TypeVar("P", bound=asyncio.BaseProtocol)
Factory = Callable[[], P]
Address = tuple[str, int]


class WorldLoop(VirtualLoop):
    """The loop of one world."""

    real_create_connection = asyncio.SelectorEventLoop.create_connection
    real_create_server = asyncio.SelectorEventLoop.create_server

    async def getaddrinfo(
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, **_: Any
    ) -> list[Any]:
        """Addresses of a name, asked from the virtual DNS."""
        me = here()
        number = port_number(port)
        name = host.decode() if isinstance(host, bytes) else host
        found = await find_addresses(me, name)
        rows: list[Any] = []
        for address in found:
            version = socket.AF_INET6 if ":" in address else socket.AF_INET
            if family in (0, version):
                row = (version, type or socket.SOCK_STREAM, 0, "", (address, number))
                rows.append(row)
        if not rows:
            raise look_up_error(name)
        return rows

    async def create_connection(  # noqa: PLR0913  (asyncio's signature)
        self,
        protocol_factory: Factory[P],
        host: Any = None,
        port: Any = None,
        *,
        ssl: Any = None,
        sock: socket.socket | None = None,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        **_: Any,
    ) -> tuple[asyncio.Transport, P]:
        """Connect from the current host, trying each address of a name in turn."""
        if sock is not None:
            raise LabError("a real socket cannot be opened on a virtual host")
        me = here()
        refusal: OSError | None = None
        for *_row, target in await self.getaddrinfo(host, port):
            try:
                dial = Dial(me, target, "" if target[0] == host else str(host))
                protocol = protocol_factory()
                plain = asyncio.Protocol() if ssl else protocol
                transport = await dial.connect(lambda made=plain: made)
            except OSError as error:
                refusal = error
                continue
            if not ssl:
                return transport, protocol
            context = tls.create_default_context() if ssl is True else ssl
            secured = await self.start_tls(
                transport,
                protocol,
                context,
                server_hostname=server_hostname or host,
                ssl_handshake_timeout=ssl_handshake_timeout,
                call_connection_made=True,
            )
            return secured, protocol
        assert refusal is not None, "getaddrinfo gives at least one address"
        raise refusal

    async def create_server(
        self,
        protocol_factory: Factory[asyncio.BaseProtocol],
        host: Any = None,
        port: Any = None,
        *,
        ssl: tls.SSLContext | None = None,
        **_: Any,
    ) -> Any:
        """Open a port on the current host."""
        me = here()
        factory = protocol_factory
        if ssl is not None:
            factory = TLSServerStart.factory(self, protocol_factory, ssl)
        return TCPServer(me, port_number(port) or me.free_port(), factory)

    async def create_datagram_endpoint(
        self,
        protocol_factory: Factory[P],
        local_addr: Any = None,
        remote_addr: Any = None,
        **_: Any,
    ) -> tuple[Any, P]:
        """Open a UDP port on the current host."""
        me = here()
        port = (local_addr[1] if local_addr else 0) or me.free_port()
        protocol = protocol_factory()
        remote = tuple(remote_addr[:2]) if remote_addr else None
        endpoint = DatagramEndpoint(me, protocol, port, remote)  # type: ignore[arg-type]
        protocol.connection_made(endpoint)
        return endpoint, protocol

    async def start_tls(  # noqa: PLR0913  (asyncio's signature)
        self,
        transport: Any,
        protocol: Any,
        sslcontext: tls.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        already_read: bytes = b"",
        already_ended: bool = False,
        **options: Any,
    ) -> Any:
        """Like asyncio's, with `LabTLS`, which gets its other options as they are.

        `already_read`: octets of the peer's hello that somebody else got;
        `already_ended`: somebody else has heard that there will be no more.
        """
        waiter: asyncio.Future[None] = self.create_future()
        options.setdefault("call_connection_made", False)
        secured = LabTLS(
            self, protocol, sslcontext, waiter, server_side, server_hostname, **options
        )
        transport.pause_reading()
        transport.set_protocol(secured)
        calls = [
            self.call_soon(secured.connection_made, transport),
            self.call_soon(fill_buffer, secured, already_read),
            self.call_soon(transport.resume_reading),
        ]
        if already_ended:
            calls.append(self.call_soon(secured.eof_received))
        try:
            await waiter
        except BaseException:
            transport.close()
            for call in calls:
                call.cancel()
            raise
        return secured._app_transport

    def cancel_all_tasks(self) -> None:
        """Cancel what still runs, oldest first, and let it finish."""
        left = [task for task in asyncio.all_tasks(self) if not task.done()]
        left.sort(key=task_age)
        for task in left:
            task.cancel()
        if left:
            with suppress(asyncio.CancelledError):
                self.run_until_complete(asyncio.gather(*left, return_exceptions=True))


def task_age(task: "asyncio.Task[Any]") -> int:
    """Our tasks are numbered when they are created (`Host.spawn`)."""
    return getattr(task, "number", 0)


@lru_cache(maxsize=1024)  # the same few hosts are dialled again and again
def canonical(address: str) -> str:
    """An IP address in its usual form. Raises ValueError."""
    return str(ipaddress.ip_address(address))


async def find_addresses(me: Any, name: str) -> list[str]:
    """The addresses that a name has, as host `me` sees it."""
    with suppress(ValueError):
        return [canonical(name)]
    if name == "localhost":
        return ["127.0.0.1"]
    return await me.resolve(name) if me.resolve is not None else []


def port_number(port: Any) -> int:
    """25, "25" or "smtp" as a number."""
    if isinstance(port, str):
        return int(port) if port.isdecimal() else socket.getservbyname(port)
    return int(port or 0)
