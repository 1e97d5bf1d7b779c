"""The server side of POP3 (RFC 1939, with RFC 2449, 2595, 3206 and 5034).

Goes in: bytes, and the agent's answers. Comes out: questions, events, bytes.

Rule 1: every change of `state` happens in this file.
Rule 2: the maildrop is a snapshot: the agent gives it at login, and gets back at QUIT
        what is to be deleted. A session that ends otherwise deletes nothing.
Rule 3: whose password is right, and whether the maildrop is free, is for the agent to
        say.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum, auto

from maillab.errors import LocalProtocolError, Refused
from maillab.protocol.commands import Commands
from maillab.protocol.engine import Event, Question, StartTLS
from maillab.protocol.pop3_maildrop import Maildrop
from maillab.protocol.pop3_server_events import (
    Answered,
    DropMessage,
    Login,
    POP3ServerOptions,
    Retrieved,
    Update,
)
from maillab.protocol.server import Server
from maillab.wire import sasl
from maillab.wire.lines import CRLF, LineTooLong
from maillab.wire.pop3 import (
    AUTH_LINE_LIMIT,
    Reply,
    challenge,
    listing,
    parse_command,
    top_of,
)


class State(Enum):
    """Where a session stands (RFC 1939 §3)."""

    AUTHORIZATION = auto()  # nobody has logged in
    SASL = auto()  # a line is a SASL response, not a command
    TLS = auto()  # +OK to STLS said, handshake not done
    TRANSACTION = auto()  # the maildrop is open and locked
    UPDATE = auto()  # QUIT after login
    CLOSED = auto()


# Which command is legal in which state (RFC 1939 §9). A command that is not here is
# legal in all of them.
LEGAL_STATES: dict[str, set[State]] = {
    "USER": {State.AUTHORIZATION},
    "PASS": {State.AUTHORIZATION},
    "AUTH": {State.AUTHORIZATION},  # RFC 5034 §4
    "STLS": {State.AUTHORIZATION},  # RFC 2595 §4
    "STAT": {State.TRANSACTION},
    "LIST": {State.TRANSACTION},
    "RETR": {State.TRANSACTION},
    "DELE": {State.TRANSACTION},
    "NOOP": {State.TRANSACTION},
    "RSET": {State.TRANSACTION},
    "TOP": {State.TRANSACTION},
    "UIDL": {State.TRANSACTION},
}
NO_ARGUMENT = {"QUIT", "STAT", "NOOP", "RSET", "CAPA", "STLS"}
SECRET = re.compile(rb"(pass +|auth +[^ ]+ +)", re.IGNORECASE)


Handler = Callable[["POP3Server", str], Reply | Question]

command: Commands[Handler] = Commands()
HANDLERS = command.handlers
RFC_OF = command.rfc_of

TLS_REQUIRED = Reply(False, "No passwords in plain text: use STLS")
TOO_LONG = Reply(False, "Line too long")


class POP3Server(Server):
    """One session, seen from the server; `user` is who has logged in, or ""."""

    language = "pop3"

    def __init__(
        self, options: POP3ServerOptions, *, implicit_tls: bool = False
    ) -> None:
        super().__init__(AUTH_LINE_LIMIT)
        self.options = options
        self.tls_active = implicit_tls
        self.state = State.AUTHORIZATION
        self.user = ""
        self.bad_commands = 0
        self._named = ""  # by USER, until the next command
        self._mechanism: tuple[str, sasl.ServerMechanism]  # of AUTH, in state SASL
        self._maildrop = Maildrop()
        self._retrieved = DropMessage("", b"")
        self._ref = "RFC 1939 §4"  # of what is being answered

    # For the agent --------------------------------------------------------------------

    def open_maildrop(self, messages: Sequence[DropMessage]) -> None:
        """The answer to a right `Login`. The maildrop must be locked (RFC 1939 §4)."""
        question = self._take_question()
        if not isinstance(question, Login):
            raise LocalProtocolError("only a login opens a maildrop")
        self.user = question.user
        self._maildrop = Maildrop(messages)
        self.state = State.TRANSACTION
        self._reply(Reply(True, f"Maildrop has {self._maildrop.totals}"))

    def answer(self, reply: Reply) -> None:
        """Answer `Update`, or refuse a `Login`."""
        question = self._take_question()
        if isinstance(question, Login) and reply.positive:
            raise LocalProtocolError("a right login is answered by open_maildrop")
        if isinstance(question, Update):
            self.state = State.CLOSED
        self._reply(reply)

    def time_out(self) -> None:
        """Hang up: "without removing any messages or sending any response" (§3)."""
        self.receive_eof()

    def hang_up(self, reply: Reply) -> None:
        """The agent ends the session, whatever is going on. Nothing is deleted."""
        if not self.closed:
            self.state, self._question = State.CLOSED, None
            self._reply(reply)

    def receive_eof(self) -> None:
        """The client is gone. Nothing is deleted."""
        self.state = State.CLOSED
        self._question = None
        super().receive_eof()

    def tls_started(self) -> None:
        """Begin anew (RFC 2595 §4)."""
        super().tls_started()
        self.state = State.AUTHORIZATION
        self._named = ""

    # Commands, in the order of RFC 1939 -----------------------------------------------

    @command("QUIT", rfc="RFC 1939 §6")
    def _quit(self, _argument: str) -> Reply | Question:
        if self.state is State.TRANSACTION:
            self.state = State.UPDATE
            return Update(self._maildrop.deleted)
        self.state = State.CLOSED
        return Reply(True, f"{self.options.hostname} signing off")

    @command("STAT", rfc="RFC 1939 §5")
    def _stat(self, _argument: str) -> Reply:
        sizes = self._maildrop.sizes
        return Reply(True, f"{len(sizes)} {sum(sizes)}")

    @command("LIST", rfc="RFC 1939 §5")
    def _list(self, argument: str) -> Reply:
        return self._maildrop.listed(
            argument, lambda message: str(len(message.content))
        )

    @command("RETR", rfc="RFC 1939 §5")
    def _retr(self, argument: str) -> Reply:
        self._retrieved = self._maildrop.find(argument)
        content = self._retrieved.content
        return Reply(True, f"{len(content)} octets", body=content)

    @command("DELE", rfc="RFC 1939 §5")
    def _dele(self, argument: str) -> Reply:
        self._maildrop.delete(argument)
        return Reply(True, f"Message {int(argument)} marked as deleted")

    @command("NOOP", rfc="RFC 1939 §5")
    def _noop(self, _argument: str) -> Reply:
        return Reply(True, "Nothing done")

    @command("RSET", rfc="RFC 1939 §5")
    def _rset(self, _argument: str) -> Reply:
        self._maildrop.undelete()
        return Reply(True, f"Maildrop has {self._maildrop.totals}")

    @command("TOP", rfc="RFC 1939 §7")
    def _top(self, argument: str) -> Reply:
        number, _, count = argument.partition(" ")
        if not re.fullmatch(r"[0-9]{1,9}", count):
            raise Refused(Reply(False, "Syntax: TOP <message> <lines>"))
        content = self._maildrop.find(number).content
        return Reply(True, "Top of message", body=top_of(content, int(count)))

    @command("UIDL", rfc="RFC 1939 §7")
    def _uidl(self, argument: str) -> Reply:
        return self._maildrop.listed(argument, lambda message: message.unique_id)

    @command("USER", rfc="RFC 1939 §7")
    def _user(self, argument: str) -> Reply:
        self._check_tls()
        if not argument:
            raise Refused(Reply(False, "Syntax: USER <name>"))
        self._named = argument
        return Reply(True, "Now the password")  # said to strangers too (RFC 1939 §13)

    @command("PASS", rfc="RFC 1939 §7")
    def _pass(self, argument: str) -> Question:
        self._check_tls()
        if not self._named:
            raise Refused(Reply(False, "Need USER before PASS"))
        return Login(self._named, argument)

    @command("CAPA", rfc="RFC 2449 §5")
    def _capa(self, _argument: str) -> Reply:
        words = self.options.capabilities(self.tls_active)
        return Reply(True, "Capabilities follow", body=listing(words))

    @command("STLS", rfc="RFC 2595 §4")
    def _stls(self, _argument: str) -> Reply:
        if self.tls_active or not self.options.starttls:
            active = "TLS is active already" if self.tls_active else "No TLS here"
            raise Refused(Reply(False, active))
        self.state = State.TLS
        return Reply(True, "Begin TLS negotiation")

    @command("AUTH", rfc="RFC 5034 §4")
    def _auth(self, argument: str) -> Reply | Question:
        self._check_tls()
        name, _, initial = argument.strip().partition(" ")
        if name.upper() not in self.options.mechanisms:
            raise Refused(Reply(False, "Mechanism not offered"))
        self._mechanism = name.upper(), sasl.server_mechanism(name)
        self.state = State.SASL
        if initial:
            return self._respond(b"" if initial == "=" else initial.strip().encode())
        return challenge(self._mechanism[1].first_challenge)

    # What the commands share ----------------------------------------------------------

    def _check_tls(self) -> None:
        if self.options.login_needs_tls and not self.tls_active:
            raise Refused(TLS_REQUIRED)

    def _respond(self, response: bytes) -> Reply | Question:
        """Take a SASL response: the next challenge, or the question at the end."""
        name, mechanism = self._mechanism
        try:
            outcome = mechanism.respond(sasl.decode(response))
        except ValueError as error:
            raise Refused(Reply(False, str(error))) from error
        if isinstance(outcome, bytes):
            return challenge(outcome)
        assert isinstance(outcome, sasl.Credentials), "PLAIN and LOGIN need no secret"
        self.state = State.AUTHORIZATION
        return Login(outcome.user, outcome.password, name, outcome.authzid)

    # Lines ----------------------------------------------------------------------------

    def _say_greeting(self, refusal: Reply | None) -> None:
        if refusal:
            self.state = State.CLOSED
        self._reply(refusal or Reply(True, f"{self.options.hostname} POP3 maillab"))

    def _go_on_reading(self) -> Event | None:
        return None if self.closed or self.state is State.TLS else self._next_line()

    def _next_line(self) -> Event | None:
        try:
            line = self._lines.next_line()
        except LineTooLong as error:
            return self._say_outcome("", self._refusal(TOO_LONG, why=str(error)))
        if line is None:
            return None
        word = line.split(b" ")[0].decode("ascii", "replace").upper()
        verb = "AUTH" if self.state is State.SASL else word
        try:
            outcome = self._hear(verb, line)
        except Refused as refused:
            outcome = self._refusal(refused.reply)
        return self._say_outcome(verb, outcome)

    def _say_outcome(self, verb: str, outcome: Reply | Question) -> Event:
        if isinstance(outcome, Question):
            self._question = outcome
            return outcome
        self._reply(outcome)
        if self.state is State.TLS:
            return StartTLS()
        if verb == "RETR" and outcome.positive:
            return Retrieved(self._retrieved)
        return Answered(verb, outcome)

    def _hear(self, verb: str, line: bytes) -> Reply | Question:
        self._ref = RFC_OF.get(verb, "RFC 1939 §3")
        if self.state is State.SASL:
            span = (0, len(line))
            self._heard(line + CRLF, "continuation", secret=(span,), ref=self._ref)
            if line == b"*":
                raise Refused(Reply(False, "Authentication cancelled"))
            return self._respond(line)
        secret = SECRET.match(line)
        spans = ((secret.end(), len(line)),) if secret else ()
        self._heard(line + CRLF, "command", secret=spans, ref=self._ref)
        return self._handle(*parse_command(line))

    def _handle(self, verb: str, argument: str) -> Reply | Question:
        if verb != "PASS":
            self._named = ""  # "immediately after a successful USER" (RFC 1939 §7)
        handler = HANDLERS.get(verb)
        if handler is None:
            raise Refused(Reply(False, "Command not recognized"))
        if self.state not in LEGAL_STATES.get(verb, State):
            raise Refused(Reply(False, f"{verb} is not legal in {self.state.name}"))
        if argument and verb in NO_ARGUMENT:
            raise Refused(Reply(False, f"{verb} has no argument"))
        return self.overrule(verb, argument) or handler(self, argument)

    # Inside ---------------------------------------------------------------------------

    def _refusal(self, reply: object, why: str = "") -> Reply:
        assert isinstance(reply, Reply)
        if self.state is State.SASL:
            self.state = State.AUTHORIZATION  # the exchange has failed
        self.bad_commands += 1
        if self.bad_commands <= self.options.max_bad_commands:
            return replace(reply, why=why or reply.why)
        self.state = State.CLOSED
        return Reply(False, "Too many errors, closing", why=str(reply))

    def _reply(self, reply: Reply) -> None:
        ref, why = self._ref, reply.why
        self._say(reply.status_line, "reply", ref=ref, why=why)
        if reply.body is not None:
            self._say(reply.to_wire()[len(reply.status_line) :], "content", ref=ref)
        self.closed = self.state is State.CLOSED

    def _take_question(self) -> Question | None:
        question, self._question = self._question, None
        if question is None and not self.closed:
            raise LocalProtocolError("there is no question to answer")
        return question
