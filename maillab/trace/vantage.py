"""Places where one can capture, and the names of the addresses that are seen there.

Goes in: a trace. Comes out: places such as "pc", "router/inside"; names for addresses.

Rule 1: a gateway has two sides. By its bare name it is a host like any other: what it
        sends and receives itself.
Rule 2: an address has the name of the host that has it: outside a NAT its addresses are
        those of the router.
"""

from collections.abc import Container, Iterable, Iterator
from typing import TYPE_CHECKING

from maillab.errors import LabError
from maillab.trace.datagrams import way_of
from maillab.trace.events import Event
from maillab.trace.session import Session
from maillab.trace.ways import node_of

if TYPE_CHECKING:
    from maillab.trace.recorder import Trace

SIDES_OF_A_GATEWAY = ("inside", "outside")
Named = tuple[str, str]  # a host's name, an IP address


def check_place(trace: "Trace", host: str, side: str) -> str:
    """The name of the place. Raises LabError when one cannot capture there."""
    place = f"{host}/{side}" if side else host
    hosts, gateways = hosts_of(trace), gateways_of(trace.passed(node_of(host)))
    legs = [f"{name}/{leg}" for name in gateways for leg in SIDES_OF_A_GATEWAY]
    if place in legs or (place in hosts and place not in gateways):
        return place
    if place in gateways and any(passes(s, place) for s in trace.sessions):
        return place
    if place in gateways and any(place in _ends(event) for event in trace.datagrams):
        return place
    if place in gateways:
        asked = " or ".join(f"capture('{place}/{leg}')" for leg in SIDES_OF_A_GATEWAY)
        raise LabError(
            f"{place} is a gateway with two sides, and has sent nothing of its own: "
            f"type trace.{asked}"
        )
    known = ", ".join([*(name for name in hosts if name not in gateways), *legs])
    raise LabError(f"no host {place!r} in this trace: {known}")


def gateways_of(trace: "Trace") -> list[str]:
    """Every gateway that a packet came to."""
    points = (p for e in trace if e.kind in WITH_POINTS for p in e.get("points", ()))
    places = (point[0] for point in points)
    return list(dict.fromkeys(node_of(place) for place in places if "/" in place))


WITH_POINTS = frozenset({"path", "datagram", "port_unreachable", "prohibited"})


def hosts_of(trace: "Trace") -> list[str]:
    """Every host that is named."""
    ends = (name for s in trace.sessions for name in (s.client, s.server))
    receivers = (event.get("to_host") for event in trace.datagrams)
    return [n for n in dict.fromkeys((*trace.hosts, *ends, *receivers)) if n]


def passes(session: Session, place: str) -> bool:
    """Do packets of this connection pass that place?"""
    if place in (session.client, session.server):
        return True
    ways = (event["points"] for event in session.all("path"))
    return any(point[0] == place for points in ways for point in points)


def names_of(trace: "Trace", seen: Container[str] | None) -> dict[str, list[str]]:
    """The host names of each address that appears; `seen`: only of those."""
    found: dict[str, dict[str, None]] = {}
    named = (pair for session in trace.sessions for pair in _named(session))
    of_datagrams = (p for e in trace.datagrams if e.kind == "datagram" for p in _two(e))
    for name, ip in (*named, *of_datagrams):
        if ip and name and name != ip and (seen is None or ip in seen):
            found.setdefault(ip, {})[name] = None
    return {ip: list(names) for ip, names in found.items()}


def _named(session: Session) -> Iterator[Named]:
    yield session.client, session.client_address[0]
    accept, asked = session.find("accept"), session.server_address
    arrived = accept.get("dst", asked) if accept else asked
    if arrived == asked:
        yield session.server, asked[0]
    else:  # whoever was asked, another host answered
        first = session.find("connect")
        yield session.server, arrived[0]
        yield first.get("to") if first else "", asked[0]
    for event in session.all("nat"):
        if event["inside"] != event["outside"]:
            yield event.host, event["outside"][0]
    for event in session.all("unreachable"):
        yield event["by"], event.get("router")


def _two(event: Event) -> Iterator[Named]:
    """Both hosts of a datagram, with the addresses that they have themselves."""
    yield event.host, event["src"][0]
    way = way_of(event)
    yield event["to_host"], way.points[-1].dst[0] if way else event["dst"][0]


def _ends(event: Event) -> Iterable[str]:
    return event.host, event.get("to_host")
