"""The client side of POP3 (RFC 1939): an MUA that fetches its mail.

Goes in: what the agent wants done, and bytes. Comes out: bytes, and the answers of the
server as events.

    client.command("CAPA")             -> Replied("CAPA", reply)
    client.starttls()                  -> StartTLS(), or Replied("STLS", reply)
    client.login("ann", "secret")      -> Replied("PASS", reply)
    client.apop("ann", "secret")       -> Replied("APOP", reply)
    client.authenticate("PLAIN", …)    -> Replied("AUTH", reply)
    client.command("RETR", "1")        -> Replied("RETR", reply): reply.body is it
    client.command("QUIT")             -> Replied("QUIT", reply)

Rule 1: commands may be given at any time. They leave one after the other, or together
        where the server offers PIPELINING (RFC 2449 §6.8).
Rule 2: a server that has to prove something (SCRAM) and says +OK without is not
        believed: the session is over.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from maillab.errors import LocalProtocolError
from maillab.protocol.client import Client, Step
from maillab.protocol.client import Garbled as Garbled
from maillab.protocol.engine import Event
from maillab.wire import sasl
from maillab.wire.lines import CRLF
from maillab.wire.pop3 import (
    COMMAND_LINE_LIMIT,
    Reply,
    apop_digest,
    find_timestamp,
    parse_status,
)
from maillab.wire.smtp_content import ContentReader

# deviation: replies of more than 512 octets (RFC 2449 §4) exist.
REPLY_LINE_LIMIT = 2048
MAX_BODY = 100_000_000  # octets of one message that a client will take
MAX_LISTING = 10_000_000  # octets of all other answers with many lines

MESSAGES = {"RETR", "TOP"}
MANY_LINES = {"CAPA", *MESSAGES}
MANY_LINES_WITHOUT_ARGUMENT = {"LIST", "UIDL", "LANG", "AUTH"}
# USER waits too: its answer decides whether the password leaves at all.
ENDS_GROUP = {"STLS", "AUTH", "USER", "PASS", "APOP", "QUIT"}

RFC_OF = {
    "": "RFC 1939 §4",
    "CAPA": "RFC 2449 §5",
    "STLS": "RFC 2595 §4",
    "AUTH": "RFC 5034 §4",
    "APOP": "RFC 1939 §7",
    "UTF8": "RFC 6856 §2.1",
    "LANG": "RFC 6856 §3",
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
    """One session, seen from the client.

    capabilities  those of CAPA: {"SASL": "PLAIN", …}
    timestamp     of the greeting, for APOP; "": the server has none
    """

    protocol = "POP3"
    ends_group = ENDS_GROUP
    rfc_of = RFC_OF
    usual_rfc = "RFC 1939 §5"

    def __init__(self, *, pipelining: bool = True, implicit_tls: bool = False) -> None:
        super().__init__(
            REPLY_LINE_LIMIT, pipelining=pipelining, implicit_tls=implicit_tls
        )
        self.timestamp = ""
        self._status: Reply | None = None  # the first line of a reply with a body
        self._body: ContentReader | None = None
        self._limit = MAX_LISTING
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
            self._queue("PASS", password, self._on_login("PASS", user), first=True)

        self._queue("USER", user, on_user)

    def apop(self, user: str, password: str) -> None:
        """Prove to know the password (RFC 1939 §7).

        The timestamp must look like one: who sends other octets instead is looking for
        two texts with the same digest (CVE-2007-1558).
        """
        if not self.timestamp:
            raise LocalProtocolError("the greeting has no timestamp, so no APOP")
        try:
            digest = apop_digest(self.timestamp, password)
        except ValueError as error:
            raise LocalProtocolError(f"no APOP with this password: {error}") from error
        self._queue("APOP", f"{user} {digest}", self._on_login("APOP", user))

    def authenticate(
        self,
        mechanism: str,
        user: str,
        password: str,
        nonce: Callable[[], str] = sasl.no_nonce,
    ) -> None:
        """AUTH (RFC 5034 §4), with an initial response if it fits into a command."""
        exchange = sasl.client_mechanism(mechanism, user, password, nonce)
        words = _with_response(mechanism.upper(), exchange)
        if len("AUTH ") + len(words) + len(CRLF) > COMMAND_LINE_LIMIT:
            # Begun anew: the response waits for an empty challenge (RFC 5034 §4).
            exchange = sasl.client_mechanism(mechanism, user, password, nonce)
            words = mechanism.upper()
        finished = self._on_login("AUTH", user)

        def on_reply(reply: Reply) -> None:
            if reply.is_challenge:
                self._say_response(sasl.answer_to(exchange, reply.text), on_reply)
            elif reply.positive and not exchange.satisfied:
                self._garbled(b"", "it has not proved that it knows the password")
            else:
                finished(reply)

        self._queue("AUTH", words, on_reply)

    def _on_login(self, verb: str, user: str) -> Callable[[Reply], None]:
        def on_reply(reply: Reply) -> None:
            self.user = user if reply.positive else ""
            self._events.append(Replied(verb, reply))

        return on_reply

    def tls_started(self) -> None:
        """Forget what was said in plain text, the timestamp too (RFC 2595 §4)."""
        super().tls_started()
        self.timestamp = ""

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
            verb = self._sent_steps[0].verb
            self._limit = MAX_BODY if verb in MESSAGES else MAX_LISTING
            self._body = ContentReader(self._lines, self._limit)
        else:
            self._take(reply)

    def _read_body(self, body: ContentReader) -> bool:
        end = body.read()
        if body.too_big:
            self._garbled(b"", f"a body of more than {self._limit} octets")
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
        self.timestamp = find_timestamp(reply.text)
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
        secret = _secret_of(verb, octets)
        alone = verb in MANY_LINES_WITHOUT_ARGUMENT and not argument
        many = verb in MANY_LINES or alone
        self._add(Step(verb, octets + CRLF, on_reply, secret, many), first=first)


def _with_response(name: str, exchange: sasl.ClientMechanism) -> str:
    """A mechanism with its initial response, if it has one; "=" is an empty one."""
    if not exchange.client_first:
        return name
    return f"{name} {sasl.encode(exchange.respond(b'')).decode() or '='}"


def _secret_of(verb: str, line: bytes) -> tuple[tuple[int, int], ...]:
    """What views must mask: a password, a digest, an initial response."""
    match verb:
        case "PASS":
            return ((len("PASS "), len(line)),)
        case "APOP" | "AUTH" if line.count(b" ") > 1:
            return ((line.rindex(b" ") + 1, len(line)),)
        case _:
            return ()
