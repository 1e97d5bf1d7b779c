"""The receiving side of SMTP: an MTA at port 25, an MSA at 587 and 465 (RFC 5598 §4.3).

Goes in: connections. Comes out: accepted messages, handed to the MTA's queue.

Rule 1: this file decides (with `policy`), the engine speaks. A reply is given once.
Rule 2: 250 after the final dot means: the message is in the queue (RFC 5321 §6.1).
Rule 3: what fails here is our fault: the client gets 451, the trace gets the traceback.
"""

import ssl
from dataclasses import dataclass, replace

from maillab.agents.conversation import Conversation
from maillab.agents.machine import Machine, Stream
from maillab.agents.mta import MTA, Submission
from maillab.agents.serving import serve
from maillab.policy.relay import RelayFacts, judge_recipient
from maillab.policy.verdict import Verdict
from maillab.protocol.engine import Question
from maillab.protocol.smtp_server import SMTPServer
from maillab.protocol.smtp_server_events import (
    Login,
    MailFrom,
    Message,
    RcptTo,
    Verify,
)
from maillab.protocol.smtp_server_limits import SMTPServerOptions
from maillab.store.accounts import Directory
from maillab.wire.message import Header
from maillab.wire.smtp import Reply

IDLE_TIMEOUT = 300.0  # seconds (RFC 5321 §4.5.3.2.7)
MAX_HOPS = 100  # Received fields (RFC 5321 §6.3)
MECHANISMS = ("PLAIN", "LOGIN")


@dataclass(frozen=True, slots=True)
class SMTPPort:
    """One port of a server: 25 to relay; 587 (RFC 6409 §3.1) and 465 to submit.

    `implicit_tls`: TLS from the first byte, as on 465 (RFC 8314 §3.3).
    """

    number: int
    submission: bool = False
    implicit_tls: bool = False


class SMTPReception:
    """Serves one SMTP port of one mail server."""

    def __init__(
        self,
        mta: MTA,
        port: SMTPPort,
        tls_context: ssl.SSLContext | None = None,
        options: SMTPServerOptions | None = None,
    ) -> None:
        self.mta = mta
        self.port = port
        self.tls_context = tls_context
        base = options or SMTPServerOptions(mta.hostname)
        has_tls = tls_context is not None
        if port.submission:
            base = replace(base, mechanisms=MECHANISMS, require_auth=True)
        self.options = replace(base, starttls=has_tls and not port.implicit_tls)

    @property
    def machine(self) -> Machine:
        """The host that this runs on."""
        return self.mta.machine

    async def start(self) -> None:
        """Open the port."""
        await self.machine.listen(self.port.number, self.serve)

    async def serve(self, stream: Stream) -> None:
        """One session, from the banner to the end."""
        if self.port.implicit_tls and self.tls_context is not None:
            try:
                await stream.start_tls(self.tls_context, server_side=True)
            except OSError:  # no TLS, no session; the trace has the reason
                return stream.abort()
        engine = SMTPServer(self.options, implicit_tls=self.port.implicit_tls)
        session = SMTPReceptionSession(self.mta, engine, stream)
        conversation = Conversation(self.machine, stream, engine)
        await serve(conversation, session, self.tls_context, IDLE_TIMEOUT)


class SMTPReceptionSession:
    """What one client gets as answers."""

    def __init__(self, mta: MTA, engine: SMTPServer, stream: Stream) -> None:
        self.mta = mta
        self.directory: Directory = mta.directory
        self.engine = engine
        self.stream = stream

    async def decide(self, question: Question) -> None:
        """Answer one question of the engine."""
        match question:
            case MailFrom():
                reply = Reply(250, "2.1.0", "Sender ok")
            case RcptTo():
                reply = self._recipient(question)
            case Message():
                reply = self._message(question)
            case Login():
                reply = self._login(question)
            case Verify():  # RFC 5321 §7.3: do not tell strangers who lives here
                reply = Reply(252, "2.0.0", "Send some mail and you will see")
            case _:
                raise TypeError(f"no answer to {question}")
        self.engine.answer(reply)

    def fail(self) -> None:
        """Something of ours failed: the client may try again later."""
        self.engine.answer(Reply(451, "4.3.0", "Local error, try again later"))

    def _login(self, question: Login) -> Reply:
        credentials = question.credentials
        account = self.directory.verify(credentials.user, credentials.password)
        self.mta.machine.emit(
            "auth",
            self.stream.id,
            protocol="SMTP",
            mechanism=question.mechanism,
            user=credentials.user,
            ok=account is not None,
            reason="" if account else "no such account, or the password is wrong",
        )
        if account is None:
            why = "the server does not say which of the two was wrong"
            return Reply(535, "5.7.8", "Authentication failed", why=why)
        return Reply(235, "2.7.0", "Authentication successful")

    def _recipient(self, question: RcptTo) -> Reply:
        path = question.path
        account = self.directory.find_address(path.local_part, path.domain)
        facts = RelayFacts(
            user=self.engine.user,
            trusted=False,
            local=not path.domain or self.directory.is_local(path.domain),
            known_user=account is not None,
        )
        verdict = judge_recipient(facts)
        self._tell(f"RCPT TO:<{path}>", verdict)
        if verdict.accepted:
            return Reply(250, verdict.code, "Recipient ok", why=verdict.reason)
        text = "No such user here" if facts.local else "Relaying denied"
        return Reply(550, verdict.code, text, why=verdict.reason)

    def _message(self, question: Message) -> Reply:
        hops = len(Header.from_wire(question.content).named("Received"))
        if hops >= MAX_HOPS:
            why = f"{hops} Received fields: the message goes round in circles"
            return Reply(554, "5.4.6", "Too many hops", why=why)
        entry = self.mta.accept(
            Submission(
                question.envelope,
                question.content,
                client_name=self.engine.client_name,
                client_address=self.stream.peer[0],
                protocol=self.engine.protocol,
                user=self.engine.user,
            )
        )
        return Reply(250, "2.0.0", f"Queued as {entry.id}")

    def _tell(self, subject: str, verdict: Verdict) -> None:
        self.mta.machine.emit(
            "policy",
            self.stream.id,
            subject=subject,
            verdict="accept" if verdict.accepted else "refuse",
            reason=verdict.reason,
            ref=verdict.rfc,
        )
