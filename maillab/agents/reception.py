"""The receiving side of SMTP: an MTA at port 25, an MSA at 587 and 465 (RFC 5598 §4.3),
and LMTP for the MTA of the same house (RFC 2033).

Goes in: connections. Comes out: accepted messages, handed to the MTA's queue.

Rule 1: policies decide, this file asks them and says what they say, in the words of the
        engine's phrasebook. What a verdict was built on goes to the trace.
Rule 2: 250 after the final dot means: the message is in the queue (RFC 5321 §6.1).
Rule 3: what fails here is our fault: the client gets 451, the trace gets the traceback.
"""

from collections.abc import Mapping
from typing import Any

from maillab.agents.access import BANNED
from maillab.agents.doorkeeper import Caller, Doorkeeper
from maillab.agents.faults import Faults
from maillab.agents.machine import Stream
from maillab.agents.mta import MTA, Submission
from maillab.agents.outcome import Outcome
from maillab.agents.reception_options import Entrance, session_options
from maillab.agents.reception_rules import Rules
from maillab.agents.serving import serve, tell_verdict
from maillab.policy.settings import IPRange, Settings
from maillab.policy.verdict import Verdict
from maillab.protocol.engine import Event, Question
from maillab.protocol.smtp_server import SMTPServer
from maillab.protocol.smtp_server_events import (
    Connected,
    Expand,
    FindSecret,
    Hello,
    Impersonate,
    Login,
    MailFrom,
    Message,
    RcptTo,
    StartQueue,
    Verify,
)
from maillab.store.accounts import Account, DirectoryUnavailable
from maillab.wire.message import Header, date_text, message_id
from maillab.wire.smtp import Reply


class SMTPReception:
    """Serves one SMTP port of one mail server."""

    def __init__(
        self,
        mta: MTA,
        entrance: Entrance | None = None,
        doorkeeper: Doorkeeper | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.mta = mta
        self.entrance = entrance or Entrance()
        self.faults = faults
        self.doorkeeper = doorkeeper or Doorkeeper(
            mta.machine, mta.relay.resolver, lambda: mta.settings
        )

    async def serve(self, stream: Stream) -> None:
        """Hold one session, from the banner to the end of the connection."""
        security = self.entrance.security
        options = session_options(
            self.mta.settings,
            self.mta.hostname,
            self.entrance,
            self.doorkeeper.secrets,
        )
        engine = SMTPServer(options, implicit_tls=security.implicit)
        engine.phrases.facts["client"] = stream.peer[0]
        session = SMTPSession(self, engine, stream)
        if await session.admit():
            await self.hold(stream, session)

    async def hold(self, stream: Stream, session: "SMTPSession") -> None:
        """Hold a session that has begun; one that is refused hears so in it."""
        security = self.entrance.security
        await serve(self.mta.machine, stream, session, security, self.faults)


class SMTPSession:
    """What one client gets as answers."""

    def __init__(
        self, reception: SMTPReception, engine: SMTPServer, stream: Stream
    ) -> None:
        self.mta = reception.mta
        self.machine = self.mta.machine
        self.directory = self.mta.directory
        self.doorkeeper = reception.doorkeeper
        self.engine = engine
        self.stream = stream
        self.rules = Rules(self.mta, self.doorkeeper, lmtp=engine.options.lmtp)
        self._account: Account | None = None  # of `engine.user`, who has logged in
        self._admission = Verdict("accept", "nobody was asked")
        self._admitted = False
        self._refusals = 0
        self._began = self.machine.time()

    @property
    def timeout(self) -> float | None:
        """Seconds of silence (RFC 5321 §4.5.3.2.7); None: any number."""
        return self.settings.limits.idle or None

    @property
    def settings(self) -> Settings:
        """How the server is configured now."""
        return self.mta.settings

    @property
    def caller(self) -> Caller:
        """Who brings mail. A login ends with STARTTLS: then the engine has no user."""
        user = self.engine.user
        account = self._account.address if user and self._account is not None else ""
        return Caller(self.stream.peer[0], user, account)

    async def decide(self, question: Question) -> None:
        """Answer one question of the engine."""
        try:
            await self._decide(question)
        except DirectoryUnavailable as problem:
            self.engine.answer(self._unavailable(question).because(str(problem)))

    async def _decide(self, question: Question) -> None:  # noqa: C901  (one row each)
        match question:
            case Connected():
                await self._connected()
            case Hello():
                self.engine.answer(self._say("ehlo"))
            case MailFrom():
                await self._sender(question)
            case RcptTo():
                await self._recipient(question)
            case Message():
                await self._message(question)
            case FindSecret(mechanism, user):
                self.engine.give_secret(self.directory.secret_for(mechanism, user))
            case Login():
                await self._login(question)
            case Verify(text) | Expand(text):
                expand = isinstance(question, Expand)
                self.engine.answer(self._told(text, expand=expand))
            case StartQueue():
                self.engine.answer(self._turned(question))
            case Impersonate():  # we know nobody who might
                self.engine.answer(self._say("xclient-refused"))
            case _:
                raise TypeError(f"no answer to {question}")

    def fail(self) -> None:
        """Something of ours failed: the client may try again later."""
        reason = "something of ours failed: the trace has the traceback"
        self.engine.answer(self._say("local-error").because(reason))

    def notice(self, event: Event) -> None:
        """The engine has answered a command by itself: nothing to do."""

    def end(self) -> None:
        """Let others in."""
        if self._admitted:
            self.doorkeeper.leave(self.stream.peer[0])
        self._admitted = False

    # The steps of a session -----------------------------------------------------------

    async def admit(self) -> bool:
        """Count this client, before TLS takes its time. False: it hears nothing."""
        verdict = await self.doorkeeper.admit(self.stream.peer[0])
        self._admission, self._admitted = verdict, verdict.accepted
        if not self.doorkeeper.is_silent(verdict):
            return True
        self._tell("connection", verdict)
        self.stream.reset()
        return False

    async def _connected(self) -> None:
        verdict = self._admission
        if verdict.accepted:
            date = date_text(self.machine.now())
            self.engine.answer(self._say("banner", date=date))
            return
        self._tell("connection", verdict)
        self.engine.answer(self._in_words(verdict))

    async def _sender(self, question: MailFrom) -> None:
        path = question.path
        verdict = await self.rules.judge_sender(self.caller, path)
        if not verdict.accepted or self.engine.user:
            self._tell(f"MAIL FROM:{path.to_path()}", verdict)
        await self._answer(verdict, {"address": path if path.domain else "<>"})

    async def _recipient(self, question: RcptTo) -> None:
        envelope = self.engine.envelope
        verdict = await self.rules.judge_recipient(self.caller, envelope, question)
        self._tell(f"RCPT TO:<{question.path}>", verdict)
        await self._answer(verdict, {"address": question.path})

    async def _message(self, question: Message) -> None:
        verdict = self._judge_message(question)
        if verdict is None:
            self._answer_message(await self._accepted(question))
            return
        self._tell("message", verdict)
        self.engine.answer(self._in_words(verdict))  # in LMTP: for each recipient

    def _judge_message(self, question: Message) -> Verdict | None:
        """Why all of it has come in vain, if it has."""
        limit = self.settings.limits.hops
        hops = len(Header.from_wire(question.content).named("Received"))
        if 0 < limit <= hops:
            reason = f"{hops} Received fields: the message goes round in circles"
            rfc, phrase = "RFC 5321 §6.3", "too-many-hops"
            return Verdict(
                "reject", reason, "5.4.6", rfc, phrase, "hop count", "limits.hops"
            )
        if self.rules.lmtp:
            return None
        rate = self.doorkeeper.count_message(self.caller)
        return None if rate.accepted else rate

    async def _accepted(self, question: Message) -> list[Reply]:
        submission = Submission(
            question.envelope,
            question.content,
            client_name=self.engine.client_name,
            client_address=self.stream.peer[0],
            protocol=self.engine.protocol,
            user=self.engine.user,
            connection=self.stream.id,
        )
        if self.engine.options.lmtp:
            return [
                self._delivered(one) for one in await self.mta.deliver_now(submission)
            ]
        entry = self.mta.accept(submission)
        facts = {
            "queue_id": entry.id,
            "message": message_id(entry.content),
            "duration": f"{self.machine.time() - self._began:.3f}",
        }
        return [self._say("queued", **facts)]

    def _answer_message(self, replies: list[Reply]) -> None:
        if self.engine.options.lmtp:
            self.engine.answer_each(replies)
        else:
            self.engine.answer(replies[0])

    def _delivered(self, outcome: Outcome) -> Reply:
        """What LMTP says for one recipient."""
        address = outcome.recipient.address
        if outcome.settled:
            return self._say("delivered", address=address)
        full = outcome.code.endswith(".2.2")
        if outcome.status == "deferred":
            name = "mailbox-full-later" if full else "local-error"
        else:
            name = "mailbox-full-never" if full else "no-such-user"
        return self._say(name, address=address).because(outcome.reason)

    async def _login(self, question: Login) -> None:
        credentials = question.credentials
        client = self.stream.peer[0]
        banned = self.doorkeeper.ban_of(client)
        login = self.directory.verify(credentials) if banned is None else BANNED
        self._account = login.account
        ok = login.account is not None
        self.machine.emit(
            "auth",
            self.stream.id,
            protocol="SMTP",
            mechanism=question.mechanism,
            user=credentials.user,
            ok=ok,
            reason=login.reason,
        )
        if login.temporary:
            reply = self._say("temporary-auth-failure").because(login.reason)
            self.engine.answer(reply)
            return
        if banned is None:
            banned = self.doorkeeper.note_login(client, ok)
        if ok:
            self.engine.answer(self._say("logged-in"))
            return
        await self._slow_down()
        self.engine.answer(self._wrong_login(login.reason, banned))

    def _wrong_login(self, reason: str, ban: IPRange | None) -> Reply:
        """Who guesses too often has to go, as RFC 4954 §9 allows."""
        self.engine.bad_commands += 1
        limit = self.settings.limits.bad_commands
        rule, setting = "bad commands", "limits.bad_commands"
        if ban is not None:
            reason += f"; banned: {ban.name}"
            rule, setting = "ban", "defence.autoblock"
        elif not 0 < limit < self.engine.bad_commands:
            return self._say("bad-credentials").because(reason)
        name, rfc = "too-many-errors", "RFC 5321 §3.8"
        verdict = Verdict("defer", reason, "4.7.0", rfc, name, rule, setting)
        self._tell("AUTH", verdict)
        return self._in_words(verdict)

    def _told(self, text: str, *, expand: bool) -> Reply:
        """VRFY and EXPN (RFC 5321 §3.5)."""
        access = self.settings.access
        if (access.expn if expand else access.vrfy) != "tell":
            name = "cannot-expand" if expand else "cannot-verify"
            return self._say(name, address=text)
        return self.rules.look_up(self.engine.phrases, text, expand=expand)

    def _turned(self, question: StartQueue) -> Reply:
        """ETRN (RFC 1985): mail that waits for a domain may leave now."""
        domain = question.domain
        if not self.rules.is_backup_for(domain):
            return self._say("turn-refused", address=domain)
        tried = self.mta.queue.retry_for(question.domain, question.subdomains)
        return self._say("turn-started" if tried else "turn-empty", address=domain)

    # Words ----------------------------------------------------------------------------

    def _say(self, phrase: str, /, **facts: Any) -> Reply:
        return self.engine.phrases.reply(phrase, **facts)

    def _in_words(self, verdict: Verdict, facts: Mapping[str, Any] = {}) -> Reply:
        reply = self._say(verdict.phrase, zone=self._zone(verdict), **facts)
        return reply.because(verdict.reason)

    def _zone(self, verdict: Verdict) -> str:
        """The list of bad addresses that a verdict speaks of."""
        prefix, _, number = verdict.setting.rpartition(".")
        zones = self.settings.defence.dnsbl
        found = prefix == "defence.dnsbl" and int(number) < len(zones)
        return zones[int(number)] if found else ""

    async def _answer(self, verdict: Verdict, facts: Mapping[str, Any]) -> None:
        if not verdict.accepted:
            await self._slow_down()
        self.engine.answer(self._in_words(verdict, facts))

    async def _slow_down(self) -> None:
        """A tarpit: a stranger who is refused often, waits."""
        if self.engine.user or self.rules.lmtp:
            return
        self._refusals += 1
        client = self.stream.peer[0]
        seconds = self.doorkeeper.tarpit_seconds(self._refusals, client)
        if seconds:
            await self.machine.sleep(seconds)

    def _unavailable(self, question: Question) -> Reply:
        """The directory is out of reach."""
        login = isinstance(question, Login | FindSecret)
        return self._say("temporary-auth-failure" if login else "local-error")

    def _tell(self, subject: str, verdict: Verdict) -> None:
        tell_verdict(self.machine, subject, verdict, self.stream.id)
