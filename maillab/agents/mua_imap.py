"""A mail program's session with an IMAP server: folders, new mail, flags, Sent, news.

Goes in: a machine and account settings, then what the person does. Comes out: values.

    async with await open_imap(machine, settings, tls) as imap:
        for folder in await imap.folders(): ...
        await imap.select("INBOX")
        for summary in await imap.new_since(uid): ...
        await imap.set_flags([4], add={"\\\\Seen"})
        await imap.move([4], "Archive")
        await imap.append_to_sent(content)
        news = await imap.idle(60)

Rule 1: messages are named by UID, never by number: numbers move.
Rule 2: what a server cannot do is done in another way where that is safe: MOVE is COPY,
        \\Deleted and UID EXPUNGE. Without UIDPLUS nothing is expunged, since other
        people's deleted mail would go too.
Rule 3: everything raises LabError (the server refuses, in its words),
        RemoteProtocolError (the session has ended) and OSError.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import TypeVar

from maillab.agents.machine import Machine
from maillab.agents.mua import MailSettings
from maillab.agents.mua_reading import IMAP_PORT, IMAPS_PORT, Reading, welcomed
from maillab.errors import LabError, RemoteProtocolError
from maillab.protocol.imap_client import IMAPClient
from maillab.protocol.imap_client_events import Completed, Idling, News
from maillab.wire.imap import Status
from maillab.wire.imap_response import (
    Counted,
    Data,
    Exists,
    Extended,
    Fetched,
    Found,
    Listed,
)
from maillab.wire.imap_response_codes import appended, code_number
from maillab.wire.imap_sets import compact

SUMMARY = "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"
IDLE_AT_MOST = 28 * 60  # seconds: "at least every 29 minutes" (RFC 2177 §3)


@dataclass(frozen=True, slots=True)
class Folder:
    """A mailbox on the server. `use` is its special use ("\\\\Sent") or ""."""

    name: str
    delimiter: str
    attributes: tuple[str, ...]
    use: str = ""
    messages: int | None = None
    unseen: int | None = None

    @property
    def selectable(self) -> bool:
        """Messages can be in it."""
        lower = {attribute.lower() for attribute in self.attributes}
        return lower.isdisjoint(("\\noselect", "\\nonexistent"))


@dataclass(frozen=True, slots=True)
class Opened:
    """An open mailbox. UIDs that were learnt are good while `uid_validity` stays."""

    name: str
    messages: int
    uid_validity: int
    uid_next: int
    highest_modseq: int
    read_only: bool


USES = ("\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash", "\\All")


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
        await welcomed(reading)
        if not client.capabilities:
            await session.ask(client.capability)
        await reading.start_tls(client.offers("STARTTLS"), client.starttls)
        await session.log_in(nonce or _nonces(machine, settings))
    except BaseException:
        await reading.close()
        raise
    return session


class IMAPSession:
    """Somebody has logged in. `client` is the engine, for what is not here."""

    def __init__(self, reading: Reading, client: IMAPClient) -> None:
        self.reading = reading
        self.client = client
        self.opened: Opened | None = None

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

    async def ask(self, say: Callable[[], None]) -> Completed:
        """Say one command, and return how it went. Raises LabError: it was refused."""
        say()
        return await self.reading.wait_for(Completed)

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

    # Mailboxes ------------------------------------------------------------------------

    async def folders(self, *, counts: bool = False) -> list[Folder]:
        """All mailboxes; `counts`: with how many messages, and how many unseen."""
        client = self.client
        tell = "SPECIAL-USE" if client.offers("SPECIAL-USE") else ""
        extended = client.offers("LIST-EXTENDED") or client.offers("IMAP4REV2")
        with_status = client.offers("LIST-STATUS") or client.offers("IMAP4REV2")
        if counts and with_status:
            tell = f"{tell} STATUS (MESSAGES UNSEEN)".strip()
        done = await self.ask(lambda: client.list(tell=tell if extended else ""))
        counted = {one.name: one.items for one in _only(done.data, Counted)}
        found = [_folder(one, counted) for one in _only(done.data, Listed)]
        if counts and not (extended and with_status):
            return [await self._counted(folder) for folder in found]
        return found

    async def _counted(self, folder: Folder) -> Folder:
        if not folder.selectable:
            return folder
        done = await self.ask(
            lambda: self.client.status(folder.name, "MESSAGES UNSEEN")
        )
        items = {one.name: one.items for one in _only(done.data, Counted)}
        listed = Listed("LIST", folder.attributes, folder.delimiter, folder.name)
        return _folder(listed, items)

    async def find_use(self, use: str) -> Folder | None:
        """The mailbox for "\\\\Sent" and the like; by its name if nobody says so."""
        folders = await self.folders()
        usual = use.removeprefix("\\").lower()
        marked = (one for one in folders if one.use.lower() == use.lower())
        named = (one for one in folders if one.name.lower() == usual)
        return next(marked, None) or next(named, None)

    async def select(self, name: str, *, read_only: bool = False) -> Opened:
        """Open a mailbox."""
        condstore = self.client.offers("CONDSTORE")
        done = await self.ask(
            lambda: self.client.select(name, read_only=read_only, condstore=condstore)
        )
        exists = [one.count for one in _only(done.data, Exists)]
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

    # Messages -------------------------------------------------------------------------

    async def new_since(self, uid: int = 0, items: str = SUMMARY) -> list[Fetched]:
        """Messages with a higher UID, ascending; `Fetched.envelope` and the like."""
        done = await self.ask(lambda: self.client.fetch(f"{uid + 1}:*", items))
        found = {one.uid or 0: one for one in _only(done.data, Fetched)}
        # "*" is the last message, also when its UID is smaller (RFC 9051 §9, seq-range)
        return [found[one] for one in sorted(found) if one > uid]

    async def changed_since(self, modseq: int) -> list[Data]:
        """Flags that have changed (RFC 7162 §3.1.4.1), where the server knows that."""
        done = await self.ask(
            lambda: self.client.fetch("1:*", "(UID FLAGS)", changed_since=modseq)
        )
        return list(done.data)

    async def content(
        self, uid: int, section: str = "", *, seen: bool = False
    ) -> bytes:
        """The octets of a message, or of one section. `seen`: set \\Seen.

        Raises LabError: there is no such message.
        """
        peek = "" if seen else ".PEEK"
        done = await self.ask(
            lambda: self.client.fetch(str(uid), f"(UID BODY{peek}[{section}])")
        )
        wanted = f"BODY[{section}]".upper()
        for one in _only(done.data, Fetched):
            if one.uid == uid and isinstance(one.items.get(wanted), bytes):
                return one.items[wanted]
        raise LabError(f"there is no message with UID {uid} here (any more)")

    async def search(self, *keys: str | bytes) -> list[int]:
        """The UIDs of what fits; `str` is language, `bytes` a text to look for."""
        done = await self.ask(lambda: self.client.search(*keys))
        found = [uid for one in _only(done.data, Found) for uid in one.numbers]
        return found + [uid for one in _only(done.data, Extended) for uid in one.all]

    async def set_flags(
        self,
        uids: Iterable[int],
        *,
        add: Iterable[str] = (),
        remove: Iterable[str] = (),
    ) -> None:
        """Change flags."""
        messages = compact(uids)
        for mode, flags in (("+FLAGS.SILENT", {*add}), ("-FLAGS.SILENT", {*remove})):
            if flags and messages:
                await self._store(messages, mode, flags)

    async def _store(self, messages: str, mode: str, flags: set[str]) -> None:
        await self.ask(lambda: self.client.store(messages, mode, flags))

    async def move(self, uids: Sequence[int], folder: str) -> None:
        """Move messages to another mailbox."""
        messages, client = compact(uids), self.client
        if not messages:
            return
        if client.offers("MOVE") or client.offers("IMAP4REV2"):
            await self.ask(lambda: client.move(messages, folder))
            return
        await self.ask(lambda: client.copy(messages, folder))
        await self.delete(uids)

    async def delete(self, uids: Sequence[int]) -> None:
        """Remove messages for ever; without UIDPLUS they are only marked (rule 2)."""
        messages, client = compact(uids), self.client
        await self.set_flags(uids, add={"\\Deleted"})
        if messages and (client.offers("UIDPLUS") or client.offers("IMAP4REV2")):
            await self.ask(lambda: client.expunge(messages))

    async def append(
        self, folder: str, content: bytes, flags: Iterable[str] = ()
    ) -> int | None:
        """Put a message into a mailbox. Returns its UID, if the server tells it."""
        kept = tuple(flags)
        done = await self.ask(lambda: self.client.append(folder, content, kept))
        added = appended(done.status)
        return next(iter(added[1]), None) if added else None

    async def append_to_sent(self, content: bytes) -> int | None:
        """Keep a copy of what was sent. Raises LabError: there is no place for it."""
        sent = await self.find_use("\\Sent")
        if sent is None:
            raise LabError("there is no mailbox for sent mail: create one named Sent")
        return await self.append(sent.name, content, {"\\Seen"})

    # News -----------------------------------------------------------------------------

    async def idle(self, seconds: float = IDLE_AT_MOST) -> list[Data]:
        """Wait for news, so many seconds at most, and return them; [] when none came.

        Where the server has no IDLE (RFC 2177) it is asked once, at the end.
        """
        if not self.client.offers("IDLE") and not self.client.offers("IMAP4REV2"):
            await self.reading.machine.sleep(seconds)
            told = await self.ask(self.client.noop)
            return self.take_news() + list(told.data)
        self.client.idle()
        await self.reading.wait_for(Idling)
        if not self.reading.news:
            await self._wait_for_news(min(seconds, IDLE_AT_MOST))
        done = await self.ask(self.client.done)
        return self.take_news() + list(done.data)

    def take_news(self) -> list[Data]:
        """What the server told unasked since the last call."""
        news, self.reading.news = self.reading.news, []
        return news

    async def _wait_for_news(self, seconds: float) -> None:
        conversation = self.reading.conversation
        loop = asyncio.get_running_loop()
        timer = loop.call_later(seconds, conversation.stream.interrupt)
        try:
            event = await conversation.next_event(None)
        finally:
            timer.cancel()
        if event is None and not conversation.interrupted:
            why = self.client.ended or "the server closed the connection"
            raise RemoteProtocolError(f"{self.reading.settings.server}: {why}")
        while event is not None:  # and what came together with it
            if isinstance(event, News):
                self.reading.news.append(event.data)
            event = self.client.next_event()


Kind = TypeVar("Kind")


def _only(data: Iterable[object], kind: type[Kind]) -> list[Kind]:
    return [one for one in data if isinstance(one, kind)]


def _number(done: Completed, code: str) -> int:
    """The number of a response code that came with SELECT; 0 when it did not."""
    told = (code_number(one, code) for one in _only(done.data, Status))
    return next((number for number in told if number is not None), 0)


def _nonces(machine: Machine, settings: MailSettings) -> Callable[[], str]:
    generator = machine.random(f"SASL of {settings.address}")
    return lambda: f"{generator.getrandbits(96):024x}"


def _folder(listed: Listed, counted: dict[str, dict[str, object]]) -> Folder:
    uses = {use.lower(): use for use in USES}
    use = next((uses[a.lower()] for a in listed.attributes if a.lower() in uses), "")
    items = counted.get(listed.name, {})
    messages, unseen = items.get("MESSAGES"), items.get("UNSEEN")
    return Folder(
        listed.name,
        listed.delimiter,
        listed.attributes,
        use,
        messages if isinstance(messages, int) else None,
        unseen if isinstance(unseen, int) else None,
    )
