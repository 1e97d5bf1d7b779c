"""The server side of SMTP (RFC 5321), for relay (MTA) and for submission (MSA).

Goes in: bytes, and the agent's answers. Comes out: questions, events, bytes.

Rule 1: every change of `state` happens in this file.
Rule 2: this file never decides. Whether a sender, a recipient, a login or a message is
        welcome is a question for the agent, which may need DNS, a directory or time.
Rule 3: between 354 and the final dot the server is silent (RFC 5321 §4.1.1.4), unless
        it hangs up.
"""

from collections.abc import Callable
from enum import Enum, auto

from maillab.errors import LocalProtocolError, Refused
from maillab.protocol import smtp_server_limits as limits
from maillab.protocol import smtp_server_replies as replies
from maillab.protocol.commands import Commands
from maillab.protocol.engine import Event, Question, StartTLS
from maillab.protocol.server import Server
from maillab.protocol.smtp_server_auth import AuthExchange, secrets_of
from maillab.protocol.smtp_server_events import (
    Answered,
    Login,
    MailFrom,
    Message,
    RcptTo,
    Verify,
)
from maillab.protocol.smtp_server_limits import SMTPServerOptions
from maillab.wire.lines import CRLF, LineTooLong
from maillab.wire.smtp import (
    AUTH_LINE_LIMIT,
    Envelope,
    Parameters,
    Reply,
    parse_command,
)
from maillab.wire.smtp_content import ContentReader
from maillab.wire.smtp_path import NULL_PATH, Address


class State(Enum):
    """Where a session stands."""

    CONNECTED = auto()  # no EHLO yet
    GREETED = auto()  # EHLO given, no mail transaction
    MAIL = auto()  # reverse-path known
    RCPT = auto()  # at least one forward-path known
    DATA = auto()  # octets are mail data, not commands
    AUTH = auto()  # a line is a SASL response, not a command
    TLS = auto()  # 220 to STARTTLS said, handshake not done
    CLOSED = auto()


# Which command is legal in which state (RFC 5321 §4.1.4). A command that is not here is
# legal in all of them.
LEGAL_STATES: dict[str, set[State]] = {
    "MAIL": {State.GREETED},
    "RCPT": {State.MAIL, State.RCPT},
    "DATA": {State.MAIL, State.RCPT},  # without a recipient it is refused (§3.3)
    "STARTTLS": {State.GREETED},
    "AUTH": {State.GREETED},  # "not permitted during a mail transaction": RFC 4954 §4
}
NO_ARGUMENT = {"DATA", "RSET", "QUIT", "STARTTLS"}
BEFORE_TLS = {"EHLO", "HELO", "NOOP", "QUIT", "STARTTLS"}  # RFC 3207 §4


Handler = Callable[["SMTPServer", str], Reply | Question]

command: Commands[Handler] = Commands()
HANDLERS = command.handlers
RFC_OF = command.rfc_of


class SMTPServer(Server):
    """One session, seen from the server.

    client_name  what EHLO or HELO said
    user         who has logged in, "" for nobody
    """

    language = "smtp"

    def __init__(
        self, options: SMTPServerOptions, *, implicit_tls: bool = False
    ) -> None:
        super().__init__(AUTH_LINE_LIMIT)
        self.options = options
        self.tls_active = implicit_tls
        self.state = State.CONNECTED
        self.client_name = ""
        self.user = ""
        self.bad_commands = 0
        self._last_verb = ""
        self._extended = False  # greeted with EHLO
        self._exchange = AuthExchange("PLAIN")
        self._ref = "RFC 5321 §4.3.1"  # of what is being answered
        self._forget_transaction()

    @property
    def protocol(self) -> str:
        """The word after `with` in a Received field (RFC 3848)."""
        if not self._extended:
            return "SMTP"
        return "ESMTP" + "S" * self.tls_active + "A" * bool(self.user)

    @property
    def envelope(self) -> Envelope:
        """The mail transaction so far (RFC 5321 §3.3); null before MAIL."""
        paths = tuple(self._forward_paths)
        return Envelope(self._reverse_path, paths, self._parameters)

    def answer(self, reply: Reply) -> None:
        """Answer the last question. A positive reply moves the state forward."""
        question, self._question = self._question, None
        if self.closed:
            return  # we hung up while the agent was thinking
        match question:
            case MailFrom(path, parameters) if reply.positive:
                self._reverse_path, self._parameters = path, parameters
                self.state = State.MAIL
            case RcptTo(path) if reply.positive:
                self._forward_paths.append(path)
                self.state = State.RCPT
            case Login(credentials=credentials) if reply.positive:
                self.user = credentials.user
            case Message():
                self._reset()
            case None:
                raise LocalProtocolError("there is no question to answer")
            case _:
                pass  # a refusal changes nothing
        self._reply(reply)

    def time_out(self) -> None:
        """Say 421 and hang up (RFC 5321 §4.5.3.2.7)."""
        self._ref = "RFC 5321 §4.5.3.2.7"
        self._hang_up(replies.timeout(self.options.hostname))

    def shut_down(self, reason: str) -> None:
        """Say 421 because this server stops (RFC 5321 §3.8), and hang up."""
        self._ref = "RFC 5321 §3.8"
        self._hang_up(replies.shutting_down(self.options.hostname, reason))

    def receive_eof(self) -> None:
        """The client is gone. What it did not finish is not a message."""
        self._hear_content()
        self.state = State.CLOSED
        super().receive_eof()

    def tls_started(self) -> None:
        """Begin anew: the server discards all that it knows (RFC 3207 §4.2)."""
        super().tls_started()
        self._forget_transaction()
        self.state = State.CONNECTED
        self.client_name = self.user = ""
        self._extended = False

    # Commands, in the order of RFC 5321 §4.1.1 ----------------------------------------

    @command("EHLO", rfc="RFC 5321 §4.1.1.1")
    def _ehlo(self, argument: str) -> Reply:
        self._greet(argument, extended=True)
        extensions = self.options.offered(self.tls_active)
        greeting = f"{self.options.hostname} greets {argument}"
        return Reply(250, "", greeting, *extensions)

    @command("HELO", rfc="RFC 5321 §4.1.1.1")
    def _helo(self, argument: str) -> Reply:
        self._greet(argument, extended=False)
        return Reply(250, "", self.options.hostname)

    @command("MAIL", rfc="RFC 5321 §4.1.1.2")
    def _mail(self, argument: str) -> Question:
        if self.options.require_auth and not self.user:
            raise Refused(replies.AUTH_REQUIRED)
        path, parameters = limits.path_after("FROM:", argument, "5.1.7")
        if not path.domain and not path.is_null:
            raise Refused(Reply(501, "5.1.7", "A reverse-path needs a domain"))
        limits.check_mail(self.options, parameters)
        return MailFrom(path, parameters)

    @command("RCPT", rfc="RFC 5321 §4.1.1.3")
    def _rcpt(self, argument: str) -> Question:
        path, parameters = limits.path_after("TO:", argument, "5.1.3")
        if path.is_null:
            raise Refused(Reply(501, "5.1.3", "A recipient may not be <>"))
        if parameters:
            raise Refused(replies.unknown_parameters(parameters))
        if len(self._forward_paths) >= self.options.max_recipients:
            raise Refused(replies.TOO_MANY_RECIPIENTS)
        return RcptTo(path, parameters)

    @command("DATA", rfc="RFC 5321 §4.1.1.4")
    def _data(self, _argument: str) -> Reply:
        if self.state is State.MAIL:  # RFC 5321 §3.3, RFC 2920 §3.2
            tried = self._tried_recipient
            raise Refused(replies.NO_VALID_RECIPIENTS if tried else replies.NEED_RCPT)
        self.state = State.DATA
        self._reader = ContentReader(self._lines, self.options.max_size)
        return Reply(354, "", "End data with <CR><LF>.<CR><LF>")

    @command("RSET", rfc="RFC 5321 §4.1.1.5")
    def _rset(self, _argument: str) -> Reply:
        if self.state is not State.CONNECTED:
            self._reset()
        return Reply(250, "2.0.0", "Forgotten")

    @command("VRFY", rfc="RFC 5321 §4.1.1.6")
    def _vrfy(self, argument: str) -> Question:
        if not argument:
            raise Refused(Reply(501, "5.5.4", "Syntax: VRFY <user or address>"))
        return Verify(argument)

    @command("EXPN", rfc="RFC 5321 §4.1.1.7")
    def _expn(self, _argument: str) -> Reply:
        raise Refused(replies.not_implemented("EXPN"))

    @command("HELP", rfc="RFC 5321 §4.1.1.8")
    def _help(self, _argument: str) -> Reply:
        return Reply(214, "2.0.0", "This is maillab. Commands:", " ".join(HANDLERS))

    @command("NOOP", rfc="RFC 5321 §4.1.1.9")
    def _noop(self, _argument: str) -> Reply:
        return Reply(250, "2.0.0", "Nothing done")

    @command("QUIT", rfc="RFC 5321 §4.1.1.10")
    def _quit(self, _argument: str) -> Reply:
        self.state = State.CLOSED
        return Reply(221, "2.0.0", f"{self.options.hostname} closes the connection")

    @command("STARTTLS", rfc="RFC 3207 §4")
    def _starttls(self, _argument: str) -> Reply:
        if self.tls_active:
            raise Refused(replies.TLS_ALREADY)
        if not self.options.starttls:
            raise Refused(replies.not_implemented("STARTTLS"))
        self.state = State.TLS
        return Reply(220, "2.0.0", "Ready to start TLS")

    @command("AUTH", rfc="RFC 4954 §4")
    def _auth(self, argument: str) -> Reply | Question:
        name, _, initial = argument.partition(" ")
        if self.user:
            raise Refused(replies.AUTH_ALREADY)
        limits.check_auth(self.options, name.upper(), self.tls_active)
        self._exchange = AuthExchange(name.upper())
        self.state = State.AUTH
        return self._after(self._exchange.begin(initial.strip()))

    # What the commands share ----------------------------------------------------------

    def _greet(self, argument: str, *, extended: bool) -> None:
        self.client_name = limits.client_name(argument)
        self._extended = extended
        self._reset()

    def _after(self, outcome: Reply | Question) -> Reply | Question:
        """After a challenge comes a response; after the last response, commands."""
        if isinstance(outcome, Question):
            self.state = State.GREETED
        return outcome

    # Lines ----------------------------------------------------------------------------

    def _say_greeting(self, refusal: Reply | None) -> None:
        if refusal:  # deviation: after 554, RFC 5321 §3.1 would still wait for QUIT
            self.state = State.CLOSED
        self._reply(refusal or replies.banner(self.options.hostname))

    def _go_on_reading(self) -> Event | None:
        if self.closed or self.state is State.TLS:
            return None
        return self._next_content() if self.state is State.DATA else self._next_line()

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
        if isinstance(outcome, Question):
            self._question = outcome
            return outcome
        self._reply(outcome)
        return StartTLS() if self.state is State.TLS else Answered(verb, outcome)

    def _hear_command(self, line: bytes) -> tuple[str, Reply | Question]:
        verb = line.split(b" ")[0].strip().decode("ascii", "replace").upper()
        spans = secrets_of(line, verb in HANDLERS, self._last_verb)
        self._last_verb = verb
        self._ref = RFC_OF.get(verb, "RFC 5321 §4.2.4")
        self._heard(line + CRLF, "command", secret=spans, ref=self._ref)
        try:
            verb, argument = parse_command(line)
            return verb, self._handle(verb, argument)
        except Refused as refused:
            return verb, self._refusal(refused)

    def _handle(self, verb: str, argument: str) -> Reply | Question:
        handler = HANDLERS.get(verb)
        if handler is None:
            raise Refused(replies.UNKNOWN_COMMAND)
        if self.options.require_tls and not self.tls_active and verb not in BEFORE_TLS:
            raise Refused(replies.TLS_REQUIRED)
        if self.state not in LEGAL_STATES.get(verb, State):
            raise Refused(replies.out_of_sequence(verb, self.state.name))
        if argument and verb in NO_ARGUMENT:
            raise Refused(Reply(501, "5.5.4", f"{verb} has no argument"))
        self._tried_recipient |= verb == "RCPT"
        return self.overrule(verb, argument) or handler(self, argument)

    def _hear_response(self, line: bytes) -> Reply | Question:
        span = (0, len(line))
        self._ref = "RFC 4954 §4"
        self._heard(line + CRLF, "continuation", secret=(span,), ref=self._ref)
        try:
            return self._after(self._exchange.respond(line))
        except Refused as refused:
            return self._refusal(refused)

    def _line_too_long(self, why: str) -> Reply:
        return self._refusal(
            Refused(replies.line_too_long(self.state is State.AUTH, why))
        )

    def _refusal(self, refused: Refused) -> Reply:
        """What to say to a bad command. After too many: 421, and no more."""
        assert isinstance(refused.reply, Reply)
        if self.state is State.AUTH:
            self.state = State.GREETED  # the exchange has failed
        self.bad_commands += refused.reply.permanent
        if self.bad_commands <= self.options.max_bad_commands:
            return refused.reply
        self.state = State.CLOSED
        return replies.too_many_errors(self.options.hostname, why=str(refused.reply))

    # Mail data ------------------------------------------------------------------------

    def _next_content(self) -> Event | None:
        assert self._reader is not None, "DATA made one"
        if not self._reader.read():
            if self._reader.too_big:
                self._hear_content()
            return None
        self._ref = RFC_OF["DATA"]
        fault = limits.fault_of(self._reader, self.options)
        fault = fault or self.overrule("message", "")
        content = b"" if fault else self._reader.content
        self._hear_content()
        if fault:
            self._reset()
            self._reply(fault)
            return Answered("DATA", fault)
        self._question = Message(self.envelope, content)
        return self._question

    def _hear_content(self) -> None:
        raw = self._reader.take_raw() if self._reader else b""
        if raw:
            self._heard(raw, "content", ref="RFC 5321 §4.5.2")

    # Inside ---------------------------------------------------------------------------

    def _reply(self, reply: Reply) -> None:
        if not self.options.enhanced_codes:
            reply = Reply(reply.code, "", *reply.lines, why=reply.why)
        self._say(reply.to_wire(), "reply", ref=self._ref, why=reply.why)
        if self.state is State.CLOSED or reply.code == 421:
            self.state = State.CLOSED
            self.closed = True

    def _hang_up(self, reply: Reply) -> None:
        if self.closed:
            return
        self._hear_content()
        self._question = None
        self._reply(reply)

    def _reset(self) -> None:
        self._forget_transaction()
        self.state = State.GREETED

    def _forget_transaction(self) -> None:
        self._reverse_path: Address = NULL_PATH
        self._parameters: Parameters = {}
        self._forward_paths: list[Address] = []
        self._tried_recipient = False
        self._reader: ContentReader | None = None
