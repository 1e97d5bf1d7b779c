"""One connection, from its first SYN to its end.

Goes in: the events of one connection. Comes out: who talked to whom, the octets of each
side, what was said with the times of both ends, how it ended.

Rule 1: when one of our engines took part, lines are what it recorded; the octets are
        only split here when none did (`trace.hearing.foreign`).
Rule 2: times are the network's (when octets left, when they arrived) as long as they
        can be known from outside; inside TLS they are the engines'.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from maillab.trace import both_ends, bridges
from maillab.trace.events import Event
from maillab.trace.hearing.foreign import (
    TLS_KINDS,
    guess_protocol,
    overhear,
    told_of_tls,
)
from maillab.trace.hearing.tls_records import begins_answer
from maillab.trace.lines import Line
from maillab.trace.pieces import Burst, Gap, Pieces, plain_stream
from maillab.wire.lines import Side

if TYPE_CHECKING:
    from maillab.trace.diff import Diff
    from maillab.trace.hearing.foreign import Hearing
    from maillab.trace.hearing.tls_keys import KeyRing
    from maillab.trace.hearing.tls_opening import Opening
    from maillab.trace.hinting.hints import Hints
    from maillab.trace.ladder import Ladder
    from maillab.trace.moments import SessionUntil
    from maillab.trace.packet_list import PacketList
    from maillab.trace.time_sequence import TimeSequence
    from maillab.trace.transcript import Transcript

Address = tuple[str, int]
SIDES: tuple[Side, Side] = ("C", "S")
PORTS = {
    24: "LMTP",
    25: "SMTP",
    53: "DNS",
    80: "HTTP",
    110: "POP3",
    143: "IMAP",
    443: "HTTPS",
    465: "SMTP",
    587: "SMTP",
    993: "IMAP",
    995: "POP3",
}
_BEGINNING = 60  # events: a handshake and a greeting are among them
_FAILURES = {
    "refused": "refused",
    "timed_out": "timed out",
    "unreachable": "unreachable",
}


@dataclass(frozen=True, slots=True)
class Tls:
    """A TLS handshake that ended well."""

    version: str
    cipher: str
    server_name: str
    done_ns: int  # when the first side knew
    names: tuple[str, ...] = ()  # in the server's certificate, when they can be read

    def __str__(self) -> str:
        name = f", for {self.server_name}" if self.server_name else ""
        return f"{self.version}, {self.cipher}{name}"


@dataclass
class Session:
    """All events of one connection. `protocol` may be set when the guess is wrong."""

    events: Sequence[Event]
    protocol: str = field(default="")
    keys: "KeyRing | None" = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.id = self.events[0].connection
        self.protocol = self.protocol or PORTS.get(self.port, "")
        if not self.protocol:
            said = self.wire("S")
            self.protocol = guess_protocol(said) or "TCP"
            if begins_answer(said):
                beginning = Session(self.events[:_BEGINNING], self.protocol, self.keys)
                self.protocol = overhear(beginning).protocol

    def __repr__(self) -> str:
        return f"<Session {self.title}: {self.outcome}>"

    # Who ------------------------------------------------------------------------------

    @cached_property
    def client_address(self) -> Address:
        """The client's IP address and port."""
        return self._address("src")

    @cached_property
    def server_address(self) -> Address:
        """The server's IP address and port."""
        return self._address("dst")

    @cached_property
    def client(self) -> str:
        """Name of the client's host, or its address when the trace has no name."""
        first = self.find("connect")
        return first.host if first else self.client_address[0] or "client"

    @cached_property
    def server(self) -> str:
        """Name of the server's host, else the name asked for, else its address."""
        accept = self.find("accept")
        if accept:
            return accept.host
        first = self.find("connect")
        return (first and first.get("to")) or self.server_address[0] or "server"

    @cached_property
    def is_tarpit(self) -> bool:
        """A tarpit has caught the SYN; it is what `server` names."""
        accept = self.find("accept")
        caught = [r.number for r in self.all("rule") if r["action"] == "tarpit"]
        return accept is not None and any(n < accept.number for n in caught)

    @property
    def port(self) -> int:
        """The server's port."""
        return self.server_address[1]

    @property
    def title(self) -> str:
        """Who talks to whom, in a few words."""
        return f"{self.id}: {self.protocol} {self.client} → {self.server}:{self.port}"

    def side_of(self, event: Event) -> Side:
        """The side on which an event happened."""
        return "C" if event.host == self.client else "S"

    def find(self, kind: str) -> Event | None:
        """The first event of a kind."""
        return next(self.all(kind), None)

    def all(self, *kinds: str) -> Iterator[Event]:
        """The events of some kinds."""
        if not TLS_KINDS.isdisjoint(kinds):
            return (event for event in self.told if event.kind in kinds)
        if len(kinds) == 1:
            return iter(self._by_kind.get(kinds[0], ()))
        return (event for event in self.events if event.kind in kinds)

    @cached_property
    def told(self) -> Sequence[Event]:
        """The events, and what the octets tell of TLS where no host did."""
        return told_of_tls(self)

    @cached_property
    def _by_kind(self) -> dict[str, list[Event]]:
        found: dict[str, list[Event]] = {}
        for event in self.events:
            found.setdefault(event.kind, []).append(event)
        return found

    # When and how ---------------------------------------------------------------------

    @property
    def began_ns(self) -> int:
        """When the first SYN left."""
        return self.events[0].time_ns

    @property
    def ended_ns(self) -> int:
        """When the last thing happened or arrived."""
        last = self.events[-1].time_ns
        return max([last, *(e.time_ns + _latency(e) for e in self.events)])

    @cached_property
    def latency_ns(self) -> int:
        """One way, as the first SYN found it; 0 when nobody answered."""
        found = next((e for e in self.events if _latency(e) > 0), None)
        return _latency(found) if found else 0

    @cached_property
    def outcome(self) -> str:
        """refused, timed out, unreachable, reset, closed, or open."""
        for event in self.events:
            if event.kind in _FAILURES:
                return _FAILURES[event.kind]
        if self.find("reset") or self.find("cut"):
            return "reset"
        reasons = [str(event["reason"]) for event in self.all("lost")]
        bad = [reason for reason in reasons if reason]
        if bad:
            return bad[0]
        return "closed" if reasons or self.find("fin") else "open"

    @cached_property
    def reason(self) -> str:
        """Why the connection was not made or broke, in the words of the network."""
        found = self.all(*_FAILURES, "lost", "tls_failed")
        return next((str(e["reason"]) for e in found if e.get("reason")), "")

    @cached_property
    def tls(self) -> Tls | None:
        """The TLS facts, or None when all of it was in clear text."""
        found = self.find("tls")
        if not found:
            return None
        name = next((e["server_name"] for e in self.all("tls") if e["server_name"]), "")
        names = tuple(found.get("names", ()))
        return Tls(found["version"], found["cipher"], name, found.time_ns, names)

    # What -----------------------------------------------------------------------------

    @cached_property
    def bursts(self) -> dict[Side, list[Burst]]:
        """The octets of each side as they left."""
        found: dict[Side, list[Burst]] = {"C": [], "S": []}
        sent: dict[Side, int] = {"C": 0, "S": 0}  # octets, for the first time
        for e in self.all("bytes"):
            latency: int = e["latency"]
            side: Side = e["side"]
            arrived = e.time_ns + latency if latency >= 0 else None
            facts = (e["offset"], e["data"], e.time_ns, arrived, e.number)
            again = e["offset"] < sent[side]
            burst = Burst(side, *facts, e.get("lost_at"), again)
            found[side].append(burst)
            sent[side] = max(sent[side], burst.end)
        return found

    @cached_property
    def pieces(self) -> dict[Side, Pieces]:
        """The same, as streams."""
        return {side: Pieces(self.bursts[side], self.gaps[side]) for side in SIDES}

    @cached_property
    def gaps(self) -> dict[Side, list[Gap]]:
        """What a capture lacks of each side."""
        found: dict[Side, list[Gap]] = {"C": [], "S": []}
        for e in self.all("gap"):
            found[e["side"]].append(Gap(e["side"], e["offset"], e["size"]))
        return found

    @cached_property
    def _departures(self) -> dict[Side, list[int]]:
        return {side: [b.sent_ns for b in found] for side, found in self.bursts.items()}

    def find_burst(self, side: Side, sent_ns: int) -> Burst | None:
        """The first burst that left one side at `sent_ns` or later."""
        at = bisect_left(self._departures[side], sent_ns)
        return self.bursts[side][at] if at < len(self.bursts[side]) else None

    def wire(self, side: Side) -> bytes:
        """The octets that one side put on the wire, in order, each once.

        What a capture lacks is left out; `runs` tells where.
        """
        plain = plain_stream(self.events, side)
        return self.pieces[side].stream() if plain is None else plain

    def runs(self, side: Side) -> list[tuple[int, bytes]]:
        """The same, cut where a capture has a gap: offset and octets of each run."""
        return self.pieces[side].runs()

    def readable_ns(self, burst: Burst) -> int | None:
        """When the other side could read these octets, at last."""
        return self.pieces[burst.side].arrived_ns(burst.end)

    @cached_property
    def lines(self) -> list[Line]:
        """What was said, in the order in which it was said."""
        found = both_ends.lines_of(self) or self._overheard.lines
        return sorted(found, key=lambda line: (line.sent_ns, line.number))

    @cached_property
    def _overheard(self) -> "Hearing":
        return overhear(self)

    @property
    def opened(self) -> "Opening | None":
        """TLS, as far as the keys of the trace open it; None where there is none."""
        return self._overheard.opening

    # Views ----------------------------------------------------------------------------

    def transcript(self, *, fold: int | None = 12) -> "Transcript":
        """Who said what; content of more than `fold` lines is cut (None: never)."""
        from maillab.trace.transcript import Transcript

        return Transcript(self, fold)

    def script(self, *, secrets: bool = False) -> str:
        """The session as a test transcript (`C:` and `S:` lines)."""
        from maillab.trace.script import script

        return script(self, secrets=secrets)

    def ladder(self) -> "Ladder":
        """The session as a picture in time."""
        from maillab.trace.ladder import Ladder

        return Ladder(self)

    def diff(self, other: "Session", *, fold: int | None = 12) -> "Diff":
        """This session and another one side by side: where do they differ?"""
        from maillab.trace.diff import Diff

        return Diff(self, other, fold)

    def hints(self) -> "Hints":
        """What an expert would remark."""
        from maillab.trace.hinting.hints import Hints

        return Hints.of_session(self)

    def until(self, moment: int) -> "SessionUntil":
        """The session when its `moment` (from 1) was over. Raises LabError."""
        from maillab.trace.moments import SessionUntil

        return SessionUntil(self, moment)

    def explore(self, of: str = "world.trace") -> Any:
        """Ladder and transcript with controls (JupyterLab); `of`: what you call it."""
        return bridges.make("session explorer", self, of=of)

    def time_sequence(
        self, place: str = "", packets: "PacketList | None" = None
    ) -> "TimeSequence":
        """Octets over time, as packets at a place (or of a capture) tell of them."""
        from maillab.trace.time_sequence import TimeSequence

        return TimeSequence.of(self, place, packets)

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, str]:
        return self.ladder()._repr_mimebundle_()  # pyright: ignore[reportPrivateUsage]

    # Joining both ends ----------------------------------------------------------------

    def _address(self, fact: Literal["src", "dst"]) -> Address:
        first = self.events[0]
        found = first if first.kind == "connect" else self.find("connect")
        ip, port = found[fact] if found else ("", 0)
        return str(ip), int(port)


def _latency(event: Event) -> int:
    return int(event.get("latency", 0))
