"""The access agent for IMAP (RFC 5598 §4.2.4, MS): answers the engine from a directory.

Goes in: connections. Comes out: what the mailboxes of whoever logs in have to say.

Rule 1: this file decides (who logs in, what a name means); the engine speaks.
Rule 2: a session that has a mailbox open watches it, and passes every change to its
        engine at once, which tells the client when it may.
Rule 3: who loses the account loses the session, at once.
"""

from maillab.agents.access import TOO_OFTEN, Access
from maillab.agents.imap_access_mailboxes import ImapDesk, expunge_deleted
from maillab.agents.machine import Stream
from maillab.protocol import imap_server_events as ask
from maillab.protocol.engine import Event, Question
from maillab.protocol.imap_server import IMAPServer
from maillab.protocol.imap_server_options import IMAPServerOptions
from maillab.store.accounts import DirectoryUnavailable, Stop
from maillab.store.mailboxes import Change, Mailbox
from maillab.store.messages import MailboxError
from maillab.wire.imap import Status, no

AUTOLOGOUT = 30 * 60  # seconds: "at least 30 minutes" (RFC 3501 §5.4)
BEFORE_LOGIN = 3 * 60  # seconds: the RFC's time is for those who have logged in


class ImapAccess(Access):
    """IMAP for all accounts of a directory."""

    protocol = "imap"

    @property
    def options(self) -> IMAPServerOptions:
        """The options of a session that begins now."""
        reading = self.settings().reading
        return IMAPServerOptions(
            self.machine.name,
            starttls=self.security.offers_upgrade,
            plain_login=self.plain_login,
            mechanisms=self.mechanisms,
            sasl_side=self.sasl_side,
            append_limit=reading.append_limit,
            literal_minus=reading.short_literals,
            without=reading.hide,
        )

    async def serve(self, stream: Stream) -> None:
        """Hold one session, from the greeting to the end of the connection."""
        session = ImapSession(self, stream)
        await self.hold(stream, session, no("Not from here"))


class ImapSession:
    """One connection, and who is at its other end."""

    def __init__(self, service: ImapAccess, stream: Stream) -> None:
        self.service = service
        self.machine = service.machine
        self.stream = stream
        self.engine = IMAPServer(service.options)
        self.engine.tls_active = service.security.implicit
        self.address = ""
        self._desk: ImapDesk | None = None
        self._mailbox: Mailbox | None = None
        self._read_only = False
        self._banned = False
        self._unwatch: Stop | None = None
        self._unmind: Stop | None = None

    @property
    def timeout(self) -> float:
        """How long to wait for the client, in seconds."""
        return AUTOLOGOUT if self._desk else BEFORE_LOGIN

    def notice(self, event: Event) -> None:
        """The engine tells nothing that needs no answer."""

    def end(self) -> None:
        """Leave nothing behind."""
        self._leave()
        if self._unmind:
            self._unmind()

    # Answers --------------------------------------------------------------------------

    async def decide(self, question: Question) -> None:
        """Answer one question of the engine."""
        if self.engine.closed:
            return  # ended while the question was on its way
        answer = self._answer(question)
        if not self.engine.closed:  # or by the answer: the mailbox was deleted
            self.engine.answer(answer)
        if self._banned:
            self.engine.hang_up(TOO_OFTEN)

    def fail(self) -> None:
        """Something of ours failed (RFC 5530 §3)."""
        self.engine.fail(no("Internal error", "SERVERBUG"))

    def _answer(self, question: Question) -> ask.Answer:
        try:
            return self._decide(question)
        except MailboxError as error:
            code = error.code
            if code == "NONEXISTENT" and isinstance(question, _INTO_ANOTHER):
                code = "TRYCREATE"  # RFC 3501 §6.3.11, §6.4.7, RFC 8508 §3.4
            return no(str(error), code)

    def _decide(self, question: Question) -> ask.Answer:
        match question:
            case ask.FindSecret():
                return self._find_secret(question)
            case ask.LogIn():
                return self._log_in(question)
            case ask.OpenMailbox():
                return self._open(question)
            case ask.CloseMailbox():
                return self._close(question)
            case _:
                assert self._desk, "the engine asks for mailboxes after the login only"
                answer = self._desk.answer(question, self._mailbox)
                self._trace(question, answer)
                return answer

    def _find_secret(self, question: ask.FindSecret) -> ask.Answer:
        try:
            return ask.SecretFound(self.service.find_secret(question))
        except DirectoryUnavailable as error:
            reason = f"the directory cannot answer: {error}"
            return refused_login(reason, temporary=True)

    def _log_in(self, question: ask.LogIn) -> ask.Answer:
        login, self._banned = self.service.verify(self.stream, question.credentials)
        if login.account is None:
            self._tell_login(question, login.reason)
            return refused_login(login.reason, temporary=login.temporary)
        account = login.account
        self._unmind = self.service.mind(account, self.stream.id, self._expel)
        self.address = account.address
        self._desk = ImapDesk(
            account.mailboxes,
            self.machine.now,
            lambda: self.service.limit_of(account),
        )
        self._tell_login(question, "")
        return ask.Done()

    def _expel(self, text: str) -> None:
        """The account is gone for this user: so is the session."""
        self._leave()
        self.engine.hang_up(text)
        self.stream.interrupt()

    def _tell_login(self, question: ask.LogIn, reason: str) -> None:
        user = question.credentials.user
        self.service.tell_login(self.stream.id, question.mechanism, user, reason)

    def _open(self, question: ask.OpenMailbox) -> ask.Answer:
        assert self._desk
        mailbox, folder = self._desk.open(question.name)
        recent = mailbox.recent if question.read_only else mailbox.claim_recent()
        messages = mailbox.messages
        self._mailbox, self._read_only = mailbox, question.read_only
        self._unwatch = mailbox.watch(self._pass_on)
        return ask.Opened(
            mailbox.uid_validity,
            mailbox.uid_next,
            {message.uid: message.flags for message in messages},
            recent,
            {message.uid: message.modseq for message in messages},
            mailbox.highest_modseq,
            mailbox.mailbox_id,
            folder,
        )

    def _close(self, question: ask.CloseMailbox) -> ask.Answer:
        if question.expunge and self._mailbox:
            expunge_deleted(self._mailbox, self._mailbox.uids)
        self._leave()
        return ask.Done()

    def _leave(self) -> None:
        if self._unwatch:
            self._unwatch()
        self._unwatch = self._mailbox = None

    def _pass_on(self, change: Change) -> None:
        """Tell the engine what happened to the open mailbox."""
        uid, modseq = change.uid, change.modseq
        match change.what:
            case "added":
                mine = self._claim(uid)
                self.engine.message_added(uid, change.flags, recent=mine, modseq=modseq)
            case "flags":
                self.engine.flags_changed(uid, change.flags, modseq)
            case "removed":
                self.engine.message_removed(uid, modseq)
            case _:
                self._leave()
                self.engine.mailbox_deleted()
        if self.engine.idling or self.engine.closed:
            self.stream.interrupt()

    def _claim(self, uid: int) -> bool:
        """Is the new message \\Recent for this session? The first to be told has it."""
        mailbox = self._mailbox
        if mailbox is None or uid not in mailbox.recent:
            return False
        if not self._read_only:
            mailbox.claim_recent()
        return True

    def _trace(self, question: Question, answer: ask.Answer) -> None:
        if not isinstance(question, ask.ReadMessages) or not question.delivered:
            return
        if isinstance(answer, ask.Messages) and self._mailbox:
            for data in answer.messages:
                self.service.tell_fetched(self.stream.id, data.content, self.address)


def refused_login(reason: str, *, temporary: bool) -> Status:
    """What a client hears (RFC 5530 §3); `reason` is for the trace."""
    if temporary:
        return no("Logins fail at the moment", "UNAVAILABLE", reason)
    return no("User name or password is wrong", "AUTHENTICATIONFAILED", reason)


_INTO_ANOTHER = (ask.AppendMessages, ask.CopyMessages, ask.ReplaceMessage)
