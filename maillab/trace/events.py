"""What a trace is made of: events, the table of their kinds, and JSONL.

Goes in: facts as hosts emit them. Comes out: frozen `Event` values; text, one JSON
object a line, and back.

Rule 1: `KINDS` is the whole vocabulary. A strict recorder refuses any other word.
Rule 2: an event points to the wire by (connection, side, offset), never by packet.
Rule 3: reading what was written and writing it again gives the same octets.
Rule 4: any event may say what led to it: `cause`, the numbers of earlier events. What
        does not say so itself is found by `Trace.causes`.
Rule 5: views take for granted what every event of a kind has: a file in which one
        lacks such a fact is refused when it is read.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from maillab.errors import LabError

EPOCH_NS = 1_767_603_600_000_000_000  # 2026-01-05T09:00:00Z, when worlds begin
SCHEMA = "maillab-trace"
VERSION = 1
CAUSE = "cause"  # a fact of any event: numbers of the events that led to it


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of event: who emits it, which facts it has, what it means.

    facts   all that such an event may have; needed: those that every one has
    at      the host that emits it, where that is always the same one
    """

    layer: Literal["network", "meaning"]
    meaning: str
    facts: tuple[str, ...]
    needed: tuple[str, ...]
    at: str = ""


def _network(meaning: str, facts: str, at: str = "") -> Kind:
    return Kind("network", meaning, *_facts(facts), at)


def _meaning(meaning: str, facts: str) -> Kind:
    return Kind("meaning", meaning, *_facts(facts))


def _facts(words: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """All of them, and those that are needed: the others have a "?"."""
    needed = tuple(word for word in words.split() if not word.endswith("?"))
    return tuple(words.replace("?", "").split()), needed


_MESSAGE = "message queue_id"

KINDS: MappingProxyType[str, Kind] = MappingProxyType(
    {
        # A fact with "?" may be missing: not every way of an event to a trace knows it
        # (captures, seats, scripted talks, traces of earlier versions).
        # The network: addresses and octets. A "point" is (place, ns from the sender,
        # source IP, port, destination IP, port); there are none between two hosts
        # with nothing in between. `lost_at` is the last point that saw a packet.
        "connect": _network("the first SYN leaves", "src dst to", "client"),
        "path": _network("the way of one side's packets", "side points", "client"),
        "syn": _network("a SYN is sent again", "attempt", "client"),
        "syn_fate": _network("where a SYN ends", "latency lost_at", "client"),
        "accept": _network(
            "a SYN arrived, the SYN-ACK leaves", "latency src? dst? lost_at?", "server"
        ),
        "synack": _network("the SYN-ACK is sent again", "attempt lost_at?", "server"),
        "established": _network("the SYN-ACK arrived", "", "client"),
        "refused": _network("a RST answered the SYN", "reason by latency?", "client"),
        "timed_out": _network("nobody answered the SYNs", "reason by", "client"),
        "unreachable": _network(
            "ICMP answered the SYN", "reason by router? code? latency?", "client"
        ),
        "icmp": _network(
            "ICMP came back for a segment",
            "side offset reason by router code latency",
            "sender",
        ),
        "bytes": _network(
            "a burst of segments leaves",
            "side offset data latency lost_at? arrived?",
            "sender",
        ),
        "fin": _network(
            "a side has no more to send", "side latency lost_at?", "sender"
        ),
        "reset": _network("a side drops the connection", "side latency lost_at?"),
        "cut": _network("a middlebox resets the connection", "to_client to_server"),
        "lost": _network("a connection ended at this host", "side reason"),
        "gap": _network(
            "a capture lacks octets that one side sent", "side offset size"
        ),
        "datagram": _network(
            "a UDP datagram leaves",
            "src dst data latency to_host lost_at? points?",
            "sender",
        ),
        "port_unreachable": _network(
            "ICMP says: nobody listens here",
            "src dst data latency lost_at? points? router?",
            "receiver",
        ),
        "prohibited": _network(
            "ICMP says: a firewall forbids it", "src dst data latency points? router?"
        ),
        "rule": _network(
            "a rule did something else than accept",
            "action direction protocol src dst comment number",
        ),
        "nat": _network("a new translation", "protocol inside outside remote"),
        "power": _network("a host is switched on or off", "on"),
        "address": _network("a host has another address", "old new"),
        "tls": _network(
            "a TLS handshake ended well here", "side version cipher server_name names?"
        ),
        "tls_failed": _network("a TLS handshake failed here", "side reason"),
        "keylog": _network("a TLS secret, for captures only", "line"),
        # The meaning: what hosts understood
        "line": _meaning(
            "one side said something",
            "speaker offset octets what secret secure ref why compressed?",
        ),
        "auth": _meaning("somebody logged in", "protocol mechanism user ok reason"),
        "policy": _meaning(
            "a policy decided", "subject verdict reason ref rule? setting?"
        ),
        "submitted": _meaning(
            "a mail program hands a message over", "message to_host sender size"
        ),
        "accepted": _meaning(
            "responsibility for a message was taken",
            f"{_MESSAGE} sender recipients size received?",
        ),
        "attempt": _meaning(
            "a delivery attempt begins", f"{_MESSAGE} to_host address recipients"
        ),
        "relayed": _meaning("the next host took it", f"{_MESSAGE} to_host reply"),
        "deferred": _meaning(
            "it will be tried again", f"{_MESSAGE} recipient reason next_try"
        ),
        "bounced": _meaning("it was given up", f"{_MESSAGE} recipient reason"),
        # action: hold, release, retry, delete by people; settled (relayed, delivered
        # or bounced), warned (of a delay), badmail (a report nobody takes) by itself
        "queue": _meaning(
            "somebody, or time, did something to the queue",
            f"{_MESSAGE} action recipient",
        ),
        "mediated": _meaning(
            "mail for one address is for others",
            f"{_MESSAGE} what recipient targets new_message",
        ),
        "dsn": _meaning(
            "a delivery status notification was written",
            f"{_MESSAGE} report action recipients",
        ),
        "pickup": _meaning("a file in the pickup folder was sent", f"{_MESSAGE} file"),
        "ban": _meaning("an address was banned for a while", "address until reason"),
        "greylist": _meaning(
            "a triplet was looked up", "client sender recipient state until"
        ),
        "delivered": _meaning(
            "it is in a mailbox", "message queue_id? mailbox folder uid return_path?"
        ),
        "fetched": _meaning("a reader took it", "message mailbox protocol"),
        "dns": _meaning(
            "a resolver got its answer",
            "question type rcode answers server cached transport",
        ),
        "fault": _meaning("a planned fault struck", "stage what comment"),
        "failure": _meaning("an agent caught an error", "error traceback"),
        "note": _meaning("a remark", "text"),
    }
)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened: `event["offset"]` is a fact of it.

    number      its place in the trace, from 1
    time_ns     virtual nanoseconds since the world began
    kind        a key of `KINDS`
    host        the host that emitted it
    connection  "c1", "c2" …; "" when it belongs to none

    >>> Event(1, 0, "syn", "alpha", "c1", {"attempt": 2})["attempt"]
    2
    """

    number: int
    time_ns: int
    kind: str
    host: str
    connection: str
    facts: dict[str, Any]

    def __getitem__(self, fact: str) -> Any:
        return self.facts[fact]

    def get(self, fact: str, default: Any = "") -> Any:
        """A fact, or `default` when the event has none of that name."""
        return self.facts.get(fact, default)


def check(kind: str, facts: Iterable[str]) -> None:
    """Raise LabError when `KINDS` does not know this kind or one of its facts."""
    known = KINDS.get(kind)
    if known is None:
        raise LabError(f"unknown kind of event {kind!r}: expected {', '.join(KINDS)}")
    for fact in facts:
        if fact not in known.facts and fact != CAUSE:
            expected = ", ".join(known.facts) or "none"
            raise LabError(f"event {kind!r} has no fact {fact!r}: expected {expected}")


# JSONL --------------------------------------------------------------------------------


def header_line(epoch_ns: int) -> str:
    """The first line of a trace file."""
    return _dump({"schema": SCHEMA, "version": VERSION, "epoch_ns": epoch_ns})


def read_header(line: str) -> int:
    """Return `epoch_ns`. Raises LabError when the file is no trace of this version."""
    try:
        found = _load(line, 1)
    except LabError:  # any other file
        found = {}
    if found.get("schema") != SCHEMA or found.get("version") != VERSION:
        raise LabError(
            f"not a trace file: its first line must say "
            f'"schema": "{SCHEMA}", "version": {VERSION}; '
            f"trace.write(path) writes such files"
        )
    if type(found.get("epoch_ns")) is not int:
        raise LabError('trace file, line 1: "epoch_ns" must be a number')
    return int(found["epoch_ns"])


def to_line(event: Event) -> str:
    """One event as a JSON object; octets stand as {"latin1": "…"}."""
    return _dump(
        {
            "number": event.number,
            "time_ns": event.time_ns,
            "kind": event.kind,
            "host": event.host,
            "connection": event.connection,
            "facts": event.facts,
        }
    )


def read_lines(lines: Iterable[str]) -> Iterator[Event]:
    """Events from the lines after the header, one at a time. Raises LabError."""
    before = 0
    for at, line in enumerate(lines, start=2):
        if line.strip():
            event = _read_event(line, at)
            if event.number <= before:
                raise LabError(
                    f"trace file, line {at}: event {event.number} after event "
                    f"{before}; numbers must rise"
                )
            before = event.number
            yield event


def _read_event(line: str, at: int) -> Event:
    found = _load(line, at)
    if found.keys() != _FIELDS.keys():
        raise LabError(
            f"trace file, line {at}: an event has {', '.join(_FIELDS)}; "
            f"here are {', '.join(found) or 'none'}"
        )
    for name, kind in _FIELDS.items():
        if type(found[name]) is not kind:
            raise LabError(
                f"trace file, line {at}: {name} is {found[name]!r:.60}, expected "
                f"{_EXPECTED[kind]}"
            )
    try:
        facts = {name: _thaw(value) for name, value in found["facts"].items()}
        check(found["kind"], facts)
        _check_cause(facts.get(CAUSE, ()))
        _check_needed(found["kind"], facts)
    except (LabError, ValueError, RecursionError) as error:
        raise LabError(f"trace file, line {at}: {error}") from None
    number, time_ns, kind, host, connection = (
        found[n] for n in _FIELDS if n != "facts"
    )
    return Event(number, time_ns, kind, host, connection, facts)


def _check_cause(cause: Any) -> None:
    kinds = set(map(type, cause)) if isinstance(cause, tuple) else {None}  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if kinds - {int}:
        raise LabError(f"cause is {cause!r:.60}, expected a list of events' numbers")


def _check_needed(kind: str, facts: dict[str, Any]) -> None:
    """What a file lacks is told here, and not by the view that looks for it."""
    lacks = [fact for fact in KINDS[kind].needed if fact not in facts]
    if lacks:
        raise LabError(
            f"event {kind!r} lacks {', '.join(lacks)}; expected what trace.write(path) "
            f"writes"
        )


_FIELDS: dict[str, type] = {
    "number": int,
    "time_ns": int,
    "kind": str,
    "host": str,
    "connection": str,
    "facts": dict,
}
_EXPECTED = {int: "a whole number", str: "text", dict: "an object"}


def _load(line: str, at: int) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LabError(f"trace file, line {at}: not JSON ({error})") from None
    if not isinstance(found, dict):
        raise LabError(f"trace file, line {at}: expected a JSON object")
    return found  # pyright: ignore[reportUnknownVariableType]


def _dump(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), default=_freeze)


def _freeze(value: object) -> object:
    if isinstance(value, (bytes, bytearray)):
        return {"latin1": value.decode("latin-1")}
    raise LabError(f"a fact must be text, a number or octets, not {value!r}")


def _thaw(value: Any) -> Any:
    """What JSON turned into objects and lists, as octets and tuples again."""
    if isinstance(value, dict):
        octets: Any = value.get("latin1")  # pyright: ignore
        if len(value) != 1 or not isinstance(octets, str):  # pyright: ignore
            raise ValueError('octets stand as {"latin1": "…"}, no other object')
        return octets.encode("latin-1")
    if isinstance(value, list):
        return tuple(map(_thaw, value))  # pyright: ignore[reportUnknownArgumentType]
    return value
