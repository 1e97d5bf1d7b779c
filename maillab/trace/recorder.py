"""The recorder: an append-only list of events, and the questions one can ask it.

Goes in: `emit` from every host. Comes out: events in order, sessions, datagrams,
messages, the view from one seat, packets.

Rule 1: `emit` is on the path of every segment: it appends and does nothing else.
Rule 2: a trace seen from a seat keeps the numbers of the whole trace.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from maillab.errors import LabError
from maillab.trace import bridges, events
from maillab.trace.events import EPOCH_NS, Event
from maillab.trace.hearing.tls_keys import KeyRing
from maillab.trace.reading.garbage import few_collections
from maillab.trace.seat import seen_from
from maillab.trace.session import PORTS, Session
from maillab.trace.vantage import WITH_POINTS, gateways_of

if TYPE_CHECKING:  # the views, which are only loaded when somebody looks
    from maillab.trace.capture import Capture
    from maillab.trace.causing.chain import Chain
    from maillab.trace.causing.known import Known
    from maillab.trace.dnswalk import DnsWalk
    from maillab.trace.hinting.hints import Hints
    from maillab.trace.journey import Journey
    from maillab.trace.lanes import Lanes
    from maillab.trace.packet_list import PacketList
    from maillab.trace.summary import Summary

Told = tuple[int, str, str, str, dict[str, Any]]  # time, kind, host, connection, facts


class Trace:
    """Everything that happened in one world, as events.

    strict    refuse kinds and facts that `events.KINDS` does not know (for tests)
    epoch_ns  when the world began, in nanoseconds since 1970 (for captures)
    seat      the host whose view this is; "" sees everything
    """

    def __init__(
        self,
        *,
        strict: bool = False,
        epoch_ns: int = EPOCH_NS,
        seat: str = "",
        recorded: Iterable[Event] = (),
        whole: "Trace | None" = None,
    ) -> None:
        self.strict = strict
        self.epoch_ns = epoch_ns
        self.seat = seat
        self._whole = whole
        self._read = list(recorded)
        self._new: list[Told] = []  # unread yet
        self._indexed = 0  # events that `_by_connection` knows
        self._by_connection: dict[str, list[Event]] = {}
        self._guessed: dict[str, tuple[int, str]] = {}  # events, protocol
        self._known: Known | None = None

    def emit(
        self, kind: str, host: str, connection: str, time_ns: int, **facts: Any
    ) -> int:
        """Note that something happened at `host`; return the number of the event."""
        if self.strict:
            events.check(kind, facts)
        self._new.append((time_ns, kind, host, connection, facts))
        return len(self._read) + len(self._new)

    @property
    def _events(self) -> list[Event]:
        """All events. They become `Event` values here, when somebody looks."""
        if self._new:
            new: list[Any] = self._new
            self._new = []
            with few_collections():  # each takes the place of what it is made from
                for number, told in enumerate(new, len(self._read) + 1):
                    new[number - len(self._read) - 1] = Event(number, *told)
            self._read += new
        return self._read

    def __len__(self) -> int:
        return len(self._read) + len(self._new)

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    @overload
    def __getitem__(self, at: int) -> Event: ...
    @overload
    def __getitem__(self, at: slice) -> list[Event]: ...
    def __getitem__(self, at: int | slice) -> Event | list[Event]:
        return self._events[at]

    def __repr__(self) -> str:
        seat = f", seen by {self.seat}" if self.seat else ""
        return f"<Trace: {len(self)} events{seat}>"

    # Questions ------------------------------------------------------------------------

    def of_kind(self, *kinds: str) -> list[Event]:
        """The events of some kinds, in order."""
        for kind in kinds:
            events.check(kind, ())
        return [event for event in self._events if event.kind in kinds]

    @property
    def hosts(self) -> list[str]:
        """Every host that emitted something, in order of appearance."""
        return [h for h in dict.fromkeys(e.host for e in self._events) if h]

    @property
    def datagrams(self) -> list[Event]:
        """UDP datagrams and the ICMP answers to them."""
        return self.of_kind("datagram", "port_unreachable", "prohibited")

    @property
    def sessions(self) -> list[Session]:
        """One session for each connection, in order of the first SYN."""
        for event in self._events[self._indexed :]:
            if event.connection:
                self._by_connection.setdefault(event.connection, []).append(event)
        self._indexed = len(self._events)
        lines = (e["line"] for e in self._events if e.kind == "keylog")
        keys = KeyRing(lines)
        with few_collections():
            found = self._by_connection.values()
            return [self._session(events_of, keys) for events_of in found]

    def _session(self, found: list[Event], keys: KeyRing) -> Session:
        """Its protocol is guessed once: inside TLS that takes long."""
        size, guessed = self._guessed.get(found[0].connection, (0, ""))
        session = Session(found, guessed if size == len(found) else "", keys)
        if session.port not in PORTS:
            self._guessed[session.id] = len(found), session.protocol
        return session

    def find_sessions(
        self,
        *,
        host: str = "",
        port: int | None = None,
        protocol: str = "",
        client: str = "",
        server: str = "",
    ) -> list[Session]:
        """The sessions that fit: `host` is either end; protocol such as "SMTP"."""
        return [
            session
            for session in self.sessions
            if host in ("", session.client, session.server)
            and port in (None, session.port)
            and protocol.upper() in ("", session.protocol)
            and client in ("", session.client)
            and server in ("", session.server)
        ]

    def session(self, id: str = "", **wanted: Any) -> Session:
        """The one session that fits (as `find_sessions`), or the one called `id`.

        Raises LabError when there is none, or more than one.
        """
        found = self.find_sessions(**wanted)
        found = [session for session in found if id in ("", session.id)]
        if len(found) == 1:
            return found[0]
        asked = ", ".join(f"{name}={value!r}" for name, value in wanted.items())
        raise LabError(
            f"session({id or asked}) fits {len(found)} sessions, expected one; "
            f"type trace.summary() to see all, then trace.session('c1')"
        )

    def as_seen_by(self, host: str) -> "Trace":
        """What `host` could know: its own events, and what came in on its connections.

        What was dropped on the way to it, or from it, is silence.
        """
        known = list(dict.fromkeys((*self.hosts, *gateways_of(self))))
        if host not in known:
            raise LabError(f"no host {host!r} in this trace: {', '.join(known)}")
        seen = seen_from(host, self._events)
        passed = self.passed(host)
        whole = Trace(epoch_ns=self.epoch_ns, recorded=passed)
        return Trace(epoch_ns=self.epoch_ns, seat=host, recorded=seen, whole=whole)

    # Views ----------------------------------------------------------------------------

    def summary(self) -> "Summary":
        """All sessions in one table."""
        from maillab.trace.summary import Summary

        return Summary(self.sessions, self.seat)

    def ladder(
        self,
        *hosts: str,
        sessions: "Iterable[Session | str] | None" = None,
        dns: bool = True,
    ) -> "Lanes":
        """Several hosts as a ladder: their connections, and datagrams if `dns`.

        One host: it and all it talks to; none: all. `sessions`: only these ("c1").
        """
        from maillab.trace.lanes import Lanes

        return Lanes.of(self, hosts, sessions, dns=dns)

    def hints(self) -> "Hints":
        """What an expert would remark, about every session, the DNS and the mail."""
        from maillab.trace.hinting.hints import Hints

        return Hints.of_trace(self)

    @property
    def messages(self) -> "list[Journey]":
        """The journey of each message, in order of appearance."""
        from maillab.trace.journey import journeys

        return journeys(self._events)

    def journey(self, message: str = "") -> "Journey":
        """How one message travelled; when there is only one, its id may be left out."""
        found = [one for one in self.messages if message in ("", one.message)]
        if len(found) == 1:
            return found[0]
        known = ", ".join(repr(one.message) for one in self.messages) or "none"
        raise LabError(f"journey({message!r}): expected one of these messages: {known}")

    @property
    def known(self) -> "Known":
        """The events, found by kind, number or connection."""
        from maillab.trace.causing.known import Known

        if self._known is None or len(self._known.events) != len(self):
            self._known = Known(self)
        return self._known

    def causes(self, event: Event | int) -> list[Event]:
        """The events that led to an event, the earliest first."""
        from maillab.trace.causing.causes import causes_in

        return causes_in(self.known, event)

    def why(
        self, event: Event | int, capture: "PacketList | str | None" = None
    ) -> "Chain":
        """From an event back to where it began; with packet numbers of a capture."""
        from maillab.trace.causing.chain import Chain

        return Chain(self, event, capture)

    def explore(self, of: str = "trace") -> Any:
        """All sessions with controls (JupyterLab); `of`: what you call the trace."""
        return bridges.make("trace explorer", self, of=of)

    def dns_walk(self, host: str = "") -> "DnsWalk":
        """What resolvers asked and what they were told; of one host, or of all."""
        from maillab.trace.dnswalk import DnsWalk

        asked = self.of_kind("dns")
        return DnsWalk([event for event in asked if host in ("", event.host)], host)

    def capture(
        self, host: str, side: str = "", *, link: str = "raw", log: bool = True
    ) -> "Capture":
        """The packets that passed a host, or one side of a gateway.

        `capture("pc")`, `capture("router/outside")` or `capture("router", "outside")`;
        `link` is "raw" (IP) or "ethernet"; `log`: with what a server there noted.
        """
        from maillab.trace.capture import Capture

        return Capture(self, host, side, link, log=log)

    @property
    def has_ways(self) -> bool:
        """Something lies between the hosts: gateways, firewalls."""
        found = (e for e in self._events if e.kind in WITH_POINTS)
        return any(e.kind == "path" or e.get("points") for e in found)

    def passed(self, host: str) -> "Trace":
        """The trace from which packets at a host are made.

        A seat knows less than a packet sniffer there: what is not for this host is on
        its wire, too. What is written to a file has lost that.
        """
        whole = self._whole
        return whole if whole and host == self.seat and whole.has_ways else self

    # Files ----------------------------------------------------------------------------

    def to_jsonl(self) -> str:
        """The whole trace as text: a header, then one JSON object a line."""
        lines = [events.header_line(self.epoch_ns), *map(events.to_line, self._events)]
        return "\n".join(lines) + "\n"

    @classmethod
    def from_jsonl(cls, text: str) -> "Trace":
        """The trace that `to_jsonl` wrote. Raises LabError when it is none."""
        first, _, rest = text.partition("\n")
        epoch_ns = events.read_header(first)
        recorded = events.read_lines(rest.split("\n"))
        return cls(epoch_ns=epoch_ns, recorded=recorded)

    def write(self, path: Path | str) -> None:
        """Save as JSONL."""
        from maillab.trace.trace_file import write_file

        write_file(path, self.epoch_ns, self._events)

    @classmethod
    def of_told(cls, told: list[Told], epoch_ns: int) -> "Trace":
        """A trace of events that somebody else has collected."""
        trace = cls(epoch_ns=epoch_ns)
        trace._new = told
        return trace

    @classmethod
    def from_capture(cls, path: Path | str, *, keys: str | None = None) -> "Trace":
        """The trace that a pcap or pcapng file tells; `keys`: an SSLKEYLOGFILE."""
        from maillab.trace.reading.capture_file import CaptureFile

        return CaptureFile.read(path, keys or "").trace

    @classmethod
    def read(cls, path: Path | str) -> "Trace":
        """Load what `write` saved. Raises LabError when it is something else."""
        from maillab.trace.trace_file import read_file

        epoch_ns, recorded = read_file(path)
        return cls(epoch_ns=epoch_ns, recorded=recorded)
