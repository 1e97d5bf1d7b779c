"""What a mail session says, cut into pieces that scapy's layers are made of.

Goes in: octets of one side, as far as they have come. Comes out: pieces (kind, octets),
which joined are these octets again; and what must wait for more.

Rule 1: a whole line ends in CRLF; content ends as its protocol says.
Rule 2: who has not heard the whole session (`whole=False`) takes what is no word of the
        protocol for content.
Rule 3: behind STARTTLS nothing is understood any more.
"""

import re
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

Side = Literal["C", "S"]
Kind = Literal["command", "reply", "content", "text", "hidden"]
Piece = tuple[Kind, bytes]
CRLF = b"\r\n"

_SMTP = b"EHLO HELO LHLO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY EXPN HELP AUTH ETRN"
_POP3 = (
    b"USER PASS APOP STAT LIST RETR DELE NOOP RSET QUIT TOP UIDL CAPA AUTH STLS UTF8"
)
WORDS = {
    "SMTP": frozenset([*_SMTP.split(), b"STARTTLS"]),
    "POP3": frozenset(_POP3.split()),
}
_REPLIES = {
    "SMTP": re.compile(rb"\d{3}(?:[ -]|\r\n)"),  # RFC 5321 §4.2
    "POP3": re.compile(rb"\+OK|-ERR|\+ "),  # RFC 1939 §3
    "IMAP": re.compile(rb"(?:\*|\+|[A-Za-z0-9.]+) "),  # RFC 9051 §2.2.2
}
_IMAP = re.compile(rb"[A-Za-z0-9.]+ [A-Za-z]+(?: |\r\n)")  # RFC 9051 §2.2.1
_LITERAL = re.compile(rb"\{(\d{1,10})\+?\}\r\n\Z")  # RFC 9051 §4.3
_BDAT = re.compile(rb"BDAT +(\d{1,10})\b", re.I)  # RFC 3030 §2
_TLS = re.compile(rb"[\x14-\x17]\x03[\x00-\x04]")  # RFC 8446 §5.1
_STARTTLS = (b"STARTTLS", b"STLS")
_LISTS = (b"RETR", b"TOP", b"CAPA")  # POP3: always several lines (RFC 1939 §3)
_LISTS_OF_ALL = (b"LIST", b"UIDL")  # several lines without an argument
_YES = {"SMTP": b"220", "POP3": b"+OK"}  # to STARTTLS


@dataclass
class Speech:
    """Both sides of one session. `protocol` is SMTP, POP3 or IMAP."""

    protocol: str
    whole: bool = True
    hidden: bool = False  # TLS has begun
    _until_dot: dict[Side, bool] = field(
        default_factory=lambda: {"C": False, "S": False}
    )
    _octets: dict[Side, int] = field(default_factory=lambda: {"C": 0, "S": 0})
    _goes_on: dict[Side, bool] = field(default_factory=lambda: {"C": False, "S": False})
    _asked: deque[bytes] = field(default_factory=deque[bytes])  # unanswered commands
    _login: bool = False

    def cut(self, side: Side, data: bytes, last: bool) -> tuple[list[Piece], bytes]:
        """The pieces in `data`, and its tail. `last`: no more octets will come."""
        found: list[Piece] = []
        while data:
            size = self._next(side, data, last)
            if not size:
                return found, data
            found.append((self._kind(side, data[:size]), data[:size]))
            data = data[size:]
        return _joined(found), b""

    def _next(self, side: Side, data: bytes, last: bool) -> int:
        """How long the next piece is; 0 when it is not all here."""
        if self.hidden or (not self._octets[side] and _TLS.match(data)):
            self.hidden = True
            return len(data)
        if self._octets[side]:
            return min(self._octets[side], len(data))
        end = data.find(CRLF)
        return end + len(CRLF) if end >= 0 else len(data) * last

    def _kind(self, side: Side, piece: bytes) -> Kind:
        if self.hidden:
            return "hidden"
        if self._octets[side]:
            self._octets[side] -= len(piece)
            return "content"
        if self._until_dot[side]:
            self._until_dot[side] = piece != b".\r\n"
            return "content"
        goes_on, self._goes_on[side] = self._goes_on[side], False
        self._count_literal(side, piece)
        if goes_on:
            return "text"
        return self._client(piece) if side == "C" else self._server(piece)

    def _count_literal(self, side: Side, piece: bytes) -> None:
        found = _LITERAL.search(piece) if self.protocol == "IMAP" else None
        if found:
            self._octets[side] = int(found[1])
            self._goes_on[side] = True

    # The client -----------------------------------------------------------------------

    def _client(self, line: bytes) -> Kind:
        if self._login:
            return "text"
        if not self._is_command(line):
            return "text" if self.whole else "content"
        words = line.upper().split()
        verb = (
            words[self.protocol == "IMAP"] if len(words) > 1 else line.upper().strip()
        )
        self._login = verb in (b"AUTH", b"AUTHENTICATE")
        self._asked.append(b" ".join(words[:2]) if self.protocol == "POP3" else verb)
        chunk = _BDAT.match(line) if self.protocol == "SMTP" else None
        if chunk:
            self._octets["C"] = int(chunk[1])
        return "command"

    def _is_command(self, line: bytes) -> bool:
        if self.protocol == "IMAP":
            return bool(_IMAP.match(line))
        words = line.upper().split(None, 1)
        return bool(words) and (self.whole or words[0] in WORDS[self.protocol])

    # The server -----------------------------------------------------------------------

    def _server(self, line: bytes) -> Kind:
        if not _REPLIES[self.protocol].match(line):
            return "text" if self.whole else "content"
        if line.startswith((b"334", b"+ ")):
            return "reply"
        self._login = self._login and line.startswith(b"* ")
        if self.protocol == "IMAP":
            self._answered_imap(line)
        elif line[3:4] != b"-" or self.protocol == "POP3":
            self._answered(line)
        return "reply"

    def _answered(self, line: bytes) -> None:
        if line.startswith(b"354"):
            self._until_dot["C"] = True
            return
        asked = self._asked.popleft() if self._asked else b""
        if asked in _STARTTLS and line.startswith(_YES[self.protocol]):
            self.hidden = True
        verb, _, argument = asked.partition(b" ")
        several = verb in _LISTS or (verb in _LISTS_OF_ALL and not argument)
        if self.protocol == "POP3" and several and line.startswith(b"+OK"):
            self._until_dot["S"] = True

    def _answered_imap(self, line: bytes) -> None:
        if line.startswith((b"* ", b"+ ")):
            return
        asked = self._asked.popleft() if self._asked else b""
        self.hidden = asked in _STARTTLS and b" OK" in line[:80].upper()


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Content in one piece."""
    found: list[Piece] = []
    for kind, octets in pieces:
        if found and kind == found[-1][0] and kind in ("content", "hidden"):
            octets = found.pop()[1] + octets
        found.append((kind, octets))
    return found
