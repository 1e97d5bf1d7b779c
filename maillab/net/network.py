"""The wiring of a world: networks, gateways, hosts, and how packets get through.

Goes in: hosts with addresses and latencies. Comes out: for each flow a `Path`, for each
packet a `Transit`, and for each thing that happens one call to the observer.

Rule: `version` rises whenever rules, addresses or power change; a path of an older
version must be walked again.
"""

import errno
import ipaddress
import os
import random
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from maillab.errors import LabError
from maillab.net.effects import HEADERS
from maillab.net.path import FiveTuple, InFlight, Memory, Path, Step, Transit
from maillab.net.subnet import INTERNET, Subnet
from maillab.net.walk import Walk

if TYPE_CHECKING:
    from maillab.net.ca import LabCA
    from maillab.net.host import Host
    from maillab.net.sockets import WorldLoop
    from maillab.net.tcp import Endpoint

# observer(kind, host name, connection id, time in ns, **facts) -> number of the event
Observer = Callable[..., int | None]

LOOPBACK_LATENCY = 0.000_01  # seconds
EPOCH = datetime(2026, 1, 5, 9, tzinfo=UTC)  # a Monday morning


def os_error(number: int) -> OSError:
    """The exception that a real socket raises, without the errno of this machine."""
    return OSError(number, os.strerror(number))


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
        self.ca: LabCA | None = None  # whom clients here trust unless told otherwise
        self.endpoints: dict[Endpoint, None] = {}  # open connections, oldest first
        self.version = 0
        self.internet = Subnet(INTERNET)
        self.subnets = {INTERNET: self.internet}
        self._chance = self.random("packets")
        self._connections = 0
        loop.who_waits = self.who_waits
        loop.set_exception_handler(self._on_failure)

    def attach(self, host: "Host") -> None:
        """Plug a host in. Raises LabError when a name or an address is taken."""
        if host.name in self.hosts:
            raise LabError(f"two hosts are called {host.name}: give each its own name")
        for address in host.addresses:
            host.subnet_of(address).attach(host, address)
        self.hosts[host.name] = host
        self.changed()

    def add_subnet(self, subnet: Subnet) -> Subnet:
        """Lay one more network. Raises LabError when the name is taken."""
        if subnet.name in self.subnets:
            raise LabError(f"two networks are called {subnet.name}")
        self.subnets[subnet.name] = subnet
        return subnet

    def random(self, use: str) -> random.Random:
        """A generator that depends on the world's seed and `use` only."""
        return random.Random(f"{self.seed}:network:{use}")

    # Packets --------------------------------------------------------------------------

    def changed(self) -> None:
        """Rules, addresses or power have changed: paths must be walked again."""
        self.version += 1

    def path(self, source: "Host", flow: FiveTuple) -> Path:
        """The way of a flow that begins now, or of its answers."""
        if is_loopback(flow.dst[0]) or flow.dst[0] in source.addresses:
            return local_path(self.version, source, flow)
        return Walk(self, source, flow).go()

    def probe(self, source: "Host", flow: FiveTuple) -> Path:
        """The way that a flow would take. Nothing is counted, nobody remembers it."""
        if is_loopback(flow.dst[0]) or flow.dst[0] in source.addresses:
            return local_path(self.version, source, flow)
        return Walk(self, source, flow, probe=True).go()

    def probe_answer(self, path: Path) -> Path:
        """The way of the answers to a flow that was probed and would arrive."""
        assert path.node is not None, "it arrives somewhere"
        for memory in path.unsaved:
            memory.place.conntrack.add(memory.entry)
        back = self.probe(path.node, path.arrives.reply)
        for memory in path.unsaved:
            memory.place.conntrack.forget(memory.entry)
        return back

    def transit(
        self, path: Path, data: bytes = b"", size: int = 0, connection: str = ""
    ) -> Transit:
        """Send one packet along a path: `data`, in `size` octets on the wire."""
        if not path.effects:  # the usual case: nothing can happen to it
            lost = path.fate == "lost"
            self._noticed(path, 0, connection)
            return Transit(path.latency, data, lost, path.lost_at)
        size = size or len(data) + HEADERS
        packet = InFlight(self.loop.time(), size, data, self._chance)
        passed, transit = self._affected(path, packet)
        self._noticed(path, passed, connection)
        return transit

    def _affected(self, path: Path, packet: InFlight) -> tuple[int, Transit]:
        """Through the effects of a path, in order; how many it has passed."""
        now, data = packet.time, packet.data
        waited = 0.0
        for passed, (place, point, after, effect) in enumerate(path.effects):
            packet.time = now + after + waited
            effect.work_on(packet)
            waited = packet.time - now - after
            if packet.lost:
                return passed, Transit(path.latency + waited, data, True, point)
            if packet.cut:
                at = after + waited
                cut = Transit(path.latency, data, False, point, place, at)
                return passed, cut
        lost, waited = path.fate == "lost", path.latency + waited
        return len(path.effects), Transit(waited, packet.data, lost, path.lost_at)

    def _noticed(self, path: Path, passed: int, connection: str) -> None:
        """What the places on the way make of a packet that passed so many effects."""
        for rule, behind in path.counted:
            rule.hits += behind <= passed
        now = self.loop.time()
        for entry in path.tracked:
            entry.used = now
        if path.unsaved:  # the first packet of a flow
            for memory in path.unsaved:
                if memory.behind <= passed:
                    self._remember(memory, connection)
            path.unsaved = tuple(one for one in path.unsaved if one.behind > passed)
        verdict = path.verdict
        whole = passed == len(path.effects)
        if whole and verdict is not None and verdict.rule is not None:
            self._tell_rule(verdict, connection)

    def _tell_rule(self, step: Step, connection: str) -> None:
        rule, flow = step.rule, step.before
        assert rule is not None, "the caller has looked"
        place = self.hosts[step.place]
        self.emit(
            "rule",
            step.place,
            connection,
            action=rule.action,
            direction=step.direction,
            protocol=flow.protocol,
            src=flow.src,
            dst=flow.dst,
            comment=rule.comment,
            number=place.firewall.number(rule),
        )

    def _remember(self, memory: Memory, id: str) -> None:
        """A place remembers a new flow; what it did to it is told to the observer."""
        place, entry, step, _ = memory
        place.conntrack.add(entry)
        if step.rule is not None and step.rule.action != "accept":
            self._tell_rule(step, id)
        before, after = entry.original, entry.translated
        if before == after:
            return
        out = entry.opened == "out"
        place.emit(
            "nat",
            id,
            protocol=before.protocol,
            inside=before.src if out else after.dst,
            outside=after.src if out else before.dst,
            remote=after.dst if out else before.src,
        )

    def forget_connections_of(self, host: "Host") -> None:
        """A host starts again: it knows nothing of its connections of before."""
        for endpoint in [one for one in self.endpoints if one.host is host]:
            endpoint.forget()

    # What happens ---------------------------------------------------------------------

    def emit(self, kind: str, host: str, connection: str, **facts: Any) -> None:
        """Tell the observer, with the time in nanoseconds."""
        if self.observer is not None:
            self.observer(kind, host, connection, self.time_ns, **facts)

    @property
    def time_ns(self) -> int:
        """Nanoseconds since the world began, as the observer is told them."""
        return round(self.loop.time() * 1e9)

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
        return any(
            one.peer.gone and one.host.up and one.peer.host.up for one in self.endpoints
        )

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


def local_path(version: int, host: "Host", flow: FiveTuple) -> Path:
    """From a host to itself."""
    return Path(version, host, flow, flow, "delivered", host, LOOPBACK_LATENCY)


def icmp_error(path: Path) -> OSError:
    """What Linux makes of the ICMP that answers on this path, in connect() and send().

    What ICMPv6 prohibits is EACCES, what ICMP prohibits is EHOSTUNREACH.
    """
    if path.fate == "refused":
        return os_error(errno.ECONNREFUSED)
    forbidden = path.fate == "prohibited" and ":" in path.sent.dst[0]
    return os_error(errno.EACCES if forbidden else errno.EHOSTUNREACH)
