"""A blocking socket on a virtual host, for Python's own smtplib, poplib and imaplib.

Goes in: calls of a program that knows `socket.socket`. Comes out: what a real socket
would have given or raised.

Rule 1: each call runs the world until it can return; between two calls the clock
        stands still. In a live world it waits for the thread that the world runs in.
Rule 2: a time-out counts seconds of the world.
"""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from maillab.errors import LabError
from maillab.net.driver import Driver
from maillab.net.host import Host
from maillab.net.network import os_error
from maillab.net.stream import Stream

Result = TypeVar("Result")


class BlockingSocket:
    """What `socket.create_connection` gives, on a virtual host."""

    # The standard library's own, which asks for nothing but what is below.
    makefile: Callable[..., Any] = socket.socket.makefile

    def __init__(self, host: Host, stream: Stream, timeout: float | None) -> None:
        self.host = host
        self._stream = stream
        self._timeout = timeout
        self._unread = bytearray()
        self._closed = False
        self._detached = False  # a TLS socket has taken the connection over
        self._io_refs = 0  # files that `makefile` made and nobody closed

    # Reading and writing --------------------------------------------------------------

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Up to `size` octets; b"" at the end of the stream."""
        del flags
        self._check_open()
        if not self._unread:
            self._unread += self._run(self._stream.read) or b""
        data = bytes(self._unread[:size])
        del self._unread[:size]
        return data

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        """Like `recv`, into a buffer; the number of octets."""
        view = memoryview(buffer).cast("B")
        data = self.recv(size or len(view), flags)
        view[: len(data)] = data
        return len(data)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send everything. What a peer that has hung up said last can still be read."""
        del flags
        self._check_open()
        if not self._stream.is_open and not self._stream.has_data:
            raise os_error(errno.EPIPE)
        octets = bytes(data)

        async def send() -> None:
            self._stream.write(octets)
            await self._stream.drain()

        self._run(send)

    def send(self, data: Any, flags: int = 0) -> int:
        """Send everything; the number of octets."""
        self.sendall(data, flags)
        return memoryview(data).nbytes

    # Ending ---------------------------------------------------------------------------

    def shutdown(self, how: int) -> None:
        """Half-close; only the sending side can tell its peer."""
        self._check_open()
        if not self._stream.is_open:
            raise os_error(errno.ENOTCONN)
        if how != socket.SHUT_RD:
            self._run(as_coroutine(self._stream.send_eof))

    def close(self) -> None:
        """Hang up, once the files of `makefile` are closed too."""
        self._closed = True
        if self._io_refs <= 0:
            self._hang_up()

    def detach(self) -> "Stream":
        """Forget the connection and give it away."""
        self._closed = self._detached = True
        return self._stream

    def _decref_socketios(self) -> None:
        """`makefile`'s files call this when they are closed."""
        self._io_refs -= 1
        if self._closed:
            self.close()

    def _hang_up(self) -> None:
        if not self._detached and not self.host.loop.is_closed():
            self._detached = True
            self._timeout = None
            self._run(as_coroutine(self._stream.hang_up))

    def __enter__(self) -> "BlockingSocket":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # About it -------------------------------------------------------------------------

    def settimeout(self, seconds: float | None) -> None:
        """How long a call may take, in seconds of the world; None: for ever."""
        if seconds is not None and seconds < 0:
            raise ValueError("Timeout value out of range")
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        """What `settimeout` has set."""
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        """Wait for ever, or never."""
        self.settimeout(None if flag else 0.0)

    def getpeername(self) -> tuple[str, int]:
        """The address and port of the other side."""
        return self._stream.peer

    def getsockname(self) -> tuple[str, int]:
        """Our own address and port."""
        return self._stream.local

    def setsockopt(self, *_: object) -> None:
        """Nothing to tune here."""

    def fileno(self) -> int:
        """There is none: the operating system does not know this socket."""
        return -1

    @property
    def connection(self) -> str:
        """The connection's name in the trace, such as "c3"."""
        return self._stream.id

    @property
    def family(self) -> socket.AddressFamily:
        """IPv4 or IPv6."""
        v6 = ":" in self._stream.local[0]
        return socket.AF_INET6 if v6 else socket.AF_INET

    type = socket.SOCK_STREAM
    proto = socket.IPPROTO_TCP

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self.host.name} to {self.getpeername()}>"

    # Running the world ----------------------------------------------------------------

    def _check_open(self) -> None:
        if self._closed and self._io_refs <= 0:
            raise os_error(errno.EBADF)

    def _run(self, action: Callable[[], Awaitable[Result]]) -> Result:
        return run_on(self.host, action, self._timeout)


class BlockingTLSSocket(BlockingSocket):
    """What `SSLContext.wrap_socket` gives, on a virtual host."""

    @property
    def _tls(self) -> ssl.SSLObject:
        return self._stream.extra("ssl_object")

    def version(self) -> str | None:
        """Such as "TLSv1.3"."""
        return self._tls.version()

    def cipher(self) -> tuple[str, str, int] | None:
        """Its name, the protocol, the number of secret bits."""
        return self._tls.cipher()

    def getpeercert(self, binary_form: bool = False) -> Any:
        """The certificate of the server."""
        return self._tls.getpeercert(binary_form)


class TLSOnHost:
    """An `ssl.SSLContext` for sockets on virtual hosts: all that clients ask of it.

    Without a context it trusts the world's own authority.
    """

    def __init__(self, host: Host, context: ssl.SSLContext | None = None) -> None:
        if context is None:
            if host.network.ca is None:
                raise LabError("this world has no authority: give a context=")
            context = host.network.ca.client_context(host.name)
        self.context = context

    def wrap_socket(
        self, sock: BlockingSocket, *, server_hostname: str | None = None, **_: object
    ) -> BlockingTLSSocket:
        """Do the handshake. Raises ssl.SSLError, ConnectionError, TimeoutError."""
        stream = sock.detach()
        secured = BlockingTLSSocket(sock.host, stream, sock.gettimeout())

        async def shake_hands() -> None:
            await stream.start_tls(
                self.context, server_side=False, server_name=server_hostname or ""
            )

        try:
            run_on(sock.host, shake_hands, sock.gettimeout())
        except BaseException:
            secured.close()
            raise
        return secured


def connect(host: Host, address: tuple[str, int], timeout: Any) -> BlockingSocket:
    """`socket.create_connection` from a virtual host.

    Raises ConnectionRefusedError, TimeoutError, OSError (EHOSTUNREACH, ENETUNREACH),
    socket.gaierror: what a real network raises.
    """
    # The standard library's clients hand on a mere object() when nobody gave a time.
    given = isinstance(timeout, int | float)
    seconds = float(timeout) if given else socket.getdefaulttimeout()
    stream = run_on(host, lambda: host.connect(*address), seconds)
    return BlockingSocket(host, stream, seconds)


def run_on(
    host: Host, action: Callable[[], Awaitable[Result]], timeout: float | None
) -> Result:
    """Run the world until `action` on a host is done. Raises what it raises."""

    async def act() -> Result:
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                return await action()
        except TimeoutError:
            if not limit.expired():  # TCP itself gave up
                raise
        if timeout == 0:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        raise TimeoutError("timed out")

    return Driver(host.loop).run(act(), host.fork_context())


def as_coroutine(call: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    """A plain call, for `run_on`: in the world's thread, at the world's time."""

    async def run() -> None:
        call()

    return run
