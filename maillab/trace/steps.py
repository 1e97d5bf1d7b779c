"""What a ladder shows: arrows between two hosts, and marks beside them.

Goes in: a session. Comes out: `Arrow` and `Mark` values in the order in which
they began.

Rule 1: one arrow for a command, for a whole reply, for content that left at once.
Rule 2: octets that nobody explained are arrows too: nothing that travelled is left out,
        but for bare acknowledgements.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from maillab.trace.events import Event
from maillab.trace.handshake import syn_acks, syns
from maillab.trace.lines import MASK, Line, clean
from maillab.trace.remarks import remarks, repairs
from maillab.trace.session import Burst, Session
from maillab.trace.view import plural
from maillab.wire.lines import Side

_GOES_ON = re.compile(r"\d{3}-|\* ")
_HANDSHAKE = "RFC 9293 §3.5"


@dataclass(frozen=True, slots=True)
class Arrow:
    """Something that left one end and (unless `arrived_ns` is None) reached the other.

    style  "data", "tcp" (SYN, FIN, RST) or "tls" (octets whose meaning is hidden)
    """

    side: Side
    sent_ns: int
    arrived_ns: int | None
    label: str
    number: int
    style: str = "data"
    ref: str = ""
    why: str = ""
    secure: bool = False
    refusal: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened between the hosts or at one of them.

    side  at whose end; None for both
    """

    sent_ns: int
    label: str
    number: int
    side: Side | None = None
    is_tls: bool = False


Item = Arrow | Mark


def steps(session: Session) -> list[Item]:
    """Arrows and marks in the order in which they began."""
    found: list[Item] = [
        *_network(session),
        *_lines(session),
        *_hidden(session),
        *_marks(session),
        *_repairs(session),
        *_remarks(session),
    ]
    return sorted(found, key=lambda item: (item.sent_ns, item.number))


def _network(s: Session) -> Iterator[Item]:
    """SYN, SYN-ACK, FIN and RST."""
    sent = syns(s)
    for event, at, came, _ in sent:
        label = f"SYN again, {event['attempt']}" if event.kind == "syn" else "SYN"
        yield Arrow("C", at, came, label, event.number, "tcp", _HANDSHAKE)
    for event, at, came, _ in syn_acks(s):
        label = "SYN, ACK again" if event.kind == "synack" else "SYN, ACK"
        yield Arrow("S", at, came, label, event.number, "tcp", _HANDSHAKE)
    refused = s.find("refused")
    if refused and sent:
        at = sent[-1].arrived_ns or (sent[-1].sent_ns + refused.time_ns) // 2
        number, why = refused.number, clean(refused["reason"])
        label = f"RST{_from(s, refused['by'])}: refused"
        yield Arrow("S", at, refused.time_ns, label, number, "tcp", _RESET, why)
    for event in s.all("fin", "reset"):
        name, ref = _ENDS[event.kind]
        at, latency = event.time_ns, event["latency"]
        came = at + latency if latency >= 0 else None
        yield Arrow(event["side"], at, came, name, event.number, "tcp", ref)
    for event in s.all("cut"):
        yield from _cut(s, event)


def _cut(s: Session, event: Event) -> Iterator[Arrow]:
    """A middlebox resets the connection, each side in the name of the other."""
    label, at = f"RST{_from(s, event.host)}", event.time_ns
    to_client, to_server = event["to_client"], event["to_server"]
    if to_client >= 0:
        yield Arrow("S", at, at + to_client, label, event.number, "tcp", _RESET)
    if to_server >= 0:
        yield Arrow("C", at, at + to_server, label, event.number, "tcp", _RESET)


def _from(s: Session, host: str) -> str:
    """Who answered in the name of the server, when gateways could."""
    return f" from {clean(host)}" if s.find("path") and host != s.server else ""


def _repairs(s: Session) -> Iterator[Item]:
    """Segments that were lost, and that were sent again."""
    for side, sent, came, number, text in repairs(s):
        yield Arrow(side, sent, came, text, number, "tcp", "RFC 9293 §3.8.1")


def _remarks(s: Session) -> Iterator[Item]:
    for time, number, text in remarks(s):
        yield Mark(time, text, number)


_RESET = "RFC 9293 §3.5.2"
_ENDS = {"fin": ("FIN", "RFC 9293 §3.6"), "reset": ("RST", _RESET)}


def _lines(s: Session) -> Iterator[Item]:
    """One arrow for a command, for a whole reply, for content that left at once."""
    group: list[Line] = []
    for line in s.lines:
        if group and not _same_breath(group[-1], line):
            yield _said(group)
            group = []
        group.append(line)
    if group:
        yield _said(group)


def _same_breath(a: Line, b: Line) -> bool:
    if (a.speaker, a.sent_ns, a.secure) != (b.speaker, b.sent_ns, b.secure):
        return False
    if a.is_content or b.is_content:
        return a.is_content and b.is_content
    return bool(a.speaker == "S" and _GOES_ON.match(a.text))


def _said(lines: list[Line]) -> Arrow:
    first, last = lines[0], lines[-1]
    count = sum(len(line.rows) for line in lines)
    label = first.rows[0]
    if first.is_content:
        octets = sum(len(line.octets) for line in lines)
        size = f"{plural(count, 'line')}, {plural(octets, 'octet')}"
        hidden = any(line.secret for line in lines)  # then its size is one, too
        label = f"{first.what}: {MASK.decode() if hidden else size}"
    elif count > 1:
        label = f"{label} … {count} lines"
    return Arrow(
        side=first.speaker,
        sent_ns=first.sent_ns,
        arrived_ns=last.arrived_ns,
        label=label,
        number=first.number,
        ref=clean(first.ref),
        why=clean(" ".join(filter(None, (line.why for line in lines)))),
        secure=first.secure,
        refusal=last.is_refusal,
    )


def _hidden(s: Session) -> Iterator[Item]:
    """Octets that no line explains: TLS handshakes, and TLS nobody could look into."""
    for side, bursts in s.bursts.items():
        lines = [line for line in s.lines if line.speaker == side]
        plain = [line for line in lines if not line.is_disguised]
        told = max((line.offset + len(line.octets) for line in plain), default=0)
        inside = {line.sent_ns for line in lines if line.is_disguised}
        for burst in bursts:
            if burst.is_again:
                continue
            if burst.offset >= told and burst.sent_ns not in inside:
                yield _hidden_arrow(s, burst)


def _hidden_arrow(s: Session, burst: Burst) -> Arrow:
    size = plural(len(burst.data), "octet")
    done = s.tls.done_ns if s.tls else 0
    what = "TLS handshake" if burst.sent_ns <= done else "TLS record"
    label = f"{what}, {size}" if s.tls else size
    ref = "RFC 8446 §4" if burst.sent_ns <= done else ""
    sent, came = burst.sent_ns, s.readable_ns(burst)
    return Arrow(burst.side, sent, came, label, burst.number, "tls", ref)


def _marks(s: Session) -> Iterator[Item]:
    if s.tls:
        secure = [(n.sent_ns, n.number) for n in s.lines if n.secure]
        event = s.find("tls")
        at, number = min(secure, default=(s.tls.done_ns, event.number if event else 0))
        yield Mark(at, clean(s.tls), number - 1, is_tls=True)
    for event in s.all(*_MARKS):
        text = _MARKS[event.kind].format_map(event.facts)
        side: Side = event.get("side") or s.side_of(event)
        yield Mark(event.time_ns, clean(text), event.number, side)


_MARKS = {
    "timed_out": "timed out: {reason}",
    "unreachable": "unreachable: {reason}",
    "tls_failed": "TLS failed: {reason}",
    "failure": "error: {error}",
    "fault": "planned fault: {what}",
    "gap": "gap: {size} octets are not in the capture",
}
