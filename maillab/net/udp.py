"""UDP between virtual hosts (RFC 768).

Goes in: datagrams. Comes out: the same datagrams, one latency later, or an ICMP port
unreachable for a connected socket, as Linux reports it.
"""

import asyncio
import errno
from typing import TYPE_CHECKING, Any

from maillab.net.network import Address, os_error

if TYPE_CHECKING:
    from maillab.net.host import Host


class DatagramEndpoint(asyncio.DatagramTransport):
    """An open UDP port, as the transport that asyncio protocols expect."""

    def __init__(
        self,
        host: "Host",
        protocol: asyncio.DatagramProtocol,
        port: int,
        remote: Address | None,
    ) -> None:
        super().__init__()
        if port in host.udp_ports:
            raise os_error(errno.EADDRINUSE)
        self.host = host
        self.port = port
        self.remote = remote
        self._protocol = protocol
        self._context = host.fork_context()
        self._closed = False
        host.udp_ports[port] = self

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`sockname`, `peername`."""
        local = (self.host.addresses[0], self.port)
        return {"sockname": local, "peername": self.remote}.get(name, default)

    def is_closing(self) -> bool:
        """It is closed."""
        return self._closed

    def sendto(
        self,
        data: bytes | bytearray | memoryview,
        addr: Any = None,
    ) -> None:
        """Send one datagram."""
        target: Address = tuple(addr[:2]) if addr else self._connected_to()
        host = self.host
        source = (host.address_for(target[0]), self.port)
        if not source[0]:  # no address of this IP version
            self._protocol.error_received(os_error(errno.ENETUNREACH))
            return
        route = host.network.route(host, target[0])
        arrives = route.node if route.fate == "delivered" else None
        host.emit(
            "datagram",
            src=source,
            dst=target,
            data=bytes(data),
            latency=round(route.latency * 1e9),
            to_host=arrives.name if arrives else "",
        )
        if arrives is not None:
            host.loop.call_later(
                route.latency, self._arrive, arrives, bytes(data), source, target
            )

    def _connected_to(self) -> Address:
        if self.remote is None:
            raise os_error(errno.EDESTADDRREQ)
        return self.remote

    def _arrive(
        self, node: "Host", data: bytes, source: Address, target: Address
    ) -> None:
        """At the other host: into the port, or back as ICMP port unreachable."""
        endpoint = node.udp_ports.get(target[1])
        if endpoint is not None:
            endpoint.receive(data, source)
            return
        latency = node.network.route(node, source[0]).latency
        node.emit(
            "port_unreachable",
            src=source,
            dst=target,
            data=data,
            latency=round(latency * 1e9),
        )
        node.loop.call_later(latency, self._refused, context=self._context)

    def receive(self, data: bytes, source: Address) -> None:
        """A datagram arrived. A connected socket takes those of its peer only."""
        if self._closed or (self.remote is not None and source != self.remote):
            return
        self._context.run(self._protocol.datagram_received, data, source)

    def _refused(self) -> None:
        if not self._closed and self.remote is not None:
            self._protocol.error_received(os_error(errno.ECONNREFUSED))

    def close(self) -> None:
        """Close the port."""
        if not self._closed:
            self._closed = True
            self.host.udp_ports.pop(self.port, None)
            self.host.loop.call_soon(
                self._protocol.connection_lost, None, context=self._context
            )

    def abort(self) -> None:
        """Close the port."""
        self.close()
