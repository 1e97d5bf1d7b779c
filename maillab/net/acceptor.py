"""What a listening port does with each connection, on virtual and on real hosts."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from maillab.net.network import trace_of
from maillab.net.stream import Stream


class Acceptor(Protocol):
    """The host: it runs tasks and tells the observer."""

    name: str

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Where the tasks run."""
        ...

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str = "") -> Any:
        """Run a coroutine."""
        ...

    def emit(self, kind: str, connection: str = "", **facts: Any) -> int:
        """Tell the observer."""
        ...


def accepting(
    host: Acceptor,
    port: int,
    on_stream: Callable[[Stream], Awaitable[None]],
    new_stream: Callable[..., Stream] = Stream,
) -> Callable[[], Stream]:
    """A protocol factory: `on_stream` runs in a task of its own for each connection.

    What fails there ends this connection only; the observer gets the traceback.
    """

    def start(stream: Stream) -> None:
        host.spawn(serve(stream), f"{host.name}:{port} {stream.id}")

    async def serve(stream: Stream) -> None:
        try:
            await on_stream(stream)
        except Exception as error:  # noqa: BLE001  (the top of this task)
            facts = {"error": repr(error), "traceback": trace_of(error)}
            host.emit("failure", stream.id, **facts)
        finally:
            if not host.loop.is_closed():
                stream.hang_up()

    return lambda: new_stream(on_made=start)
