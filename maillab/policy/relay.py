"""May this sender use this server, and for this recipient?

Rule 1: mail for our own users comes in from anybody (that is what port 25 is for).
Rule 2: mail for anybody else is taken from authenticated users and trusted networks
        only. A server without this rule is an open relay (RFC 5321 §7.9, RFC 2505
        §2.1).
"""

from dataclasses import dataclass

from maillab.policy.verdict import Verdict


@dataclass(frozen=True, slots=True)
class RelayFacts:
    """What is known when a recipient is named.

    user        the login of an authenticated client, or ""
    trusted     the client's address is in a network that may relay
    local       the recipient's domain is one of ours
    known_user  ... and somebody of that name has a mailbox
    """

    user: str
    trusted: bool
    local: bool
    known_user: bool


def judge_recipient(facts: RelayFacts) -> Verdict:
    """Take mail for this recipient?"""
    if facts.local and facts.known_user:
        return Verdict("accept", "a mailbox of this server", "2.1.5")
    if facts.local:
        reason = "the domain is ours, but nobody has this name"
        return Verdict("reject", reason, "5.1.1", "RFC 5321 §3.3")
    if facts.user:
        reason = f"{facts.user} is logged in and may send anywhere"
        return Verdict("accept", reason, "2.1.5", "RFC 6409 §4.3")
    if facts.trusted:
        return Verdict("accept", "the client's network may relay", "2.1.5")
    reason = "the domain is not ours and the client did not log in"
    return Verdict("reject", reason, "5.7.1", "RFC 5321 §7.9")
