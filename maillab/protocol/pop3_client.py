"""The client side of POP3 (RFC 1939): an MUA that fetches its mail.

Goes in: what the agent wants done, and bytes. Comes out: bytes, and the answers of the
server as events.

    client.command("CAPA")             -> Replied("CAPA", reply)
    client.starttls()                  -> StartTLS(), or Replied("STLS", reply)
    client.login("ann", "secret")      -> Replied("PASS", reply)
    client.command("RETR", "1")        -> Replied("RETR", reply): reply.body is it
    client.command("QUIT")             -> Replied("QUIT", reply)

Rule 1: commands may be given at any time. They leave one after the other, or together
        where the server offers PIPELINING (RFC 2449 §6.8).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from maillab.errors import LocalProtocolError
from maillab.protocol.engine import Engine, Event, StartTLS
from maillab.wire import sasl
from maillab.wire.lines import CRLF, LineTooLong
from maillab.wire.pop3 import Reply, parse_status
from maillab.wire.smtp_content import ContentReader

# deviation: replies of more than 512 octets (RFC 2449 §4) exist.
REPLY_LINE_LIMIT = 2048
MAX_BODY = 100_000_000  # octets of one message that a client will take

MANY_LINES = {"CAPA", "RETR", "TOP"}
MANY_LINES_WITHOUT_ARGUMENT = {"LIST", "UIDL"}
ENDS_GROUP = {"STLS", "AUTH", "PASS", "QUIT"}

RFC_OF = {
    "": "RFC 1939 §4",
    "CAPA": "RFC 2449 §5",
    "STLS": "RFC 2595 §4",
    "AUTH": "RFC 5034 §4",
    "USER": "RFC 1939 §7",
    "PASS": "RFC 1939 §7",
    "TOP": "RFC 1939 §7",
    "UIDL": "RFC 1939 §7",
    "QUIT": "RFC 1939 §6",
}


@dataclass(frozen=True, slots=True)
class Greeting(Event):
    """The first thing that the server said."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Replied(Event):
    """The answer to a command."""

    verb: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class Garbled(Event):
    """The server said what POP3 does not allow. The session is over."""

    octets: bytes
    why: str


@dataclass(frozen=True, slots=True)
class _Step:
    """A command, and what to do with its reply."""

    verb: str
    octets: bytes
    on_reply: Callable[[Reply], None]
    many_lines: bool = False
    secret: tuple[tuple[int, int], ...] = ()


class POP3Client(Engine):
    """One session, seen from the client.

    capabilities  keyword to parameters, as CAPA was answered: {"SASL": "PLAIN", …}
    user          who has logged in, "" for nobody
    ended         why the session ended without QUIT, in words; "" otherwise
    """

    def __init__(self, *, pipelining: bool = True, implicit_tls: bool = False) -> None:
        super().__init__("C", REPLY_LINE_LIMIT)
        self.tls_active = implicit_tls
        self.capabilities: dict[str, str] = {}
        self.user = ""
        self.ended = ""
        self._may_pipeline = pipelining
        self._events: deque[Event] = deque()
        self._unsent: deque[_Step] = deque()
        self._sent_steps: deque[_Step] = deque()  # their replies are still to come
        self._status: Reply | None = None  # the first line of a reply with a body
        self._body: ContentReader | None = None
        self._in_handshake = False
        greeting = _Step("", b"", lambda reply: self._events.append(Greeting(reply)))
        self._sent_steps.append(greeting)

    # What an agent may want -----------------------------------------------------------

    def command(self, verb: str, argument: str = "") -> None:
        """Say a command that has one answer."""
        verb = verb.upper()
        self._queue(verb, argument, lambda reply: self._on_reply(verb, reply))

    def starttls(self) -> None:
        """Ask for TLS (RFC 2595 §4)."""
        if self.tls_active:
            raise LocalProtocolError("TLS is active already")
        self._queue("STLS", "", self._on_stls)

    def login(self, user: str, password: str) -> None:
        """USER and PASS. One `Replied`: to PASS, or to the USER that was refused."""

        def on_user(reply: Reply) -> None:
            if not reply.positive:
                self._events.append(Replied("USER", reply))
                return
            self._queue("PASS", password, on_pass, first=True)

        def on_pass(reply: Reply) -> None:
            self.user = user if reply.positive else ""
            self._events.append(Replied("PASS", reply))

        self._queue("USER", user, on_user)

    def authenticate(self, mechanism: str, user: str, password: str) -> None:
        """AUTH (RFC 5034 §4)."""
        responses = deque(sasl.client_responses(mechanism, user, password))

        def on_reply(reply: Reply) -> None:
            if reply.is_challenge:
                self._say_response(responses.popleft() if responses else None, on_reply)
                return
            self.user = user if reply.positive else ""
            self._events.append(Replied("AUTH", reply))

        self._queue("AUTH", mechanism.upper(), on_reply)

    # For the loop ---------------------------------------------------------------------

    def next_event(self) -> Event | None:
        """What the server said."""
        while not self._events:
            if self.closed or self._in_handshake or not self._read():
                break
        return self._events.popleft() if self._events else None

    def time_out(self) -> None:
        """The server is silent: hang up."""
        self._end("the server did not answer in time")

    def receive_eof(self) -> None:
        """The server has hung up."""
        self._end("the server closed the connection")

    def tls_started(self) -> None:
        """Forget what the server said in plain text (RFC 2595 §4)."""
        super().tls_started()
        self._in_handshake = False
        self.capabilities = {}

    # Replies --------------------------------------------------------------------------

    def _read(self) -> bool:
        """Read a line or a part of a body; False: more bytes are needed."""
        if self._body is not None:
            return self._read_body(self._body)
        try:
            line = self._lines.next_line()
        except LineTooLong as error:
            self._garbled(b"", str(error))
            return True
        if line is None:
            return False
        self._hear(line)
        return True

    def _hear(self, line: bytes) -> None:
        self._heard(line + CRLF, "reply", ref=self._ref)
        if not self._sent_steps:
            self._garbled(line, "a reply to nothing")
            return
        try:
            reply = parse_status(line)
        except ValueError as error:
            self._garbled(line, str(error))
            return
        if reply.positive and self._sent_steps[0].many_lines:
            self._status = reply
            self._body = ContentReader(self._lines, MAX_BODY)
        else:
            self._take(reply)

    def _read_body(self, body: ContentReader) -> bool:
        end = body.read()
        if body.too_big:
            self._garbled(b"", f"a body of more than {MAX_BODY} octets")
            return True
        if not end:
            return False
        assert self._status is not None, "a body follows its status line"
        reply = replace(self._status, body=body.content)
        self._heard(body.take_raw(), "content", ref=self._ref)
        self._status = self._body = None
        self._take(reply)
        return True

    def _take(self, reply: Reply) -> None:
        self._sent_steps.popleft().on_reply(reply)
        self._send_what_may_leave()

    def _on_reply(self, verb: str, reply: Reply) -> None:
        if verb == "CAPA" and reply.body is not None:
            rows = reply.body.decode("utf-8", "backslashreplace").splitlines()
            words = (row.partition(" ") for row in rows)
            self.capabilities = {word.upper(): rest for word, _, rest in words}
        self._events.append(Replied(verb, reply))
        if verb == "QUIT":
            self.closed = True

    def _on_stls(self, reply: Reply) -> None:
        self._in_handshake = reply.positive
        event = StartTLS() if reply.positive else Replied("STLS", reply)
        self._events.append(event)

    @property
    def _ref(self) -> str:
        verb = self._sent_steps[0].verb if self._sent_steps else ""
        return RFC_OF.get(verb, "RFC 1939 §5")

    # Sending --------------------------------------------------------------------------

    def _queue(
        self,
        verb: str,
        argument: str,
        on_reply: Callable[[Reply], None],
        *,
        first: bool = False,
    ) -> None:
        if self.closed:
            raise LocalProtocolError("the session is over")
        line = f"{verb} {argument}" if argument else verb
        if not line.isprintable():
            raise LocalProtocolError(f"this cannot be said in POP3: {line!r}")
        octets = line.encode()
        secret = ((len("PASS "), len(octets)),) if verb == "PASS" else ()
        alone = verb in MANY_LINES_WITHOUT_ARGUMENT and not argument
        many = verb in MANY_LINES or alone
        step = _Step(verb, octets + CRLF, on_reply, many, secret)
        if first:
            self._unsent.appendleft(step)
        else:
            self._unsent.append(step)
        self._send_what_may_leave()

    def _send_what_may_leave(self) -> None:
        while self._unsent and not self.closed and self._may_send_now():
            self._send_step(self._unsent.popleft())

    def _may_send_now(self) -> bool:
        if self._in_handshake or not self._sent_steps:
            return not self._in_handshake
        pipelining = self._may_pipeline and "PIPELINING" in self.capabilities
        # USER waits too: its answer decides whether the password leaves at all.
        return pipelining and self._sent_steps[-1].verb not in {*ENDS_GROUP, "USER"}

    def _send_step(self, step: _Step, what: str = "command") -> None:
        ref = RFC_OF.get(step.verb, "RFC 1939 §5")
        self._say(step.octets, what, secret=step.secret, ref=ref)
        self._sent_steps.append(step)

    def _say_response(
        self, response: bytes | None, on_reply: Callable[[Reply], None]
    ) -> None:
        line = b"*" if response is None else sasl.encode(response)
        secret = ((0, len(line)),)
        step = _Step("AUTH", line + CRLF, on_reply, secret=secret)
        self._send_step(step, "continuation")

    # The end --------------------------------------------------------------------------

    def _garbled(self, octets: bytes, why: str) -> None:
        self._events.append(Garbled(octets, why))
        self._end(f"the server does not speak POP3: {why}")

    def _end(self, why: str) -> None:
        if not self.closed:
            self.ended = why
            self.closed = True
