"""A zone of a running world, as people edit it.

Goes in: records in the words of zone files. Comes out: the zone changed at every server
that serves it, with a new serial, and a note in the trace.

Rule: an edit is made everywhere or nowhere.
"""

from collections.abc import Callable, Sequence

import dns.name
import dns.rdataset
from dns.rdatatype import RdataType

from maillab.dns.answers import text_of
from maillab.dns.editing import (
    Change,
    read_data,
    read_owner,
    read_type,
    with_more,
    with_only,
    without,
)
from maillab.dns.nameserver import NameServer
from maillab.dns.records import rdatas
from maillab.dns.zones import Zone
from maillab.errors import LabError

Plan = Callable[[Zone, dns.name.Name, RdataType], dns.rdataset.Rdataset | None]


class ZoneHandle:
    """A zone, wherever it is served.

    Each edit is made on all hosts that serve the zone, at once: there are no zone
    transfers in a world. It raises the serial of the SOA record by one (RFC 1982 §3.1).
    Names and data are written as in the zone's file: `mail` is below the zone's origin,
    `mail.beta.example.` with a final dot stands for itself, `@` is the origin.
    """

    def __init__(self, places: Sequence[tuple[NameServer, Zone]]) -> None:
        self._places = places
        self._first = places[0][1]

    @property
    def name(self) -> str:
        """Its origin."""
        return text_of(self._first.origin)

    @property
    def serial(self) -> int:
        """The serial number in its SOA record, at the first server."""
        return self._first.serial

    def text(self) -> str:
        """The zone as a zone file, as the first server has it now."""
        return self._first.text()

    def add(self, name: str, rdtype: str, data: str, ttl: int | None = None) -> None:
        """Add one record: `add("www", "CNAME", "mail")`. Raises LabError.

        `ttl` in seconds; else that of the records beside it, else that of the SOA.
        """

        def plan(
            zone: Zone, owner: dns.name.Name, kind: RdataType
        ) -> dns.rdataset.Rdataset:
            return with_more(zone, owner, kind, [read_data(zone, kind, data)], ttl)

        self._edit(name, rdtype, plan, f"added {rdtype} {data}")

    def remove(self, name: str, rdtype: str, data: str | None = None) -> None:
        """Remove one record, or without `data` all of that type. Raises LabError."""

        def plan(
            zone: Zone, owner: dns.name.Name, kind: RdataType
        ) -> dns.rdataset.Rdataset | None:
            return without(zone, owner, kind, data)

        self._edit(name, rdtype, plan, f"removed {rdtype} {data or '(all)'}")

    def replace(
        self, name: str, rdtype: str, *data: str, ttl: int | None = None
    ) -> None:
        """Put these records in place of all others of that type. Raises LabError.

        A SOA record that is replaced has the serial that you write.
        """

        def plan(
            zone: Zone, owner: dns.name.Name, kind: RdataType
        ) -> dns.rdataset.Rdataset:
            records = [read_data(zone, kind, text) for text in data]
            return with_only(zone, owner, kind, records, ttl)

        self._edit(name, rdtype, plan, f"now {rdtype} {', '.join(data)}")

    def _edit(self, name: str, rdtype: str, plan: Plan, what: str) -> None:
        kind = read_type(rdtype)
        changes: list[list[Change]] = []
        for _, zone in self._places:  # first see that it can be done everywhere
            owner = read_owner(zone, name)
            changes.append([Change(owner, kind, plan(zone, owner, kind))])
        owner = text_of(changes[0][0].owner)
        self.apply(changes, f"{owner}: {what}")

    def apply(self, changes: Sequence[Sequence[Change]], what: str) -> None:
        """Make checked changes, one list for each server; tell the trace."""
        for (server, zone), edits in zip(self._places, changes, strict=True):
            before = zone.serial
            for owner, kind, records in edits:
                zone.put(owner, kind, records)
            if not any(edit.kind == RdataType.SOA for edit in edits):
                zone.raise_serial()
            text = f"zone {self.name}: {what}; serial {before} is now {zone.serial}"
            server.host.emit("note", text=text)

    @property
    def hosts(self) -> list[str]:
        """The hosts that serve it."""
        return [server.host.name for server, _ in self._places]

    def records(self, name: str, rdtype: str) -> list[str]:
        """The data of one name and type, at the first server."""
        kind, zone = read_type(rdtype), self._first
        return [
            rdata.to_text()
            for rdata in rdatas(zone.data.get_rdataset(read_owner(zone, name), kind))
        ]

    def change_all(self, make: Callable[[Zone], Sequence[Change]], what: str) -> None:
        """Work changes out for each server, then make them. Raises LabError."""
        self.apply([make(zone) for _, zone in self._places], what)

    def __repr__(self) -> str:
        places = ", ".join(self.hosts)
        return f"<Zone {self.name}: serial {self.serial}, at {places}>"


def served_zones(servers: Sequence[NameServer]) -> dict[str, ZoneHandle]:
    """All zones of these servers, by name."""
    places: dict[str, list[tuple[NameServer, Zone]]] = {}
    for server in servers:
        for origin, zone in server.zones.items():
            places.setdefault(text_of(origin).lower(), []).append((server, zone))
    return {name: ZoneHandle(found) for name, found in places.items()}


def parent_of(child: str, zones: dict[str, ZoneHandle]) -> ZoneHandle:
    """The zone that delegates a domain: the nearest above it. Raises LabError."""
    above = child
    while above not in ("", "."):
        above = above.partition(".")[2] or "."
        if above in zones:
            return zones[above]
    raise LabError(f"no zone above {child!r} is served; there are {', '.join(zones)}")
