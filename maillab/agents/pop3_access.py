"""The access agent for POP3 (RFC 5598 §4.2.4, MS): a user's INBOX as a maildrop.

Goes in: connections. Comes out: messages, and an INBOX without those that were deleted.

Rule 1: one session at a time has a maildrop (RFC 1939 §4: an exclusive-access lock).
Rule 2: what is deleted goes when the client says QUIT, and only then (RFC 1939 §6): all
        of it, or nothing.
Rule 3: who loses the account loses the session, at once, and deletes nothing more.
Rule 4: octets are read when they are asked for. The lock does not bind IMAP: what an
        IMAP session has expunged meanwhile cannot be had any more. Its number stays,
        and RETR says that it is gone. (To keep the octets until QUIT would hold files
        that their owner has removed, and give them to him as if they were there.)
"""

import hmac
from datetime import timedelta
from math import ceil

from maillab.agents.access import TOO_OFTEN, Access
from maillab.agents.machine import Stream
from maillab.agents.pop3_locks import LOCKS
from maillab.policy.recipients import same_address
from maillab.policy.settings import Reading
from maillab.protocol.engine import Event, Question
from maillab.protocol.pop3_server import POP3Server
from maillab.protocol.pop3_server_events import (
    DropMessage,
    FindSecret,
    Login,
    POP3ServerOptions,
    ProveLogin,
    ReadMessage,
    Retrieved,
    Update,
)
from maillab.store.accounts import Account, DirectoryUnavailable, Stop
from maillab.store.mailboxes import Mailbox
from maillab.store.messages import MailboxError, StoredMessage
from maillab.wire.pop3 import Reply, apop_digest
from maillab.wire.sasl import Credentials

AUTOLOGOUT = 10 * 60  # seconds: "at least 10 minutes' duration" (RFC 1939 §3)
# deviation: RFC 1939 §3 knows one timer; strangers need not stay that long.
BEFORE_LOGIN = 3 * 60

UNAVAILABLE = "Logins fail at the moment, try again later"
NOT_REMOVED = "some deleted messages not removed"  # RFC 1939 §6


class Pop3Access(Access):
    """POP3 for all accounts of a directory."""

    protocol = "pop3"

    @property
    def options(self) -> POP3ServerOptions:
        """What an engine offers here, in a session that begins now."""
        reading = self.settings().reading
        delays = {reading.login_delay, *(one.seconds for one in reading.login_delays)}
        return POP3ServerOptions(
            self.machine.name,
            starttls=self.security.offers_upgrade,
            mechanisms=self.mechanisms,
            login_needs_tls=not self.plain_login,
            timestamp=self._timestamp(),
            sasl_side=self.sasl_side,
            expire=days_of(reading),
            login_delay=ceil(max(delays)),
            delay_differs=len(delays) > 1,
        )

    def _timestamp(self) -> str:
        """Only who has the passwords themselves can check APOP (RFC 1939 §13)."""
        if not self.keeps_passwords:
            return ""
        return f"<{self.secrets.nonce()}@{self.machine.name}>"

    def delay_of(self, account: Account) -> int:
        """Seconds between two logins of this user."""
        reading = self.settings().reading
        for one in reading.login_delays:
            if same_address(one.address) == same_address(account.address):
                return ceil(one.seconds)
        return ceil(reading.login_delay)

    async def serve(self, stream: Stream) -> None:
        """Hold one session, from the greeting to the end of the connection."""
        session = Pop3Session(self, stream)
        await self.hold(stream, session, Reply(False, "Not from here", "SYS/PERM"))


def days_of(reading: Reading) -> int | None:
    """After how many days mail goes; None: never."""
    return None if reading.expire_days == "never" else reading.expire_days


class Pop3Session:
    """One connection, and who is at its other end."""

    def __init__(self, service: Pop3Access, stream: Stream) -> None:
        self.service = service
        self.machine = service.machine
        self.stream = stream
        implicit = service.security.implicit
        self.engine = POP3Server(service.options, implicit_tls=implicit)
        self.address = ""  # of whoever has the lock
        self._inbox: Mailbox | None = None
        self._unmind: Stop | None = None

    @property
    def timeout(self) -> float:
        """How long to wait for the client, in seconds."""
        return AUTOLOGOUT if self.address else BEFORE_LOGIN

    async def decide(self, question: Question) -> None:
        """Answer one question of the engine."""
        if self.engine.closed:
            return  # the session was ended while the question was on its way
        match question:
            case Login(mechanism, credentials):
                self._log_in(mechanism, credentials)
            case ProveLogin():
                self._prove(question)
            case FindSecret():
                self._give_secret(question)
            case ReadMessage():
                self._read(question)
            case Update():
                self._update(question)
            case _:
                raise TypeError(f"no answer to {question}")

    def fail(self) -> None:
        """Something of ours failed: the client may try again later (RFC 3206 §4)."""
        self.engine.answer(Reply(False, "Local error, try again later", "SYS/TEMP"))

    def notice(self, event: Event) -> None:
        """Tell the trace what was fetched."""
        if isinstance(event, Retrieved):
            self.service.tell_fetched(self.stream.id, event.content, self.address)

    def end(self) -> None:
        """Let others open the maildrop."""
        if self._unmind:
            self._unmind()
        if self._inbox is not None:
            LOCKS.release(self._inbox)
        self._inbox, self.address = None, ""

    # Logging in -----------------------------------------------------------------------

    def _give_secret(self, question: FindSecret) -> None:
        try:
            self.engine.give_secret(self.service.find_secret(question))
        except DirectoryUnavailable as error:
            self._refuse_now(question.mechanism, question.user, str(error))

    def _prove(self, question: ProveLogin) -> None:
        """APOP (RFC 1939 §7): CRAM-MD5 needs the same secret."""
        try:
            secret = self.service.directory.secret_for("CRAM-MD5", question.user)
        except DirectoryUnavailable as error:
            self._refuse_now("APOP", question.user, str(error))
            return
        known = secret if isinstance(secret, str) else None
        try:
            digest = apop_digest(question.timestamp, known or "")
        except ValueError:  # such a password cannot be proved
            known, digest = None, ""
        same = hmac.compare_digest(digest, question.digest)
        proven = same and known is not None
        self._log_in("APOP", Credentials("", question.user, proven=proven))

    def _log_in(self, mechanism: str, credentials: Credentials) -> None:
        login, banned = self.service.verify(self.stream, credentials)
        account, user = login.account, credentials.user
        if login.temporary:
            self._refuse_now(mechanism, user, login.reason)
        elif account is None:
            refusal = Reply(False, "Wrong login", "AUTH", why=login.reason)
            self._refuse(mechanism, user, refusal)
            if banned:
                self.engine.hang_up(Reply(False, TOO_OFTEN, "SYS/PERM"))
        elif refused := self._open(account):
            self._refuse(mechanism, user, refused)
        else:
            self._tell_login(mechanism, user, "")
            self.engine.open_maildrop(self._snapshot(), self.service.delay_of(account))

    def _refuse_now(self, mechanism: str, user: str, reason: str) -> None:
        """The directory is out of reach (RFC 3206 §4)."""
        refusal = Reply(False, UNAVAILABLE, "SYS/TEMP", why=reason)
        self._refuse(mechanism, user, refusal)

    def _refuse(self, mechanism: str, user: str, reply: Reply) -> None:
        self._tell_login(mechanism, user, reply.why)
        self.engine.answer(reply)

    def _open(self, account: Account) -> Reply | None:
        """Lock the maildrop, or say why not."""
        try:
            account.mailboxes.refresh()
            inbox = account.mailboxes.inbox
            inbox.size  # noqa: B018  (a damaged one must not stay locked)
        except MailboxError as error:
            why = str(error)
            return Reply(False, "The maildrop cannot be read", "SYS/TEMP", why=why)
        delay, now = self.service.delay_of(account), self.machine.time()
        wait = LOCKS.wait(inbox, now, delay)
        if wait:
            why = "this user has logged in just now (RFC 2449 §8.1.1)"
            return Reply(False, f"Wait {ceil(wait)} s", "LOGIN-DELAY", why=why)
        if not LOCKS.take(inbox):
            why = "another session has the lock (RFC 1939 §4)"
            return Reply(False, "Maildrop is in use", "IN-USE", why=why)
        LOCKS.note_login(inbox, now)
        self._inbox, self.address = inbox, account.address
        self._unmind = self.service.mind(account, self.stream.id, self._expel)
        return None

    def _expel(self, text: str) -> None:
        """The account is gone for this user: so is the session (RFC 3206 §4)."""
        self.engine.hang_up(Reply(False, text, "SYS/PERM"))
        self.stream.interrupt()

    # Messages -------------------------------------------------------------------------

    def _snapshot(self) -> list[DropMessage]:
        assert self._inbox is not None, "it is locked"
        messages = self._inbox.messages
        return [DropMessage(self._name(one), one.size) for one in messages]

    def _name(self, message: StoredMessage) -> str:
        """The same as long as the message is there (RFC 1939 §7, UIDL)."""
        assert self._inbox is not None, "it is locked"
        return f"{self._inbox.uid_validity}.{message.uid}"

    def _read(self, question: ReadMessage) -> None:
        assert self._inbox is not None, "it is locked"
        message = self._inbox.get(uid_of(question.unique_id))
        if message is None:
            self.engine.answer(Reply(False, "Another program has removed it"))
            return
        blob = message.blob
        try:
            octets = blob.read_header() if question.need == "header" else blob.read()
        except MailboxError as error:
            text = "The message cannot be read now"
            self.engine.answer(Reply(False, text, "SYS/TEMP", why=str(error)))
        else:
            self.engine.give_message(octets)

    def _update(self, question: Update) -> None:
        assert self._inbox is not None, "it is locked"
        uids = {uid_of(name) for name in question.deleted}
        try:
            self._inbox.expunge(uids | self._expired(self._inbox, question.retrieved))
        except MailboxError as error:
            self.engine.answer(Reply(False, NOT_REMOVED, "SYS/TEMP", why=str(error)))
        else:
            text = f"{self.machine.name} signing off, {len(uids)} messages deleted"
            self.engine.answer(Reply(True, text))
        self.end()

    def _expired(self, inbox: Mailbox, retrieved: frozenset[str]) -> set[int]:
        """What nobody has deleted, and does not stay (RFC 2449 §6.7)."""
        days = days_of(self.service.settings().reading)
        if days is None:
            return set()
        if days == 0:
            return {uid_of(name) for name in retrieved}
        oldest = self.machine.now() - timedelta(days=days)
        ages = ((one.save_date or one.internal_date, one.uid) for one in inbox.messages)
        return {uid for since, uid in ages if since < oldest}

    def _tell_login(self, mechanism: str, user: str, reason: str) -> None:
        self.service.tell_login(self.stream.id, mechanism, user, reason)


def uid_of(unique_id: str) -> int:
    """The UID of a message, from its unique-id.

    >>> uid_of("1.27")
    27
    """
    return int(unique_id.rpartition(".")[2])
