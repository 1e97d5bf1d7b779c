"""maillab's servers on real ports, for programs that read and send mail.

Goes in: users, and perhaps a folder for their mail. Comes out: ports, an authority, and
the mailboxes of each user, in memory or on disk.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom
from typing import TypeVar

from maillab.agents.access import Access
from maillab.agents.imap_access import ImapAccess
from maillab.agents.mta import MTA
from maillab.agents.pop3_access import Pop3Access
from maillab.agents.reception import SMTPReception
from maillab.agents.reception_options import Entrance
from maillab.agents.relay import Relay
from maillab.agents.serving import Security
from maillab.gateway.real import RealHost
from maillab.net.ca import LabCA
from maillab.net.sockets import WorldLoop
from maillab.policy.settings import Access as Wanted
from maillab.policy.settings import Settings
from maillab.store.accounts import MemoryDirectory
from maillab.store.mail_store import MailStore
from maillab.store.mailbox_tree import MailboxTree
from maillab.store.messages import NewMessage
from maillab.store.passwords import Hasher
from tests.worlds import arrived

NAME, DOMAIN = "mail.real.example", "real.example"
MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256")
SECRET = "tea-for-two"
WHEN = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
Made = TypeVar("Made")


class MailServer:
    """SMTP, submission, POP3 and IMAP on ports that the system chose.

    ports    "smtp", "submission", "pop3", "pop3s", "imap", "imaps"
    disk     the folder of a store; None: all mail is in memory
    """

    def __init__(self, folder: Path, disk: Path | None = None) -> None:
        self.disk = disk
        self.store: MailStore | None = None
        self.loop = WorldLoop()
        self.loop.go_live()
        self.host = RealHost(NAME, self.loop, observer=self._observe)
        hasher = Hasher(SystemRandom(), reversible=True)  # for CRAM-MD5 and APOP
        self.directory = MemoryDirectory((DOMAIN,), hasher)
        self.authority = LabCA()
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self.authority.pem)
        self.ports: dict[str, int] = {}
        self.failures: list[str] = []
        self._newcomers = 0
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.call(self._start())

    # For tests ------------------------------------------------------------------------

    def call(self, work: Awaitable[Made]) -> Made:
        """Wait for a coroutine that runs in the thread of the servers."""

        async def waited() -> Made:
            return await work

        return asyncio.run_coroutine_threadsafe(waited(), self.loop).result(60)

    def do(self, work: Callable[[], Made]) -> Made:
        """Call a function in the thread of the servers."""

        async def now() -> Made:
            return work()

        return self.call(now())

    def add(self, address: str) -> MailboxTree:
        """A new user."""

        def work() -> MailboxTree:
            account = self.directory.add(address, SECRET)
            if self.store:
                account.mailboxes = self.store.tree(address)
            return account.mailboxes

        return self.do(work)

    def newcomer(self) -> "User":
        """A user nobody has heard of, with the usual folders."""
        self._newcomers += 1
        return User(self, f"ann{self._newcomers}@{DOMAIN}")

    # The servers ----------------------------------------------------------------------

    def _observe(self, kind: str, *words: object, **facts: object) -> None:
        if kind == "failure":
            self.failures.append(str(facts["traceback"]))

    async def _start(self) -> None:
        if self.disk:
            self.store = MailStore.open(self.disk)
        relay = Relay(self.host, NAME, resolver=None, tls=None)  # nothing is sent on
        mta = MTA(self.host, NAME, self.directory, relay)
        context = self.authority.server_context(NAME, "localhost")
        upgrade, implicit = Security(context), Security(context, implicit=True)
        host, users = self.host, self.directory
        services = {
            "smtp": SMTPReception(mta, Entrance("relay", 25, upgrade)),
            "submission": SMTPReception(mta, Entrance("submission", 587, upgrade)),
            "submissions": SMTPReception(mta, Entrance("submission", 465, implicit)),
            "pop3": Pop3Access(host, users, upgrade, plain_login=True),
            "pop3s": Pop3Access(host, users, implicit),
            "imap": ImapAccess(host, users, upgrade, plain_login=True),
            "imaps": ImapAccess(host, users, implicit),
        }
        for service in services.values():
            if isinstance(service, Access):
                service.settings = lambda: Settings(
                    access=Wanted(mechanisms=MECHANISMS)
                )
        self._listeners = []
        for name, service in services.items():
            listener = await host.listen(0, service.serve)
            self._listeners.append(listener)
            self.ports[name] = listener.port

    def close(self) -> None:
        """End everything. Nothing may have failed."""

        def shut() -> None:
            for listener in self._listeners:
                listener.close()
            if self.store:
                self.store.close()

        self.do(shut)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.cancel_all_tasks()
        self.loop.close()
        self.authority.close()
        assert self.failures == [], "\n".join(self.failures)


class User:
    """Somebody with mail here, and what a test may do behind the back of programs."""

    def __init__(self, server: MailServer, address: str) -> None:
        self.server = server
        self.address = address
        self.name = address.partition("@")[0]
        self.tree = server.add(address)

    def port(self, service: str) -> int:
        """Where a service listens."""
        return self.server.ports[service]

    def put(self, *contents: bytes, box: str = "INBOX", flags: str = "") -> list[int]:
        """Deliver messages; their UIDs."""
        words, mailbox = flags.split(), self.tree.require(box)
        new = [NewMessage(content, WHEN, words) for content in contents]
        return self.server.do(lambda: mailbox.append_all(new))

    def contents(self, box: str = "INBOX") -> list[bytes]:
        """The messages of a mailbox."""
        mailbox = self.tree.require(box)
        return self.server.do(lambda: [one.content for one in mailbox.messages])

    def flags(self, box: str = "INBOX") -> list[set[str]]:
        """The flags of the messages of a mailbox."""
        mailbox = self.tree.require(box)
        return self.server.do(lambda: [set(one.flags) for one in mailbox.messages])

    def set_flags(self, uid: int, flags: str, box: str = "INBOX") -> None:
        """Give a message these flags."""
        mailbox = self.tree.require(box)
        self.server.do(lambda: mailbox.set_flags(uid, flags.split()))

    def expunge(self, *uids: int, box: str = "INBOX") -> None:
        """Take messages away."""
        mailbox = self.tree.require(box)
        self.server.do(lambda: mailbox.expunge(uids))

    def names(self) -> list[str]:
        """The names of the mailboxes."""
        return self.server.do(lambda: list(self.tree.names))

    def arrived(self, text: bytes, box: str = "INBOX") -> bytes:
        """Wait for a message with this text."""
        mailbox = self.tree.require(box)

        async def read() -> bytes:
            return (await arrived(mailbox, text)).content

        return self.server.call(read())
