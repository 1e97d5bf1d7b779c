"""A TCP connection by hand, as with telnet or `openssl s_client`.

Goes in: lines that a person types. Comes out: what the server answers.

Rule 1: a reply is over when nothing has come for half a second of world time.
Rule 2: a line that gets no answer (the text behind DATA) takes 20 seconds.
"""

import asyncio
from typing import TYPE_CHECKING

from maillab.errors import LabError
from maillab.net.host import Host
from maillab.net.stream import Stream

if TYPE_CHECKING:
    from maillab.world.world import World

FIRST_WAIT = 20.0  # seconds of world time for the first octet; none comes in DATA
QUIET = 0.5  # seconds of silence after which a reply is over


class Console:
    """One connection, typed by hand.

    >>> import maillab
    >>> world = maillab.open_world("hello")
    >>> with world.console("alice-pc", "mail.hello.example", 25) as console:
    ...     print(console.say("NOOP"))
    250 2.0.0 Nothing done
    >>> world.close()
    """

    def __init__(self, world: "World", host: Host, server: str, port: int) -> None:
        self._world = world
        self._server = server
        self._host = host.name
        self._stream: Stream = world.run(host.connect(server, port))
        self.greeting = self._hear()

    def say(self, *lines: str) -> str:
        """Send lines, each with CRLF, and return what the server answers."""
        self._check_open()
        for line in lines:
            if "\n" in line or "\r" in line:
                raise LabError("one line at a time: use say(line, line, …)")
            self._stream.write(line.encode("utf-8") + b"\r\n")
        return self._hear()

    def send_raw(self, octets: bytes) -> str:
        """Send exactly these octets and return what the server answers."""
        self._check_open()
        self._stream.write(octets)
        return self._hear()

    def start_tls(self, server_name: str = "") -> None:
        """Do a TLS handshake, after the server agreed to STARTTLS or STLS."""
        context = self._world.ca.client_context(self._host)
        name = server_name or self._server
        self._world.run(
            self._stream.start_tls(context, server_side=False, server_name=name)
        )

    @property
    def id(self) -> str:
        """The connection's name in the trace, such as "c3"."""
        return self._stream.id

    def close(self) -> None:
        """Hang up."""
        self._world.run(self._stream.close())
        self._world.advance(QUIET)

    def __enter__(self) -> "Console":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_open(self) -> None:
        if not self._stream.is_open:
            raise LabError(
                f"the connection to {self._server} is closed: open a new console"
            )

    def _hear(self) -> str:
        octets = self._world.run(self._collect())
        return octets.decode("utf-8", "replace").replace("\r\n", "\n").rstrip("\n")

    async def _collect(self) -> bytes:
        """Everything that comes until it is quiet."""
        data = bytearray()
        wait = FIRST_WAIT
        try:
            while True:
                async with asyncio.timeout(wait):
                    more = await self._stream.read()
                if not more:
                    return bytes(data)
                data += more
                wait = QUIET
        except (TimeoutError, ConnectionResetError):
            return bytes(data)
