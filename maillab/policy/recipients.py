"""Who gets the mail for an address of this server?

Goes in: an address, what the server knows of itself, its settings. Comes out: a
`Resolution`: accounts, lists and other addresses, and the settings that led there.

Rule 1: the order is: account, alias, list, the owner of a list, plus addressing,
        postmaster, catch-all. An account may be the target of an alias; an alias of its
        name does not take its mail away.
Rule 2: local parts compare without case, and "ann"@ is ann@ (RFC 5321 §2.4 leaves both
        to this host). Nothing in a local part is a route: neither %, ! nor @.
Rule 3: an alias may lead to aliases, `MAX_STEPS` deep; a circle is a loop.
Rule 4: postmaster is somebody in every domain (RFC 5321 §4.5.1).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from maillab.policy.domains import Domain, Ours, find_domain, same_name
from maillab.policy.settings import Settings
from maillab.wire.smtp_path import Address

MAX_STEPS = 10  # from alias to alias (hMailServer: 5)
ROUTING_CHARACTERS = frozenset("%!@")

ResolutionKind = Literal[
    "account",
    "alias",
    "list",
    "owner",
    "catch-all",
    "postmaster",
    "unknown",
    "loop",
    "elsewhere",
]


@dataclass(frozen=True, slots=True)
class Step:
    """One step on the way: the address, the rule that fits, and its setting."""

    address: str
    rule: str
    setting: str = ""


@dataclass(frozen=True, slots=True)
class Resolution:
    """Who gets the mail for an address.

    kind      how the first step went
    accounts  addresses of accounts
    lists     places in `Recipients.lists`
    others    addresses of other servers
    detail    what followed the separator of plus addressing
    chain     every step, for the question "why?"
    """

    kind: ResolutionKind
    accounts: tuple[str, ...] = ()
    lists: tuple[int, ...] = ()
    others: tuple[Address, ...] = ()
    detail: str = ""
    chain: tuple[Step, ...] = ()

    @property
    def known(self) -> bool:
        """Somebody gets it."""
        return bool(self.accounts or self.lists or self.others)

    @property
    def single_account(self) -> str:
        """The account, when it is one and nobody else; or ""."""
        alone = len(self.accounts) == 1 and not self.lists and not self.others
        return self.accounts[0] if alone else ""

    @property
    def setting(self) -> str:
        """The last setting on the way, or ""."""
        return next((step.setting for step in self.chain[::-1] if step.setting), "")


def resolve(address: Address, ours: Ours, settings: Settings) -> Resolution:
    """Who gets the mail for `address`?

    >>> ann = {("ann", "ours.example"): "ann@ours.example"}
    >>> ours = Ours(("ours.example",), (), lambda *name: ann.get(name, ""))
    >>> resolve(Address("Ann", "OURS.example"), ours, Settings()).accounts
    ('ann@ours.example',)
    >>> resolve(Address("ann%other.example", "ours.example"), ours, Settings()).kind
    'unknown'
    """
    return _Resolver(ours, settings).follow(address, ())


def same_local_part(local_part: str) -> str:
    """A local part in the form in which it compares, without quotes."""
    if len(local_part) > 1 and local_part[0] == local_part[-1] == '"':
        local_part = local_part[1:-1].replace("\\", "")
    return local_part.lower()


def same_address(text: str) -> tuple[str, str]:
    """An address as an administrator writes it, in the form in which it compares."""
    local_part, _, domain = text.rpartition("@")
    return same_local_part(local_part), same_name(domain)


def once_each(texts: Iterable[str], *without: str) -> tuple[str, ...]:
    """Each address once, as it is written first, in the same order.

    >>> once_each(["b@x", "a@x", "B@X", "c@x"], "C@x")
    ('b@x', 'a@x')
    """
    found: dict[tuple[str, str], str] = {}
    for text in texts:
        found.setdefault(same_address(text), text)
    for unwanted in without:
        found.pop(same_address(unwanted), None)
    return tuple(found.values())


class Addressed(Protocol):
    """An entry of the settings that is about an address."""

    @property
    def address(self) -> str:
        """user@domain."""
        ...


def find_entry(
    local_part: str, domain: str, entries: Sequence[Addressed]
) -> int | None:
    """The place of the first entry for an address, or None."""
    wanted = (same_local_part(local_part), domain)
    places = (
        at for at, one in enumerate(entries) if same_address(one.address) == wanted
    )
    return next(places, None)


@dataclass(frozen=True, slots=True)
class _Name:
    """A name in a domain of ours."""

    local_part: str
    domain: str
    chain: tuple[Step, ...]


class _Resolver:
    """Follows one address. `_seen` are the aliases on the way: who meets one again has
    gone in a circle."""

    def __init__(self, ours: Ours, settings: Settings) -> None:
        self.ours = ours
        self.settings = settings
        self.recipients = settings.recipients
        self._seen: list[tuple[str, str]] = []
        self._known: dict[tuple[str, str], Resolution] = {}  # each is followed once

    def follow(self, address: Address, chain: tuple[Step, ...]) -> Resolution:
        domain = find_domain(address.domain, self.ours, self.settings)
        if not domain.is_ours:
            return Resolution("elsewhere", others=(address,), chain=chain)
        if not domain.name and same_local_part(address.local_part) != "postmaster":
            return Resolution("unknown", chain=chain)
        if domain.kind == "alias":
            step = Step(str(address), "alias domain", domain.setting)
            return self._in_alias_domain(address, domain, (*chain, step))
        return self._local(_Name(address.local_part, domain.means, chain))

    def _in_alias_domain(
        self, address: Address, domain: Domain, chain: tuple[Step, ...]
    ) -> Resolution:
        name = _Name(address.local_part, domain.name, chain)
        own = self._alias(name)  # an alias may be of one name of an alias domain
        if own is not None:
            return own
        if domain.means in self.ours.domains:
            return self._local(replace(name, domain=domain.means))
        routed = ROUTING_CHARACTERS & set(address.local_part)
        if not domain.means or routed:  # never hand on what others may read as a route
            return Resolution("loop" if not domain.means else "unknown", chain=chain)
        there = Address(address.local_part, domain.means)
        return Resolution("alias", others=(there,), chain=chain)

    def _local(self, name: _Name) -> Resolution:
        for find in (self._exact, self._plus, self._postmaster, self._catch_all):
            found = find(name)
            if found is not None:
                return found
        return Resolution("unknown", chain=name.chain)

    def _exact(self, name: _Name) -> Resolution | None:
        for find in (self._account, self._alias, self._list, self._owner):
            found = find(name)
            if found is not None:
                return found
        return None

    def _account(self, name: _Name) -> Resolution | None:
        found = self.ours.find_account(same_local_part(name.local_part), name.domain)
        if not found or same_address(found) != (
            same_local_part(name.local_part),
            name.domain,
        ):
            return None  # a directory that names somebody else does so for postmaster
        step = Step(found, "account")
        return Resolution("account", (found,), chain=(*name.chain, step))

    def _alias(self, name: _Name) -> Resolution | None:
        at = find_entry(name.local_part, name.domain, self.recipients.aliases)
        if at is None:
            return None
        entry = self.recipients.aliases[at]
        return self._targets(
            "alias",
            entry.to,
            name,
            Step(entry.address, "alias", f"recipients.aliases.{at}"),
        )

    def _list(self, name: _Name) -> Resolution | None:
        at = find_entry(name.local_part, name.domain, self.recipients.lists)
        if at is None:
            return None
        entry = self.recipients.lists[at]
        step = Step(entry.address, "list", f"recipients.lists.{at}")
        return Resolution("list", lists=(at,), chain=(*name.chain, step))

    def _owner(self, name: _Name) -> Resolution | None:
        """owner-LIST, LIST-owner and LIST-request are its owner (RFC 2142 §6)."""
        for of_list in _list_names(same_local_part(name.local_part)):
            at = find_entry(of_list, name.domain, self.recipients.lists)
            if at is not None:
                owner = self.recipients.lists[at].owner or f"postmaster@{name.domain}"
                setting = f"recipients.lists.{at}.owner"
                step = Step(f"{name.local_part}@{name.domain}", "list owner", setting)
                return self._targets("owner", (owner,), name, step)
        return None

    def _plus(self, name: _Name) -> Resolution | None:
        separator = self.recipients.separator
        local_part = same_local_part(name.local_part)
        if not separator or separator not in local_part[1:]:
            return None
        at = local_part.index(separator, 1)
        step = Step(f"{name.local_part}@{name.domain}", "plus", "recipients.separator")
        shorter = replace(name, local_part=local_part[:at], chain=(*name.chain, step))
        found = self._exact(shorter)
        detail = name.local_part.strip('"')[at + len(separator) :]
        return replace(found, detail=detail) if found is not None else None

    def _postmaster(self, name: _Name) -> Resolution | None:
        if same_local_part(name.local_part) != "postmaster":
            return None
        found = self.ours.find_account("postmaster", name.domain)
        if not found:
            return None
        step = Step(f"postmaster@{name.domain}", "postmaster")
        return Resolution("postmaster", (found,), chain=(*name.chain, step))

    def _catch_all(self, name: _Name) -> Resolution | None:
        for at, entry in enumerate(self.recipients.catch_all):
            if same_name(entry.domain) == name.domain:
                setting = f"recipients.catch_all.{at}"
                step = Step(f"{name.local_part}@{name.domain}", "catch-all", setting)
                return self._targets("catch-all", (entry.to,), name, step)
        return None

    def _targets(
        self, kind: ResolutionKind, to: Sequence[str], name: _Name, step: Step
    ) -> Resolution:
        """All that the addresses of an entry lead to, each once."""
        key = (same_local_part(name.local_part), name.domain)
        if key in self._known:
            return self._known[key]
        chain = (*name.chain, step)
        if key in self._seen or len(self._seen) >= MAX_STEPS:
            return Resolution("loop", chain=chain)
        self._seen.append(key)
        found: list[Resolution] = []
        for address in read_addresses(to):
            found.append(self.follow(address, chain))
            if found[-1].kind == "loop":
                return Resolution("loop", chain=chain)
        self._seen.pop()
        self._known[key] = merged = _merged(kind, found, chain)
        return merged


def _merged(
    kind: ResolutionKind, found: Sequence[Resolution], chain: tuple[Step, ...]
) -> Resolution:
    longest = max((one.chain for one in found), key=len, default=chain)
    return Resolution(
        kind,
        tuple(dict.fromkeys(one for each in found for one in each.accounts)),
        tuple(dict.fromkeys(one for each in found for one in each.lists)),
        tuple(dict.fromkeys(one for each in found for one in each.others)),
        next((one.detail for one in found if one.detail), ""),
        longest if len(found) == 1 else chain,
    )


def read_addresses(texts: Sequence[str]) -> Iterator[Address]:
    """What an administrator wrote. What is no address is passed over."""
    for text in texts:
        try:
            yield Address.from_text(text.strip())
        except ValueError:
            continue


def _list_names(local_part: str) -> Iterator[str]:
    if local_part.startswith("owner-"):
        yield local_part.removeprefix("owner-")
    for end in ("-owner", "-request"):
        if local_part.endswith(end):
            yield local_part.removesuffix(end)
