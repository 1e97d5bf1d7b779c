"""An asyncio event loop whose clock is virtual, or real when the world is live.

Virtual: when nothing is ready, the clock jumps to the next timer; no I/O is polled.
Live:    the clock follows real time (times `rate`) and real sockets are polled too.

Rule 1: timers fire in the order (deadline, creation). asyncio's own heap is not FIFO
        for equal deadlines: bytes would swap.
Rule 2: one timer at a time, and only when all that it can cause has happened. Two
        segments that arrive at one instant are two events, like two reads of a real
        socket.
Rule 3: when nothing is ready and no timer is set, nothing can ever happen again:
        Deadlock.
"""

# The loop replaces the innermost step of asyncio, so it must touch its private names.
# pyright: reportPrivateUsage=false, reportUnknownMemberType=false
# pyright: reportAttributeAccessIssue=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportIncompatibleMethodOverride=false

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextvars import Context
from heapq import heapify, heappop, heappush
from typing import Any

from maillab.errors import Deadlock, Livelock

LIVELOCK_CALLBACKS = 2_000_000  # at one instant; the busiest honest world needs 1 %
LONGEST_POLL = 0.5  # seconds; then look whether Ctrl-C was pressed

Timer = tuple[float, int, asyncio.TimerHandle]


def nobody_known() -> Sequence[str]:
    """Who waits, as far as a loop without a network can tell."""
    return ()


class VirtualLoop(asyncio.SelectorEventLoop):
    """The clock and the order of things in one world."""

    def __init__(self) -> None:
        self._now = 0.0
        self._heap: list[Timer] = []
        self._sequence = 0
        self._tasks = 0
        self._cancelled_timers = 0
        self._rate: float | None = None  # None: virtual
        self._live_since = (0.0, 0.0)  # (world time, real time) when it went live
        self._horizon: float | None = None  # the clock never jumps beyond this
        self._callbacks_now = 0  # run since the clock last moved
        self.interrupted = False  # Ctrl-C was pressed: see net.driver
        self.who_waits: Callable[[], Sequence[str]] = nobody_known
        super().__init__()

    # The clock ------------------------------------------------------------------------

    def time(self) -> float:
        """Seconds since this world began."""
        if self._rate is None:
            return self._now
        began, real = self._live_since
        return began + (time.monotonic() - real) * self._rate

    @property
    def live(self) -> bool:
        """The clock follows real time."""
        return self._rate is not None

    def go_live(self, rate: float = 1.0) -> None:
        """Let the clock follow real time, `rate` world seconds for each real one."""
        self._now = self.time()
        self._live_since = (self._now, time.monotonic())
        self._rate = rate

    def go_virtual(self) -> None:
        """Stop the clock where it is; from now on it jumps."""
        self._now = self.time()
        self._rate = None

    def run_until_time(self, when: float) -> None:
        """Let everything happen up to `when` and leave the clock exactly there."""
        self._horizon = when
        try:
            self.run_forever()
        finally:
            self._horizon = None

    # Timers ---------------------------------------------------------------------------

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call `callback(*args)` at `when`; equal times keep the order of the calls."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._sequence += 1
        heappush(self._heap, (when, self._sequence, timer))
        timer._scheduled = True
        return timer

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call `callback(*args)` in `delay` seconds of this world."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        if handle._scheduled:
            self._cancelled_timers += 1

    def _forget_cancelled(self) -> None:
        heap = self._heap
        if len(heap) > 100 and self._cancelled_timers * 2 > len(heap):
            heap[:] = [timer for timer in heap if not timer[2]._cancelled]
            heapify(heap)
            self._cancelled_timers = 0
        while heap and heap[0][2]._cancelled:
            heappop(heap)
            self._cancelled_timers = max(0, self._cancelled_timers - 1)

    def create_task(self, coro: Any, **options: Any) -> "asyncio.Task[Any]":
        """Number the tasks, so that they can be ended in order."""
        task = super().create_task(coro, **options)
        self._tasks += 1
        task.number = self._tasks  # type: ignore[attr-defined]
        return task

    def next_timer(self) -> float | None:
        """When the next timer is due; now, if something is ready; None: never."""
        if self._ready:
            return self.time()
        self._forget_cancelled()
        return self._heap[0][0] if self._heap else None

    # One step -------------------------------------------------------------------------

    def _run_once(self) -> None:
        if self.interrupted:
            self._stop_when_interrupted()
        if self._rate is not None:
            self._forget_cancelled()
            self._poll()
        elif not self._ready and not self._stopping:
            self._forget_cancelled()
            self._jump()
        self._take_due_timers()
        self._run_ready()

    def _jump(self) -> None:
        """Nothing is ready: move the clock to the next timer or to the horizon."""
        horizon = self._horizon
        when = self._heap[0][0] if self._heap else horizon
        if when is None:
            raise Deadlock(self._deadlock_report())
        if horizon is not None and (when > horizon or not self._heap):
            when = horizon
            self.stop()
        if when > self._now:
            self._now = when
            self._callbacks_now = 0

    def _poll(self) -> None:
        """Live: wait for real sockets, at most until the next timer."""
        timeout: float | None = None
        if self._ready or self._stopping:
            timeout = 0
        elif self._heap:
            wait = (self._heap[0][0] - self.time()) / (self._rate or 1.0)
            timeout = min(max(0.0, wait), LONGEST_POLL)
        self._process_events(self._selector.select(timeout))
        self._callbacks_now = 0

    def _take_due_timers(self) -> None:
        heap, ready = self._heap, self._ready
        if not heap or (ready and self._rate is None):  # the usual case
            return
        now = self.time()
        while heap and heap[0][0] <= now and (self._rate is not None or not ready):
            handle = heappop(heap)[2]
            handle._scheduled = False
            if handle._cancelled:
                self._cancelled_timers = max(0, self._cancelled_timers - 1)
            else:
                ready.append(handle)

    def _run_ready(self) -> None:
        ready = self._ready
        count = len(ready)
        self._callbacks_now += count
        if self._callbacks_now > LIVELOCK_CALLBACKS:
            raise Livelock(self._livelock_report())
        for _ in range(count):
            if self.interrupted:
                self._stop_when_interrupted()
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _stop_when_interrupted(self) -> None:
        if self.interrupted:
            self.interrupted = False
            raise KeyboardInterrupt

    # When it cannot go on -------------------------------------------------------------

    def _deadlock_report(self) -> str:
        waiting = list(self.who_waits())
        head = (
            f"nobody will ever answer: at t = {self._now:.3f} s nothing is on its way"
        )
        rows = [f"  {who}" for who in waiting] or ["  (no connection waits)"]
        return "\n".join([f"{head} and no timer is set. Who waits:", *rows])

    def _livelock_report(self) -> str:
        """Who runs all the time; and forget it, so that the world can be closed."""
        names = Counter(repr(handle._callback) for handle in self._ready)
        self._callbacks_now = 0
        busiest = ", ".join(name for name, _ in names.most_common(3)) or "unknown"
        return (
            f"at t = {self._now:.3f} s more than {LIVELOCK_CALLBACKS:,} things "
            f"happened without time passing. Busiest: {busiest}"
        )

    # Things that would leave the world ------------------------------------------------

    def run_in_executor(
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """Call `func` in line: threads would break the order of things."""
        future: asyncio.Future[Any] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  (it belongs to the future)
            future.set_exception(error)
        return future
