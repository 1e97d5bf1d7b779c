"""Copy bytes between two connections, one real and one virtual.

Goes in: two open connections. Comes out: the bytes of each, on the other.

Rule: each side notices what happens on the other: back-pressure, half-close, reset.
"""

import asyncio
import os
import socket
import struct
from contextlib import suppress
from typing import Any, cast

EARLY = 64 * 1024  # octets kept for an end that is not there yet; then TCP must wait
LINGER = struct.pack("HH" if os.name == "nt" else "ii", 1, 0)  # on, for 0 seconds


class Pump(asyncio.Protocol):
    """One of two connected ends."""

    def __init__(self) -> None:
        self.transport: Any = None
        self._other: Pump | None = None
        self._early = bytearray()  # came before there was another end
        self._ended = False

    def link(self, other: "Pump") -> None:
        """Join two open ends."""
        self._other, other._other = other, self
        for end in (self, other):
            if end.transport is not None:
                end.transport.resume_reading()
                end.data_received(bytes(end._early))
                if end._ended:
                    end.eof_received()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open; wait for the other end."""
        self.transport = cast(asyncio.Transport, transport)
        without_delay(transport)

    def data_received(self, data: bytes) -> None:
        """Pass it on; keep some while there is nobody to pass it to."""
        there = self._there
        if self._other is None:
            self._early += data
            if len(self._early) >= EARLY:
                self.transport.pause_reading()
        elif there is not None and not there.is_closing():
            there.write(data)

    def eof_received(self) -> bool:
        """Pass the half-close on; the other direction stays open until it ends too."""
        self._ended = True
        other, there = self._other, self._there
        if other is None:
            return True
        if there is not None and not there.is_closing():
            try:
                there.write_eof()
            except OSError:  # the real end was torn down meanwhile
                there.abort()
        if other._ended:
            self.close()
        return True

    def close(self) -> None:
        """End both sides, behind what was written."""
        for transport in (self.transport, self._there):
            if transport is not None:
                transport.close()

    def pause_writing(self) -> None:
        """This end is slow: let the other one wait."""
        if self._there is not None:
            self._there.pause_reading()

    def resume_writing(self) -> None:
        """This end has caught up."""
        if self._there is not None:
            self._there.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the other side in the same way: FIN after FIN, RST after anything else.

        What TCP gave up after 924 s cannot be told to a real program but by a reset.
        """
        there = self._there
        self.transport = None
        if there is None:
            return
        if exc is None:
            there.close()
        else:
            reset(there)

    @property
    def _there(self) -> Any:
        return self._other.transport if self._other is not None else None


def reset(transport: Any) -> None:
    """Send RST, on a virtual connection or on a real one (RFC 9293 §3.5.2)."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        transport.reset()
        return
    with suppress(OSError):  # it is closed already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
    transport.abort()


def without_delay(transport: asyncio.BaseTransport) -> None:
    """Send small segments at once (asyncio does so for its own sockets too)."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
