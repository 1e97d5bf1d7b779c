"""May this client connect, and which ways may its mail take? (hMailServer's IP ranges)

Goes in: a client's address, a protocol, the settings, the bans of now. Comes out: a
verdict that names the range or the network.

Rule 1: of all ranges that hold the address and have not expired, the one with the
        highest priority counts; of equals the first one. No range: no connection.
Rule 2: without ranges, `access.grant` and `access.deny` decide about connections.
Rule 3: a ban is a range in which no protocol may connect (`policy.autoblock`).
Rule 4: a way is named by where sender and recipient live: "external-local" is mail that
        comes in, "external-external" is relaying for strangers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from maillab.policy import reply_names
from maillab.policy.networks import client_address, find_network
from maillab.policy.settings import IPRange, Settings
from maillab.policy.verdict import Verdict

# What hMailServer is installed with: strangers bring mail for our users, and nothing
# else without a login.
INTERNET = IPRange(
    "Internet",
    "0.0.0.0",
    "255.255.255.255",
    priority=10,
    login_for=("local-local", "local-external", "external-external"),
)
MY_COMPUTER = IPRange(
    "My computer",
    "127.0.0.1",
    "127.0.0.1",
    priority=30,
    login_for=("external-external",),
)
# deviation: hMailServer is installed without this one; a world may have IPv6.
INTERNET_IPV6 = IPRange(
    "Internet (IPv6)",
    "::",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    priority=10,
    login_for=INTERNET.login_for,
)


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody connects: from where, for "smtp", "pop3" or "imap", and when."""

    client: str
    protocol: str = "smtp"
    now: float = 0.0


def holds(one: IPRange, client: str) -> bool:
    """The address is in the range.

    >>> holds(INTERNET, "192.0.2.1"), holds(INTERNET, "2001:db8::1")
    (True, False)
    """
    address, first, last = map(client_address, (client, one.first, one.last))
    if address is None or first is None or last is None:
        return False
    if not address.version == first.version == last.version:
        return False
    return int(first) <= int(address) <= int(last)


def find_range(
    client: str, ranges: Sequence[IPRange], now: float
) -> tuple[int, IPRange] | None:
    """The range that counts for a client, with its place in the list."""
    living = [
        (-one.priority, at)
        for at, one in enumerate(ranges)
        if holds(one, client) and not 0 < one.expires <= now
    ]
    if not living:
        return None
    at = min(living)[1]
    return at, ranges[at]


def judge_connection(
    visit: Visit, settings: Settings, bans: Sequence[IPRange] = ()
) -> Verdict:
    """May this client connect?"""
    banned = find_range(visit.client, bans, visit.now)
    if banned is not None and not _outranked(banned[1], visit, settings):
        return _banned(visit, banned[1])
    if settings.access.ip_ranges:
        return _judge_range(visit, settings)
    return _judge_networks(visit, settings)


def judge_way(visit: Visit, way: str, user: str, settings: Settings) -> Verdict | None:
    """May mail take this way? None when there are no ranges to say so."""
    ranges = settings.access.ip_ranges
    if not ranges:
        return None
    found = find_range(visit.client, ranges, visit.now)
    if found is None:
        return _no_range(visit, "RFC 5321 §7.9")
    at, one = found
    setting = f"access.ip_ranges.{at}"
    if way not in one.relays:
        reason = f'the range "{one.name}" does not let mail go {_words(way)}'
        return _denied(reason, f"{setting}.relays")
    if way in one.login_for and not user:
        reason = f'the range "{one.name}" wants a login for mail {_words(way)}'
        return Verdict(
            "reject",
            reason,
            "5.7.0",
            "RFC 4954 §6",
            reply_names.AUTH_REQUIRED,
            "IP range",
            f"{setting}.login_for",
        )
    reason = f'the range "{one.name}" lets mail go {_words(way)}'
    if way in one.login_for:
        reason += f", and {user} is logged in"
    name, rfc = reply_names.RECIPIENT_OK, "RFC 5321 §7.9"
    return Verdict(
        "accept", reason, "2.1.5", rfc, name, "IP range", f"{setting}.relays"
    )


def _words(way: str) -> str:
    """A way in words.

    >>> _words("external-local")
    'from external to local addresses'
    """
    sender, _, recipient = way.partition("-")
    return f"from {sender} to {recipient} addresses"


def _outranked(ban: IPRange, visit: Visit, settings: Settings) -> bool:
    """An administrator's range of a higher priority goes before a ban."""
    found = find_range(visit.client, settings.access.ip_ranges, visit.now)
    return found is not None and found[1].priority > ban.priority


def _banned(visit: Visit, ban: IPRange) -> Verdict:
    left = max(1, round((ban.expires - visit.now) / 60))
    reason = f"{visit.client} is banned for {left} more minutes: {ban.name}"
    rfc, name = "RFC 5321 §3.1", reply_names.BANNED
    return Verdict("reject", reason, "5.7.1", rfc, name, "ban", "defence.autoblock")


def _judge_range(visit: Visit, settings: Settings) -> Verdict:
    found = find_range(visit.client, settings.access.ip_ranges, visit.now)
    if found is None:
        return _no_range(visit)
    at, one = found
    setting = f"access.ip_ranges.{at}.protocols"
    if visit.protocol not in one.protocols:
        protocols = ", ".join(one.protocols) or "nothing"
        reason = f'the range "{one.name}" allows {protocols}, not {visit.protocol}'
        return _refused(reason, "IP range", setting)
    reason = f'the range "{one.name}" allows {visit.protocol}'
    return Verdict("accept", reason, rule="IP range", setting=setting)


def _judge_networks(visit: Visit, settings: Settings) -> Verdict:
    access = settings.access
    granted = find_network(visit.client, access.grant)
    if granted is not None:
        reason = f"{visit.client} is in {access.grant[granted]}, which may connect"
        setting = f"access.grant.{granted}"
        return Verdict("accept", reason, rule="grant", setting=setting)
    denied = find_network(visit.client, access.deny)
    if denied is not None:
        reason = f"{visit.client} is in {access.deny[denied]}, which may not connect"
        return _refused(reason, "deny", f"access.deny.{denied}")
    if access.grant:
        reason = f"{visit.client} is in none of the networks that may connect"
        return _refused(reason, "grant", "access.grant")
    return Verdict("accept", "everybody may connect", rule="grant")


def _no_range(visit: Visit, rfc: str = "RFC 5321 §3.1") -> Verdict:
    reason = f"no IP range holds {visit.client}"
    return _refused(reason, "IP range", "access.ip_ranges", rfc)


def _refused(
    reason: str, rule: str, setting: str, rfc: str = "RFC 5321 §3.1"
) -> Verdict:
    """No session: 554 instead of the banner (RFC 5321 §3.1)."""
    name = reply_names.ACCESS_DENIED
    return Verdict("reject", reason, "5.7.1", rfc, name, rule, setting)


def _denied(reason: str, setting: str) -> Verdict:
    name = reply_names.RELAYING_DENIED
    rfc = "RFC 5321 §7.9"
    return Verdict("reject", reason, "5.7.1", rfc, name, "IP range", setting)
