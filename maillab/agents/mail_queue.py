"""The queue at work: who is tried when, by how many sessions (RFC 5321 §4.5.4).

Goes in: entries. Comes out: tries by the `Courier`, deferrals, and what it concludes.

Rule 1: messages are grouped by destination (`destination.py`); a destination has one
        retry clock, a number of sessions, and no task while it waits.
Rule 2: a recipient leaves the queue when the courier has concluded; never otherwise.
Rule 3: where to go is decided when it is time to go: `settings` may have changed.
"""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from maillab.agents.alarm import Alarm
from maillab.agents.deferral import Deferral
from maillab.agents.destination import Destination, Job
from maillab.agents.machine import Machine
from maillab.agents.next_steps import NextSteps
from maillab.agents.outcome import Outcome
from maillab.agents.queue_operations import QueueOperations
from maillab.agents.relay import Attempt
from maillab.agents.relay_session import RelaySession
from maillab.agents.serving import tell_failure
from maillab.policy.retry import Bounce, Decide
from maillab.policy.routes import LOCAL, UNSURE, RouteChoice
from maillab.policy.settings import Settings
from maillab.store.queue import QueueEntry, Recipient, Storage


class Courier(Protocol):
    """Who does the work for the queue: the MTA."""

    settings: Settings

    def route(self, recipient: Recipient) -> RouteChoice:
        """Where mail for him goes now."""
        ...

    async def attempt(
        self, job: Job, choice: RouteChoice, session: RelaySession | None
    ) -> Attempt:
        """Try to get rid of one copy."""
        ...

    def conclude(self, entry: QueueEntry, outcomes: Sequence[Outcome]) -> None:
        """These recipients have it, or never will: report, then strike out."""
        ...

    def give_up(
        self, entry: QueueEntry, outcome: Outcome, report: Bounce | None
    ) -> None:
        """Strike one recipient out, with this report or without one."""
        ...

    def warn(self, entry: QueueEntry, recipients: Sequence[Recipient]) -> None:
        """Tell the sender that it takes longer."""
        ...


class MailQueue(QueueOperations):
    """All that waits at one mail server.

    storage       what keeps the entries
    destinations  key -> `Destination`
    busy          somebody is at work now, rather than waiting
    under_way     recipients for whom a try is going on
    decide        a rule of one's own for who was not reached (`next_steps.py`), or None
    """

    def __init__(
        self, machine: Machine, name: str, storage: Storage, courier: Courier
    ) -> None:
        self.machine = machine
        self.name = name
        self.storage = storage
        self.courier = courier
        self.destinations: dict[str, Destination] = {}
        self.alarm = Alarm(machine, f"{name}: queue clock")
        self.deferral = Deferral(self)
        self.next_steps = NextSteps(self)
        self.decide: Decide | None = None
        self.under_way: set[Recipient] = set()
        self._working = 0

    @property
    def entries(self) -> dict[str, QueueEntry]:
        """The messages, by queue id, oldest first."""
        return self.storage.entries

    @property
    def busy(self) -> bool:
        """Somebody is at work now, rather than waiting for the next try."""
        return self._working > 0

    def __len__(self) -> int:
        return len(self.storage)

    # Sorting --------------------------------------------------------------------------

    def restore(self) -> None:
        """Go on with what the storage has from before."""
        for entry in list(self.entries.values()):
            if not entry.held:
                self.sort(entry, entry.recipients)

    def sort(self, entry: QueueEntry, recipients: Sequence[Recipient]) -> None:
        """Put recipients in line: a job for each destination and time."""
        groups: dict[tuple[str, float], tuple[RouteChoice, list[Recipient]]] = {}
        now = self.machine.time()
        for one in recipients:
            choice = self.courier.route(one)
            due = one.next_try if one.next_try > now else 0.0
            groups.setdefault((choice.key, due), (choice, []))[1].append(one)
        for (_, due), (choice, group) in groups.items():
            job = Job(entry, group, self.courier.settings)
            self.put(choice, job, due)

    def put(self, choice: RouteChoice, job: Job, due: float = 0.0) -> None:
        """Put a job in line at a destination; where nobody can be reached, it waits."""
        destination = self.destination(choice)
        if not due and destination.clock > self.machine.time():
            if choice.fallback is not None and not job.aside:
                self.step_aside(choice.fallback, job)
                return
            if not self.deferral.join(destination, job):
                return
        destination.add(job, due)
        self.wake(destination)

    def step_aside(self, fallback: RouteChoice, job: Job) -> None:
        """The straight way failed: try the smart host now."""
        job.aside = True
        self.put(fallback, job)

    def destination(self, choice: RouteChoice) -> Destination:
        """The destination of a choice, which it follows from now on."""
        found = self.destinations.get(choice.key)
        if found is None:
            found = self.destinations[choice.key] = Destination(choice.key, choice)
        found.choice = choice
        return found

    # Working --------------------------------------------------------------------------

    def wake(self, destination: Destination) -> None:
        """Let sessions begin where there is work; else set the alarm."""
        now = self.machine.time()
        ready = destination.ready(now)
        limit = self._limit(destination)
        wanted = destination.busy + ready
        while destination.workers < (min(limit, wanted) if limit else wanted):
            destination.workers += 1
            self._working += 1
            self.machine.spawn(
                self._work(destination), f"{self.name}: {destination.key}"
            )
        moment = destination.next_wake(now)
        if moment is None or moment <= now or 0 < destination.alarm <= moment:
            return
        destination.alarm = moment
        self.alarm.set(moment, partial(self._ring, destination))

    def _ring(self, destination: Destination) -> None:
        destination.alarm = 0.0
        self.wake(destination)

    def _limit(self, destination: Destination) -> int:
        """How many sessions at one time; who did not answer gets one."""
        if destination.failures or destination.key == LOCAL:
            return 1
        return self.courier.settings.delivery.concurrency

    async def _work(self, destination: Destination) -> None:
        """One session after the other, until there is nothing to do here."""
        session = destination.idle.pop() if destination.idle else None
        while (job := self._next_job(destination)) is not None:
            destination.busy += 1
            session = await self._try(destination, job, session)
            destination.busy -= 1
        destination.workers -= 1
        if session is not None:
            await self._leave(destination, session)
        self._working -= 1
        self._tidy(destination)

    def _tidy(self, destination: Destination) -> None:
        """Forget a destination that has nothing to remember."""
        if destination.workers or destination.idle or len(destination):
            self.wake(destination)
        elif not destination.failures:
            self.destinations.pop(destination.key, None)

    def _next_job(self, destination: Destination) -> Job | None:
        """The next job; one that was sorted under other settings is sorted again."""
        while (job := destination.take(self.machine.time())) is not None:
            if self._is_right(destination, job):
                return self._piece(destination, job)
            self.sort(job.entry, job.recipients)
        return None

    def _is_right(self, destination: Destination, job: Job) -> bool:
        """The job is still for this destination."""
        if destination.key == UNSURE:
            return self.courier.route(job.recipients[0]).key == UNSURE
        return job.settings is self.courier.settings

    def _piece(self, destination: Destination, job: Job) -> Job:
        """So many recipients as one transaction may have; the rest comes next."""
        most = self.courier.settings.delivery.recipients
        if not 0 < most < len(job.recipients) or destination.key == LOCAL:
            return job
        rest = Job(job.entry, job.recipients[most:], job.settings, job.aside)
        destination.add(rest, first=True)
        return Job(job.entry, job.recipients[:most], job.settings, job.aside)

    async def _try(
        self, destination: Destination, job: Job, session: RelaySession | None
    ) -> RelaySession | None:
        """One try. A failure of ours is no reason to lose a message."""
        choice = destination.choice
        self.under_way.update(job.recipients)
        try:
            attempt = await self.courier.attempt(job, choice, session)
        except Exception as error:  # noqa: BLE001  (the agent's top loop)
            tell_failure(self.machine, error)
            if session is not None:
                session.abort()
            reason = "the server failed: see the trace"
            attempt = Attempt(
                [Outcome(one, "deferred", reason, "4.3.0") for one in job.recipients]
            )
        finally:
            self.under_way.difference_update(job.recipients)
        try:
            self._take(destination, job, attempt)
        except Exception as error:  # noqa: BLE001  (the agent's top loop)
            tell_failure(self.machine, error)
            self._rescue(destination, job)
        return await self._keep(attempt.session)

    def _rescue(self, destination: Destination, job: Job) -> None:
        """What came of it could not be noted: better twice than never."""
        left = [one for one in job.recipients if one in job.entry.recipients]
        if left and job.entry.id in self.entries and not job.entry.held:
            moment = self.machine.time() + self.deferral.schedule.wait(1)
            destination.add(Job(job.entry, left, None), moment)

    async def _keep(self, session: RelaySession | None) -> RelaySession | None:
        """The session, if one more message may go through it."""
        if session is None:
            return None
        most = self.courier.settings.delivery.messages
        if session.alive and not 0 < most <= session.sent:
            return session
        await session.quit()
        return None

    async def _leave(self, destination: Destination, session: RelaySession) -> None:
        """Nothing to do: say goodbye, now or later (`delivery.keep_open`)."""
        wait = self.courier.settings.delivery.keep_open
        if wait <= 0:
            await session.quit()
            return
        destination.idle.append(session)
        moment = self.machine.time() + wait
        self.alarm.set(moment, partial(self._close_idle, destination, session))

    def _close_idle(self, destination: Destination, session: RelaySession) -> None:
        if session in destination.idle:
            destination.idle.remove(session)
            self.machine.spawn(session.quit(), f"{self.name}: goodbye")
            self._tidy(destination)

    # What came of it ------------------------------------------------------------------

    def _take(self, destination: Destination, job: Job, attempt: Attempt) -> None:
        """Conclude what is settled, let the rest wait."""
        there = [one for one in attempt.outcomes if self._waits(job.entry, one)]
        there = self.next_steps.take(destination, job, there)
        deferred = [one for one in there if one.status == "deferred"]
        settled = [one for one in there if one.status != "deferred"]
        if settled:
            self.courier.conclude(job.entry, settled)
        again = [one for one in attempt.again if one in job.entry.recipients]
        if again and not job.entry.held:
            rest = Job(job.entry, again, job.settings, job.aside)
            destination.add(rest, first=True)
        if deferred:
            self._put_off(destination, job, attempt, deferred)
        if attempt.reached and destination.failures:  # it is alive again
            destination.failures, destination.clock = 0, 0.0
            self.wake(destination)

    def _put_off(
        self,
        destination: Destination,
        job: Job,
        attempt: Attempt,
        deferred: list[Outcome],
    ) -> None:
        """Recipients who wait: for their own time, the destination's, or no time."""
        fallback = destination.choice.fallback
        if not attempt.reached:
            self.deferral.block(destination, deferred[0])
        if fallback is not None and not job.aside and not job.entry.held:
            recipients = [one.recipient for one in deferred]
            self.step_aside(fallback, Job(job.entry, recipients, job.settings))
        elif attempt.reached:
            self.deferral.postpone(destination, job, deferred)
        elif self.deferral.join(destination, job, deferred):
            destination.add(job)

    def _waits(self, entry: QueueEntry, outcome: Outcome) -> bool:
        """He has not been deleted while we were at it."""
        return outcome.recipient in entry.recipients and entry.id in self.entries
