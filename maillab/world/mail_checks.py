"""Settings that cannot be meant.

Goes in: `Settings`, of whatever origin. Comes out: the path of a setting, and what to
say about it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from ipaddress import ip_address

from maillab.agents.routing import literal_address
from maillab.policy.routes import lmtp_place
from maillab.policy.settings import PROTOCOLS, WAYS, IPRange, Settings, SmartHost
from maillab.protocol.imap_server_options import CAPABILITIES
from maillab.protocol.smtp_server_limits import ALL_EXTENSIONS, MORE_EXTENSIONS
from maillab.wire.sasl import MECHANISMS
from maillab.wire.smtp_path import Address, is_domain

HIDEABLE = (*ALL_EXTENSIONS, *MORE_EXTENSIONS, "STARTTLS", "AUTH")
HIDEABLE_IN_IMAP = tuple(
    word.upper()
    for word in (*CAPABILITIES, "LITERAL+", "LITERAL-", "APPENDLIMIT", "STARTTLS")
    if word != "IMAP4rev1"
)

Mistake = tuple[str, str]


def settings_mistakes(
    settings: Settings, *, reversible_passwords: bool = True
) -> Iterator[Mistake]:
    """All of them. `reversible_passwords`: as the host's table has it."""
    yield from _mechanisms(settings)
    if "CRAM-MD5" in settings.access.mechanisms and not reversible_passwords:
        yield (
            "access.mechanisms",
            "CRAM-MD5 needs passwords that the server can read (RFC 2195): give the "
            "host reversible_passwords = true, or offer SCRAM-SHA-256",
        )
    yield from _access(settings)
    yield from _ranges(settings)
    yield from _smart_hosts(settings)
    yield from _addresses(settings)
    yield from _delivery(settings)
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


def _hidden(
    path: str, words: Sequence[str], hideable: Sequence[str]
) -> Iterator[Mistake]:
    for at, word in enumerate(words):
        if word.upper() not in hideable:
            close = get_close_matches(word.upper(), hideable, 1)
            known = f"did you mean {close[0]!r}?" if close else ", ".join(hideable)
            yield f"{path}.{at}", f"{word!r} is no extension; {known}"


def _access(settings: Settings) -> Iterator[Mistake]:
    yield from _hidden("access.hide", settings.access.hide, HIDEABLE)
    yield from _hidden("reading.hide", settings.reading.hide, HIDEABLE_IN_IMAP)
    for at, port in enumerate(settings.access.tls_required):
        if not 1 <= port <= 65535:
            yield (
                f"access.tls_required.{at}",
                f"{port} is no port; write one such as 25",
            )
    for at, zone in enumerate(settings.defence.dnsbl):
        if not is_domain(zone.strip(".")):
            yield f"defence.dnsbl.{at}", f"{zone!r} is no zone; write bl.example"


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
        for place, text in enumerate(domain.recipients):
            if not _is_address(text):
                path = f"remote_domains.{number}.recipients.{place}"
                yield path, f"{text!r} is not a mail address; write user@domain"
    for path, smart in found.items():
        if smart is not None and not 1 <= smart.port <= 65535:
            yield f"{path}.port", f"{smart.port} is no port"
        if smart is not None and smart.host.startswith("["):
            yield from _literal(path, smart.host)


def _literal(path: str, host: str) -> Iterator[Mistake]:
    try:
        literal_address(host)
    except ValueError:
        yield f"{path}.host", f"{host!r}: between [ ] stands an IP address"


# Which fields of the entries are addresses. An empty one means that there is none.
ADDRESSES = {
    "aliases": ("address", "to"),
    "lists": ("address", "members", "owner"),
    "forwards": ("address", "to"),
    "vacations": ("address",),
    "quotas": ("address",),
    "rules": ("account",),
    "catch_all": ("to",),
}
DOMAINS = {"catch_all": ("domain",), "alias_domains": ("domain", "means")}
OPTIONAL = ("owner", "account")


def _addresses(settings: Settings) -> Iterator[Mistake]:
    yield from _texts(
        settings, ADDRESSES, _is_address, "mail address; write user@domain"
    )
    yield from _texts(settings, DOMAINS, _is_domain, "domain; write alpha.example")
    separator = settings.recipients.separator
    if len(separator) > 1 or separator.isalnum() or separator == "@":
        yield "recipients.separator", f'{separator!r}: write one sign, such as "+"'
    for number, rule in enumerate(settings.recipients.rules):
        for at, action in enumerate(rule.actions):
            if action.do == "forward" and not _is_address(action.to):
                path = f"recipients.rules.{number}.actions.{at}.to"
                yield path, f"{action.to!r} is not a mail address; write user@domain"


def _texts(
    settings: Settings,
    kinds: Mapping[str, Sequence[str]],
    is_right: Callable[[str], bool],
    expected: str,
) -> Iterator[Mistake]:
    """What stands in fields of one kind, and is something else."""
    for key, names in kinds.items():
        for number, entry in enumerate(getattr(settings.recipients, key)):
            for name in names:
                path = f"recipients.{key}.{number}.{name}"
                value: str | tuple[str, ...] = getattr(entry, name)
                if isinstance(value, tuple):
                    places = [(f"{path}.{at}", one) for at, one in enumerate(value)]
                else:
                    places = [(path, value)] if value or name not in OPTIONAL else []
                for place, text in places:
                    if not is_right(text):
                        yield place, f"{text!r} is not a {expected}"


def _delivery(settings: Settings) -> Iterator[Mistake]:
    delivery = settings.delivery
    if delivery.report_copy and not _is_address(delivery.report_copy):
        given = delivery.report_copy
        yield (
            "delivery.report_copy",
            f"{given!r} is not a mail address; write user@domain",
        )
    for key, name in (("helo", delivery.helo), ("masquerade", delivery.masquerade)):
        if name and not _is_domain(name):
            yield f"delivery.{key}", f"{name!r} is not a domain; write alpha.example"
    try:
        lmtp_place(delivery.lmtp)
    except ValueError as error:
        yield "delivery.lmtp", str(error)


def _is_address(text: str) -> bool:
    try:
        return bool(Address.from_text(text.strip()).domain)
    except ValueError:
        return False


def _is_domain(text: str) -> bool:
    return is_domain(text.strip().removesuffix("."))


def _times(settings: Settings) -> Iterator[Mistake]:
    if not settings.delivery.retry:
        yield "delivery.retry", 'none given; write intervals such as ["15 min", "1 h"]'
    if any(wait <= 0 for wait in settings.delivery.retry):
        yield "delivery.retry", "an interval is longer than 0 s"
