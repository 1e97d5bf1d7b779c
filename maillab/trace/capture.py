"""Packets for Wireshark, from one vantage point.

Goes in: a trace and the name of a host. Comes out: a pcapng file with all packets that
passed this host, the names of its peers, comments, and the keys that open TLS.

Rule 1: one file, one vantage point: times are those of this host.
Rule 2: a capture is exact: what text views mask is in it, and so are the keys.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from maillab.errors import LabError
from maillab.trace import pcapng
from maillab.trace.events import Event
from maillab.trace.flow import Flow, Packet
from maillab.trace.lines import Line, clean
from maillab.trace.packets import ethernet_frame, udp_packet, unreachable_packet
from maillab.trace.session import Session
from maillab.trace.view import clip
from maillab.wire.lines import Side

if TYPE_CHECKING:
    from maillab.trace.recorder import Trace

_LINKS = {"raw": pcapng.LINK_RAW, "ethernet": pcapng.LINK_ETHERNET}
_COMMENT_WIDTH = 200


class Capture:
    """What a packet sniffer on `host` would have written."""

    def __init__(self, trace: "Trace", host: str, link: str = "raw") -> None:
        if link not in _LINKS:
            raise LabError(f"link {link!r}: expected {' or '.join(map(repr, _LINKS))}")
        known = list(_hosts(trace))
        if host not in known:
            raise LabError(f"no host {host!r} in this trace: {', '.join(known)}")
        self.trace = trace
        self.host = host
        self.link = link

    def __repr__(self) -> str:
        return f"<Capture at {self.host}: {len(self.packets)} packets>"

    @cached_property
    def sessions(self) -> list[Session]:
        """The connections of this host."""
        return [s for s in self.trace.sessions if self.host in (s.client, s.server)]

    @cached_property
    def packets(self) -> list[Packet]:
        """All packets as they passed; times since the world began."""
        found = [packet for session in self.sessions for packet in self._tcp(session)]
        found += self._udp()
        return sorted(found, key=lambda packet: packet.time_ns)

    def to_bytes(self) -> bytes:
        """The file."""
        return b"".join(self._blocks())

    def write(self, path: Path | str) -> None:
        """Write the file, for example "alpha.pcapng"."""
        Path(path).write_bytes(self.to_bytes())

    def _blocks(self) -> Iterator[bytes]:
        yield pcapng.section("Synthesised from a maillab trace")
        description = f"all interfaces of {self.host}"
        yield pcapng.interface(self.host, _LINKS[self.link], description)
        yield pcapng.names(_names(self.trace))
        keys = dict.fromkeys(e["line"] for s in self.sessions for e in s.all("keylog"))
        if keys:
            yield pcapng.tls_keys(keys)
        frame = ethernet_frame if self.link == "ethernet" else bytes
        epoch = self.trace.epoch_ns
        for time_ns, data, outbound, comment in self.packets:
            direction = pcapng.OUTBOUND if outbound else pcapng.INBOUND
            yield pcapng.packet(frame(data), epoch + time_ns, direction, comment)

    def _tcp(self, session: Session) -> Iterator[Packet]:
        comments = _comments(session)
        if session.client == self.host:
            yield from Flow(session, "C", comments).replay()
        if session.server == self.host and session.server != session.client:
            yield from Flow(session, "S", comments).replay()

    def _udp(self) -> Iterator[Packet]:
        senders: dict[tuple[str, int], str] = {}
        for ident, event in enumerate(self.trace.datagrams, 1):
            if event.kind == "datagram":
                senders[event["src"]] = event.host
                data = udp_packet(event["src"], event["dst"], event["data"], ident)
                receiver = event["to_host"]
            else:
                data = _port_unreachable(event, ident)
                receiver = senders.get(event["src"], "")
            if event.host == self.host:
                yield Packet(event.time_ns, data, True, "")
            if receiver == self.host != event.host and event["latency"] >= 0:
                yield Packet(event.time_ns + event["latency"], data, False, "")


def _port_unreachable(event: Event, ident: int) -> bytes:
    src, dst = event["src"], event["dst"]
    refused = udp_packet(src, dst, event["data"], ident)
    return unreachable_packet(dst[0], src[0], "port", refused, ident)


def _comments(session: Session) -> dict[tuple[Side, int], str]:
    """What stands in each packet: for the first octet of each line, its meaning."""
    found: dict[tuple[Side, int], str] = {}
    for line in session.lines:
        if line.is_content:
            continue
        place = (line.speaker, _offset_on_the_wire(session, line))
        said = _comment(line)
        found[place] = f"{found[place]}\n{said}" if place in found else said
    return found


def _offset_on_the_wire(session: Session, line: Line) -> int:
    if not line.secure:
        return line.offset
    burst = session.find_burst(line.speaker, line.sent_ns)
    return burst.offset if burst else -1


def _comment(line: Line) -> str:
    lock = "inside TLS, " if line.secure else ""
    ref = f" [{clean(line.ref)}]" if line.ref else ""
    why = f" ({clean(line.why)})" if line.why else ""
    return f"{lock}{line.speaker}: {clip(line.text, _COMMENT_WIDTH)}{ref}{why}"


def _hosts(trace: "Trace") -> Iterable[str]:
    ends = (name for s in trace.sessions for name in (s.client, s.server))
    receivers = (event.get("to_host") for event in trace.datagrams)
    return dict.fromkeys(name for name in (*trace.hosts, *ends, *receivers) if name)


def _names(trace: "Trace") -> dict[str, list[str]]:
    """The host names of each address that appears."""
    found: dict[str, dict[str, None]] = {}
    for session in trace.sessions:
        for name, (ip, _) in (
            (session.client, session.client_address),
            (session.server, session.server_address),
        ):
            if ip and name != ip:
                found.setdefault(ip, {})[name] = None
    for event in trace.datagrams:
        if event.kind == "datagram":
            found.setdefault(event["src"][0], {})[event.host] = None
            if event["to_host"]:
                found.setdefault(event["dst"][0], {})[event["to_host"]] = None
    return {ip: list(hosts) for ip, hosts in found.items()}
