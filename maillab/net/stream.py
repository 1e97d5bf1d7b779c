"""One TCP connection as bytes to read and to write, for agents.

An asyncio protocol that works on virtual and on real transports alike. Not asyncio's
own StreamReader and StreamWriter: those close a connection whenever the garbage
collector finds them, which is not the same at every run.

Rule: what is written while nobody waits leaves as one piece, so replies to a pipelined
group of commands travel together (RFC 2920 §3.2).
"""

import asyncio
import errno
import ssl
import struct
import sys
from collections.abc import Callable
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, cast

from maillab.net.network import os_error

PATIENCE = 300.0  # seconds with a peer that takes nothing
READ_AHEAD = 64 * 1024  # octets kept for a reader that is slow; then TCP must wait
TLS_HANDSHAKE_TIMEOUT = 60.0  # seconds
NO_HANDSHAKE = "the connection ended during the TLS handshake"
LINGER_0 = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


class Stream(asyncio.Protocol):
    """Both directions of one connection. Fulfils `agents.machine.Stream`."""

    def __init__(self, on_made: "Callable[[Stream], None] | None" = None) -> None:
        self.loop: Any = asyncio.get_running_loop()  # a WorldLoop
        self.id = ""
        self.local: tuple[str, int] = ("", 0)
        self.peer: tuple[str, int] = ("", 0)
        self._on_made = on_made
        self._transport: asyncio.Transport | None = None
        self._in = bytearray()
        self._out = bytearray()
        self._ended = False
        self._error: Exception | None = None
        self._interrupted = False
        self._reader: asyncio.Future[None] | None = None
        self._blocked: asyncio.Future[None] | None = None
        self._flush_planned = False
        self._secure = False
        self._begun = False  # somebody has read or written
        self._lost: asyncio.Future[None] = self.loop.create_future()

    # For agents -----------------------------------------------------------------------

    async def read(self) -> bytes | None:
        """What arrived; b"" at the end of the stream; None after `interrupt()`.

        Raises ConnectionResetError, or TimeoutError when TCP gave up.
        """
        self._begun = True
        self._flush()
        while not (self._in or self._ended or self._interrupted):
            news: asyncio.Future[None] = self.loop.create_future()
            self._reader = news
            try:
                await news
            finally:
                self._reader = None
        if self._in:
            data = bytes(self._in)
            self._in.clear()
            if self._transport is not None:
                self._transport.resume_reading()
            return data
        if self._interrupted:
            self._interrupted = False
            return None
        if self._error is not None:
            raise self._error
        return b""

    def write(self, data: bytes) -> None:
        """Queue bytes; they leave when the caller next waits for anything.

        Nothing is kept for a peer that is gone.
        """
        self._begun = True
        if self._lost.done():
            return
        self._out += data
        if not self._flush_planned:
            self._flush_planned = True
            self.loop.call_soon(self._flush)

    async def drain(self, patience: float = PATIENCE) -> None:
        """Wait until the peer takes data again.

        Raises TimeoutError when it takes nothing at all for `patience` seconds.
        """
        self._flush()
        while self._blocked is not None and self._transport is not None:
            left = self._transport.get_write_buffer_size()
            taken, _ = await asyncio.wait([self._blocked], timeout=patience)
            if not taken and self._transport.get_write_buffer_size() >= left:
                raise os_error(errno.ETIMEDOUT)

    def hold(self) -> None:
        """Leave what arrives with the network: it is for `start_tls`."""
        self._flush()
        if self._transport is not None:
            self._transport.pause_reading()

    def interrupt(self) -> None:
        """Make the `read` that waits, or the next one, return None."""
        self._interrupted = True
        self._wake()

    async def start_tls(
        self, context: ssl.SSLContext, *, server_side: bool, server_name: str = ""
    ) -> None:
        """Do a TLS handshake. Raises ssl.SSLError, ConnectionError, TimeoutError.

        Plain text that already arrived is dropped (RFC 3207 §4.2). Before anything was
        read or written it is no plain text: a fast client's hello (RFC 8314 §3).
        """
        self._flush()
        hello = b"" if self._begun else bytes(self._in)
        self._in.clear()
        self._begun = True
        self._secure = True
        if self._transport is None:
            raise self._error or ConnectionResetError(NO_HANDSHAKE)
        try:
            transport = await self.loop.start_tls(
                self._transport,
                self,
                context,
                server_side=server_side,
                server_hostname=server_name or None,
                ssl_handshake_timeout=TLS_HANDSHAKE_TIMEOUT,
                already_read=hello,
                already_ended=self._ended,
            )
        except OSError as error:  # nobody else tells us that the connection is gone
            told = error if error.args else ConnectionResetError(NO_HANDSHAKE)
            self.connection_lost(told)
            raise told from None
        if transport is None:
            raise ConnectionResetError(NO_HANDSHAKE)
        self._transport = transport

    async def close(self) -> None:
        """Send what is queued, then FIN; wait until the connection is gone here.

        What the peer does not take for `PATIENCE` seconds is dropped.
        """
        self.hang_up()
        await asyncio.wait([self._lost], timeout=PATIENCE)
        self.abort()

    def hang_up(self) -> None:
        """`close` for those who cannot wait."""
        self._flush()
        if self._transport is not None:
            self._transport.close()
        elif not self._lost.done():  # it never was open
            self._lost.set_result(None)

    def send_eof(self) -> None:
        """Send FIN and go on reading (half-close)."""
        self._flush()
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()

    def abort(self) -> None:
        """Drop everything at once."""
        self._out.clear()
        if self._transport is not None:
            self._transport.abort()

    def reset(self) -> None:
        """Send RST (SO_LINGER 0); drop what was not sent."""
        self._out.clear()
        send_reset = self.extra("reset")
        if send_reset is not None:  # a virtual connection
            send_reset()
            return
        real = self.extra("socket")
        if real is not None:
            real.setsockopt(SOL_SOCKET, SO_LINGER, LINGER_0)
        self.abort()

    async def cut(self, data: bytes) -> None:
        """Send half of a TLS record that holds `data`, and FIN without close_notify."""
        self._flush()
        cut_record = self.extra("cut_record")
        if cut_record is not None:
            cut_record(data)
        await self.close()

    @property
    def waiting(self) -> bool:
        """Somebody waits in `read`."""
        return self._reader is not None

    @property
    def has_data(self) -> bool:
        """`read` has something to give that came from the peer."""
        return bool(self._in)

    @property
    def is_open(self) -> bool:
        """Writing makes sense still."""
        return self._transport is not None and not self._transport.is_closing()

    # asyncio.Protocol -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self._transport = cast(asyncio.Transport, transport)
        self.id = self.extra("connection") or self.id
        self.local = (self.extra("sockname") or ("", 0))[:2]
        self.peer = (self.extra("peername") or ("", 0))[:2]
        if self._on_made is not None:
            self._on_made(self)

    def data_received(self, data: bytes) -> None:
        """Keep it for `read`; a slow reader makes TCP wait."""
        self._in += data
        if len(self._in) >= READ_AHEAD and self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """The peer sends no more; we may (TLS has no half-close)."""
        self._ended = True
        self._wake()
        return not self._secure

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._ended = True
        self._error = exc
        self._transport = None
        if not self._lost.done():
            self._lost.set_result(None)
        self._wake()
        self.resume_writing()

    def pause_writing(self) -> None:
        """The peer is slow."""
        if self._blocked is None:
            self._blocked = self.loop.create_future()

    def resume_writing(self) -> None:
        """The peer took enough."""
        blocked, self._blocked = self._blocked, None
        if blocked is not None and not blocked.done():
            blocked.set_result(None)

    # Inside ---------------------------------------------------------------------------

    def _flush(self) -> None:
        self._flush_planned = False
        transport = self._transport
        if self._out and transport is not None and not transport.is_closing():
            data = bytes(self._out)
            self._out.clear()
            transport.write(data)

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def extra(self, name: str) -> Any:
        """What the transport tells under this name; None when there is none."""
        return self._transport.get_extra_info(name) if self._transport else None
