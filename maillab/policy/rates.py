"""How much may come within an hour, from one client or one login?

Goes in: what came when. Comes out: a verdict, and what to remember.

Rule 1: the hour slides: what is older than an hour does not count.
Rule 2: what is refused does not count (RFC 2505 §2.8: slow down, do not lock out).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from maillab.policy import reply_names
from maillab.policy.settings import HOUR
from maillab.policy.verdict import Verdict

Window = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Rate:
    """A limit: `limit` of `what` ("messages" or "recipients") for `who`."""

    who: str
    what: str
    limit: int

    @property
    def setting(self) -> str:
        """Where it stands."""
        return f"limits.{self.what}_per_hour"


def count(window: Sequence[float], now: float, rate: Rate) -> tuple[Verdict, Window]:
    """One more.

    >>> rate = Rate("ann", "messages", 1)
    >>> first, window = count((), 0.0, rate)
    >>> second, window = count(window, 60.0, rate)
    >>> third, window = count(window, 3600.0, rate)
    >>> first.result, second.result, third.result, window
    ('accept', 'defer', 'accept', (3600.0,))
    """
    recent = tuple(when for when in window if now - when < HOUR)
    if not rate.limit:
        return Verdict("accept", "there is no limit", rule="rate"), ()
    if len(recent) >= rate.limit:
        minutes = max(1, round((recent[0] + HOUR - now) / 60))
        reason = f"{rate.who} had {len(recent)} {rate.what} within an hour: the next \
one in {minutes} minutes"
        return _slow_down(reason, rate), recent
    reason = f"{len(recent) + 1} of {rate.limit} {rate.what} within an hour"
    verdict = Verdict("accept", reason, rule="rate", setting=rate.setting)
    return verdict, (*recent, now)


def _slow_down(reason: str, rate: Rate) -> Verdict:
    name = reply_names.RATE_EXCEEDED
    return Verdict(
        "defer", reason, "4.7.0", "RFC 2505 §2.8", name, "rate", rate.setting
    )
