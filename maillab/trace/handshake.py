"""The SYNs of a connection and their answers: when each arrived, if it did.

Goes in: a session. Comes out: a `Try` for each SYN and each SYN-ACK.

Rule: where the network told the fate of a SYN, that is it; else it follows from what
came back.
"""

from typing import NamedTuple

from maillab.trace.events import Event
from maillab.trace.session import Session


class Try(NamedTuple):
    """One SYN or SYN-ACK; `arrived_ns` is None when it never did.

    A SYN that a firewall answers has arrived at that firewall.
    """

    event: Event
    sent_ns: int
    arrived_ns: int | None
    lost_at: str = ""


def syns(session: Session) -> list[Try]:
    """All SYNs, in order."""
    sent: list[Event] = []
    fates: dict[int, Event] = {}
    for event in session.all("connect", "syn", "syn_fate"):
        if event.kind != "syn_fate":
            sent.append(event)
        elif sent:
            fates[sent[-1].number] = event
    answered = _answered(session, sent)
    return [_syn(event, fates.get(event.number), answered) for event in sent]


def syn_acks(session: Session) -> list[Try]:
    """All SYN-ACKs, in order."""
    established = session.find("established")
    found: list[Try] = []
    latency: int | None = None
    for event in session.all("accept", "synack"):
        lost_at, sent = event.get("lost_at"), event.time_ns
        if established and not lost_at and latency is None:
            # A capture knows one place: nothing takes time there (no latency). When
            # the client's ACK came by tells not when the SYN-ACK arrived.
            captured = event.get("latency") == 0
            latency = 0 if captured else established.time_ns - sent
        arrived = None if lost_at or latency is None else sent + latency
        found.append(Try(event, sent, arrived, lost_at))
    return found


def _syn(event: Event, fate: Event | None, answered: tuple[int, int] | None) -> Try:
    sent = event.time_ns
    if fate is not None:
        arrived = sent + fate["latency"] if fate["latency"] >= 0 else None
        return Try(event, sent, arrived, fate["lost_at"])
    arrived = answered[1] if answered and answered[0] == sent else None
    return Try(event, sent, arrived)


def _answered(session: Session, sent: list[Event]) -> tuple[int, int] | None:
    """When the SYN left that got an answer, and when it arrived."""
    accept, refused = session.find("accept"), session.find("refused")
    times = [event.time_ns for event in sent]
    if accept and times:
        left = accept.time_ns - accept["latency"]
        answered = min(times, key=lambda time: abs(time - left))
        return answered, answered + accept["latency"]
    if refused and times:
        return times[-1], (times[-1] + refused.time_ns) // 2
    return None
