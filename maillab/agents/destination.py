"""A destination: all messages that go the same way, and when to try next.

Goes in: jobs, and how tries went. Comes out: the next job that may go.

Rule 1: "when a mail message is to be delivered to multiple recipients, and the SMTP
        server to which a copy is to be sent is the same for multiple recipients, then
        only one copy of the message SHOULD be transmitted" (RFC 5321 §5.1): a job is
        one copy.
Rule 2: a host that cannot be reached is tried by one message at a time; the others wait
        for the same next try. A recipient that was refused for now has his own.
"""

import heapq
from collections import deque
from dataclasses import dataclass, field

from maillab.agents.outcome import Outcome
from maillab.agents.relay_session import RelaySession
from maillab.policy.routes import RouteChoice
from maillab.policy.settings import Settings
from maillab.store.queue import QueueEntry, Recipient
from maillab.wire.smtp_path import NULL_PATH

NOTHING = Outcome(Recipient(NULL_PATH), "deferred")


@dataclass(slots=True, eq=False)
class Job:
    """One copy of a message: the recipients of one destination that go together.

    settings  under which it was sorted; None: it is sorted anew when it is due
    aside     the straight way has failed: this goes to the smart host
    """

    entry: QueueEntry
    recipients: list[Recipient]
    settings: Settings | None
    aside: bool = False


@dataclass(slots=True, eq=False)
class Destination:
    """What waits for one destination.

    choice    the way there, as it was chosen last
    clock     not before this moment, in seconds since the world began
    failures  tries in a row that reached nobody; `last` is how the last one ended
    workers   sessions; busy: those that have a job
    idle      open sessions that wait for more messages
    alarm     when the queue's alarm rings for it; 0: it will not
    """

    key: str
    choice: RouteChoice
    clock: float = 0.0
    failures: int = 0
    last: Outcome = NOTHING
    workers: int = 0
    busy: int = 0
    idle: list[RelaySession] = field(default_factory=list[RelaySession])
    alarm: float = 0.0
    _ready: deque[Job] = field(default_factory=deque[Job])
    _later: list[tuple[float, int, Job]] = field(
        default_factory=list[tuple[float, int, Job]]
    )
    _count: int = 0

    def add(self, job: Job, due: float = 0.0, *, first: bool = False) -> None:
        """Put a job in line, or aside until it is due."""
        if due > 0:
            self._count += 1
            heapq.heappush(self._later, (due, self._count, job))
        elif first:
            self._ready.appendleft(job)
        else:
            self._ready.append(job)

    def take(self, now: float) -> Job | None:
        """The next job that may go."""
        if self.clock > now:
            return None
        self._wake(now)
        return self._ready.popleft() if self._ready else None

    def ready(self, now: float) -> int:
        """How many jobs may go."""
        if self.clock > now:
            return 0
        self._wake(now)
        return len(self._ready)

    def next_wake(self, now: float) -> float | None:
        """When there will be work again; None: when somebody adds some."""
        if self._ready:
            return max(self.clock, now)
        if self._later:
            return max(self.clock, self._later[0][0])
        return None

    def drop(self, entry: QueueEntry) -> list[Job]:
        """Take the jobs of an entry out of the line, and return them."""
        jobs = [job for job in self._jobs() if job.entry is entry]
        if jobs:
            self._ready = deque(job for job in self._ready if job.entry is not entry)
            self._later = [one for one in self._later if one[2].entry is not entry]
            heapq.heapify(self._later)
        return jobs

    def entries(self) -> list[QueueEntry]:
        """The messages that wait here."""
        return list(dict.fromkeys(job.entry for job in self._jobs()))

    def _jobs(self) -> list[Job]:
        return [*self._ready, *(job for _, _, job in sorted(self._later))]

    def remove_waiting(self) -> list[Job]:
        """Take out the jobs in line, without those that have a time of their own."""
        jobs = list(self._ready)
        self._ready.clear()
        return jobs

    def __len__(self) -> int:
        return len(self._ready) + len(self._later)

    def _wake(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[2])
