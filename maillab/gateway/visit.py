"""A real client comes in through a door: dial the virtual server for it.

Goes in: a real connection, and the virtual host (the *seat*) on which its client sits.
Comes out: a virtual connection from the seat, joined to the real one.

Rule 1: the real connection is open before the virtual one is dialled, so what dialling
        ends with (refused, unreachable, timed out) reaches the client as a reset.
Rule 2: whoever goes away while we dial is not dialled for any longer.
"""

import asyncio
import errno
import os
from typing import Any

from maillab.gateway.pump import Pump, reset
from maillab.net.host import EPHEMERAL_PORTS, Host
from maillab.net.path import FiveTuple
from maillab.net.sockets import find_addresses

GONE = 3.0  # seconds after which a client that has hung up waits for nothing more

Visits = dict[Pump, None]  # who is inside, oldest first


class Visit(Pump):
    """The real end of a visit."""

    def __init__(self, seat: Host, visits: Visits) -> None:
        super().__init__()
        self.seat = seat
        self._visits = visits
        self._dialling: asyncio.Task[Any] | None = None

    def dial(self, host: str, port: int) -> None:
        """Begin to connect from the seat."""
        self._dialling = self.seat.spawn(self._dial(host, port), "a real client")

    def connected(self, far: Pump) -> None:
        """The virtual server has answered."""
        self.link(far)

    def failed(self, error: OSError) -> None:
        """Nobody has answered, or somebody refused."""
        del error  # a reset is all that a program without a proxy can be told
        reset(self.transport)

    # asyncio.Protocol -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is at the door."""
        super().connection_made(transport)
        self._visits[self] = None

    def eof_received(self) -> bool:
        """Somebody hung up, or has said all; while we dial, nobody can tell which.

        Scripts end their side as soon as they have spoken, so they get a little time.
        """
        if self._dialling is not None and self._other is None:
            self.seat.loop.call_later(GONE, self._give_up)
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Somebody has left."""
        super().connection_lost(exc)
        self._give_up()
        self._visits.pop(self, None)

    # Dialling -------------------------------------------------------------------------

    def _give_up(self) -> None:
        if self._dialling is not None and self._other is None:
            self._dialling.cancel()

    async def _dial(self, host: str, port: int) -> None:
        try:
            far = await connect(self.seat, host, port)
        except asyncio.CancelledError:
            if self.transport is not None:
                self.transport.abort()
            raise
        except OSError as error:
            if self.transport is not None:
                self.failed(error)
            return
        if self.transport is None:  # gone in this very moment
            far.transport.close()
        else:
            self.connected(far)


async def connect(seat: Host, host: str, port: int) -> Pump:
    """A virtual connection from `seat`, to an address or to a name.

    Raises what a real one raises, and PermissionError where a firewall has said that
    it is prohibited, which programs on a real computer cannot tell from "no route".
    """
    try:
        _, far = await seat.loop.create_connection(Pump, host, port)
    except OSError as error:
        if error.errno == errno.EHOSTUNREACH and await is_prohibited(seat, host, port):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from error
        raise
    return far


async def is_prohibited(seat: Host, host: str, port: int) -> bool:
    """A firewall on the way answers that it lets nobody through."""
    for address in await find_addresses(seat, host):
        flow = trial_flow(seat, "tcp", address, port)
        if seat.network.probe(seat, flow).fate == "prohibited":
            return True
    return False


def trial_flow(seat: Host, protocol: str, address: str, port: int) -> FiveTuple:
    """A connection that nobody has opened, to ask the network what would become of it.

    It has a port of its own: a NAT does not translate what has none.
    """
    source = (seat.address_for(address), EPHEMERAL_PORTS[-1])
    return FiveTuple(protocol, source, (address, port))


class DoorVisit(Visit):
    """A visit through a door that leads to one port."""

    def __init__(self, seat: Host, visits: Visits, target: tuple[str, int]) -> None:
        super().__init__(seat, visits)
        self._target = target

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is at the door: dial at once."""
        super().connection_made(transport)
        self.dial(*self._target)


class OutsideVisit(Pump):
    """The virtual end of a visit the other way: a real server on loopback is dialled.

    A server that is not there resets the virtual client, which was accepted before.
    """

    def __init__(self, host: Host, visits: Visits, real: tuple[str, int]) -> None:
        super().__init__()
        self._host = host
        self._visits = visits
        self._real = real

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody in the world is at the port."""
        super().connection_made(transport)
        self._visits[self] = None
        self._host.spawn(self._dial(), "a real server")

    def connection_lost(self, exc: Exception | None) -> None:
        """Somebody has left."""
        super().connection_lost(exc)
        self._visits.pop(self, None)

    async def _dial(self) -> None:
        try:
            _, far = await self._host.loop.real_create_connection(Pump, *self._real)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            address, port = self._real
            text = f"the real server at {address}:{port} is not there: {reason}"
            if self.transport is not None:
                connection = self.transport.get_extra_info("connection")
                self._host.emit("note", connection, text=text)
                reset(self.transport)
            return
        if self.transport is None:
            far.transport.close()
        else:
            self.link(far)
