"""One connection as a host sees it that has a gateway between it and its peer, or is
that gateway itself.

Goes in: all events of the connection. Comes out: those that this host noticed, with the
addresses that it saw.

Rule 1: a name is known where the address is: behind NAT there are only addresses.
Rule 2: a gateway sees what passes it, and what it does itself.
Rule 3: a RST looks as if the peer had sent it, whoever did.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from maillab.trace.events import Event
from maillab.trace.packets import Address
from maillab.trace.session import Session
from maillab.trace.ways import PEER, Way, Ways
from maillab.wire.lines import Side

_FROM_CLIENT = frozenset({"connect", "syn", "refused", "unreachable"})
_FROM_SERVER = frozenset({"accept", "synack", "established"})
_SIDED = frozenset({"bytes", "fin", "reset"})
_TRAVELS = _FROM_CLIENT | _FROM_SERVER | _SIDED
_TO_AN_END = frozenset({"connect", "accept", "established"}) | _SIDED


class Between:
    """The view of `host`."""

    def __init__(self, host: str, events: Sequence[Event]) -> None:
        self._host = host
        self._session = session = Session(events)
        self._ways = Ways(session, host)
        self._ends: dict[str, Side] = {session.server: "S", session.client: "C"}
        self._fates: dict[int, str] = {}  # where each SYN ended
        sent = 0
        for event in session.all("connect", "syn", "syn_fate"):
            if event.kind == "syn_fate":
                self._fates[sent] = event["lost_at"]
            sent = event.number if event.kind != "syn_fate" else sent

    def seen(self, event: Event) -> Iterator[Event]:
        """The event as this host noticed it, if it did."""
        if event.kind == "cut" and event.host != self._host:
            yield from self._cut(event)
        elif event.host == self._host or self._notices(event):
            yield self._disguised(event)

    def _notices(self, event: Event) -> bool:
        """Something that another host did."""
        if event.kind not in _TRAVELS:
            return False
        if self._host in self._ends:
            arrives = event.get("latency", 0) >= 0 and not event.get("lost_at")
            return arrives and event.kind in _TO_AN_END and self._is_mine
        lost_at = self._fates.get(event.number, event.get("lost_at") or "")
        way = self._ways.find(_side(event), event.time_ns)
        at = way.entry_of([self._host]) if way else None
        return at is not None and way is not None and at <= way.last_seen(lost_at)

    @cached_property
    def _is_mine(self) -> bool:
        """This end knows of the connection."""
        return any(event.host == self._host for event in self._session.events)

    def _cut(self, event: Event) -> Iterator[Event]:
        """A RST from a middlebox, that looks like one of the peer."""
        rsts: tuple[tuple[Side, str], ...] = (("S", "to_client"), ("C", "to_server"))
        for side, fact in rsts:
            if event[fact] >= 0 and self._hears(side, event):
                facts = {"side": side, "latency": event[fact]}
                told = replace(event, kind="reset", facts=facts)
                yield replace(told, host=self._name(side))

    def _hears(self, side: Side, event: Event) -> bool:
        if self._host in self._ends:
            return self._ends[self._host] == PEER[side]
        way = self._ways.find(side, event.time_ns)
        there = way.exit_of(event.host) if way else None
        here = way.exit_of(self._host) if way else None
        return there is not None and here is not None and here > there

    # Disguise -------------------------------------------------------------------------

    @cached_property
    def _addresses(self) -> tuple[Address, Address]:
        """Client and server, as they look here."""
        session = self._session
        if self._host == session.client:
            return session.client_address, session.server_address
        for event in session.all("path"):
            way = Way.from_facts(event["points"]) if event["side"] == "C" else None
            at = way.entry_of([self._host]) if way and way.points else None
            if way is not None and at is not None:
                return way.points[at].src, way.points[at].dst
        return self._arrived

    @cached_property
    def _arrived(self) -> tuple[Address, Address]:
        """Client and server, as the server saw them."""
        accept, session = self._session.find("accept"), self._session
        ends = (session.client_address, session.server_address)
        if accept is None or not accept.get("src"):
            return ends
        return accept["src"], accept["dst"]

    def _name(self, side: Side) -> str:
        """The name of one end, or its address when it cannot be known here."""
        session, (src, dst) = self._session, self._addresses
        if side == "C":
            return session.client if src == session.client_address else src[0]
        first = session.find("connect")
        asked = first["to"] if first and self._host == session.client else ""
        disguised = session.is_tarpit and self._host != session.server
        known = dst == self._arrived[1] and not disguised
        return session.server if known else asked or dst[0]

    def _disguised(self, event: Event) -> Event:
        host = event.host
        if host != self._host and event.kind in _TRAVELS:
            host = self._name(_emitter(event))
        return replace(event, host=host, facts=self._facts(event))

    def _facts(self, event: Event) -> dict[str, Any]:
        facts = dict(event.facts)
        facts.pop("lost_at", None)
        match event.kind:
            case "connect" | "accept" if event.host != self._host:
                src, dst = self._addresses
                if event.kind == "accept" or (facts["src"], facts["dst"]) != (src, dst):
                    facts |= {"to": ""} if event.kind == "connect" else {}
                    facts |= {"src": src, "dst": dst}
            case "bytes" if "arrived" in facts:
                arrived = facts.pop("arrived")
                if self._is_behind_writer(event):
                    facts["data"] = arrived
            case "refused" if event["by"] != self._host:
                facts["by"] = self._name("S")
            case "unreachable" if event.get("router") and event["by"] != self._host:
                facts["by"] = event["router"]
            case _:
                pass
        return facts

    def _is_behind_writer(self, event: Event) -> bool:
        """Did a middlebox change it before it came here?"""
        if self._ends.get(self._host) == event["side"]:
            return False
        way = self._ways.find(event["side"], event.time_ns)
        here = way.entry_of([self._host]) if way else None
        return here is None or way is None or here > self._ways.changed_behind(way)


def _side(event: Event) -> Side:
    """Whose packets tell of this event to those on the way."""
    if event.kind in _SIDED:
        return event["side"]
    return "C" if event.kind in _FROM_CLIENT else "S"


def _emitter(event: Event) -> Side:
    """The side at which it happened."""
    if event.kind in _SIDED:
        return event["side"]
    return "S" if event.kind in ("accept", "synack") else "C"
