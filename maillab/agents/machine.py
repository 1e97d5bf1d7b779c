"""What an agent sees of the computer it runs on.

Virtual hosts (`net.host.Host`) and real ones (`gateway.real.RealHost`) both fulfil
these interfaces, so the same servers run in a world and on real ports.
"""

import random
import ssl
from asyncio import Task
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

Address = tuple[str, int]  # IP address and port


class Stream(Protocol):
    """One TCP connection, as bytes."""

    id: str  # names the connection in the trace
    local: Address
    peer: Address

    async def read(self) -> bytes | None:
        """What arrived: b"" at the end of the stream, None after `interrupt()`.

        Raises ConnectionResetError, TimeoutError (the network gave up).
        """
        ...

    def write(self, data: bytes) -> None:
        """Queue bytes. They leave when the caller next waits."""
        ...

    async def drain(self, patience: float = 300.0) -> None:
        """Wait until the peer takes data again (back-pressure).

        Raises TimeoutError when it takes nothing for `patience` seconds.
        """
        ...

    def hold(self) -> None:
        """Leave what arrives with the network until `start_tls`."""
        ...

    def interrupt(self) -> None:
        """Make a `read` that waits now, or the next one, return None."""
        ...

    async def start_tls(
        self, context: ssl.SSLContext, *, server_side: bool, server_name: str = ""
    ) -> None:
        """Do a TLS handshake. Raises ssl.SSLError, ConnectionResetError."""
        ...

    async def close(self) -> None:
        """Send what is queued, then FIN."""
        ...

    def abort(self) -> None:
        """Drop everything at once."""
        ...

    def reset(self) -> None:
        """Send RST; the peer gets ConnectionResetError."""
        ...

    @property
    def is_open(self) -> bool:
        """Writing makes sense still."""
        ...

    async def cut(self, data: bytes) -> None:
        """Inside TLS: send half of a record that holds `data`, then FIN."""
        ...


class Listener(Protocol):
    """An open port."""

    port: int

    def close(self) -> None:
        """Accept no more connections."""
        ...


class Machine(Protocol):
    """A host: a name, a clock, sockets, tasks, and a way to tell the trace."""

    name: str

    def time(self) -> float:
        """Seconds since the world began."""
        ...

    def now(self) -> datetime:
        """The date and time on this host's clock (UTC)."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait, on this host's clock."""
        ...

    def random(self, use: str) -> random.Random:
        """This host's own seeded generator for one use."""
        ...

    async def connect(self, address: str, port: int) -> Stream:
        """Open a TCP connection to an IP address or a host name.

        Raises ConnectionRefusedError, TimeoutError, OSError (EHOSTUNREACH),
        socket.gaierror.
        """
        ...

    async def listen(
        self, port: int, on_stream: Callable[[Stream], Awaitable[None]]
    ) -> Listener:
        """Call `on_stream`, in a task of its own, for each connection to `port`."""
        ...

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str = "") -> "Task[Any]":
        """Run a coroutine on this host."""
        ...

    def emit(self, kind: str, connection: str = "", **facts: Any) -> int:
        """Tell whoever observes this host what happened (see `trace.events`).

        Returns the number of the event, for `cause=` of a later one; 0 when nobody
        observes.
        """
        ...

    def because(self, event: int) -> AbstractContextManager[None]:
        """Connections that are opened meanwhile have this event as their cause."""
        ...
