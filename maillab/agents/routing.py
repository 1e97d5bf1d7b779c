"""Which hosts take mail for a domain? (RFC 5321 §5.1)

Goes in: a domain. Comes out: the hosts to try, in order, or why there are none.

Rule 1: lowest preference first, equals in random order; without MX records the domain
        itself; a null MX (RFC 7505) means: no mail at all.
Rule 2: a host that is ourselves, by its name or by an address, ends the list: whoever
        has the same preference or a higher one would give the message back to us.
Rule 3: a mail exchanger whose name is an alias is passed over (RFC 2181 §10.3).
"""

import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import groupby
from typing import Any

from maillab.dns.answers import Answer, Lookups, text_of
from maillab.dns.records import rdatas
from maillab.wire.smtp_path import address_of


@dataclass(frozen=True, slots=True)
class Route:
    """The mail exchangers of a domain, best first.

    When `hosts` is empty, `reason` says why; `temporary` whether to try again later;
    `code` is the enhanced status code (RFC 3463). `preferences` are those of `hosts`;
    `exchangers`: they come from MX records.
    """

    hosts: tuple[str, ...]
    reason: str = ""
    code: str = ""
    temporary: bool = False
    preferences: tuple[int, ...] = ()
    exchangers: bool = False

    @property
    def groups(self) -> list[list[str]]:
        """Hosts of the same preference stand together."""
        if not self.preferences:
            return [[host] for host in self.hosts]
        pairs = zip(self.preferences, self.hosts, strict=True)
        grouped = groupby(pairs, key=lambda pair: pair[0])
        return [[host for _, host in group] for _, group in grouped]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One host to try, at one address; or why not to try it."""

    host: str
    address: str = ""
    problem: str = ""
    code: str = ""


async def find_route(
    resolver: Lookups, domain: str, generator: random.Random, own_name: str = ""
) -> Route:
    """Ask the DNS for the mail exchangers of `domain`."""
    if domain.startswith("["):  # RFC 5321 §4.1.3: the address itself
        return Route((literal_address(domain),))
    answer = await resolver.resolve(domain, "MX")
    if answer.rrset is not None:
        return mail_exchangers(answer, generator, own_name)
    if answer.temporary:
        return no_answer(domain, answer)
    if answer.status == "NXDOMAIN":
        return Route((), f"there is no domain {domain} (NXDOMAIN)", "5.1.2")
    return await implicit_exchanger(resolver, domain)


def mail_exchangers(answer: Answer, generator: random.Random, own_name: str) -> Route:
    """The hosts of an MX answer, lowest preference first, equals in random order."""
    assert answer.rrset is not None
    records = rdatas(answer.rrset)
    if is_null_mx(records):
        reason = "the domain accepts no mail (null MX)"
        return Route((), reason, "5.1.10")  # RFC 7505 §3
    generator.shuffle(records)
    records.sort(key=lambda record: record.preference)
    ours = [r.preference for r in records if host_name(r) == own_name.lower()]
    if ours:  # RFC 5321 §5.1: never to a host that is not better than ourselves
        records = [r for r in records if r.preference < ours[0]]
    if not records:
        reason = (
            f"the best mail exchanger is {own_name} itself, which has no such domain"
        )
        return Route((), reason, "5.4.6")
    return Route(
        tuple(host_name(record) for record in records),
        preferences=tuple(record.preference for record in records),
        exchangers=True,
    )


def is_null_mx(records: Sequence[Any]) -> bool:
    """The domain accepts no mail (RFC 7505 §3)."""
    return len(records) == 1 and host_name(records[0]) == "."


async def implicit_exchanger(resolver: Lookups, domain: str) -> Route:
    """Without an MX record the domain itself is the host (RFC 5321 §5.1)."""
    answers = [await resolver.resolve(domain, kind) for kind in ("A", "AAAA")]
    if any(answer.records for answer in answers):
        return Route((domain,))
    for answer in answers:
        if answer.temporary:
            return no_answer(domain, answer)
    return Route((), f"{domain} has neither an MX nor an address record", "5.1.2")


def no_answer(domain: str, answer: Answer) -> Route:
    """Nobody knows today."""
    reason = f"the DNS did not answer for {domain} ({answer.status})"
    return Route((), reason, "4.4.3", temporary=True)


def host_name(record: Any) -> str:
    """The exchange of an MX record, without its final dot."""
    return text_of(record.exchange).lower()


# From hosts to addresses --------------------------------------------------------------


async def candidates(
    resolver: Lookups, route: Route, own_addresses: Sequence[str], max_hosts: int = 0
) -> AsyncGenerator[Candidate, None]:
    """The hosts of a route with their addresses, each looked up when it is its turn."""
    hosts = 0
    for group in route.groups:
        found = [await _look_up(resolver, host, route) for host in group]
        ours = [(c.host, c.address) for cs in found for c in cs]
        own = next((one for one in ours if one[1] in own_addresses), None)
        if own is not None:
            yield Candidate(own[0], problem=_loop_words(*own), code="5.4.6")
            return
        for candidate in found:
            hosts += 1
            if max_hosts and hosts > max_hosts:
                return
            for one in candidate:
                yield one


def _loop_words(host: str, address: str) -> str:
    return f"mail loops back to myself: {host} has my address {address}"


async def _look_up(resolver: Lookups, host: str, route: Route) -> list[Candidate]:
    """The addresses of one host."""
    if host[:1] in "[:0123456789":  # it may be an address, which needs no DNS
        with suppress(ValueError):
            return [Candidate(host, literal_address(host))]
    found: list[Candidate] = []
    missing: Route | None = None
    for rdtype in ("A", "AAAA"):
        answer = await resolver.resolve(host, rdtype)
        if answer.aliases and route.exchangers:
            why = (
                f"{host} is an alias (CNAME) of {answer.aliases[0]}: a mail exchanger "
                "must not be one (RFC 5321 §5.1, RFC 2181 §10.3)"
            )
            return [Candidate(host, problem=why, code="5.4.4")]
        found += [Candidate(host, address) for address in answer.records]
        if answer.temporary:
            missing = no_answer(host, answer)
    if missing is not None and not found:
        return [Candidate(host, problem=missing.reason, code=missing.code)]
    return found


def literal_address(text: str) -> str:
    """The IP address in "[192.0.2.1]", "[IPv6:2001:db8::1]" or "192.0.2.1".

    Raises ValueError when it is a name.

    >>> literal_address("[IPv6:2001:DB8::1]"), literal_address("[2001:db8::1]")
    ('2001:db8::1', '2001:db8::1')
    """
    if text[:6].lower() == "[ipv6:":
        return address_of(text)
    return str(ip_address(text.strip("[]")))
