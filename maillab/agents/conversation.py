"""The one loop that moves bytes between a stream and an engine, for all protocols.

Goes in: a stream (virtual or real) and an engine. Comes out: the engine's events.
What was said goes to the trace on the way.
"""

import asyncio
import ssl

from maillab.agents.machine import Machine, Stream
from maillab.protocol.engine import Engine, Event
from maillab.wire.lines import Spoken

PROGRESS = 1000  # octets; a whole command is progress too, as it ends the wait
MUCH = 1024 * 1024  # octets to say without looking whether the peer takes them
TURN = 0.05  # seconds of work; in a virtual world work takes no time


class Conversation:
    """One session: `machine` speaks through `engine` over `stream`.

    send_patience  seconds with a peer that takes nothing of what we say
    """

    send_patience = 300.0

    def __init__(self, machine: Machine, stream: Stream, engine: Engine) -> None:
        self.machine = machine
        self.stream = stream
        self.engine = engine
        self.interrupted = False  # the last `next_event` ended by `stream.interrupt()`
        self._unwatched = 0  # octets said since the last look at the peer
        self._turn: float | None = None  # when others had a turn

    async def next_event(self, timeout: float | None = None) -> Event | None:
        """The engine's next event, or None when the session is over.

        Also None, with `interrupted` set, when somebody called `stream.interrupt()`:
        the agent has news for its peer (IMAP IDLE). `timeout` is in seconds of this
        machine's clock, for each event; the engine says goodbye after it.

        Raises what the network raises (ConnectionResetError, TimeoutError of TCP).
        """
        self.interrupted = False
        patience = Patience(timeout)
        await self._take_turns()
        await self.speak()
        if self._unwatched >= MUCH:
            await self._drain()
        while True:
            event = self.engine.next_event()
            await self.speak()
            if event is not None:
                return event
            if self.engine.closed:
                return None
            await self._drain()
            try:
                data = await patience.read(self.stream)
            except OutOfPatience:
                self._note(f"has waited {timeout} s for its peer and gives up")
                self.engine.time_out()
                continue
            finally:
                self._turn = self._now()
            if data is None:
                self.interrupted = True
                return None
            if data:
                self.engine.receive(data)
            else:
                self.engine.receive_eof()

    async def breathe(self) -> None:
        """In the middle of a long answer: wait for a slow peer, give others a turn.

        Raises ConnectionResetError: the peer is gone, so nobody wants the rest.
        """
        await self._drain()
        if not self.stream.is_open:
            raise ConnectionResetError("the peer is gone")
        await asyncio.sleep(0)
        self._turn = self._now()

    async def _take_turns(self) -> None:
        """Who sends a thousand commands at once must not make all others wait."""
        if self._turn is None:
            self._turn = self._now()
        if self._now() - self._turn > TURN:
            await asyncio.sleep(0)
            self._turn = self._now()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    async def _drain(self) -> None:
        self._unwatched = 0
        try:
            await self.stream.drain(self.send_patience)
        except TimeoutError:
            self._note("has a peer that takes nothing, and gives up")
            raise

    def _note(self, text: str) -> None:
        self.machine.emit("note", self.stream.id, text=f"{self.machine.name} {text}")

    async def speak(self) -> None:
        """Say what the engine has to say. (With planned faults: or something else.)"""
        self.flush()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Do the server's half of a TLS handshake."""
        await self.stream.start_tls(context, server_side=True)

    def flush(self) -> None:
        """Give what the engine says to the stream, and what was said to the trace."""
        for spoken in self.engine.lines_spoken():
            self.tell(spoken)
        data = self.engine.data_to_send()
        if data:
            self._unwatched += len(data)
            self.stream.write(data)

    def tell(self, spoken: Spoken) -> None:
        """Let the trace know what one side said."""
        more = {"compressed": True} if spoken.compressed else {}
        self.machine.emit(
            "line",
            self.stream.id,
            speaker=spoken.speaker,
            offset=spoken.offset,
            octets=spoken.octets,
            what=spoken.what,
            secret=spoken.secret,
            secure=spoken.secure,
            ref=spoken.ref,
            why=spoken.why,
            **more,
        )


class OutOfPatience(Exception):
    """The peer said nothing, or too little, for too long."""


class Patience:
    """How long to wait for an event: `seconds` of waiting without progress.

    An octet now and then is no progress: who sends one a minute would never have to go.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._left = seconds
        self._octets = 0  # since the last progress

    async def read(self, stream: Stream) -> bytes | None:
        """Read. Raises OutOfPatience, and what the network raises."""
        if self._left is None:
            return await stream.read()
        loop = asyncio.get_running_loop()
        began, ended = loop.time(), False

        def end() -> None:  # cheaper than asyncio.timeout, which cancels the task
            nonlocal ended
            ended = True
            stream.interrupt()

        timer = loop.call_at(began + self._left, end)
        try:
            data = await stream.read()
        finally:
            timer.cancel()
        if ended:
            raise OutOfPatience
        self._note(loop.time() - began, len(data or b""))
        return data

    def _note(self, waited: float, octets: int) -> None:
        """So much came after so many seconds."""
        self._octets += octets
        if self._octets >= PROGRESS:
            self._left, self._octets = self._seconds, 0
        elif self._left is not None:
            self._left -= waited
