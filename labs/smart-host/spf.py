"""May this address send for this domain? The part of SPF that notebook 11 needs.

Goes in: a domain and an address. Comes out: the result of RFC 7208 §2.6, from the zones
as they are now: mechanisms all, ip4, a, mx and include, with their qualifiers.
"""

import ipaddress
from collections.abc import Iterator

from maillab.errors import LabError
from maillab.grading import Lab
from maillab.world.published import published_addresses

RESULTS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
DEPTH = 5  # of include


def sent_by(lab: Lab, domain: str, address: str, depth: int = DEPTH) -> str:
    """pass, fail, softfail, neutral, none or permerror."""
    records = policies(lab, domain)
    if len(records) != 1 or not depth:
        return "permerror" if records or not depth else "none"
    for term in records[0].split()[1:]:
        qualifier, mechanism = split(term)
        try:
            if matches(lab, mechanism, domain, address, depth):
                return RESULTS[qualifier]
        except (LabError, ValueError):
            return "permerror"
    return "neutral"


def policies(lab: Lab, domain: str) -> list[str]:
    """The SPF records of a domain (RFC 7208 §4.5)."""
    try:
        texts = lab.world.zone(domain).records("@", "TXT")
    except LabError:
        return []
    joined = [text.replace('" "', "").strip('"') for text in texts]
    return [text for text in joined if text.lower().split()[:1] == ["v=spf1"]]


def split(term: str) -> tuple[str, str]:
    return (term[0], term[1:]) if term[0] in RESULTS else ("+", term)


def matches(lab: Lab, term: str, domain: str, address: str, depth: int) -> bool:
    """Whether a mechanism speaks of this address (RFC 7208 §5)."""
    name, _, value = term.partition(":")
    target = (value or domain).rstrip(".")
    match name.lower():
        case "all":
            return True
        case "ip4":
            block = ipaddress.ip_network(value, strict=False)
            return ipaddress.ip_address(address) in block
        case "a":
            return address in published_addresses(servers(lab), target)
        case "mx":
            return address in exchangers(lab, target)
        case "include":
            return sent_by(lab, target, address, depth - 1) == "pass"
        case _:
            raise ValueError(f"{term}: not known here")


def exchangers(lab: Lab, domain: str) -> Iterator[str]:
    zone = lab.world.zone(domain)
    for record in zone.records("@", "MX"):
        name = record.split()[1]
        full = name.rstrip(".") if name.endswith(".") else f"{name}.{domain}"
        yield from published_addresses(servers(lab), full)


def servers(lab: Lab) -> list[object]:
    return list(lab.world.name_servers.values())
