"""A student's receiver on a virtual host: three pieces, and what holds them together.

Goes in: `on_command(state, line)`, a class `DataReader`, `accept(disk, state, letter,
say)`. Comes out: an SMTP server (RFC 5321) that listens at port 25.

Rule 1: nothing is decided here: each reply but the greeting is one of the pieces'.
Rule 2: what the pieces do wrong ends as 451, as in any server (RFC 5321 §4.2.1).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from maillab.grading.failing_disk import FailingDisk
from maillab.net.host import Host
from maillab.net.stream import Stream
from maillab.wire.lines import CRLF
from maillab.world.world import World

SILENCE = 300.0  # seconds without a command: RFC 5321 §4.5.3.2.7
WENT_WRONG = "451 4.3.0 Something went wrong here"

State = dict[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Pieces:
    """What a receiver is made of.

    on_command   (state, line) -> reply; keeps in `state` what it must remember
    data_reader  () -> reader; `reader.feed(octets)` is the letter when all of it is
                 there, else None; then `reader.rest` has what came behind it
    accept       (disk, state, letter, say) -> None; says the reply to the letter
    """

    on_command: Callable[[State, str], str]
    data_reader: Callable[[], Any]
    accept: Callable[[FailingDisk, State, bytes, Say], object]


class Reception:
    """One session of such a receiver, without a network.

    say     called with each reply, as a text without its last line end
    failed  what the pieces raised
    """

    def __init__(self, pieces: Pieces, disk: FailingDisk, say: Say) -> None:
        self.pieces = pieces
        self.disk = disk
        self.say = say
        self.state: State = {}
        self.closed = False
        self.failed: list[Exception] = []
        self._arrived = b""
        self._reader: Any = None

    def receive(self, octets: bytes) -> None:
        """What a client sent: any part of a line, or many lines."""
        try:
            self._arrived += octets
            while not self.closed and self._go_on():
                pass
        except Exception as error:  # noqa: BLE001  (whatever the student's code does)
            self.failed.append(error)
            self._arrived, self._reader = b"", None
            self.say(WENT_WRONG)

    def _go_on(self) -> bool:
        """Do one thing; False: more has to arrive."""
        if self._reader is not None:
            return self._read_content()
        line, end, rest = self._arrived.partition(CRLF)
        if not end:
            return False
        self._arrived = rest
        reply = str(self.pieces.on_command(self.state, line.decode("latin-1")))
        if reply.startswith("354"):
            self._reader = self.pieces.data_reader()
        self.closed = reply.startswith("221")
        self.say(reply)
        return True

    def _read_content(self) -> bool:
        octets, self._arrived = self._arrived, b""
        letter = self._reader.feed(octets)
        if letter is None:
            return False
        self._arrived = bytes(self._reader.rest)
        self._reader = None
        self.pieces.accept(self.disk, self.state, letter, self.say)
        # "the receipt of the end of mail data indication" ends the transaction, and
        # clears all buffers (RFC 5321 §4.1.1.4): as RSET does.
        self.pieces.on_command(self.state, "RSET")
        return True


class Receiver:
    """A receiver at port 25 of a host of the world; who listened there stops.

    >>> from maillab import open_world
    >>> world, disk = open_world("receiver"), FailingDisk()
    >>> pieces = Pieces(lambda state, line: "221 2.0.0 Not today", None, None)
    >>> with Receiver(world, "mx1.lighthouse.example", pieces, disk):
    ...     with world.console("desk", "mx1.lighthouse.example", 25) as smtp:
    ...         print(smtp.say("EHLO desk"))
    221 2.0.0 Not today
    >>> world.close()
    """

    def __init__(
        self, world: World, host: str, pieces: Pieces, disk: FailingDisk
    ) -> None:
        self.pieces = pieces
        self.disk = disk
        self._world = world
        self._host = world.host(host)
        free_port(self._host)
        self._server = world.run(self._host.listen(25, self._serve))

    def close(self) -> None:
        """Listen no more."""
        self._server.close()

    def __enter__(self) -> "Receiver":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _serve(self, stream: Stream) -> None:
        def say(reply: str) -> None:
            stream.write("".join(f"{r}\r\n" for r in reply.splitlines()).encode())

        session = Reception(self.pieces, self.disk, say)
        say(f"220 {self._host.name} ESMTP, built by hand")
        while not session.closed:
            try:
                async with asyncio.timeout(SILENCE):
                    octets = await stream.read()
            except OSError:  # silence, or a connection that broke
                return
            if not octets:
                return
            session.receive(octets)
            for error in session.failed:
                self._host.emit("failure", stream.id, error=repr(error))
            session.failed.clear()

    def __repr__(self) -> str:
        return f"<Receiver at port 25 of {self._host.name}>"


def free_port(host: Host) -> None:
    """Let nobody listen at port 25: cells of notebooks are run again."""
    if 25 in host.tcp_ports:
        host.tcp_ports[25].close()
