"""A door for DNS: one real port, UDP and TCP, leads to port 53 of a virtual host.

Goes in: questions of real programs (`dig -p PORT @127.0.0.1`). Comes out: the same
datagrams and connections, sent from the seat; and back, what is answered.

Rule: both protocols have one port number, for that is what programs ask for.
"""

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from maillab.dns.server import PORT
from maillab.gateway.datagrams import DatagramDoor
from maillab.gateway.visit import DoorVisit, Visits
from maillab.net.host import Host

TRIES = 20  # ports that the system may choose of which only one half is free


@dataclass(frozen=True, slots=True)
class DnsDoor:
    """An open door. `close()` closes both halves."""

    number: int  # the real port
    udp: asyncio.DatagramTransport
    tcp: asyncio.Server

    @property
    def sockets(self) -> tuple[Any, ...]:
        """Those that accept connections."""
        return tuple(self.tcp.sockets)

    def close(self) -> None:
        """Close both halves."""
        self.udp.close()
        self.tcp.close()


async def open_dns_door(
    seat: Host, visits: Visits, address: str, listen: str, wishes: Iterable[int]
) -> DnsDoor:
    """Let a real port lead from `seat` to port 53 of the virtual `address`.

    `listen` is the real address; of the port numbers in `wishes` (0: any) the first
    that is free is taken. Raises OSError when none is.
    """
    udp, tcp = bind_pair(listen, wishes)
    loop, target = seat.loop, (address, PORT)
    transport, _ = await asyncio.SelectorEventLoop.create_datagram_endpoint(
        loop, lambda: DatagramDoor(seat, target), sock=udp
    )
    server = await loop.real_create_server(
        lambda: DoorVisit(seat, visits, target), sock=tcp
    )
    return DnsDoor(int(tcp.getsockname()[1]), transport, server)


def bind_pair(
    listen: str, wishes: Iterable[int]
) -> tuple[socket.socket, socket.socket]:
    """A UDP and a TCP socket at one port. Raises OSError."""
    failure = OSError("no port was wished for")
    for wish in wishes:
        for _ in range(1 if wish else TRIES):
            try:
                return bind_both(listen, wish)
            except OSError as error:
                failure = error
    raise failure


def bind_both(listen: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Both at this port, or at one that the system chooses. Raises OSError."""
    family = socket.AF_INET6 if ":" in listen else socket.AF_INET
    tcp = socket.socket(family, socket.SOCK_STREAM)
    udp = socket.socket(family, socket.SOCK_DGRAM)
    try:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind((listen, port))
        udp.bind((listen, tcp.getsockname()[1]))
    except OSError:
        tcp.close()
        udp.close()
        raise
    return udp, tcp
