"""The access agent for POP3 (RFC 5598 §4.2.4, MS): a user's INBOX as a maildrop.

Goes in: connections. Comes out: messages, and an INBOX without those that were deleted.

Rule 1: one session at a time has a maildrop (RFC 1939 §4: an exclusive-access lock).
Rule 2: what is deleted goes when the client says QUIT, and only then (RFC 1939 §6).
Rule 3: who loses the account loses the session, at once, and deletes nothing more.
"""

from functools import cached_property

from maillab.agents.access import TOO_OFTEN, Access
from maillab.agents.machine import Stream
from maillab.protocol.engine import Event, Question
from maillab.protocol.pop3_server import POP3Server
from maillab.protocol.pop3_server_events import (
    DropMessage,
    Login,
    POP3ServerOptions,
    Retrieved,
    Update,
)
from maillab.store.accounts import Account, Stop
from maillab.store.mailboxes import Mailbox
from maillab.wire.message import message_id
from maillab.wire.pop3 import Reply
from maillab.wire.sasl import Credentials

AUTOLOGOUT = 10 * 60  # seconds: "at least 10 minutes' duration" (RFC 1939 §3)


class Pop3Access(Access):
    """POP3 for all accounts of a directory."""

    protocol = "pop3"

    @cached_property
    def locked(self) -> set[str]:
        """The addresses whose maildrop is open."""
        return set()

    @property
    def options(self) -> POP3ServerOptions:
        """What an engine offers here."""
        return POP3ServerOptions(
            self.machine.name,
            starttls=self.security.offers_upgrade,
            login_needs_tls=not self.plain_login,
        )

    async def serve(self, stream: Stream) -> None:
        """Hold one session, from the greeting to the end of the connection."""
        session = Pop3Session(self, stream)
        await self.hold(stream, session, Reply(False, "Not from here", "SYS/PERM"))


class Pop3Session:
    """One connection, and who is at its other end."""

    timeout = AUTOLOGOUT

    def __init__(self, service: Pop3Access, stream: Stream) -> None:
        self.service = service
        self.machine = service.machine
        self.stream = stream
        implicit = service.security.implicit
        self.engine = POP3Server(service.options, implicit_tls=implicit)
        self.address = ""  # of whoever has the lock
        self._inbox: Mailbox | None = None
        self._unmind: Stop | None = None

    async def decide(self, question: Question) -> None:
        """Answer one question of the engine."""
        if self.engine.closed:
            return  # the session was ended while the question was on its way
        match question:
            case Login():
                self._log_in(question)
            case Update(deleted):
                self._update(deleted)
            case _:
                raise TypeError(f"no answer to {question}")

    def fail(self) -> None:
        """Something of ours failed: the client may try again later (RFC 3206 §4)."""
        self.engine.answer(Reply(False, "Local error, try again later", "SYS/TEMP"))

    def notice(self, event: Event) -> None:
        """Tell the trace what was fetched."""
        if isinstance(event, Retrieved):
            self._note_fetched(event.message)

    def end(self) -> None:
        """Let others open the maildrop."""
        if self._unmind:
            self._unmind()
        self.service.locked.discard(self.address)
        self.address = ""

    def _log_in(self, question: Login) -> None:
        credentials = Credentials(question.authzid, question.user, question.password)
        login, banned = self.service.verify(self.stream, credentials)
        account = login.account
        if login.temporary:  # RFC 3206 §4
            text = "Logins fail at the moment, try again later"
            self._refuse(question, Reply(False, text, "SYS/TEMP", why=login.reason))
        elif account is None:
            refusal = Reply(False, "Wrong login", "AUTH", why=login.reason)
            self._refuse(question, refusal)
            if banned:
                self.engine.hang_up(Reply(False, TOO_OFTEN, "SYS/PERM"))
        elif account.address in self.service.locked:
            why = "another session has the lock (RFC 1939 §4)"
            locked = Reply(False, "Maildrop is in use", "IN-USE", why=why)
            self._refuse(question, locked)
        else:
            self._note_login(question, "")
            self._open(account)

    def _refuse(self, question: Login, reply: Reply) -> None:
        self._note_login(question, reply.why)
        self.engine.answer(reply)

    def _open(self, account: Account) -> None:
        inbox = self._inbox = account.mailboxes.inbox
        self.address = account.address
        self.service.locked.add(self.address)
        self._unmind = self.service.mind(account, self.stream.id, self._expel)
        unique = f"{inbox.uid_validity}.{{}}"  # as long as the message is there
        self.engine.open_maildrop(
            [DropMessage(unique.format(m.uid), m.content) for m in inbox.messages]
        )

    def _expel(self, text: str) -> None:
        """The account is gone for this user: so is the session (RFC 3206 §4)."""
        self.engine.hang_up(Reply(False, text, "SYS/PERM"))
        self.stream.interrupt()

    def _update(self, deleted: tuple[str, ...]) -> None:
        if self._inbox is not None:
            self._inbox.expunge(int(name.partition(".")[2]) for name in deleted)
        self.end()
        text = f"{self.machine.name} signing off, {len(deleted)} messages deleted"
        self.engine.answer(Reply(True, text))

    # For the trace --------------------------------------------------------------------

    def _note_login(self, question: Login, reason: str) -> None:
        self.machine.emit(
            "auth",
            self.stream.id,
            protocol="POP3",
            mechanism=question.mechanism or "USER/PASS",
            user=question.user,
            ok=not reason,
            reason=reason,
        )

    def _note_fetched(self, message: DropMessage) -> None:
        self.machine.emit(
            "fetched",
            self.stream.id,
            message=message_id(message.content),
            mailbox=self.address,
            protocol="POP3",
        )
