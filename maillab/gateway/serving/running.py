"""`maillab serve`: from a folder to open ports, and to a good end.

Goes in: a folder. Comes out: a server that runs until it is told to stop.

    start     settings, lock, certificate, ports, then another user, then the stores
    SIGHUP    settings, certificate and accounts are read again
    SIGTERM   no new connections, goodbye to those there are, stores closed; 0
    again     the end at once: what was acknowledged is on disk

Rule: root opens ports and reads keys; it touches no mail.
"""

import asyncio
import os
import signal
import ssl
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from types import FrameType
from typing import Any

from maillab import __version__
from maillab.errors import LabError
from maillab.gateway.serving import privileges
from maillab.gateway.serving.certificates import context_of, load_files, own_files
from maillab.gateway.serving.folder import ServerFolder, private_files, reachable
from maillab.gateway.serving.health import Health
from maillab.gateway.serving.host import ServingHost, bind, close_all, own_addresses
from maillab.gateway.serving.log import Log
from maillab.gateway.serving.service import PORTS, MailService, Parts
from maillab.gateway.serving.settings import ServeSettings, reload_note
from maillab.gateway.serving.stores import open_directory, problem_of
from maillab.gateway.stopping import KILLED
from maillab.net.sockets import WorldLoop
from maillab.store.accounts import DirectoryBase, DirectoryUnavailable
from maillab.store.file_accounts import FileDirectory
from maillab.store.folders import DiskFolder
from maillab.store.mail_store import MailStore
from maillab.store.spool import Spool
from maillab.store.spool_lock import SpoolLock

Say = Callable[[str], None]

LOOK = 1.0  # seconds between looks at the accounts
LOOK_AT_MAIL = 5  # looks, until the mailboxes have a turn
PATIENCE = 30.0  # seconds, when a database has not answered
LOOPBACK = ("127.0.0.1",)
FOLDER = "maillab-server"  # where commands look without --dir


@dataclass(slots=True)
class Opened:
    """What is open before the loop runs."""

    folder: ServerFolder
    settings: ServeSettings
    log: Log
    tls: ssl.SSLContext
    sockets: dict[str, list[socket]]


def serve(path: Path | str, say: Say) -> int:
    """Serve from a folder until a signal comes. Raises LabError."""
    with reachable(path), ExitStack() as stack:
        opened = stack.enter_context(open_ports(path, say))
        loop = WorldLoop()
        loop.go_live()
        stack.callback(loop.close)
        server = stack.enter_context(open_stores(opened, loop))
        try:
            return loop.run_until_complete(server.run(say))
        finally:
            loop.cancel_all_tasks()


# Opening ------------------------------------------------------------------------------


@contextmanager
def open_ports(path: Path | str, say: Say) -> Generator[Opened, None, None]:
    """Settings, lock, certificate, ports; then this is no longer root."""
    private_files()
    folder = ServerFolder(path)
    if folder.make():
        say(f"made {folder.settings}: every setting is in it, at its default")
    settings = folder.load()
    user = privileges.find_user(settings.user) if settings.user else None
    with ExitStack() as stack:
        stack.callback(SpoolLock(folder.path).release)
        log = open_log(settings, folder)
        stack.callback(log.close)
        tls = make_context(settings, folder)
        sockets = bind_all(settings)
        for some in sockets.values():
            stack.callback(close_all, some)
        if user is not None:
            become(user, folder)
        elif privileges.is_root():
            log.tell("warning", text='runs as root: set user = "…" in maillab.toml')
        yield Opened(folder, settings, log, tls, sockets)


def become(user: privileges.Identity, folder: ServerFolder) -> None:
    """Go on as this user, who gets the files of the server."""
    if privileges.is_root():
        folder.ports.unlink(missing_ok=True)
        os.chown(folder.path, user.uid, user.gid)
        privileges.give(folder.ours, user)
        privileges.let_read(folder.settings, user)  # at SIGHUP
    privileges.become(user)
    privileges.check_reach(folder.path, user)


def open_log(settings: ServeSettings, folder: ServerFolder) -> Log:
    """Where events go. Raises LabError."""
    file = folder.beside(settings.log.file) if settings.log.file else None
    try:
        return Log(file, settings.log.level)
    except OSError as error:
        raise LabError(f"log.file: {file}: {error.strerror}") from None


def make_context(settings: ServeSettings, folder: ServerFolder) -> ssl.SSLContext:
    """The certificate that was given, or our own. Raises LabError."""
    return context_of(*certificate_files(settings, folder))


def certificate_files(
    settings: ServeSettings, folder: ServerFolder
) -> tuple[Path, Path | None]:
    """Certificate and key."""
    tls = settings.tls
    if not tls.certificate:
        return own_files(folder.path, [settings.hostname, *settings.domains]), None
    key = folder.beside(tls.key) if tls.key else None
    return folder.beside(tls.certificate), key


def bind_all(settings: ServeSettings) -> dict[str, list[socket]]:
    """All ports, or none. Raises LabError."""
    bound: dict[str, list[socket]] = {}
    wanted: dict[str, tuple[Sequence[str], Any]] = {
        name: (settings.listen, port) for name, port in settings.ports
    }
    wanted["health"] = (LOOPBACK, settings.health.port)
    try:
        for name, (addresses, port) in wanted.items():
            if port is not False:
                bound[name] = bind(name, addresses, int(port))
    except LabError:
        for some in bound.values():
            close_all(some)
        raise
    return bound


@contextmanager
def open_stores(opened: Opened, loop: WorldLoop) -> Generator["Server", None, None]:
    """Mailboxes, accounts, queue."""
    folder, settings = opened.folder, opened.settings
    with ExitStack() as stack:
        store = MailStore.open(folder.mail)
        stack.callback(store.close)
        directory = open_directory(settings, folder, store.tree)
        stack.callback(directory.close)
        host = ServingHost(settings.hostname, loop, opened.log)
        host.addresses = own_addresses(settings.listen)
        spool = Spool.open(folder.queue, host.now().timestamp() - host.time())
        stack.callback(spool.close)
        yield Server(opened, host, directory, store, spool)


class Server:
    """A server whose stores are open."""

    def __init__(
        self,
        opened: Opened,
        host: ServingHost,
        directory: DirectoryBase,
        store: MailStore,
        spool: Spool,
    ) -> None:
        self.folder, self.settings = opened.folder, opened.settings
        self.log, self.tls, self.sockets = opened.log, opened.tls, opened.sockets
        self.host, self.directory = host, directory
        self.store, self.spool = store, spool
        self.trouble = ""  # of the accounts, as it was told last
        self._stop = asyncio.Event()
        self.service = MailService(
            Parts(
                host,
                directory,
                self.settings.policies,
                self.tls,
                spool,
                self.settings.sessions,
                self.settings.relay.outbound,
            )
        )

    async def run(self, say: Say) -> int:
        """Open for business; return when somebody says stop."""
        mta, mailroot = self.service.mta, self.folder.mailroot
        mta.mailroot.use_disk(
            *(DiskFolder(mailroot / name) for name in ("Pickup", "Drop", "Badmail"))
        )
        mta.start()
        await self._open()
        self._mind_signals()
        self.host.spawn(self._look_again(), "looks for changes")
        self._announce(say)
        await self._stop.wait()
        grace = f"{self.settings.grace:g} seconds at most"
        with suppress(OSError):  # nobody may be there any more who reads it
            say(f"stopping, {grace}; Ctrl-C again ends it at once")
        await self._end()
        with suppress(OSError):
            say("stopped")
        return 0

    async def _open(self) -> None:
        for name, sockets in self.sockets.items():
            if name == "health":
                await self.host.listen_at(sockets, Health(self.report).serve)
                continue
            number = int(getattr(self.settings.ports, name))
            await self.host.accept(sockets, name, self.service.service(name, number))

    # While it runs --------------------------------------------------------------------

    def _mind_signals(self) -> None:
        loop = self.host.loop
        if not hasattr(signal, "SIGHUP"):  # Windows: loops there know no signals

            def stop(number: int, _frame: FrameType | None) -> None:
                loop.call_soon_threadsafe(self.stop, number)

            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, stop)
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop, number)
        loop.add_signal_handler(signal.SIGHUP, self.reload)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Somebody wants it to end; the second time, at once."""
        if self._stop.is_set():
            os._exit(KILLED + number)
        self._stop.set()

    def reload(self) -> None:
        """Read everything again; what is wrong leaves everything as it was."""
        try:
            new = self.folder.load()
            files = certificate_files(new, self.folder)
            context_of(*files)  # is it right?
        except (LabError, OSError) as error:
            self.log.tell("error", text=f"nothing was changed: {error}")
            return
        load_files(self.tls, *files)
        self.service.configure(new.policies, outbound=new.relay.outbound)
        self.service.sessions.limit = new.sessions
        if isinstance(self.directory, FileDirectory):
            self.directory.domains = frozenset(new.domains)
        self.log.level = new.log.level
        note = reload_note(self.settings, new)
        self.settings = new
        self.look()
        self.log.tell("reloaded", **({"text": note} if note else {}))

    async def _look_again(self) -> None:
        turn = 0
        while True:
            turn += 1
            if turn % LOOK_AT_MAIL == 0:
                self._refresh_mail()
            await self.host.sleep(LOOK if self.look() else PATIENCE)

    def look(self) -> bool:
        """Have the accounts changed? False: a database does not answer."""
        try:
            self.directory.refresh()
            trouble = problem_of(self.directory)
        except DirectoryUnavailable as error:
            trouble = str(error)
        if trouble and trouble != self.trouble:
            self.log.tell("error", text=f"accounts stay as they were: {trouble}")
        self.trouble = trouble
        return not trouble or isinstance(self.directory, FileDirectory)

    def _refresh_mail(self) -> None:
        try:
            self.store.refresh()
        except OSError as error:
            self.log.tell("error", text=f"{self.folder.mail}: {error.strerror}")

    # What it tells --------------------------------------------------------------------

    @property
    def problems(self) -> list[str]:
        """What somebody should look after."""
        damaged = [f"queue: {name} cannot be read" for name in self.spool.damaged]
        accounts = [self.trouble] if self.trouble else []
        stopping = ["the server is stopping"] if self._stop.is_set() else []
        return [*map(str, self.store.problems), *damaged, *accounts, *stopping]

    def report(self) -> dict[str, Any]:
        """How the server is."""
        problems = self.problems
        return {
            "status": "degraded" if problems else "ok",
            "version": __version__,
            "hostname": self.settings.hostname,
            **self.service.report(),
            "listeners": self.ports,
            "problems": problems,
        }

    @property
    def ports(self) -> dict[str, int]:
        """The real ports, by name."""
        return {name: some[0].getsockname()[1] for name, some in self.sockets.items()}

    def _announce(self, say: Say) -> None:
        settings = self.settings
        addresses = list(
            dict.fromkeys(
                one.getsockname()[0]
                for name, some in self.sockets.items()
                for one in some
                if name != "health"
            )
        )
        facts: dict[str, Any] = {"pid": os.getpid(), "hostname": settings.hostname}
        if not settings.tls.certificate:
            facts["ca"] = str(self.folder.ca.absolute())
        self.folder.tell_ports(facts | {"listen": addresses, "ports": self.ports})
        say(f"{settings.hostname}: mail for {', '.join(settings.domains)}")
        for name, number in self.ports.items():
            where = LOOPBACK[0] if name == "health" else ", ".join(addresses)
            say(f"  {name:12}{number:<7}{about(name):22}{where}")
        if "ca" in facts:
            say(f"clients trust {self.folder.ca}")
        if self._is_new():
            say(f"no accounts yet: {self._first_command()}")
        say("ready; Ctrl-C stops the server")
        self.log.tell("started", ports=self.ports, version=__version__)

    def _is_new(self) -> bool:
        with suppress(DirectoryUnavailable):
            return not self.directory.names
        return False

    def _first_command(self) -> str:
        here = self.folder.path
        where = "" if str(here) == FOLDER else f" --dir {here}"
        return f"maillab user add NAME@{self.settings.domains[0]}{where}"

    # The end --------------------------------------------------------------------------

    async def _end(self) -> None:
        self.log.tell("stopping", sessions=len(self.host.streams))
        loop, grace = self.host.loop, self.settings.grace
        last = loop.time() + grace
        self.host.close_ports()
        await self.service.sessions.end(grace)
        while self.service.mta.busy and loop.time() < last:
            await asyncio.sleep(0.02)
        self.service.parts.lookups.close()
        with suppress(OSError):
            self.folder.forget_ports()
        self.log.tell("stopped", queue=len(self.service.mta.queue))


def about(name: str) -> str:
    """What stands beside a port when it is announced."""
    if name == "health":
        return "HTTP /health"
    port = PORTS[name]
    how = "TLS" if port.implicit else "STARTTLS"
    what = "submission" if port.role == "submission" else port.protocol.upper()
    return f"{what}, {how}"
