"""What the zones of a world say about a name, without asking anybody.

Goes in: the name servers. Comes out: addresses. For those who look at a world from
outside (`explain`); hosts ask the DNS.
"""

from collections.abc import Iterable

import dns.exception
import dns.name
from dns.rdatatype import RdataType

from maillab.dns.nameserver import NameServer
from maillab.dns.records import addresses, target_of
from maillab.dns.zones import Zone
from maillab.errors import LabError

MOST_ALIASES = 8


def published_addresses(servers: Iterable[NameServer], text: str) -> list[str]:
    """The A and AAAA records of a name, IPv4 first. Raises LabError for no name."""
    try:
        name = dns.name.from_text(text)
    except dns.exception.DNSException:
        raise LabError(f"{text!r} is neither an address nor a name") from None
    zones = [zone for server in servers for zone in server.zones.values()]
    found: list[str] = []
    for rdtype in (RdataType.A, RdataType.AAAA):
        found += look_up(zones, name, rdtype)
    return found


def look_up(
    zones: list[Zone], name: dns.name.Name, rdtype: RdataType
) -> tuple[str, ...]:
    """From the zone that is nearest above the name, along aliases."""
    for _ in range(MOST_ALIASES):
        above = [zone for zone in zones if name.is_subdomain(zone.origin)]
        if not above:
            return ()
        zone = max(above, key=lambda one: len(one.origin))
        answer = zone.lookup(name, rdtype).answer
        found = addresses(rrset for rrset in answer if rrset.rdtype == rdtype)
        aliases = [rrset for rrset in answer if rrset.rdtype == RdataType.CNAME]
        if found or not aliases:
            return found
        name = target_of(aliases[-1])
    return ()
