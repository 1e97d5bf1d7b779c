"""Hints about what belongs to no connection: the DNS, datagrams, the queue.

Goes in: a trace. Comes out: what was found.

Rule: a resolver's own words (`dns` events) are enough; datagrams only tell of losses.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from maillab.trace.events import Event
from maillab.trace.hinting.rules import Found, TraceRule, at_event
from maillab.trace.view import join

if TYPE_CHECKING:
    from maillab.trace.recorder import Trace

_NULL_MX = ("0 .", "MX 0 .")  # RFC 7505 §3


def _asked(event: Event) -> str:
    return f"{event['question']} {event['type']}"


def _answered(trace: "Trace", *rcodes: str) -> Iterator[Found]:
    for event in trace.of_kind("dns"):
        if event["rcode"] in rcodes:
            server = event["server"] or "the resolver"
            yield at_event(event, asked=_asked(event), server=server)


def _null_mx(trace: "Trace") -> Iterator[Found]:
    for event in trace.of_kind("dns"):
        answers = [str(answer) for answer in event["answers"]]
        if event["type"] == "MX" and len(answers) == 1 and answers[0] in _NULL_MX:
            yield at_event(event, asked=event["question"])


def _lost(trace: "Trace") -> Iterator[Found]:
    for event in trace.of_kind("datagram"):
        if event["latency"] < 0 or event.get("lost_at"):
            behind = event.get("lost_at")
            where = f" behind {behind}" if behind else ""
            yield at_event(event, where=where, port=event["dst"][1])


def _closed(trace: "Trace") -> Iterator[Found]:
    for event in trace.of_kind("port_unreachable"):
        yield at_event(event, host=event.host, port=event["src"][1])


def _prohibited(trace: "Trace") -> Iterator[Found]:
    for event in trace.of_kind("prohibited"):
        yield at_event(event, host=event.host, port=event["src"][1])


def _given_up(trace: "Trace") -> Iterator[Found]:
    for event in trace.of_kind("bounced"):
        yield at_event(event, who=join(event["recipient"]), reason=event["reason"])


def _waits(trace: "Trace") -> Iterator[Found]:
    for event in trace.of_kind("deferred"):
        yield at_event(event, who=join(event["recipient"]), reason=event["reason"])


def _banned(trace: "Trace") -> Iterator[Found]:
    for event in trace.of_kind("ban"):
        yield at_event(event, address=event["address"], reason=event["reason"])


RULES = (
    TraceRule(
        "dns-failure",
        "error",
        "{server} could not answer {asked}: SERVFAIL",
        "a name server is broken or cannot reach another one; mail waits, and no "
        "address may be called wrong because of it",
        "RFC 5321 §5.1",
        lambda trace: _answered(trace, "SERVFAIL"),
    ),
    TraceRule(
        "dns-timeout",
        "error",
        "nobody answered {asked}",
        "the name server is off, a firewall drops port 53, or the packet was lost",
        "RFC 1035 §4.2.1",
        lambda trace: _answered(trace, "timeout", "TIMEOUT"),
    ),
    TraceRule(
        "no-such-name",
        "warning",
        "there is no such name: {asked}",
        "NXDOMAIN: a typing mistake, or the domain is no more; there is nothing below",
        "RFC 8020 §2",
        lambda trace: _answered(trace, "NXDOMAIN"),
    ),
    TraceRule(
        "null-mx",
        "note",
        "{asked} takes no mail at all",
        "its MX record is the null MX: mail to it is refused at once",
        "RFC 7505 §3",
        _null_mx,
    ),
    TraceRule(
        "datagram-lost",
        "note",
        "a datagram to port {port} was lost{where}",
        "nobody sends it again but the program itself, after its timeout",
        "RFC 8085 §3.1.1",
        _lost,
    ),
    TraceRule(
        "no-name-server",
        "warning",
        "{host} has nobody on UDP port {port}",
        "ICMP port unreachable: the server is not running",
        "RFC 1812 §5.2.7.1",
        _closed,
    ),
    TraceRule(
        "datagram-prohibited",
        "error",
        "{host} forbids UDP port {port}",
        "a firewall answered: communication administratively prohibited",
        "RFC 1812 §5.2.7.1",
        _prohibited,
    ),
    TraceRule(
        "mail-waits",
        "note",
        "mail for {who} waits: {reason}",
        "the server tries again by itself, for days",
        "RFC 5321 §4.5.4.1",
        _waits,
    ),
    TraceRule(
        "mail-returned",
        "warning",
        "mail for {who} was given up: {reason}",
        "the sender gets a report, unless the message was one itself",
        "RFC 5321 §6.1",
        _given_up,
    ),
    TraceRule(
        "banned",
        "note",
        "{address} was banned: {reason}",
        "the server has had enough of this address for a while",
        "RFC 5321 §7.8",
        _banned,
    ),
)
