"""The server side of IMAP4rev1 (RFC 3501), without any I/O.

    server.receive(data)            bytes from the network
    event = server.next_event()     what they mean; None: more bytes are needed
    server.answer(answer)           the agent's decision, when the event is a question
    server.message_added(…)         news of the open mailbox, whenever there are any
    server.data_to_send()           bytes for the network

Rule 1: this file reads commands, keeps the state, and says what is to be said. Commands
        stand in `imap_server_session`, `…_mailboxes` and `…_messages`, in the order of
        the RFC; the table of legal states stands in `imap_server_commands`.
Rule 2: this engine never decides. Passwords, names and messages are the agent's matter.
Rule 3: memory is bounded: by the length of a line, and by that of all literals of a
        command. What is refused is not kept.
Rule 4: nothing untagged is said on its own account, unless the client is idle.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import maillab.protocol.imap_server_messages
import maillab.protocol.imap_server_session  # noqa: F401  (they register commands)
from maillab.errors import LocalProtocolError, Refused
from maillab.protocol.engine import Engine, Event, Question, StartTLS
from maillab.protocol.imap_server_commands import (
    HANDLERS,
    KEEPS_NUMBERS,
    LEGAL_STATES,
    RFC_OF,
    Continue,
    State,
    Steps,
)
from maillab.protocol.imap_server_events import Answer, CloseMailbox, Completed
from maillab.protocol.imap_server_mailboxes import too_big
from maillab.protocol.imap_server_secrets import Spans, secret_spans
from maillab.protocol.imap_server_view import View
from maillab.wire.imap import (
    BadSyntax,
    Scanner,
    Status,
    announced_literal,
    bad,
    ok,
    split_literals,
)
from maillab.wire.lines import CRLF, LineTooLong

LINE_BEFORE_LOGIN = 12_290  # octets with CRLF: a SASL response (RFC 4954 §4.4) fits
LINE_AFTER_LOGIN = 65_536  # RFC 2683 §3.2.1.5 asks for at least 8000
LITERALS_BEFORE_LOGIN = 8_192  # octets of all literals of one command
LITERALS_AFTER_LOGIN = 65_536
APPEND_LIMIT = 25 * 1024 * 1024  # octets of a message (RFC 7889)
MAX_BAD_COMMANDS = 25  # in a row: then this is not a mail client

CAPABILITIES = (
    "IMAP4rev1 LITERAL+ SASL-IR ID IDLE NAMESPACE UIDPLUS UNSELECT CHILDREN "
    "SPECIAL-USE MOVE"
)


@dataclass(slots=True)
class _Command:
    """A command that is being read or carried out."""

    raw: bytearray
    tag: str = "*"
    verb: str = ""
    literals: int = 0  # octets of literals announced so far
    refusal: Status | None = None  # why the rest of it is skipped
    steps: Steps | None = None


class IMAPServer(Engine):
    """One session with one client."""

    def __init__(
        self,
        hostname: str,
        *,
        starttls: bool = False,
        plain_login: bool = False,
        append_limit: int = APPEND_LIMIT,
    ) -> None:
        super().__init__("S", LINE_BEFORE_LOGIN)
        self.hostname = hostname
        self.state = State.NOT_AUTHENTICATED
        self.view: View | None = None
        self.idling = False
        self.mechanisms = ("PLAIN", "LOGIN")
        self.append_limit = append_limit
        self._offers_tls = starttls
        self._plain_login = plain_login
        self._greeted = False
        self._command = _Command(bytearray())
        self._question: Question | None = None
        self._asked: Continue | None = None  # the client owes us a line
        self._missing = 0  # octets of the literal that is being read
        self._skipping = 0  # octets of a refused literal
        self._literal = bytearray()
        self._bad_commands = 0
        self._finished: list[Event] = []
        self._handshake = False  # nothing is read until TLS has started

    # What commands and agents may know ------------------------------------------------

    @property
    def capabilities(self) -> str:
        """What stands behind CAPABILITY now (RFC 3501 §7.2.1)."""
        words = [CAPABILITIES, f"APPENDLIMIT={self.append_limit}"]
        if self.state is State.NOT_AUTHENTICATED:
            if self.can_start_tls:
                words.append("STARTTLS")
            if self.may_log_in:
                words += [f"AUTH={name}" for name in self.mechanisms]
            else:
                words.append("LOGINDISABLED")
        return " ".join(words)

    @property
    def can_start_tls(self) -> bool:
        """Is STARTTLS possible now?"""
        return self._offers_tls and not self.tls_active

    @property
    def may_log_in(self) -> bool:
        """May a password be sent now?"""
        return self.tls_active or self._plain_login

    @property
    def selected(self) -> View:
        """The view of the open mailbox."""
        assert self.view is not None, (
            "LEGAL_STATES lets nothing in before SELECT"
        )
        return self.view

    # News of the open mailbox, from the agent -----------------------------------------

    def message_added(
        self, uid: int, flags: frozenset[str], *, recent: bool = False
    ) -> None:
        """A message arrived in the open mailbox."""
        if self.view:
            self.view.added(uid, flags, recent=recent)
            self._tell_idle_client()

    def flags_changed(self, uid: int, flags: frozenset[str]) -> None:
        """Flags of a message in the open mailbox changed."""
        if self.view:
            self.view.flagged(uid, flags)
            self._tell_idle_client()

    def message_removed(self, uid: int) -> None:
        """A message of the open mailbox was expunged."""
        if self.view:
            self.view.removed(uid)
            self._tell_idle_client()

    # The engine -----------------------------------------------------------------------

    def next_event(self) -> Event | None:
        """A question, `StartTLS` or `Completed`; None: more bytes are needed."""
        if self._question:
            raise LocalProtocolError(f"answer {type(self._question).__name__} first")
        if not self._greeted:
            self._greet()
        while not (self._finished or self._question or self._handshake or self.closed):
            if not self._read():
                break
        if self._finished:
            return self._finished.pop(0)
        return self._question

    def answer(self, answer: Answer) -> None:
        """Answer the last question. A `Status` is a refusal and ends the command."""
        if self._question is None:
            raise LocalProtocolError("no question was asked")
        self._question = None
        if isinstance(answer, Status):
            self._finish(answer)
        else:
            self._go_on(answer)

    def tls_started(self) -> None:
        """The handshake is done. Before the first event: implicit TLS."""
        super().tls_started()
        self._handshake = False

    def time_out(self) -> None:
        """The client said nothing for 30 minutes (RFC 3501 §5.4)."""
        self._hang_up("Autologout: nothing was said for too long")

    # For commands ---------------------------------------------------------------------

    def untagged(self, text: bytes) -> None:
        """Say an untagged response."""
        self.say(b"* %b\r\n" % text)

    def say(self, response: bytes) -> None:
        """Say a whole response, its literals apart."""
        for what, octets in split_literals(response):
            self._say(octets, what, ref=self._ref)

    def leave_mailbox(self, *, expunge: bool = False) -> Generator[Question, Any, None]:
        """Close the open mailbox, if there is one (for `yield from`)."""
        if self.view:
            self.view = None
            self.state = State.AUTHENTICATED
            yield CloseMailbox(expunge)

    def logged_in(self) -> Status:
        """The agent knows this user."""
        self.state = State.AUTHENTICATED
        self._lines.limit = LINE_AFTER_LOGIN
        return ok("Welcome", f"CAPABILITY {self.capabilities}")

    # Reading --------------------------------------------------------------------------

    def _greet(self) -> None:
        self._greeted = True
        text = f"{self.hostname} IMAP4rev1 server ready"
        self.say(ok(text, f"CAPABILITY {self.capabilities}").to_wire())

    def _read(self) -> bool:
        """Read one line or a piece of a literal; False: nothing is there."""
        if self._skipping:
            return self._skip()
        if self._missing:
            return self._read_literal()
        try:
            line = self._lines.next_line()
        except LineTooLong:
            # The line may have announced a literal. To read that as commands would let
            # somebody hide commands in a message, so there is no going on.
            self._hang_up("Line too long")
            return True
        if line is None:
            return False
        if self._asked:
            self._line_for_command(line, self._asked)
        else:
            self._command_line(line)
        return True

    def _skip(self) -> bool:
        block = self._lines.next_block(self._skipping)
        self._skipping -= len(block or b"")
        return block is not None

    def _read_literal(self) -> bool:
        block = self._lines.next_block(self._missing)
        if block is None:
            return False
        self._literal += block
        self._missing -= len(block)
        if not self._missing:
            octets = bytes(self._literal)
            self._literal.clear()
            self._hear(octets, "literal")
            self._command.raw += octets
        return True

    def _hear(self, octets: bytes, what: str) -> None:
        command = self._command
        spans: Spans = ()
        if not command.raw or command.verb in ("LOGIN", "AUTHENTICATE"):
            spans = secret_spans(bytes(command.raw), octets, what)
        self._heard(octets, what, secret=spans, ref=self._ref)

    def _command_line(self, line: bytes) -> None:
        """A line that begins a command, or goes on with it after a literal."""
        if not self._command.raw and not self._command.refusal:
            self._begin(line)
        self._hear(line + CRLF, "command")
        announced = announced_literal(line)
        if self._command.refusal:
            self._refuse_rest(announced)
        elif announced:
            self._command.raw += line + CRLF
            self._announced(*announced)
        else:
            self._command.raw += line
            self._start()

    def _begin(self, line: bytes) -> None:
        """Find tag and verb. Both are known even if the rest is nonsense."""
        words = Scanner(line)
        command = _Command(bytearray())
        self._command = command
        try:
            command.tag = words.tag()
            words.space()
            command.verb = words.keyword()
        except BadSyntax as error:
            command.refusal = bad(f"Expected a tag and a command: {error}")
        if b"\0" in line:
            command.refusal = bad("A command has no NUL octets")

    def _announced(self, size: int, synchronizing: bool) -> None:
        """A literal will follow: agree, or refuse (RFC 3501 §4.3, RFC 7888 §4)."""
        command = self._command
        command.literals += size
        if command.literals > self._literal_limit:
            command.refusal = self._too_big()
            command.raw.clear()
            self._refuse_rest((size, synchronizing))
            return
        self._missing = size
        if synchronizing:
            self._say(b"+ Ready for the literal\r\n", "continuation", ref=self._ref)
        if not size:
            self._hear(b"", "literal")

    def _refuse_rest(self, announced: tuple[int, bool] | None) -> None:
        """Skip what a client that did not wait has sent already (RFC 7888 §4)."""
        refusal = self._command.refusal
        assert refusal
        if announced and not announced[1]:
            self._skipping = announced[0]
        else:
            self._finish(refusal)

    @property
    def _literal_limit(self) -> int:
        if self.state is State.NOT_AUTHENTICATED:
            return LITERALS_BEFORE_LOGIN
        if self._command.verb == "APPEND":
            return self.append_limit + LITERALS_AFTER_LOGIN
        return LITERALS_AFTER_LOGIN

    def _too_big(self) -> Status:
        why = f"{self._command.literals} octets of literals"
        if self._command.verb == "APPEND" and self.state is not State.NOT_AUTHENTICATED:
            return replace(too_big(self.append_limit), why=why)
        return bad("The literal is too big", why)

    # Carrying out ---------------------------------------------------------------------

    def _start(self) -> None:
        command = self._command
        handler = HANDLERS.get(command.verb)
        if handler is None:
            self._finish(bad(f"No such command: {command.verb[:40]}"))
            return
        if self.state not in LEGAL_STATES.get(command.verb, State):
            name = self.state.name.lower().replace("_", " ")
            self._finish(bad(f"{command.verb} is not legal now ({name})"))
            return
        words = Scanner(bytes(command.raw))
        command.raw.clear()
        words.tag()
        words.space()
        words.atom()
        try:
            outcome = handler(self, words)
        except (BadSyntax, Refused) as error:
            self._finish(_refusal(error))
            return
        if isinstance(outcome, Status):
            self._finish(outcome)
        else:
            command.steps = outcome
            self._go_on(None)

    def _go_on(self, value: object) -> None:
        """Carry the command on to its next step."""
        steps = self._command.steps
        assert steps, "only a command with steps asks"
        try:
            step = steps.send(value)
        except StopIteration as stop:
            self._finish(stop.value)
        except (BadSyntax, Refused) as error:
            self._finish(_refusal(error))
        else:
            self._ask(step)

    def _ask(self, step: Question | Continue) -> None:
        if isinstance(step, Question):
            self._question = step
            return
        self._asked = step
        self._say(b"+ %b\r\n" % step.text, "continuation", ref=self._ref)
        self._tell_idle_client()

    def _line_for_command(self, line: bytes, asked: Continue) -> None:
        self._asked = None
        spans = ((0, len(line)),) if asked.secret else ()
        self._heard(line + CRLF, "continuation", secret=spans, ref=self._ref)
        self._go_on(line)

    def _finish(self, status: Status) -> None:
        """End the command: first the news, then the tagged response."""
        command = self._command
        self.idling = False
        if self.view:
            self._tell_news(expunge=command.verb not in KEEPS_NUMBERS)
        self._say(status.to_wire(command.tag), "reply", ref=self._ref, why=status.why)
        self._finished.append(Completed(command.tag, command.verb, status))
        if command.verb == "STARTTLS" and status.condition == "OK":
            self._finished.append(StartTLS())
            self._handshake = True
        if self.state is State.LOGOUT:
            self.closed = True
        self._count_bad(status)
        self._command = _Command(bytearray())

    def _count_bad(self, status: Status) -> None:
        failed = status.condition == "BAD"
        self._bad_commands = self._bad_commands + 1 if failed else 0
        if self._bad_commands >= MAX_BAD_COMMANDS:
            self._hang_up("Too many bad commands")

    def _tell_idle_client(self) -> None:
        if self.idling:
            self._tell_news(expunge=True)

    def _tell_news(self, *, expunge: bool) -> None:
        for response in self.selected.news(expunge=expunge) if self.view else ():
            self.say(response)

    def _hang_up(self, text: str) -> None:
        self.say(Status("BYE", text).to_wire())
        self.closed = True

    @property
    def _ref(self) -> str:
        return RFC_OF.get(self._command.verb, "RFC 3501 §7")


def _refusal(error: BadSyntax | Refused) -> Status:
    if isinstance(error, BadSyntax):
        return bad(str(error))
    assert isinstance(error.reply, Status), "commands refuse with a Status"
    return error.reply
