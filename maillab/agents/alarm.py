"""One clock for many waits: a queue has one of these, and no task for each message.

Goes in: moments and what to do then. Comes out: calls, in order of time.

Rule 1: an alarm may ring for something that has changed since. Who is called looks
        again.
Rule 2: one call that fails stops no other.
"""

import heapq
from asyncio import Task
from collections.abc import Callable

from maillab.agents.machine import Machine
from maillab.agents.serving import tell_failure


class Alarm:
    """Calls back at given moments of a machine's clock."""

    def __init__(self, machine: Machine, name: str) -> None:
        self.machine = machine
        self._name = name
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._sleeper: Task[None] | None = None
        self._wakes = 0.0

    def set(self, moment: float, call: Callable[[], None]) -> None:
        """Call `call` at `moment`, in seconds since the world began."""
        self._count += 1
        heapq.heappush(self._heap, (moment, self._count, call))
        if self._sleeper is None or moment < self._wakes:
            self._sleep()

    def _sleep(self) -> None:
        if self._sleeper is not None:
            self._sleeper.cancel()
        self._wakes = self._heap[0][0]
        self._sleeper = self.machine.spawn(self._wait(), self._name)

    async def _wait(self) -> None:
        while self._heap:
            moment, _, call = self._heap[0]
            wait = moment - self.machine.time()
            if wait > 0:
                self._wakes = moment
                await self.machine.sleep(wait)
                continue
            heapq.heappop(self._heap)
            self._ring(call)
        self._sleeper = None

    def _ring(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001  (the agent's top loop)
            tell_failure(self.machine, error)
