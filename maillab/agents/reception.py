"""The receiving side of SMTP: an MTA at port 25, an MSA at 587 and 465 (RFC 5598 §4.3).

Goes in: connections. Comes out: accepted messages, handed to the MTA's queue.

Rule 1: this file decides (with `policy`), the engine speaks. A reply is given once.
Rule 2: 250 after the final dot means: the message is in the queue (RFC 5321 §6.1).
Rule 3: what fails here is our fault: the client gets 451, the trace gets the traceback.
"""

from dataclasses import replace

from maillab.agents.faults import Faults
from maillab.agents.machine import Stream
from maillab.agents.mta import MTA, Submission
from maillab.agents.serving import Security, serve
from maillab.policy.relay import RelayFacts, judge_recipient
from maillab.policy.verdict import Verdict
from maillab.protocol import smtp_server_replies as replies
from maillab.protocol.engine import Event, Question
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
WRONG_LOGIN = "no such account, a wrong password, or authzid is another user"
MECHANISMS = ("PLAIN", "LOGIN")


class SMTPReception:
    """Serves one SMTP port of one mail server: to relay (25), or to submit (587, 465).

    A submission port takes mail from users who log in (RFC 6409 §4.3).
    """

    def __init__(
        self,
        mta: MTA,
        security: Security | None = None,
        *,
        submission: bool = False,
        options: SMTPServerOptions | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.mta = mta
        self.faults = faults
        self.security = security or Security()
        base = options or SMTPServerOptions(mta.hostname)
        if submission:
            base = replace(base, mechanisms=MECHANISMS, require_auth=True)
        self.options = replace(base, starttls=self.security.offers_upgrade)

    async def serve(self, stream: Stream) -> None:
        """Hold one session, from the banner to the end of the connection."""
        engine = SMTPServer(self.options, implicit_tls=self.security.implicit)
        session = SMTPSession(self.mta, engine, stream)
        await serve(self.mta.machine, stream, session, self.security, self.faults)


class SMTPSession:
    """What one client gets as answers."""

    timeout = IDLE_TIMEOUT

    def __init__(self, mta: MTA, engine: SMTPServer, stream: Stream) -> None:
        self.mta = mta
        self.directory: Directory = mta.directory
        self.engine = engine
        self.stream = stream

    async def decide(self, question: Question) -> None:
        """Answer one question of the engine."""
        match question:
            case MailFrom():
                reply = replies.SENDER_OK
            case RcptTo():
                reply = self._recipient(question)
            case Message():
                reply = self._message(question)
            case Login():
                reply = self._login(question)
            case Verify():  # RFC 5321 §7.3: do not tell strangers who lives here
                reply = replies.CANNOT_VERIFY
            case _:
                raise TypeError(f"no answer to {question}")
        self.engine.answer(reply)

    def fail(self) -> None:
        """Something of ours failed: the client may try again later."""
        self.engine.answer(replies.LOCAL_ERROR)

    def notice(self, event: Event) -> None:
        """The engine has answered a command by itself: nothing to do."""

    def end(self) -> None:
        """A session leaves nothing behind."""

    def _login(self, question: Login) -> Reply:
        credentials = question.credentials
        account = self.directory.verify(credentials.user, credentials.password)
        if credentials.authzid not in ("", credentials.user):
            account = None  # nobody may act for somebody else (RFC 4616 §2)
        self.mta.machine.emit(
            "auth",
            self.stream.id,
            protocol="SMTP",
            mechanism=question.mechanism,
            user=credentials.user,
            ok=account is not None,
            reason="" if account else WRONG_LOGIN,
        )
        if account is None:
            return replies.BAD_CREDENTIALS.because(WRONG_LOGIN)
        return replies.LOGGED_IN

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
        refusal = replies.NO_SUCH_USER if facts.local else replies.RELAYING_DENIED
        reply = replies.RECIPIENT_OK if verdict.accepted else refusal
        return reply.because(verdict.reason)

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
