"""Take mail for this recipient, from this client?

Goes in: who connects, who is logged in, sender, recipient, settings. Comes out: a
verdict with its rule and its setting.

Rule 1: mail for our own users comes in from anybody (that is what port 25 is for).
Rule 2: mail for anybody else is taken from authenticated users and trusted networks,
        and for domains that we relay for (a backup MX). A server without this rule is
        an open relay (RFC 5321 §7.9, RFC 2505 §2.1).
Rule 3: what counts is the domain of the mailbox, behind the last @. A source route
        (RFC 5321 §3.6.1, appendix C), a "%" or a "!" in the local part are no route
        here; and with such a local part nothing goes to a backed-up domain either,
        because the host there may read it as one (RFC 2505 §2.1).
"""

from dataclasses import dataclass

from maillab.policy import reply_names
from maillab.policy.domains import Domain, Ours, find_domain
from maillab.policy.ip_ranges import Visit, judge_way
from maillab.policy.mailing_lists import Post, judge_post
from maillab.policy.networks import find_network
from maillab.policy.recipients import (
    ROUTING_CHARACTERS,
    Resolution,
    resolve,
    same_address,
)
from maillab.policy.settings import Settings
from maillab.policy.verdict import Verdict
from maillab.wire.smtp_path import NULL_PATH, Address

UNKNOWN = "the domain is ours, but nobody has this name"
KNOWN = {
    "account": "a mailbox of this server",
    "postmaster": "a mailbox of this server",
    "alias": "an alias of this server",
    "list": "a mailing list of this server",
    "owner": "the owner of a mailing list of this server",
    "catch-all": "nobody has this name, but somebody gets all mail for unknown names",
}


@dataclass(frozen=True, slots=True)
class RecipientFacts:
    """What is known when a recipient is named (RCPT).

    ours    what the server knows of itself
    client  the client's IP address, "" when there is none
    user    the login of an authenticated client, or ""
    route   the hosts of a source route, if the forward-path had one
    now     seconds since the world began
    """

    ours: Ours
    recipient: Address
    client: str = ""
    user: str = ""
    sender: Address = NULL_PATH
    route: tuple[str, ...] = ()
    now: float = 0.0

    @property
    def visit(self) -> Visit:
        """Who connects."""
        return Visit(self.client, "smtp", self.now)


def judge_recipient(facts: RecipientFacts, settings: Settings) -> Verdict:
    """Take mail for this recipient?"""
    if facts.route and settings.relay.source_routes == "refuse":
        return _refuse_route(facts)
    domain = find_domain(facts.recipient.domain, facts.ours, settings)
    if not domain.is_ours:
        return _judge_relay(facts, domain, settings)
    way = _judge_way(facts, "local", settings)
    if way is not None and not way.accepted:
        return way
    return _judge_local(facts, settings)


# Mail that ends here ------------------------------------------------------------------


def _judge_local(facts: RecipientFacts, settings: Settings) -> Verdict:
    found = resolve(facts.recipient, facts.ours, settings)
    if found.kind == "loop":
        return _refuse_loop(facts, found)
    if not found.known:
        return _judge_unknown(facts, settings)
    for at in found.lists:
        post = Post(facts.sender, facts.user, facts.ours)
        verdict = judge_post(post, at, settings)
        if not verdict.accepted:
            return verdict
    rule = found.chain[0].rule if found.chain else found.kind
    return Verdict(
        "accept",
        KNOWN.get(found.kind, KNOWN["alias"]),
        "2.1.5",
        "",
        reply_names.RECIPIENT_OK,
        rule,
        found.setting,
    )


def _judge_unknown(facts: RecipientFacts, settings: Settings) -> Verdict:
    setting = "recipients.refuse_unknown"
    if not settings.recipients.refuse_unknown:
        return Verdict(
            "accept",
            "nobody has this name; the sender will hear of it later, by a bounce",
            "2.1.5",
            "RFC 5321 §6.1",
            reply_names.RECIPIENT_OK,
            "unknown recipient",
            setting,
        )
    reason = UNKNOWN
    if ROUTING_CHARACTERS & set(facts.recipient.local_part):
        reason += "; %, ! and @ in a local part are no route to anywhere"
    return Verdict(
        "reject",
        reason,
        "5.1.1",
        "RFC 5321 §3.3",
        reply_names.NO_SUCH_USER,
        "unknown recipient",
        setting,
    )


def _refuse_loop(facts: RecipientFacts, found: Resolution) -> Verdict:
    return Verdict(
        "reject",
        f"the aliases of {facts.recipient} lead in a circle, or too far",
        "5.4.6",
        "RFC 5321 §6.3",
        reply_names.ADDRESS_LOOP,
        "alias loop",
        found.setting,
    )


# Mail that would go on ----------------------------------------------------------------


def _judge_relay(facts: RecipientFacts, domain: Domain, settings: Settings) -> Verdict:
    if settings.relay.open:
        reason = "this server is an open relay: it takes mail from anybody for anybody"
        return _relay(reason, "open relay", "relay.open")
    if domain.entry is not None and domain.entry.allow_relay:
        return _judge_backup(facts, domain, settings)
    way = _judge_way(facts, "external", settings)
    if way is not None:
        return way
    if facts.user and settings.relay.authenticated:
        reason = f"{facts.user} is logged in and may send anywhere"
        return _relay(reason, "login", "relay.authenticated", "RFC 6409 §4.3")
    at = find_network(facts.client, settings.relay.networks)
    if at is not None:
        reason = "the client's network may relay"
        return _relay(reason, "relay network", f"relay.networks.{at}")
    return _deny(facts, domain)


def _judge_backup(facts: RecipientFacts, domain: Domain, settings: Settings) -> Verdict:
    """A domain that we relay for: it counts as local (hMailServer says so too)."""
    trusted = find_network(facts.client, settings.relay.networks) is not None
    if not facts.user and not trusted:
        if ROUTING_CHARACTERS & set(facts.recipient.local_part):
            return _refuse_hidden_route(domain)
        way = _judge_way(facts, "local", settings)
        if way is not None and not way.accepted:
            return way
    known = domain.entry.recipients if domain.entry is not None else ()
    if known and same_address(str(facts.recipient)) not in map(same_address, known):
        return _refuse_unknown_there(domain)
    reason = f"this server relays for {domain.name}"
    setting = f"{domain.setting}.allow_relay"
    return _relay(reason, "remote domain", setting, "RFC 5321 §3.6.2")


def _refuse_unknown_there(domain: Domain) -> Verdict:
    """A backup that takes what it cannot deliver bounces it to whoever was forged."""
    return Verdict(
        "reject",
        f"nobody has this name at {domain.name}, as far as this server was told",
        "5.1.1",
        "RFC 5321 §3.6.2",
        reply_names.NO_SUCH_USER,
        "unknown recipient",
        f"{domain.setting}.recipients",
    )


def _judge_way(
    facts: RecipientFacts, recipient: str, settings: Settings
) -> Verdict | None:
    """What the IP ranges say, if there are any."""
    sender = find_domain(facts.sender.domain, facts.ours, settings)
    # The null reverse-path is nobody's, and surely not one of our users.
    local = sender.is_ours and not facts.sender.is_null
    way = f"{'local' if local else 'external'}-{recipient}"
    return judge_way(facts.visit, way, facts.user, settings)


def _relay(reason: str, rule: str, setting: str, rfc: str = "RFC 5321 §7.9") -> Verdict:
    name = reply_names.RECIPIENT_OK
    return Verdict("accept", reason, "2.1.5", rfc, name, rule, setting)


def _deny(facts: RecipientFacts, domain: Domain) -> Verdict:
    if domain.entry is not None:
        rule, setting = "remote domain", f"{domain.setting}.allow_relay"
        reason = f"this server knows {domain.name}, but does not relay for it"
        if not facts.user:
            reason += " without a login"
    elif facts.user:
        rule, setting = "login", "relay.authenticated"
        reason = f"{facts.user} is logged in, but a login does not allow relaying here"
    else:
        rule, setting = "relay network", "relay.networks"
        reason = "the domain is not ours and the client did not log in"
    name = reply_names.RELAYING_DENIED
    rfc = "RFC 5321 §7.9"
    return Verdict("reject", reason, "5.7.1", rfc, name, rule, setting)


def _refuse_route(facts: RecipientFacts) -> Verdict:
    return Verdict(
        "reject",
        f"a source route by {', '.join(facts.route)}: this server takes none",
        "5.7.1",
        "RFC 5321 §3.6.1",
        reply_names.ROUTE_REFUSED,
        "source route",
        "relay.source_routes",
    )


def _refuse_hidden_route(domain: Domain) -> Verdict:
    return Verdict(
        "reject",
        f"%, ! or @ in a name may be a route at {domain.name}: not for strangers",
        "5.7.1",
        "RFC 2505 §2.1",
        reply_names.ROUTE_REFUSED,
        "hidden route",
        f"{domain.setting}.allow_relay",
    )
