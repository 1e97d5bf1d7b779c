"""The client side of IMAP4rev1 (RFC 3501): an MUA that reads mail, without any I/O.

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
        server offers LITERAL+ (RFC 7888).
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from maillab.errors import LocalProtocolError
from maillab.protocol.engine import Engine, Event, StartTLS
from maillab.protocol.imap_client_commands import Words, flags, name, raw, secret, text
from maillab.protocol.imap_client_events import (
    Completed,
    Garbled,
    Greeting,
    Idling,
    News,
)
from maillab.wire import imap_dates, sasl
from maillab.wire.imap import Status, announced_literal
from maillab.wire.imap_response import Capability, Data, parse_status, parse_untagged
from maillab.wire.lines import CRLF, LineTooLong
from maillab.wire.message import DateTime

Spans = list[tuple[int, int]]

LINE_LIMIT = 1024 * 1024  # octets: an ENVELOPE may be long
RESPONSE_LIMIT = 64 * 1024 * 1024  # octets of one response with its literals


@dataclass(slots=True)
class _Command:
    """A command: what was not sent yet, and what came back."""

    tag: str
    verb: str
    words: deque[Words]
    data: list[Data]
    exchange: sasl.ClientMechanism | None = None


class IMAPClient(Engine):
    """One session, seen from the client.

    capabilities  what the server offers, as far as it was told: {"IDLE", "UIDPLUS", …}
    ended         why the server ended the session, in words; "" when it did not say
    """

    def __init__(self, *, implicit_tls: bool = False) -> None:
        super().__init__("C", LINE_LIMIT)
        self.tls_active = implicit_tls
        self.greeted = False
        self.capabilities: frozenset[str] = frozenset()
        self.idling = False
        self.ended = ""
        self._count = 0
        self._waiting: deque[_Command] = deque()
        self._current: _Command | None = None
        self._events: deque[Event] = deque()
        self._response = bytearray()
        self._missing = 0
        self._handshake = False

    # Commands, in the order of RFC 3501 §6 --------------------------------------------

    def capability(self) -> None:
        """Ask what the server can do."""
        self._queue("CAPABILITY")

    def noop(self) -> None:
        """Ask for news."""
        self._queue("NOOP")

    def logout(self) -> None:
        """End the session."""
        self._queue("LOGOUT")

    def starttls(self) -> None:
        """Ask for TLS; do the handshake on the event `StartTLS`."""
        if self.tls_active:
            raise LocalProtocolError("TLS is active already")
        self._queue("STARTTLS")

    def authenticate(self, mechanism: str, user: str, password: str) -> None:
        """Log in by SASL, with an initial response where the server takes one."""
        exchange = sasl.client_mechanism(mechanism, user, password)
        words = [raw(mechanism)]
        if "SASL-IR" in self.capabilities and exchange.client_first:
            words.append(secret(sasl.encode(exchange.respond(b"")) or b"="))
        self._queue("AUTHENTICATE", *words, exchange=exchange)

    def login(self, user: str, password: str) -> None:
        """Log in. The password leaves in clear text where TLS is not active."""
        hidden = text(password.encode())
        self._queue("LOGIN", text(user.encode()), hidden.as_secret())

    def select(self, mailbox: str, *, read_only: bool = False) -> None:
        """Open a mailbox; `read_only`: by EXAMINE."""
        self._queue("EXAMINE" if read_only else "SELECT", name(mailbox))

    def create(self, mailbox: str) -> None:
        """Make a mailbox."""
        self._queue("CREATE", name(mailbox))

    def delete(self, mailbox: str) -> None:
        """Remove a mailbox."""
        self._queue("DELETE", name(mailbox))

    def rename(self, old: str, new: str) -> None:
        """Give a mailbox another name."""
        self._queue("RENAME", name(old), name(new))

    def subscribe(self, mailbox: str, *, wanted: bool = True) -> None:
        """Put a name on the list of LSUB, or take it off."""
        self._queue("SUBSCRIBE" if wanted else "UNSUBSCRIBE", name(mailbox))

    def list(self, reference: str = "", pattern: str = "*") -> None:
        """Ask for mailboxes: `Listed` data."""
        self._queue("LIST", name(reference), name(pattern, quote=True))

    def lsub(self, reference: str = "", pattern: str = "*") -> None:
        """Ask for subscribed names: `Listed` data."""
        self._queue("LSUB", name(reference), name(pattern, quote=True))

    def status(self, mailbox: str, items: str = "MESSAGES UNSEEN UIDNEXT") -> None:
        """Ask for numbers: `Counted` data."""
        self._queue("STATUS", name(mailbox), raw(f"({items})"))

    def append(
        self,
        mailbox: str,
        content: bytes,
        with_flags: Iterable[str] = (),
        date: DateTime | None = None,
    ) -> None:
        """Put a message into a mailbox."""
        words = [name(mailbox), flags(with_flags)]
        if date:
            words.append(Words(imap_dates.date_time(date)))
        self._queue("APPEND", *words, Words(content, literal=True))

    def close(self) -> None:
        """Expunge in silence, and leave the mailbox."""
        self._queue("CLOSE")

    def expunge(self, uids: str = "") -> None:
        """Remove what is marked \\Deleted; of these UIDs only if some are given."""
        self._by_uid("EXPUNGE", bool(uids), *([raw(uids)] if uids else []))

    def search(self, *keys: str | bytes, uid: bool = True) -> None:
        """Find messages: `Found` data. `str` is language, `bytes` is text to quote."""
        words = [text(key) if isinstance(key, bytes) else raw(key) for key in keys]
        self._by_uid("SEARCH", uid, *words)

    def fetch(self, messages: str, items: str, *, uid: bool = True) -> None:
        """Get data of messages: `Fetched` data."""
        self._by_uid("FETCH", uid, raw(messages), raw(items))

    def store(
        self, messages: str, mode: str, with_flags: Iterable[str], *, uid: bool = True
    ) -> None:
        """Change flags. `mode`: "FLAGS", "+FLAGS", "-FLAGS", perhaps with ".SILENT"."""
        self._by_uid("STORE", uid, raw(messages), raw(mode), flags(with_flags))

    def copy(self, messages: str, mailbox: str, *, uid: bool = True) -> None:
        """Copy messages to another mailbox."""
        self._by_uid("COPY", uid, raw(messages), name(mailbox))

    def move(self, messages: str, mailbox: str, *, uid: bool = True) -> None:
        """Move messages to another mailbox (RFC 6851)."""
        self._by_uid("MOVE", uid, raw(messages), name(mailbox))

    def idle(self) -> None:
        """Ask to be told the news as they come (RFC 2177)."""
        self._queue("IDLE")

    def done(self) -> None:
        """Stop idling."""
        if not self.idling:
            raise LocalProtocolError("not idling")
        self.idling = False
        self._say(b"DONE\r\n", "continuation", ref="RFC 2177 §3")

    def command(self, verb: str, arguments: str = "") -> None:
        """Any other command, as it is."""
        self._queue(verb.upper(), *([raw(arguments)] if arguments else []))

    def offers(self, capability: str) -> bool:
        """Does the server say that it can do this?"""
        return capability.upper() in self.capabilities

    # The engine -----------------------------------------------------------------------

    def next_event(self) -> Event | None:
        """What the server said; None: more bytes are needed."""
        self._send_next()
        while not self._events and not self._handshake and not self.closed:
            if not self._read():
                break
        return self._events.popleft() if self._events else None

    def time_out(self) -> None:
        """The server is silent: hang up."""
        self.ended = "the server did not answer in time"
        super().time_out()

    def tls_started(self) -> None:
        """The handshake is done. What was offered before is not believed (§6.2.1)."""
        super().tls_started()
        self._handshake = False
        self.capabilities = frozenset()

    # Sending --------------------------------------------------------------------------

    def _by_uid(self, verb: str, uid: bool, *words: Words) -> None:
        self._queue(f"UID {verb}" if uid else verb, *words)

    def _queue(
        self, verb: str, *words: Words, exchange: sasl.ClientMechanism | None = None
    ) -> None:
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
            if word.literal:
                self._announce(command, line + b" ", spans)
                return
            if word.secret:
                spans.append((len(line) + 1, len(line) + 1 + len(word.octets)))
            line += b" " + word.octets
            command.words.popleft()
        self._say_line(line, spans)

    def _announce(self, command: _Command, line: bytes, spans: Spans) -> None:
        plus = b"+" if self.offers("LITERAL+") else b""
        size = len(command.words[0].octets)
        self._say_line(line + b"{%d%b}" % (size, plus), spans)
        if plus:
            self._send_literal(command)

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
        self._response += line
        announced = announced_literal(line)
        if not announced:
            response = bytes(self._response)
            self._response.clear()
            self._understand(response)
        elif announced[0] + len(self._response) > RESPONSE_LIMIT:
            self._garbled(line)
        else:
            self._response += CRLF
            self._missing = announced[0]
        return True

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
            self._untagged(parse_untagged(rest))
        elif tag == b"+":
            self._continue(rest)
        else:
            self._tagged(tag, rest)

    def _untagged(self, data: Data) -> None:
        self._learn(data)
        if isinstance(data, Status) and data.condition == "BYE":
            self.ended = f"the server said {data}"
        if not self.greeted:
            self._greeting(data)
        elif self._current and not self.idling:
            self._current.data.append(data)
        else:
            self._events.append(News(data))

    def _greeting(self, data: Data) -> None:
        if not isinstance(data, Status):
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
            return
        if command.words:
            self._send_literal(command)
        elif command.verb == "IDLE":
            self.idling = True
            self._events.append(Idling())
        elif command.exchange is not None:
            answer = sasl.answer_to(command.exchange, challenge)
            if answer is None:  # and further challenges get no answer
                command.exchange = None
            octets = b"*" if answer is None else sasl.encode(answer)
            secret = ((0, len(octets)),)
            self._say(octets + CRLF, "continuation", secret=secret)

    def _tagged(self, tag: bytes, rest: bytes) -> None:
        command, status = self._current, parse_status(rest)
        if not command or tag != command.tag.encode() or not status:
            self._garbled(tag + b" " + rest)
            return
        self._learn(status)
        self._current = None
        self.idling = False
        done = Completed(command.verb, status, tuple(command.data))
        self._events.append(done)
        if command.verb == "STARTTLS" and done.ok:
            self._events.append(StartTLS())
            self._handshake = True
        if command.verb == "LOGOUT":
            self.closed = True
        self._send_next()

    def _learn(self, data: Data) -> None:
        """Capabilities come as data, or as the code of a status (RFC 3501 §7.1)."""
        if isinstance(data, Capability):
            self.capabilities = frozenset(data.words)
        elif isinstance(data, Status) and data.code.upper().startswith("CAPABILITY "):
            self.capabilities = frozenset(data.code.upper().split()[1:])

    def _garbled(self, octets: bytes) -> None:
        self.closed = True
        self._events.append(Garbled(octets[:1000]))
