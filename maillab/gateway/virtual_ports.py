"""The addresses and ports of the virtual hosts, as real ones, in a namespace.

Goes in: a live world and a seat. Comes out: a namespace in which the virtual hosts'
addresses, as the seat reaches them, are those of the loopback device, and their open
ports are real ones.

What the network does with a connection is what the kernel does with it here:

    delivered    the port is open: TCP is dialled on from the seat, UDP is passed on
    refused      nothing is bound: the kernel refuses
    lost         bound, and a filter throws away what comes: 127 s, then timed out
    prohibited   a routing rule answers EHOSTUNREACH, as after ICMP
    no host      no route: EHOSTUNREACH

Rule: all this follows the world. When rules, addresses, power or ports change, the
      namespace has changed a moment later.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from maillab.errors import LabError
from maillab.gateway.closing import close_servers
from maillab.gateway.datagrams import DatagramDoor
from maillab.gateway.entrances import KNOWN
from maillab.gateway.live import Live
from maillab.gateway.namespace import Namespace, open_port, set_silent
from maillab.gateway.netlink import Netlink
from maillab.gateway.visit import DoorVisit, trial_flow
from maillab.net.host import EPHEMERAL_PORTS, Host
from maillab.net.sockets import WorldLoop

Place = tuple[str, str, int]  # "tcp" or "udp", address, port
Answer = Literal["open", "silent", "prohibited", "closed", "no host"]

LOOK_AGAIN = 0.1  # seconds of real time
PROHIBITED_TABLE = 1000
OWN_RULE, PROHIBITED_RULE = 100, 10  # priorities: the lower comes first
FAMILIES = (socket.AF_INET, socket.AF_INET6)
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
BOUND = ("open", "silent")
FEW = 16  # ports in a range of a rule; of longer ranges only open ports matter
SYN_SETTINGS = {  # the kernel's SYNs at the times at which virtual hosts send theirs
    "tcp_syn_linear_timeouts": "0",
    "tcp_syn_retries": "6",
}


class VirtualPorts:
    """The ports of the virtual hosts, in a namespace. Lives in the world's thread."""

    def __init__(self, live: Live, seat: Host, namespace: Namespace) -> None:
        self._live = live
        self._seat = seat
        self._namespace = namespace
        self._routes: set[str] = set()
        self._prohibited: set[Place] = set()
        self._sockets: dict[Place, socket.socket] = {}
        self._silent: set[Place] = set()
        self._servers: dict[Place, Any] = {}  # what serves a socket; it can close()
        self._others: list[Any] = []
        self._seen: object = None
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Set everything up, and follow the world from now on."""
        try:
            self._namespace.call(self._set_up)
        except OSError as error:
            raise LabError(
                f"the kernel lets us set up no network ({error.strerror}): root needs "
                f"CAP_NET_ADMIN too, which some containers keep back"
            ) from None
        await self.look()
        self._task = self._seat.spawn(self._follow(), "the namespace")

    def keep(self, *servers: Any) -> None:
        """Close these too when all is closed."""
        self._others += servers

    async def close(self) -> None:
        """Close every port."""
        if self._task is not None:
            self._task.cancel()
        await close_servers(self._live.loop, self._others)
        await self._close_ports(list(self._sockets))

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AGAIN * self._live.rate)
            try:
                await self.look()
            except OSError as error:  # too many open files, for one
                text = f"the namespace cannot follow the world: {error.strerror}"
                self._seat.emit("note", text=text)

    async def look(self) -> None:
        """Has anything changed? Then change the namespace too."""
        network = self._live.world.network
        hosts = list(network.hosts.values())
        now = (network.version, [*map(tcp_ports, hosts)], [*map(udp_ports, hosts)])
        if now == self._seen:
            return
        self._seen = now
        await self._change({place: self._answer(place) for place in self._places()})

    # What the world says --------------------------------------------------------------

    def _places(self) -> Iterator[Place]:
        """Every address of the seat's IP versions, with every port that matters."""
        hosts = list(self._live.world.network.hosts.values())
        tcp = (p for host in hosts for p in (*host.tcp_ports, *ruled_ports(host)))
        ports = {
            "tcp": sorted({*KNOWN, *tcp}),
            "udp": sorted({port for host in hosts for port in udp_ports(host)}),
        }
        found = dict.fromkeys(text for host in hosts for text in host.addresses)
        for address in filter(self._seat.address_for, found):
            for protocol, numbers in ports.items():
                yield from ((protocol, address, port) for port in numbers)

    def _answer(self, place: Place) -> Answer:
        """What becomes of a connection from the seat."""
        protocol, address, port = place
        flow = trial_flow(self._seat, protocol, address, port)
        network = self._live.world.network
        path = network.probe(self._seat, flow)
        match path.fate:
            case "delivered" if network.probe_answer(path).fate != "delivered":
                return "silent"  # what it answers is lost
            case "delivered":
                assert path.node is not None, "a path that delivers ends at a host"
                there = (
                    path.node.tcp_ports if protocol == "tcp" else path.node.udp_ports
                )
                return "open" if path.arrives.dst[1] in there else "closed"
            case "tarpit":
                return "open"
            case "lost":
                return "silent"
            case "prohibited" | "no host":
                return path.fate
            case _:
                return "closed"

    # What the kernel does -------------------------------------------------------------

    def _set_up(self) -> None:
        """Addresses of the seat, and nothing else yet. In the namespace."""
        with Netlink() as kernel:
            kernel.start()
            for address in self._seat.addresses:
                kernel.add_address(address)
            for family in FAMILIES if has_ipv6(self._seat) else FAMILIES[:1]:
                kernel.add_unreachable(family)
                kernel.add_unreachable(family, PROHIBITED_TABLE)
                kernel.look_at_rules_first(family, OWN_RULE)
        for name, value in SYN_SETTINGS.items():
            with suppress(OSError):  # older kernels
                Path("/proc/sys/net/ipv4", name).write_text(value)
        socket.sethostname(self._seat.name)

    async def _change(self, answers: dict[Place, Answer]) -> None:
        """Make the kernel give these answers."""
        bound = {place for place, answer in answers.items() if answer in BOUND}
        silent = {place for place, answer in answers.items() if answer == "silent"}
        await self._close_ports(self._sockets.keys() - bound)
        self._namespace.call(self._set_routes, answers)
        new = sorted(bound - self._sockets.keys())
        self._sockets |= self._namespace.call(open_ports, new, silent)
        for place in new:
            self._servers[place] = await self._serve(place)
        for place in bound & (silent ^ self._silent) - set(new):
            set_silent(self._sockets[place], place in silent)
        self._silent = silent

    def _set_routes(self, answers: dict[Place, Answer]) -> None:
        """Which addresses there are, and which ports are prohibited."""
        own = set(self._seat.addresses)
        routes = {place[1] for place in answers if answers[place] != "no host"} - own
        prohibited = {place for place in answers if answers[place] == "prohibited"}
        with Netlink() as kernel:
            for address in sorted(routes ^ self._routes):
                source = self._seat.address_for(address)
                kernel.route_here(address, source, add=address in routes)
            for place in sorted(prohibited ^ self._prohibited):
                kernel.ask_table(
                    PROHIBITED_TABLE, place, PROHIBITED_RULE, add=place in prohibited
                )
        self._routes, self._prohibited = routes, prohibited

    async def _serve(self, place: Place) -> Any:
        loop, seat, visits = self._live.loop, self._seat, self._live.visits
        protocol, address, port = place
        there, sock = (address, port), self._sockets[place]
        if protocol == "udp":
            door = DatagramDoor(seat, there)
            return (await real_datagram_endpoint(loop, lambda: door, sock))[0]
        return await loop.real_create_server(
            lambda: DoorVisit(seat, visits, there), sock=sock
        )

    async def _close_ports(self, places: Iterable[Place]) -> None:
        opened = {place: self._sockets.pop(place) for place in places}
        servers = [self._servers.pop(place, sock) for place, sock in opened.items()]
        await close_servers(self._live.loop, servers)


async def real_datagram_endpoint(
    loop: WorldLoop,
    factory: Callable[[], asyncio.DatagramProtocol],
    sock: socket.socket,
) -> tuple[asyncio.DatagramTransport, asyncio.DatagramProtocol]:
    """asyncio's own, for a real UDP socket."""
    create = asyncio.SelectorEventLoop.create_datagram_endpoint
    return await create(loop, factory, sock=sock)


def open_ports(
    places: Iterable[Place], silent: set[Place]
) -> dict[Place, socket.socket]:
    """Open sockets, some of which throw away what comes. In the namespace."""
    opened: dict[Place, socket.socket] = {}
    try:
        for place in places:
            kind, address, port = KINDS[place[0]], place[1], place[2]
            opened[place] = open_port(kind, address, port, silent=place in silent)
    except OSError:
        for sock in opened.values():
            sock.close()
        raise
    return opened


def tcp_ports(host: Host) -> tuple[int, ...]:
    """The ports on which a host accepts connections."""
    return tuple(host.tcp_ports)


def ruled_ports(host: Host) -> Iterator[int]:
    """The ports that a firewall names one by one: a drop is told from a refusal."""
    for rule in host.firewall:
        for ports in rule.ports:
            if len(ports) <= FEW:
                yield from ports


def udp_ports(host: Host) -> tuple[int, ...]:
    """The UDP ports of its services; those of its own questions come and go."""
    return tuple(port for port in host.udp_ports if port not in EPHEMERAL_PORTS)


def has_ipv6(host: Host) -> bool:
    """Some address of the host is an IPv6 one."""
    return any(":" in address for address in host.addresses)
