"""The wiring of a world: which host has which address, and how far it is.

Goes in: hosts with addresses and latencies. Comes out: for each packet a `Route`, and
for each thing that happens one call to the observer.

One flat network so far: every host hangs on the core by a line of its own latency.
Gateways, NAT and rules will decide in `Network.route`, the one place that all packets
pass.
"""

import errno
import ipaddress
import os
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from maillab.errors import LabError

if TYPE_CHECKING:
    from maillab.net.host import Host
    from maillab.net.sockets import WorldLoop
    from maillab.net.tcp import Endpoint

Address = tuple[str, int]  # IP address and port

# observer(kind, host name, connection id, time in ns, **facts)
Observer = Callable[..., None]

LOOPBACK_LATENCY = 0.000_01  # seconds
EPOCH = datetime(2026, 1, 5, 9, tzinfo=UTC)  # a Monday morning


def os_error(number: int) -> OSError:
    """The exception that a real socket raises, without the errno of this machine."""
    return OSError(number, os.strerror(number))


@dataclass(frozen=True, slots=True)
class Route:
    """What happens to a packet: where it ends, after how long.

    `latency` is one way, in seconds. fate: "delivered"; "lost" (nobody will ever say);
    "no host" (a router answers that nobody has this address).
    """

    node: "Host | None"
    latency: float
    fate: Literal["delivered", "lost", "no host"]


class Network:
    """One virtual internet."""

    def __init__(
        self, loop: "WorldLoop", *, seed: str = "0", epoch: datetime = EPOCH
    ) -> None:
        self.loop = loop
        self.seed = seed
        self.epoch = epoch
        self.hosts: dict[str, Host] = {}
        self.observer: Observer | None = None
        self.endpoints: dict[Endpoint, None] = {}  # open connections, oldest first
        self._by_address: dict[str, Host] = {}
        self._connections = 0
        loop.who_waits = self.who_waits
        loop.set_exception_handler(self._on_failure)

    def attach(self, host: "Host") -> None:
        """Plug a host in. Raises LabError when a name or an address is taken."""
        if host.name in self.hosts:
            raise LabError(f"two hosts are called {host.name}: give each its own name")
        for address in host.addresses:
            other = self._by_address.get(address)
            if other is not None:
                raise LabError(
                    f"{host.name} and {other.name} both have the address {address}: "
                    f"give one of them another address"
                )
            self._by_address[address] = host
        self.hosts[host.name] = host

    def route(self, source: "Host", destination: str) -> Route:
        """Where a packet from `source` to the IP address `destination` ends."""
        if is_loopback(destination) or destination in source.addresses:
            return Route(source, LOOPBACK_LATENCY, "delivered")
        node = self._by_address.get(destination)
        if node is None:
            return Route(None, source.latency, "no host")
        up = source.up and node.up
        return Route(node, source.latency + node.latency, "delivered" if up else "lost")

    # What happens ---------------------------------------------------------------------

    def emit(self, kind: str, host: str, connection: str, **facts: Any) -> None:
        """Tell the observer, with the time in nanoseconds."""
        if self.observer is not None:
            now = round(self.loop.time() * 1e9)
            self.observer(kind, host, connection, now, **facts)

    def new_connection_id(self) -> str:
        """`c1`, `c2`, … in the order of the SYNs."""
        self._connections += 1
        return f"c{self._connections}"

    def who_waits(self) -> Sequence[str]:
        """Who waits for what on which connection, for error messages."""
        return [text for endpoint in self.endpoints if (text := endpoint.waits_for())]

    def _on_failure(self, loop: object, context: dict[str, Any]) -> None:
        """A callback failed.

        What asyncio says of forgotten tasks depends on the garbage collector, so it is
        left out: agents report their own failures.
        """
        message = str(context.get("message", ""))
        if "never retrieved" in message:
            return
        error = context.get("exception")
        text = f"{message}: {error!r}" if error else message
        self.emit("failure", "", "", error=text, traceback=trace_of(error))

    @property
    def goodbyes(self) -> bool:
        """Some connection has ended on one side and not yet on the other."""
        return any(endpoint.peer.gone for endpoint in self.endpoints)

    def now(self) -> datetime:
        """The date and time in this world (UTC)."""
        return self.epoch + timedelta(seconds=self.loop.time())

    # The end --------------------------------------------------------------------------

    def close(self) -> None:
        """Stop everything: connections, one second for goodbyes, listeners, tasks.

        Afterwards no task of this world is left and its loop is closed.
        """
        loop = self.loop
        if loop.is_closed():
            return
        for endpoint in list(self.endpoints):
            endpoint.abort()
        if not loop.live:
            loop.run_until_time(loop.time() + 1.0)
        for host in self.hosts.values():
            host.close()
        loop.cancel_all_tasks()
        loop.close()


def trace_of(error: BaseException | None) -> str:
    """The traceback of an exception, for the trace."""
    return "".join(traceback.format_exception(error)) if error else ""


def reason_of(error: Exception | None) -> str:
    """One or two words for the trace."""
    match error:
        case None:
            return ""
        case ConnectionResetError():
            return "reset"
        case TimeoutError():
            return "timed out"
        case ConnectionAbortedError():
            return "aborted"
        case _:
            return type(error).__name__


def is_loopback(address: str) -> bool:
    """127.0.0.0/8 or ::1."""
    return address.startswith("127.") or address == "::1"


def checked_address(text: str) -> str:
    """The canonical form of an IP address. Raises LabError."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise LabError(
            f"{text!r} is not an IP address: write one such as 192.0.2.25 or "
            f"2001:db8::25"
        ) from None


def no_route() -> OSError:
    """What connect() raises when a router says that nobody is there."""
    return os_error(errno.EHOSTUNREACH)
