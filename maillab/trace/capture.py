"""Packets for Wireshark, from one vantage point.

Goes in: a trace and the name of a host, or a side of a gateway. Comes out: a pcapng
file with all packets that passed there, the names of its peers, comments, and the keys
that open TLS.

Rule 1: one file, one vantage point: times and addresses are those of this place.
Rule 2: a capture is exact: what text views mask is in it, and so are the keys.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from maillab.errors import LabError
from maillab.trace import pcapng
from maillab.trace.datagrams import Datagrams
from maillab.trace.flow import Flow
from maillab.trace.lines import Line, clean
from maillab.trace.packet_list import PacketList
from maillab.trace.packets import Packet, addresses, ethernet_frame
from maillab.trace.session import Session
from maillab.trace.vantage import check_place, names_of, passes
from maillab.trace.view import clip
from maillab.trace.ways import node_of
from maillab.wire.lines import Side

if TYPE_CHECKING:
    from maillab.trace.recorder import Trace

_LINKS = {"raw": pcapng.LINK_RAW, "ethernet": pcapng.LINK_ETHERNET}
_COMMENT_WIDTH = 200


class Capture(PacketList):
    """What a packet sniffer at one place would have written."""

    def __init__(
        self, trace: "Trace", host: str, side: str = "", link: str = "raw"
    ) -> None:
        if link not in _LINKS:
            raise LabError(f"link {link!r}: expected {' or '.join(map(repr, _LINKS))}")
        self.place = check_place(trace, host, side)
        self.host = node_of(self.place)
        self.trace = trace
        self.link = link
        self._passed = trace.passed(self.host)

    def __repr__(self) -> str:
        return f"<Capture at {self.place}: {len(self.packets)} packets>"

    @cached_property
    def sessions(self) -> list[Session]:
        """The connections whose packets pass here."""
        ids = {session.id for session in self._flows}
        return [session for session in self.trace.sessions if session.id in ids]

    @cached_property
    def _flows(self) -> list[Session]:
        return [s for s in self._passed.sessions if passes(s, self.place)]

    @cached_property
    def packets(self) -> list[Packet]:
        """All packets as they passed; times since the world began."""
        known = {session.id: session for session in self.sessions}
        found: list[Packet] = []
        for flow in self._flows:
            comments = _comments(known[flow.id]) if flow.id in known else {}
            found += Flow(flow, self.place, comments).replay()
        found += Datagrams(self._passed.datagrams, self.place).packets()
        return sorted(found, key=lambda packet: packet.time_ns)

    def frame(self, number: int) -> bytes:
        """The octets of one frame, with the link layer that the file has."""
        data = self.packets[self.check_number(number) - 1].data
        return ethernet_frame(data) if self.link == "ethernet" else data

    def link_of(self, number: int) -> int:
        """The link type of one frame, as pcap numbers them."""
        del number  # all are alike
        return _LINKS[self.link]

    def to_bytes(self) -> bytes:
        """The file."""
        return b"".join(self._blocks())

    def write(self, path: Path | str) -> None:
        """Write the file, for example "alpha.pcapng"."""
        Path(path).write_bytes(self.to_bytes())

    @property
    def _description(self) -> str:
        host, _, side = self.place.partition("/")
        return f"the {side} of {host}" if side else f"all interfaces of {host}"

    @property
    def _seen(self) -> set[str] | None:
        """The addresses in these packets; None where all hosts are on one network."""
        if not self._passed.has_ways:
            return None
        return {ip for packet in self.packets for ip in addresses(packet.data)}

    def _blocks(self) -> Iterator[bytes]:
        yield pcapng.section("Synthesised from a maillab trace")
        yield pcapng.interface(self.place, _LINKS[self.link], self._description)
        yield pcapng.names(names_of(self.trace, self._seen))
        keys = dict.fromkeys(e["line"] for s in self.sessions for e in s.all("keylog"))
        if keys:
            yield pcapng.tls_keys(keys)
        frame = ethernet_frame if self.link == "ethernet" else bytes
        epoch = self.trace.epoch_ns
        for time_ns, data, outbound, comment in self.packets:
            direction = pcapng.OUTBOUND if outbound else pcapng.INBOUND
            yield pcapng.packet(frame(data), epoch + time_ns, direction, comment)


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
    if not line.is_disguised:
        return line.offset
    burst = session.find_burst(line.speaker, line.sent_ns)
    return burst.offset if burst else -1


def _comment(line: Line) -> str:
    lock = "inside TLS, " if line.secure else ""
    ref = f" [{clean(line.ref)}]" if line.ref else ""
    why = f" ({clean(line.why)})" if line.why else ""
    return f"{lock}{line.speaker}: {clip(line.text, _COMMENT_WIDTH)}{ref}{why}"
