"""An established TCP connection between two virtual hosts: one `Endpoint` on each side.

Goes in: bytes by the asyncio transport interface. Comes out: the same bytes at the
other side. `net.sender` and `net.receiver` are the two halves of it.

Rule: close() is FIN. With unread data it is RST, as Linux does (RFC 9293 §3.6.1), and
data that arrives after close() is answered with RST.
"""

import asyncio
import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from maillab.net.network import reason_of
from maillab.net.path import Address
from maillab.net.receiver import Receiver
from maillab.net.sender import Sender

if TYPE_CHECKING:
    from maillab.net.host import Host

WRITE_HIGH_WATER = 64 * 1024


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
        self.peer: Endpoint = self
        self.gone = False
        self.held = False
        self._loop = host.loop
        self._context = host.fork_context()
        self._protocol: Any = None
        self._started = False
        self.sender = Sender(self)
        self.receiver = Receiver()
        self._high, self._low = WRITE_HIGH_WATER, WRITE_HIGH_WATER // 4
        self._writer_paused = False
        self._paused = False
        self._closing = False
        self._wants_fin = False
        self._dead = False  # it ended without a FIN: nothing is known of it any more
        host.network.endpoints[self] = None

    def join(self, peer: "Endpoint") -> None:
        """Connect two ends."""
        self.peer, peer.peer = peer, self

    def hold(self) -> None:
        """Be a tarpit: take nothing, say nothing, stay open."""
        self.held = True
        self.receiver.window = 0
        self.host.network.endpoints.pop(self, None)  # nobody waits for its goodbye

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

    def at(self, when: float, act: Callable[..., None], *args: Any) -> Any:
        """Call `act(*args)` at `when`, on this host."""
        return self._loop.call_at(when, act, *args, context=self._context)

    def emit(self, kind: str, **facts: Any) -> None:
        """Tell the observer about this connection."""
        network = self.host.network
        if network.observer is not None:  # straight: a quarter of all events
            network.observer(kind, self.host.name, self.id, network.time_ns, **facts)

    # asyncio.Transport ----------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`peername`, `sockname`, and ours: `connection` (its id), `emit`,
        `reset`."""
        extra = {
            "peername": self.remote,
            "sockname": self.local,
            "connection": self.id,
            "emit": self.emit,
            "reset": self.reset,
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
        return len(self.sender.backlog)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, as far as the window allows; keep the rest."""
        if self._wants_fin:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self.gone or self._closing or not data:
            return
        self.sender.backlog += data
        self.pump()
        if len(self.sender.backlog) > self._high and not self._writer_paused:
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
        if self.sender.idle and not self.gone:
            self.sender.send_fin()

    def close(self) -> None:
        """FIN behind what was written; RST when data lies here unread."""
        if self._closing:
            return
        if self.receiver.unread:
            self.reset()
            return
        self._closing = True
        if self.sender.idle:
            self._finish()

    def abort(self) -> None:
        """Drop what was not sent; FIN, or RST when data lies here unread."""
        if self.receiver.unread:
            self.reset()
        else:
            self._force_close(None)

    def reset(self) -> None:
        """RST (SO_LINGER 0)."""
        if not self.gone:
            self._dead = True
            self.sender.send_reset()
            self._lose(None)

    # Sending --------------------------------------------------------------------------

    def pump(self) -> None:
        """Send what may be sent; tell the writer when there is room again."""
        sender = self.sender
        if self.gone:
            return
        sender.pump()
        if self._writer_paused and len(sender.backlog) <= self._low:
            self._writer_paused = False
            self._protocol.resume_writing()
        if sender.idle and not self.gone:
            if self._closing:
                self._finish()
            elif self._wants_fin:
                sender.send_fin()

    # Receiving ------------------------------------------------------------------------

    def receive(self, offset: int, data: bytes) -> None:
        """A piece of the peer's stream has arrived."""
        if self.gone or self._closing:
            known = self.receiver.has(offset + len(data))
            if not self.peer.gone and not known:
                self.sender.send_reset()
                self._lose(None)
            return
        if not self.receiver.take(offset, data):
            return
        if self._started and not self._paused:
            self._take_pieces()
        self._look_for_end()

    def _deliver_unread(self) -> None:
        taken = self.receiver.unread
        self._take_pieces()
        if taken and not self.gone:  # the window opens: tell the writer
            peer = self.peer
            peer.at(self._loop.time() + self.sender.way().latency, peer.pump)
        self._look_for_end()

    def _take_pieces(self) -> None:
        receiver = self.receiver
        while receiver.unread and not self._paused and not self._closing:
            self._deliver(receiver.next_piece())

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

    def receive_fin(self, offset: int) -> None:
        """The peer sends no more than `offset` octets."""
        if self._dead and not self.peer.gone:
            self.sender.send_reset()
            return
        self.receiver.take_fin(offset)
        self._look_for_end()

    def _look_for_end(self) -> None:
        """Tell the reader that this was all, once it has all."""
        ready = self._started and not self._paused and not self._closing
        if ready and not self.gone and self.receiver.ended():
            self._end_of_stream()

    def _end_of_stream(self) -> None:
        try:
            stays_open = self._protocol.eof_received()
        except Exception as error:  # noqa: BLE001  (as asyncio does)
            self._fail(error)
            return
        if not stays_open:
            self.close()

    def receive_reset(self) -> None:
        """RST has arrived. What came before it can still be read."""
        if self.gone:
            return
        while self.receiver.unread and self._started and not self.gone:
            self._deliver(self.receiver.next_piece())
        self._die(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))

    # Ending ---------------------------------------------------------------------------

    def give_up(self, error: OSError) -> None:
        """TCP has tried for long enough."""
        self._die(error)

    def forget(self) -> None:
        """This host was without power: nothing is left of the connection here."""
        self.sender.forget()
        self._die(ConnectionAbortedError(errno.ECONNABORTED, "the power was off"))

    def _die(self, error: OSError) -> None:
        self.sender.fin_sent = self._dead = True
        self._lose(error)

    def _finish(self) -> None:
        self.sender.send_fin()
        self._lose(None)

    def _force_close(self, error: Exception | None) -> None:
        """End it without waiting; asyncio's TLS calls this by its name."""
        if not self.gone:
            self.sender.backlog.clear()
            self.sender.send_fin()
            self._lose(error)

    def _lose(self, error: Exception | None) -> None:
        if self.gone:
            return
        self.gone = self._closing = True
        self.sender.backlog.clear()
        if error is not None:
            self.sender.forget()
        self.sender.close_way()
        self.host.network.endpoints.pop(self, None)
        if self.side == "C":
            self.host.busy_ports.discard(self.local[1])
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
