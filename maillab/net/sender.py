"""The sending half of a TCP connection: the window, and what is sent again.

Goes in: octets. Comes out: pieces on their way to the peer, each until it arrives.

Rule 1: a window of 64 KiB; what the reader does not take fills it, and the writer must
        wait.
Rule 2: what is lost is sent again after 0.2, 0.4, … at most 120 s; after 924.6 s the
        connection is dead, as Linux does (RFC 9293 §3.8.3, tcp_retries2 = 15); after
        102.2 s when nobody has it any more (tcp_orphan_retries = 8).
Rule 3: when three later pieces have arrived, the lost one is sent again at once (RFC
        5681 §3.2); the pieces that arrived meanwhile are not (RFC 2018).
"""

import errno
import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maillab.net.network import icmp_error, os_error
from maillab.net.path import FiveTuple, Path, PointFacts, Transit
from maillab.net.window import Sent, Window

if TYPE_CHECKING:
    from maillab.net.tcp import Endpoint

MSS = 1448  # octets in a segment, with timestamps
FIRST_RETRY = 0.2  # seconds
LONGEST_RETRY = 120.0
PATIENCE = 924.6  # seconds (1.0)
ORPHAN_PATIENCE = 102.2
DUPLICATE_ACKS = 3
NEVER = -1  # the latency of what is lost on its way


@dataclass(slots=True, eq=False)
class Segment:
    """A piece of the stream that is under way, or the FIN behind it."""

    offset: int
    data: bytes
    is_fin: bool
    first_sent: float
    wait: float
    place: Sent  # in the window
    later: int = 0  # pieces behind it that have arrived
    timer: Any = None


class Sender:
    """What leaves one end."""

    def __init__(self, end: "Endpoint") -> None:
        self._end = end
        self._loop = end.host.loop
        self.backlog = bytearray()
        self.fin_sent = False
        self.error: OSError | None = None  # what ICMP said last: a soft error
        self._sent = 0  # octets ever sent
        self._window = Window()
        self._lost: deque[Segment] = deque()  # not acknowledged, oldest first
        self._last_arrival = 0.0
        self._pump_planned = False
        self._path: Path | None = None
        self._points: tuple[PointFacts, ...] | None = None

    # The way --------------------------------------------------------------------------

    def way(self) -> Path:
        """The way to the peer as it is now."""
        end, network, path = self._end, self._end.host.network, self._path
        if end.held:  # in the name of another: back on the way it came
            return end.peer.sender.way().backwards()
        if path is None or path.is_stale(network.version, self._loop.time()):
            flow = FiveTuple("tcp", end.local, end.remote)
            path = self._path = network.path(end.host, flow)
            self._tell_way(path)
        return path

    def knows_way(self, path: Path, points: tuple[PointFacts, ...]) -> None:
        """The handshake went `path`, and the observer has been told of it already."""
        self._points = points
        if path.is_plain:  # not to be walked again
            self._path = path

    def _tell_way(self, path: Path) -> None:
        """Tell the observer when it is another way than the handshake's."""
        facts = path.facts
        if self._points is not None and facts != self._points:
            self._end.emit("path", side=self._end.side, points=facts)
        self._points = facts

    def reaches_peer(self, path: Path) -> bool:
        """Does what we send on `path` come to the connection at the other end?"""
        peer = self._end.peer
        arrived = path.arrives
        same = (arrived.dst, arrived.src) == (peer.local, peer.remote)
        return (path.fate == "tarpit" and peer.held) or (
            path.fate == "delivered" and path.node is peer.host and same
        )

    def _is_caught(self, path: Path) -> bool:
        """A tarpit on the way holds what we send, and never lets us go."""
        return path.fate == "tarpit" and not self._end.peer.held

    def close_way(self) -> None:
        """The connection has ended: gateways may forget it soon."""
        if self._path is not None:
            self._path.close()

    # Data -----------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Nothing waits for the window."""
        return not self.backlog

    def pump(self) -> None:
        """Send what the window allows of what waits."""
        self._pump_planned = False
        while self.backlog:
            path = self.way()  # once for each piece: what it asks takes time
            if self._lost and not path.effects:
                return  # what comes behind it would be lost too
            room = self._room()
            if room <= 0:
                self._plan_pump()
                return
            if path.effects:
                room = min(room, MSS)
            piece = bytes(self.backlog[:room])
            del self.backlog[:room]
            self._transmit(self._segment(piece, path, is_fin=False), path)
            self._sent += len(piece)

    def _room(self) -> int:
        receiver = self._end.peer.receiver
        return self._window.room(
            now=self._loop.time(), unread=receiver.unread_size, size=receiver.window
        )

    def _plan_pump(self) -> None:
        """Go on when the oldest piece is acknowledged (or the peer reads)."""
        when = self._window.next_acknowledgement
        if when is not None and not self._pump_planned:
            self._pump_planned = True
            self._end.at(when, self._end.pump)

    def _segment(self, data: bytes, path: Path, *, is_fin: bool) -> Segment:
        wait = max(FIRST_RETRY, 4 * path.latency)
        place = self._window.sent(len(data))
        return Segment(self._sent, data, is_fin, self._loop.time(), wait, place)

    def send_fin(self) -> None:
        """FIN, behind all that was sent."""
        if not self.fin_sent:
            self.fin_sent = True
            path = self.way()
            self._transmit(self._segment(b"", path, is_fin=True), path)

    def send_reset(self) -> None:
        """RST. Nobody sends it again."""
        self.fin_sent = True
        self.forget()
        end, path = self._end, self.way()
        transit = self._transit(path, b"")
        arrives = transit.arrives and self.reaches_peer(path)
        facts = {} if arrives else lost_at(path, transit)
        latency = round(transit.latency * 1e9) if arrives else NEVER
        end.emit("reset", side=end.side, latency=latency, **facts)
        if arrives:
            end.peer.at(self._arrival(transit.latency), end.peer.receive_reset)

    def forget(self) -> None:
        """Send nothing any more, and nothing again."""
        self.backlog.clear()
        for segment in self._lost:
            if segment.timer is not None:
                segment.timer.cancel()
        self._lost.clear()

    # One piece ------------------------------------------------------------------------

    def _transit(self, path: Path, data: bytes) -> Transit:
        return self._end.host.network.transit(path, data, connection=self._end.id)

    def _transmit(self, segment: Segment, path: Path) -> None:
        """Put a piece on the wire; when it is lost, plan to send it again."""
        end = self._end
        transit = self._transit(path, segment.data)
        arrives = transit.arrives and path.fate in ("delivered", "tarpit")
        arrives = arrives and not self._is_caught(path)
        self._tell(segment, transit, None if arrives else path)
        if transit.cut_at is not None:
            self._cut(transit)
            return
        if arrives and not self.reaches_peer(path):
            self._stray(path, transit.latency)
            return
        if arrives:
            self._deliver(segment, transit)
            answers = end.peer.sender.way()
            if answers.fate == "delivered":
                arrival = self._last_arrival
                segment.place.acknowledged_at = arrival + answers.latency
                self._acknowledged(segment)
                return
        self._refused(segment, path, transit.latency)
        self._await_retry(segment)

    def _tell(self, segment: Segment, transit: Transit, lost_on: Path | None) -> None:
        """Tell the observer what leaves, and what becomes of it."""
        end = self._end
        facts: dict[str, Any] = lost_at(lost_on, transit) if lost_on else {}
        latency = NEVER if lost_on else round(transit.latency * 1e9)
        if segment.is_fin:
            end.emit("fin", side=end.side, latency=latency, **facts)
            return
        if transit.data != segment.data:
            facts["arrived"] = transit.data
        at, data = segment.offset, segment.data
        end.emit("bytes", side=end.side, offset=at, data=data, latency=latency, **facts)

    def _deliver(self, segment: Segment, transit: Transit) -> None:
        peer, arrival = self._end.peer, self._arrival(transit.latency)
        if segment.is_fin:
            peer.at(arrival, peer.receive_fin, segment.offset)
        else:
            peer.at(arrival, peer.receive, segment.offset, transit.data)

    def _arrival(self, latency: float) -> float:
        """When what is sent now arrives: never before what was sent earlier."""
        arrival = max(self._loop.time() + latency, self._last_arrival)
        self._last_arrival = arrival
        return arrival

    # Again ----------------------------------------------------------------------------

    def _await_retry(self, segment: Segment) -> None:
        """It is lost. The oldest lost piece has the timer (RFC 6298 §5)."""
        if segment not in self._lost:
            self._lost.append(segment)
        if segment is self._lost[0]:
            self._set_timer(segment, self._loop.time() + segment.wait)

    def _set_timer(self, segment: Segment, when: float) -> None:
        if segment.timer is not None:
            segment.timer.cancel()
        segment.timer = self._end.at(when, self._retry, segment)

    def _acknowledged(self, segment: Segment) -> None:
        """A piece got through: those lost before it may be sent again sooner."""
        if not self._lost:  # the usual case
            return
        if segment in self._lost:
            first = segment is self._lost[0]
            self._lost.remove(segment)
            if first and self._lost:
                self._set_timer(self._lost[0], segment.place.acknowledged_at)
        for lost in self._lost:
            if lost.offset < segment.offset:
                lost.later += 1
        head = self._lost[0] if self._lost else None
        if head is not None and head.later == DUPLICATE_ACKS:
            self._set_timer(head, segment.place.acknowledged_at)

    def _retry(self, segment: Segment) -> None:
        if segment not in self._lost:
            return
        patience = ORPHAN_PATIENCE if self._end.gone else PATIENCE
        path = self.way()
        if self._is_caught(path):  # it answers: our window is closed
            patience = math.inf
        if self._loop.time() - segment.first_sent >= patience - 1e-6:
            self.forget()
            self._end.give_up(self.error or os_error(errno.ETIMEDOUT))
            return
        segment.wait = min(segment.wait * 2, LONGEST_RETRY)
        self._transmit(segment, path)
        self._end.pump()

    # When the network answers ---------------------------------------------------------

    def _refused(self, segment: Segment, path: Path, latency: float) -> None:
        """A rule of a gateway refuses a flow that is open already."""
        end = self._end
        if path.fate in ("prohibited", "no host"):  # a hint, no more (RFC 5927 §4.1)
            self.error = icmp_error(path)
            if path.node is not None:
                when = self._loop.time() + 2 * latency
                end.at(when, self._tell_icmp, segment.offset, path, latency)
        elif path.fate == "refused" and path.node is not None:
            back = round(latency * 1e9)
            sides = (back, NEVER) if end.side == "C" else (NEVER, back)
            self.forget()
            end.at(self._loop.time() + latency, self._tell_cut, path.node.name, *sides)
            end.at(self._loop.time() + 2 * latency, end.receive_reset)

    def _tell_icmp(self, offset: int, path: Path, latency: float) -> None:
        node, error = path.node, self.error
        assert node is not None, "the caller has looked"
        assert error is not None, "the caller has set it"
        self._end.emit(
            "icmp",
            side=self._end.side,
            offset=offset,
            reason=str(error.strerror),
            router=node.address_for(path.arrives.src[0]),
            by=node.name,
            code="host" if path.fate == "no host" else path.fate,
            latency=round(latency * 1e9),
        )

    def _stray(self, path: Path, latency: float) -> None:
        """It comes to somebody who knows nothing of this connection: RST."""
        end, node = self._end, path.node
        self.forget()
        if node is None:
            return
        when = self._loop.time() + 2 * latency
        self._loop.call_at(
            self._loop.time() + latency,
            lambda: end.host.network.emit(
                "reset",
                node.name,
                end.id,
                side=end.peer.side,
                latency=round(latency * 1e9),
            ),
        )
        end.at(when, end.receive_reset)

    def _cut(self, transit: Transit) -> None:
        """A middlebox resets the flow towards both sides."""
        end, now = self._end, self._loop.time()
        assert transit.cut_at is not None, "the caller has looked"
        back, ahead = transit.cut_after, transit.latency - transit.cut_after
        sides = [round(back * 1e9), round(ahead * 1e9)]
        if end.side == "S":
            sides.reverse()
        place = transit.cut_at.name
        end.at(now + back, self._tell_cut, place, *sides)
        end.at(now + 2 * back, end.receive_reset)
        end.peer.at(max(now + back + ahead, self._last_arrival), end.peer.receive_reset)

    def _tell_cut(self, place: str, to_client: int, to_server: int) -> None:
        self._end.host.network.emit(
            "cut", place, self._end.id, to_client=to_client, to_server=to_server
        )


def lost_at(path: Path, transit: Transit) -> dict[str, Any]:
    """Where a piece was lost; only told where there is a way to show."""
    return {"lost_at": transit.lost_at or path.lost_at} if path.points else {}
