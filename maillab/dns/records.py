"""Records as values: what we read out of dnspython's record sets.

Record data has attributes by type (`exchange`, `target`, `minimum`, …) that no type
checker can know. So `rdatas` gives them as they are, and the rest has names here.
"""

from collections.abc import Iterable
from typing import Any

import dns.name
import dns.node
import dns.rdataset
import dns.rrset


def rdatas(records: dns.rrset.RRset | dns.rdataset.Rdataset | None) -> list[Any]:
    """The record data of a set, in the order of the zone file."""
    return list(records) if records is not None else []


def first(records: dns.rrset.RRset | dns.rdataset.Rdataset) -> Any:
    """The record data of a set that has one (CNAME, SOA)."""
    return rdatas(records)[0]


def rdatasets(node: dns.node.Node) -> list[dns.rdataset.Rdataset]:
    """All record sets of a name."""
    untyped: Any = node
    return list(untyped.rdatasets)


def replace_in(node: dns.node.Node, records: dns.rdataset.Rdataset) -> None:
    """Put a record set in the place of that of the same type, or at the end."""
    untyped: Any = node
    kinds = [old.rdtype for old in untyped.rdatasets]
    if records.rdtype in kinds:
        untyped.rdatasets[kinds.index(records.rdtype)] = records
    else:
        untyped.rdatasets.append(records)


def texts(records: dns.rrset.RRset | None) -> list[str]:
    """The record data as zone files write it."""
    return [rdata.to_text() for rdata in rdatas(records)]


def target_of(alias: dns.rrset.RRset | dns.rdataset.Rdataset) -> dns.name.Name:
    """Where a CNAME leads."""
    return first(alias).target


def denial_ttl(soa: dns.rrset.RRset) -> int:
    """How long a denial may be kept, in seconds (RFC 2308 §5)."""
    return min(soa.ttl, first(soa).minimum)


def addresses(records: Iterable[dns.rrset.RRset]) -> tuple[str, ...]:
    """All addresses in sets of A or AAAA records."""
    return tuple(rdata.address for rrset in records for rdata in rdatas(rrset))
