"""What POP3 and IMAP access share: whose mailboxes, how passwords travel, and who has
to go at once.

Goes in: a directory, and what it tells; perhaps a doorkeeper, who knows of bans. Comes
out: sessions that end when their account is disabled or removed, or has a new password.
"""

from collections.abc import Callable
from typing import Any, Protocol

from maillab.agents.faults import Faults
from maillab.agents.machine import Machine, Stream
from maillab.agents.serving import Security, Session, serve
from maillab.policy.verdict import Verdict
from maillab.store.accounts import Account, Directory, Event, Login, Stop

FAREWELLS: dict[Event, str] = {
    "disabled": "Your account was disabled",
    "removed": "Your account was removed",
    "password": "Your password was changed, log in again",
}


class Door(Protocol):
    """Who may come in (`agents.doorkeeper.Doorkeeper`)."""

    async def admit(self, address: str, protocol: str) -> Verdict:
        """May this client have a session? If so, it counts until `leave`."""
        ...

    def leave(self, address: str, protocol: str) -> None:
        """A session that was admitted has ended."""
        ...

    def note_login(self, address: str, ok: bool, user: str) -> Any:
        """Somebody tried to log in."""
        ...


class Access:
    """Serves all accounts of a directory on one machine.

    plain_login    passwords may be sent without TLS
    faults         what shall go wrong, if anything
    door           who may connect; None: everybody. Set it before the first session
    """

    protocol = ""  # "pop3", "imap"
    door: Door | None = None

    def __init__(
        self,
        machine: Machine,
        directory: Directory,
        security: Security | None = None,
        *,
        plain_login: bool = False,
        faults: Faults | None = None,
    ) -> None:
        self.machine = machine
        self.directory = directory
        self.security = security or Security()
        self.plain_login = plain_login
        self.faults = faults

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
            session.engine.refuse(refusal)
        try:
            await serve(self.machine, stream, session, self.security, self.faults)
        finally:
            if verdict.accepted:
                door.leave(client, self.protocol)

    def note_login(self, stream: Stream, user: str, login: Login) -> None:
        """Let the door know; a directory out of reach is no wrong password."""
        if self.door is not None and not login.temporary:
            self.door.note_login(stream.peer[0], login.account is not None, user)

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
