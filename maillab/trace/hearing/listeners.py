"""What one can know of a dialogue from outside: what a line is, and what is secret.

Goes in: whole lines of both sides, in the order in which they left. Comes out: what
each one is, the spans that views must mask, and how to cut what follows.

Rule 1: better mask too much than too little: what follows AUTH, PASS and APOP, what a
        client answers to a challenge, and the rest of a line whose beginning is
        missing, is a secret.
Rule 2: content is content: what stands in a message is never taken for a command.
"""

import re
from collections import deque
from collections.abc import Collection, Mapping
from typing import NamedTuple

from maillab.protocol import pop3_server, smtp_server
from maillab.protocol.smtp_server_auth import INITIAL_RESPONSE
from maillab.protocol.smtp_server_content import announced_chunk
from maillab.trace.hearing.channel import DOTS, LINES, WAIT
from maillab.wire.lines import Side

Spans = tuple[tuple[int, int], ...]
_ANY_SECRET = re.compile(
    rb"((auth|apop|user|\S+ +authenticate) +\S+ +|pass +|\S+ +login +)", re.I
)
_ANY_LOGIN = re.compile(rb"(\S+ +)?(auth|authenticate|login)\b", re.I)


class Said(NamedTuple):
    """What a line is (`wire.lines.Spoken.what`), and what of it is secret."""

    what: str
    secret: Spans = ()
    ref: str = ""


def whole(line: bytes) -> Spans:
    """All of it is secret."""
    return ((0, len(line)),) if line else ()


def behind(pattern: re.Pattern[bytes], line: bytes) -> Spans:
    """What follows a beginning that fits is secret."""
    found = pattern.match(line)
    return ((found.end(), len(line)),) if found and found.end() < len(line) else ()


def verb_of(line: bytes) -> str:
    """The first word, in capital letters."""
    return line.split(b" ", 1)[0].strip().decode("ascii", "replace").upper()


class Listener:
    """A protocol that nobody here knows: lines, of which some may tell a password.

    due         of each side: `LINES`, `DOTS`, `WAIT`, or a number
    alone       the one side that can be heard; "": both can
    login       a login goes on: what the client says is secret
    greeted     the server has said its greeting
    asks_tls    the client has asked for TLS; agreed: and the server has agreed
    compresses  both sides have agreed to compress what comes now (RFC 4978)
    """

    verbs: Collection[str] = ()
    rfc_of: Mapping[str, str] = {}
    content_ref = ""

    def __init__(self, alone: str = "") -> None:
        self.alone = alone
        self.compresses = self.greeted = False
        self.reset()

    def reset(self) -> None:
        """Forget all (RFC 3207 §4.2): TLS has begun."""
        self.due: dict[Side, int] = {"C": LINES, "S": LINES}
        self.login = self.asks_tls = self.agreed = False
        self.unsure: set[Side] = set()  # octets are missing: the state is a guess

    def heard(self, side: Side, line: bytes) -> Said:
        """Take a line without its CRLF."""
        return self.client(line) if side == "C" else self.server(line)

    def client(self, line: bytes) -> Said:
        """A line of the client."""
        if self.login:
            return Said("continuation", whole(line))
        self.login = bool(_ANY_LOGIN.match(line))
        return Said("command", behind(_ANY_SECRET, line))

    def server(self, line: bytes) -> Said:
        """A line of the server."""
        self.login &= line.startswith((b"334", b"+ ")) or line == b"+"
        return Said("reply")

    def is_command(self, line: bytes) -> bool:
        """Does this look like a whole command?"""
        return verb_of(line) in self.verbs

    def block(self, side: Side, octets: bytes) -> Said:
        """Octets that are no lines: a piece of a message, or of a literal."""
        del side, octets
        return Said("content", (), self.content_ref)

    def block_ended(self, side: Side) -> None:
        """That was all of it."""
        self.due[side] = LINES
        self.unsure.discard(side)

    def piece(self, side: Side, octets: bytes, *, begins: bool) -> Said:
        """A line of which the end is missing, or (not `begins`) the beginning."""
        if side == "S":
            return Said("reply")
        if begins and not self.login and not behind(_ANY_SECRET, octets):
            return Said("command")
        return Said("command", whole(octets))

    def gap(self, side: Side) -> None:
        """Octets of a side are missing."""
        self.unsure.add(side)
        self.greeted |= side == "S"
        self.go_on()

    def go_on(self) -> None:
        """An answer that the client waits for will not be heard."""
        if self.due["C"] == WAIT:
            self.due["C"] = LINES

    def wait(self) -> None:
        """What the client says next depends on what the server answers."""
        self.due["C"] = LINES if self.alone else WAIT

    def ends_content(self, side: Side, line: bytes) -> bool:
        """Is this the end of content, though its dot may be missing?"""
        del side, line
        return False


class SMTPListener(Listener):
    """SMTP and LMTP: RFC 5321, RFC 3030, RFC 3207, RFC 4954."""

    verbs = smtp_server.HANDLERS
    rfc_of = smtp_server.RFC_OF
    content_ref = "RFC 5321 §4.5.2"

    def reset(self) -> None:
        """TLS has begun."""
        super().reset()
        self._asked: deque[str] = deque()  # verbs without an answer
        self._last_verb = ""

    def client(self, line: bytes) -> Said:
        """A command, or an answer to a challenge."""
        verb = verb_of(line)
        if self.login and not (self.alone and verb in self.verbs):
            self.wait()
            return Said("continuation", whole(line), "RFC 4954 §4")
        secret = behind(INITIAL_RESPONSE, line)
        if verb not in self.verbs and self._last_verb == "AUTH":
            secret = whole(line)  # by a client that did not wait for the refusal
        else:
            self._last_verb = verb
        self._asked.append(verb)
        self._expect(verb, line)
        return Said("command", secret, self.rfc_of.get(verb, ""))

    def _expect(self, verb: str, line: bytes) -> None:
        """What follows a command."""
        self.login = verb == "AUTH"
        self.asks_tls |= verb == "STARTTLS"
        if verb == "BDAT":
            chunk = announced_chunk(line[4:].decode("ascii", "replace").strip())
            self.due["C"] = chunk.size if chunk else LINES
        elif verb == "DATA" and self.alone:
            self.due["C"] = DOTS
        elif verb in ("AUTH", "DATA"):
            self.wait()

    def server(self, line: bytes) -> Said:
        """A line of a reply (RFC 5321 §4.2)."""
        if line[3:4] == b"-":
            return Said("reply")
        if not self.greeted and line.startswith((b"220", b"421", b"554")):
            self.greeted = True
        elif line.startswith(b"354"):
            self._agreed_to_data()
        elif line.startswith(b"334"):
            self.login = True
            super().go_on()
        else:
            self._answered(line)
        return Said("reply")

    def _agreed_to_data(self) -> None:
        """Content comes, whatever was asked before."""
        while self._asked and self._asked.popleft() != "DATA":
            pass
        self._asked.appendleft("")  # the content will be answered, too
        self.due["C"] = DOTS

    def _answered(self, line: bytes) -> None:
        verb = self._asked.popleft() if self._asked else ""
        if verb == "DATA" and line.startswith(b"2"):
            self._asked.appendleft(verb)  # one more of LMTP (RFC 2033 §4.2)
            return
        self.agreed |= verb == "STARTTLS" and line.startswith(b"220")
        if verb == "AUTH" or "AUTH" not in self._asked:
            self.login = False
        if verb in ("AUTH", "DATA") or not self._asked:
            super().go_on()
        if self.due["C"] == DOTS and "C" in self.unsure:
            self.block_ended("C")  # its dot is among what is missing

    def go_on(self) -> None:
        """Without an answer to DATA: what follows it is content, most likely."""
        waits = self.due["C"] == WAIT
        super().go_on()
        if waits and "DATA" in self._asked:
            self._agreed_to_data()

    def block(self, side: Side, octets: bytes) -> Said:
        """Content of DATA or BDAT."""
        is_chunk = self.due[side] > 0
        return Said("content", (), "RFC 3030 §2" if is_chunk else self.content_ref)

    def gap(self, side: Side) -> None:
        """The answer to DATA may be missing; and to whom the next one is."""
        super().gap(side)
        self._asked.clear()


class POP3Listener(Listener):
    """POP3: RFC 1939, RFC 2449, RFC 2595, RFC 5034."""

    verbs = pop3_server.HANDLERS
    rfc_of = pop3_server.RFC_OF
    content_ref = "RFC 1939 §3"
    _many = frozenset({"RETR", "TOP", "CAPA"})
    _many_without_argument = frozenset({"LIST", "UIDL", "LANG", "AUTH"})

    def reset(self) -> None:
        """TLS has begun."""
        super().reset()
        self._asked: deque[tuple[str, bool]] = deque()  # verbs; is the answer long?
        self._after_auth = False  # an AUTH was refused

    def client(self, line: bytes) -> Said:
        """A command, or an answer to a challenge."""
        verb = verb_of(line)
        if self.login and not (self.alone and verb in self.verbs):
            self.wait()
            return Said("continuation", whole(line), "RFC 5034 §4")
        secret = behind(pop3_server.SECRET, line)
        if self._after_auth and verb not in self.verbs:
            secret = whole(line)
        has_argument = b" " in line.strip()
        many = verb in self._many
        many |= verb in self._many_without_argument and not has_argument
        self._asked.append((verb, many))
        self.asks_tls |= verb == "STLS"
        self.login = verb == "AUTH" and has_argument
        if self.login:
            self.wait()
        return Said("command", secret, self.rfc_of.get(verb, ""))

    def server(self, line: bytes) -> Said:
        """A status, a challenge, or (when the client cannot be heard) content."""
        if line.startswith(b"+ ") or line == b"+":
            self.login = True
            self.go_on()
        elif line.startswith((b"+OK", b"-ERR")):
            self._answered(line.startswith(b"+OK"))
        elif self.alone or "C" in self.unsure:
            return Said("content", (), self.content_ref)
        return Said("reply")

    def _answered(self, agreed: bool) -> None:
        if not self.greeted:
            self.greeted = True
            return
        verb, many = self._asked.popleft() if self._asked else ("", False)
        if verb == "AUTH" or not self._asked:
            self.login = False
            self.go_on()
        self._after_auth = verb == "AUTH" and not agreed
        self.agreed |= verb == "STLS" and agreed
        if many and agreed:
            self.due["S"] = DOTS

    def gap(self, side: Side) -> None:
        """Whose answer comes next is not known any more."""
        super().gap(side)
        self._asked.clear()

    def ends_content(self, side: Side, line: bytes) -> bool:
        """The dot may be among what is missing."""
        return side in self.unsure and line.startswith((b"+OK", b"-ERR"))
