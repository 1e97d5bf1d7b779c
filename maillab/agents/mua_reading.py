"""How an MUA reads: by POP3 (RFC 1939) or by IMAP (RFC 3501).

Goes in: a machine and account settings. Comes out: the messages of the INBOX, as
octets.

Rule: the mail stays on the server; only flags change (`\\Seen` by IMAP).
"""

import ssl
from collections.abc import Callable
from typing import TypeVar

from maillab.agents.conversation import Conversation
from maillab.agents.machine import Machine
from maillab.agents.mua import MailSettings
from maillab.errors import LabError, RemoteProtocolError
from maillab.protocol import imap_client, pop3_client
from maillab.protocol.engine import Event, StartTLS
from maillab.protocol.imap_client import IMAPClient
from maillab.protocol.pop3_client import POP3Client
from maillab.wire.imap_response import Fetched

POP3_PORT = 110
IMAP_PORT = 143
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
        self._conversation: Conversation | None = None

    async def connect(self, port: int) -> None:
        """Open the connection."""
        stream = await self.machine.connect(self.settings.server, port)
        self._conversation = Conversation(self.machine, stream, self.engine)

    async def wait_for(self, kind: type[Wanted]) -> Wanted:
        """The next event of a kind. Raises RemoteProtocolError at the session's end."""
        assert self._conversation is not None, "connect first"
        while True:
            event = await self._conversation.next_event(REPLY_TIMEOUT)
            if isinstance(event, kind):
                return event
            if event is None:
                raise RemoteProtocolError(f"{self.settings.server} ended the session")

    async def start_tls(self, offered: bool, ask: Callable[[], None]) -> None:
        """Use TLS if both can. Raises LabError when the password would be readable."""
        if self._tls is None or not offered:
            if not self.settings.allow_plain:
                raise LabError(
                    f"{self.settings.server} offers no TLS: the password would be "
                    f"readable on the way, so it was not sent"
                )
            return
        ask()
        await self.wait_for(StartTLS)
        assert self._conversation is not None, "connect first"
        await self._conversation.stream.start_tls(
            self._tls, server_side=False, server_name=self.settings.server
        )
        self.engine.tls_started()

    async def close(self) -> None:
        """Hang up."""
        if self._conversation is not None:
            await self._conversation.stream.close()


async def read_by_imap(
    machine: Machine, settings: MailSettings, tls: ssl.SSLContext | None
) -> list[bytes]:
    """All messages of INBOX, oldest first. Raises LabError, OSError."""
    client = IMAPClient()
    reading = Reading(machine, settings, tls, client)
    await reading.connect(IMAP_PORT)
    try:
        await reading.wait_for(imap_client.Greeting)
        client.capability()
        await done(reading)
        await reading.start_tls(client.offers("STARTTLS"), client.starttls)
        client.login(settings.login, settings.password)
        await done(reading)
        client.select("INBOX")
        await done(reading)
        client.fetch("1:*", "BODY[]")
        fetched = await done(reading)
        client.logout()
        await done(reading)
    finally:
        await reading.close()
    found = [data for data in fetched.data if isinstance(data, Fetched)]
    return [data.items["BODY[]"] for data in found if "BODY[]" in data.items]


async def done(reading: Reading) -> imap_client.Completed:
    """The end of an IMAP command. Raises LabError when it failed."""
    completed = await reading.wait_for(imap_client.Completed)
    if not completed.ok:
        raise LabError(f"{completed.verb} failed: {completed.status}")
    return completed


async def read_by_pop3(
    machine: Machine, settings: MailSettings, tls: ssl.SSLContext | None
) -> list[bytes]:
    """All messages of the maildrop, oldest first. Raises LabError, OSError."""
    client = POP3Client()
    reading = Reading(machine, settings, tls, client)
    await reading.connect(POP3_PORT)
    try:
        await reading.wait_for(pop3_client.Greeting)
        await asked(reading, client, "CAPA")
        await reading.start_tls("STLS" in client.capabilities, client.starttls)
        client.login(settings.login, settings.password)
        await answered(reading)
        count = int((await asked(reading, client, "STAT")).text.split()[0])
        replies = [
            await asked(reading, client, "RETR", str(number))
            for number in range(1, count + 1)
        ]
        await asked(reading, client, "QUIT")
    finally:
        await reading.close()
    return [reply.body or b"" for reply in replies]


async def asked(
    reading: Reading, client: POP3Client, verb: str, argument: str = ""
) -> pop3_client.Reply:
    """Say a POP3 command and return its reply."""
    client.command(verb, argument)
    return await answered(reading)


async def answered(reading: Reading) -> pop3_client.Reply:
    """The reply to a POP3 command. Raises LabError on -ERR."""
    replied = await reading.wait_for(pop3_client.Replied)
    if not replied.reply.positive:
        raise LabError(f"{replied.verb} failed: {replied.reply.text}")
    return replied.reply
