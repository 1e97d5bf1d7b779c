"""The client side of IMAP (RFC 9051, RFC 3501): an MUA that reads mail, without I/O.

Goes in: what the agent wants done, and bytes. Comes out: bytes, and what the server
says as events.

    client.login("ann", "…")       -> Completed("LOGIN", status, data)
    client.select("INBOX")         -> Completed("SELECT", status, data)
    client.fetch("1:*", "(FLAGS)") -> Completed("FETCH", status, data)
    client.starttls()              -> Completed(…), StartTLS()
    client.idle()                  -> Idling(), News(data) …; after done(): Completed(…)

Rule 1: commands may be given at any time; each leaves when the one before is completed,
        so no answer can be taken for another's.
Rule 2: `data` of `Completed` are the untagged responses since the command left. What
        comes without a command, or while idling, is `News` at once.
Rule 3: strings that cannot be quoted leave as literals: without waiting where the
        server offers LITERAL+, or LITERAL- and they are small (RFC 7888).
Rule 4: a server that has to prove something (SCRAM) and says OK without is not
        believed: the session is over. What it may say is bounded.
"""

import re
from collections import deque
from dataclasses import dataclass

from maillab.errors import LocalProtocolError
from maillab.protocol.engine import Event, StartTLS
from maillab.protocol.imap_client_commands import Words
from maillab.protocol.imap_client_events import (
    Completed,
    Garbled,
    Greeting,
    Idling,
    News,
)
from maillab.protocol.imap_client_verbs import IMAPVerbs
from maillab.protocol.imap_server_compression import BrokenStream, Deflate
from maillab.wire import sasl
from maillab.wire.imap import Status, announced_literal
from maillab.wire.imap_response import (
    Capability,
    Data,
    Enabled,
    parse_status,
    parse_untagged,
)
from maillab.wire.lines import CRLF, LineTooLong

Spans = list[tuple[int, int]]

LINE_LIMIT = 1024 * 1024  # octets: an ENVELOPE may be long
RESPONSE_LIMIT = 64 * 1024 * 1024  # octets of one response with its literals
DATA_LIMIT = 512 * 1024 * 1024  # octets of all responses to one command
VALUE_SIZE = 200  # octets that a response of a few octets takes here, about
SMALL_LITERAL = 4096  # octets that need not wait with LITERAL- (RFC 7888 §5)

# Their text may end like the announcement of a literal, and is none (RFC 9051 §7.1).
_TEXT = re.compile(rb"\+|[^ ]+ (?:OK|NO|BAD|BYE|PREAUTH)(?: |\Z)", re.IGNORECASE)


@dataclass(slots=True)
class _Command:
    """A command: what was not sent yet, and what came back."""

    tag: str
    verb: str
    words: deque[Words]
    data: list[Data]
    exchange: sasl.ClientMechanism | None = None
    cancelled: bool = False
    size: int = 0  # octets of `data`


class IMAPClient(IMAPVerbs):
    """One session, seen from the client.

    capabilities  what the server offers, as far as it was told: {"IDLE", "UIDPLUS", …}
    enabled       what ENABLE has switched on: {"CONDSTORE", "UTF8=ACCEPT", …}
    ended         why the server ended the session, in words; "" when it did not say
    """

    def __init__(self, *, implicit_tls: bool = False) -> None:
        super().__init__("C", LINE_LIMIT)
        self.tls_active = implicit_tls
        self.greeted = False
        self.capabilities: frozenset[str] = frozenset()
        self.enabled: frozenset[str] = frozenset()
        self.idling = False
        self.ended = ""
        self._count = 0
        self._waiting: deque[_Command] = deque()
        self._current: _Command | None = None
        self._events: deque[Event] = deque()
        self._response = bytearray()
        self._missing = 0
        self._handshake = False
        self._deflate: Deflate | None = None

    def offers(self, capability: str) -> bool:
        """Does the server say that it can do this?"""
        return capability.upper() in self.capabilities

    @property
    def utf8(self) -> bool:
        """Names and strings may be UTF-8 (RFC 6855 §3, RFC 9051 §5.1)."""
        return not self.enabled.isdisjoint(("UTF8=ACCEPT", "IMAP4REV2"))

    def starttls(self) -> None:
        """Ask for TLS; do the handshake on the event `StartTLS`."""
        if self.tls_active:
            raise LocalProtocolError("TLS is active already")
        self._queue("STARTTLS")

    def done(self) -> None:
        """Stop idling."""
        if not self.idling:
            raise LocalProtocolError("not idling")
        self.idling = False
        self._say(b"DONE\r\n", "continuation", ref="RFC 2177 §3")

    # The engine -----------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take bytes from the network."""
        if self._deflate is not None:
            self._deflate.receive(data)
        else:
            super().receive(data)

    def data_to_send(self) -> bytes:
        """Take the bytes that wait for the network."""
        data = super().data_to_send()
        return self._deflate.compressed(data) if data and self._deflate else data

    def next_event(self) -> Event | None:
        """What the server said; None: more bytes are needed."""
        self._send_next()
        while not self._events and not self._handshake and not self.closed:
            if not self._read() and not self._inflate():
                break
        return self._events.popleft() if self._events else None

    def time_out(self) -> None:
        """The server is silent: hang up."""
        self.ended = "the server did not answer in time"
        super().time_out()

    def receive_eof(self) -> None:
        """The server has hung up."""
        if not self.closed and not self.ended:
            self.ended = "the server closed the connection"
        super().receive_eof()

    def tls_started(self) -> None:
        """The handshake is done. What was offered before is not believed (§6.2.1)."""
        super().tls_started()
        self._handshake = False
        self.capabilities = self.enabled = frozenset()

    def _inflate(self) -> bool:
        """Make more plain octets of what came; False: more must come."""
        if self._deflate is None:
            return False
        try:
            piece = self._deflate.next_piece()
        except BrokenStream as error:
            self._garbled(str(error).encode())
            return True
        self._lines.feed(piece)
        return bool(piece)

    # Sending --------------------------------------------------------------------------

    def _queue(
        self, verb: str, *words: Words, exchange: sasl.ClientMechanism | None = None
    ) -> None:
        if self.closed:
            raise LocalProtocolError("the session is over")
        self._count += 1
        command = _Command(f"a{self._count}", verb, deque(words), [], exchange)
        self._waiting.append(command)
        self._send_next()

    def _send_next(self) -> None:
        ready = self.greeted and not self._current and not self._handshake
        if ready and self._waiting and not self.closed:
            self._current = command = self._waiting.popleft()
            self._send_words(command, f"{command.tag} {command.verb}".encode())

    def _send_words(self, command: _Command, begun: bytes) -> None:
        """Send a command up to its end, or up to a literal that must wait."""
        line = begun
        spans: Spans = []
        while command.words:
            word = command.words[0]
            line += b"" if word.tight else b" "
            if word.literal:
                self._announce(command, line, spans)
                return
            if word.secret:
                spans.append((len(line), len(line) + len(word.octets)))
            line += word.octets
            command.words.popleft()
        self._say_line(line, spans)

    def _announce(self, command: _Command, line: bytes, spans: Spans) -> None:
        word = command.words[0]
        size = len(word.octets)
        plus = b"+" if self._may_hurry(size) else b""
        mark = b"~" if word.binary else b""
        self._say_line(line + b"%b{%d%b}" % (mark, size, plus), spans)
        if plus:
            self._send_literal(command)

    def _may_hurry(self, size: int) -> bool:
        """A literal need not wait. Revision 2 has LITERAL- in it (RFC 9051 §4.3)."""
        small = self.offers("LITERAL-") or self.offers("IMAP4REV2")
        return self.offers("LITERAL+") or (small and size <= SMALL_LITERAL)

    def _send_literal(self, command: _Command) -> None:
        word = command.words.popleft()
        spans = ((0, len(word.octets)),) if word.secret else ()
        self._say(word.octets, "literal", secret=spans)
        self._send_words(command, b"")

    def _say_line(self, line: bytes, spans: Spans) -> None:
        self._say(line + CRLF, "command", secret=tuple(spans))

    # Reading --------------------------------------------------------------------------

    def _read(self) -> bool:
        if self._missing:
            return self._read_literal()
        try:
            line = self._lines.next_line()
        except LineTooLong:
            self._garbled(b"")
            return True
        if line is None:
            return False
        self._heard(line + CRLF, "reply")
        announced = self._announced(line)
        self._response += line
        if announced is None:
            response = bytes(self._response)
            self._response.clear()
            self._understand(response)
        elif announced + len(self._response) > RESPONSE_LIMIT:
            self._garbled(line)
        else:
            self._response += CRLF
            self._missing = announced
        return True

    def _announced(self, line: bytes) -> int | None:
        """How many octets of a literal come behind this line; None: none."""
        if not self._response and _TEXT.match(line):
            return None
        announced = announced_literal(line)
        return announced[0] if announced else None

    def _read_literal(self) -> bool:
        block = self._lines.next_block(self._missing)
        if block is None:
            return False
        self._heard(block, "literal")
        self._response += block
        self._missing -= len(block)
        return True

    def _understand(self, response: bytes) -> None:
        tag, _, rest = response.partition(b" ")
        if tag == b"*":
            self._untagged(parse_untagged(rest, self.utf8), len(rest))
        elif tag == b"+":
            self._continue(rest)
        else:
            self._tagged(tag, rest)

    def _untagged(self, data: Data, size: int) -> None:
        self._learn(data)
        if isinstance(data, Status) and data.condition == "BYE":
            self.ended = f"the server said {data}"
        if not self.greeted:
            self._greeting(data)
        elif self._current and not self.idling:
            self._current.data.append(data)
            self._current.size += size + VALUE_SIZE
            if self._current.size > DATA_LIMIT:
                self._garbled(b"")
        else:
            self._events.append(News(data))

    def _greeting(self, data: Data) -> None:
        first_words = ("OK", "PREAUTH", "BYE")
        if not isinstance(data, Status) or data.condition not in first_words:
            self._garbled(b"")
            return
        self.greeted = True
        self._events.append(Greeting(data))
        if data.condition == "BYE":
            self.closed = True
        self._send_next()

    def _continue(self, challenge: bytes) -> None:
        command = self._current
        if command is None:
            if not self.greeted:
                self._garbled(challenge)
            return
        if command.words:
            self._send_literal(command)
        elif command.verb == "IDLE" and not self.idling:
            self.idling = True
            self._events.append(Idling())
        elif command.exchange is not None:
            self._respond(command, command.exchange, challenge)

    def _respond(
        self, command: _Command, exchange: sasl.ClientMechanism, challenge: bytes
    ) -> None:
        if command.cancelled:  # else a hostile server keeps us for ever
            self._garbled(challenge)
            return
        answer = sasl.answer_to(exchange, challenge)
        command.cancelled = answer is None
        octets = b"*" if answer is None else sasl.encode(answer)
        secret = ((0, len(octets)),)
        self._say(octets + CRLF, "continuation", secret=secret)

    def _tagged(self, tag: bytes, rest: bytes) -> None:
        command, status = self._current, parse_status(rest)
        if not command or tag != command.tag.encode() or not status:
            self._garbled(tag + b" " + rest)
            return
        done = Completed(command.verb, status, tuple(command.data))
        if done.ok and (command.words or not _is_proven(command)):
            self._garbled(tag + b" " + rest)  # yes to what it cannot know
            return
        self._learn(status)
        self._current = None
        self.idling = False
        self._events.append(done)
        self._after(done)
        self._send_next()

    def _after(self, done: Completed) -> None:
        match done.verb:
            case "STARTTLS" if done.ok:
                self._events.append(StartTLS())
                self._handshake = True
            case "COMPRESS" if done.ok:
                self._deflate, rest = Deflate(), self._lines.clear()
                self.compressed = True
                self._lines.offset -= len(rest)  # those octets are no text
                self._deflate.receive(rest)
            case "LOGOUT":
                self.closed = True
            case _:
                pass

    def _learn(self, data: Data) -> None:
        """Capabilities come as data, or as the code of a status (RFC 3501 §7.1)."""
        if isinstance(data, Capability):
            self.capabilities = frozenset(data.words)
        elif isinstance(data, Enabled) and self._asked("ENABLE"):
            self.enabled |= frozenset(data.words)
        elif isinstance(data, Status) and data.code.upper().startswith("CAPABILITY "):
            self.capabilities = frozenset(data.code.upper().split()[1:])

    def _asked(self, verb: str) -> bool:
        """This command is being answered now."""
        return self._current is not None and self._current.verb == verb

    def _garbled(self, octets: bytes) -> None:
        self.closed = True
        self._events.append(Garbled(octets[:1000]))


def _is_proven(command: _Command) -> bool:
    exchange = command.exchange
    return exchange is None or (exchange.satisfied and not command.cancelled)
