"""What POP3 and IMAP access share: whose mailboxes, how passwords travel, and who has
to go at once.

Goes in: a directory, and what it tells; perhaps a doorkeeper, who knows of bans.
Comes out: sessions, each with a client that may be there.

Rule: a session ends when its account is disabled or removed, or has a new password.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Protocol

from maillab.agents.faults import Faults
from maillab.agents.machine import Machine, Stream
from maillab.agents.reception_options import Secrets
from maillab.agents.serving import Security, Session, serve, tell_verdict
from maillab.policy.quota import find_limit
from maillab.policy.settings import Settings
from maillab.policy.verdict import Verdict
from maillab.protocol.sasl_exchange import FindSecret
from maillab.store.accounts import (
    Account,
    Directory,
    DirectoryBase,
    Event,
    Login,
    Stop,
)
from maillab.wire.message import message_id
from maillab.wire.sasl import Credentials, Secret, ServerSide

FAREWELLS: dict[Event, str] = {
    "disabled": "Your account was disabled",
    "removed": "Your account was removed",
    "password": "Your password was changed, log in again",
}
BANNED = Login(None, "the client is banned: nobody looks at its password")
TOO_OFTEN = "Too many wrong passwords"


class Door(Protocol):
    """Who may come in (`agents.doorkeeper.Doorkeeper`)."""

    async def admit(self, address: str, protocol: str) -> Verdict:
        """May this client have a session? If so, it counts until `leave`."""
        ...

    def leave(self, address: str, protocol: str) -> None:
        """A session that was admitted has ended."""
        ...

    def is_silent(self, verdict: Verdict) -> bool:
        """Whoever is refused by this verdict hears nothing at all."""
        ...

    def ban_of(self, address: str) -> Any:
        """The ban of a client, None when there is none."""
        ...

    def note_login(self, address: str, ok: bool) -> Any:
        """Somebody tried to log in; the ban, when this was once too often."""
        ...


class Access:
    """Serves all accounts of a directory on one machine.

    plain_login    passwords may be sent without TLS; a function: asked at each session
    faults         what shall go wrong, if anything
    door           who may connect; None: everybody. Set it before the first session
    settings       those of now; asked at each decision
    secrets        of SASL: one for all ports of a server, so that a challenge of one
                   port is never that of another
    """

    protocol = ""  # "pop3", "imap"
    door: Door | None = None
    settings: Callable[[], Settings] = Settings

    def __init__(
        self,
        machine: Machine,
        directory: Directory,
        security: Security | None = None,
        *,
        plain_login: bool | Callable[[], bool] = False,
        faults: Faults | None = None,
    ) -> None:
        self.machine = machine
        self.directory = directory
        self.security = security or Security()
        self._plain_login = plain_login
        self.faults = faults

    @property
    def plain_login(self) -> bool:
        """Passwords may be sent without TLS, in a session that begins now."""
        plain = self._plain_login
        return plain() if callable(plain) else plain

    def limit_of(self, account: Account) -> int:
        """Octets that an account may hold; 0: any number."""
        return find_limit(account.address, self.settings())[0]

    # Passwords and proofs -------------------------------------------------------------

    @cached_property
    def secrets(self) -> Secrets:
        """What makes nonces."""
        return Secrets(self.machine.random(f"SASL {self.protocol}"))

    @property
    def keeps_passwords(self) -> bool:
        """The directory has the passwords themselves: for CRAM-MD5 and APOP."""
        directory = self.directory
        return isinstance(directory, DirectoryBase) and directory.hasher.reversible

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """What a session that begins now offers; nothing that nobody could use."""
        needs_password = () if self.keeps_passwords else ("CRAM-MD5",)
        wanted = self.settings().access.mechanisms
        return tuple(name for name in wanted if name not in needs_password)

    @property
    def sasl_side(self) -> ServerSide:
        """What SASL mechanisms need of the server."""
        return ServerSide(self.machine.name, self.secrets.nonce, self.secrets.key)

    def find_secret(self, question: FindSecret) -> Secret | None:
        """The answer to a mechanism: what is stored; None for who is unknown.

        Raises DirectoryUnavailable.
        """
        return self.directory.secret_for(question.mechanism, question.user)

    # For the trace --------------------------------------------------------------------

    def tell_login(
        self, connection: str, mechanism: str, user: str, reason: str
    ) -> None:
        """Somebody tried to log in; `reason`: why it failed, "" when it did not."""
        self.machine.emit(
            "auth",
            connection,
            protocol=self.protocol.upper(),
            mechanism=mechanism,
            user=user,
            ok=not reason,
            reason=reason,
        )

    def tell_fetched(self, connection: str, content: bytes, address: str) -> None:
        """A client got this message; `address`: whose mailbox it is."""
        self.machine.emit(
            "fetched",
            connection,
            message=message_id(content),
            mailbox=address,
            protocol=self.protocol.upper(),
        )

    # Sessions -------------------------------------------------------------------------

    async def hold(self, stream: Stream, session: Session, refusal: Any) -> None:
        """Hold one session, or refuse it when the door is closed to this client."""
        door, client = self.door, stream.peer[0] if self.door else ""
        if door is None:
            await serve(self.machine, stream, session, self.security, self.faults)
            return
        verdict = await door.admit(client, self.protocol)
        if not verdict.accepted:
            text = f"{self.machine.name} refuses {client}: {verdict.reason}"
            self.machine.emit("note", stream.id, text=text)
            tell_verdict(self.machine, "connection", verdict, stream.id)
            if door.is_silent(verdict):
                stream.reset()
                return
            session.engine.refuse(refusal)
        try:
            await serve(self.machine, stream, session, self.security, self.faults)
        finally:
            if verdict.accepted:
                door.leave(client, self.protocol)

    def verify(self, stream: Stream, credentials: Credentials) -> tuple[Login, bool]:
        """May they log in? And must the client go, because it is banned (now)?

        The door hears of it; a directory out of reach is no wrong password.
        """
        door, client = self.door, stream.peer[0] if self.door else ""
        if door is not None and door.ban_of(client) is not None:
            return BANNED, True  # by another session: this one is older than the ban
        login = self.directory.verify(credentials)
        if door is None or login.temporary:
            return login, False
        ban = door.note_login(client, login.account is not None)
        return login, ban is not None

    def mind(
        self, account: Account, connection: str, end: Callable[[str], None]
    ) -> Stop:
        """Call `end`, with what to tell the client, once the account has to go."""

        def told(changed: Account, event: Event) -> None:
            if changed.address.lower() == account.address.lower():
                text = f"{self.machine.name} ends the session of {account.address}: "
                words = text + FAREWELLS[event].lower()
                self.machine.emit("note", connection, text=words)
                end(FAREWELLS[event])

        return self.directory.watch(told)
