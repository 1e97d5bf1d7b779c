"""TLS of a session, from outside: what the handshake tells, and what the keys open.

Goes in: the octets of both sides in the order in which they left, a key ring. Comes
out: the plain text of each side in pieces, with times; version, cipher, names; how the
handshake ended.

Rule 1: without keys there is still the handshake: hellos, certificates (up to TLS 1.2)
        and alerts are in clear text.
Rule 2: a record that does not open is left out, and `why` says so in words.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from maillab.trace.events import Event
from maillab.trace.hearing import tls_records as tls
from maillab.trace.hearing.tls_keys import (
    CLIENT_RANDOM,
    HANDSHAKE_SECRET,
    TRAFFIC_SECRET,
    KeyRing,
    Opener,
    Opener13,
    opener_13,
    openers_12,
)
from maillab.trace.hearing.tls_records import Handshake, Hello, Record, RecordReader
from maillab.trace.hearing.tls_suites import Suite, find_suite
from maillab.trace.pieces import Burst
from maillab.wire.lines import Side

if TYPE_CHECKING:
    from maillab.trace.session import Session

_MOST_MISSING = 2000  # records that are tried behind octets that are missing
_SMALLEST_RECORD = 24  # octets, about: to guess how many may be missing
_ENCRYPTED_ALERT = 2 + 1 + 16  # octets of its fragment, in TLS 1.3 (RFC 8446 §5.2)
_FATAL = 2
_CLOSE_NOTIFY, _USER_CANCELED = 0, 90
Arrived = Callable[[Side, int], int | None]


class Alert(NamedTuple):
    """An alert that could be read (RFC 8446 §6)."""

    side: Side
    name: str
    is_error: bool
    time_ns: int
    number: int


class Done(NamedTuple):
    """When a handshake ended well, and the event that tells of it."""

    time_ns: int
    number: int


@dataclass
class _End:
    """What is known of one side."""

    reader: RecordReader
    messages: Handshake = field(default_factory=Handshake)
    opener: Opener | None = None
    encrypts: bool = False  # what it says now is sealed
    opened: int = 0  # records
    unopened: int = 0
    missing: int = 0  # records that may be missing here, at most
    finished: Record | None = None
    offset: int = 0  # of the next octet inside


class Opening:
    """The TLS part of one session.

    pieces       plain text of each side, as bursts: their offsets go on counting where
                 the plain text ended, their times are those of the records
    version      "TLSv1.3"; "" as long as no ServerHello has come
    cipher       as OpenSSL calls it
    server_name  the name that the client asked for (RFC 6066 §3)
    names        of the server's certificate
    starts       where TLS begins in the stream of each side
    done         the end of the handshake, if it ended well
    """

    def __init__(self, keys: KeyRing, arrived: Arrived) -> None:
        self.pieces: dict[Side, list[Burst]] = {"C": [], "S": []}
        self.starts: dict[Side, int] = {}
        self.alerts: list[Alert] = []
        self.names: tuple[str, ...] = ()
        self.done: Done | None = None
        self._keys, self._arrived = keys, arrived
        self._client: Hello | None = None
        self._server: Hello | None = None
        self._next: dict[str, Opener] = {}  # behind ChangeCipherSpec (TLS 1.2)
        self._ends: dict[Side, _End] = {}
        self._early: list[Record] = []  # of the client, before the ServerHello

    def begin(self, side: Side, offset: int) -> None:
        """From `offset` on, what this side says is TLS."""
        self.starts[side] = offset
        self._ends[side] = _End(RecordReader(offset), offset=offset)

    # What was read --------------------------------------------------------------------

    @property
    def version(self) -> str:
        """The version that the server chose."""
        if self._server is None:
            return ""
        number = self._server.version
        return tls.VERSIONS.get(number, f"TLS 0x{number:04X}")

    @property
    def cipher(self) -> str:
        """The cipher suite that the server chose."""
        return self._suite.name if self._server else ""

    @property
    def server_name(self) -> str:
        """The name that the client asked for."""
        return self._client.server_name if self._client else ""

    @property
    def client_random(self) -> bytes:
        """How a key log names this session."""
        return self._client.random if self._client else b""

    @property
    def failure(self) -> Alert | None:
        """The alert that ended the handshake, if one did."""
        errors = (alert for alert in self.alerts if alert.is_error)
        first = next(errors, None)
        behind = first and self.done and first.number > self.done.number
        return None if behind else first

    @property
    def why(self) -> str:
        """Why not all of it is open; "" when it is."""
        if not self._early and not any(end.unopened for end in self._ends.values()):
            return ""
        if self._server is None:
            return "the ServerHello is missing"
        if not self._keys.knows(self.client_random):
            return (
                "no keys of this session are known: tell where the file is that its "
                "programs wrote (SSLKEYLOGFILE)"
            )
        if not self._suite.cipher or self._server.version < tls.TLS_1_2:
            return f"{self.version} with {self.cipher} is not opened here"
        if not any(end.opened for end in self._ends.values()):
            return "the keys do not fit"
        return "octets are missing or were changed: some records do not open"

    # Taking octets --------------------------------------------------------------------

    def feed(self, burst: Burst) -> Iterator[Burst]:
        """Take what left one side; give the plain text that can be read now."""
        side = burst.side
        for record in self._ends[side].reader.feed(burst):
            if side == "C" and self._is_early(record):
                self._early.append(record)
            else:
                yield from self._read(side, record)
                yield from self._read_early()

    def _is_early(self, record: Record) -> bool:
        """A capture may have it before the ServerHello that tells what it means."""
        kinds = (tls.CHANGE_CIPHER_SPEC, tls.APPLICATION)
        waits = self._server is None and record.kind in kinds
        return bool(self._early) or waits

    def _read_early(self) -> Iterator[Burst]:
        if self._early and self._server is not None:
            early, self._early = self._early, []
            for record in early:
                yield from self._read("C", record)

    def _read(self, side: Side, record: Record) -> Iterator[Burst]:
        end = self._ends[side]
        octets = self._take(side, end, record)
        if octets:
            yield self._piece(side, end, record, octets)

    def skip(self, side: Side, offset: int, size: int) -> None:
        """Octets of a side are missing: `size` of them, up to `offset`."""
        end = self._ends[side]
        end.reader.skip(offset)
        end.messages.clear()
        end.missing += min(_MOST_MISSING, 1 + size // _SMALLEST_RECORD)

    def _piece(self, side: Side, end: _End, record: Record, octets: bytes) -> Burst:
        arrived = self._arrived(side, record.end)
        at, end.offset = end.offset, end.offset + len(octets)
        piece = Burst(side, at, octets, record.sent_ns, arrived, record.number)
        self.pieces[side].append(piece)
        return piece

    def _take(self, side: Side, end: _End, record: Record) -> bytes:
        """What a record tells; its content, if that is for the programs."""
        kind, content = record.kind, record.fragment
        if self._is_sealed(end, record):
            self._note_finished(side, end, record)
            opened = self._open(side, end, record)
            if opened is None:
                return b""
            kind, content = opened
        if kind == tls.APPLICATION:
            self._ended(record, record.sent_ns)  # if its end was not to be seen
            return content
        if kind == tls.HANDSHAKE:
            for message, body in end.messages.feed(content):
                self._heard(side, end, message, body, record)
        elif kind == tls.ALERT:
            self._alerted(side, content, record)
        elif kind == tls.CHANGE_CIPHER_SPEC:
            self._change(side, end)
        return b""

    def _is_sealed(self, end: _End, record: Record) -> bool:
        """In TLS 1.3 such records look like application data (RFC 8446 §5.2)."""
        if self._is_13:
            return record.kind == tls.APPLICATION
        return end.encrypts or record.kind == tls.APPLICATION

    @property
    def _is_13(self) -> bool:
        return self._server is not None and self._server.version >= tls.TLS_1_3

    @property
    def _suite(self) -> Suite:
        return find_suite(self._server.suite if self._server else 0)

    def _open(self, side: Side, end: _End, record: Record) -> tuple[int, bytes] | None:
        if end.opener is None:
            end.opener = self._traffic_opener(side)
        opened = end.opener.open(record, end.missing) if end.opener else None
        if opened is None and not end.opened:
            opened = self._open_later(side, end, record)
        if opened is None:
            end.unopened += 1
            return None
        end.opened += 1
        end.missing = 0  # the sequence number is known again
        end.reader.found()
        return opened

    def _open_later(
        self, side: Side, end: _End, record: Record
    ) -> tuple[int, bytes] | None:
        """Nothing was opened yet: the secrets of the handshake may be unknown."""
        traffic = self._traffic_opener(side)
        opened = traffic.open(record, end.missing) if traffic else None
        if opened is not None:
            end.opener = traffic
        return opened

    def _traffic_opener(self, side: Side) -> Opener | None:
        if not self._is_13:
            return None
        secret = self._keys.find(TRAFFIC_SECRET[side], self.client_random)
        return opener_13(self._suite, secret)

    # The handshake --------------------------------------------------------------------

    def _heard(
        self, side: Side, end: _End, message: int, body: bytes, record: Record
    ) -> None:
        """A handshake message."""
        if message == tls.CLIENT_HELLO:
            self._client = tls.read_client_hello(body) or self._client
        elif message == tls.SERVER_HELLO:
            self._on_server_hello(tls.read_server_hello(body))
        elif message == tls.CERTIFICATE and side == "S" and self._server:
            version = self._server.version
            self.names = tls.read_certificate_names(body, version) or self.names
        elif message == tls.FINISHED and self._is_13:
            end.opener = self._traffic_opener(side)
            end.finished = record
            if side == "C":
                self._ended(record, record.sent_ns)
        elif message == tls.KEY_UPDATE and isinstance(end.opener, Opener13):
            end.opener = end.opener.updated()

    def _on_server_hello(self, hello: Hello | None) -> None:
        """The server has chosen: RFC 8446 §7.1, RFC 5246 §6.3."""
        if hello is None:
            return
        self._server = hello
        random = self.client_random
        if self._is_13:
            for side, end in self._ends.items():
                secret = self._keys.find(HANDSHAKE_SECRET[side], random)
                end.opener = opener_13(self._suite, secret)
        elif hello.version == tls.TLS_1_2:
            master = self._keys.find(CLIENT_RANDOM, random)
            randoms = (random, hello.random)
            outside = hello.encrypt_then_mac
            self._next = openers_12(self._suite, master, randoms, outside)

    def _change(self, side: Side, end: _End) -> None:
        """ChangeCipherSpec (RFC 5246 §7.1). In TLS 1.3 it means nothing (§D.4)."""
        if self._server is None or self._is_13:
            return
        end.encrypts, end.opener = True, self._next.get(side)
        end.messages.clear()

    def _note_finished(self, side: Side, end: _End, record: Record) -> None:
        """What the first sealed record of a side tells, even if it does not open."""
        if end.finished or self.done or self._server is None:
            return
        if self._is_13:
            self._note_client_finished(side, end, record)
            return
        if record.kind != tls.HANDSHAKE:
            return
        end.finished = record
        if len(self._ends) == 2 and all(one.finished for one in self._ends.values()):
            self._ended(record, self._arrived(side, record.end))

    def _note_client_finished(self, side: Side, end: _End, record: Record) -> None:
        """Without keys: the client's first sealed record is Finished, or an alert."""
        if side == "S" or self._keys.find(HANDSHAKE_SECRET["C"], self.client_random):
            return
        end.finished = record
        if len(record.fragment) > _ENCRYPTED_ALERT:
            self._ended(record, record.sent_ns)
        else:
            what = "an alert that only the keys can tell"
            self.alerts.append(Alert(side, what, True, record.sent_ns, record.last))

    def _ended(self, record: Record, time_ns: int | None) -> None:
        if self.done is None:
            self.done = Done(
                record.sent_ns if time_ns is None else time_ns, record.last
            )

    def _alerted(self, side: Side, content: bytes, record: Record) -> None:
        if len(content) < 2:
            return
        fatal = content[0] == _FATAL or self._is_13
        is_error = fatal and content[1] not in (_CLOSE_NOTIFY, _USER_CANCELED)
        name = tls.alert_name(content)
        self.alerts.append(Alert(side, name, is_error, record.sent_ns, record.last))


def handshake_events(session: "Session") -> tuple[Event, ...]:
    """What hosts would have told about the handshake, if one of them had noted it.

    Events of kind `tls` or `tls_failed`. Their numbers are those of the octets that
    tell it.
    """
    opening = session.opened
    if opening is None:
        return ()
    failure = opening.failure
    if failure is not None:
        reason = f"it sent the alert: {failure.name}"
        facts = {"side": failure.side, "reason": reason}
        told = _event(session, "tls_failed", failure.number, failure.time_ns, facts)
    elif opening.done is not None:
        facts = {
            "side": "C",
            "version": opening.version,
            "cipher": opening.cipher,
            "server_name": opening.server_name,
            "names": opening.names,
        }
        told = _event(session, "tls", opening.done.number, opening.done.time_ns, facts)
    elif not opening.why and (session.find("fin") or session.find("reset")):
        last = session.events[-1]
        facts = {"side": "S", "reason": "the connection ended"}
        told = _event(session, "tls_failed", last.number, last.time_ns, facts)
    else:
        return ()
    return (told,)


def _event(
    session: "Session", kind: str, number: int, time_ns: int, facts: dict[str, Any]
) -> Event:
    host = session.client if facts["side"] == "C" else session.server
    return Event(number, time_ns, kind, host, session.id, facts)
