"""One SMTP session seen from a client agent: an MUA that submits, an MTA that relays.

Goes in: what the agent wants, step by step. Comes out: the server's replies.

Rule 1: when the session breaks, every step raises `SessionEnded` with the reason in
        words; what the network raises (ConnectionResetError, TimeoutError) passes
        through.
Rule 2: how long an answer may take depends on the command (RFC 5321 §4.5.3.2).
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

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
from maillab.protocol.smtp_client_plan import Wishes
from maillab.wire.smtp import Envelope, Reply
from maillab.wire.smtp_path import Address

# Seconds without an answer.
TIMEOUTS = {
    "": 300.0,  # the greeting: RFC 5321 §4.5.3.2.1
    "MAIL": 300.0,  # RFC 5321 §4.5.3.2.2
    "RCPT": 300.0,  # RFC 5321 §4.5.3.2.3
    "DATA": 120.0,  # RFC 5321 §4.5.3.2.4
    "content": 600.0,  # the final dot: RFC 5321 §4.5.3.2.6
    "BDAT": 600.0,
}
DATA_BLOCK = 180.0  # with a server that takes no content (RFC 5321 §4.5.3.2.5)
REPLY_TIMEOUT = 300.0  # to other commands
MECHANISMS = ("SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN")  # best first
NO_MECHANISM = Reply(503, "5.5.1", "The server offers no AUTH that we know")


class SessionEnded(RemoteProtocolError):
    """The server ended the session, or spoke no SMTP, before we were done."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """How sending one message went: the reply for each recipient, and the last one."""

    recipients: dict[Address, Reply]
    final: Reply
    accepted: tuple[Address, ...]
    results: tuple[tuple[Address, Reply], ...] = ()  # LMTP: each one's final reply


class SMTPDialogue:
    """A client's session, with one awaitable method for each step."""

    def __init__(
        self,
        machine: Machine,
        stream: Stream,
        *,
        implicit_tls: bool = False,
        lmtp: bool = False,
        wishes: Wishes | None = None,
    ) -> None:
        self.stream = stream
        self._machine = machine
        self._random: Random | None = None  # seeding takes time: most never log in
        self.engine = SMTPClient(
            implicit_tls=implicit_tls, lmtp=lmtp, wishes=wishes, nonce=self._nonce
        )
        self._conversation = Conversation(machine, stream, self.engine)
        self._conversation.send_patience = DATA_BLOCK

    async def greeting(self) -> Reply:
        """The first thing that the server says."""
        event = await self._next()
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
        event = await self._next()
        if isinstance(event, Replied):
            return event.reply
        assert isinstance(event, StartTLS), "a reply, or the handshake"
        return Reply(220, "", "Ready to start TLS")

    async def handshake(self, context: ssl.SSLContext, server_name: str) -> None:
        """Begin TLS. Raises ssl.SSLError, ConnectionResetError, TimeoutError."""
        await self.stream.start_tls(context, server_side=False, server_name=server_name)
        self.engine.tls_started()

    @property
    def mail_max(self) -> int:
        """How many messages the server takes in a session (RFC 9422); 0: any number."""
        return self.engine.mail_max

    async def login(
        self, user: str, password: str, mechanisms: Sequence[str] = MECHANISMS
    ) -> Reply:
        """Log in by the first of `mechanisms` that the server offers."""
        offered = self.engine.mechanisms
        mechanism = next((name for name in mechanisms if name in offered), "")
        if not mechanism:
            return NO_MECHANISM
        self.engine.login(mechanism, user, password)
        return await self._reply()

    async def send(self, envelope: Envelope, content: bytes) -> Transfer:
        """Send one message."""
        self.engine.send(envelope, content)
        recipients: dict[Address, Reply] = {}
        while True:
            event = await self._next_of_transfer()
            if isinstance(event, RecipientReply):
                recipients[event.path] = event.reply
            elif isinstance(event, Sent):
                return Transfer(recipients, event.reply, event.accepted, event.results)

    async def _next_of_transfer(self) -> Event:
        """When the connection breaks in LMTP, some recipients may have it already."""
        try:
            return await self._next()
        except OSError:
            self.engine.receive_eof()
            if (event := self.engine.next_event()) is None:
                raise
            return event

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
            event = await self._next()
            if isinstance(event, Replied):
                return event.reply

    def _nonce(self) -> str:
        if self._random is None:
            self._random = self._machine.random(f"nonce {self.stream.id}")
        return f"{self._random.getrandbits(144):036x}"

    async def _next(self) -> Event:
        timeout = TIMEOUTS.get(self.engine.awaited, REPLY_TIMEOUT)
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
