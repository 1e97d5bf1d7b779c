"""The one loop that moves bytes between a stream and an engine, for all protocols.

Goes in: a stream (virtual or real) and an engine. Comes out: the engine's events.
What was said goes to the trace on the way.
"""

import asyncio
from dataclasses import asdict

from maillab.agents.machine import Machine, Stream
from maillab.protocol.engine import Engine, Event


class Conversation:
    """One session: `machine` speaks through `engine` over `stream`."""

    def __init__(self, machine: Machine, stream: Stream, engine: Engine) -> None:
        self.machine = machine
        self.stream = stream
        self.engine = engine
        self.interrupted = False  # the last `next_event` ended by `stream.interrupt()`

    async def next_event(self, timeout: float | None = None) -> Event | None:
        """The engine's next event, or None when the session is over.

        Also None, with `interrupted` set, when somebody called `stream.interrupt()`:
        the agent has news for its peer (IMAP IDLE). `timeout` is in seconds of this
        machine's clock, for each wait for the peer; the engine says goodbye after it.

        Raises what the network raises (ConnectionResetError, TimeoutError of TCP).
        """
        self.interrupted = False
        while True:
            event = self.engine.next_event()
            self.flush()
            if event is not None:
                return event
            if self.engine.closed:
                return None
            deadline = asyncio.timeout(timeout)
            try:
                await self.stream.drain()
                async with deadline:
                    data = await self.stream.read()
            except TimeoutError:
                if not deadline.expired():
                    raise
                self.engine.time_out()
                continue
            if data is None:
                self.interrupted = True
                return None
            if data:
                self.engine.receive(data)
            else:
                self.engine.receive_eof()

    def flush(self) -> None:
        """Give what the engine says to the stream, and what was said to the trace."""
        for spoken in self.engine.lines_spoken():
            facts = asdict(spoken)
            self.machine.emit("line", self.stream.id, **facts)
        data = self.engine.data_to_send()
        if data:
            self.stream.write(data)
