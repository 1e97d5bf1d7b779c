"""`--netns`: any program of this computer, unmodified, on the virtual internet.

Goes in: a live world, a seat, a command. Comes out: what the command says, and its exit
status. The command has the name and the addresses of the seat, `/etc/resolv.conf` is
the world's, and every address and port of the virtual hosts is where it should be.

Rule 1: nothing of this is seen outside the namespace, and nothing of the real network
        inside.
Rule 2: programs meet what the seat would meet; see `virtual_ports`.
"""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from tempfile import TemporaryDirectory
from types import FrameType, TracebackType

from maillab.dns.nameserver import NameServer
from maillab.dns.ports import TCPPort, UDPPort
from maillab.dns.resolver import Resolver
from maillab.gateway.entrances import VISITOR
from maillab.gateway.live import Live
from maillab.gateway.namespace import Namespace, open_port
from maillab.gateway.stopping import KILLED, stop_signals
from maillab.gateway.virtual_ports import VirtualPorts, real_datagram_endpoint
from maillab.net.host import Host
from maillab.world.names import resolvers_of

DNS_PORT = 53
LOCAL_RESOLVER = "127.0.0.53"  # for a seat that walks down from the root itself
HOSTS_LINE = "hosts: files dns\n"
NAME_SERVICE_CACHE = Path("/run/nscd")  # a way through every namespace: close it
MANY_FILES = 65_536
TRUST_VARIABLES = ("MAILLAB_CA", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
TRUST_FILES = (  # those of Debian and of Fedora
    Path("/etc/ssl/certs/ca-certificates.crt"),
    Path("/etc/pki/tls/certs/ca-bundle.crt"),
)


class Netns:
    """A namespace for one seat of a live world."""

    def __init__(self, live: Live, seat: str = VISITOR) -> None:
        self.live = live
        self.seat = live.seat(seat)
        self._namespace = Namespace()
        self._ports = VirtualPorts(live, self.seat, self._namespace)
        self._folder = TemporaryDirectory(prefix="maillab-")

    def open(self) -> None:
        """Make it. Raises LabError where the system does not let us."""
        self._namespace.open()
        allow_many_files()
        self.live.call(self._ports.open())
        resolver = self.live.world.resolvers[self.seat.name]
        if isinstance(resolver, Resolver):
            self.live.call(self._resolve_here(resolver))
        self._show_files()

    def follow(self) -> None:
        """Let the kernel know at once what has changed in the world (else: soon)."""
        self.live.call(self._ports.look())

    def run(self, *command: str) -> int:
        """Run a program there and wait for it. Returns its exit status."""
        running: list[Popen[bytes]] = []
        early: list[int] = []  # signals that came while it was being started

        def pass_on(number: int, frame: FrameType | None) -> None:
            if number != signal.SIGINT:  # which the terminal sends to both
                for process in running:
                    process.send_signal(number)
                if not running:
                    early.append(number)

        with signals_handled(pass_on):
            running.append(self._namespace.start(command, self.environment))
            for number in early:
                running[0].send_signal(number)
            status = running[0].wait()
        return status if status >= 0 else KILLED - status

    def close(self) -> None:
        """End it. Programs that still run there are cut off."""
        self.live.call(self._ports.close())
        self._namespace.close()
        self._folder.cleanup()

    @property
    def ca_file(self) -> Path:
        """The certificate of the world's authority."""
        return Path(self._folder.name, "maillab-ca.pem")

    @property
    def environment(self) -> Mapping[str, str]:
        """What programs there find in their environment: they trust the world."""
        trust = dict.fromkeys(TRUST_VARIABLES, str(self.ca_file))
        return os.environ | trust | {"MAILLAB_SEAT": self.seat.name}

    def __enter__(self) -> "Netns":
        try:
            self.open()
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

    # Names ----------------------------------------------------------------------------

    async def _resolve_here(self, resolver: Resolver) -> None:
        """Answer on the seat's own loopback, with what its own resolver finds out."""
        server = NameServer(self.seat, (), resolver)
        loop = self.live.loop
        udp, tcp = (
            self._namespace.call(open_port, kind, LOCAL_RESOLVER, DNS_PORT)
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)
        )
        endpoint, _ = await real_datagram_endpoint(loop, lambda: UDPPort(server), udp)
        listener = await loop.real_create_server(lambda: TCPPort(server), sock=tcp)
        self._ports.keep(endpoint, listener)

    def _name_servers(self) -> list[str]:
        """Whom programs on the seat ask."""
        world = self.live.world
        if isinstance(world.resolvers[self.seat.name], Resolver):
            return [LOCAL_RESOLVER]
        names = resolvers_of(world.scenario, self.seat.name)
        return [text for name in names for text in world.hosts[name].addresses]

    def _show_files(self) -> None:
        """Write what programs read, and show it in place of the real computer's."""
        folder, seat = Path(self._folder.name), self.seat
        servers = "".join(f"nameserver {text}\n" for text in self._name_servers())
        self.ca_file.write_bytes(self.live.world.ca.pem)
        files = {
            "resolv.conf": servers + "options timeout:5 attempts:2\n",
            "hosts": "127.0.0.1 localhost\n::1 localhost\n" + own_names(seat),
            "nsswitch.conf": name_services(),
        }
        folder.chmod(0o755)  # programs there need not be root
        for name, text in files.items():
            file = folder / name
            file.write_text(text, "utf-8")
            self._namespace.replace_file(Path("/etc", name), file)
        for file in TRUST_FILES:
            self._namespace.replace_file(file, self.ca_file)
        (folder / "empty").mkdir()
        self._namespace.replace_file(NAME_SERVICE_CACHE, folder / "empty")


@contextmanager
def signals_handled(
    handler: Callable[[int, FrameType | None], None],
) -> Generator[None]:
    """Who waits for a program does not end before it. Works in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in stop_signals()}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def own_names(seat: Host) -> str:
    """The seat's lines of a hosts file."""
    return "".join(f"{address} {seat.name}\n" for address in seat.addresses)


def name_services() -> str:
    """nsswitch.conf(5), as it is, but names of hosts come from files and the DNS."""
    try:
        lines = Path("/etc/nsswitch.conf").read_text("utf-8").splitlines(keepends=True)
    except OSError:
        lines = []
    return "".join(line for line in lines if not line.startswith("hosts:")) + HOSTS_LINE


def allow_many_files() -> None:
    """Every port of every address is an open file: take what the system grants."""
    if sys.platform == "win32":
        return
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wish = most if most != resource.RLIM_INFINITY else MANY_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wish, MANY_FILES), most))
