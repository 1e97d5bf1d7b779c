r"""Lines of a session in which none of our engines took part (two foreign programs).

Goes in: the bursts of both sides. Comes out: `line` events as an engine would emit
them, as far as one can tell from outside: nothing of what is inside TLS.

Rule 1: only CRLF ends a line (RFC 5321 §2.3.8).
Rule 2: better mask too much than too little: what follows AUTH, PASS, LOGIN, APOP and
        AUTHENTICATE, and what a client answers to a challenge, is a secret.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from maillab.trace.events import Event
from maillab.wire.lines import CRLF, LineBuffer, Side

if TYPE_CHECKING:
    from maillab.trace.session import Burst

_TLS_RECORD = re.compile(rb"\x16\x03[\x01-\x04]")  # RFC 8446 §5.1: a handshake record
_SECRETS = (
    re.compile(rb"AUTH +\S+ +(\S.*)", re.I),  # RFC 4954 §4, RFC 5034 §4
    re.compile(rb"PASS +(.*)", re.I),  # RFC 1939 §7
    re.compile(rb"APOP +\S+ +(.*)", re.I),  # RFC 1939 §7
    re.compile(rb"\S+ +LOGIN +(.*)", re.I),  # RFC 9051 §6.2.3
    re.compile(rb"\S+ +AUTHENTICATE +\S+ +(.*)", re.I),  # RFC 4959 §3
)
_ASKS = re.compile(rb"(\S+ +)?(AUTH|AUTHENTICATE|LOGIN)\b", re.I)
_GREETINGS = ((b"+OK", "POP3"), (b"* OK", "IMAP"), (b"220", "SMTP"))


def guess_protocol(greeting: bytes) -> str:
    """The protocol that a server's first octets speak, "" when unknown."""
    return next((name for start, name in _GREETINGS if greeting.startswith(start)), "")


def split_stream(
    first: Event, bursts: "Mapping[Side, Sequence[Burst]]", protocol: str
) -> Iterator[Event]:
    """Lines in the order in which they left. `first` lends its connection."""
    listener = _Listener(protocol)
    buffers: dict[Side, LineBuffer] = {
        side: LineBuffer(sys.maxsize) for side in ("C", "S")
    }
    for burst in _in_order(bursts):
        side = burst.side
        buffer = buffers[side]
        if not len(buffer) and _TLS_RECORD.match(burst.data):
            return
        buffer.feed(burst.data)
        at = buffer.offset
        while (line := buffer.next_line()) is not None:
            facts = listener.heard(side, line) | {"speaker": side, "offset": at}
            yield Event(
                burst.number, burst.sent_ns, "line", "", first.connection, facts
            )
            at = buffer.offset


def _in_order(bursts: "Mapping[Side, Sequence[Burst]]") -> "Iterator[Burst]":
    """As they left, each once; what came behind a hole waits until that is filled."""
    expected: dict[Side, int] = {"C": 0, "S": 0}
    early: dict[tuple[Side, int], Burst] = {}
    for burst in sorted((*bursts["C"], *bursts["S"]), key=lambda b: b.number):
        side = burst.side
        early.setdefault((side, burst.offset), burst)
        while (piece := early.pop((side, expected[side]), None)) is not None:
            yield piece
            expected[side] = piece.end


class _Listener:
    """Just enough state to tell a command from content, and a secret from a command."""

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol
        self.content = False  # after 354, until the lone dot
        self.login = False  # a login goes on: what the client says is secret

    def heard(self, side: Side, line: bytes) -> dict[str, object]:
        facts = self._client(line) if side == "C" else self._server(line)
        shared = {"octets": line + CRLF, "secure": False, "ref": "", "why": ""}
        return {"secret": ()} | shared | facts

    def _client(self, line: bytes) -> dict[str, object]:
        if self.content:
            self.content = line != b"."
            return {"what": "content"}
        if self.login:
            return {"what": "continuation", "secret": ((0, len(line)),)}
        self.login = bool(_ASKS.match(line))
        found = next(filter(None, (rule.match(line) for rule in _SECRETS)), None)
        return {"what": "command", "secret": (found.span(1),) if found else ()}

    def _server(self, line: bytes) -> dict[str, object]:
        if self.protocol in ("SMTP", "LMTP") and line.startswith(b"354"):
            self.content = True
        if not line.startswith((b"334", b"+ ")) and line != b"+":
            self.login = False
        return {"what": "reply"}
