"""Where does mail for a domain go? (RFC 5321 §5.1)

Goes in: a domain. Comes out: the hosts to try, in order, or why there are none.
"""

import random
from dataclasses import dataclass
from typing import Any

from maillab.dns.answers import Answer, Lookups
from maillab.dns.records import rdatas


@dataclass(frozen=True, slots=True)
class Route:
    """The mail exchangers of a domain, best first.

    When `hosts` is empty, `reason` says why; `temporary` whether to try again later;
    `code` is the enhanced status code (RFC 3463).
    """

    hosts: tuple[str, ...]
    reason: str = ""
    code: str = ""
    temporary: bool = False


async def find_route(
    resolver: Lookups, domain: str, generator: random.Random, own_name: str = ""
) -> Route:
    """Ask the DNS for the mail exchangers of `domain`."""
    if domain.startswith("["):  # RFC 5321 §4.1.3: the address itself
        return Route((domain.lower().strip("[]").removeprefix("ipv6:"),))
    answer = await resolver.resolve(domain, "MX")
    if answer.rrset is not None:
        return mail_exchangers(answer, generator, own_name)
    if answer.temporary:
        reason = f"the DNS did not answer for {domain} ({answer.status})"
        return Route((), reason, "4.4.3", temporary=True)
    if answer.status == "NXDOMAIN":
        return Route((), f"there is no domain {domain} (NXDOMAIN)", "5.1.2")
    return await implicit_exchanger(resolver, domain)


def mail_exchangers(answer: Answer, generator: random.Random, own_name: str) -> Route:
    """The hosts of an MX answer, lowest preference first, equals in random order."""
    assert answer.rrset is not None
    records = rdatas(answer.rrset)
    if len(records) == 1 and records[0].exchange.to_text() == ".":
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
    return Route(tuple(host_name(record) for record in records))


async def implicit_exchanger(resolver: Lookups, domain: str) -> Route:
    """Without an MX record the domain itself is the host (RFC 5321 §5.1)."""
    if await resolver.addresses(domain):
        return Route((domain,))
    return Route((), f"{domain} has neither an MX nor an address record", "5.1.2")


def host_name(record: Any) -> str:
    """The exchange of an MX record, without its final dot."""
    return record.exchange.to_text(omit_final_dot=True).lower()
