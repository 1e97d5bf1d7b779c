"""Live mode: a world in real time, with real ports for its servers.

Goes in: a world. Comes out: `Door`s, real ports that lead to ports of virtual hosts;
`Socks` ports, which lead wherever the client says; `Outside`s, ports of virtual hosts
that lead to real servers. A real client that comes in sits on a virtual host, its
*seat*, so it meets the seat's firewall and provider, and its sessions are in the trace
like all others.

Rule 1: everything is on loopback unless `listen` says otherwise; real servers are on
        loopback always: no letter leaves this computer by accident.
Rule 2: the clock follows real time, `rate` seconds of the world for each real one. The
        date becomes today's, at every rate: real clients look at certificates and
        write Date fields by a real calendar. From there a fast world runs ahead.
"""

import asyncio
import errno
import ipaddress
import math
import os
import threading
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, TypeVar

from maillab.dns.server import PORT as DNS_PORT
from maillab.errors import LabError
from maillab.gateway.closing import close_servers
from maillab.gateway.dns_door import DnsDoor, open_dns_door
from maillab.gateway.entrances import (
    LOOPBACK,
    VISITOR,
    Door,
    Outside,
    Socks,
    real_server,
)
from maillab.gateway.socks import SocksVisit
from maillab.gateway.visit import DoorVisit, OutsideVisit, Visits, trial_flow
from maillab.net.host import Host
from maillab.net.network import checked_address
from maillab.net.sockets import WorldLoop, find_addresses
from maillab.world.servers import PORTS
from maillab.world.world import World

VISITOR_ADDRESS = "198.18.0.1"  # RFC 2544: for tests, so nobody else has it
FIRST_PORT = 10_000  # the port 25 of the first server becomes 10025
PORTS_PER_SERVER = 1_000
SOCKS_PORT = 1080  # IANA; the next seats get 1081, 1082, …

Result = TypeVar("Result")


class Live:
    """A world that runs in real time, in a thread of its own, while this is open.

    preferred   try port numbers that are easy to remember; else any free one
    rate        seconds of the world for each real one
    listen      the real address of doors and SOCKS ports; loopback unless you want
                other computers to come in
    usual_doors one for each port of each mail server and each name server
    """

    def __init__(
        self,
        world: World,
        *,
        preferred: bool = False,
        rate: float = 1.0,
        listen: str = LOOPBACK,
        usual_doors: bool = True,
    ) -> None:
        if not (rate > 0 and math.isfinite(rate)):
            raise LabError(
                f"a rate of {rate:g} is no way for time to pass: give seconds of the "
                f"world for each real one, such as 1 or 60"
            )
        self.world = world
        self.rate = rate
        self.listen = checked_address(listen)
        self.loop: WorldLoop = world.loop
        self.doors: list[Door] = []
        self.socks: list[Socks] = []
        self.outsides: list[Outside] = []
        self._preferred = preferred
        self._wants_usual_doors = usual_doors
        self._thread: threading.Thread | None = None
        self._servers: list[asyncio.AbstractServer | DnsDoor] = []
        self.visits: Visits = {}  # the connections that real and virtual ends share

    def open(self) -> list[Door]:
        """Start real time and open the usual doors."""
        world = self.world
        if VISITOR not in world.hosts:
            world.add_host(VISITOR, VISITOR_ADDRESS, latency=0.0)
        self.loop.go_live(self.rate)
        passed = timedelta(seconds=self.loop.time())
        world.network.epoch = datetime.now(UTC) - passed
        world.trace.epoch_ns = int(world.network.epoch.timestamp() * 1e9)
        self._thread = threading.Thread(
            target=self.loop.run_forever, name="maillab-live", daemon=True
        )
        self._thread.start()
        for door, wish in self._usual_doors() if self._wants_usual_doors else ():
            self._add_door(door, self._candidates(wish))
        return self.doors

    def close(self) -> None:
        """Close the doors; from now on the clock stands still again."""
        if self._thread is None:
            return
        self.call(self._close_doors())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self._thread = None
        self.loop.go_virtual()

    def call(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine in the world and wait for its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def seat(self, name: str) -> Host:
        """The virtual host on which real clients are to sit. Raises LabError."""
        if self._thread is None:
            raise LabError("the world is not live: use `with Live(world) as live:`")
        return self.world.host(name)

    def __enter__(self) -> "Live":
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

    # Doors ----------------------------------------------------------------------------

    def door(self, host: str, port: int) -> Door:
        """The door to a port of a virtual host."""
        return next(d for d in self.doors if (d.host, d.port) == (host, port))

    def open_door(
        self, host: str, port: int, real_port: int = 0, *, seat: str = VISITOR
    ) -> Door:
        """Let a real port (0: any free one) lead to a port of a virtual host.

        `host` may also be an address, or a name in the virtual DNS. Its clients sit on
        the virtual host `seat`. Raises LabError.
        """
        door = Door(host, port, real_port, self.listen, seat)
        return self._add_door(door, [real_port])

    def open_socks(self, seat: str = VISITOR, real_port: int = 0) -> Socks:
        """Open a SOCKS5 port whose clients sit on the virtual host `seat`."""
        host, visits = self.seat(seat), self.visits
        wishes = [real_port]
        if not real_port and self._preferred:
            wishes = [*range(SOCKS_PORT, SOCKS_PORT + 100), 0]
        number = self._listen(lambda: SocksVisit(host, visits), wishes)
        socks = Socks(seat, number, self.listen)
        self.socks.append(socks)
        return socks

    def open_outside(self, host: str, port: int, real: str) -> Outside:
        """Let a port of a virtual host lead to a real server, such as "127.0.0.1:2525".

        Raises LabError when the server is not on loopback, or the port is in use.
        """
        outside = Outside(host, port, *real_server(real))
        self.call(self._serve_outside(self.seat(host), outside))
        self.outsides.append(outside)
        return outside

    # How they are opened --------------------------------------------------------------

    def _usual_doors(self) -> Iterable[tuple[Door, int]]:
        """One for each port of each server, and the port number that we wish."""
        for index, (name, server) in enumerate(self.world.servers.items()):
            roles = self.world.scenario.hosts[name].serves
            for port in (port for role in roles for port in PORTS[role]):
                if port.number in server.host.tcp_ports:
                    wish = FIRST_PORT + index * PORTS_PER_SERVER + port.number
                    yield Door(name, port.number, real_host=self.listen), wish
        for index, name in enumerate(self.world.name_servers):
            wish = FIRST_PORT + index * PORTS_PER_SERVER + DNS_PORT
            yield Door(name, DNS_PORT, real_host=self.listen), wish

    def _candidates(self, wish: int) -> list[int]:
        return [wish, 0] if self._preferred and wish < 65536 else [0]

    def _add_door(self, door: Door, wishes: Iterable[int]) -> Door:
        seat, visits, port = self.seat(door.seat), self.visits, door.port
        there = self.call(find_target(self.world, seat, door.host, port))
        if port == DNS_PORT:
            number = self._listen_both(seat, there, wishes)
        else:
            number = self._listen(
                lambda: DoorVisit(seat, visits, (there, port)), wishes
            )
        opened = Door(door.host, door.port, number, door.real_host, door.seat)
        self.doors.append(opened)
        return opened

    def _listen_both(self, seat: Host, there: str, wishes: Iterable[int]) -> int:
        """Open one real port for UDP and TCP; return its number."""
        try:
            door = self.call(
                open_dns_door(seat, self.visits, there, self.listen, wishes)
            )
        except (OSError, OverflowError) as error:
            raise self._cannot_listen(wishes, error) from None
        self._servers.append(door)
        return door.number

    def _listen(
        self, factory: Callable[[], asyncio.BaseProtocol], wishes: Iterable[int]
    ) -> int:
        """Open one real port, the first of `wishes` that is free; return its number."""
        failure: Exception = OSError("no port was wished for")
        for number in wishes:
            try:
                return self.call(self._listen_at(factory, number))
            except (OSError, OverflowError) as error:
                failure = error
        raise self._cannot_listen(wishes, failure)

    def _cannot_listen(self, wishes: Iterable[int], error: Exception) -> LabError:
        text = ", ".join(str(number) for number in wishes if number) or "any port"
        return LabError(f"cannot listen on {self.listen}, {text}: {why_not(error)}")

    async def _listen_at(
        self, factory: Callable[[], asyncio.BaseProtocol], number: int
    ) -> int:
        server = await self.loop.real_create_server(
            factory, self.listen, number, reuse_address=True
        )
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def _serve_outside(self, host: Host, outside: Outside) -> None:
        real, visits = (outside.real_host, outside.real_port), self.visits

        def go_out() -> OutsideVisit:
            return OutsideVisit(host, visits, real)

        async def bind() -> Any:
            return await self.loop.create_server(go_out, None, outside.port)

        try:
            server = await host.spawn(bind())
        except OSError:
            raise LabError(
                f"port {outside.port} of {host.name} is open already: take another "
                f"port, or a host that serves nothing there"
            ) from None
        self._servers.append(server)

    async def _close_doors(self) -> None:
        await close_servers(self.loop, self._servers)
        self._servers.clear()
        for visit in list(self.visits):
            visit.transport.abort()
        while self.visits:
            await asyncio.sleep(0)


async def find_target(world: World, seat: Host, host: str, port: int) -> str:
    """The address, or the name, that leads from a seat to a host. Raises LabError.

    A host behind a NAT is reached, if at all, by what the DNS says of it.
    """
    own = world.hosts[host].addresses if host in world.hosts else ()
    for address in filter(seat.address_for, own):
        flow = trial_flow(seat, "tcp", address, port)
        if world.network.probe(seat, flow).fate != "no host":
            return address
    with suppress(ValueError):
        return str(ipaddress.ip_address(host))
    found: list[str] = []
    with suppress(OSError):
        found = await seat.spawn(find_addresses(seat, host))
    if found:
        return found[0] if port == DNS_PORT else host
    return own[0] if own else world.host(host).addresses[0]


def why_not(error: Exception) -> str:
    """Why a real port could not be opened, and what to do."""
    code = error.errno if isinstance(error, OSError) else None
    match code:
        case errno.EADDRINUSE:
            return "it is in use; 0 takes a free one"
        case errno.EADDRNOTAVAIL:
            return "this computer has no such address"
        case None if isinstance(error, OSError):  # asyncio of Python 3.13 says no more
            return "this computer has no such address"
        case None:
            return str(error)
        case _:
            return os.strerror(code).lower()
