"""The server side of SMTP (RFC 5321), for relay (MTA), submission (MSA) and LMTP.

Goes in: bytes, and the agent's answers. Comes out: questions, events, bytes.

Rule 1: this file has the session: who speaks, what is legal now, what an answer
        changes. The commands stand in `smtp_server_mail`, `_content`, `_auth` and
        `_extensions`.
Rule 2: an engine never decides. Whether a client, a sender, a recipient, a login or a
        message is welcome is a question for the agent, which may need DNS, a directory
        or time.
Rule 3: every reply is a phrase of `smtp_phrases`, but those that the agent gives.
"""

from collections.abc import Sequence
from typing import NoReturn

from maillab.errors import LocalProtocolError, Refused
from maillab.protocol import smtp_server_mail as smtp_server_mail  # register commands
from maillab.protocol.engine import Event, Question, StartTLS
from maillab.protocol.smtp_server_auth import AuthExchange, secrets_of
from maillab.protocol.smtp_server_commands import (
    BEFORE_TLS,
    EXTENSION_OF,
    INTERNATIONAL,
    NO_ARGUMENT,
    OUT_OF_SEQUENCE,
    SYNTAX,
    command,
)
from maillab.protocol.smtp_server_commands import LEGAL_STATES as LEGAL_STATES
from maillab.protocol.smtp_server_commands import State as State
from maillab.protocol.smtp_server_content import announced_chunk
from maillab.protocol.smtp_server_events import (
    Answered,
    Connected,
    Expand,
    FindSecret,
    Hello,
    Impersonate,
    Login,
    MailFrom,
    Message,
    RcptTo,
    Verify,
)
from maillab.protocol.smtp_server_extensions import parse_proxy
from maillab.protocol.smtp_server_limits import SMTPServerOptions
from maillab.protocol.smtp_server_session import SMTPServerSession
from maillab.protocol.smtp_transaction import Transaction
from maillab.wire.lines import CRLF, LineTooLong
from maillab.wire.sasl import Secret
from maillab.wire.smtp import Reply, line_limit, parse_command

HANDLERS = {verb: command.handlers[verb] for verb in SYNTAX}
RFC_OF = {verb: command.rfc_of[verb] for verb in SYNTAX}


class SMTPServer(SMTPServerSession):
    """One session, seen from the server."""

    def __init__(
        self, options: SMTPServerOptions, *, implicit_tls: bool = False
    ) -> None:
        super().__init__(options, implicit_tls=implicit_tls)
        self._last_verb = ""
        self._exchange: AuthExchange | None = None
        self._pending: Question | None = None  # to be asked next
        self._awaits_proxy = options.proxy

    def verbs(self) -> list[str]:
        """The commands that this server has."""
        hellos = {"EHLO", "HELO"} if self.options.lmtp else {"LHLO"}
        hidden = {
            verb
            for verb, extension in EXTENSION_OF.items()
            if not self.options.has(extension) and verb != "EXPN"
        }
        return [verb for verb in HANDLERS if verb not in hellos | hidden]

    # For the agent --------------------------------------------------------------------

    def answer(self, reply: Reply) -> None:
        """Answer the last question. A positive reply moves the state forward."""
        question = self._answered()
        if question is None:
            return
        match question:
            case Message():
                self._answer_message(reply)
                return
            case Connected():
                self._open(reply)
            case FindSecret():
                if reply.positive:
                    raise LocalProtocolError("say give_secret(...)")
                self.state = State.GREETED  # the exchange has failed
            case _ if reply.positive:
                reply = self._go_forward(question, reply)
            case _:
                pass  # a refusal changes nothing
        utf8 = isinstance(question, Verify | Expand) and question.utf8
        if isinstance(question, Verify | Expand) and not utf8:
            reply = self._in_ascii(reply)
        self._reply(reply, utf8=utf8)

    def answer_each(self, replies: Sequence[Reply]) -> None:
        """Answer `Message` in LMTP: a reply for each recipient (RFC 2033 §4.2)."""
        question = self._answered()
        if question is None:
            return
        assert isinstance(question, Message), "only a message has many answers"
        if len(replies) != len(question.envelope.forward_paths):
            raise LocalProtocolError("LMTP wants a reply for each recipient")
        self._answer_message(*replies)

    def give_secret(self, secret: Secret | None) -> None:
        """Answer `FindSecret`; None: there is no such user."""
        if self._answered() is None:
            return
        assert self._exchange is not None, "it has asked"
        outcome = self.go_on_with(self._exchange, self._exchange.give_secret(secret))
        if isinstance(outcome, Question):
            self._pending = outcome
        else:
            self._reply(outcome)

    def time_out(self) -> None:
        """Say 421 and hang up (RFC 5321 §4.5.3.2.7)."""
        self._ref = "RFC 5321 §4.5.3.2.7"
        self._hang_up(self.phrases.reply("timeout"))

    def shut_down(self, reason: str) -> None:
        """Say 421 because this server stops (RFC 5321 §3.8), and hang up."""
        self._ref = "RFC 5321 §3.8"
        self._hang_up(self.phrases.reply("shutting-down", detail=reason))

    def tls_started(self) -> None:
        """Begin anew: the server discards all that it knows (RFC 3207 §4.2)."""
        super().tls_started()
        self.start_over()

    def go_on_with(
        self, exchange: AuthExchange, outcome: Reply | Question
    ) -> Reply | Question:
        """After a challenge comes a response; after the last response, commands."""
        self._exchange = exchange
        self.state = State.GREETED if isinstance(outcome, Login) else State.AUTH
        return outcome

    # What an answer changes -----------------------------------------------------------

    def _answered(self) -> Question | None:
        """The question that is being answered; None when the session is over."""
        question, self._question = self._question, None
        if self.closed:
            return None  # we hung up while the agent was thinking
        if question is None:
            raise LocalProtocolError("there is no question to answer")
        return question

    def _open(self, reply: Reply) -> None:
        if not reply.positive:  # RFC 5321 §3.1
            self.state = State.REFUSED if reply.permanent else State.CLOSED

    def _go_forward(self, question: Question, reply: Reply) -> Reply:
        """What a positive answer does."""
        match question:
            case Hello(name, extended):
                self.client_name, self._extended = name, extended
                self.phrases.facts["client_name"] = name
                self.reset()
                return self._offer(reply)
            case MailFrom(path, parameters):
                self.transaction = Transaction(path, parameters)
                self.state = State.MAIL
            case RcptTo(path, parameters):
                self.transaction.add(path, parameters)
                self.state = State.RCPT
            case Login(credentials=credentials):
                self.user = credentials.user
                self.phrases.facts["user"] = self.user
            case Impersonate():
                self.start_over()
            case _:
                pass
        return reply

    def _offer(self, reply: Reply) -> Reply:
        """The answer to EHLO or HELO (RFC 5321 §4.1.1.1)."""
        name = "ehlo" if self._extended else "helo"
        greeting = self.phrases.reply(name)
        lines = self.options.offered(self.tls_active) if self._extended else []
        first = greeting.lines
        return Reply(250, "", *first, *lines, why=reply.why, ref=greeting.ref)

    def _in_ascii(self, reply: Reply) -> Reply:
        """UTF-8 is only for clients that asked for it (RFC 6531 §3.7.4.2)."""
        return reply if reply.text.isascii() else self.phrases.reply("utf8-reply")

    # Lines ----------------------------------------------------------------------------

    def _say_greeting(self, refusal: Reply | None) -> Question | None:
        if refusal:
            self._open(refusal)
            self._reply(refusal)
            return None
        return None if self._awaits_proxy else Connected()

    def _go_on_reading(self) -> Event | None:
        if self.closed or self.state is State.TLS:
            return None
        event = self._next_event()
        self._question = event if isinstance(event, Question) else None
        return event

    def _next_event(self) -> Event | None:
        if self._pending is not None:
            pending, self._pending = self._pending, None
            return pending
        if self._awaits_proxy:
            return self._next_proxy()
        if self.state is State.DATA:
            return self._next_content()
        if self.state is State.CHUNK:
            return self._next_chunk()
        return self._next_line()

    def _next_proxy(self) -> Event | None:
        """The first line comes from a proxy, and says who the client is."""
        try:
            line = self._lines.next_line()
            if line is None:
                return None
            self._awaits_proxy = False
            self._heard(line + CRLF, "noise", ref="RFC 5321 §3.1")
            return Connected(parse_proxy(line))
        except ValueError:  # LineTooLong is one
            self._awaits_proxy = False
            self._hang_up(self.phrases.reply("wrong-proxy"))
            return None

    def _next_line(self) -> Event | None:
        verb, outcome = "", None
        try:
            line = self._lines.next_line()
            if line is None:
                return None
            if self.state is State.AUTH:
                verb, outcome = "AUTH", self._hear_response(line)
            else:
                verb, outcome = self._hear_command(line)
        except LineTooLong as error:
            outcome = self._line_too_long(str(error))
        if outcome is None:  # the chunk comes now
            return self._next_chunk()
        if isinstance(outcome, Question):
            return outcome
        self._reply(outcome)
        return StartTLS() if self.state is State.TLS else Answered(verb, outcome)

    def _hear_command(self, line: bytes) -> tuple[str, Reply | Question | None]:
        verb = line.split(b" ")[0].strip().decode("ascii", "replace").upper()
        spans = secrets_of(line, verb in HANDLERS, self._last_verb)
        if verb in HANDLERS or not spans:  # behind a name comes the password
            self._last_verb = verb
        self._ref = RFC_OF.get(verb, "RFC 5321 §4.2.4")
        self._heard(line + CRLF, "command", secret=spans, ref=self._ref)
        try:
            argument = self._parse(verb, line)
            if verb == "BDAT":
                return verb, self._begin_bdat(argument)
            return verb, self._handle(verb, argument)
        except Refused as refused:
            if verb == "BDAT":  # unreadable, and a chunk follows that is no commands
                self.state = State.CLOSED
                return verb, self.phrases.reply("bdat-without-size")
            return verb, self._refusal(refused)

    def _begin_bdat(self, argument: str) -> Reply | None:
        """BDAT is carried out or refused when its octets have come (RFC 3030 §2)."""
        chunk = announced_chunk(argument)
        if chunk is None:
            self.state = State.CLOSED  # nobody knows where commands go on
            return self.phrases.reply("bdat-without-size")
        before = self.state
        try:
            outcome = self._handle("BDAT", argument)
            chunk.refusal = outcome if isinstance(outcome, Reply) else None
        except Refused as refused:
            chunk.refusal = self._refusal(refused)
        chunk.state_after = State.BDAT if self.transaction.failed else before
        if self.state is State.CLOSED:
            return chunk.refusal
        self.begin_chunk(chunk)
        return None

    def _parse(self, verb: str, line: bytes) -> str:
        """The argument of a command line. Raises Refused."""
        utf8 = verb in INTERNATIONAL and self.options.has("SMTPUTF8")
        try:
            verb, argument = parse_command(line, utf8=utf8)
        except ValueError as error:
            raise Refused(
                self.phrases.reply("unreadable-command", detail=error)
            ) from error
        if len(line + CRLF) > line_limit(verb, self.options.keywords()):
            auth = verb == "AUTH"  # RFC 4954 §4: 500 5.5.6
            self.reject("response-too-long" if auth else "command-too-long")
        return argument

    def _handle(self, verb: str, argument: str) -> Reply | Question | None:
        self._check_sequence(verb, argument)
        self.transaction.tried_recipient |= verb == "RCPT"
        return self.overrule(verb, argument) or HANDLERS[verb](self, argument)

    def _check_sequence(self, verb: str, argument: str) -> None:
        """Is this command known, and legal now? Raises Refused."""
        if self.state is State.REFUSED and verb != "QUIT":
            self.reject("no-service")
        if verb not in HANDLERS or self._is_other_hello(verb):
            self.reject("unknown-command")
        if not self.options.has(EXTENSION_OF.get(verb, verb)) and verb in EXTENSION_OF:
            self.reject_absent(verb)
        if self.options.require_tls and not self.tls_active and verb not in BEFORE_TLS:
            self.reject("tls-required")
        if self.state not in LEGAL_STATES.get(verb, State):
            self._refuse_sequence(verb)
        if argument and verb in NO_ARGUMENT:
            self.reject("no-argument", verb=verb)

    def _is_other_hello(self, verb: str) -> bool:
        """EHLO and HELO in LMTP, LHLO elsewhere: "500" says RFC 2033 §4.1."""
        return verb in ({"EHLO", "HELO"} if self.options.lmtp else {"LHLO"})

    def _refuse_sequence(self, verb: str) -> NoReturn:
        if self.state is State.CONNECTED:
            self.reject("need-lhlo" if self.options.lmtp else "need-ehlo")
        if self.state is State.BDAT:
            self.reject("after-bdat", verb=verb)
        refusal = self.phrases.reply(OUT_OF_SEQUENCE[verb], verb=verb)
        raise Refused(refusal.because(f"{verb} in state {self.state.name}"))

    def _hear_response(self, line: bytes) -> Reply | Question:
        assert self._exchange is not None, "AUTH made one"
        self._ref = "RFC 4954 §4"
        span = (0, len(line))
        self._heard(line + CRLF, "continuation", secret=(span,), ref=self._ref)
        try:
            return self.go_on_with(self._exchange, self._exchange.respond(line))
        except Refused as refused:
            return self._refusal(refused)

    def _line_too_long(self, why: str) -> Reply:
        in_auth = self.state is State.AUTH  # RFC 4954 §6
        name = "response-too-long" if in_auth else "command-too-long"
        return self._refusal(Refused(self.phrases.reply(name, detail=why)))

    def _refusal(self, refused: Refused) -> Reply:
        """What to say to a bad command. After too many: 421, and no more."""
        assert isinstance(refused.reply, Reply)
        if self.state is State.AUTH:
            self.state = State.GREETED  # the exchange has failed
        self.bad_commands += refused.reply.permanent
        limit = self.options.max_bad_commands
        if not limit or self.bad_commands <= limit:
            return refused.reply
        self.state = State.CLOSED
        why = f"more than limits.bad_commands allows: {refused.reply}"
        return self.phrases.reply("too-many-errors").because(why)
