"""How an MUA reads: by POP3 (RFC 1939) or by IMAP (RFC 3501).

Goes in: a machine and account settings. Comes out: the messages of the INBOX, as
octets.

Rule: the mail stays on the server; only flags change (`\\Seen` by IMAP).
"""

import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from maillab.agents.conversation import Conversation
from maillab.agents.machine import Machine
from maillab.agents.mua import MailSettings
from maillab.errors import LabError, RemoteProtocolError
from maillab.protocol import imap_client, pop3_client
from maillab.protocol.engine import Event, StartTLS
from maillab.protocol.imap_client import IMAPClient
from maillab.protocol.pop3_client import POP3Client
from maillab.wire.imap import Status
from maillab.wire.imap_response import Data, Fetched

POP3_PORT, POP3S_PORT = 110, 995
IMAP_PORT, IMAPS_PORT = 143, 993
REPLY_TIMEOUT = 300.0  # seconds

Wanted = TypeVar("Wanted", bound=Event)


class Reading:
    """One session that reads mail; the same steps for both protocols."""

    def __init__(
        self,
        machine: Machine,
        settings: MailSettings,
        tls: ssl.SSLContext | None,
        engine: IMAPClient | POP3Client,
    ) -> None:
        self.machine = machine
        self.settings = settings
        self.engine = engine
        self._tls = tls
        self.news: list[Data] = []  # what an IMAP server told unasked
        self._conversation: Conversation | None = None

    async def connect(self, port: int) -> None:
        """Open the connection. An engine that is inside TLS begins with a handshake."""
        stream = await self.machine.connect(self.settings.server, port)
        self._conversation = Conversation(self.machine, stream, self.engine)
        if self.engine.tls_active:
            await self._shake_hands()

    async def wait_for(self, kind: type[Wanted]) -> Wanted:
        """The next event of a kind.

        Raises LabError when the server refuses, RemoteProtocolError when the session
        ends, OSError.
        """
        while True:
            event = await self.conversation.next_event(REPLY_TIMEOUT)
            if event is None and self.conversation.interrupted:
                continue  # it was meant for a wait that has ended
            if event is None:
                why = self.engine.ended or "the server closed the connection"
                raise RemoteProtocolError(f"{self.settings.server}: {why}")
            refusal = refusal_of(event)
            if refusal:
                raise LabError(f"{self.settings.server}: {printable(refusal)}")
            if isinstance(event, kind):
                return event
            if isinstance(event, imap_client.News):
                self.news.append(event.data)

    async def start_tls(self, offered: bool, ask: Callable[[], None]) -> None:
        """Use TLS if both can. Raises LabError when the password would be readable."""
        if self.engine.tls_active:
            return
        if self._tls is None or not offered:
            if not self.settings.allow_plain:
                raise LabError(
                    f"{self.settings.server} offers no TLS: the password would be "
                    f"readable on the way, so it was not sent"
                )
            return
        ask()
        await self.wait_for(StartTLS)
        await self._shake_hands()
        self.engine.tls_started()

    async def _shake_hands(self) -> None:
        if self._tls is None:
            raise LabError("this port speaks TLS only: give a TLS context")
        await self.conversation.stream.start_tls(
            self._tls, server_side=False, server_name=self.settings.server
        )

    @property
    def conversation(self) -> Conversation:
        """What moves the octets."""
        assert self._conversation is not None, "connect first"
        return self._conversation

    async def leave(self, say_goodbye: Callable[[], None], kind: type[Event]) -> None:
        """Say goodbye, whatever the server makes of it: all has been read."""
        with suppress(LabError, RemoteProtocolError, OSError):
            say_goodbye()
            await self.wait_for(kind)

    async def close(self) -> None:
        """Hang up."""
        if self._conversation is not None:
            await self._conversation.stream.close()


async def read_by_imap(
    machine: Machine,
    settings: MailSettings,
    tls: ssl.SSLContext | None,
    *,
    implicit: bool = False,
) -> list[bytes]:
    """All messages of INBOX, oldest first. Raises LabError, OSError.

    implicit  TLS from the first octet, at port 993
    """
    client = IMAPClient(implicit_tls=implicit)
    reading = Reading(machine, settings, tls, client)
    await reading.connect(IMAPS_PORT if implicit else IMAP_PORT)
    try:
        await welcomed(reading)
        client.capability()
        await reading.wait_for(imap_client.Completed)
        await reading.start_tls(client.offers("STARTTLS"), client.starttls)
        client.login(settings.login, settings.password)
        await reading.wait_for(imap_client.Completed)
        client.select("INBOX")
        await reading.wait_for(imap_client.Completed)
        client.fetch("1:*", "BODY[]")
        fetched = await reading.wait_for(imap_client.Completed)
        await reading.leave(client.logout, imap_client.Completed)
    finally:
        await reading.close()
    found = [data for data in fetched.data if isinstance(data, Fetched)]
    return [data.items["BODY[]"] for data in found if "BODY[]" in data.items]


async def welcomed(reading: Reading) -> Status:
    """Hear the greeting of IMAP, and return it.

    Raises LabError: PREAUTH where TLS has to come.
    """
    greeting = await reading.wait_for(imap_client.Greeting)
    if greeting.status.condition == "PREAUTH" and not reading.engine.tls_active:
        raise LabError(
            f"{reading.settings.server} says that somebody has logged in already, "
            f"outside TLS: this may be an attacker, so nothing was said"
        )
    return greeting.status


async def read_by_pop3(
    machine: Machine,
    settings: MailSettings,
    tls: ssl.SSLContext | None,
    *,
    implicit: bool = False,
) -> list[bytes]:
    """All messages of the maildrop, oldest first. Raises LabError, OSError.

    implicit  TLS from the first octet, at port 995
    """
    client = POP3Client(implicit_tls=implicit)
    reading = Reading(machine, settings, tls, client)
    await reading.connect(POP3S_PORT if implicit else POP3_PORT)
    try:
        await reading.wait_for(pop3_client.Greeting)
        await asked(reading, client, "CAPA")
        await reading.start_tls("STLS" in client.capabilities, client.starttls)
        client.login(settings.login, settings.password)
        await reading.wait_for(pop3_client.Replied)
        count = count_of(await asked(reading, client, "STAT"))
        replies = [
            await asked(reading, client, "RETR", str(number))
            for number in range(1, count + 1)
        ]
        await reading.leave(lambda: client.command("QUIT"), pop3_client.Replied)
    finally:
        await reading.close()
    return [reply.body or b"" for reply in replies]


def count_of(reply: pop3_client.Reply) -> int:
    """How many messages STAT told (RFC 1939 §5). Raises LabError.

    >>> count_of(pop3_client.Reply(True, "2 320"))
    2
    """
    found = re.match(r"([0-9]{1,9}) [0-9]", reply.text)
    if found is None:
        raise LabError(f"STAT tells no number: {printable(str(reply))}")
    return int(found[1])


async def asked(
    reading: Reading, client: POP3Client, verb: str, argument: str = ""
) -> pop3_client.Reply:
    """Say a POP3 command and return its reply. Raises LabError on -ERR."""
    client.command(verb, argument)
    return (await reading.wait_for(pop3_client.Replied)).reply


def printable(text: str) -> str:
    """What a stranger says, without what terminals obey."""
    return "".join(one if one.isprintable() else "?" for one in text)


def refusal_of(event: Event) -> str:
    """How the server said no, or ""."""
    match event:
        case pop3_client.Greeting(reply) if not reply.positive:
            return f"the greeting was {reply}"
        case pop3_client.Replied(verb, reply) if not reply.positive:
            return f"{verb} failed: {reply}"
        case imap_client.Greeting(status) if status.condition == "BYE":
            return f"the greeting was {status}"
        case imap_client.Completed(verb, status) if status.condition != "OK":
            return f"{verb} failed: {status.to_wire('').decode().strip()}"
        case imap_client.Garbled() | pop3_client.Garbled():
            return "what it says is not understood"
        case _:
            return ""
