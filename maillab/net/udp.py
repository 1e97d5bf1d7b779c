"""UDP between virtual hosts (RFC 768).

Goes in: datagrams. Comes out: the same datagrams, one latency later, or an ICMP port
unreachable for a connected socket, as Linux reports it.
"""

import asyncio
import errno
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from maillab.net.network import icmp_error, os_error
from maillab.net.path import Address, FiveTuple, Path

if TYPE_CHECKING:
    from maillab.net.host import Host


HEADERS = 28  # octets of IPv4 and UDP
NEVER = -1  # the latency of what is lost on its way
MANY = 4096  # clients whose choice of address is remembered


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
        self._asked_at: dict[Address, str] = {}  # who asked which of our addresses
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
        local = self._asked_at.get(target) or host.address_for(target[0])
        if not local:  # no address of this IP version
            self._protocol.error_received(os_error(errno.ENETUNREACH))
            return
        flow = FiveTuple("udp", (local, self.port), target)
        path = host.network.path(host, flow)
        transit = host.network.transit(path, bytes(data), len(data) + HEADERS)
        arrives = path.node if transit.arrives and path.fate == "delivered" else None
        facts: dict[str, Any] = {"points": path.facts, "lost_at": transit.lost_at}
        host.emit(
            "datagram",
            src=flow.src,
            dst=target,
            data=bytes(data),
            latency=round(transit.latency * 1e9),
            to_host=arrives.name if arrives else "",
            **(facts if path.points else {}),
        )
        if arrives is not None:
            later = host.loop.call_later
            later(transit.latency, self._arrive, arrives, transit.data, path)
        elif path.fate in ("refused", "prohibited") and path.node is not None:
            host.loop.call_later(transit.latency, self._answer, path, transit.data)

    def _connected_to(self) -> Address:
        if self.remote is None:
            raise os_error(errno.EDESTADDRREQ)
        return self.remote

    def _arrive(self, node: "Host", data: bytes, path: Path) -> None:
        """At the other host: into the port, or back as ICMP port unreachable."""
        if not node.up:  # switched off while this was under way
            return
        flow = path.arrives
        endpoint = node.udp_ports.get(flow.dst[1])
        if endpoint is not None:
            endpoint.receive(data, flow.src, flow.dst[0])
            return
        back = node.network.path(node, flow.reply)
        transit = node.network.transit(back, size=HEADERS)
        arrives = transit.arrives and back.answers(path)
        latency = transit.latency if arrives else NEVER
        facts = {} if arrives else {"lost_at": transit.lost_at}
        self._tell_icmp("port_unreachable", back, flow, data, latency, **facts)
        if arrives:
            error = os_error(errno.ECONNREFUSED)
            node.loop.call_later(
                transit.latency, self._refused, error, context=self._context
            )

    def _answer(self, path: Path, data: bytes) -> None:
        """A firewall on the way answers by ICMP."""
        node = path.node
        assert node is not None, "somebody answers"
        port = path.fate == "refused"
        back = replace(path, source=node, points=(), latency=path.latency)
        kind = "port_unreachable" if port else "prohibited"
        router = node.address_for(path.sent.src[0])
        latency = path.latency
        self._tell_icmp(kind, back, path.arrives, data, latency, router=router)
        error = icmp_error(path)
        node.loop.call_later(path.latency, self._refused, error, context=self._context)

    def _tell_icmp(
        self,
        kind: str,
        back: Path,
        flow: FiveTuple,
        data: bytes,
        latency: float,
        **facts: Any,
    ) -> None:
        """`router`: the address of the gateway that answers in place of the host."""
        told: dict[str, Any] = {"points": back.facts} if back.points else {}
        told |= {"src": flow.src, "dst": flow.dst, "data": data}
        took = NEVER if latency == NEVER else round(latency * 1e9)
        back.source.emit(kind, latency=took, **told, **facts)

    def receive(self, data: bytes, source: Address, local: str = "") -> None:
        """A datagram arrived. A connected socket takes those of its peer only.

        An answer to it will come from the address that was asked.
        """
        if self._closed or (self.remote is not None and source != self.remote):
            return
        if self.remote is None and len(self.host.addresses) > 1:
            if len(self._asked_at) >= MANY:
                self._asked_at.clear()
            self._asked_at[source] = local
        self._context.run(self._protocol.datagram_received, data, source)

    def _refused(self, error: OSError) -> None:
        if not self._closed and self.remote is not None:
            self._protocol.error_received(error)

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
