"""May this client send in the name of this sender? (RFC5321.MailFrom)

Goes in: who connects, who is logged in, the reverse-path, settings. Comes out: a
verdict.

Rule 1: the null reverse-path is always fine: it is nobody's name (RFC 5321 §4.5.5).
Rule 2: an address is an account's own when mail for it reaches that account and nobody
        else, or by an alias the account among others: aliases, alias domains and plus
        addressing count, mailing lists do not.
Rule 3: whether a sender's domain can get mail is a question to the DNS. Somebody else
        asks it; `domain_state` is the answer, "" when nobody asked.
"""

from dataclasses import dataclass
from typing import Literal

from maillab.policy import reply_names
from maillab.policy.domains import Ours, find_domain
from maillab.policy.recipients import resolve, same_address
from maillab.policy.settings import Settings
from maillab.policy.verdict import Verdict
from maillab.wire.smtp_path import Address

DomainState = Literal["", "exists", "missing", "null-mx", "unknown"]


@dataclass(frozen=True, slots=True)
class SenderFacts:
    """What is known when a sender is named (MAIL).

    user     the login of an authenticated client, or ""
    account  the address of the account that logged in, or ""
    """

    ours: Ours
    sender: Address
    client: str = ""
    user: str = ""
    account: str = ""
    domain_state: DomainState = ""


def judge_sender(facts: SenderFacts, settings: Settings) -> Verdict:
    """Take mail from this sender?"""
    if not facts.user and not settings.access.anonymous:
        reason = "this server takes mail from clients that log in only"
        return _login_wanted(reason, "anonymous", "access.anonymous")
    if facts.sender.is_null:
        reason = "the null reverse-path: a report, to which nobody shall answer"
        return _ok(reason, "null reverse-path", "RFC 5321 §4.5.5")
    if facts.user:
        return _judge_login(facts, settings)
    domain = find_domain(facts.sender.domain, facts.ours, settings)
    if domain.is_ours and settings.relay.local_sender_needs_login:
        reason = f"{facts.sender} is an address of this server: log in to use it"
        return _login_wanted(reason, "local sender", "relay.local_sender_needs_login")
    if not domain.is_ours and settings.access.check_sender_domain:
        return _judge_domain(facts)
    return _ok("anybody may send mail to this server", "anonymous", "RFC 5321 §3.3")


def _judge_login(facts: SenderFacts, settings: Settings) -> Verdict:
    match settings.relay.sender_match:
        case "account" if not is_own(facts, settings):
            return _not_own(facts, f"{facts.sender} is not an address of {facts.user}")
        case "domain" if not is_own_domain(facts, settings):
            reason = f"{facts.sender} is in another domain than {facts.account}"
            return _not_own(facts, reason)
        case _:
            reason = f"{facts.user} is logged in and may use this address"
            return _ok(reason, "sender match", "RFC 6409 §6.1")


def is_own(facts: SenderFacts, settings: Settings) -> bool:
    """Mail for the sender's address reaches the account that is logged in."""
    found = resolve(facts.sender, facts.ours, settings)
    accounts = [same_address(one) for one in found.accounts]
    kinds = ("account", "alias", "postmaster")
    return found.kind in kinds and same_address(facts.account) in accounts


def is_own_domain(facts: SenderFacts, settings: Settings) -> bool:
    """The sender's domain is the account's, or an alias domain of it."""
    own = same_address(facts.account)[1]
    domain = find_domain(facts.sender.domain, facts.ours, settings)
    return domain.means == own


def _judge_domain(facts: SenderFacts) -> Verdict:
    domain = facts.sender.domain
    match facts.domain_state:
        case "missing":
            reason = f"{domain} has neither an MX nor an address record: no answer \
could reach the sender"
            name, code = reply_names.SENDER_DOMAIN_MISSING, "5.1.8"
        case "null-mx":
            reason = f"{domain} says by a null MX that it accepts no mail"
            name, code = reply_names.SENDER_NULL_MX, "5.7.27"
        case "unknown":
            reason = f"the DNS did not say whether {domain} exists: try again later"
            name, code = reply_names.SENDER_DOMAIN_UNKNOWN, "4.1.8"
        case _:
            return _ok(f"{domain} can get mail", "sender domain", "RFC 5321 §3.3")
    result = "defer" if code.startswith("4") else "reject"
    rfc = "RFC 7505 §4.2" if facts.domain_state == "null-mx" else "RFC 2505 §2.9"
    setting = "access.check_sender_domain"
    return Verdict(result, reason, code, rfc, name, "sender domain", setting)


def _ok(reason: str, rule: str, rfc: str) -> Verdict:
    return Verdict("accept", reason, "2.1.0", rfc, reply_names.SENDER_OK, rule)


def _login_wanted(reason: str, rule: str, setting: str) -> Verdict:
    name = reply_names.AUTH_REQUIRED
    return Verdict("reject", reason, "5.7.0", "RFC 4954 §6", name, rule, setting)


def _not_own(facts: SenderFacts, reason: str) -> Verdict:
    return Verdict(
        "reject",
        reason,
        "5.7.1",
        "RFC 6409 §6.1",
        reply_names.SENDER_NOT_OWN,
        "sender match",
        "relay.sender_match",
    )
