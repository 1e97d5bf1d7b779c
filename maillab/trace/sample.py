"""Traces without a world: for tests, documentation and `python -m maillab.trace`.

    talk = Talk(trace, "c1", port=25)
    talk.connect()
    talk.say("S", "220 mx.beta.example", ref="RFC 5321 §4.2")
    talk.say("C", "QUIT")
    talk.close("C")

Emits what the network and two engines of ours would emit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from maillab.trace.recorder import Trace
from maillab.wire.lines import CRLF, Side

MS = 1_000_000


@dataclass
class Talk:
    """One scripted connection. Times are nanoseconds; `now` is the teller's clock."""

    trace: Trace
    id: str = "c1"
    client: str = "alpha.example"
    server: str = "mx.beta.example"
    src: tuple[str, int] = ("192.0.2.10", 40001)
    dst: str = "198.51.100.25"
    port: int = 25
    latency: int = 20 * MS
    now: int = 0
    engines: str = "CS"  # the ends that run our engine
    secure: bool = False

    def __post_init__(self) -> None:
        self._sent = {"C": 0, "S": 0}  # octets on the wire
        self._said = {"C": 0, "S": 0}  # octets of the application stream

    def host(self, side: str) -> str:
        """The name of one end."""
        return self.client if side == "C" else self.server

    def emit(self, kind: str, at: str, /, **facts: object) -> None:
        """Emit at one end, now."""
        self.trace.emit(kind, self.host(at), self.id, self.now, **facts)

    def syn(self) -> None:
        """Only the first SYN leaves."""
        dst = (self.dst, self.port)
        self.emit("connect", "C", src=self.src, dst=dst, to=self.server)

    def connect(self) -> None:
        """The whole handshake."""
        self.syn()
        self.now += self.latency
        self.emit("accept", "S", latency=self.latency)
        self.now += self.latency
        self.emit("established", "C")

    def refuse(self) -> None:
        """Nobody listens: a RST comes back."""
        self.syn()
        self.now += 2 * self.latency
        self.emit("refused", "C", reason="nobody listens on this port", by=self.server)

    def time_out(self, seconds: Sequence[int] = (1, 3, 7, 15, 31, 63)) -> None:
        """Nobody answers."""
        self.syn()
        began = self.now
        for attempt, after in enumerate(seconds, 2):
            self.now = began + after * 1000 * MS
            self.emit("syn", "C", attempt=attempt)
        self.now = began + 127_000 * MS
        self.emit("timed_out", "C", reason="no answer to 7 SYNs", by="")

    def burst(self, side: Side, data: bytes) -> None:
        """Octets leave, and nobody says what they mean."""
        offset = self._sent[side]
        self.emit(
            "bytes", side, side=side, offset=offset, data=data, latency=self.latency
        )
        self._sent[side] += len(data)

    def say(  # noqa: PLR0913 — the facts of a line
        self,
        side: Side,
        *texts: str,
        what: str = "",
        secret: tuple[tuple[int, int], ...] = (),
        ref: str = "",
        why: str = "",
        wire: bytes = b"",
    ) -> None:
        """Lines leave together, and arrive. `wire`: what they look like inside TLS."""
        lines = [text.encode() + CRLF for text in texts]
        notes = [
            self._note(side, line, what, secret, ref, why if i == len(lines) else "")
            for i, line in enumerate(lines, 1)
        ]
        self._record(side, side, notes)
        self.burst(side, wire or b"".join(lines))
        self.now += self.latency
        peer = "S" if side == "C" else "C"
        self._record(peer, side, notes)

    def tls(self, version: str = "TLSv1.3", name: str = "mx.beta.example") -> None:
        """Both sides finished a handshake."""
        facts = {"version": version, "cipher": "TLS_AES_256_GCM_SHA384"}
        for side in "CS":
            self.emit("tls", side, side=side, server_name=name, **facts)
        self.secure = True

    def fin(self, side: Side) -> None:
        """One side has no more to say."""
        self.emit("fin", side, side=side, latency=self.latency)

    def close(self, side: Side) -> None:
        """Both sides close, `side` first."""
        other: Side = "S" if side == "C" else "C"
        for closing in (side, other):
            self.fin(closing)
            self.now += self.latency
        for ended in (side, other):
            self.emit("lost", ended, side=ended, reason="")

    def reset(self, side: Side) -> None:
        """One side drops everything."""
        self.emit("reset", side, side=side, latency=self.latency)
        self.now += self.latency
        other = "S" if side == "C" else "C"
        self.emit("lost", other, side=other, reason="reset")

    def _note(  # noqa: PLR0913 — the facts of a line
        self,
        side: Side,
        line: bytes,
        what: str,
        secret: tuple[tuple[int, int], ...],
        ref: str,
        why: str,
    ) -> dict[str, object]:
        offset = self._said[side]
        self._said[side] += len(line)
        return {
            "speaker": side,
            "offset": offset,
            "octets": line,
            "what": what or ("command" if side == "C" else "reply"),
            "secret": secret,
            "secure": self.secure,
            "ref": ref,
            "why": why,
        }

    def _record(
        self, at: str, speaker: str, notes: Sequence[dict[str, object]]
    ) -> None:
        """One end notes the lines; only the server knows why, both know the RFC."""
        if at in self.engines:
            for note in notes:
                known = note if at == "S" else {**note, "why": ""}
                self.emit("line", at, **known)


_EHLO, _MAIL = "RFC 5321 §4.1.1.1", "RFC 5321 §4.1.1.2"
_RCPT, _DATA, _QUIT = "RFC 5321 §4.1.1.3", "RFC 5321 §4.1.1.4", "RFC 5321 §4.1.1.10"
_OFFER = ("250-mx.beta.example", "250-SIZE 10485760", "250-PIPELINING")


def letter(trace: Trace | None = None) -> Trace:
    """A letter from alpha.example to beta.example, with TLS and one refusal."""
    talk = Talk(trace or Trace(strict=True))
    talk.connect()
    _start_tls(talk)
    _transaction(talk)
    talk.say("C", "QUIT", ref=_QUIT, wire=bytes(28))
    talk.say("S", "221 2.0.0 Bye", ref=_QUIT, wire=bytes(36))
    talk.close("S")
    return talk.trace


def _start_tls(talk: Talk) -> None:
    """The greeting, STARTTLS, three flights of a handshake, and EHLO again."""
    talk.say("S", "220 mx.beta.example ESMTP", ref="RFC 5321 §4.2")
    talk.say("C", "EHLO alpha.example", ref=_EHLO)
    talk.say("S", *_OFFER, "250 STARTTLS", ref=_EHLO)
    talk.say("C", "STARTTLS", ref="RFC 3207 §4")
    talk.say("S", "220 2.0.0 Ready to start TLS", ref="RFC 3207 §4")
    talk.burst("C", bytes(517))
    talk.now += talk.latency
    talk.burst("S", bytes(1350))
    talk.now += talk.latency
    talk.burst("C", bytes(80))
    talk.tls()
    talk.say("C", "EHLO alpha.example", ref=_EHLO, wire=bytes(42))
    talk.say("S", *_OFFER, "250 AUTH PLAIN", ref=_EHLO, wire=bytes(99))


def _transaction(talk: Talk) -> None:
    """One recipient is welcome, the other is not; the commands are pipelined."""
    why = "gamma.example is not ours, and 192.0.2.10 may not relay"
    commands = (
        "MAIL FROM:<alice@alpha.example>",
        "RCPT TO:<bob@beta.example>",
        "RCPT TO:<carol@gamma.example>",
    )
    sent = talk.now
    for command, ref in zip(commands, (_MAIL, _RCPT, _RCPT), strict=True):
        talk.now = sent
        talk.say("C", command, ref=ref, wire=bytes(54))
    answered = talk.now
    for reply, ref in (("250 2.1.0 Ok", _MAIL), ("250 2.1.5 Ok", _RCPT)):
        talk.now = answered
        talk.say("S", reply, ref=ref, wire=bytes(36))
    talk.now = answered
    talk.say("S", "550 5.7.1 Relaying denied", ref=_RCPT, why=why, wire=bytes(50))
    talk.say("C", "DATA", ref=_DATA, wire=bytes(28))
    talk.say("S", "354 End data with <CRLF>.<CRLF>", ref=_DATA, wire=bytes(55))
    content = ("From: Alice <alice@alpha.example>", "Subject: Lunch?", "", "At noon?")
    talk.say("C", *content, ".", what="content", wire=bytes(120))
    talk.say("S", "250 2.0.0 Queued as B-0001", ref=_DATA, wire=bytes(50))
