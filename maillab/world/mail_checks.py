"""Settings that cannot be meant.

Goes in: `Settings`, of whatever origin. Comes out: the path of a setting, and what to
say about it.
"""

from collections.abc import Iterator
from ipaddress import ip_address

from maillab.policy.settings import IPRange, Settings, SmartHost

MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256")
WAYS = ("local-local", "local-external", "external-local", "external-external")
PROTOCOLS = ("smtp", "pop3", "imap")

Mistake = tuple[str, str]


def settings_mistakes(settings: Settings) -> Iterator[Mistake]:
    """All of them."""
    yield from _mechanisms(settings)
    yield from _ranges(settings)
    yield from _smart_hosts(settings)
    yield from _addresses(settings)
    yield from _times(settings)


def _mechanisms(settings: Settings) -> Iterator[Mistake]:
    given = {
        "access.mechanisms": settings.access.mechanisms,
        "delivery.mechanisms": settings.delivery.mechanisms,
    }
    for path, names in given.items():
        for name in names:
            if name not in MECHANISMS:
                known = ", ".join(MECHANISMS)
                yield path, f"{name!r} is no mechanism; known are {known}"


def _ranges(settings: Settings) -> Iterator[Mistake]:
    for number, entry in enumerate(settings.access.ip_ranges):
        path = f"access.ip_ranges.{number}"
        yield from _range(path, entry)
        for key, names, known in (
            ("protocols", entry.protocols, PROTOCOLS),
            ("relays", entry.relays, WAYS),
            ("login_for", entry.login_for, WAYS),
        ):
            for name in names:
                if name not in known:
                    choices = ", ".join(known)
                    yield f"{path}.{key}", f"{name!r} is not known; write {choices}"


def _range(path: str, entry: IPRange) -> Iterator[Mistake]:
    try:
        first, last = ip_address(entry.first), ip_address(entry.last)
    except ValueError as error:
        yield path, f"{error}; write addresses such as 192.0.2.1"
        return
    if first.version != last.version or int(first) > int(last):
        yield path, f"{first} is not below {last}: write the lower address first"


def _smart_hosts(settings: Settings) -> Iterator[Mistake]:
    found: dict[str, SmartHost | None] = {
        "delivery.smart_host": settings.delivery.smart_host
    }
    for number, domain in enumerate(settings.remote_domains):
        found[f"remote_domains.{number}.smart_host"] = domain.smart_host
        bare = domain.name.removeprefix("*.")
        if not bare or "*" in bare:
            yield (
                f"remote_domains.{number}.name",
                f"{domain.name!r}: write partner.example or *.partner.example",
            )
    for path, smart in found.items():
        if smart is not None and not 1 <= smart.port <= 65535:
            yield f"{path}.port", f"{smart.port} is no port"
        if smart is not None and smart.host.startswith("["):
            yield from _literal(path, smart.host)


def _literal(path: str, host: str) -> Iterator[Mistake]:
    inside = host.strip("[]").lower().removeprefix("ipv6:")
    try:
        ip_address(inside)
    except ValueError:
        yield f"{path}.host", f"{host!r}: between [ ] stands an IP address"


def _addresses(settings: Settings) -> Iterator[Mistake]:
    recipients = settings.recipients
    places = {
        "aliases": [entry.address for entry in recipients.aliases],
        "lists": [entry.address for entry in recipients.lists],
        "forwards": [entry.address for entry in recipients.forwards],
        "vacations": [entry.address for entry in recipients.vacations],
        "quotas": [entry.address for entry in recipients.quotas],
    }
    for key, addresses in places.items():
        for number, address in enumerate(addresses):
            local, at, domain = address.rpartition("@")
            if not (local and at and domain):
                path = f"recipients.{key}.{number}.address"
                yield path, f"{address!r} is not a mail address; write user@domain"


def _times(settings: Settings) -> Iterator[Mistake]:
    if not settings.delivery.retry:
        yield "delivery.retry", 'none given; write intervals such as ["15 min", "1 h"]'
    if any(wait <= 0 for wait in settings.delivery.retry):
        yield "delivery.retry", "an interval is longer than 0 s"
