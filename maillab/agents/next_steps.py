"""A rule of somebody else's decides what becomes of recipients who were not reached.

Goes in: outcomes of a try, and `queue.decide`. Comes out: what it wants, done: they
wait, or are given up, with a report or without one.

Rule 1: it is asked about each recipient alone, final refusals among them; there is no
        clock of the destination, no time to give up and no warning but what it says.
Rule 2: a rule that fails, or answers what is no answer, loses no message: the trace
        tells, and the recipient waits or is given up as usual.
Rule 3: reports about reports may go in a circle that takes no time; who sends more than
        `MOST_REPORTS` of them in a minute has such a rule, which has failed then.
Rule 4: NOTIFY is the sender's word (RFC 3461 §4.1): it counts here too.
"""

from math import isfinite
from typing import TYPE_CHECKING

from maillab.agents.deferral import Late
from maillab.agents.destination import Destination, Job
from maillab.agents.outcome import Outcome
from maillab.agents.serving import tell_failure
from maillab.errors import LabError
from maillab.policy.retry import Bounce, Decide, Drop, Failure, NextStep, Retry
from maillab.store.queue import QueueEntry, Recipient
from maillab.wire.smtp_path import NULL_PATH, Address

if TYPE_CHECKING:
    from maillab.agents.mail_queue import MailQueue

SHORTEST = 60.0  # seconds; a rule that never waits would stop the clock of a world
MOST_REPORTS = 100


class NextSteps:
    """Does what the rule of one queue wants."""

    def __init__(self, queue: "MailQueue") -> None:
        self.queue = queue
        self._minute, self._reports = 0, 0

    def take(
        self, destination: Destination, job: Job, outcomes: list[Outcome]
    ) -> list[Outcome]:
        """Carry out the rule; return the outcomes that go the usual way."""
        decide = self.queue.decide
        if decide is None or job.entry.held:
            return outcomes
        return [
            one
            for one in outcomes
            if one.settled or not self._obey(decide, destination, job, one)
        ]

    def _obey(
        self, decide: Decide, destination: Destination, job: Job, outcome: Outcome
    ) -> bool:
        try:
            step = checked(decide(self._failure(job.entry, outcome)))
            if isinstance(step, Bounce):
                self._count_report()
        except Exception as error:  # noqa: BLE001  (a rule may do anything)
            tell_failure(self.queue.machine, error)
            return False
        if isinstance(step, Retry):
            self._retry(step, destination, job, outcome)
        else:
            self.queue.courier.give_up(job.entry, outcome, report_of(step, outcome))
        return True

    def _count_report(self) -> None:
        minute = int(self.queue.machine.time() // 60)
        if minute != self._minute:
            self._minute, self._reports = minute, 0
        self._reports += 1
        if self._reports > MOST_REPORTS:
            raise LabError(
                f"a rule that bounces more than {MOST_REPORTS} times in a minute "
                "reports on its own reports: give those the null reverse-path"
            )

    def _failure(self, entry: QueueEntry, outcome: Outcome) -> Failure:
        one = outcome.recipient
        return Failure(
            code=outcome.reply.code if outcome.reply else 0,
            enhanced=outcome.code,
            reason=outcome.reason,
            attempts=one.attempts + 1,
            age=self.queue.machine.time() - entry.arrived,
            warned=one.warned,
            mail_from=str(entry.reverse_path),
            rcpt_to=str(one),
        )

    def _retry(
        self, step: Retry, destination: Destination, job: Job, outcome: Outcome
    ) -> None:
        queue, entry, one = self.queue, job.entry, outcome.recipient
        moment = queue.machine.time() + step.wait
        queue.deferral.put_off(entry, [Late(one, outcome)], moment)
        destination.add(Job(entry, [one], job.settings), moment)
        queue.wake(destination)
        if step.warn:
            self._warn(entry, one)

    def _warn(self, entry: QueueEntry, one: Recipient) -> None:
        one.warned = True
        if one.wants("DELAY"):
            self.queue.courier.warn(entry, [one])
        self.queue.storage.note(entry)


def checked(step: object) -> NextStep:
    """What a rule answered. Raises LabError, ValueError, TypeError: it is no answer."""
    if isinstance(step, Bounce):
        path_of(step.mail_from)
        Address.from_text(step.rcpt_to)
    elif isinstance(step, Retry):
        if not isfinite(step.wait) or step.wait < SHORTEST:  # TypeError: no number
            raise LabError(f"expected Retry(wait) of {SHORTEST:.0f} s or more: {step}")
    elif not isinstance(step, Drop):
        raise LabError(f"expected Retry(…), Bounce(…) or Drop(), given {step!r}")
    return step


def report_of(step: Bounce | Drop, outcome: Outcome) -> Bounce | None:
    """The report that is wanted, by the rule and by the sender."""
    if isinstance(step, Bounce) and outcome.recipient.wants("FAILURE"):
        return step
    return None


def path_of(text: str) -> Address:
    """A reverse-path; "" and "<>" are the null one. Raises ValueError.

    >>> path_of("<>").is_null, str(path_of("ann@alpha.example"))
    (True, 'ann@alpha.example')
    """
    inside = text.strip("<>")
    return Address.from_text(inside) if inside else NULL_PATH
