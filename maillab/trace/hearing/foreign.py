"""Lines of a session in which none of our engines took part (two foreign programs).

Goes in: the bursts of both sides, gaps, TLS keys. Comes out: what was said, as an
engine would tell it, as far as one can know from outside; and what is inside TLS, if
keys open it.

Rule 1: only CRLF ends a line (RFC 5321 §2.3.8).
Rule 2: what the octets mean is for a listener to say (`trace.hearing.listeners`).
Rule 3: where octets are missing, what is left of a line is shown as a part of one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from maillab.trace.events import Event
from maillab.trace.hearing.channel import LINES, WAIT, Channel
from maillab.trace.hearing.stream_order import in_order
from maillab.trace.hearing.tls_keys import KeyRing
from maillab.trace.hearing.tls_opening import Opening, handshake_events
from maillab.trace.hearing.tls_records import begins_answer, begins_tls
from maillab.trace.lines import Line
from maillab.trace.pieces import Burst, Gap
from maillab.wire.lines import CRLF, Side

if TYPE_CHECKING:
    from maillab.trace.hearing.listeners import Listener, Said
    from maillab.trace.session import Session

_GREETINGS = (
    (b"+OK", "POP3"),
    (b"-ERR", "POP3"),
    (b"* ", "IMAP"),
    (b"220", "SMTP"),
    (b"421", "SMTP"),
    (b"554", "SMTP"),
)
TLS_KINDS = frozenset({"tls", "tls_failed"})
_INJECTED = "RFC 3207 §4.2"
_NO_BEGINNING = "the capture lacks the beginning of this line"
_NO_END = "the capture lacks the end of this line"
_MIDDLE = "the capture lacks octets on both sides of this"
_OTHER: dict[Side, Side] = {"C": "S", "S": "C"}


def guess_protocol(greeting: bytes) -> str:
    """The protocol that a server's first octets speak, "" when unknown."""
    return next((name for start, name in _GREETINGS if greeting.startswith(start)), "")


def may_be_tls(bursts: Mapping[Side, Sequence[Burst]]) -> bool:
    """A quick look: might there be TLS in this session?"""
    found = bursts["C"] or bursts["S"]
    return any(b"\x16\x03" in burst.data for burst in found)


@dataclass(frozen=True, slots=True)
class Wire:
    """What an observer has of one session.

    arrived  when the other side could read all up to an offset
    """

    protocol: str
    bursts: Mapping[Side, Sequence[Burst]]
    gaps: Sequence[Gap]
    keys: KeyRing
    arrived: Callable[[Side, int], int | None]


class Hearing:
    """Listens to both sides.

    lines     what was said
    protocol  as the port told, or a greeting that may stand inside TLS
    opening   the TLS part of the session; None when there is none
    """

    def __init__(self, wire: Wire) -> None:
        self.lines: list[Line] = []
        self.opening: Opening | None = None
        self._wire = wire
        self.protocol = wire.protocol
        self._guesses = wire.protocol in ("", "TCP")
        self._listener = self._choose_listener()
        self._channels: dict[Side, Channel] = {s: Channel(s) for s in _OTHER}
        self._asked_at = 0  # lines that were there when the client asked for TLS
        for found in in_order(wire.bursts, wire.gaps):
            if isinstance(found, Gap):
                self._on_gap(found)
            else:
                self._on_burst(found)
        self._finish()

    def _finish(self) -> None:
        """What the client had said when an answer was missing still."""
        channel = self._channels["C"]
        while self._listener.due["C"] == WAIT and len(channel):
            self._listener.go_on()
            self._go_on(channel)

    def _choose_listener(self) -> "Listener":
        from maillab.trace.hearing.imap import IMAPListener  # they load the servers
        from maillab.trace.hearing.listeners import Listener, POP3Listener, SMTPListener

        bursts = self._wire.bursts
        alone = next((s for s in _OTHER if not bursts[_OTHER[s]]), "")
        match self.protocol:
            case "SMTP" | "LMTP":
                return SMTPListener(alone)
            case "POP3":
                return POP3Listener(alone)
            case "IMAP":
                return IMAPListener(alone)
            case _:
                return Listener(alone)

    # Octets ---------------------------------------------------------------------------

    def _on_burst(self, burst: Burst) -> None:
        channel = self._channels[burst.side]
        if channel.is_tls and self.opening:
            for piece in self.opening.feed(burst):
                self._take(self._channels[piece.side], piece)
        else:
            self._take(channel, burst)

    def _take(self, channel: Channel, burst: Burst) -> None:
        """Octets of the dialogue."""
        agreed = self._listener.agreed and channel.side == "C"
        if len(channel) and agreed and begins_tls(burst.data):
            self._tell_piece(channel)  # was injected, and is not a line
        if self._guesses and channel.side == "S":
            self._guess(channel, burst)
        channel.add(burst)
        self._go_on(channel)

    def _go_on(self, channel: Channel) -> None:
        while self._read(channel):
            pass

    def _guess(self, channel: Channel, burst: Burst) -> None:
        """The port has not told the protocol; the greeting does."""
        if not channel.is_tls and begins_answer(burst.data):
            return
        self._guesses = False
        self.protocol = guess_protocol(burst.data) or self.protocol
        self._listener = self._choose_listener()

    def _on_gap(self, gap: Gap) -> None:
        channel = self._channels[gap.side]
        if channel.is_tls and self.opening:
            self.opening.skip(gap.side, gap.end, gap.size)
        if len(channel):
            self._tell_piece(channel)
        due = self._listener.due[gap.side]
        if due > 0:
            self._shorten(channel, gap.size)
        channel.skip(gap.end)
        self._listener.gap(gap.side)
        self._go_on(self._channels["C"])

    def _tell_piece(self, channel: Channel) -> None:
        """What is left of a line that has no end."""
        side, due = channel.side, self._listener.due[channel.side]
        octets = channel.clear()
        if due not in (LINES, WAIT):
            self._tell(channel, octets, self._listener.block(side, octets), _NO_END)
            if due > 0:
                self._shorten(channel, len(octets))
            return
        said = self._listener.piece(side, octets, begins=not channel.headless)
        self._tell(channel, octets, said, _MIDDLE if channel.headless else _NO_END)

    # Reading --------------------------------------------------------------------------

    def _read(self, channel: Channel) -> bool:
        """Take one thing from what is here; False: more octets are needed."""
        due = self._listener.due[channel.side]
        if due == WAIT:
            return False
        if due > 0:
            return self._read_block(channel, due)
        if due < 0:
            return self._read_content(channel)
        if not channel.is_tls and self._begins_tls(channel):
            return False
        line = channel.next_line()
        if line is None:
            return False
        self._hear(channel, line)
        return True

    def _hear(self, channel: Channel, line: bytes) -> None:
        side, listener = channel.side, self._listener
        asked = listener.asks_tls
        headless, channel.headless = channel.headless, False
        if headless and side == "C" and not listener.is_command(line):
            said, why = listener.piece(side, line, begins=False), _NO_BEGINNING
        else:
            said, why = listener.heard(side, line), ""
        self._tell(channel, line + CRLF, said, why)
        if listener.asks_tls and not asked:
            self._asked_at = len(self.lines)
        if listener.compresses and not channel.inflates:
            self._compress()
        elif side == "S" and len(self._channels["C"]):
            self._go_on(self._channels["C"])  # it may have waited for this

    def _read_block(self, channel: Channel, due: int) -> bool:
        """Octets that were announced: BDAT, literals."""
        octets = channel.next_piece(due)
        if octets:
            said = self._listener.block(channel.side, octets)
            self._tell(channel, octets, said)
            self._shorten(channel, len(octets))
        return bool(octets)

    def _shorten(self, channel: Channel, count: int) -> None:
        due = self._listener.due
        due[channel.side] = max(0, due[channel.side] - count)
        if not due[channel.side]:
            self._listener.block_ended(channel.side)

    def _read_content(self, channel: Channel) -> bool:
        """Whole lines of content, up to and with the lone dot."""
        side, found = channel.side, bytearray()
        while (line := channel.next_line()) is not None:
            if self._listener.ends_content(side, line):
                channel.unread(line + CRLF)
                self._listener.block_ended(side)
                break
            found += line + CRLF
            if line == b".":
                break
        if found:
            said = self._listener.block(side, bytes(found))
            self._tell(channel, bytes(found), said)
        if line == b".":
            self._listener.block_ended(side)
        channel.headless = False
        return line is not None

    # TLS and compression --------------------------------------------------------------

    def _begins_tls(self, channel: Channel) -> bool:
        """TLS begins where a line could. (What is inside comes by another way.)"""
        octets = channel.peek(11)
        if octets[:1] not in (b"\x15", b"\x16"):
            return False
        if channel.side == "C":
            begins = begins_tls(octets)
        else:
            alone = self._listener.alone == "S"
            if len(octets) < 5:  # not even the head of a record
                return alone or self._channels["C"].is_tls
            begins = begins_answer(octets) and (alone or self._channels["C"].is_tls)
        if begins:
            self._start_tls(channel)
        return begins

    def _start_tls(self, channel: Channel) -> None:
        if self.opening is None:
            self.opening = Opening(self._wire.keys, self._wire.arrived)
        rest = channel.rest_as_burst()
        channel.is_tls = True
        self.opening.begin(channel.side, rest.offset)
        if channel.side == "C" or self._listener.alone:
            self._mark_injected()
            self._listener.reset()
        for piece in self.opening.feed(rest):
            self._take(self._channels[piece.side], piece)

    def _mark_injected(self) -> None:
        """What came behind STARTTLS in plain text was thrown away (RFC 3207 §4.2)."""
        if not self._listener.asks_tls:
            return
        for at in range(self._asked_at, len(self.lines)):
            if self.lines[at].speaker == "C":
                self.lines[at] = replace(self.lines[at], what="noise", ref=_INJECTED)

    def _compress(self) -> None:
        """RFC 4978: what comes from here on is compressed, on both sides."""
        for channel in self._channels.values():
            channel.inflate()
            self._go_on(channel)

    # Telling --------------------------------------------------------------------------

    def _tell(
        self, channel: Channel, octets: bytes, said: "Said", why: str = ""
    ) -> None:
        """Octets that were just taken from the channel."""
        end = channel.offset
        first, last = channel.find(end - len(octets)), channel.find(max(0, end - 1))
        arrived = last.arrived_ns
        if not channel.is_disguised:
            arrived = self._wire.arrived(channel.side, end)
        self.lines.append(
            Line(
                speaker=channel.side,
                offset=end - len(octets),
                octets=octets,
                what=said.what,
                secret=said.secret,
                secure=channel.is_tls,
                ref=said.ref,
                why=why,
                sent_ns=first.sent_ns,
                arrived_ns=arrived,
                number=first.number,
                protocol=self.protocol,
                compressed=channel.inflates,
            )
        )


def overhear(session: "Session") -> Hearing:
    """Listen to a session."""
    keys = session.keys or KeyRing(str(e["line"]) for e in session.all("keylog"))
    gaps = [gap for found in session.gaps.values() for gap in found]

    def arrived(side: Side, end: int) -> int | None:
        return session.pieces[side].arrived_ns(end)

    return Hearing(Wire(session.protocol, session.bursts, gaps, keys, arrived))


def told_of_tls(session: "Session") -> Sequence[Event]:
    """The events of a session, and those of a handshake that only octets tell of."""
    noted = any(event.kind in TLS_KINDS for event in session.events)
    if noted or not may_be_tls(session.bursts):
        return session.events
    told = handshake_events(session)
    return sorted((*session.events, *told), key=lambda e: (e.time_ns, e.number))
