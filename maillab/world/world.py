"""A running world: hosts, servers, users, one clock, one trace.

Goes in: a checked scenario. Comes out: a `World` that scripts, notebooks and tests
drive with plain calls. Between two calls the clock stands still.
"""

from collections.abc import Coroutine
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

from maillab.agents.faults import Faults
from maillab.agents.relay_session import ClientTLS
from maillab.errors import LabError
from maillab.net.ca import LabCA
from maillab.net.driver import Driver, hidden_outer_loop
from maillab.net.host import Host
from maillab.net.network import Network
from maillab.net.sockets import WorldLoop
from maillab.policy.fault_plan import Planned
from maillab.policy.settings import SmartHost
from maillab.progress import watched
from maillab.store.accounts import Account, DirectoryBase
from maillab.store.mailboxes import Mailbox
from maillab.trace.recorder import Trace
from maillab.world.certifying import Certifying
from maillab.world.choices import pick
from maillab.world.configuring import Configuring
from maillab.world.console import Console
from maillab.world.directories import Directories, enrol
from maillab.world.duration import seconds_of
from maillab.world.exploring import Exploring
from maillab.world.faults import new_fault
from maillab.world.names import Names
from maillab.world.picturing import Picturing
from maillab.world.queues import Queues
from maillab.world.scenario import LoadedScenario, UserTable
from maillab.world.servers import MailServer, make_mail_server
from maillab.world.sniffing import Sniffing
from maillab.world.user import User
from maillab.world.wiring import Wiring, lay_line, subnet_of

Result = TypeVar("Result")

SETTLE_STEP = 0.05  # seconds
GOODBYES = 5.0  # seconds that connections may take to end on both sides


class World(
    Certifying,
    Configuring,
    Directories,
    Exploring,
    Names,
    Picturing,
    Queues,
    Sniffing,
    Wiring,
):
    """A virtual internet of mail, running.

    trace    everything that happened so far
    hosts    name -> `Host`
    gateways name -> `Gateway`
    servers  host name -> `MailServer`
    directories  host name -> where a mail server, or several, look for their users
    users    address -> `User`
    """

    def __init__(self, loaded: LoadedScenario, seed: str | None = None) -> None:
        scenario = loaded.scenario
        self.name = loaded.name
        self.scenario = scenario
        self.loaded = loaded
        self.loop = WorldLoop()
        self.driver = Driver(self.loop)
        self.network = Network(
            self.loop, seed=seed or scenario.seed, epoch=scenario.epoch
        )
        self.trace = Trace(epoch_ns=int(scenario.epoch.timestamp()) * 1_000_000_000)
        self.network.observer = self.trace.emit
        self.ca = self.network.ca = LabCA(self.network.now)
        self.hosts: dict[str, Host] = {}
        self._begin_names()
        self.directories: dict[str, DirectoryBase] = {}
        self.servers: dict[str, MailServer] = {}
        self.users: dict[str, User] = {}
        self.faults = Faults()
        try:
            self._build(loaded)
        except BaseException:
            self.close()
            raise

    # Building -------------------------------------------------------------------------

    def _build(self, loaded: LoadedScenario) -> None:
        self._lay_networks()
        for gateway in self.gateways.values():
            self._add_resolver(gateway)
        for name in self.scenario.hosts:
            self._add_host(name)
        self._add_users()
        self._set_up_filters()
        for table in self.scenario.faults:
            self.faults.plan.add(table.fault)
        self.driver.run(self._start(loaded))

    def _add_host(self, name: str) -> None:
        table = self.scenario.hosts[name]
        host = self.add_host(name, *table.address, latency=table.latency_ms / 1000)
        if table.domains:
            ca = self.ca if table.tls else None
            directory = self._directory_of(name)
            self.servers[name] = make_mail_server(
                host, directory, self.resolvers[name], ca, table
            )

    def _add_users(self) -> None:
        for address, table in self.scenario.users.items():
            server = self.servers[self.scenario.server_of(address.rpartition("@")[2])]
            account = enrol(server.directory, address, table)
            host = self.hosts[table.host] if table.host else server.host
            self.users[address] = User(self, account, table, host, server)

    def _welcome(self, account: Account, password: str) -> None:
        """Whoever gets an account at the console sits at the server at first."""
        server = self.servers[self.scenario.server_of(account.address.split("@")[-1])]
        table = UserTable(password=password, name=account.full_name)
        user = User(self, account, table, server.host, server)
        self.users[account.address] = user

    async def _start(self, loaded: LoadedScenario) -> None:
        for name, table in self.scenario.hosts.items():
            await self._start_names(name, loaded)
            if name in self.servers:
                await self.servers[name].start(table.serves, self.faults)

    def add_host(self, name: str, *addresses: str, latency: float = 0.005) -> Host:
        """Plug one more computer in; `latency` in seconds to the core of the net."""
        table = self.scenario.hosts.get(name)
        subnet = subnet_of(self.network, table)
        host = Host(self.network, name, addresses, latency, subnet)
        if table is not None:
            lay_line(host, table)
        self.hosts[name] = host
        self._add_resolver(host)
        return host

    # Driving --------------------------------------------------------------------------

    @property
    def time(self) -> float:
        """Seconds since this world began."""
        return self.loop.time()

    @property
    def now(self) -> str:
        """The date and time in this world."""
        return self.network.now().isoformat(sep=" ", timespec="milliseconds")

    def run(
        self, coroutine: Coroutine[Any, Any, Result], *, on: str | Host = ""
    ) -> Result:
        """Run a coroutine, on a host if one is named, and return its result.

        Raises what it raises; `Deadlock` when it can never end.
        """
        context = self.host(on).fork_context() if on else None
        return self.driver.run(coroutine, context)

    def advance(self, length: float | str) -> None:
        """Let time pass: seconds, or a text such as "5 days"."""
        self.driver.advance(seconds_of(length))

    def settle(self, at_most: float | str = "10 min") -> None:
        """Let time pass until every message is delivered, deferred or given up.

        Connections that have ended on one side end on the other too; somebody who
        never hangs up (a console that was left open) is not waited for.
        """
        end = self.time + seconds_of(at_most)
        with watched("Mail is being settled", lambda: -1.0):
            self._settle_until(end)

    def _settle_until(self, end: float) -> None:
        goodbyes = GOODBYES
        while self.time < end:
            if not any(map(is_busy, self.servers.values())):
                if not self.network.goodbyes or goodbyes <= 0:
                    return
                goodbyes -= SETTLE_STEP
            self.driver.advance(SETTLE_STEP)

    # Looking things up ----------------------------------------------------------------

    def host(self, name: str | Host) -> Host:
        """A host or a gateway by its name. Raises LabError."""
        return self.place(name)

    def user(self, name: str) -> User:
        """A user by address, or by local part when only one has it. Raises LabError."""
        same = [user for user in self.users.values() if user.local_part == name]
        return same[0] if len(same) == 1 else pick(name, self.users, "user")

    def server(self, name: str) -> MailServer:
        """A mail server by its host name, or by a domain it serves. Raises LabError."""
        by_domain = self.scenario.server_of(name)
        return pick(by_domain or name, self.servers, "mail server")

    def account(self, name: str) -> Account:
        """The account of a user, as the server sees it."""
        return self.user(name).account

    def mailbox(self, name: str, folder: str = "INBOX") -> Mailbox:
        """A mailbox of a user, as it lies on the server. Raises LabError."""
        tree = self.account(name).mailboxes
        found = tree.find(folder)
        if found is None:
            raise LabError(
                f"{name} has no mailbox {folder!r}; there are {', '.join(tree.names)}"
            )
        return found

    # Doing things ---------------------------------------------------------------------

    def send(self, sender: str, recipient: str, subject: str, text: str = "") -> str:
        """Let a user send a letter, and wait until the mail servers have settled it.

        Returns the server's last reply. Raises LabError when the letter was refused.
        """
        reply = self.user(sender).send(recipient, subject, text)
        self.settle()
        return reply

    def read(self, reader: str, protocol: str = "IMAP") -> list[bytes]:
        """Let a user fetch the letters of the INBOX, by "IMAP" or "POP3"."""
        return self.user(reader).read(protocol)

    def use_smart_host(
        self, server: str, host: str, user: str, password: str, port: int = 587
    ) -> None:
        """Let a mail server send everything that goes elsewhere to one other server.

        It logs in there as `user`, inside TLS. Raises LabError.
        """
        smart = SmartHost(host, port, user, password, tls="verify")
        here = self.server(server)
        tls = ClientTLS(
            self.ca.opportunistic_context,
            partial(self.ca.client_context, self.server(server).name),
            may=False,
        )
        here.mta.relay.tls = here.mta.relay.tls or tls
        here.use_smart_host(smart)

    def console(self, host: str, server: str, port: int) -> Console:
        """Open a connection by hand from a host: type the protocol yourself."""
        return Console(self, self.host(host), server, port)

    def fault(self, stage: str, **keys: Any) -> Planned:
        """Plan that something goes wrong at a server: docs/faults.md has all keys.

        `world.fault("RCPT", host="mx.beta.example", reply="451 4.3.0 Later", times=2)`
        Returns it, with its `hits` and `remove()`. Raises LabError.
        """
        return self.faults.plan.add(new_fault({"stage": stage, **keys}, self.servers))

    # The end --------------------------------------------------------------------------

    def close(self) -> None:
        """Stop everything. The trace stays readable."""
        with hidden_outer_loop():  # that of a notebook, or of the caller's own asyncio
            self.network.close()
        for directory in self.directories.values():
            directory.close()
        self.ca.close()

    def __enter__(self) -> "World":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        counts = f"{len(self.hosts)} hosts, {len(self.users)} users"
        return f"<World {self.name}: {counts}, {self.now}>"


def is_busy(server: MailServer) -> bool:
    """A message is being worked on, rather than waiting for its next try or power."""
    if not server.host.up:
        return False
    return server.mta.busy
