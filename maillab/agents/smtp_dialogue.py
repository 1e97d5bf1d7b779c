"""One SMTP session seen from a client agent: an MUA that submits, an MTA that relays.

Goes in: what the agent wants, step by step. Comes out: the server's replies.

Rule: when the session breaks, every step raises `SessionEnded` with the reason in
words;
what the network raises (ConnectionResetError, TimeoutError) passes through.
"""

import ssl
from dataclasses import dataclass

from maillab.agents.conversation import Conversation
from maillab.agents.machine import Machine, Stream
from maillab.errors import RemoteProtocolError
from maillab.protocol.engine import Event, StartTLS
from maillab.protocol.smtp_client import SMTPClient
from maillab.protocol.smtp_client_events import (
    Garbled,
    Greeting,
    RecipientReply,
    Replied,
    Sent,
)
from maillab.wire.smtp import Envelope, Reply
from maillab.wire.smtp_path import Address

REPLY_TIMEOUT = 300.0  # seconds (RFC 5321 §4.5.3.2)
FINAL_DOT_TIMEOUT = 600.0  # seconds (RFC 5321 §4.5.3.2.6)


class SessionEnded(RemoteProtocolError):
    """The server ended the session, or spoke no SMTP, before we were done."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """How sending one message went: the reply for each recipient, and the last one."""

    recipients: dict[Address, Reply]
    final: Reply
    accepted: tuple[Address, ...]


class SMTPDialogue:
    """A client's session, with one awaitable method for each step."""

    def __init__(
        self, machine: Machine, stream: Stream, *, implicit_tls: bool = False
    ) -> None:
        self.stream = stream
        self.engine = SMTPClient(implicit_tls=implicit_tls)
        self._conversation = Conversation(machine, stream, self.engine)

    async def greeting(self) -> Reply:
        """The first thing that the server says."""
        event = await self._next(REPLY_TIMEOUT)
        assert isinstance(event, Greeting), "the greeting comes first"
        return event.reply

    async def ehlo(self, name: str) -> Reply:
        """Introduce ourselves."""
        self.engine.ehlo(name)
        return await self._reply()

    async def starttls(self, context: ssl.SSLContext, server_name: str) -> Reply:
        """Ask for TLS and do the handshake. Raises what `handshake` raises."""
        reply = await self.ask_for_tls()
        if reply.positive:
            await self.handshake(context, server_name)
        return reply

    async def ask_for_tls(self) -> Reply:
        """Say STARTTLS. After a positive reply comes the handshake."""
        self.engine.starttls()
        event = await self._next(REPLY_TIMEOUT)
        if isinstance(event, Replied):
            return event.reply
        assert isinstance(event, StartTLS), "a reply, or the handshake"
        return Reply(220, "", "Ready to start TLS")

    async def handshake(self, context: ssl.SSLContext, server_name: str) -> None:
        """Begin TLS. Raises ssl.SSLError, ConnectionResetError, TimeoutError."""
        await self.stream.start_tls(context, server_side=False, server_name=server_name)
        self.engine.tls_started()

    async def login(self, user: str, password: str) -> Reply:
        """Log in by the first mechanism that both sides know."""
        offered = self.engine.capabilities.get("AUTH", "").upper().split()
        mechanism = next((name for name in ("PLAIN", "LOGIN") if name in offered), "")
        if not mechanism:
            return Reply(503, "5.5.1", "The server offers no AUTH that we know")
        self.engine.login(mechanism, user, password)
        return await self._reply()

    async def send(self, envelope: Envelope, content: bytes) -> Transfer:
        """Send one message."""
        self.engine.send(envelope, content)
        recipients: dict[Address, Reply] = {}
        while True:
            event = await self._next(FINAL_DOT_TIMEOUT)
            if isinstance(event, RecipientReply):
                recipients[event.path] = event.reply
            elif isinstance(event, Sent):
                return Transfer(recipients, event.reply, event.accepted)

    async def quit(self) -> None:
        """Say goodbye and close, whatever the server makes of it."""
        try:
            if not self.engine.closed:
                self.engine.quit()
                await self._reply()
            await self.stream.close()
        except (OSError, SessionEnded):
            self.stream.abort()

    async def _reply(self) -> Reply:
        while True:
            event = await self._next(REPLY_TIMEOUT)
            if isinstance(event, Replied):
                return event.reply

    async def _next(self, timeout: float) -> Event:
        try:
            event = await self._conversation.next_event(timeout)
        except OSError:
            self.stream.abort()
            raise
        if event is None or isinstance(event, Garbled):
            self.stream.abort()
            raise SessionEnded(self._why(event))
        return event

    def _why(self, event: Garbled | None) -> str:
        if event is not None:
            return f"the server does not speak SMTP: {event.why}"
        return self.engine.ended or "the session is over"
