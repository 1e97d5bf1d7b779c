"""Which way mail for a domain takes: the DNS, a smart host, an address (RFC 5321 §5).

Goes in: a domain that is not ours, and the settings. Comes out: a `RouteChoice`, with
the reason and the setting that decided.

Rule 1: a remote domain with a smart host of its own goes before the smart host for
        everything; an exact name before a wildcard, a longer wildcard before a shorter.
Rule 2: an address literal names the host: the DNS is not asked (RFC 5321 §4.1.3). The
        smart host takes such mail too: who needs one cannot reach port 25 elsewhere.
Rule 3: what has the same `key` goes to the same destination, in the same sessions.
"""

from dataclasses import dataclass, replace

from maillab.policy.domains import find_remote, same_name
from maillab.policy.settings import Delivery, Settings, SmartHost, TLSLevel

LMTP_PORT = 24
LOCAL = "local"  # the key of mail that ends here
UNSURE = "unsure"  # ... and of mail of which nobody can say that now


@dataclass(frozen=True, slots=True)
class RouteChoice:
    """Where mail for a domain goes, and why.

    key         names the destination
    host        whose MX records count; or, if `direct`, the host itself or [address]
    direct      no MX records: a smart host, or an address literal
    port, tls   how to connect there; `implicit_tls`: TLS from the first octet
    smart_host  with the login, if it is one
    lmtp        LMTP is spoken there (RFC 2033)
    fallback    where mail goes when this way fails for now ("direct first")
    """

    key: str
    host: str
    port: int = 25
    tls: TLSLevel = "may"
    direct: bool = False
    implicit_tls: bool = False
    smart_host: SmartHost | None = None
    lmtp: bool = False
    fallback: "RouteChoice | None" = None
    reason: str = ""
    setting: str = ""


def choose_route(domain: str, settings: Settings) -> RouteChoice:
    """The way for one domain.

    >>> choose_route("Beta.example", Settings()).key
    'beta.example'
    >>> relay = Settings(delivery=Delivery(smart_host=SmartHost("relay.example", 587)))
    >>> choose_route("beta.example", relay).key
    'smart host relay.example:587'
    >>> choose_route("[192.0.2.1]", Settings()).reason
    'the address literal names the host itself'
    """
    name = same_name(domain)
    found = find_remote(name, settings.remote_domains)
    at, entry = found if found is not None else (0, None)
    own = f"remote_domains.{at}"
    if entry is not None and entry.smart_host is not None:
        choice = through(entry.smart_host, f"the route of {entry.name}")
        choice = replace(choice, setting=f"{own}.smart_host")
        return replace(choice, tls=entry.tls) if entry.tls else choice
    choice = straight(name, settings.delivery)
    if entry is not None:
        if entry.tls:
            choice = replace(choice, tls=entry.tls)
        return replace(choice, reason=f"the DNS, as for {entry.name}", setting=own)
    return with_smart_host(choice, settings.delivery)


def straight(name: str, delivery: Delivery) -> RouteChoice:
    """To the hosts that the DNS tells, or to an address."""
    if name.startswith("["):
        reason = "the address literal names the host itself"
        return RouteChoice(
            name, name, delivery.port, delivery.tls, direct=True, reason=reason
        )
    reason = "the DNS tells the mail exchangers"
    return RouteChoice(name, name, delivery.port, delivery.tls, reason=reason)


def with_smart_host(choice: RouteChoice, delivery: Delivery) -> RouteChoice:
    """The smart host for everything: instead of the straight way, or after it."""
    if delivery.smart_host is None:
        return choice
    smart = through(delivery.smart_host, "the smart host takes what goes elsewhere")
    smart = replace(smart, setting="delivery.smart_host")
    if not delivery.direct_first:
        return smart
    reason = "the straight way first, the smart host when that fails"
    setting = "delivery.direct_first"
    return replace(choice, fallback=smart, reason=reason, setting=setting)


def through(smart: SmartHost, reason: str) -> RouteChoice:
    """To one server that takes everything."""
    name = smart.host.lower()
    return RouteChoice(
        f"smart host {name}:{smart.port}" + (f" as {smart.user}" if smart.user else ""),
        smart.host,
        smart.port,
        smart.tls,
        direct=True,
        implicit_tls=smart.implicit_tls,
        smart_host=smart,
        reason=reason,
    )


def lmtp_place(where: str) -> tuple[str, int]:
    """Host and port of `delivery.lmtp`; 24 is the usual port. Raises ValueError.

    >>> lmtp_place("store.example:2424"), lmtp_place("[2001:db8::1]")
    (('store.example', 2424), ('[2001:db8::1]', 24))
    """
    host, colon, port = where.rpartition(":")
    if not colon or "]" in port:
        return where, LMTP_PORT
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise ValueError(f'{where!r}: write a host, or "store.alpha.example:24"')
    return host, int(port)


def to_lmtp(where: str) -> RouteChoice:
    """To the host that keeps the mailboxes (`delivery.lmtp`). Raises ValueError."""
    host, port = lmtp_place(where)
    reason = "local mail goes to the host that keeps the mailboxes"
    return RouteChoice(
        f"lmtp {host}:{port}".lower(),
        host,
        port,
        direct=True,
        lmtp=True,
        reason=reason,
        setting="delivery.lmtp",
    )
