"""The client side of SMTP (RFC 5321): an MUA that submits, an MTA that relays.

Goes in: what the agent wants done, and bytes. Comes out: bytes, and the answers of the
server as events.

    client.ehlo("alpha.example")       -> Replied("EHLO", reply)
    client.starttls()                  -> StartTLS(), or Replied("STARTTLS", reply)
    client.login("PLAIN", "ann", "…")  -> Replied("AUTH", reply)
    client.send(envelope, content)     -> RecipientReply(path, reply) …, Sent(reply, …)
    client.quit()                      -> Replied("QUIT", reply)

Rule 1: commands may be given at any time. They leave when the protocol allows it: one
        after the other, or in groups where the server offers PIPELINING (RFC 2920).
Rule 2: `send` always ends with one `Sent`, unless the session ends before it.
Rule 3: content leaves as it is, with dots stuffed. Where 8BITMIME is not offered, 8-bit
        content leaves nevertheless. # deviation: RFC 6152 §3 wants it encoded anew.
"""

from collections import deque
from collections.abc import Callable

from maillab.errors import LocalProtocolError
from maillab.protocol.client import Client, Step
from maillab.protocol.smtp_client_events import (
    RFC_OF,
    Greeting,
    RecipientReply,
    Replied,
    Sent,
)
from maillab.wire import sasl
from maillab.wire.lines import CRLF
from maillab.wire.smtp import COMMAND_LINE_LIMIT, Envelope, Reply
from maillab.wire.smtp_content import stuffed
from maillab.wire.smtp_path import Address
from maillab.wire.smtp_replies import ReplyReader, to_parameters

# deviation: replies of more than 512 octets (RFC 5321 §4.5.3.1.5) exist.
REPLY_LINE_LIMIT = 2048

# "can only appear as the last command in a group" -- RFC 2920 §3.1
ENDS_GROUP = {
    "EHLO",
    "HELO",
    "DATA",
    "VRFY",
    "EXPN",
    "QUIT",
    "NOOP",
    "STARTTLS",
    "AUTH",
}


class _Transmission:
    """One message under way."""

    def __init__(self, envelope: Envelope, content: bytes) -> None:
        self.content = content
        self.recipients_left = len(envelope.forward_paths)
        self.accepted: list[Address] = []
        self.refusal: Reply | None = None  # why the content will not be sent
        self.opened = False  # MAIL was accepted, and DATA was not


class SMTPClient(Client[Reply]):
    """One session, seen from the client.

    capabilities  as EHLO was answered last: {"SIZE": "1000", "PIPELINING": "", …}
    greeted       EHLO or HELO was answered well
    """

    protocol = "SMTP"
    ends_group = ENDS_GROUP
    rfc_of = RFC_OF

    def __init__(self, *, pipelining: bool = True, implicit_tls: bool = False) -> None:
        super().__init__(
            REPLY_LINE_LIMIT, pipelining=pipelining, implicit_tls=implicit_tls
        )
        self.greeted = False
        self._reader = ReplyReader()
        self._transmission: _Transmission | None = None
        self._name = ""
        self._sent_steps.append(Step("", b"", self._on_greeting))

    # What an agent may want -----------------------------------------------------------

    def ehlo(self, name: str) -> None:
        """Say EHLO; where that is unknown, HELO (RFC 5321 §3.2)."""
        self._name = name
        self._queue("EHLO", name, self._on_ehlo)

    def starttls(self) -> None:
        """Ask for TLS. After the handshake say EHLO again (RFC 3207 §4.2)."""
        self._ask_for_tls("STARTTLS", lambda reply: Replied("STARTTLS", reply))

    def login(self, mechanism: str, user: str, password: str) -> None:
        """Log in. The password leaves in clear text where TLS is not active."""
        if not self.offers("AUTH"):
            raise LocalProtocolError("the server does not offer AUTH (now)")
        responses = deque(sasl.client_responses(mechanism, user, password))
        line = argument = mechanism.upper()
        if argument in sasl.CLIENT_FIRST:
            line = f"{argument} {sasl.encode(responses[0]).decode()}"
        if len(f"AUTH {line}\r\n") > COMMAND_LINE_LIMIT:  # RFC 4954 §4
            line = argument
        if line != argument:
            responses.popleft()

        def on_reply(reply: Reply) -> None:
            if reply.code == 334:
                self._say_response(responses.popleft() if responses else None, on_reply)
                return
            self.user = user if reply.positive else ""
            self._events.append(Replied("AUTH", reply))

        self._queue("AUTH", line, on_reply, secret_from=len(f"AUTH {argument} "))

    def send(self, envelope: Envelope, content: bytes) -> None:
        """Send a message: one mail transaction (RFC 5321 §3.3)."""
        if not self.greeted:
            raise LocalProtocolError("say EHLO first")
        if self._transmission is not None:
            raise LocalProtocolError("the last message has not been answered yet")
        if not envelope.forward_paths:
            raise LocalProtocolError("a message needs a recipient")
        self._transmission = _Transmission(envelope, content)
        parameters = to_parameters(self._mail_parameters(envelope, content))
        mail = f"FROM:{envelope.reverse_path.to_path()}{parameters}"
        self._queue("MAIL", mail, self._on_mail)
        for path in envelope.forward_paths:
            self._queue("RCPT", f"TO:{path.to_path()}", self._on_rcpt(path))
        self._queue("DATA", "", self._on_data)

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
        if self._sent_steps:
            self._sent_steps.popleft().on_reply(reply)
        elif reply.code == 421:  # it may come at any time (RFC 5321 §3.8)
            self._events.append(Replied("", reply))
        else:
            self._garbled(reply.to_wire(), "a reply to nothing")
            return
        if reply.code == 421:
            self._end(f"the server closed the session: {reply}")
            if self._transmission is not None:
                self._finish(reply)
        self._send_what_may_leave()

    def _on_ehlo(self, reply: Reply) -> None:
        if reply.code in (500, 502):  # an old server
            self._queue("HELO", self._name, self._on_helo, first=True)
            return
        if reply.positive:
            self.greeted = True
            words = (line.partition(" ") for line in reply.lines[1:])
            self.capabilities = {word.upper(): rest for word, _, rest in words}
        self._events.append(Replied("EHLO", reply))

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

    # One message ----------------------------------------------------------------------

    def _on_mail(self, reply: Reply) -> None:
        self._events.append(Replied("MAIL", reply))
        self._under_way.opened = reply.positive
        if not reply.positive:
            self._give_up(reply)

    def _on_rcpt(self, path: Address) -> Callable[[Reply], None]:
        def on_reply(reply: Reply) -> None:
            transmission = self._under_way
            transmission.recipients_left -= 1
            if transmission.refusal is not None:
                return  # MAIL was refused: this answer says nothing about the recipient
            self._events.append(RecipientReply(path, reply))
            if reply.positive:
                transmission.accepted.append(path)
            if not transmission.recipients_left and not transmission.accepted:
                self._give_up(reply)

        return on_reply

    def _on_data(self, reply: Reply) -> None:
        transmission = self._under_way
        refusal = transmission.refusal
        transmission.opened &= reply.code != 354
        if reply.code != 354:
            self._finish(refusal or reply)
        elif refusal is not None:
            # "the client ... SHOULD send a single dot" -- RFC 2920 §3.1
            self._send_step(Step("DATA", b".\r\n", lambda _: self._finish(refusal)))
        else:
            data = stuffed(transmission.content)
            self._send_step(Step("DATA", data, self._finish), "content")

    def _give_up(self, refusal: Reply) -> None:
        """Nobody gets this message. What was already sent will be answered."""
        self._under_way.refusal = refusal
        verbs = ("MAIL", "RCPT", "DATA")
        kept = [step for step in self._unsent if step.verb not in verbs]
        self._unsent = deque(kept)
        if not any(step.verb in verbs for step in self._sent_steps):
            self._finish(refusal)

    def _finish(self, reply: Reply) -> None:
        transmission, self._transmission = self._under_way, None
        accepted = tuple(transmission.accepted) if reply.code // 100 == 2 else ()
        if transmission.opened:  # RFC 5321 §4.1.1.5
            self._queue("RSET", "", lambda _: None, first=True)
        self._events.append(Sent(reply, accepted))

    def _mail_parameters(
        self, envelope: Envelope, content: bytes
    ) -> dict[str, str | None]:
        own = ("SIZE", "BODY")
        given = envelope.parameters.items()
        parameters = {
            word: value
            for word, value in given
            if self.offers(word) and word not in own
        }
        if self.offers("SIZE"):
            parameters["SIZE"] = str(len(content))
        if self.offers("8BITMIME") and not content.isascii():
            parameters["BODY"] = "8BITMIME"
        return parameters

    @property
    def _under_way(self) -> _Transmission:
        assert self._transmission is not None, "only `send` queues these commands"
        return self._transmission

    # Sending --------------------------------------------------------------------------

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
        if not line.isprintable() or not line.isascii():
            raise LocalProtocolError(f"this cannot be said in SMTP: {line!r}")
        secret = ((secret_from, len(line)),) if 0 < secret_from < len(line) else ()
        self._add(Step(verb, line.encode() + CRLF, on_reply, secret), first=first)
