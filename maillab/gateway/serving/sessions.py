"""The sessions of a mail server that are open: how many, and how they end.

Goes in: sessions as they begin and end. Comes out: an end that clients understand.

Rule 1: whoever waits for its client is told at once that the server stops: 421
        (RFC 5321 §3.8), * BYE (RFC 9051 §7.1.5), -ERR [SYS/TEMP] (RFC 3206 §4).
Rule 2: a command that runs is finished first, and a message that is on its way is
        taken, as long as there is time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from maillab.agents.access import Access
from maillab.agents.imap_access import ImapAccess
from maillab.agents.pop3_access import Pop3Access
from maillab.agents.reception import SMTPReception, SMTPSession
from maillab.agents.serving import Session
from maillab.gateway.serving.host import ServingHost
from maillab.net.stream import Stream
from maillab.protocol.imap_server import IMAPServer
from maillab.protocol.pop3_server import POP3Server
from maillab.protocol.smtp_server import SMTPServer
from maillab.wire.pop3 import Reply

STOPS = "The server is stopping, try again later"
FULL = "Too many sessions, try again later"
LOOK = 0.02  # seconds between looks whether somebody is ready to hear it
HEARD = 0.5  # seconds, after which whoever was told has heard it, or never will
IN_CONTENT = {"DATA", "BDAT", "CHUNK"}  # states of SMTP in which a message comes

TOO_MANY = {
    "smtp": f"421 4.3.2 {FULL}\r\n",  # RFC 5321 §3.8
    "pop3": f"-ERR [SYS/TEMP] {FULL}\r\n",
    "imap": f"* BYE [UNAVAILABLE] {FULL}\r\n",
}


@dataclass(frozen=True, slots=True, eq=False)
class Open:
    """One session."""

    session: Session
    stream: Stream

    def is_ready(self) -> bool:
        """It waits for its client, and not in the middle of a message."""
        engine = self.session.engine
        if isinstance(engine, SMTPServer) and engine.state.name in IN_CONTENT:
            return False
        return self.stream.waiting

    def say_goodbye(self, text: str) -> None:
        """End it, with a word."""
        say_goodbye(self.session.engine, text)
        self.stream.interrupt()


class Sessions:
    """All of them. `limit` 0: any number."""

    def __init__(self, host: ServingHost, limit: int = 0) -> None:
        self.host = host
        self.limit = limit
        self._open: set[Open] = set()

    def __len__(self) -> int:
        return len(self._open)

    async def hold(
        self, session: Session, stream: Stream, serve: Callable[[], Awaitable[None]]
    ) -> None:
        """One session, from its beginning to its end."""
        entry = Open(session, stream)
        self._open.add(entry)
        try:
            await serve()
        finally:
            self._open.discard(entry)

    def guarded(
        self, protocol: str, serve: Callable[[Stream], Awaitable[None]], *, tls: bool
    ) -> Callable[[Stream], Awaitable[None]]:
        """Serve, but not more than the limit; inside TLS nobody is told why."""

        async def guard(stream: Stream) -> None:
            if self.limit and len(self.host.streams) > self.limit:
                self.host.emit("note", stream.id, text="too many sessions: sessions")
                if not tls:
                    stream.write(TOO_MANY[protocol].encode())
                await stream.close()
                return
            await serve(stream)

        return guard

    async def end(self, grace: float, text: str = STOPS) -> None:
        """Let all of them end, within so many seconds; then cut them."""
        loop = asyncio.get_running_loop()
        last = loop.time() + grace
        told: dict[Open, float] = {}
        while self.host.streams and loop.time() < last:
            self._end_those_ready(told, text)
            await asyncio.sleep(LOOK)
        for entry in tuple(self._open):
            entry.say_goodbye(text)
        if self.host.streams:
            await asyncio.sleep(LOOK)
        for stream in tuple(self.host.streams.values()):
            stream.abort()

    def _end_those_ready(self, told: dict[Open, float], text: str) -> None:
        """`told`: who was told, and since when; they need not answer."""
        now = asyncio.get_running_loop().time()
        for entry in tuple(self._open):
            if entry.is_ready() and entry not in told:
                entry.say_goodbye(text)
                told[entry] = now
            elif now - told.get(entry, now) > HEARD:
                entry.stream.abort()


def say_goodbye(engine: Any, text: str) -> None:
    """In the words of the protocol."""
    if engine.closed:
        return
    match engine:
        case SMTPServer():
            engine.shut_down(text)
        case POP3Server():
            engine.hang_up(Reply(False, text, "SYS/TEMP"))
        case IMAPServer():
            engine.hang_up(text)
        case _:
            raise TypeError(f"no goodbye for {engine}")


class ServedSMTP(SMTPReception):
    """SMTP, with its sessions counted."""

    sessions: Sessions

    async def hold(self, stream: Any, session: SMTPSession) -> None:
        """Hold a session that has begun."""
        hold = super().hold
        await self.sessions.hold(session, stream, lambda: hold(stream, session))


class CountedAccess(Access):
    """What mail is read by, with its sessions counted."""

    sessions: Sessions

    async def hold(self, stream: Any, session: Session, refusal: Any) -> None:
        """Hold one session, or refuse it."""
        hold = super().hold
        await self.sessions.hold(
            session, stream, lambda: hold(stream, session, refusal)
        )


class ServedPOP3(CountedAccess, Pop3Access):
    """POP3, with its sessions counted."""


class ServedIMAP(CountedAccess, ImapAccess):
    """IMAP, with its sessions counted."""
