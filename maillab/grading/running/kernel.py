"""A kernel in a jail, for nbval.

Goes in: a seed and limits. Comes out: what nbval asks a kernel for: run this, what was
published, interrupt, stop.

Rule 1: a message is taken only as long as the cell may still publish, and has the shape
        that Jupyter gave it; a message that is too big never reaches our memory.
Rule 2: a dead kernel is noticed at once, and a loop costs its time-out, not more than
        `GRACE` above; nothing that the kernel publishes makes it longer.
Rule 3: whatever goes wrong has a name: `CellEnded`.
"""

# nbval, zmq and the session of Jupyter have no types that help here.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

import contextlib
import importlib
import time
from collections import deque
from queue import Empty
from typing import Any

from maillab.errors import LabError
from maillab.grading.results import Ending
from maillab.grading.running.faststart import spare_the_grammar
from maillab.grading.running.limits import Limits
from maillab.grading.running.process import KernelProcess

spare_the_grammar()
nbval: Any = importlib.import_module("nbval.kernel")
zmq: Any = importlib.import_module("zmq")
monitoring: Any = importlib.import_module("zmq.utils.monitor")
sessions: Any = importlib.import_module("jupyter_client.session")

TICK = 0.05  # seconds between two looks at the process
GRACE = 5.0  # seconds from an interrupt to the kill
START = 60.0  # seconds for a kernel to start
ASK = 0.3  # seconds until the next question whether it listens
HANG_UP = 0.5  # seconds from a hang-up to the next try, and more
NEVER = float("inf")
QUEUE = 16  # messages that wait in our memory
FRAME = 65_536  # octets of a message beside its output
SHAPES: dict[str, dict[str, type | tuple[type, ...]]] = {
    "stream": {"name": str, "text": str},
    "display_data": {"data": dict, "metadata": dict},
    "execute_result": {"data": dict, "metadata": dict, "execution_count": int},
    "error": {"ename": str, "evalue": str, "traceback": list},
    "status": {"execution_state": str},
    "execute_reply": {"status": str},
    "kernel_info_reply": {},
}
OUTPUTS = ("stream", "display_data", "execute_result", "error")


class CellEnded(Exception):
    """A cell ended badly, and its kernel is of no use any more."""

    def __init__(self, ending: Ending, why: str) -> None:
        super().__init__(why)
        self.ending: Ending = ending


class JailedKernel(nbval.RunningKernel):
    """One kernel; `close` it.

    timed_out  the present cell had to be interrupted
    cell       seconds that the present cell may take
    """

    def __init__(self, seed: str, limits: Limits) -> None:
        self.limits = limits
        self.cell = limits.cell
        self.timed_out = False
        self.hung_up = NEVER
        self.deadline = NEVER
        self.octets = self.messages = 0
        self.queues: dict[str, deque[Any]] = {"shell": deque(), "iopub": deque()}
        self.process = KernelProcess(seed, limits)
        self._connect()

    def wait_until_ready(self) -> None:
        """Wait until it listens and is heard. Raises LabError."""
        end = time.monotonic() + START
        try:
            while time.monotonic() < end:
                asked = self._send("shell", "kernel_info_request", {})
                with contextlib.suppress(Empty):
                    self.await_idle(asked, ASK)
                    return
        except CellEnded as ended:
            said = self.process.complaint() or str(ended)
            raise LabError(f"the kernel does not start: {said}") from ended
        raise LabError(f"the kernel does not start: no answer in {START:g} seconds")

    # What nbval asks for --------------------------------------------------------------

    def execute_cell_input(self, cell_input: str, allow_stdin: Any = None) -> str:
        """Send code; the id of the request."""
        self.timed_out = False
        self.octets = self.messages = 0
        self.deadline = time.monotonic() + self.cell + GRACE
        request = {
            "code": cell_input,
            "silent": False,
            "store_history": False,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        return self._send("shell", "execute_request", request)

    def await_reply(self, msg_id: str, timeout: float | None = None) -> None:
        """Wait for the answer to a request. Raises Empty after the time of a cell."""
        end = time.monotonic() + self.cell
        while True:
            try:
                left = max(0.0, end - time.monotonic())
                message = self.get_message("shell", left)
            except Empty:
                self.timed_out = True
                raise
            if message["parent_header"].get("msg_id") == msg_id:
                return

    def get_message(self, stream: str, timeout: float | None = None) -> Any:
        """The next message of a stream. Raises Empty, CellEnded."""
        end = time.monotonic() + (GRACE if timeout is None else timeout)
        while not self.queues[stream]:
            self._demand_time()
            left = end - time.monotonic()
            if left <= 0:
                raise Empty
            self._pump(min(left, TICK))
        self._demand_time()
        return self.queues[stream].popleft()

    def is_alive(self) -> bool:
        """Whether it can take another cell."""
        return self.context is not None and self.process.is_alive()

    def interrupt(self) -> None:
        """Ask it to stop what it does; it has `GRACE` seconds."""
        self.deadline = time.monotonic() + GRACE
        self._send("control", "interrupt_request", {})

    def stop(self) -> None:
        """End it, and all that is in its jail."""
        if self.context is not None:
            self.context.destroy(linger=0)
            self.context = None
        self.process.close()

    # Inside ---------------------------------------------------------------------------

    def _connect(self) -> None:
        self.session = sessions.Session(key=self.process.connection["key"].encode())
        self.context: Any = zmq.Context()
        options = {
            "LINGER": 0,
            "MAXMSGSIZE": self.limits.output + FRAME,
            "RCVHWM": QUEUE,
            "RECONNECT_IVL": 10,  # milliseconds
        }
        for name, value in options.items():
            self.context.setsockopt(getattr(zmq, name), value)
        kinds = {"shell": zmq.DEALER, "iopub": zmq.SUB, "control": zmq.DEALER}
        self.sockets = {name: self.context.socket(kind) for name, kind in kinds.items()}
        self.sockets["iopub"].setsockopt(zmq.SUBSCRIBE, b"")
        self.monitor = self.sockets["iopub"].get_monitor_socket(
            zmq.EVENT_DISCONNECTED | zmq.EVENT_CONNECT_RETRIED
        )
        self.poller = zmq.Poller()
        for socket in (self.monitor, self.sockets["shell"], self.sockets["iopub"]):
            self.poller.register(socket, zmq.POLLIN)
        for name, socket in self.sockets.items():
            socket.connect(self.process.endpoint(name))

    def _send(self, channel: str, kind: str, content: dict[str, Any]) -> str:
        message = self.session.msg(kind, content)
        with contextlib.suppress(zmq.Again):
            self.session.send(self.sockets[channel], message)
        return str(message["header"]["msg_id"])

    def _demand_time(self) -> None:
        """Raise CellEnded when the cell has had its time, whatever was published."""
        if time.monotonic() > self.deadline:
            self.timed_out = True
            raise CellEnded("timeout", too_slow(self.cell))

    def _pump(self, seconds: float) -> None:
        """Take in what has come, and look after the process."""
        ready = dict(self.poller.poll(seconds * 1000))
        said = [name for name in self.queues if self.sockets[name] in ready]
        for name in said:
            self._take(name)
        if not said and not self.process.is_alive():
            raise CellEnded("killed", "the kernel died")
        if self.monitor in ready:
            self._take_hangup()
        if time.monotonic() > self.hung_up + HANG_UP:
            raise excess("output")
        if what := self.process.excess():
            raise excess(what)

    def _take(self, stream: str) -> None:
        frames: list[bytes] = self.sockets[stream].recv_multipart(zmq.NOBLOCK)
        size = sum(map(len, frames))
        try:
            _, parts = self.session.feed_identities(frames)
            message = self.session.deserialize(parts)
        except (ValueError, TypeError, KeyError, RecursionError, IndexError):
            return  # whoever forged it gains nothing
        if not has_shape(message):
            return
        if message["msg_type"] in OUTPUTS:
            self._count(size)
        self.queues[stream].append(message)

    def _count(self, size: int) -> None:
        self.octets += size
        self.messages += 1
        if self.octets > self.limits.output or self.messages > self.limits.messages:
            raise excess("output")

    def _take_hangup(self) -> None:
        """zmq hung up: on a message that was too big, or because the kernel died.

        After a death it tries again and again. After a breach of its rules it does not:
        then, somewhat later, it was the message.
        """
        event: int = monitoring.recv_monitor_message(self.monitor)["event"]
        hung_up = event == zmq.EVENT_DISCONNECTED
        self.hung_up = time.monotonic() if hung_up else NEVER


def too_slow(seconds: float) -> str:
    """What is said of a cell that had to be interrupted."""
    return f"it took more than {seconds:g} seconds"


def excess(what: str) -> CellEnded:
    """How a cell ends that has too much of something."""
    if what == "output":
        return CellEnded("output-limit", "it said more than is read")
    return CellEnded("killed", f"it used too much: {what}")


def has_shape(message: dict[str, Any]) -> bool:
    """Whether nbval can read a message, or need not."""
    content: Any = message.get("content")
    parent: Any = message.get("parent_header")
    kind: Any = message.get("msg_type")
    if not isinstance(content, dict) or not isinstance(parent, dict):
        return False
    shape = SHAPES.get(kind) if isinstance(kind, str) else None
    if shape is None:
        return False
    return all(isinstance(content.get(name), type_) for name, type_ in shape.items())
