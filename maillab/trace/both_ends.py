"""What was said, joined from what both ends noted.

Goes in: the `line` events of a session. Comes out: lines with the times of both ends.

Rule 1: the server's record counts; the client's tells what the server never heard.
Rule 2: times are the network's (when octets left, when they arrived) as long as they
        can be known from outside; inside TLS they are the engines'.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING

from maillab.trace.events import Event
from maillab.trace.lines import Line
from maillab.wire.lines import Side

if TYPE_CHECKING:
    from maillab.trace.session import Session


def lines_of(session: "Session") -> list[Line]:
    """What our engines noted; [] when none took part."""
    if session.find("line") is None:
        return []
    return [*_said(session, "C"), *_said(session, "S")]


def _said(s: "Session", speaker: Side) -> Iterator[Line]:
    """What `speaker` said: as the server understood it, if it is one of ours."""
    spoken = [e for e in s.all("line") if e["speaker"] == speaker]
    ours: dict[Side, list[Event]] = {"C": [], "S": []}
    if s.client == s.server:  # a host that talks to itself: both ends noted it
        ours["C"] = list({e["offset"]: e for e in reversed(spoken)}.values())[::-1]
    else:
        for event in spoken:
            ours[s.side_of(event)].append(event)
    told, other = ours["S"] or ours["C"], ours["C"] if ours["S"] else []
    starts = [event["offset"] for event in other]
    for event in told:
        at = bisect_right(starts, event["offset"]) - 1
        yield _timed(s, event, other[at] if at >= 0 else None)
    heard = max((e["offset"] + len(e["octets"]) for e in told), default=0)
    for event in other[bisect_left(starts, heard) :]:
        yield _timed(s, event, None)


def _timed(s: "Session", event: Event, other: Event | None) -> Line:
    """One line with the times of both ends; `other` is what the other end noted."""
    speaker: Side = event["speaker"]
    ends = {s.side_of(e): e for e in (event, other) if e}
    said = ends.get(speaker)
    heard = ends.get("S" if speaker == "C" else "C")
    if event["secure"] or event.get("compressed"):
        sent, arrived = _times_inside(s, speaker, said, heard)
    else:
        sent, arrived = _times_outside(s, event)
    same = other if other and other["offset"] == event["offset"] else None
    return Line(
        speaker=speaker,
        offset=event["offset"],
        octets=event["octets"],
        what=event["what"],
        secret=_spans(event) or (_spans(same) if same else ()),
        secure=event["secure"],
        ref=event["ref"] or (same["ref"] if same else ""),
        why=event["why"] or (same["why"] if same else ""),
        sent_ns=sent,
        arrived_ns=arrived,
        number=(said or event).number,
        protocol=s.protocol,
        compressed=bool(event.get("compressed")),
    )


def _times_outside(s: "Session", event: Event) -> tuple[int, int | None]:
    """When the first octet of a line left, and when its last one arrived."""
    pieces = s.pieces[event["speaker"]]
    end: int = event["offset"] + len(event["octets"])
    sent = pieces.sent_ns(event["offset"])
    return event.time_ns if sent is None else sent, pieces.arrived_ns(end)


def _times_inside(
    s: "Session", speaker: Side, said: Event | None, heard: Event | None
) -> tuple[int, int | None]:
    """The same inside TLS, or compressed: only the engines can tell."""
    if said is None:
        arrived = heard.time_ns if heard else s.began_ns
        return arrived - s.latency_ns, arrived
    burst = s.find_burst(speaker, said.time_ns)
    if burst:
        return burst.sent_ns, burst.arrived_ns
    return said.time_ns, heard.time_ns if heard else None


def _spans(event: Event) -> tuple[tuple[int, int], ...]:
    return tuple((start, end) for start, end in event["secret"])
