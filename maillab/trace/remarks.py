"""What happened to packets between the two hosts, in a few words.

Goes in: a session. Comes out: a `Remark` for what rules, NAT and middleboxes did, and
for what was lost and sent again.

Rule: what happens to each SYN or segment in the same way is told once.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from maillab.trace.events import Event
from maillab.trace.lines import clean
from maillab.trace.pieces import Burst
from maillab.trace.session import SIDES, Session
from maillab.trace.view import plural, socket_name
from maillab.wire.lines import Side


class Remark(NamedTuple):
    """Something that happened on the way."""

    time_ns: int
    number: int
    text: str


class Repair(NamedTuple):
    """Segments that left together and were lost, or had been lost before.

    arrived_ns  None: they were lost
    """

    side: Side
    sent_ns: int
    arrived_ns: int | None
    number: int
    text: str


def remarks(session: Session) -> Iterator[Remark]:
    """What gateways and firewalls did, in order."""
    told: set[str] = set()
    dropped = any(rule["action"] == "drop" for rule in session.all("rule"))
    kinds = _TOLD.keys() - ({"syn_fate"} if dropped else set())
    for event in session.all(*kinds):
        text = _TOLD[event.kind](event)
        if text and text not in told:
            told.add(text)
            yield Remark(event.time_ns, event.number, clean(text))


def repairs(session: Session) -> Iterator[Repair]:
    """What was lost, and what was sent again, side by side."""
    for side in SIDES:
        bursts = [b for b in session.bursts[side] if b.is_again or b.arrived_ns is None]
        for key, group in groupby(bursts, key=_kind):
            found = list(group)
            yield _repair(side, found, again=key[1])


def _kind(burst: Burst) -> tuple[int, bool, bool, str]:
    return burst.sent_ns, burst.is_again, burst.arrived_ns is None, burst.lost_at


def _repair(side: Side, bursts: list[Burst], *, again: bool) -> Repair:
    first, last = bursts[0], bursts[-1]
    size = plural(sum(len(burst.data) for burst in bursts), "octet")
    many = f"{plural(len(bursts), 'segment')}, {size}" if len(bursts) > 1 else size
    behind = f" behind {clean(first.lost_at)}" if first.lost_at else ""
    lost = f"lost{behind}" if first.arrived_ns is None else ""
    text = f"{many} again, {lost}" if again and lost else f"{many} again"
    text = text if again else f"{many} {lost}"
    return Repair(side, first.sent_ns, last.arrived_ns, first.number, text)


def _rule(event: Event) -> str:
    """As `describe` in `net.rules` writes it."""
    comment = f" ({event['comment']})" if event["comment"] else ""
    words = f"{event['action']} {event['direction']} {event['protocol']}"
    return f"{event.host}: {words} to port {event['dst'][1]}{comment}"


def _nat(event: Event) -> str:
    inside, outside = socket_name(event["inside"]), socket_name(event["outside"])
    if inside == outside:  # a redirection
        return f"{event.host}: {socket_name(event['remote'])} answers instead"
    return f"{event.host}: {inside} is {outside} outside"


def _cut(event: Event) -> str:
    ends = [name for name in ("client", "server") if event[f"to_{name}"] >= 0]
    return f"{event.host}: RST to {' and '.join(ends)}"


def _lost(event: Event) -> str:
    what = "SYN" if event.kind == "syn_fate" else "SYN-ACK"
    place = event.get("lost_at")
    return f"{what} lost behind {place}" if place else ""


_TOLD = {
    "rule": _rule,
    "nat": _nat,
    "cut": _cut,
    "syn_fate": _lost,
    "accept": _lost,
    "synack": _lost,
}
