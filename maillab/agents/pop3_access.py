"""The access agent for POP3 (RFC 5598 §4.2.4, MS): a user's INBOX as a maildrop.

Goes in: connections. Comes out: messages, and an INBOX without those that were deleted.

Rule 1: one session at a time has a maildrop (RFC 1939 §4: an exclusive-access lock).
Rule 2: what is deleted goes when the client says QUIT, and only then (RFC 1939 §6).
"""

import ssl
from typing import Protocol

from maillab.agents.conversation import Conversation
from maillab.agents.machine import Machine, Stream
from maillab.agents.serving import answer, start_tls
from maillab.protocol.engine import Question, StartTLS
from maillab.protocol.pop3_server import POP3Server
from maillab.protocol.pop3_server_events import (
    DropMessage,
    Login,
    POP3ServerOptions,
    Retrieved,
    Update,
)
from maillab.store.mailboxes import Mailbox, MailboxTree
from maillab.wire.message import message_id
from maillab.wire.pop3 import Reply

AUTOLOGOUT = 10 * 60  # seconds: "at least 10 minutes' duration" (RFC 1939 §3)


class AccountLike(Protocol):
    """What this agent needs of an account."""

    @property
    def address(self) -> str:
        """The mail address."""
        ...

    @property
    def mailboxes(self) -> MailboxTree:
        """The user's mailboxes."""
        ...


class DirectoryLike(Protocol):
    """Who may log in."""

    def verify(self, login: str, password: str) -> AccountLike | None:
        """The account, or None when the login or the password is wrong."""
        ...


class Pop3Access:
    """Serves all accounts of a directory on one machine.

    implicit_tls   the TLS handshake comes first (port 995, RFC 8314 §3.2)
    plain_login    passwords may be sent without TLS
    locked         the addresses whose maildrop is open
    """

    def __init__(
        self,
        machine: Machine,
        directory: DirectoryLike,
        tls_context: ssl.SSLContext | None = None,
        *,
        implicit_tls: bool = False,
        plain_login: bool = False,
    ) -> None:
        self.machine = machine
        self.directory = directory
        self.tls_context = tls_context
        self.implicit_tls = implicit_tls
        self.locked: set[str] = set()
        self.options = POP3ServerOptions(
            machine.name,
            starttls=tls_context is not None and not implicit_tls,
            login_needs_tls=not plain_login,
        )

    async def serve(self, stream: Stream) -> None:
        """Hold one session, from the greeting to the end of the connection."""
        session = Pop3Session(self, stream)
        try:
            await session.run()
        except OSError:  # the network ended it; the trace has seen how
            stream.abort()
        else:
            await stream.close()
        finally:
            session.release()


class Pop3Session:
    """One connection, and who is at its other end."""

    def __init__(self, service: Pop3Access, stream: Stream) -> None:
        self.service = service
        self.machine = service.machine
        self.stream = stream
        self.engine = POP3Server(service.options, implicit_tls=service.implicit_tls)
        self.conversation = Conversation(service.machine, stream, self.engine)
        self.address = ""  # of whoever has the lock
        self._inbox: Mailbox | None = None

    async def run(self) -> None:
        """Answer until the session is over."""
        context = self.service.tls_context
        if self.service.implicit_tls and context is not None:
            await self.stream.start_tls(context, server_side=True)
        next_event = self.conversation.next_event
        while (event := await next_event(AUTOLOGOUT)) is not None:
            if isinstance(event, StartTLS):
                await start_tls(self.conversation, context)
            elif isinstance(event, Question):
                await answer(self.conversation, self, event)
            elif isinstance(event, Retrieved):
                self._note_fetched(event.message)

    async def decide(self, question: Question) -> None:
        """Answer one question of the engine."""
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

    def release(self) -> None:
        """Let others open the maildrop."""
        self.service.locked.discard(self.address)
        self.address = ""

    def _log_in(self, question: Login) -> None:
        account = self.service.directory.verify(question.user, question.password)
        if account is None or question.authzid not in ("", question.user):
            why = "wrong user name or password, or authzid differs from the user"
            self._refuse(question, Reply(False, "Wrong login", "AUTH", why=why))
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

    def _open(self, account: AccountLike) -> None:
        inbox = self._inbox = account.mailboxes.inbox
        self.address = account.address
        self.service.locked.add(self.address)
        unique = f"{inbox.uid_validity}.{{}}"  # as long as the message is there
        self.engine.open_maildrop(
            [DropMessage(unique.format(m.uid), m.content) for m in inbox.messages]
        )

    def _update(self, deleted: tuple[str, ...]) -> None:
        if self._inbox is not None:
            self._inbox.expunge(int(name.partition(".")[2]) for name in deleted)
        self.release()
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
