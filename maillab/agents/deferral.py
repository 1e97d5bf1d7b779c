"""What becomes of a recipient who was not reached: he waits, or is given up.

Goes in: outcomes of a try. Comes out: the next moment for a recipient, or for all of a
destination.

Rule 1: "the sender MUST delay retrying a particular destination after one attempt has
        failed" (RFC 5321 §4.5.4.1): that delay is the destination's.
Rule 2: who would be tried next after the time to give up is given up now.
Rule 3: the sender is warned once, `delay_warning` after the message came in.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from maillab.agents.destination import Destination, Job
from maillab.agents.outcome import Outcome
from maillab.agents.serving import tell_failure
from maillab.policy.retry import RetrySchedule
from maillab.policy.settings import Delivery
from maillab.store.queue import QueueEntry, Recipient

if TYPE_CHECKING:
    from maillab.agents.mail_queue import MailQueue


class Late(NamedTuple):
    """Who waits, and why."""

    recipient: Recipient
    why: Outcome


class Deferral:
    """The waiting of one queue."""

    def __init__(self, queue: "MailQueue") -> None:
        self.queue = queue
        self.machine = queue.machine
        self._made_of: Delivery | None = None
        self._schedule = RetrySchedule()

    @property
    def schedule(self) -> RetrySchedule:
        """As the settings have it now."""
        delivery = self.queue.courier.settings.delivery
        if self._made_of is not delivery:
            self._made_of, self._schedule = delivery, RetrySchedule.of(delivery)
        return self._schedule

    def block(self, destination: Destination, outcome: Outcome) -> None:
        """Nobody answered there: all of its messages wait for one moment."""
        now = self.machine.time()
        if destination.clock > now:
            return  # another session has found out before
        destination.failures += 1
        destination.clock = now + self.schedule.wait(destination.failures)
        destination.last = outcome
        waiting = destination.remove_waiting()
        fallback = destination.choice.fallback
        for job in waiting:
            if fallback is not None and not job.aside:
                self.queue.step_aside(fallback, job)
            elif self.join(destination, job):
                destination.add(job)

    def join(
        self, destination: Destination, job: Job, outcomes: Sequence[Outcome] = ()
    ) -> bool:
        """A job waits for the destination's next try, unless it is too old by then.

        `outcomes`: it was tried itself.
        """
        if outcomes:
            late = [Late(one.recipient, one) for one in outcomes]
        else:
            late = [Late(one, destination.last) for one in job.recipients]
        tried = len(outcomes) > 0
        job.recipients = self._wait(job.entry, late, destination.clock, tried=tried)
        if job.aside:  # next time the straight way comes first again
            job.settings = None
        return len(job.recipients) > 0

    def postpone(
        self, destination: Destination, job: Job, outcomes: Sequence[Outcome]
    ) -> None:
        """Recipients who were refused for now: each has a time of his own."""
        schedule, now = self.schedule, self.machine.time()
        times: dict[float, list[Late]] = {}
        for one in outcomes:
            wait = schedule.wait(one.recipient.attempts + 1)
            times.setdefault(now + wait, []).append(Late(one.recipient, one))
        for moment, late in times.items():
            recipients = self._wait(job.entry, late, moment)
            if recipients:
                settings = None if job.aside else job.settings
                destination.add(Job(job.entry, recipients, settings), moment)
        self.queue.wake(destination)

    def _wait(
        self,
        entry: QueueEntry,
        late: Sequence[Late],
        moment: float,
        *,
        tried: bool = True,
    ) -> list[Recipient]:
        """Note who waits until `moment`; give up those for whom that is too late."""
        if entry.held:
            return []
        schedule = self.schedule
        if schedule.gives_up(moment - entry.arrived):
            late = self._give_up(entry, late)
        if not late:
            return []
        self.put_off(entry, late, moment, tried=tried)
        if schedule.warn > 0:
            self._warn_in_time(entry, moment)
        return [one for one, _ in late]

    def put_off(
        self,
        entry: QueueEntry,
        late: Sequence[Late],
        moment: float,
        *,
        tried: bool = True,
    ) -> None:
        """Note who waits until `moment`, and why."""
        wait = moment - self.machine.time()
        for one, why in late:
            one.attempts += tried
            one.next_try = moment
            self._note(entry, one, why, wait)
        self._write_down(entry)

    def _give_up(self, entry: QueueEntry, late: Sequence[Late]) -> Sequence[Late]:
        """Report them; return those for whom that failed (a full disk): they wait."""
        failed = [replace(why, status="failed", recipient=one) for one, why in late]
        try:
            self.queue.courier.conclude(entry, failed)
        except Exception as error:  # noqa: BLE001  (others wait for their turn)
            tell_failure(self.machine, error)
        return [one for one in late if one.recipient in entry.recipients]

    def _write_down(self, entry: QueueEntry) -> None:
        """Where that fails, memory knows the next try, and a restart tries too soon."""
        try:
            self.queue.storage.note(entry)
        except Exception as error:  # noqa: BLE001  (others wait for their turn)
            tell_failure(self.machine, error)

    def _note(
        self, entry: QueueEntry, one: Recipient, why: Outcome, wait: float
    ) -> None:
        one.reason, one.code, one.host = why.reason, why.code, why.host
        one.reply = str(why.reply) if why.reply else ""
        self.machine.emit(
            "deferred",
            message=entry.message,
            queue_id=entry.id,
            recipient=str(one),
            reason=why.reason,
            next_try=wait,
        )

    # Warnings -------------------------------------------------------------------------

    def _warn_in_time(self, entry: QueueEntry, moment: float) -> None:
        """Set the alarm, if the time for the warning comes before the next try."""
        warn = self.schedule.warn
        if entry.arrived + warn <= moment and not _all_warned(entry):
            when = max(entry.arrived + warn, self.machine.time())
            self.queue.alarm.set(when, partial(self._warn, entry))

    def _warn(self, entry: QueueEntry) -> None:
        if entry.held or entry.id not in self.queue.entries:
            return
        late = [one for one in entry.recipients if one.reason and not one.warned]
        wanted = [one for one in late if one.wants("DELAY")]
        if wanted:
            self.queue.courier.warn(entry, wanted)
        for one in late:
            one.warned = True
        self.queue.storage.note(entry)


def _all_warned(entry: QueueEntry) -> bool:
    return all(one.warned for one in entry.recipients)
