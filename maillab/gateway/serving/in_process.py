"""A mail server inside another program: for tests of whatever sends or reads mail.

Goes in: users, and the mail of the program that is tested. Comes out: ports to connect
to, and the messages that have arrived.

    with InProcess() as server:
        server.add_user("ann@example.org", "secret")
        smtplib.SMTP(server.host, server.smtp_port)...
        letter = server.wait_for_message(to="ann@example.org")

Rule 1: the server has a thread and a loop of its own; whoever calls waits for it.
Rule 2: nothing leaves it, and nothing but loopback reaches it.
Rule 3: waiting is for an event, never for time: a test is as fast as its mail.
"""

import asyncio
import smtplib
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from email.message import EmailMessage
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from types import MappingProxyType, TracebackType
from typing import Any, TypeVar

from maillab.errors import LabError
from maillab.gateway.serving.arrivals import Letter, Wanted, account_of, parsed
from maillab.gateway.serving.catching import (
    CATCHER,
    CatchingDelivery,
    GrowingDirectory,
)
from maillab.gateway.serving.host import ServingHost, bind
from maillab.gateway.serving.service import PORTS, MailService, Parts
from maillab.net.ca import LabCA
from maillab.net.sockets import WorldLoop
from maillab.policy.settings import Access, Settings
from maillab.store.account_changes import Mailboxes, mailboxes_in_memory
from maillab.store.mail_store import MailStore

HOST = "127.0.0.1"
NAME = "localhost"
PATIENCE = 5.0  # seconds for a message
LONGEST = 30.0  # seconds for an answer of the server's thread
STOPPING = 2.0  # seconds for those who are connected

NO_FILES: Mapping[str, str] = MappingProxyType({})

T = TypeVar("T")


class InProcess:
    """A mail server in a thread. Start and stop it by `with`.

    store        a folder for the mailboxes; None: they are in memory
    plain_login  passwords are taken without TLS too
    """

    def __init__(self, store: Path | None = None, *, plain_login: bool = True) -> None:
        self.host = HOST
        self.ports: dict[str, int] = {}
        self._store = store
        self._policies = Settings(
            access=Access(plain_login=plain_login, login_on_port_25=True)
        )
        self._ca = LabCA()
        self._loop = WorldLoop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._news = threading.Condition()
        self._delivered = 0
        self._refused: list[str] = []
        self._ca_file: Path | None = None
        self._passwords: dict[str, str] = {}
        self._worlds: list[Any] = []
        self._mail: MailStore | None = None
        self._service: MailService | None = None

    # Starting and stopping ------------------------------------------------------------

    def __enter__(self) -> "InProcess":
        try:
            self._loop.go_live()
            self._thread.start()
            self._call_async(self._open())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Say goodbye to those who are connected, and end."""
        for world in self._worlds:
            world.close()
        self._worlds.clear()
        if self._thread.is_alive():
            self._call_async(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(LONGEST)
        if not self._loop.is_closed():
            self._loop.close()
        self._ca.close()
        if self._ca_file is not None:
            self._ca_file.unlink(missing_ok=True)

    def _open_store(self) -> Mailboxes:
        if self._store is None:
            return mailboxes_in_memory
        self._mail = MailStore.open(self._store)
        return self._mail.tree

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.cancel_all_tasks()

    async def _open(self) -> None:
        mailboxes = self._open_store()
        self._host = ServingHost(NAME, self._loop, self._observe)
        self._directory = GrowingDirectory([NAME], mailboxes=mailboxes)
        tls = self._ca.server_context(NAME)
        parts = Parts(self._host, self._directory, self._policies, tls)
        service = self._service = MailService(parts)
        mta = service.mta
        mta.delivery = CatchingDelivery(
            self._host, NAME, self._directory, lambda: mta.settings, mta.inject
        )
        mta.start()
        for name in PORTS:
            sockets = bind(name, [HOST], 0)
            self.ports[name] = sockets[0].getsockname()[1]
            await self._host.accept(sockets, name, service.service(name))

    async def _end(self) -> None:
        if self._service is not None:
            self._host.close_ports()
            await self._service.sessions.end(STOPPING)
        if self._mail is not None:
            self._mail.close()

    def _call_async(self, work: Any) -> Any:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(LONGEST)

    def _call(self, work: Callable[[], T]) -> T:
        """Do it in the server's thread. Raises LabError: there is none."""
        if not self._thread.is_alive():
            raise LabError(
                "this server is not running: write `with InProcess() as server:` "
                "and use it inside"
            )
        done: Future[T] = Future()

        def do() -> None:
            try:
                done.set_result(work())
            except Exception as error:  # noqa: BLE001  (it belongs to the caller)
                done.set_exception(error)

        self._loop.call_soon_threadsafe(do)
        return done.result(LONGEST)

    def _observe(self, kind: str, *_: Any, **facts: Any) -> None:
        if kind == "delivered":
            with self._news:
                self._delivered += 1
                self._news.notify_all()
        elif kind == "policy" and facts["verdict"] != "accept":
            self._refused.append(f"{facts['subject']}: {facts['reason']}")

    # Ports and keys -------------------------------------------------------------------

    @property
    def smtp_port(self) -> int:
        """SMTP with STARTTLS; logins are taken here too."""
        return self.ports["smtp"]

    @property
    def smtp_tls_port(self) -> int:
        """SMTP inside TLS."""
        return self.ports["smtp_tls"]

    @property
    def submission_port(self) -> int:
        """Submission with STARTTLS: who sends here must log in."""
        return self.ports["submission"]

    @property
    def submissions_port(self) -> int:
        """Submission inside TLS."""
        return self.ports["submissions"]

    @property
    def imap_port(self) -> int:
        """IMAP with STARTTLS."""
        return self.ports["imap"]

    @property
    def imaps_port(self) -> int:
        """IMAP inside TLS."""
        return self.ports["imaps"]

    @property
    def pop3_port(self) -> int:
        """POP3 with STLS."""
        return self.ports["pop3"]

    @property
    def pop3s_port(self) -> int:
        """POP3 inside TLS."""
        return self.ports["pop3s"]

    @property
    def ca_pem(self) -> str:
        """The certificate that clients must trust."""
        return self._ca.pem.decode()

    @property
    def ca_file(self) -> Path:
        """... in a file, for programs that are told by SSL_CERT_FILE."""
        if self._ca_file is None:
            with NamedTemporaryFile(suffix=".pem", delete=False) as file:
                file.write(self._ca.pem)
            self._ca_file = Path(file.name)
        return self._ca_file

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """For clients: it trusts this server, and checks its name."""
        return ssl.create_default_context(cadata=self.ca_pem)

    # Users ----------------------------------------------------------------------------

    def add_user(self, address: str, password: str = "secret", name: str = "") -> str:
        """Create a mailbox; its domain becomes local. Returns the address."""
        self._call(lambda: self._directory.add(address, password, name))
        self._passwords[address.lower()] = password
        return address

    def remove_user(self, address: str) -> None:
        """Delete a mailbox; sessions of the user end."""
        self._call(lambda: self._directory.remove(address))

    @property
    def catch_all(self) -> bool:
        """Mail for anybody, anywhere, is taken; that for nobody is in one mailbox."""
        return self._directory.catch_all

    @catch_all.setter
    def catch_all(self, wanted: bool) -> None:
        def switch() -> None:
            if wanted and CATCHER not in self._directory.names:
                self._directory.add(CATCHER, "secret")
            self._directory.catch_all = wanted

        self._call(switch)

    # Mail -----------------------------------------------------------------------------

    def messages(self, address: str = "") -> list[EmailMessage]:
        """What is in an INBOX, the oldest first; without an address, in all of them.

        Raises LabError when there is no such user.
        """
        return [one.message for one in self._letters(address)]

    def wait_for_message(
        self,
        to: str = "",
        subject: str = "",
        sender: str = "",
        timeout: float = PATIENCE,
    ) -> EmailMessage:
        """The first message that fits, as soon as it is there.

        `to` and `sender` are whole addresses of the envelope, `subject` a part of the
        Subject field. Raises AssertionError that says what has arrived instead.
        """
        wanted = Wanted(to, subject, sender)
        last = time.monotonic() + timeout
        while True:
            seen = self._delivered
            for letter in self._letters():
                if wanted.fits(letter):
                    return letter.message
            if not self._wait_for_news(seen, last):
                raise AssertionError(self._not_arrived(wanted, timeout))

    def _wait_for_news(self, seen: int, last: float) -> bool:
        with self._news:
            left = max(0.0, last - time.monotonic())
            return self._news.wait_for(lambda: self._delivered > seen, left)

    def _not_arrived(self, wanted: Wanted, timeout: float) -> str:
        missing = f"no message with {wanted} within {timeout:g} s"
        return f"{missing}; arrived:\n{account_of(self._letters(), self._refused)}"

    def clear(self) -> None:
        """Delete all messages: the next to be waited for is a new one."""

        def work() -> None:
            for account in self._directory.accounts:
                inbox = account.mailboxes.inbox
                inbox.expunge(set(inbox.uids))

        self._call(work)

    def _letters(self, address: str = "") -> list[Letter]:
        return [
            Letter(str(message["Delivered-To"] or owner), message)
            for owner, octets in self._call(lambda: list(self._octets(address)))
            for message in [parsed(octets)]
        ]

    def _octets(self, address: str) -> Iterable[tuple[str, bytes]]:
        directory = self._directory
        chosen = [directory.require(address)] if address else directory.accounts
        for account in chosen:
            for message in account.mailboxes.inbox.messages:
                yield account.address, message.content

    def send(
        self,
        to: str,
        subject: str = "",
        text: str = "",
        sender: str = "sender@elsewhere.example",
    ) -> EmailMessage:
        """Send a letter from outside, as another server would; it is returned."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = sender, to, subject
        message.set_content(text)
        return self.send_message(message)

    def send_message(self, message: EmailMessage) -> EmailMessage:
        """The same, with a message that is ready."""
        with smtplib.SMTP(self.host, self.smtp_port, timeout=LONGEST) as client:
            client.send_message(message)
        return message

    # A world --------------------------------------------------------------------------

    def world(self, lab: str = "hello", files: Mapping[str, str] = NO_FILES) -> Any:
        """A virtual world: the name of a lab, a file, or the text of a scenario.

        `files`: what the text names, such as {"root.zone": "…"}. It is closed with
        the server.
        """
        from maillab import open_world

        if "\n" not in lab:
            self._worlds.append(open_world(lab))
            return self._worlds[-1]
        with TemporaryDirectory() as folder:
            for name, text in {"world.toml": lab, **files}.items():
                file = Path(folder) / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, "utf-8")
            self._worlds.append(open_world(folder))
        return self._worlds[-1]
