"""When to try again, and when to give up (RFC 5321 §4.5.4.1).

"The sender MUST delay retrying a particular destination after one attempt has failed.
In general, the retry interval SHOULD be at least 30 minutes [...] the give-up time
generally needs to be at least 4-5 days." Two quicker tries come first, as the same
section allows.
"""

from dataclasses import dataclass

MINUTE = 60.0
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """`intervals` between tries and queue time until `expire`, all in seconds.

    The last interval repeats.
    """

    intervals: tuple[float, ...] = (5 * MINUTE, 15 * MINUTE, 30 * MINUTE, 60 * MINUTE)
    expire: float = 5 * DAY

    def next_try(self, attempts: int, age: float) -> float | None:
        """Seconds to wait after the `attempts`-th failed try, or None to give up.

        `age` is how long the message has been in the queue, in seconds.

        >>> RetrySchedule().next_try(1, age=10.0)
        300.0
        >>> RetrySchedule().next_try(200, age=5 * 86400.0) is None
        True
        """
        wait = self.intervals[min(attempts, len(self.intervals)) - 1]
        return wait if age + wait <= self.expire else None
