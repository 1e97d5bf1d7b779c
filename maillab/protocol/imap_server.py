"""The server side of IMAP4rev1 (RFC 3501) and IMAP4rev2 (RFC 9051), without any I/O.

    server.receive(data)            bytes from the network
    event = server.next_event()     what they mean; None: more bytes are needed
    server.answer(answer)           the agent's decision, when the event is a question
    server.message_added(…)         news of the open mailbox, whenever there are any
    server.data_to_send()           bytes for the network

Rule 1: this file keeps the state and carries commands out, step by step. They are read
        by `imap_server_input`; they stand in the modules of `COMMANDS`; the table of
        legal states stands in `imap_server_commands`.
Rule 2: this engine never decides. Passwords, names and messages are the agent's matter.
Rule 3: nothing untagged is said on its own account, unless the client is idle.
"""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from maillab.errors import LocalProtocolError, Refused
from maillab.protocol import (
    imap_server_appending,
    imap_server_fetching,
    imap_server_listing,
    imap_server_login,
    imap_server_mailboxes,
    imap_server_messages,
    imap_server_opening,
    imap_server_quota,
    imap_server_searching,
    imap_server_session,
    imap_server_sorting,
    imap_server_status,
    imap_server_storing,
)
from maillab.protocol.engine import Event, Pause, Question, StartTLS
from maillab.protocol.imap_server_commands import (
    HANDLERS,
    KEEPS_NUMBERS,
    LEGAL_STATES,
    Continue,
    State,
)
from maillab.protocol.imap_server_events import (
    Answer,
    CloseMailbox,
    Completed,
    DeleteMailbox,
)
from maillab.protocol.imap_server_input import LINE_AFTER_LOGIN, Command, CommandReader
from maillab.protocol.imap_server_opening import CLOSED
from maillab.protocol.imap_server_options import IMAPServerOptions
from maillab.protocol.imap_server_view import View
from maillab.wire import imap
from maillab.wire.imap import BadSyntax, Scanner, Status, bad, ok
from maillab.wire.imap_list import Folder
from maillab.wire.lines import CRLF

COMMANDS = (  # they registered their handlers
    imap_server_session,
    imap_server_login,
    imap_server_opening,
    imap_server_mailboxes,
    imap_server_listing,
    imap_server_status,
    imap_server_appending,
    imap_server_quota,
    imap_server_messages,
    imap_server_storing,
    imap_server_fetching,
    imap_server_searching,
    imap_server_sorting,
)

MAX_BAD_COMMANDS = 25  # in a row: then this is not a mail client


class IMAPServer(CommandReader):
    """One session with one client."""

    language = "imap"

    def __init__(self, options: IMAPServerOptions | None = None) -> None:
        super().__init__(options or IMAPServerOptions())
        self.view: View | None = None
        self.idling = False
        self.enabled: set[str] = set()  # "CONDSTORE", "QRESYNC", "IMAP4REV2", …
        self._bad_commands = 0
        self._handshake = False  # nothing is read until TLS has started
        self._paused = False  # a command goes on as soon as there was a pause
        self.names_numbers = False  # a `UID SEARCH` has message numbers in its keys

    # What commands and agents may know ------------------------------------------------

    @property
    def capabilities(self) -> str:
        """What stands behind CAPABILITY now (RFC 3501 §7.2.1)."""
        words = list(self.options.words)
        if self.state is State.NOT_AUTHENTICATED:
            if self.can_start_tls:
                words.append("STARTTLS")
            if self.may_log_in:
                words += [f"AUTH={name}" for name in self.options.mechanisms]
            else:
                words.append("LOGINDISABLED")
        return " ".join(words)

    @property
    def rev2(self) -> bool:
        """Does the client want IMAP4rev2 (RFC 9051 §6.3.1)?"""
        return "IMAP4REV2" in self.enabled

    @property
    def utf8(self) -> bool:
        """May names and strings be UTF-8 (RFC 6855 §3, RFC 9051 §5.1)?"""
        return self.rev2 or "UTF8=ACCEPT" in self.enabled

    @property
    def can_start_tls(self) -> bool:
        """Is STARTTLS possible now?"""
        offered = self.options.starttls and self.options.offers("STARTTLS")
        return offered and not self.tls_active

    @property
    def may_log_in(self) -> bool:
        """May a password be sent now?"""
        return self.tls_active or self.options.plain_login

    @property
    def selected(self) -> View:
        """The view of the open mailbox."""
        assert self.view is not None, "LEGAL_STATES lets nothing in before SELECT"
        return self.view

    @property
    def modseq_after_expunge(self) -> str:
        """With QRESYNC "the server MUST send" it after EXPUNGE (RFC 7162 §3.2.7)."""
        if "QRESYNC" not in self.enabled:
            return ""
        return f"HIGHESTMODSEQ {self.selected.highest_modseq}"

    # News of the open mailbox, from the agent -----------------------------------------

    def message_added(
        self, uid: int, flags: frozenset[str], *, recent: bool = False, modseq: int = 0
    ) -> None:
        """A message arrived in the open mailbox."""
        if self.view:
            self.view.added(uid, flags, recent=recent, modseq=modseq)

    def flags_changed(self, uid: int, flags: frozenset[str], modseq: int = 0) -> None:
        """Flags of a message in the open mailbox changed."""
        if self.view:
            self.view.flagged(uid, flags, modseq)

    def message_removed(self, uid: int, modseq: int = 0) -> None:
        """A message of the open mailbox was expunged."""
        if self.view:
            self.view.removed(uid, modseq)

    def mailbox_deleted(self) -> None:
        """The open mailbox is gone.

        RFC 2180 §3.3: who has it open when another session deletes it is disconnected.
        (§3.2 would keep a mailbox alive that nobody can find any more; without that,
        the numbers of the client stand for nothing.) Whoever deletes it himself is
        outside of it afterwards.
        """
        if isinstance(self._question, DeleteMailbox):
            self.view = None
            self.state = State.AUTHENTICATED
            self.say(CLOSED.to_wire())
        else:
            self.hang_up("The mailbox was deleted by another session")

    # The engine -----------------------------------------------------------------------

    def _go_on_reading(self) -> Event | None:
        """A question, `StartTLS` or `Completed`; None: more bytes are needed."""
        if self._paused and not self.closed:
            self._paused = False
            self._go_on(None)
        while not (self._events or self._handshake or self.closed):
            if not (self._read() or self._inflate()):
                break
        if self.idling and not self.closed:
            self._tell_news(expunge=True)
        event = self._events.popleft() if self._events else None
        if isinstance(event, Question):
            self._question = event
        return event

    def answer(self, answer: Answer) -> None:
        """Answer the last question. A `Status` is a refusal and ends the command."""
        if self._question is None:
            raise LocalProtocolError("no question was asked")
        self._question = None
        if isinstance(answer, Status):
            self._finish(answer)
        else:
            self._go_on(answer)

    def fail(self, answer: Status) -> None:
        """Something of ours failed: end the command, wherever it stands."""
        self._question, self._paused = None, False
        if self._command.verb and not self.closed:
            self._finish(answer)

    def tls_started(self) -> None:
        """The handshake is done. Before the first event: implicit TLS."""
        super().tls_started()
        self._handshake = False

    def time_out(self) -> None:
        """The client said nothing for 30 minutes (RFC 3501 §5.4)."""
        self._hang_up("Autologout: nothing was said for too long")

    def hang_up(self, text: str) -> None:
        """The agent ends the session, whatever is going on (RFC 3501 §7.1.5)."""
        if not self.closed:
            self._question = None
            self._hang_up(text)

    # For commands ---------------------------------------------------------------------

    def enable(self, *extensions: str) -> None:
        """Switch extensions on, because the client asked for them (RFC 5161 §3.1)."""
        news = "CONDSTORE" in extensions and "CONDSTORE" not in self.enabled
        self.enabled.update(extensions)
        if news and self.view:  # by the "first CONDSTORE enabling command" (RFC 7162)
            self.tell_highest_modseq()

    def tell_highest_modseq(self) -> None:
        """RFC 7162 §3.1.2.1."""
        modseq = self.selected.highest_modseq
        self.untagged(b"OK [HIGHESTMODSEQ %d] Highest modseq" % modseq)

    def tell_folder(
        self,
        verb: str,
        folder: Folder,
        childinfo: tuple[str, ...] = (),
        old_name: str = "",
    ) -> None:
        """Say a LIST or LSUB response (RFC 5258 §3.5, RFC 9051 §6.3.9.7)."""
        words = " ".join(folder.attributes).encode()
        name = imap.mailbox(folder.name, self.utf8)
        more = " ".join(f'"{option}"' for option in childinfo).encode()
        more = b' ("CHILDINFO" (%b))' % more if more else b""
        if old_name:
            more = b' ("OLDNAME" (%b))' % imap.mailbox(old_name, self.utf8)
        self.untagged(b'%b (%b) "/" %b%b' % (verb.encode(), words, name, more))

    def tell_real_name(self, words: Scanner, name: str, *attributes: str) -> None:
        """What a client named in another spelling is really `name` (RFC 9051 §5.1)."""
        if self.rev2 and words.old_name and name != "INBOX":
            self.tell_folder("LIST", Folder(name, attributes), (), words.old_name)

    def leave_mailbox(self, *, expunge: bool = False) -> Generator[Question, Any, None]:
        """Close the open mailbox, if there is one (for `yield from`)."""
        if self.view:
            yield CloseMailbox(expunge)
            self.view = None
            self.state = State.AUTHENTICATED

    def logged_in(self) -> Status:
        """The agent knows this user."""
        self.state = State.AUTHENTICATED
        self._lines.limit = LINE_AFTER_LOGIN
        return ok("Welcome", f"CAPABILITY {self.capabilities}")

    def _say_greeting(self, refusal: Status | None) -> None:
        if refusal:
            self._say_bye(refusal)
            return
        text = f"{self.options.hostname} IMAP server ready"
        self.say(ok(text, f"CAPABILITY {self.capabilities}").to_wire())

    # Carrying out ---------------------------------------------------------------------

    def _start(self) -> None:
        command = self._command
        handler = HANDLERS.get(command.verb)
        if handler is None or self.options.lacks(command.verb):
            self._finish(bad(f"No such command: {command.verb[:40]}"))
            return
        if self.state not in LEGAL_STATES.get(command.verb, State):
            name = self.state.name.lower().replace("_", " ")
            self._finish(bad(f"{command.verb} is not legal now ({name})"))
            return
        overruled = self.overrule(command.stage, "")
        if overruled:
            self._say_instead(overruled)
            return
        words = Scanner(bytes(command.raw), self.utf8)
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

    def _say_instead(self, overruled: Status) -> None:
        if overruled.condition == "BYE":
            self._say_bye(overruled)
        else:
            self._finish(overruled)

    def _say_bye(self, status: Status) -> None:
        """Hang up (RFC 3501 §7.1.5)."""
        bye = replace(status, condition="BYE")
        self._say(bye.to_wire(), "reply", ref=self._ref, why=bye.why)
        self.closed = True

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

    def _ask(self, step: Question | Continue | Pause) -> None:
        if not isinstance(step, Continue):
            self._paused = isinstance(step, Pause)
            self._events.append(step)
            return
        self._asked = step
        self._say(b"+ %b\r\n" % step.text, "continuation", ref=self._ref)

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
            keeps_numbers = command.verb in KEEPS_NUMBERS or self.names_numbers
            self._tell_news(expunge=not keeps_numbers)
        self.names_numbers = False
        self._say(status.to_wire(command.tag), "reply", ref=self._ref, why=status.why)
        self._events.append(Completed(command.tag, command.verb, status))
        if command.verb == "STARTTLS" and status.condition == "OK":
            self._events.append(StartTLS())
            self._handshake = True
        if command.verb == "COMPRESS" and status.condition == "OK":
            self._compress()
        if self.state is State.LOGOUT:
            self.closed = True
        self._count_bad(status)
        logs_in = command.verb in ("LOGIN", "AUTHENTICATE")
        self._login_refused = logs_in and status.condition != "OK"
        self._command = Command(bytearray())

    def _count_bad(self, status: Status) -> None:
        guessed = status.code == "AUTHENTICATIONFAILED"
        failed = guessed or status.condition == "BAD"
        self._bad_commands = self._bad_commands + 1 if failed else 0
        if self._bad_commands >= MAX_BAD_COMMANDS:
            self._hang_up(
                f"Too many {'wrong passwords' if guessed else 'bad commands'}"
            )

    def _tell_news(self, *, expunge: bool) -> None:
        for response in self.selected.news(expunge=expunge) if self.view else ():
            self.say(response)


def _refusal(error: BadSyntax | Refused) -> Status:
    if isinstance(error, BadSyntax):
        return bad(str(error))
    assert isinstance(error.reply, Status), "commands refuse with a Status"
    return error.reply
