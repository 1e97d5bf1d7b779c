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

from collections.abc import Callable
from dataclasses import dataclass, replace

from maillab.errors import LocalProtocolError
from maillab.protocol.client import Client, Step
from maillab.protocol.client import Garbled as Garbled
from maillab.protocol.engine import Event
from maillab.wire import sasl
from maillab.wire.lines import CRLF
from maillab.wire.pop3 import Reply, parse_status
from maillab.wire.smtp_content import ContentReader

# deviation: replies of more than 512 octets (RFC 2449 §4) exist.
REPLY_LINE_LIMIT = 2048
MAX_BODY = 100_000_000  # octets of one message that a client will take

MANY_LINES = {"CAPA", "RETR", "TOP"}
MANY_LINES_WITHOUT_ARGUMENT = {"LIST", "UIDL"}
# USER waits too: its answer decides whether the password leaves at all.
ENDS_GROUP = {"STLS", "AUTH", "USER", "PASS", "QUIT"}

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


class POP3Client(Client[Reply]):
    """One session, seen from the client. `capabilities` are those of CAPA:
    {"SASL": "PLAIN", …}."""

    protocol = "POP3"
    ends_group = ENDS_GROUP
    rfc_of = RFC_OF
    usual_rfc = "RFC 1939 §5"

    def __init__(self, *, pipelining: bool = True, implicit_tls: bool = False) -> None:
        super().__init__(
            REPLY_LINE_LIMIT, pipelining=pipelining, implicit_tls=implicit_tls
        )
        self._status: Reply | None = None  # the first line of a reply with a body
        self._body: ContentReader | None = None
        self._sent_steps.append(Step("", b"", self._on_greeting))

    # What an agent may want -----------------------------------------------------------

    def command(self, verb: str, argument: str = "") -> None:
        """Say a command that has one answer."""
        verb = verb.upper()
        self._queue(verb, argument, lambda reply: self._on_reply(verb, reply))

    def starttls(self) -> None:
        """Ask for TLS (RFC 2595 §4)."""
        self._ask_for_tls("STLS", lambda reply: Replied("STLS", reply))

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
        exchange = sasl.client_mechanism(mechanism, user, password)

        def on_reply(reply: Reply) -> None:
            if reply.is_challenge:
                self._say_response(sasl.answer_to(exchange, reply.text), on_reply)
                return
            self.user = user if reply.positive else ""
            self._events.append(Replied("AUTH", reply))

        self._queue("AUTH", mechanism.upper(), on_reply)

    # Replies --------------------------------------------------------------------------

    def _read(self) -> bool:
        return self._read_body(self._body) if self._body else super()._read()

    def _hear(self, line: bytes) -> None:
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

    def _on_greeting(self, reply: Reply) -> None:
        self._events.append(Greeting(reply))

    def _agrees_to_tls(self, reply: Reply) -> bool:
        return reply.positive

    # Sending --------------------------------------------------------------------------

    def _queue(
        self,
        verb: str,
        argument: str,
        on_reply: Callable[[Reply], None],
        *,
        first: bool = False,
    ) -> None:
        line = f"{verb} {argument}" if argument else verb
        if not line.isprintable():
            raise LocalProtocolError(f"this cannot be said in POP3: {line!r}")
        octets = line.encode()
        secret = ((len("PASS "), len(octets)),) if verb == "PASS" else ()
        alone = verb in MANY_LINES_WITHOUT_ARGUMENT and not argument
        many = verb in MANY_LINES or alone
        self._add(Step(verb, octets + CRLF, on_reply, secret, many), first=first)
