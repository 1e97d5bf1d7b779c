"""Is there room in a mailbox?

Goes in: an account, what it holds, the size of a message. Comes out: a verdict.

Rule 1: a quota of the account goes before the default; 0 is no limit.
Rule 2: `quota_reply` says whether the client may try again: 452 4.2.2 "later", or
        552 5.2.2 "never" (RFC 3463 §3.3). Over a quota, mail is refused at RCPT, so
        that the sender hears it from his own server.
"""

from dataclasses import dataclass

from maillab.policy import reply_names
from maillab.policy.recipients import same_address
from maillab.policy.settings import Settings
from maillab.policy.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Room:
    """An account, the octets that it holds, and those that would come (0: unknown)."""

    account: str
    used: int
    size: int = 0


def find_limit(account: str, settings: Settings) -> tuple[int, str]:
    """How many octets an account may hold, and which setting says so."""
    for at, quota in enumerate(settings.recipients.quotas):
        if same_address(quota.address) == same_address(account):
            return quota.octets, f"recipients.quotas.{at}.octets"
    return settings.recipients.default_quota, "recipients.default_quota"


def judge_quota(room: Room, settings: Settings) -> Verdict:
    """Is there room for one more message?"""
    limit, setting = find_limit(room.account, settings)
    full = room.used >= limit or room.used + room.size > limit
    if not limit or not full:
        reason = f"there is room in the mailbox of {room.account}"
        return Verdict("accept", reason, "2.1.5", rule="quota", setting=setting)
    reason = f"{room.account} holds {room.used} of {limit} octets"
    if room.size and room.used < limit:
        reason += f", and {room.size} more do not fit"
    later = settings.recipients.quota_reply == "later"
    return Verdict(
        "defer" if later else "reject",
        reason,
        "4.2.2" if later else "5.2.2",
        "RFC 3463 §3.3",
        reply_names.MAILBOX_FULL_NOW if later else reply_names.MAILBOX_FULL,
        "quota",
        setting,
    )
