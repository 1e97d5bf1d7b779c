"""What a domain is for this server: local, alias, remote, or foreign.

Goes in: the domain of an address, what the server calls its own, its settings. Comes
out: a `Domain` that says what it is, and by which setting.

Rule 1: domains compare without case (RFC 5321 §2.4) and without a final dot; names in
        other scripts compare in their ASCII form (RFC 5890 §2.3.2.1).
Rule 2: an address literal of the server itself is local (RFC 5321 §4.1.3), and so is
        "this host" (127.0.0.1, ::1). What is no address is foreign.
Rule 3: no domain at all is for `postmaster` only (RFC 5321 §4.5.1).
Rule 4: an exact entry goes before a wildcard, a longer wildcard before a shorter one.
        "*.x" is everything below x and not x itself.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal

from maillab.policy.networks import client_address
from maillab.policy.recipient_settings import AliasDomain
from maillab.policy.settings import RemoteDomain, Settings
from maillab.wire.smtp_path import address_of

MAX_ALIAS_DOMAINS = 10  # alias domains of alias domains; more is a circle

Kind = Literal["local", "alias", "remote", "foreign"]
FindAccount = Callable[[str, str], str]


def nobody(local_part: str, domain: str) -> str:
    """Knows no account."""
    del local_part, domain
    return ""


@dataclass(frozen=True, slots=True)
class Ours:
    """What one server knows of itself.

    domains       those with accounts; the first one stands for the server when an
                  address has no domain, or its own address as domain
    addresses     the server's own IP addresses
    find_account  local part and domain to the address of an account, "" if there is
                  none
    """

    domains: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    find_account: FindAccount = nobody

    @property
    def main_domain(self) -> str:
        """Where plain `postmaster` lives."""
        return self.domains[0] if self.domains else ""

    @classmethod
    def of(
        cls,
        domains: Iterable[str],
        addresses: Iterable[str] = (),
        find_account: FindAccount = nobody,
    ) -> "Ours":
        """From any collections: domains in the order of the alphabet."""
        names = sorted({same_name(domain) for domain in domains})
        return cls(tuple(names), tuple(addresses), find_account)


@dataclass(frozen=True, slots=True)
class Domain:
    """What a domain is.

    name     as it compares; of a literal that is ours: the main domain
    means    of an alias domain: the domain that it stands for in the end; else `name`
    setting  the entry that says so, "" when the directory does
    entry    of a remote domain: its entry in `Settings.remote_domains`
    """

    kind: Kind
    name: str
    means: str
    setting: str = ""
    entry: RemoteDomain | None = None

    @property
    def is_ours(self) -> bool:
        """Mail for it ends here, or goes on under a name of somebody else's."""
        return self.kind in ("local", "alias")


def find_domain(text: str, ours: Ours, settings: Settings) -> Domain:
    """Say what a domain is.

    >>> ours = Ours(("ours.example",), ("192.0.2.25",))
    >>> [find_domain(text, ours, Settings()).kind
    ...  for text in ("OURS.example.", "[192.0.2.25]", "", "other.example")]
    ['local', 'local', 'local', 'foreign']
    """
    name = same_name(text)
    if name.startswith("["):
        kind = "local" if is_own_literal(name, ours) else "foreign"
        name = ours.main_domain if kind == "local" else name
        return Domain(kind, name, name)
    if not name or name in ours.domains:
        return Domain("local", name, name or ours.main_domain)
    found = find_alias_domain(name, settings.recipients.alias_domains)
    if found is not None:
        means, at = found
        path = f"recipients.alias_domains.{at}"
        literal_of_ours = is_own_literal(means, ours)
        return Domain(
            "alias", name, ours.main_domain if literal_of_ours else means, path
        )
    remote = find_remote(name, settings.remote_domains)
    if remote is not None:
        at, entry = remote
        return Domain("remote", name, name, f"remote_domains.{at}", entry)
    return Domain("foreign", name, name)


def find_alias_domain(
    name: str, alias_domains: Sequence[AliasDomain]
) -> tuple[str, int] | None:
    """What an alias domain stands for in the end, and the entry that begins with it."""
    places = {same_name(one.domain): at for at, one in enumerate(alias_domains)}
    first = places.get(name)
    if first is None:
        return None
    for _ in range(MAX_ALIAS_DOMAINS):
        at = places.get(name)
        if at is None:
            return name, first
        name = same_name(alias_domains[at].means)
    return "", first  # a circle: nobody lives there


def find_remote(
    domain: str, entries: Sequence[RemoteDomain]
) -> tuple[int, RemoteDomain] | None:
    """The entry for a domain, with its place in the list.

    >>> entries = RemoteDomain("*.x.example"), RemoteDomain("a.x.example")
    >>> [find_remote(name, entries) and find_remote(name, entries)[0]
    ...  for name in ("a.x.example", "b.x.example", "x.example")]
    [1, 0, None]
    """
    name = same_name(domain)
    fitting = [
        (len(pattern), -at)
        for at, pattern in enumerate(same_name(entry.name) for entry in entries)
        if fits(pattern, name)
    ]
    exact = [at for at, entry in enumerate(entries) if same_name(entry.name) == name]
    if exact:
        return exact[0], entries[exact[0]]
    if fitting:
        at = -max(fitting)[1]
        return at, entries[at]
    return None


def fits(pattern: str, name: str) -> bool:
    """`name` is the pattern, or below "*.domain"."""
    if pattern.startswith("*."):
        return name.endswith(pattern[1:]) and len(name) > len(pattern) - 1
    return pattern == name


def same_name(text: str) -> str:
    """A domain in the one form in which it compares.

    >>> same_name("Bücher.Example."), same_name("[IPv6:2001:DB8::1]")
    ('xn--bcher-kva.example', '[ipv6:2001:db8::1]')
    """
    name = text.strip().lower()
    if name.endswith(".") and not name.startswith("["):
        name = name[:-1]
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return name


def is_own_literal(name: str, ours: Ours) -> bool:
    """An address literal that is this server."""
    if not name.startswith("["):
        return False
    try:
        address = client_address(address_of(name))
    except ValueError:
        return False
    if address is None:
        return False
    if address.is_loopback or address.is_unspecified:
        return True
    return address in {ip_address(one) for one in ours.addresses}
