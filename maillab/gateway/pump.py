"""Copy bytes between two connections, one real and one virtual.

Rule: each side notices what happens on the other: back-pressure, half-close, reset.
"""

import asyncio
from typing import Any, cast


class Pump(asyncio.Protocol):
    """One of two connected ends. It reads nothing until it is linked."""

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
        if self._other is None:
            self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Pass it on; keep it while there is nobody to pass it to.

        (Python 3.11.2 does not heed a pause in `connection_made`.)
        """
        there = self._there
        if self._other is None:
            self._early += data
        elif there is not None and not there.is_closing():
            there.write(data)

    def eof_received(self) -> bool:
        """Pass the half-close on; the other direction stays open."""
        self._ended = True
        there = self._there
        if there is not None and not there.is_closing():
            try:
                there.write_eof()
            except OSError:  # the real end was torn down meanwhile
                there.abort()
        return True

    def pause_writing(self) -> None:
        """This end is slow: let the other one wait."""
        if self._there is not None:
            self._there.pause_reading()

    def resume_writing(self) -> None:
        """This end has caught up."""
        if self._there is not None:
            self._there.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the other end too, in the same way."""
        there = self._there
        self.transport = None
        if there is None:
            return
        if isinstance(exc, ConnectionResetError):
            there.abort()
        else:
            there.close()

    @property
    def _there(self) -> Any:
        return self._other.transport if self._other is not None else None
