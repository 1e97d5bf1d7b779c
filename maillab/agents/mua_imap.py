"""A mail program's session with an IMAP server: folders, new mail, flags, Sent, news.

Goes in: a machine and account settings, then what the person does. Comes out: values.

    async with await open_imap(machine, settings, tls) as imap:
        for folder in await imap.folders(): ...
        await imap.select("INBOX")
        for summary in await imap.new_since(uid): ...
        newest = await imap.sort("REVERSE DATE")
        page = await imap.summaries(newest[:50])
        text = await imap.part(4, page[0].structure)
        await imap.set_flags([4], add={"\\\\Seen"})
        await imap.move([4], "Archive")
        await imap.append_to_sent(content)
        news = await imap.idle(60)

Rule 1: everything raises LabError (the server refuses, in its words),
        RemoteProtocolError (the session has ended) and OSError.
Rule 2: mailboxes and messages have files of their own: `mua_imap_folders`,
        `mua_imap_messages`.
Rule 3: one coroutine at a time has the session. `wake` ends the `idle` of another.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import TracebackType

from maillab.agents.machine import Machine
from maillab.agents.mua import MailSettings
from maillab.agents.mua_imap_folders import Folder as Folder
from maillab.agents.mua_imap_folders import only
from maillab.agents.mua_imap_messages import IMAPMessages, merged
from maillab.agents.mua_reading import IMAP_PORT, IMAPS_PORT, Reading, welcomed
from maillab.errors import LabError, RemoteProtocolError
from maillab.protocol.imap_client import IMAPClient
from maillab.protocol.imap_client_commands import Resync
from maillab.protocol.imap_client_events import Completed, Idling, News
from maillab.wire.imap import Status
from maillab.wire.imap_response import Data, Exists, Fetched, Vanished
from maillab.wire.imap_response_codes import NumberSet, code_number

IDLE_AT_MOST = 28 * 60  # seconds: "at least every 29 minutes" (RFC 2177 §3)


@dataclass(frozen=True, slots=True)
class Opened:
    """An open mailbox. UIDs that were learnt are good while `uid_validity` stays."""

    name: str
    messages: int
    uid_validity: int
    uid_next: int
    highest_modseq: int
    read_only: bool


@dataclass(frozen=True, slots=True)
class Resumed:
    """What has changed since a mailbox was open last. If `opened.uid_validity` is not
    what it was, nothing that was known is good any more, and the rest is empty.
    """

    opened: Opened
    changed: list[Fetched]
    vanished: tuple[NumberSet, ...]  # UIDs that are gone


async def open_imap(
    machine: Machine,
    settings: MailSettings,
    tls: ssl.SSLContext | None,
    *,
    implicit: bool = False,
    nonce: Callable[[], str] | None = None,
) -> "IMAPSession":
    """Connect, make it safe, and log in.

    implicit  TLS from the first octet (port 993, RFC 8314 §3.2)
    nonce     for SCRAM; None: from the machine's own random numbers
    """
    client = IMAPClient(implicit_tls=implicit)
    reading = Reading(machine, settings, tls, client)
    await reading.connect(IMAPS_PORT if implicit else IMAP_PORT)
    session = IMAPSession(reading, client)
    try:
        greeting = await welcomed(reading)
        if not client.capabilities:
            await session.ask(client.capability)
        await reading.start_tls(client.offers("STARTTLS"), client.starttls)
        if greeting.condition != "PREAUTH":
            await session.log_in(nonce or _nonces(machine, settings))
        if client.offers("QRESYNC") and client.offers("ENABLE"):
            # Now or never: "before any mailbox is selected" (RFC 9051 §6.3.1)
            await session.ask(lambda: client.enable("QRESYNC"))
    except BaseException:
        await reading.close()
        raise
    return session


class IMAPSession(IMAPMessages):
    """Somebody has logged in. `client` is the engine, for what is not here."""

    def __init__(self, reading: Reading, client: IMAPClient) -> None:
        super().__init__(reading, client)
        self.opened: Opened | None = None
        self._waits = False

    async def __aenter__(self) -> "IMAPSession":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Log out and hang up, whatever the server makes of it."""
        try:
            if not self.client.closed:
                await self.reading.leave(self.client.logout, Completed)
        finally:
            await self.reading.close()

    async def log_in(self, nonce: Callable[[], str]) -> None:
        """By the first mechanism of the settings that the server has, else LOGIN."""
        client, settings = self.client, self.reading.settings
        if not client.capabilities:
            await self.ask(client.capability)
        offered = [m for m in settings.mechanisms if client.offers(f"AUTH={m}")]
        user, password = settings.login, settings.password
        if offered:
            say = partial(client.authenticate, offered[0], user, password, nonce)
        elif not client.offers("LOGINDISABLED"):
            say = partial(client.login, user, password)
        else:
            raise LabError(f"{settings.server} has no way to log in that we know")
        done = await self.ask(say)
        if not done.status.code.upper().startswith("CAPABILITY "):
            await self.ask(client.capability)  # others than before (RFC 9051 §6.2.2)

    # The open mailbox -----------------------------------------------------------------

    async def select(self, name: str, *, read_only: bool = False) -> Opened:
        """Open a mailbox. When that fails, none is open (RFC 9051 §6.3.2)."""
        self.opened, condstore = None, self.client.offers("CONDSTORE")
        done = await self.ask(
            lambda: self.client.select(name, read_only=read_only, condstore=condstore)
        )
        return self._now_open(name, done)

    async def resume(self, name: str, uid_validity: int, modseq: int) -> Resumed:
        """Open a mailbox, and hear what has changed since `modseq` (RFC 7162 §3.2.5).

        Raises LabError: the server cannot tell; `select` it and compare.
        """
        client, since = self.client, Resync(uid_validity, modseq)
        if "QRESYNC" not in client.enabled:
            raise LabError(f"{self.reading.settings.server} has no QRESYNC")
        self.opened = None
        done = await self.ask(lambda: client.select(name, resync=since))
        opened = self._now_open(name, done)
        if opened.uid_validity != uid_validity:
            return Resumed(opened, [], ())
        changed = [*merged(only(done.data, Fetched)).values()]
        gone = tuple(one.uids for one in only(done.data, Vanished))
        return Resumed(opened, changed, gone)

    def _now_open(self, name: str, done: Completed) -> Opened:
        exists = [one.count for one in only(done.data, Exists)]
        kept = done.status.code.upper().startswith("READ-ONLY")
        self.opened = Opened(
            name,
            (exists or [0])[-1],
            _number(done, "UIDVALIDITY"),
            _number(done, "UIDNEXT"),
            _number(done, "HIGHESTMODSEQ"),
            kept,
        )
        return self.opened

    # News -----------------------------------------------------------------------------

    async def idle(self, seconds: float = IDLE_AT_MOST) -> list[Data]:
        """Wait for news, so many seconds at most, and return them; [] when none came.

        What other commands were told on the way is news too, and comes at once.
        Where the server has no IDLE (RFC 2177) it is asked once, at the end.
        """
        if not self.has("IDLE"):
            await self.reading.machine.sleep(seconds)
            return await self.look()
        self.client.idle()
        await self.reading.wait_for(Idling)
        if not self.reading.news:
            await self._wait_for_news(min(seconds, IDLE_AT_MOST))
        done = await self.ask(self.client.done)
        return self.take_news() + list(done.data)

    def wake(self) -> None:
        """End `idle` now; nothing when nobody waits."""
        if self._waits:
            self.reading.conversation.stream.interrupt()

    async def look(self) -> list[Data]:
        """News up to now, without waiting."""
        told = await self.ask(self.client.noop)
        return self.take_news() + list(told.data)

    def take_news(self) -> list[Data]:
        """What the server told unasked since the last call."""
        news, self.reading.news = self.reading.news, []
        return news

    async def _wait_for_news(self, seconds: float) -> None:
        conversation = self.reading.conversation
        loop = asyncio.get_running_loop()
        self._waits = True
        timer = loop.call_later(seconds, self.wake)
        try:
            event = await conversation.next_event(None)
        finally:
            timer.cancel()
            self._waits = False
        if event is None and not conversation.interrupted:
            why = self.client.ended or "the server closed the connection"
            raise RemoteProtocolError(f"{self.reading.settings.server}: {why}")
        while event is not None:  # and what came together with it
            if isinstance(event, News):
                self.reading.news.append(event.data)
            event = self.client.next_event()


def _number(done: Completed, code: str) -> int:
    """The number of a response code that came with SELECT; 0 when it did not."""
    told = (code_number(one, code) for one in only(done.data, Status))
    return next((number for number in told if number is not None), 0)


def _nonces(machine: Machine, settings: MailSettings) -> Callable[[], str]:
    generator = machine.random(f"SASL of {settings.address}")
    return lambda: f"{generator.getrandbits(96):024x}"
