"""TLS in the world: asyncio's, without its traps, and the lab's certificate authority.

Rule 1: what a handshake decided is told to the observer; so are the keys, for captures.
Rule 2: a failed handshake sends its alert. asyncio closes first and the peer sees a
        mere reset: the bytes are flushed here before the failure is reported.
Rule 3: RSA keys that are shipped, no session tickets: two runs give equal sizes.
"""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false, reportIncompatibleMethodOverride=false
# pyright: reportIncompatibleVariableOverride=false

import asyncio
import ssl
from asyncio import sslproto
from collections.abc import Callable
from typing import Any

RECORD = 16 * 1024  # octets of plain text in one record (RFC 8446 §5.1)


class LabTLS(sslproto.SSLProtocol):
    """asyncio's TLS protocol, with alerts, small buffers and an observer."""

    max_size = RECORD  # asyncio's 256 KiB an end are no faster

    def _on_handshake_complete(self, handshake_exc: BaseException | None) -> None:
        if handshake_exc is not None and self._transport is not None:
            self._process_outgoing()  # the alert
        self._extra["cut_record"] = self.cut_record
        self._tell(handshake_exc)
        super()._on_handshake_complete(handshake_exc)

    def cut_record(self, data: bytes) -> None:
        """Send half of a record that holds `data`; then FIN, without close_notify."""
        self._sslobj.write(data[:RECORD])
        octets = self._outgoing.read()
        if self._transport is not None:
            self._transport.write(octets[: len(octets) // 2])
            self._transport.close()

    def _check_handshake_timeout(self) -> None:
        if self._state is sslproto.SSLProtocolState.DO_HANDSHAKE:
            self._tell(TimeoutError("the handshake takes too long"))
        super()._check_handshake_timeout()

    def _tell(self, error: BaseException | None) -> None:
        """Let the trace know how the handshake ended."""
        emit = self._transport.get_extra_info("emit") if self._transport else None
        if emit is None:
            return
        side = "S" if self._server_side else "C"
        if error is not None:
            # asyncio hands on a mere class when the peer has ended its side.
            words = "" if isinstance(error, type) else str(error)
            reason = getattr(error, "verify_message", "") or words
            emit("tls_failed", side=side, reason=reason or "the connection ended")
            return
        session = self._sslobj
        cipher = session.cipher()
        emit(
            "tls",
            side=side,
            version=session.version() or "",
            cipher=cipher[0] if cipher else "",
            server_name=self._server_hostname or "",
        )
        take_keys = getattr(session.context, "take_keys", None)
        for line in take_keys() if take_keys else ():
            emit("keylog", line=line)


class TLSServerStart(asyncio.Protocol):
    """A port with implicit TLS: the handshake comes first, then the real protocol."""

    def __init__(
        self, loop: Any, protocol: asyncio.BaseProtocol, context: ssl.SSLContext
    ) -> None:
        self._loop = loop
        self._protocol = protocol
        self._context = context

    @classmethod
    def factory(
        cls,
        loop: Any,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        context: ssl.SSLContext,
    ) -> Callable[[], asyncio.BaseProtocol]:
        """A factory for `TCPServer`."""
        return lambda: cls(loop, protocol_factory(), context)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Put TLS between the transport and the real protocol."""
        nobody_waits = self._loop.create_future()
        secured = LabTLS(
            self._loop, self._protocol, self._context, nobody_waits, server_side=True
        )
        transport.set_protocol(secured)
        secured.connection_made(transport)
