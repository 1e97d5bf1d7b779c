"""Packets for Wireshark, from one vantage point.

Goes in: a trace and the name of a host, or a side of a gateway. Comes out: a pcapng
file with all packets that passed there, the names of its peers, comments, and the keys
that open TLS; between them, what the log of a mail server there would have said.

Rule 1: one file, one vantage point: times and addresses are those of this place.
Rule 2: a capture is exact: what text views mask is in it, and so are the keys.
Rule 3: a log line is a frame without packet, as it is for Wireshark: numbers agree.
"""

from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from maillab.errors import LabError
from maillab.trace import pcapng
from maillab.trace.capture_log import LogLine, log_lines
from maillab.trace.datagrams import Datagrams
from maillab.trace.events import Event
from maillab.trace.flow import Flow
from maillab.trace.lines import CONTENT, Line, clean
from maillab.trace.packet_list import PacketList
from maillab.trace.packets import Packet, addresses, ethernet_frame
from maillab.trace.reading.frames import NO_LINK
from maillab.trace.session import Session
from maillab.trace.vantage import check_place, names_of, passes
from maillab.trace.view import clip
from maillab.trace.ways import node_of
from maillab.wire.lines import Side

if TYPE_CHECKING:
    from maillab.trace.recorder import Trace

_LINKS = {"raw": pcapng.LINK_RAW, "ethernet": pcapng.LINK_ETHERNET}
_COMMENT_WIDTH = 200
_BUFFER = 1 << 20


class Capture(PacketList):
    """What a packet sniffer at one place would have written.

    log  what a server there noted stands between the packets
    """

    def __init__(
        self,
        trace: "Trace",
        host: str,
        side: str = "",
        link: str = "raw",
        *,
        log: bool = True,
    ) -> None:
        if link not in _LINKS:
            raise LabError(f"link {link!r}: expected {' or '.join(map(repr, _LINKS))}")
        self.place = check_place(trace, host, side)
        self.host = node_of(self.place)
        self.trace = trace
        self.link = link
        self._has_log = log and self.place == self.host  # a leg of a gateway has none
        self._passed = trace.passed(self.host)

    def __repr__(self) -> str:
        count = len(self.packets) - len(self.log)
        noted = f" and {len(self.log)} lines of its log" if self.log else ""
        return f"<Capture at {self.place}: {count} packets{noted}>"

    @cached_property
    def sessions(self) -> list[Session]:
        """The connections whose packets pass here."""
        if self._passed is self.trace:
            return self._flows
        ids = {session.id for session in self._flows}
        return [session for session in self.trace.sessions if session.id in ids]

    @cached_property
    def _flows(self) -> list[Session]:
        return [s for s in self._passed.sessions if passes(s, self.place)]

    @cached_property
    def packets(self) -> list[Packet]:
        """All packets as they passed; times since the world began.

        A log line is one without `data`, and its comment is the text.
        """
        known = {session.id: session for session in self.sessions}
        found: list[Packet] = []
        for flow in self._flows:
            comments = _comments(known[flow.id]) if flow.id in known else {}
            found += Flow(flow, self.place, comments).replay()
        found += Datagrams(self._passed.datagrams, self.place).packets()
        return _with_log(sorted(found, key=_time), self.log)

    @cached_property
    def log(self) -> list[LogLine]:
        """What the server at this place noted, in order of time."""
        if not self._has_log:
            return []
        return sorted(log_lines(self.trace, self.host), key=_time)

    @cached_property
    def _logged(self) -> dict[int, LogLine]:
        """The log line of each frame that is one."""
        frames = [n for n, packet in enumerate(self.packets, 1) if not packet.data]
        return dict(zip(frames, self.log, strict=True))

    def frame(self, number: int) -> bytes:
        """The octets of one frame, with the link layer that the file has."""
        data = self.packets[self.check_number(number) - 1].data
        if not data:
            return self._logged[number].entry(self.epoch_ns)
        return ethernet_frame(data) if self.link == "ethernet" else data

    def link_of(self, number: int) -> int:
        """The link type of one frame, as pcap numbers them; `NO_LINK`: a log line."""
        is_log = not self.packets[self.check_number(number) - 1].data
        return NO_LINK if is_log else _LINKS[self.link]

    def to_bytes(self) -> bytes:
        """The file."""
        return b"".join(self._blocks())

    def write(self, path: Path | str) -> None:
        """Write the file, for example "alpha.pcapng"."""
        with Path(path).open("wb", buffering=_BUFFER) as file:
            file.writelines(self._blocks())

    @property
    def _description(self) -> str:
        host, _, side = self.place.partition("/")
        return f"the {side} of {host}" if side else f"all interfaces of {host}"

    @property
    def _seen(self) -> set[str] | None:
        """The addresses in these packets; None where all hosts are on one network."""
        if not self._passed.has_ways:
            return None
        known = (packet.data for packet in self.packets if packet.data)
        return {ip for data in known for ip in addresses(data)}

    def _blocks(self) -> Iterator[bytes]:
        yield pcapng.section("Synthesised from a maillab trace")
        yield pcapng.interface(self.place, _LINKS[self.link], self._description)
        yield pcapng.names(names_of(self.trace, self._seen))
        keys = dict.fromkeys(e["line"] for s in self.sessions for e in s.all("keylog"))
        if keys:
            yield pcapng.tls_keys(keys)
        yield from self._frames()

    def _frames(self) -> Iterator[bytes]:
        """A block for each packet and each log line."""
        frame = ethernet_frame if self.link == "ethernet" else bytes
        epoch, log = self.epoch_ns, iter(self.log)
        for time_ns, data, outbound, comment in self.packets:
            if data:
                direction = pcapng.OUTBOUND if outbound else pcapng.INBOUND
                yield pcapng.packet(frame(data), epoch + time_ns, direction, comment)
            else:
                yield pcapng.journal(next(log).entry(epoch))


def _time(one: Packet | LogLine) -> int:
    return one.time_ns


def _with_log(packets: list[Packet], log: list[LogLine]) -> list[Packet]:
    """At one instant a line is behind what arrived, and before what leaves."""
    found: list[Packet] = []
    done = 0
    for line in log:
        at = bisect_right(packets, line.time_ns, key=_time)
        while at > done and packets[at - 1][0] == line.time_ns and packets[at - 1][2]:
            at -= 1
        found += packets[done:at]
        found.append(Packet(line.time_ns, b"", outbound=False, comment=str(line)))
        done = at
    return found + packets[done:]


def _comments(session: Session) -> dict[tuple[Side, int], str]:
    """What stands in each packet: for the first octet of each line, its meaning.

    A letter has thousands of lines, and nothing is said of them: they are left out
    before anybody asks when each arrived.
    """
    found: dict[tuple[Side, int], str] = {}
    spoken = [e for e in session.events if not _is_content(e)]
    for line in Session(spoken, session.protocol).lines:
        if line.is_content:
            continue
        place = (line.speaker, _offset_on_the_wire(session, line))
        said = _comment(line)
        found[place] = f"{found[place]}\n{said}" if place in found else said
    return found


def _is_content(event: Event) -> bool:
    return event.kind == "line" and event["what"] in CONTENT


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
