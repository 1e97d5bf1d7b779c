"""An established TCP connection between two virtual hosts: one `Endpoint` on each side.

Goes in: bytes by the asyncio transport interface. Comes out: the same bytes at the
other side, one latency later, in bursts of what the window allows.

Rule 1: a window of 64 KiB; what the reader does not take fills it and the writer must
        wait.
Rule 2: a burst that is lost is sent again after 0.2, 0.4, … at most 120 s; after 15
        times the connection is dead: 924.6 s in all, as Linux does (RFC 9293 §3.8.3).
Rule 3: close() is FIN. With unread data it is RST, as Linux does (RFC 9293 §3.6.1), and
        data that arrives after close() is answered with RST.
"""

import asyncio
import errno
from collections import deque
from typing import TYPE_CHECKING, Any

from maillab.net.network import Address, Route, os_error, reason_of
from maillab.net.window import Window

if TYPE_CHECKING:
    from maillab.net.host import Host

WRITE_HIGH_WATER = 64 * 1024
FIRST_RETRY = 0.2  # seconds
LONGEST_RETRY = 120.0
RETRIES = 15
NEVER = -1  # the latency of what is lost on its way


class Endpoint(asyncio.Transport):
    """One side of a connection, as the transport that asyncio protocols expect."""

    _start_tls_compatible = True  # asyncio asks for this before start_tls

    def __init__(
        self, host: "Host", side: str, id: str, local: Address, remote: Address
    ) -> None:
        super().__init__()
        self.host = host
        self.side = side  # "C": opened the connection; "S": accepted it
        self.id = id
        self.local = local
        self.remote = remote
        self.latency = 0.0  # one way, in seconds
        self.peer: Endpoint = self
        self._loop = host.loop
        self._context = host.fork_context()
        self._protocol: Any = None
        self._started = False
        # sending
        self._backlog = bytearray()
        self._sent = 0  # octets ever sent
        self._window = Window()
        self._lost_burst = b""
        self._last_arrival = 0.0
        self._pump_planned = False
        self._high, self._low = WRITE_HIGH_WATER, WRITE_HIGH_WATER // 4
        self._writer_paused = False
        # receiving
        self._unread: deque[bytes] = deque()
        self._unread_size = 0
        self._fin_waits = False
        self._paused = False
        # ending
        self._closing = False
        self._wants_fin = False
        self._fin_sent = False
        self.gone = False
        host.network.endpoints[self] = None

    def start(self, protocol: asyncio.BaseProtocol) -> None:
        """Give the connection to `protocol`."""
        self._protocol = protocol
        self._started = True
        protocol.connection_made(self)
        self._deliver_unread()

    def waits_for(self) -> str:
        """`mx: waits for alice-pc on c3, port 25`, or "" when nobody reads."""
        if self.gone or not getattr(self._protocol, "waiting", True):
            return ""
        port = self.local[1] if self.side == "S" else self.remote[1]
        who = f"{self.host.name} waits for {self.peer.host.name}"
        return f"{who} on {self.id}, port {port}"

    # asyncio.Transport ----------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`peername`, `sockname`, and ours: `connection` (its id), `emit`."""
        extra = {
            "peername": self.remote,
            "sockname": self.local,
            "connection": self.id,
            "emit": self.emit,
        }
        return extra.get(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand the connection on (STARTTLS does)."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who has the connection."""
        return self._protocol

    def is_closing(self) -> bool:
        """It is closed or about to be."""
        return self._closing

    def is_reading(self) -> bool:
        """Data is delivered as it comes."""
        return not self._paused and not self._closing

    def pause_reading(self) -> None:
        """Deliver nothing for now: the window fills."""
        if not self._closing:
            self._paused = True

    def resume_reading(self) -> None:
        """Deliver again."""
        if self._paused and not self._closing:
            self._paused = False
            if self._unread or self._fin_waits:
                self._loop.call_soon(self._deliver_unread, context=self._context)

    def set_write_buffer_limits(
        self, high: int | None = None, low: int | None = None
    ) -> None:
        """When the protocol's `pause_writing` and `resume_writing` are called."""
        if high is None:
            high = WRITE_HIGH_WATER if low is None else 4 * low
        self._high, self._low = high, high // 4 if low is None else low

    def get_write_buffer_size(self) -> int:
        """Octets that wait for the window."""
        return len(self._backlog)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, as far as the window allows; keep the rest."""
        if self._wants_fin:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self.gone or self._closing or not data:
            return
        self._backlog += data
        self._pump()
        if len(self._backlog) > self._high and not self._writer_paused:
            self._writer_paused = True
            self._protocol.pause_writing()

    def writelines(self, list_of_data: Any) -> None:
        """One write of all."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """Half-close works."""
        return True

    def write_eof(self) -> None:
        """Half-close: FIN behind what was written; go on receiving."""
        self._wants_fin = True
        if not self._backlog and not self._lost_burst:
            self._send_fin()

    def close(self) -> None:
        """FIN behind what was written; RST when data lies here unread."""
        if self._closing:
            return
        if self._unread:
            self.reset()
            return
        self._closing = True
        if not self._backlog and not self._lost_burst:
            self._finish()

    def abort(self) -> None:
        """Drop what was not sent; FIN, or RST when data lies here unread."""
        if self._unread:
            self.reset()
        else:
            self._force_close(None)

    def reset(self) -> None:
        """RST (SO_LINGER 0)."""
        if not self.gone:
            self._send_reset()
            self._lose(None)

    # Sending --------------------------------------------------------------------------

    def emit(self, kind: str, **facts: Any) -> None:
        """Tell the observer about this connection."""
        self.host.network.emit(kind, self.host.name, self.id, **facts)

    def _pump(self) -> None:
        """Send what the window allows of what waits."""
        self._pump_planned = False
        if self.gone:
            return
        while self._backlog and not self._lost_burst:
            unread = self.peer._unread_size
            room = self._window.room(now=self._loop.time(), unread=unread)
            if room <= 0:
                self._plan_pump()
                break
            burst = bytes(self._backlog[:room])
            del self._backlog[:room]
            self._send(burst)
        if self._writer_paused and len(self._backlog) <= self._low:
            self._writer_paused = False
            self._protocol.resume_writing()
        if not self._backlog and not self._lost_burst:
            if self._closing:
                self._finish()
            elif self._wants_fin:
                self._send_fin()

    def _plan_pump(self) -> None:
        """Go on when the oldest burst is acknowledged (or the peer reads: _deliver)."""
        when = self._window.next_acknowledgement
        if when is not None and not self._pump_planned:
            self._pump_planned = True
            self._loop.call_at(when, self._pump, context=self._context)

    def _route(self) -> Route:
        return self.host.network.route(self.host, self.remote[0])

    def _send(self, data: bytes) -> None:
        offset = self._sent
        self._sent += len(data)
        self._put_on_the_wire(data, offset, FIRST_RETRY, 1)

    def _put_on_the_wire(
        self, data: bytes, offset: int, wait: float, attempt: int
    ) -> None:
        """Send a burst; when it is lost on its way, plan to send it again."""
        arrives = self._route().fate == "delivered"
        latency = round(self.latency * 1e9) if arrives else NEVER
        self.emit("bytes", side=self.side, offset=offset, data=data, latency=latency)
        if arrives:
            self._deliver_to_peer(data)
            return
        self._lost_burst = data
        self._loop.call_later(
            wait, self._retry, offset, wait, attempt, context=self._context
        )

    def _retry(self, offset: int, wait: float, attempt: int) -> None:
        if self.gone:
            return
        if attempt > RETRIES:
            self._force_close(os_error(errno.ETIMEDOUT))
            return
        burst, self._lost_burst = self._lost_burst, b""
        wait = min(wait * 2, LONGEST_RETRY)
        self._put_on_the_wire(burst, offset, wait, attempt + 1)
        self._pump()

    def _deliver_to_peer(self, data: bytes) -> None:
        arrival = self._arrival()
        self._window.sent(len(data), acknowledged_at=arrival + self.latency)
        peer = self.peer
        self._loop.call_at(arrival, peer._receive, data, context=peer._context)

    def _arrival(self) -> float:
        """When what is sent now arrives: never before what was sent earlier."""
        arrival = max(self._loop.time() + self.latency, self._last_arrival)
        self._last_arrival = arrival
        return arrival

    def _send_fin(self) -> None:
        if not self._fin_sent:
            self._fin_sent = True
            self._send_control("fin", self.peer._receive_fin)

    def _send_reset(self) -> None:
        self._fin_sent = True
        self._send_control("reset", self.peer._receive_reset)

    def _send_control(self, kind: str, arrive: Any) -> None:
        arrives = self._route().fate == "delivered"
        latency = round(self.latency * 1e9) if arrives else NEVER
        self.emit(kind, side=self.side, latency=latency)
        if arrives:
            context = self.peer._context
            self._loop.call_at(self._arrival(), arrive, context=context)

    # Receiving ------------------------------------------------------------------------

    def _receive(self, data: bytes) -> None:
        if self.gone or self._closing:
            if not self.peer.gone:
                self._send_reset()
                self._lose(None)
            return
        if self._paused or self._unread or not self._started:
            self._unread.append(data)
            self._unread_size += len(data)
        else:
            self._deliver(data)

    def _deliver_unread(self) -> None:
        taken = bool(self._unread)
        while self._unread and not self._paused and not self._closing:
            data = self._unread.popleft()
            self._unread_size -= len(data)
            self._deliver(data)
        if taken and not self.gone:  # the window opens: tell the writer
            peer = self.peer
            when = self._loop.time() + self.latency
            self._loop.call_at(when, peer._pump, context=peer._context)
        if self._fin_waits and not self._unread and not self._paused:
            self._fin_waits = False
            self._end_of_stream()

    def _deliver(self, data: bytes) -> None:
        try:
            if isinstance(self._protocol, asyncio.BufferedProtocol):
                fill_buffer(self._protocol, data)
            else:
                self._protocol.data_received(data)
        except Exception as error:  # noqa: BLE001  (as asyncio does)
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """A protocol must not raise; asyncio closes its connection when it does."""
        self._loop.call_exception_handler(
            {
                "message": "a protocol failed on data that it received",
                "exception": error,
                "transport": self,
                "protocol": self._protocol,
            }
        )
        self._force_close(error)

    def _receive_fin(self) -> None:
        if self._closing or self.gone:
            return
        if self._paused or self._unread or not self._started:
            self._fin_waits = True
        else:
            self._end_of_stream()

    def _end_of_stream(self) -> None:
        try:
            stays_open = self._protocol.eof_received()
        except Exception as error:  # noqa: BLE001  (as asyncio does)
            self._fail(error)
            return
        if not stays_open:
            self.close()

    def _receive_reset(self) -> None:
        while self._unread and not self.gone:  # what came before it can still be read
            self._deliver(self._unread.popleft())
        self._fin_sent = True
        self._lose(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))

    # Ending ---------------------------------------------------------------------------

    def _finish(self) -> None:
        self._send_fin()
        self._lose(None)

    def _force_close(self, error: Exception | None) -> None:
        """End it without waiting; asyncio's TLS calls this by its name."""
        if not self.gone:
            self._backlog.clear()
            self._send_fin()
            self._lose(error)

    def _lose(self, error: Exception | None) -> None:
        if self.gone:
            return
        self.gone = self._closing = True
        self._backlog.clear()
        self.host.network.endpoints.pop(self, None)
        self.emit("lost", side=self.side, reason=reason_of(error))
        self._loop.call_soon(self._tell_lost, error, context=self._context)

    def _tell_lost(self, error: Exception | None) -> None:
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.connection_lost(error)


def fill_buffer(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    """Hand `data` to a protocol that brings its own buffer (asyncio's TLS does)."""
    rest = memoryview(data)
    while rest:
        buffer = memoryview(protocol.get_buffer(len(rest)))
        count = min(len(buffer), len(rest))
        buffer[:count] = rest[:count]
        protocol.buffer_updated(count)
        rest = rest[count:]
