"""What led to a connection that failed, a datagram that was lost, an answer of the DNS.

Goes in: the events of a trace and one of the network's. Comes out: earlier events.

Rule: rules of firewalls, power and addresses are where the network's causes begin.
"""

from collections.abc import Iterator
from itertools import takewhile

from dns.exception import DNSException
from dns.rdatatype import from_text

from maillab.trace.causing.known import Found, Known
from maillab.trace.events import CAUSE, Event

SUCCESS = ("NOERROR", "NODATA", "referral")  # what is no failure of the DNS
FAILURES = ("refused", "timed_out", "unreachable")


def begins(known: Known, event: Event) -> Found:
    """Nothing in a trace leads to it: people wrote the rule, or pulled the plug."""
    del known, event
    return ()


def on_connection(known: Known, event: Event) -> Found:
    """What happens on a connection: it was opened."""
    yield known.first(event.connection, "connect")


def connect(known: Known, event: Event) -> Found:
    """A delivery attempt opens connections, to an address that the DNS has told."""
    yield attempt_behind(known, event)
    yield address_answer(known, event, str(event.get("to")), event["dst"][0])


def attempt_behind(known: Known, event: Event) -> Event | None:
    """The attempt for which a connection was opened: it says so; in traces of others
    the attempt is told right before.
    """
    for number in event.get(CAUSE, ()):
        return known.event(number) if known.has(number) else None
    ip = event["dst"][0]
    return known.latest(
        event.number,
        "attempt",
        fits=lambda e: e.host == event.host and e["address"] == ip and not e.connection,
    )


def address_answer(known: Known, event: Event, name: str, ip: str) -> Event | None:
    """The answer of the DNS from which this host has an address."""
    if not name or name == ip:
        return None
    wanted = {f"A {ip}", f"AAAA {ip}"}
    return known.latest(
        event.number,
        "dns",
        fits=lambda e: (
            e.host == event.host
            and same_name(e["question"], name)
            and not wanted.isdisjoint(e["answers"])
        ),
    )


def same_name(a: object, b: object) -> bool:
    """Two domain names are the same (RFC 4343 §3), with or without the last dot."""
    return str(a).rstrip(".").lower() == str(b).rstrip(".").lower()


# Connections --------------------------------------------------------------------------


def no_connection(known: Known, event: Event) -> Found:
    """Nobody answered, or somebody said no: a rule, or a host that is not there."""
    rules = rules_on(known, event)
    yield from rules
    first = known.first(event.connection, "connect")
    yield first
    if first and not rules:
        yield gone(known, first, event)
        fates = known.said(event.connection, event.number, "syn_fate")
        yield next((e for e in fates if e["lost_at"]), None)


def gone(known: Known, connect: Event, event: Event) -> Event | None:
    """The server's host was switched off, or has another address now."""
    ip = connect["dst"][0]
    moved = known.latest(event.number, "address", fits=lambda e: e["old"] == ip)
    names = known.owners.get(ip, set()) | {str(connect.get("to"))}
    power = known.latest(event.number, "power", fits=lambda e: e.host in names)
    return moved or (power if power and not power["on"] else None)


def by_rule(known: Known, event: Event) -> Found:
    """The rules that struck this connection."""
    yield from rules_on(known, event) or on_connection(known, event)


def rules_on(known: Known, event: Event) -> list[Event]:
    """The rules that have struck this connection: each once, when it first did."""
    told = known.said(event.connection, event.number, "rule")
    first = {(e.host, e["number"], e["action"], e["direction"]): e for e in told}
    return list(first.values())


def reset(known: Known, event: Event) -> Found:
    """Somebody's policy, a planned fault, or a middlebox."""
    kinds = ("policy", "fault", "cut", "rule")
    found = next(known.said(event.connection, event.number, *kinds), None)
    if found and (found.kind != "policy" or found["verdict"] != "accept"):
        yield found
    else:
        yield from on_connection(known, event)


def lost(known: Known, event: Event) -> Found:
    """A connection ends with a reset, or when a host is gone."""
    kinds = ("reset", "cut", "icmp")
    broken = next(known.said(event.connection, event.number, *kinds), None)
    first = known.first(event.connection, "connect")
    if broken:
        yield broken
    elif first and event["reason"]:
        yield from rules_on(known, event)
        yield gone(known, first, event)
    yield first


def tls_failed(known: Known, event: Event) -> Found:
    """What the other side found wrong, or a planned fault."""
    connection, number = event.connection, event.number
    yield next(known.said(connection, number, "tls_failed", "fault", "cut"), None)
    yield from on_connection(known, event)


# Datagrams and the DNS ----------------------------------------------------------------


def datagram(known: Known, event: Event) -> Found:
    """A rule struck it; or it answers another one."""
    if is_lost(event):
        yield from rules_for(known, event)
        return
    yield query_of(known, event)


def is_lost(event: Event) -> bool:
    """Nobody has got this datagram."""
    arrived = event["latency"] >= 0 and event.get("to_host")
    return not arrived or bool(event.get("lost_at"))


def rules_for(known: Known, event: Event) -> Iterator[Event]:
    """The rules that struck a datagram: they are told in the same moment. Others may
    have been struck then, too; NAT changes one of the two ends.
    """
    ends = (event["src"], event["dst"])
    before = known.before(event.number, "rule")
    now = list(takewhile(lambda e: e.time_ns == event.time_ns, before))
    exactly = [rule for rule in now if (rule["src"], rule["dst"]) == ends]
    yield from exactly or [e for e in now if e["dst"] == ends[1] or e["src"] == ends[0]]


def query_of(known: Known, answer: Event) -> Event | None:
    """The DNS query that a datagram answers: the same id (RFC 1035 §4.1.1)."""
    if len(answer["data"]) < 3 or not answer["data"][2] & 0x80:
        return None
    return known.latest(
        answer.number,
        "datagram",
        fits=lambda e: (
            e["data"][:2] == answer["data"][:2]
            and not e["data"][2:3] >= b"\x80"
            and e["dst"][1] == answer["src"][1]
        ),
    )


def answer_to_datagram(known: Known, event: Event) -> Found:
    """ICMP: for which datagram, and which rule."""
    yield known.latest(
        event.number, "datagram", fits=lambda e: e["data"] == event["data"]
    )
    yield from rules_for(known, event)


def dns(known: Known, event: Event) -> Found:
    """Who was asked; from whom a resolver in between had it; what got lost."""
    if event["cached"]:
        yield known.latest(
            event.number,
            "dns",
            fits=lambda e: _is_same_question(e, event) and not e["cached"],
        )
        return
    query = last_query(known, event)
    if query is None:
        return
    yield from _of_others(known, query, event)
    yield referral(known, event)
    if event["rcode"] == "timeout":
        yield query
        yield _icmp_for(known, query)
    if event["rcode"] not in SUCCESS:
        asked = known.owners.get(query["dst"][0], set())
        yield from known.after(
            query.number,
            "fault",
            lambda e: (
                e["stage"] == "dns" and e.host in asked and e.number < event.number
            ),
        )


def last_query(known: Known, event: Event) -> Event | None:
    """The datagram that asked."""
    name = wire_name(event["question"]) + wire_type(str(event["type"]))
    server = event["server"].partition(" ")[0]
    return known.latest(
        event.number,
        "datagram",
        fits=lambda e: (
            e.host == event.host
            and server in (e["dst"][0], e.get("to_host"))
            and name in e["data"].lower()
        ),
    )


def wire_name(name: object) -> bytes:
    """A domain name as it stands in a message, in small letters (RFC 1035 §3.1)."""
    labels = str(name).rstrip(".").lower().encode("utf-8").split(b".")
    return b"".join(bytes([len(one) & 63]) + one for one in labels if one)


def wire_type(text: str) -> bytes:
    """The end of a name, and the type that is asked for (RFC 1035 §4.1.2)."""
    try:
        return b"\0" + int(from_text(text)).to_bytes(2)
    except (DNSException, ValueError):
        return b""  # what a file of somebody else says


def referral(known: Known, event: Event) -> Event | None:
    """The step before in a walk from the root down."""
    return known.latest(
        event.number,
        "dns",
        fits=lambda e: (
            e.host == event.host
            and e["rcode"] == "referral"
            and same_name(e["question"], event["question"])
            and e["type"] == event["type"]
        ),
    )


def _of_others(known: Known, query: Event, event: Event) -> Iterator[Event]:
    """A resolver was asked, which asked others: its last step."""
    others = known.owners.get(query["dst"][0], set()) - {event.host}
    found = known.latest(
        event.number,
        "dns",
        fits=lambda e: e.host in others and _is_same_question(e, event, here=False),
    )
    if found and (found.number > query.number or found["rcode"] == event["rcode"]):
        yield found


def _is_same_question(a: Event, b: Event, *, here: bool = True) -> bool:
    same = same_name(a["question"], b["question"]) and a["type"] == b["type"]
    return same and (not here or a.host == b.host)


def _icmp_for(known: Known, query: Event) -> Event | None:
    kinds = ("port_unreachable", "prohibited")
    found = (
        event
        for kind in kinds
        for event in known.after(
            query.number, kind, lambda e: e["data"] == query["data"]
        )
    )
    return next(found, None)
