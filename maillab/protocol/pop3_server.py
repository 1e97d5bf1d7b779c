"""The server side of POP3 (RFC 1939, with RFC 2449, 2595, 3206, 5034 and 6856).

Goes in: bytes, and the agent's answers. Comes out: questions, events, bytes.

Rule 1: the maildrop is a snapshot of sizes and unique-ids: the agent gives it at login,
        is asked for octets when they are wanted, and gets back at QUIT what is to be
        deleted. A session that ends otherwise deletes nothing.
Rule 2: whose password is right, and whether the maildrop is free, is for the agent to
        say.
Rule 3: logging in and what CAPA lists have files of their own; their handlers are in
        the same table.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from maillab.errors import LocalProtocolError, Refused
from maillab.protocol import (
    pop3_server_extensions as pop3_server_extensions,  # its handlers
)
from maillab.protocol.engine import Event, Question, StartTLS
from maillab.protocol.pop3_maildrop import Maildrop
from maillab.protocol.pop3_server_commands import HANDLERS as HANDLERS
from maillab.protocol.pop3_server_commands import LEGAL_STATES as LEGAL_STATES
from maillab.protocol.pop3_server_commands import NO_ARGUMENT, State, command
from maillab.protocol.pop3_server_commands import RFC_OF as RFC_OF
from maillab.protocol.pop3_server_events import (
    Answered,
    DropMessage,
    FindSecret,
    Login,
    POP3ServerOptions,
    ProveLogin,
    ReadMessage,
    Retrieved,
    Update,
)
from maillab.protocol.pop3_server_login import told
from maillab.protocol.sasl_exchange import SaslExchange
from maillab.protocol.server import Server
from maillab.wire.lines import CRLF, LineTooLong
from maillab.wire.pop3 import (
    AUTH_LINE_LIMIT,
    Reply,
    octets_sent,
    parse_command,
    top_of,
)
from maillab.wire.pop3_surrogate import surrogate
from maillab.wire.sasl import Secret

SECRET = re.compile(
    rb"(pass[ \t]+|auth[ \t]+[^ \t]+[ \t]+|apop[ \t]+[^ \t]+[ \t]+)", re.IGNORECASE
)
TOO_LONG = Reply(False, "Line too long")
DEFAULT_LANGUAGE = "i-default"  # RFC 2277 §4.5


class POP3Server(Server):
    """One session, seen from the server.

    user          who has logged in, or ""
    login_delay   seconds until this user may log in again (RFC 2449 §6.5)
    utf8          the client takes headers in UTF-8 (RFC 6856 §2.1)
    language_tag  in which replies are (RFC 6856 §3)
    """

    language = "pop3"

    def __init__(
        self, options: POP3ServerOptions, *, implicit_tls: bool = False
    ) -> None:
        super().__init__(AUTH_LINE_LIMIT)
        self.options = options
        self.tls_active = implicit_tls
        self.state = State.AUTHORIZATION
        self.user = ""
        self.login_delay = 0
        self.utf8 = False
        self.language_tag = DEFAULT_LANGUAGE
        self.bad_commands = 0
        self._login_refused = False  # by AUTH, just now
        self.named = ""  # by USER, until the next command
        self.exchange: SaslExchange | None = None  # in state SASL
        self._maildrop = Maildrop()
        self._lines_of_top: int | None = None  # what TOP wants; None: it was RETR
        self._next: Event | None = None  # to be told before anything is read
        self._ref = "RFC 1939 §4"  # of what is being answered

    # For the agent --------------------------------------------------------------------

    def open_maildrop(
        self, messages: Sequence[DropMessage], login_delay: int = 0
    ) -> None:
        """The answer to a right login. The maildrop must be locked (RFC 1939 §4)."""
        question = self._take_question()
        match question:
            case Login():
                self.user = question.credentials.user
            case ProveLogin():
                self.user = question.user
            case _:
                raise LocalProtocolError("only a login opens a maildrop")
        self.login_delay = login_delay
        self._maildrop = Maildrop(messages)
        self.state = State.TRANSACTION
        self._reply(Reply(True, f"Maildrop has {self._maildrop.totals}"))

    def give_secret(self, secret: Secret | None) -> None:
        """Answer `FindSecret`; None: there is no such user."""
        if not isinstance(self._take_question(), FindSecret):
            raise LocalProtocolError("nobody has asked for a secret")
        assert self.exchange is not None, "it has asked"
        outcome = told(self, self.exchange.give_secret(secret))
        if isinstance(outcome, Question):
            self._next = outcome
        else:
            self._reply(outcome)

    def give_message(self, octets: bytes) -> None:
        """Answer `ReadMessage`."""
        question = self._take_question()
        if not isinstance(question, ReadMessage):
            raise LocalProtocolError("nobody has asked for a message")
        content = octets if self.utf8 else surrogate(octets)
        if self._lines_of_top is not None:
            top = top_of(content, self._lines_of_top)
            self._reply(Reply(True, "Top of message", body=top))
            return
        self._maildrop.retrieved.add(question.unique_id)
        self._next = Retrieved(question.unique_id, octets)
        self._reply(Reply(True, f"{octets_sent(content)} octets", body=content))

    def answer(self, reply: Reply) -> None:
        """Answer `Update`, or refuse anything else."""
        question = self._take_question()
        if isinstance(question, Update):
            self.state = State.CLOSED
        elif reply.positive and question is not None:
            raise LocalProtocolError("say open_maildrop, give_secret or give_message")
        elif isinstance(question, FindSecret):
            self.state = State.AUTHORIZATION  # the exchange has failed
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
        """Begin anew: what the client said is forgotten (RFC 2595 §4)."""
        super().tls_started()
        self.state = State.AUTHORIZATION
        self.named, self.language_tag = "", DEFAULT_LANGUAGE

    # Commands, in the order of RFC 1939 -----------------------------------------------

    @command("QUIT", rfc="RFC 1939 §6")
    def _quit(self, _argument: str) -> Reply | Question:
        if self.state is State.TRANSACTION:
            self.state = State.UPDATE
            drop = self._maildrop
            return Update(drop.deleted, frozenset(drop.retrieved))
        self.state = State.CLOSED
        return Reply(True, f"{self.options.hostname} signing off")

    @command("STAT", rfc="RFC 1939 §5")
    def _stat(self, _argument: str) -> Reply:
        sizes = self._maildrop.sizes
        return Reply(True, f"{len(sizes)} {sum(sizes)}")

    @command("LIST", rfc="RFC 1939 §5")
    def _list(self, argument: str) -> Reply:
        return self._maildrop.listed(argument, lambda message: str(message.size))

    @command("RETR", rfc="RFC 1939 §5")
    def _retr(self, argument: str) -> Question:
        self._lines_of_top = None
        return ReadMessage(self._maildrop.find(argument).unique_id)

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
    def _top(self, argument: str) -> Question:
        number, _, count = argument.partition(" ")
        if not re.fullmatch(r"[0-9]{1,9}", count):
            raise Refused(Reply(False, "Syntax: TOP <message> <lines>"))
        unique_id = self._maildrop.find(number).unique_id
        self._lines_of_top = int(count)
        return ReadMessage(unique_id, "content" if int(count) else "header")

    @command("UIDL", rfc="RFC 1939 §7")
    def _uidl(self, argument: str) -> Reply:
        return self._maildrop.listed(argument, lambda message: message.unique_id)

    # Lines ----------------------------------------------------------------------------

    def _say_greeting(self, refusal: Reply | None) -> None:
        if refusal:
            self.state = State.CLOSED
        words = (self.options.hostname, "POP3 maillab", self.options.timestamp)
        self._reply(refusal or Reply(True, " ".join(filter(None, words))))

    def _go_on_reading(self) -> Event | None:
        if self.closed or self.state is State.TLS:
            return None
        event, self._next = self._next, None
        if isinstance(event, Question):
            self._question = event
        return event or self._next_line()

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
        self._login_refused = verb == "AUTH" and not outcome.positive
        return StartTLS() if self.state is State.TLS else Answered(verb, outcome)

    def _hear(self, verb: str, line: bytes) -> Reply | Question:
        self._ref = RFC_OF.get(verb, "RFC 1939 §3")
        if self.state is State.SASL:
            span = (0, len(line))
            self._heard(line + CRLF, "continuation", secret=(span,), ref=self._ref)
            return self._respond(line)
        secret = SECRET.match(line)
        spans = ((secret.end(), len(line)),) if secret else ()
        if self._login_refused and verb not in HANDLERS:
            spans = ((0, len(line)),)  # sent by a client that did not wait
        self._heard(line + CRLF, "command", secret=spans, ref=self._ref)
        return self._handle(*parse_command(line))

    def _respond(self, response: bytes) -> Reply | Question:
        """Take a SASL response: the next challenge, or the question at the end."""
        assert self.exchange is not None, "in state SASL"
        try:
            return told(self, self.exchange.respond(response))
        except ValueError as error:
            raise Refused(Reply(False, str(error))) from error

    def _handle(self, verb: str, argument: str) -> Reply | Question:
        if verb != "PASS":
            self.named = ""  # "immediately after a successful USER" (RFC 1939 §7)
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
