"""Auto-block: who gives wrong passwords is kept out for a while.

Goes in: when an address failed to log in. Comes out: what to remember, and a ban.

Rule 1: a ban is an IP range of one address in which no protocol may connect, and which
        expires (hMailServer). Nothing else knows what a ban is.
Rule 2: failures count for each address, whichever account they were about; a login that
        succeeds does not reset the count, a ban does (as in hMailServer).
"""

from maillab.policy.settings import AutoBlock, IPRange

PRIORITY = 100

Failures = tuple[float, ...]


def note_failure(
    failures: Failures, client: str, now: float, settings: AutoBlock
) -> tuple[Failures, IPRange | None]:
    """One more wrong login.

    >>> settings = AutoBlock(attempts=2, window=60.0, ban=600.0)
    >>> failures, ban = note_failure((), "192.0.2.1", 10.0, settings)
    >>> failures, ban
    ((10.0,), None)
    >>> failures, ban = note_failure(failures, "192.0.2.1", 20.0, settings)
    >>> failures, ban.name, ban.expires
    ((), '2 wrong logins within 1 minutes', 620.0)
    """
    if not settings.attempts:
        return (), None
    counted = (*(one for one in failures if now - one < settings.window), now)
    if len(counted) < settings.attempts:
        return counted, None
    minutes = settings.window / 60
    reason = f"{settings.attempts} wrong logins within {minutes:g} minutes"
    return (), make_ban(client, now + settings.ban, reason)


def make_ban(client: str, until: float, reason: str) -> IPRange:
    """A range of one address, in which nothing is allowed."""
    return IPRange(reason, client, client, PRIORITY, until, (), (), ())
