"""What travelled between several hosts: of several connections, and datagrams.

Goes in: sessions, and the events of datagrams. Comes out: `Move` values in the order in
which they began, each from one host to another or at one.

Rule 1: of a connection it is what its own ladder shows (`trace.steps`).
Rule 2: who has no name in the trace is called by its address; what never arrived was
        sent to whoever answers there at other times. Behind NAT several hosts have one
        address: where a datagram arrived is told by its event.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.rcode
from dns.rdatatype import RdataType

from maillab.trace.events import Event
from maillab.trace.lines import clean
from maillab.trace.packets import Address
from maillab.trace.session import Session
from maillab.trace.steps import Arrow, Item, Mark, steps
from maillab.trace.view import plural
from maillab.wire.lines import Side

DNS_PORT = 53
_ICMP = {
    "port_unreachable": ("nobody listens on port {port}", "RFC 792"),
    "prohibited": ("a firewall forbids port {port}", "RFC 1812 §5.2.7.1"),
}


@dataclass(frozen=True, slots=True)
class Move:
    """One thing of a ladder with many lanes.

    start, end  hosts; the same one for what happened there; for a mark between two
                hosts, its ends
    arrived_ns  None when it never arrived; of a mark, the same as `sent_ns`
    connection  "" for datagrams
    style       "data", "tcp", "tls" (hidden octets), "udp" or "mark"
    """

    sent_ns: int
    arrived_ns: int | None
    start: str
    end: str
    label: str
    number: int
    connection: str = ""
    style: str = "data"
    ref: str = ""
    why: str = ""
    secure: bool = False
    refusal: bool = False

    @property
    def is_mark(self) -> bool:
        """Nothing travelled."""
        return self.style == "mark"

    @property
    def words(self) -> str:
        """Of which connection, and what."""
        return f"{self.connection} {self.label}".strip()


def moves(sessions: Iterable[Session], datagrams: Iterable[Event]) -> list[Move]:
    """All of them, in the order in which they began."""
    known = list(sessions)
    named = {s.server_address: s.server for s in known if s.find("accept")}
    found = [_of_session(s, item, named) for s in known for item in steps(s)]
    found += _of_datagrams(list(datagrams))
    return sorted(found, key=lambda move: (move.sent_ns, move.number))


def _of_session(s: Session, item: Item, named: Mapping[Address, str]) -> Move:
    server = s.server
    if server == s.server_address[0]:
        server = named.get(s.server_address, server)
    if isinstance(item, Mark):
        return _of_mark(s, item, server)
    start, end = (s.client, server) if item.side == "C" else (server, s.client)
    return Move(
        item.sent_ns,
        item.arrived_ns,
        start,
        end,
        item.label,
        item.number,
        clean(s.id),
        **_looks(item),
    )


def _looks(arrow: Arrow) -> dict[str, Any]:
    names = ("style", "ref", "why", "secure", "refusal")
    return {name: getattr(arrow, name) for name in names}


def _of_mark(s: Session, mark: Mark, server: str) -> Move:
    ends: Mapping[Side | None, tuple[str, str]] = {
        "C": (s.client, s.client),
        "S": (server, server),
    }
    start, end = ends.get(mark.side, (s.client, server))
    at, secure = mark.sent_ns, mark.is_tls
    return Move(
        at, at, start, end, mark.label, mark.number, clean(s.id), "mark", secure=secure
    )


# Datagrams ----------------------------------------------------------------------------


def _of_datagrams(events: list[Event]) -> Iterator[Move]:
    names: dict[str, str] = {e["src"][0]: e.host for e in events if e.host}
    names |= {e["dst"][0]: e.get("to_host") for e in events if e.get("to_host")}
    for event in events:
        latency: int = event["latency"]
        lost = latency < 0 or bool(event.get("lost_at"))
        came = None if lost else event.time_ns + latency
        src: str = event["src"][0]
        dst: str = event["dst"][0]
        start = event.host or names.get(src, src)
        end = event.get("to_host") or names.get(dst, dst)
        label, ref = _label(event)
        refusal = event.kind != "datagram"
        at, number = event.time_ns, event.number
        yield Move(
            at, came, start, end, clean(label), number, "", "udp", ref, refusal=refusal
        )


def _label(event: Event) -> tuple[str, str]:
    """What a datagram says, and the RFC section."""
    if event.kind in _ICMP:
        words, ref = _ICMP[event.kind]
        return "ICMP: " + words.format(port=event["src"][1]), ref
    if DNS_PORT in (event["src"][1], event["dst"][1]):
        try:
            return _dns_words(event["data"]), "RFC 1035 §4.1"
        except (dns.exception.DNSException, ValueError):
            pass  # whoever sent it: it is no DNS message, but it travelled
    size = plural(len(event["data"]), "octet")
    return f"UDP to port {event['dst'][1]}, {size}", "RFC 768"


def _dns_words(data: bytes) -> str:
    message = dns.message.from_wire(data, ignore_trailing=True)
    asked = ", ".join(
        f"{one.name.to_text(omit_final_dot=True)} {RdataType(one.rdtype).name}"
        for one in message.question
    )
    if not message.flags & dns.flags.QR:
        return f"DNS {asked}?"
    if message.rcode() != dns.rcode.NOERROR:
        return f"DNS {asked}: {dns.rcode.to_text(message.rcode())}"
    if message.answer:
        return f"DNS {asked}: {plural(sum(map(len, message.answer)), 'record')}"
    referred = any(one.rdtype == RdataType.NS for one in message.authority)
    return f"DNS {asked}: {'ask another server' if referred else 'no such record'}"
