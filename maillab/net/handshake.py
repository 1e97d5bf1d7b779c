"""How a TCP connection begins: listening ports, and SYN until somebody answers.

Rule: Linux's times. SYN at 0, 1, 3, 7, 15, 31 and 63 s, then ETIMEDOUT at 127 s; a
closed port refuses after one round trip; an address that nobody has is reported after
3 s. A SYN that comes again because the SYN-ACK was lost is answered again (the
server's own timer for this is left out).
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from maillab.net.here import reason
from maillab.net.network import icmp_error, os_error
from maillab.net.path import Address, FiveTuple, Path, PointFacts, Transit
from maillab.net.tcp import Endpoint

if TYPE_CHECKING:
    from maillab.net.host import Host

Factory = Callable[[], asyncio.BaseProtocol]

SYN_WAITS = (1, 2, 4, 8, 16, 32, 64)  # seconds after each SYN
NO_HOST_WAIT = 3.0  # seconds until a router gives up asking for a neighbour
SYN_SIZE = 60  # octets: IPv4, TCP, its options


class TCPServer(asyncio.AbstractServer):
    """An open port: what `loop.create_server` returns on a virtual host."""

    def __init__(self, host: "Host", port: int, factory: Factory) -> None:
        if port in host.tcp_ports:
            raise os_error(errno.EADDRINUSE)
        self.host = host
        self.port = port
        self._factory = factory
        host.tcp_ports[port] = self
        host.network.changed()

    def accept(self, endpoint: Endpoint) -> None:
        """The third step of the handshake arrived: give the connection away."""
        if self.host.tcp_ports.get(self.port) is self:
            endpoint.start(self._factory())
        else:
            endpoint.reset()

    def close(self) -> None:
        """Accept no more connections; those that are open stay open."""
        if self.host.tcp_ports.get(self.port) is self:
            del self.host.tcp_ports[self.port]
            self.host.network.changed()

    def is_serving(self) -> bool:
        """The port is open."""
        return self.host.tcp_ports.get(self.port) is self

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The world's loop."""
        return self.host.loop

    @property
    def sockets(self) -> tuple[()]:
        """There are none: this server is virtual."""
        return ()

    async def start_serving(self) -> None:
        """It already does."""

    async def serve_forever(self) -> None:
        """Wait until cancelled."""
        try:
            await self.host.loop.create_future()
        finally:
            self.close()

    async def wait_closed(self) -> None:
        """Nothing to wait for."""


class Dial:
    """One attempt to connect: the SYNs of one client port, and what comes back."""

    def __init__(self, host: "Host", target: Address, name: str = "") -> None:
        local = host.address_for(target[0])
        if not local:  # no address of this IP version: connect() fails at once
            raise os_error(errno.ENETUNREACH)
        self.host = host
        self.target = target
        self.id = host.network.new_connection_id()
        self.source = (local, host.free_port())
        self._flow = FiveTuple("tcp", self.source, target)
        self._answer: asyncio.Future[Endpoint] = host.loop.create_future()
        self._points: dict[str, tuple[PointFacts, ...]] = {"C": (), "S": ()}
        self._theirs: Endpoint | None = None  # the server's end, once it has our SYN
        self._answers = 0  # SYN-ACKs sent
        self._ways: dict[str, Path] = {}  # of the last SYN and the last SYN-ACK
        event = reason.get()
        why = {"cause": (event,)} if event else {}
        self.emit(host, "connect", src=self.source, dst=target, to=name, **why)

    def emit(self, host: "Host", kind: str, **facts: Any) -> None:
        """Tell the observer, as `host`."""
        host.network.emit(kind, host.name, self.id, **facts)

    async def connect(self, factory: Factory) -> Endpoint:
        """Send SYNs until there is an answer; give the connection to `factory()`."""
        self.host.busy_ports.add(self.source[1])
        try:
            await self._knock()
            endpoint = self._answer.result()
        except BaseException:
            self.host.busy_ports.discard(self.source[1])
            self._forget_answer()
            raise
        endpoint.start(factory())
        return endpoint

    def _forget_answer(self) -> None:
        """Nobody wants it any more; it may have come in this very moment."""
        answer = self._answer
        if not answer.cancel() and not answer.cancelled() and not answer.exception():
            answer.result().abort()

    async def _knock(self) -> None:
        """A SYN, a longer and longer wait, and again. Raises TimeoutError."""
        for attempt, wait in enumerate(SYN_WAITS):
            if attempt:
                self.emit(self.host, "syn", attempt=attempt)
            told = self._send_syn()  # that nobody is there, by its router
            if await self._is_answered(None if told else wait):
                return
        error = os_error(errno.ETIMEDOUT)
        self.emit(self.host, "timed_out", reason=str(error.strerror), by="")
        raise error

    async def _is_answered(self, within: float | None) -> bool:
        """Wait. What `asyncio.wait` does, which takes three times as long."""
        if self._answer.done():
            return True
        loop, news = self.host.loop, self.host.loop.create_future()

        def wake(_: object = None) -> None:
            if not news.done():
                news.set_result(None)

        timer = None if within is None else loop.call_later(within, wake)
        self._answer.add_done_callback(wake)
        try:
            await news
        finally:
            self._answer.remove_done_callback(wake)
            if timer is not None:
                timer.cancel()
        return self._answer.done()

    def _send_syn(self) -> bool:
        """Returns whether a router will tell that nobody has the address."""
        network = self.host.network
        path = self._find_way()
        transit = network.transit(path, size=SYN_SIZE, connection=self.id)
        self._tell_way("C", path)
        if not transit.arrives:
            if path.points or path.effects:
                self.emit(self.host, "syn_fate", latency=-1, lost_at=transit.lost_at)
            return False
        if path.points and path.fate != "no host":
            latency = round(transit.latency * 1e9)
            self.emit(self.host, "syn_fate", latency=latency, lost_at="")
        self._at(transit.latency, self._syn_ends, path, transit)
        return path.fate == "no host"

    def _find_way(self) -> Path:
        """The way of a SYN. Most SYNs go to dead hosts, on the way of the one before.

        Where rules are on the way, each SYN of a new flow has to ask them anew.
        """
        network, way = self.host.network, self._ways.get("C")
        if way is None or not way.is_plain:
            return network.path(self.host, self._flow)
        stale = way.is_stale(network.version, network.loop.time())
        return network.path(self.host, self._flow) if stale else way

    def _tell_way(self, side: str, path: Path) -> None:
        """Tell the observer which way the packets of a side take, when it is new."""
        self._ways[side] = path
        facts = path.facts
        if facts != self._points[side]:
            self._points[side] = facts
            self.emit(self.host, "path", side=side, points=facts)

    def _at(self, after: float, act: Callable[..., None], *args: Any) -> None:
        loop = self.host.loop
        loop.call_at(loop.time() + after, act, *args, context=self.host.fork_context())

    # Where a SYN ends -----------------------------------------------------------------

    def _syn_ends(self, path: Path, transit: Transit) -> None:
        if self._answer.done():
            return
        node = path.node
        match path.fate:
            case "no host":
                wait = NO_HOST_WAIT - transit.latency
                self._at(max(wait, transit.latency), self._unreachable, path, "host")
            case "prohibited":
                self._at(transit.latency, self._unreachable, path, "prohibited")
            case "refused":
                self._at(transit.latency, self._refused, node, transit.latency)
            case _:
                assert node is not None, "somebody is there"
                self._arrives(node, path, transit)

    def _unreachable(self, path: Path, code: str) -> None:
        """ICMP has come back."""
        router = path.node.address_for(path.arrives.src[0]) if path.node else ""
        self._fail(
            icmp_error(path),
            "unreachable",
            by=path.node.name if path.node else "",
            **({"router": router, "code": code} if path.node else {}),
            **self._answer_facts(path),
        )

    def _answer_facts(self, path: Path) -> dict[str, int]:
        """How long the answer travelled; only told where there is a way to show."""
        return {"latency": round(path.latency * 1e9)} if path.points else {}

    def _refused(self, node: "Host", latency: float) -> None:
        """A RST has come back."""
        facts = {"latency": round(latency * 1e9)} if self._points["C"] else {}
        self._fail(os_error(errno.ECONNREFUSED), "refused", by=node.name, **facts)

    def _fail(self, error: OSError, kind: str, **facts: Any) -> None:
        if not self._answer.done():
            self.emit(self.host, kind, reason=str(error.strerror), **facts)
            self._answer.set_exception(error)

    # The SYN has arrived --------------------------------------------------------------

    def _arrives(self, node: "Host", path: Path, transit: Transit) -> None:
        """At a host: SYN-ACK, or RST when the port is closed."""
        tarpit = path.fate == "tarpit"
        server = None if tarpit else node.tcp_ports.get(path.arrives.dst[1])
        if tarpit:  # the answer is forged where the SYN was caught
            back = path.backwards()
        else:
            back = node.network.path(node, path.arrives.reply)
        answer = node.network.transit(back, size=SYN_SIZE, connection=self.id)
        reached = answer.arrives and back.answers(path)  # else a RST answers it
        if server is None and not tarpit:
            if reached:
                self._at(answer.latency, self._refused, node, answer.latency)
            return
        self._tell_accept(node, path, transit, "" if reached else answer.lost_at)
        self._tell_way("S", back)
        if reached:
            self._at(answer.latency, self._established, node, server, path)

    def _tell_accept(
        self, node: "Host", path: Path, transit: Transit, lost_at: str
    ) -> None:
        """The SYN-ACK leaves, for the first time or once more."""
        facts: dict[str, Any] = {"latency": round(transit.latency * 1e9)}
        if path.points:
            facts |= {"src": path.arrives.src, "dst": path.arrives.dst}
        if lost_at:
            facts["lost_at"] = lost_at
        if self._answers:
            facts = {"attempt": self._answers, "lost_at": lost_at}
        self.emit(node, "synack" if self._answers else "accept", **facts)
        self._answers += 1

    def _established(self, node: "Host", server: TCPServer | None, path: Path) -> None:
        """The SYN-ACK has come back."""
        if self._answer.done():
            return
        self.emit(self.host, "established")
        arrived = path.arrives
        ours = Endpoint(self.host, "C", self.id, self.source, self.target)
        theirs = Endpoint(node, "S", self.id, arrived.dst, arrived.src)
        ours.join(theirs)
        ours.sender.knows_way(self._ways["C"], self._points["C"])
        theirs.sender.knows_way(self._ways["S"], self._points["S"])
        loop = self.host.loop
        if server is None:
            theirs.hold()  # a tarpit: no window, for ever
        else:  # when the ACK that completes the handshake arrives
            arrival = loop.time() + path.latency
            loop.call_at(arrival, server.accept, theirs, context=node.fork_context())
        self._answer.set_result(ours)


def look_up_error(name: str) -> socket.gaierror:
    """What getaddrinfo raises for a name that has no address."""
    return socket.gaierror(socket.EAI_NONAME, f"Name or service not known: {name}")
