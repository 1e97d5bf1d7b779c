"""Edit a zone while it is served: what a person types, checked and read.

Goes in: a zone and words as in a zone file. Comes out: the new records of one name and
type. Nothing is changed here: `Zone.put` does that when all is well.

Rule 1: names and data are read as in a zone file: without a final dot they are below
        the zone's origin; "@" is the origin. Beyond that, an owner that already ends
        with the origin is taken as it is.
Rule 2: what no zone may hold is a LabError that says what was given and expected.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import dns.exception
import dns.name
import dns.rdata
import dns.rdataset
import dns.rdatatype
from dns.rdatatype import RdataType

from maillab.dns.answers import ADDRESS_TYPES, text_of
from maillab.dns.faults import checked_address, checked_type
from maillab.dns.records import rdatas, rdatasets
from maillab.dns.zones import IN, Zone
from maillab.errors import LabError

MAX_TTL = 2**31 - 1  # seconds (RFC 2181 §8)
EXAMPLES = {
    "A": "192.0.2.25",
    "AAAA": "2001:db8::25",
    "CNAME": "mail",
    "MX": "10 mail",
    "NS": "ns1.dnshost.example.",
    "PTR": "mail.alpha.example.",
    "SOA": "ns hostmaster 1 7200 3600 1209600 300",
    "SRV": "0 1 993 imap",
    "TXT": '"v=spf1 mx -all"',
}


# What is in a zone --------------------------------------------------------------------


def read_owner(zone: Zone, name: str) -> dns.name.Name:
    """The name of a record. Raises LabError when it is not in the zone."""
    origin = text_of(zone.origin)
    try:
        typed = dns.name.from_text(name, None)
        owner = typed if typed.is_absolute() else typed.derelativize(zone.origin)
        if name == "@" or name == "":
            owner = zone.origin
        elif f".{name.lower()}".endswith(f".{origin.lower()}"):
            owner = dns.name.from_text(name)
    except dns.exception.DNSException as error:
        raise LabError(f"{name!r} is not a domain name: {error}") from None
    if not owner.is_subdomain(zone.origin):
        raise LabError(
            f"{name!r} is not in the zone {origin}: write a name below it, such as "
            f"'www', or '@' for {origin} itself"
        )
    return owner


def read_type(rdtype: str) -> RdataType:
    """A record type. Raises LabError."""
    kind = RdataType.make(checked_type(rdtype))
    if dns.rdatatype.is_metatype(kind):
        raise LabError(f"{rdtype} is a question, not a record: no zone has any")
    return kind


def read_data(zone: Zone, kind: RdataType, data: str) -> dns.rdata.Rdata:
    """Record data, as a zone file has it. Raises LabError."""
    try:
        return dns.rdata.from_text(IN, kind, data, zone.origin, relativize=False)
    except (dns.exception.DNSException, ValueError) as error:
        expected = EXAMPLES.get(kind.name, "what RFC 1035 says")
        raise LabError(
            f"{data!r} is no data of a record of type {kind.name} ({error}): "
            f"expected something such as {expected}"
        ) from None


def records_of(
    zone: Zone, owner: dns.name.Name, kind: RdataType
) -> dns.rdataset.Rdataset | None:
    """What the zone has for a name and type."""
    return zone.data.get_rdataset(owner, kind)


# Edits --------------------------------------------------------------------------------


def with_more(
    zone: Zone,
    owner: dns.name.Name,
    kind: RdataType,
    added: Sequence[dns.rdata.Rdata],
    ttl: int | None,
) -> dns.rdataset.Rdataset:
    """The records of a name and type, and some more. Raises LabError.

    All of them have one TTL (RFC 2181 §5.2): `ttl`, else that of the others.
    """
    old = records_of(zone, owner, kind)
    present = rdatas(old)
    for rdata in added:
        if rdata in present:
            raise LabError(
                f"{text_of(owner)} has the record {kind.name} {rdata} already"
            )
    if kind == RdataType.SOA:
        raise LabError(f"{text_of(zone.origin)} has one SOA record: use replace()")
    return with_only(zone, owner, kind, [*present, *added], ttl)


def with_only(
    zone: Zone,
    owner: dns.name.Name,
    kind: RdataType,
    records: Sequence[dns.rdata.Rdata],
    ttl: int | None = None,
) -> dns.rdataset.Rdataset:
    """These records and no others of that name and type. Raises LabError."""
    if not records:
        raise LabError("no data given: to take records away, use remove()")
    if kind in (RdataType.CNAME, RdataType.SOA) and len(records) > 1:
        raise LabError(f"{text_of(owner)}: only one {kind.name} record is possible")
    if kind == RdataType.SOA and owner != zone.origin:
        raise LabError(f"the SOA record is at {text_of(zone.origin)}, nowhere else")
    check_company(zone, owner, kind)
    old = records_of(zone, owner, kind)
    if ttl is None:
        ttl = old.ttl if old is not None else zone.usual_ttl
    if not 0 <= ttl <= MAX_TTL:
        raise LabError(f"ttl = {ttl}: write seconds from 0 to {MAX_TTL}")
    return dns.rdataset.from_rdata_list(ttl, list(records))


def without(
    zone: Zone, owner: dns.name.Name, kind: RdataType, data: str | None
) -> dns.rdataset.Rdataset | None:
    """The records of a name and type, less one, or less all. Raises LabError."""
    old = records_of(zone, owner, kind)
    if old is None:
        there = present_at(zone, owner)
        raise LabError(f"{text_of(owner)} has no record of type {kind.name}; {there}")
    left = list[dns.rdata.Rdata]()
    if data is not None:
        gone = read_data(zone, kind, data)
        if gone not in old:
            there = ", ".join(str(rdata) for rdata in rdatas(old))
            raise LabError(
                f"{text_of(owner)} has no record {kind.name} {data}; it has {there}"
            )
        left = [rdata for rdata in rdatas(old) if rdata != gone]
    if not left and owner == zone.origin and kind in (RdataType.SOA, RdataType.NS):
        raise LabError(
            f"a zone needs a record of type {kind.name} at its top: use replace()"
        )
    return dns.rdataset.from_rdata_list(old.ttl, left) if left else None


def check_company(zone: Zone, owner: dns.name.Name, kind: RdataType) -> None:
    """A CNAME stands alone (RFC 1034 §3.6.2, RFC 2181 §10.1). Raises LabError."""
    others = [other for other in types_at(zone, owner) if other != kind.name]
    if others and "CNAME" in (kind.name, *others):
        raise LabError(
            f"{text_of(owner)} has {', '.join(others)} already and {kind.name} cannot "
            f"stand beside it: a CNAME is the only record of its name (RFC 1034 §3.6.2)"
        )


def types_at(zone: Zone, owner: dns.name.Name) -> list[str]:
    """The types of the records that a name has."""
    node = zone.data.get_node(owner)
    return [found.rdtype.name for found in rdatasets(node)] if node else []


def present_at(zone: Zone, owner: dns.name.Name) -> str:
    """What there is at a name, for error messages."""
    return f"it has {', '.join(types_at(zone, owner)) or 'none at all'}"


# Delegations --------------------------------------------------------------------------


class Change(NamedTuple):
    """New records of one name and type; None: it has none any more."""

    owner: dns.name.Name
    kind: RdataType
    records: dns.rdataset.Rdataset | None


def delegation(
    zone: Zone, child: dns.name.Name, servers: Mapping[dns.name.Name, Sequence[str]]
) -> list[Change]:
    """What must change in `zone` so that `servers` serve `child`. Raises LabError.

    Addresses of servers in this zone become glue (RFC 1034 §4.2.1); glue of the servers
    of before goes, unless another delegation names them.
    """
    if not servers:
        raise LabError(f"{text_of(child)} needs at least one name server")
    names = [read_data(zone, RdataType.NS, str(name)) for name in servers]
    was = [rdata.target for rdata in rdatas(records_of(zone, child, RdataType.NS))]
    changes = [Change(child, RdataType.NS, with_only(zone, child, RdataType.NS, names))]
    for name, addresses in servers.items():
        if name.is_subdomain(zone.origin):
            changes += glue_changes(zone, child, name, addresses)
    for name in was:
        if name not in servers and is_leftover(zone, child, name):
            changes += [Change(name, kind, None) for kind in ADDRESS_TYPES]
    return changes


def glue_changes(
    zone: Zone, child: dns.name.Name, name: dns.name.Name, addresses: Sequence[str]
) -> list[Change]:
    """The addresses of a server that has its name in this zone. Raises LabError."""
    known = [records_of(zone, name, kind) for kind in ADDRESS_TYPES]
    if not addresses:
        if name.is_subdomain(child) and not any(known):
            raise LabError(
                f"nobody could find {text_of(name)} without its address: write "
                f'{{"{text_of(name)}": ["192.0.2.53"]}}'
            )
        return []
    changes: list[Change] = []
    for kind in ADDRESS_TYPES:
        of_kind = [a for a in map(checked_address, addresses) if type_of(a) == kind]
        data = [read_data(zone, kind, address) for address in of_kind]
        records = with_only(zone, name, kind, data) if data else None
        changes.append(Change(name, kind, records))
    return changes


def type_of(address: str) -> RdataType:
    """A or AAAA."""
    return RdataType.AAAA if ":" in address else RdataType.A


def is_leftover(zone: Zone, child: dns.name.Name, name: dns.name.Name) -> bool:
    """Only the delegation of `child` named this server, as glue."""
    others = {
        rdata.target
        for owner in zone.data.nodes
        if owner != child
        for rdata in rdatas(records_of(zone, owner, RdataType.NS))
    }
    is_glue = name.is_subdomain(child) or zone.is_delegated(name)
    return name.is_subdomain(zone.origin) and is_glue and name not in others
