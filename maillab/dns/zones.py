"""Zone files, and what they answer (RFC 1034 §4.3.2, RFC 1035 §5).

Goes in: the text of a master file. Comes out: a `Zone` that answers one question at a
time.

Rule: a zone knows only itself. Below a delegation it answers with a referral.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import dns.exception
import dns.name
import dns.node
import dns.rcode
import dns.rdataclass
import dns.rdataset
import dns.rrset
import dns.zone
from dns.rdatatype import RdataType

from maillab.dns.records import (
    denial_ttl,
    first,
    rdatas,
    rdatasets,
    replace_in,
    target_of,
)
from maillab.errors import ScenarioError

IN = dns.rdataclass.IN
WILDCARD = dns.name.from_text("*", None)
LONGEST_CNAME_CHAIN = 8
# Their targets' addresses come along (RFC 1035 §3.3.9, §3.3.11, RFC 2782).
NAMING_HOSTS = (RdataType.NS, RdataType.MX, RdataType.SRV)


@dataclass(slots=True)
class Lookup:
    """What a zone says: the sections of an answer, and whether it is authoritative."""

    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    authoritative: bool = True
    answer: list[dns.rrset.RRset] = field(default_factory=list[dns.rrset.RRset])
    authority: list[dns.rrset.RRset] = field(default_factory=list[dns.rrset.RRset])
    additional: list[dns.rrset.RRset] = field(default_factory=list[dns.rrset.RRset])


class Zone:
    """One zone, from a real zone file."""

    def __init__(self, zone: dns.zone.Zone, file: Path | None = None) -> None:
        assert zone.origin is not None
        self.data = zone
        self.origin = zone.origin
        self.file = file
        self._inner: set[dns.name.Name] | None = None  # names above others

    @classmethod
    def from_text(cls, text: str, origin: str, file: Path | None = None) -> "Zone":
        """Read a master file. Raises ScenarioError with the file and the line."""
        where = file or Path(f"{origin}.zone")
        try:
            zone = dns.zone.from_text(
                text, dns.name.from_text(origin), relativize=False, check_origin=True
            )
        except dns.zone.NoSOA:
            raise ScenarioError(
                where, None, f"zone {origin} has no SOA record at its top"
            ) from None
        except dns.zone.NoNS:
            raise ScenarioError(
                where, None, f"zone {origin} has no NS record at its top"
            ) from None
        except dns.exception.DNSException as error:
            line, message = split_position(str(error))
            line = true_line(text, origin, line)
            raise ScenarioError(where, line, message) from None
        return cls(zone, file)

    @classmethod
    def from_file(
        cls, path: Path, origin: str, change: Callable[[str], str] = str
    ) -> "Zone":
        """Read a zone file, and `change` its text first. Raises ScenarioError."""
        try:
            text = change(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ScenarioError(
                path, None, f"the zone file cannot be read: {error}"
            ) from None
        return cls.from_text(text, origin, path)

    # Changing -------------------------------------------------------------------------

    @property
    def serial(self) -> int:
        """The serial number in its SOA record."""
        return int(first(self._soa()).serial)

    def text(self) -> str:
        """The zone as a master file (RFC 1035 §5)."""
        return self.data.to_text(sorted=True, relativize=True, want_origin=True)

    def put(
        self,
        owner: dns.name.Name,
        rdtype: RdataType,
        records: dns.rdataset.Rdataset | None,
    ) -> None:
        """Replace all records of one name and type; None leaves none of them."""
        if records is None:
            self.data.delete_rdataset(owner, rdtype)
        else:
            replace_in(self.data.find_node(owner, create=True), records)
        self._inner = None

    def raise_serial(self) -> int:
        """Count the serial up, past 2³² - 1 to 0 (RFC 1982 §3.1). Returns it."""
        soa = self._soa()
        serial = (self.serial + 1) % 2**32
        newer = first(soa).replace(serial=serial)
        self.put(self.origin, RdataType.SOA, dns.rdataset.from_rdata(soa.ttl, newer))
        return serial

    def _soa(self) -> dns.rdataset.Rdataset:
        return self.data.find_rdataset(self.origin, RdataType.SOA)

    @property
    def usual_ttl(self) -> int:
        """The TTL of its SOA record: what new records get."""
        return self._soa().ttl

    def is_delegated(self, name: dns.name.Name) -> bool:
        """Another zone begins at this name or above it."""
        return self._delegation_above(name, RdataType.ANY) is not None

    # Answering ------------------------------------------------------------------------

    def lookup(self, name: dns.name.Name, rdtype: RdataType) -> Lookup:
        """Answer one question about a name in or below this zone."""
        result = Lookup()
        for _ in range(LONGEST_CNAME_CHAIN):
            following = self._step(name, rdtype, result)
            if following is None or not following.is_subdomain(self.origin):
                break
            name = following
        self._add_addresses(result)
        return result

    def _step(
        self, name: dns.name.Name, rdtype: RdataType, result: Lookup
    ) -> dns.name.Name | None:
        """Answer for one name; return where a CNAME leads."""
        cut = self._delegation_above(name, rdtype)
        if cut is not None:
            result.authority.append(cut)
            result.authoritative = bool(result.answer)
            return None
        node = self._find_node(name)
        if node is None:
            result.rcode = dns.rcode.NXDOMAIN
            result.authority.append(self._negative())
            return None
        found = matching(node, rdtype)
        result.answer += [as_rrset(name, rdataset) for rdataset in found]
        if found:
            return None
        alias = node.get_rdataset(IN, RdataType.CNAME)
        if alias is not None:
            result.answer.append(as_rrset(name, alias))
            return target_of(alias)
        result.authority.append(self._negative())
        return None

    def _delegation_above(
        self, name: dns.name.Name, rdtype: RdataType
    ) -> dns.rrset.RRset | None:
        """The NS records of the zone cut between the origin and `name`, if any."""
        depth = len(self.origin.labels)
        for size in range(depth + 1, len(name.labels) + 1):
            owner = dns.name.Name(name.labels[-size:])
            node = self.data.get_node(owner)
            servers = node.get_rdataset(IN, RdataType.NS) if node else None
            if servers is not None and not (owner == name and rdtype == RdataType.DS):
                return as_rrset(owner, servers)
        return None

    def _find_node(self, name: dns.name.Name) -> dns.node.Node | None:
        """The records of `name`, by a wildcard if there is one (RFC 4592 §3.3)."""
        node = self.data.get_node(name)
        if node is not None:
            return node
        if self._has_descendant(name):
            return dns.node.Node()  # an empty non-terminal: it exists and has nothing
        encloser = name
        while encloser != self.origin:
            encloser = encloser.parent()
            exists = self.data.get_node(encloser) or self._has_descendant(encloser)
            if exists or encloser == self.origin:
                return self.data.get_node(WILDCARD.concatenate(encloser))
        return None

    def _has_descendant(self, name: dns.name.Name) -> bool:
        """Some name below this one has records (RFC 4592 §2.2.2)."""
        if self._inner is None:
            self._inner = inner_names(self.data.nodes, self.origin)
        return name in self._inner

    def _negative(self) -> dns.rrset.RRset:
        """The SOA that says how long a denial may be kept (RFC 2308 §3)."""
        soa = self.data.find_rrset(self.origin, RdataType.SOA)
        return dns.rrset.from_rdata_list(self.origin, denial_ttl(soa), list(soa))

    def _add_addresses(self, result: Lookup) -> None:
        """Addresses of the hosts that the answer names: glue and courtesy."""
        for rrset in [*result.answer, *result.authority]:
            for rdata in rdatas(rrset):
                target = getattr(rdata, "exchange", None) or getattr(
                    rdata, "target", None
                )
                if rrset.rdtype in NAMING_HOSTS and target is not None:
                    self._add_address(target, result)

    def _add_address(self, name: dns.name.Name, result: Lookup) -> None:
        node = self.data.get_node(name)
        for rdtype in (RdataType.A, RdataType.AAAA):
            rdataset = node.get_rdataset(IN, rdtype) if node else None
            if rdataset is None:
                continue
            rrset = as_rrset(name, rdataset)
            if rrset not in result.additional and rrset not in result.answer:
                result.additional.append(rrset)


def inner_names(
    names: Iterable[dns.name.Name], origin: dns.name.Name
) -> set[dns.name.Name]:
    """All names that stand above one of these, up to the origin."""
    found: set[dns.name.Name] = set()
    for name in names:
        while name != origin and name.is_subdomain(origin):
            name = name.parent()
            if name in found:
                break
            found.add(name)
    return found


def matching(node: dns.node.Node, rdtype: RdataType) -> list[dns.rdataset.Rdataset]:
    """The record sets of a node that answer a question."""
    if rdtype == RdataType.ANY:
        return rdatasets(node)
    found = node.get_rdataset(IN, rdtype)
    return [found] if found is not None else []


def as_rrset(name: dns.name.Name, rdataset: dns.rdataset.Rdataset) -> dns.rrset.RRset:
    """A record set with its owner name (a wildcard's becomes the name asked for)."""
    return dns.rrset.from_rdata_list(name, rdataset.ttl, list(rdataset))


def split_position(message: str) -> tuple[int | None, str]:
    """dnspython writes `<string>:12: what is wrong`."""
    source, _, rest = message.partition(":")
    number, _, text = rest.partition(":")
    if source.startswith("<") and number.strip().isdecimal():
        return int(number), text.strip()
    return None, message


def true_line(text: str, origin: str, reported: int | None) -> int | None:
    """The line of a mistake: dnspython often reports the one behind it.

    When the text up to the line before fails too, the mistake is there.
    """
    if reported is None or reported < 2:
        return reported
    before = "\n".join(text.splitlines()[: reported - 1]) + "\n"
    try:
        dns.zone.from_text(before, origin, relativize=False, check_origin=False)
    except dns.exception.DNSException:
        return reported - 1
    return reported
