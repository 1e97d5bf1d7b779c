"""A real computer as a `Machine`: the agents of `maillab.agents` on real sockets.

Goes in: an event loop. Comes out: the same interface that virtual hosts fulfil, so
the same servers run in a world and on real ports.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any

from maillab.net.acceptor import accepting
from maillab.net.sockets import WorldLoop
from maillab.net.stream import Stream

Observer = Callable[..., None]


class RealListener:
    """An open real port."""

    def __init__(self, server: asyncio.Server) -> None:
        self._server = server
        self.port = int(server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Accept no more connections."""
        self._server.close()


class RealHost:
    """This computer. Fulfils `agents.machine.Machine`. Listens on `address` only.

    The loop must be a `WorldLoop` that is live: its TLS sends alerts (`net.tls`).
    """

    def __init__(
        self,
        name: str,
        loop: WorldLoop,
        *,
        address: str = "127.0.0.1",
        observer: Observer | None = None,
    ) -> None:
        self.name = name
        self.loop = loop
        self._address = address
        self._observer = observer
        self._connections = 0
        self._random = random.SystemRandom()

    def time(self) -> float:
        """Seconds since the loop began."""
        return self.loop.time()

    def now(self) -> datetime:
        """The date and time (UTC)."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def random(self, use: str) -> random.Random:
        """Real chance: nobody should guess our queue ids."""
        del use
        return self._random

    async def connect(self, address: str, port: int) -> Stream:
        """Open a real TCP connection."""
        stream = await self.loop.real_create_connection(self._new_stream, address, port)
        return stream[1]

    async def listen(
        self, port: int, on_stream: Callable[[Stream], Awaitable[None]]
    ) -> RealListener:
        """Open a real port; 0 lets the system choose (`RealListener.port` tells)."""

        factory = accepting(self, port, on_stream, self._new_stream)
        server = await self.loop.real_create_server(factory, self._address, port)
        return RealListener(server)

    def spawn(
        self, coroutine: Coroutine[Any, Any, Any], name: str = ""
    ) -> "asyncio.Task[Any]":
        """Run a coroutine."""
        return self.loop.create_task(coroutine, name=name or self.name)

    def emit(self, kind: str, connection: str = "", **facts: Any) -> int:
        """Tell the observer."""
        if self._observer is None:
            return 0
        now = round(self.loop.time() * 1e9)
        return self._observer(kind, self.name, connection, now, **facts) or 0

    def because(self, event: int) -> AbstractContextManager[None]:
        """Real connections tell no cause."""
        del event
        return nullcontext()

    def _new_stream(self, on_made: Callable[[Stream], None] | None = None) -> Stream:
        stream = Stream(on_made=on_made)
        self._connections += 1
        stream.id = f"c{self._connections}"
        return stream
