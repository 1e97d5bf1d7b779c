"""When to try again, when to warn, and when to give up (RFC 5321 §4.5.4.1).

Goes in: the settings of delivery, how often it was tried, how old a message is. Comes
out: seconds, and whether that is too old.

"The sender MUST delay retrying a particular destination after one attempt has failed.
In general, the retry interval SHOULD be at least 30 minutes [...] the give-up time
generally needs to be at least 4-5 days." Two quicker tries come first, as the same
section allows.
"""

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
