"""One SMTP session as a client keeps it: greeting, TLS, login, single commands.

Goes in: what the agent wants done, and replies. Comes out: commands, and events.

Rule: a mechanism that proves the server is believed, not the server's 235.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from maillab.errors import LocalProtocolError
from maillab.protocol.client import Client, Step
from maillab.protocol.smtp_client_events import RFC_OF, Greeting, Replied
from maillab.wire import sasl
from maillab.wire.lines import CRLF
from maillab.wire.smtp import COMMAND_LINE_LIMIT, PRINTABLE_UTF8, Reply
from maillab.wire.smtp_replies import ReplyReader

# deviation: replies of more than 512 octets (RFC 5321 §4.5.3.1.5) exist.
REPLY_LINE_LIMIT = 2048

# "can only appear as the last command in a group" -- RFC 2920 §3.1
ENDS_GROUP = {
    "EHLO",
    "HELO",
    "LHLO",
    "DATA",
    "content",
    "BDAT",
    "VRFY",
    "EXPN",
    "QUIT",
    "NOOP",
    "STARTTLS",
    "AUTH",
    "ETRN",
    "XCLIENT",
}
GOES_ON = ("DATA", "AUTH")  # have a reply that is not the last (RFC 5321 §4.3.2)
LIMIT = re.compile(r"\b([A-Z-]+)=([0-9]{1,6})(?![^ ])")
NOT_PROVED = Reply(
    535, "5.7.8", "The server has not proved that it knows us", ref="RFC 5802 §3"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server said by LIMITS (RFC 9422); 0: nothing."""

    mail_max: int = 0
    rcpt_max: int = 0
    rcpt_domain_max: int = 0

    @classmethod
    def from_text(cls, text: str) -> "Limits":
        """Read the words behind LIMITS; unknown ones are ignored (RFC 9422 §3).

        >>> Limits.from_text("MAILMAX=5 RCPTMAX=100 X=y")
        Limits(mail_max=5, rcpt_max=100, rcpt_domain_max=0)
        """
        words = dict(LIMIT.findall(text.upper()))
        names = ("MAILMAX", "RCPTMAX", "RCPTDOMAINMAX")
        return cls(*(int(words.get(name, 0)) for name in names))


class SMTPClientSession(Client[Reply]):
    """What a client knows of a session.

    capabilities  as EHLO was answered last: {"SIZE": "1000", "PIPELINING": "", …}
    greeted       EHLO or HELO was answered well
    """

    protocol = "SMTP"
    ends_group = ENDS_GROUP
    rfc_of = RFC_OF

    def __init__(
        self,
        *,
        pipelining: bool = True,
        implicit_tls: bool = False,
        lmtp: bool = False,
        nonce: Callable[[], str] = sasl.no_nonce,
    ) -> None:
        super().__init__(
            REPLY_LINE_LIMIT, pipelining=pipelining, implicit_tls=implicit_tls
        )
        self.greeted = False
        self.lmtp = lmtp
        self._nonce = nonce
        self._reader = ReplyReader()
        self._name = ""
        self._sent_steps.append(Step("", b"", self._on_greeting))

    @property
    def limits(self) -> Limits:
        """What the server said by LIMITS (RFC 9422 §3)."""
        return Limits.from_text(self.capabilities.get("LIMITS", ""))

    @property
    def mail_max(self) -> int:
        """How many messages may be sent in this session; 0: any number."""
        return self.limits.mail_max

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """Of AUTH, as the server offers them now."""
        return tuple(self.capabilities.get("AUTH", "").upper().split())

    @property
    def awaited(self) -> str:
        """What the server has to answer next: "" is the greeting, else a verb.

        "content" is the final dot. Nothing to answer: "" too.
        """
        return self._sent_steps[0].verb if self._sent_steps else ""

    # What an agent may want -----------------------------------------------------------

    def ehlo(self, name: str) -> None:
        """Say EHLO; where that is unknown, HELO (RFC 5321 §3.2). In LMTP say LHLO."""
        self._name = name
        self._queue("LHLO" if self.lmtp else "EHLO", name, self._on_ehlo)

    def starttls(self) -> None:
        """Ask for TLS. After the handshake say EHLO again (RFC 3207 §4.2)."""
        self._ask_for_tls("STARTTLS", lambda reply: Replied("STARTTLS", reply))

    def login(self, mechanism: str, user: str, password: str) -> None:
        """Log in. PLAIN and LOGIN send the password itself: TLS should be active."""
        if not self.offers("AUTH"):
            raise LocalProtocolError("the server does not offer AUTH (now)")
        exchange = self._exchange(mechanism, user, password)
        line = argument = mechanism.upper()
        if exchange.client_first:
            line = f"{argument} {sasl.encode(exchange.respond(b'')).decode()}"
        if len(f"AUTH {line}\r\n") > COMMAND_LINE_LIMIT:  # RFC 4954 §4
            line = argument
            exchange = self._exchange(mechanism, user, password)

        def on_reply(reply: Reply) -> None:
            if reply.code == 334:
                self._say_response(sasl.answer_to(exchange, reply.text), on_reply)
                return
            if reply.positive and not exchange.satisfied:
                self._end("the server has not proved that it knows the password")
                reply = NOT_PROVED
            self.user = user if reply.positive else ""
            self._events.append(Replied("AUTH", reply))

        self._queue("AUTH", line, on_reply, secret_from=len(f"AUTH {argument} "))

    def command(self, verb: str, argument: str = "") -> None:
        """Say any other command that has one reply: VRFY, EXPN, HELP, NOOP, RSET."""
        verb = verb.upper()
        self._queue(verb, argument, self._on_other(verb))

    def quit(self) -> None:
        """Say goodbye."""
        self._queue("QUIT", "", self._on_quit)

    def tls_started(self) -> None:
        """Forget what the server said in plain text (RFC 3207 §4.2)."""
        super().tls_started()
        self.greeted = False

    # Replies --------------------------------------------------------------------------

    def _hear(self, line: bytes) -> None:
        try:
            reply = self._reader.add(line)
        except ValueError as error:
            self._garbled(line, str(error))
            return
        if reply is not None:
            self._take(reply)

    def _take(self, reply: Reply) -> None:
        if reply.code // 100 == 3 and self.awaited not in GOES_ON:
            self._garbled(reply.to_wire(), "a 3yz reply where nothing goes on")
            return
        if self._sent_steps:
            self._sent_steps.popleft().on_reply(reply)
        elif reply.code == 421:  # it may come at any time (RFC 5321 §3.8)
            self._events.append(Replied("", reply))
        else:
            self._garbled(reply.to_wire(), "a reply to nothing")
            return
        if reply.code == 421:
            self._end(f"the server closed the session: {reply}")
        self._send_what_may_leave()

    def _on_ehlo(self, reply: Reply) -> None:
        if reply.code in (500, 502) and not self.lmtp:  # an old server
            self._queue("HELO", self._name, self._on_helo, first=True)
            return
        if reply.positive:
            self.greeted = True
            words = (line.partition(" ") for line in reply.lines[1:])
            self.capabilities = {word.upper(): rest for word, _, rest in words}
        self._events.append(Replied("LHLO" if self.lmtp else "EHLO", reply))

    def _on_helo(self, reply: Reply) -> None:
        self.greeted = reply.positive
        self.capabilities = {}
        self._events.append(Replied("HELO", reply))

    def _on_greeting(self, reply: Reply) -> None:
        self._events.append(Greeting(reply))

    def _agrees_to_tls(self, reply: Reply) -> bool:
        return reply.code == 220

    def _on_other(self, verb: str) -> Callable[[Reply], None]:
        return lambda reply: self._events.append(Replied(verb, reply))

    def _on_quit(self, reply: Reply) -> None:
        self._events.append(Replied("QUIT", reply))
        self.closed = True

    # Sending --------------------------------------------------------------------------

    def _exchange(
        self, mechanism: str, user: str, password: str
    ) -> sasl.ClientMechanism:
        try:
            return sasl.client_mechanism(mechanism, user, password, self._nonce)
        except ValueError as error:  # RFC 4013 forbids some characters
            raise LocalProtocolError(str(error)) from error

    def _queue(
        self,
        verb: str,
        argument: str,
        on_reply: Callable[[Reply], None],
        *,
        first: bool = False,
        secret_from: int = 0,
    ) -> None:
        if self.closed and first:
            return  # tidying up after a session that is over
        line = f"{verb} {argument}".rstrip(" ")
        plain = line.isascii() or self.offers("SMTPUTF8")  # RFC 6531 §3.3
        if not PRINTABLE_UTF8.fullmatch(line) or not plain:
            raise LocalProtocolError(f"this cannot be said in SMTP: {line!r}")
        octets = line.encode()
        secret = ((secret_from, len(octets)),) if 0 < secret_from < len(octets) else ()
        self._add(Step(verb, octets + CRLF, on_reply, secret), first=first)
