"""What every state machine of maillab shares.

    engine.receive(data)           bytes from the network
    event = engine.next_event()    what they mean; None: more bytes are needed
    engine.answer(...)             the agent's decision, when the event is a `Question`
    engine.tls_started()           after the event `StartTLS`
    engine.data_to_send()          bytes for the network
    engine.lines_spoken()          what both sides said since the last call, for the
    trace engine.closed                  nothing more will come: send the rest and hang
    up

Rule 1: an engine never raises for anything a peer can send.
Rule 2: how the network cuts the stream changes nothing.
Rule 3: an engine never decides and never waits: it asks, and goes on when answered.
"""

from dataclasses import dataclass

from maillab.wire.lines import LineBuffer, Side, Spoken


@dataclass(frozen=True, slots=True)
class Event:
    """Something that an engine tells the agent."""


@dataclass(frozen=True, slots=True)
class Question(Event):
    """An event that must be answered (`engine.answer`) before the engine goes on."""


@dataclass(frozen=True, slots=True)
class Pause(Event):
    """A long answer goes on at the next `next_event`. Before that: send what was said,
    wait for a peer that reads slowly, and let other sessions have a turn.
    """


@dataclass(frozen=True, slots=True)
class StartTLS(Event):
    """Both sides agreed on TLS: do the handshake, then call `engine.tls_started()`."""


class Engine:
    """The buffers and the record of one side of one session.

    compressed  what is said now looks otherwise on the wire (RFC 4978)
    """

    compressed = False

    def __init__(self, side: Side, line_limit: int) -> None:
        self.side: Side = side
        self.closed = False
        self.tls_active = False
        self._lines = LineBuffer(line_limit)
        self._out = bytearray()
        self._sent = 0  # octets ever queued for sending
        self._spoken: list[Spoken] = []

    def receive(self, data: bytes) -> None:
        """Take bytes from the network."""
        if not self.closed:
            self._lines.feed(data)

    def receive_eof(self) -> None:
        """The peer will send nothing more."""
        self.closed = True

    def next_event(self) -> Event | None:
        """The next thing the agent should know; None when more bytes are needed."""
        raise NotImplementedError

    def time_out(self) -> None:
        """The peer was silent for too long: say so if the protocol can, and close."""
        self.closed = True

    def tls_started(self) -> None:
        """The handshake is done.

        What arrived in plain text behind the command is thrown away: an attacker may
        have put it there (RFC 3207 §4.2, RFC 2595 §3.1, CVE-2011-0411).
        """
        injected = self._lines.clear()
        if injected:
            self._heard(injected, "noise", ref="RFC 3207 §4.2")
        self.tls_active = True

    @property
    def has_to_say(self) -> bool:
        """Bytes wait for the network."""
        return bool(self._out)

    def data_to_send(self) -> bytes:
        """Take the bytes that wait for the network."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def lines_spoken(self) -> list[Spoken]:
        """Take the record of what was said since the last call."""
        spoken, self._spoken = self._spoken, []
        return spoken

    # For the engines ------------------------------------------------------------------

    def _say(
        self,
        octets: bytes,
        what: str,
        *,
        secret: tuple[tuple[int, int], ...] = (),
        ref: str = "",
        why: str = "",
    ) -> None:
        """Queue `octets` for the network and note that we said them."""
        at = self._sent
        self._out += octets
        self._sent += len(octets)
        secure, packed = self.tls_active, self.compressed
        self._spoken.append(
            Spoken(self.side, at, octets, what, secret, secure, ref, why, packed)
        )

    def _heard(
        self,
        octets: bytes,
        what: str,
        *,
        secret: tuple[tuple[int, int], ...] = (),
        ref: str = "",
    ) -> None:
        """Note that the peer said `octets`, which end where the buffer now stands."""
        peer: Side = "S" if self.side == "C" else "C"
        at = self._lines.offset - len(octets)
        secure, packed = self.tls_active, self.compressed
        self._spoken.append(
            Spoken(peer, at, octets, what, secret, secure, ref, compressed=packed)
        )
