"""The client side of SMTP (RFC 5321) and LMTP (RFC 2033): submits, relays, delivers.

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
Rule 3: in which form content leaves, `smtp_client_plan` says.
"""

from collections import deque
from collections.abc import Callable

from maillab.errors import LocalProtocolError, Refused
from maillab.protocol.client import Step
from maillab.protocol.smtp_client_events import RecipientReply, Replied, Sent
from maillab.protocol.smtp_client_plan import Plan, Wishes, plan
from maillab.protocol.smtp_client_session import SMTPClientSession
from maillab.wire import sasl
from maillab.wire.smtp import Envelope, Reply
from maillab.wire.smtp_content import stuffed
from maillab.wire.smtp_path import Address
from maillab.wire.smtp_replies import to_parameters

TRANSACTION = ("MAIL", "RCPT", "DATA")
CHUNK = 65536  # octets of content in one BDAT
LATER = Reply(
    452,
    "4.5.3",
    "Left for another transaction: the server takes no more recipients",
    ref="RFC 9422 §4.2",
)


class _Transmission:
    """One message under way."""

    def __init__(self, plan: Plan, paths: tuple[Address, ...]) -> None:
        self.plan = plan
        self.recipients_left = len(paths)
        self.accepted: list[Address] = []
        self.results: list[tuple[Address, Reply]] = []  # of LMTP
        self.refusal: Reply | None = None  # why the content will not be sent
        self.opened = False  # MAIL was accepted, and DATA was not
        self.sent = 0  # octets of content, by BDAT


def reply_of(refused: Refused) -> Reply:
    """What `plan` has to say."""
    assert isinstance(refused.reply, Reply), "it speaks SMTP"
    return refused.reply


class SMTPClient(SMTPClientSession):
    """One session, seen from the client.

    pipelining  use it where it is offered
    lmtp        say LHLO, and read a reply for each recipient
    wishes      when to use BDAT; what becomes of bare CR and LF
    nonce       unpredictable text for SCRAM, another one each time
    """

    def __init__(
        self,
        *,
        pipelining: bool = True,
        implicit_tls: bool = False,
        lmtp: bool = False,
        wishes: Wishes | None = None,
        nonce: Callable[[], str] = sasl.no_nonce,
    ) -> None:
        super().__init__(
            pipelining=pipelining, implicit_tls=implicit_tls, lmtp=lmtp, nonce=nonce
        )
        self._wishes = wishes or Wishes()
        self._transmission: _Transmission | None = None

    def send(self, envelope: Envelope, content: bytes) -> None:
        """Send a message: one mail transaction (RFC 5321 §3.3)."""
        if not self.greeted:
            raise LocalProtocolError("say EHLO first")
        if self._transmission is not None:
            raise LocalProtocolError("the last message has not been answered yet")
        if not envelope.forward_paths:
            raise LocalProtocolError("a message needs a recipient")
        try:
            chosen = plan(envelope, content, self.offers, self._wishes)
        except Refused as refused:
            self._events.append(Sent(reply_of(refused), ()))
            return
        paths = self._first_recipients(envelope)
        self._transmission = _Transmission(chosen, paths)
        parameters = to_parameters(chosen.parameters)
        mail = f"FROM:{envelope.reverse_path.to_path()}{parameters}"
        self._queue("MAIL", mail, self._on_mail)
        for path in paths:
            words = to_parameters(chosen.recipients[path])
            self._queue("RCPT", f"TO:{path.to_path()}{words}", self._on_rcpt(path))
        if not chosen.chunked:
            self._queue("DATA", "", self._on_data)

    def _first_recipients(self, envelope: Envelope) -> tuple[Address, ...]:
        """As many as the server takes in one transaction (RFC 9422 §4.2)."""
        paths = envelope.forward_paths
        most = self.limits.rcpt_max or len(paths)
        for path in paths[most:]:
            self._events.append(RecipientReply(path, LATER))
        return paths[:most]

    # Replies --------------------------------------------------------------------------

    def _end(self, why: str) -> None:
        """In LMTP who has heard a yes has the message, however the session ends."""
        super()._end(why)
        if self._transmission is not None and self._transmission.results:
            self._finish(Reply(421, "4.4.2", why, ref="RFC 2033 §4.2"))

    def _take(self, reply: Reply) -> None:
        super()._take(reply)
        if reply.code == 421 and self._transmission is not None:
            self._finish(reply)

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
            if transmission.recipients_left:
                return
            if not transmission.accepted:
                self._give_up(reply)
            elif transmission.plan.chunked:
                self._send_chunk()

        return on_reply

    def _on_data(self, reply: Reply) -> None:
        transmission = self._under_way
        refusal = transmission.refusal
        transmission.opened &= reply.code != 354
        if reply.positive and reply.code != 354 and refusal is None:
            # whoever believed it would think that the message has arrived
            self._garbled(reply.to_wire(), "a yes to DATA before the content")
            return
        self._events.append(Replied("DATA", reply))
        if reply.code != 354:
            self._finish(refusal or reply)
        elif refusal is not None:
            # "the client ... SHOULD send a single dot" -- RFC 2920 §3.1
            self._send_step(Step("DATA", b".\r\n", lambda _: self._finish(refusal)))
        else:
            data = stuffed(transmission.plan.content)
            self._send_step(Step("content", data, self._on_content), "content")
            self._await_others()

    def _send_chunk(self) -> None:
        """The next piece of the content, by BDAT (RFC 3030 §2)."""
        transmission = self._under_way
        content = transmission.plan.content
        chunk = content[transmission.sent : transmission.sent + CHUNK]
        transmission.sent += len(chunk)
        last = transmission.sent == len(content)
        line = b"BDAT %d%b\r\n" % (len(chunk), b" LAST" if last else b"")
        on_reply = self._on_content if last else self._on_chunk
        self._send_step(Step("BDAT", line, on_reply))
        self._say(chunk, "content", ref="RFC 3030 §2")
        if last:
            transmission.opened = False
            self._await_others()

    def _on_chunk(self, reply: Reply) -> None:
        self._events.append(Replied("BDAT", reply))
        if reply.positive:
            self._send_chunk()
        else:
            self._finish(reply)

    def _await_others(self) -> None:
        """In LMTP each further recipient brings another reply (RFC 2033 §4.2)."""
        others = len(self._under_way.accepted) - 1 if self.lmtp else 0
        for _ in range(others):
            self._sent_steps.append(Step("content", b"", self._on_content))

    def _on_content(self, reply: Reply) -> None:
        transmission = self._under_way
        if self.lmtp:
            path = transmission.accepted[len(transmission.results)]
            transmission.results.append((path, reply))
            if len(transmission.results) < len(transmission.accepted):
                return
        self._finish(reply)

    def _give_up(self, refusal: Reply) -> None:
        """Nobody gets this message. What was already sent will be answered."""
        self._under_way.refusal = refusal
        kept = [step for step in self._unsent if step.verb not in TRANSACTION]
        self._unsent = deque(kept)
        if not any(step.verb in TRANSACTION for step in self._sent_steps):
            self._finish(refusal)

    def _finish(self, reply: Reply) -> None:
        transmission, self._transmission = self._under_way, None
        results = tuple(transmission.results)
        accepted = tuple(transmission.accepted) if reply.code // 100 == 2 else ()
        if results:
            accepted = tuple(path for path, one in results if one.code // 100 == 2)
        if transmission.opened:  # RFC 5321 §4.1.1.5
            self._queue("RSET", "", lambda _: None, first=True)
        self._events.append(Sent(reply, accepted, results))

    @property
    def _under_way(self) -> _Transmission:
        assert self._transmission is not None, "only `send` queues these commands"
        return self._transmission
