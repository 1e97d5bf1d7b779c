"""Drive a world from a notebook cell, a script or a test, in the same thread.

Goes in: a coroutine, or a number of seconds. Comes out: its result. Between two calls
the clock stands still.

Rule 1: a notebook kernel already runs an event loop on this thread. It is hidden while
        the world runs and put back afterwards.
Rule 2: a world that is live runs in a thread of its own; the caller waits for it.
Rule 3: the first Ctrl-C stops between two callbacks and leaves the world intact; a
        second one, in a callback that never returns, stops at once.
Rule 4: while the world runs, the garbage collector looks less often: a trace grows by
        many small values that live on, and reading them all again and again took up to
        a fifth of the time.
"""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportAttributeAccessIssue=false

import asyncio
import gc
import signal
import sys
import threading
from asyncio import events
from collections.abc import Coroutine, Generator
from contextlib import contextmanager, suppress
from contextvars import Context
from types import FrameType
from typing import Any, TypeVar

from maillab.errors import LabError
from maillab.net.loop import VirtualLoop
from maillab.progress import watched

Result = TypeVar("Result")

SHORT = 60.0  # seconds of a world that are over at once
FEW_LOOKS = 50_000  # new objects between two looks of the garbage collector

CLOSED = "this world is closed: open it anew with open_world()"


class Driver:
    """Runs one world's loop for a caller who is not a coroutine."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop

    def run(
        self, coroutine: Coroutine[Any, Any, Result], context: Context | None = None
    ) -> Result:
        """Run the world until `coroutine` is done and return its result.

        Raises what the coroutine raises; Deadlock or Livelock when it can never finish;
        KeyboardInterrupt, after cancelling the coroutine and nothing else; LabError
        when the world is closed.
        """
        if self.loop.is_closed():
            coroutine.close()
            raise LabError(CLOSED)
        if self.loop.is_running():
            return self._run_beside(coroutine, context)
        with hidden_outer_loop(), gentle_interrupt(self.loop), patient_collector():
            task = self.loop.create_task(coroutine, name="you", context=context)
            try:
                return self.loop.run_until_complete(task)
            except BaseException:
                if not task.done():
                    self._cancel(task)
                raise

    def advance(self, seconds: float) -> None:
        """Let `seconds` of world time pass."""
        if self.loop.is_closed():
            raise LabError(CLOSED)
        if self.loop.is_running():
            self.run(asyncio.sleep(seconds))
            return
        with hidden_outer_loop(), gentle_interrupt(self.loop), patient_collector():
            begin, end = self.loop.time(), self.loop.time() + seconds
            if seconds < SHORT:
                self.loop.run_until_time(end)
                return
            with watched("Time passes", lambda: (self.loop.time() - begin) / seconds):
                self.loop.run_until_time(end)

    def _run_beside(
        self, coroutine: Coroutine[Any, Any, Result], context: Context | None
    ) -> Result:
        """The loop runs already: in the thread of a live world, or around ourselves."""
        if events._get_running_loop() is self.loop:
            coroutine.close()
            raise LabError(
                "this code runs inside the world and must not wait for it: use await, "
                "and the asynchronous calls of the host"
            )

        async def run() -> Result:
            return await self.loop.create_task(coroutine, name="you", context=context)

        waiting = asyncio.run_coroutine_threadsafe(run(), self.loop)
        try:
            return waiting.result()
        except KeyboardInterrupt:
            waiting.cancel()
            raise

    def _cancel(self, task: "asyncio.Task[Any]") -> None:
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            self.loop.run_until_complete(task)


@contextmanager
def hidden_outer_loop() -> Generator[None]:
    """Let another loop run although one is running on this thread already."""
    outer = events._get_running_loop()
    task = None
    if outer is not None and sys.version_info >= (3, 12):
        task = asyncio.tasks._swap_current_task(outer, None)
    events._set_running_loop(None)
    try:
        yield
    finally:
        events._set_running_loop(outer)
        if outer is not None and sys.version_info >= (3, 12):
            asyncio.tasks._swap_current_task(outer, task)


@contextmanager
def patient_collector() -> Generator[None]:
    """Let the garbage collector look less often, and as often as before afterwards.

    Somebody who has chosen to look even less often, or never (0), has his way.
    """
    before = gc.get_threshold()
    if 0 < before[0] < FEW_LOOKS:
        gc.set_threshold(FEW_LOOKS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def gentle_interrupt(loop: VirtualLoop) -> Generator[None]:
    """Turn the first Ctrl-C into a KeyboardInterrupt between two callbacks."""

    def on_interrupt(signum: int, frame: FrameType | None) -> None:
        if loop.interrupted:
            loop.interrupted = False
            raise KeyboardInterrupt
        loop.interrupted = True

    in_main_thread = threading.current_thread() is threading.main_thread()
    if (
        not in_main_thread
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return
    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        loop.interrupted = False
