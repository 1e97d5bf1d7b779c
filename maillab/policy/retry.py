"""When to try again, when to warn, and when to give up (RFC 5321 §4.5.4.1).

Goes in: the settings of delivery, how often it was tried, how old a message is. Comes
out: seconds, and whether that is too old. A rule of one's own, `Decide`, may stand in
the schedule's place (`server.queue.decide = …`).

"The sender MUST delay retrying a particular destination after one attempt has failed.
In general, the retry interval SHOULD be at least 30 minutes [...] the give-up time
generally needs to be at least 4-5 days." Two quicker tries come first, as the same
section allows.
"""

from collections.abc import Callable
from dataclasses import dataclass

from maillab.policy.settings import DAY, MINUTE, Delivery


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """`intervals` between tries and queue time until `expire`, all in seconds.

    The last interval repeats. After `warn` the sender is told of the delay; 0: never.
    """

    intervals: tuple[float, ...] = (5 * MINUTE, 15 * MINUTE, 30 * MINUTE, 60 * MINUTE)
    expire: float = 5 * DAY
    warn: float = 0.0

    @classmethod
    def of(cls, delivery: Delivery) -> "RetrySchedule":
        """As the settings have it."""
        intervals = delivery.retry or cls().intervals
        return cls(intervals, delivery.expire, delivery.delay_warning)

    def wait(self, attempts: int) -> float:
        """Seconds to wait after the `attempts`-th failed try in a row.

        >>> RetrySchedule().wait(1), RetrySchedule().wait(200)
        (300.0, 3600.0)
        """
        return self.intervals[min(max(attempts, 1), len(self.intervals)) - 1]

    def gives_up(self, age: float) -> bool:
        """A message of this age, in seconds, is not tried any more.

        >>> RetrySchedule().gives_up(5 * 86400.0), RetrySchedule().gives_up(432000.1)
        (False, True)
        """
        return age > self.expire


# A rule of one's own ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Failure:
    """A recipient who was not reached, as a rule for the queue is told of him.

    code       the reply code; 0: there was no reply
    enhanced   as RFC 3463: "4.2.2"; also where no server said it; or ""
    reason     in words
    attempts   failed tries so far, this one among them
    age        seconds that the message has been in the queue
    warned     the sender has been told of the delay
    mail_from  RFC5321.MailFrom; "" is the null reverse-path
    rcpt_to    the recipient
    """

    code: int
    enhanced: str
    reason: str
    attempts: int
    age: float
    warned: bool
    mail_from: str
    rcpt_to: str


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after `wait` seconds; `warn`: tell the sender that it takes longer."""

    wait: float
    warn: bool = False


@dataclass(frozen=True, slots=True)
class Bounce:
    """Give up, and send a report with this envelope; "" is the null reverse-path."""

    mail_from: str
    rcpt_to: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Give up, and tell nobody."""


NextStep = Retry | Bounce | Drop
Decide = Callable[[Failure], NextStep]
