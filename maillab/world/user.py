"""A person in a world, at a computer, with a mail program."""

from typing import TYPE_CHECKING

from maillab.agents.mua import MUA, MailSettings
from maillab.agents.mua_reading import read_by_imap, read_by_pop3
from maillab.net.host import Host
from maillab.store.accounts import Account
from maillab.store.mailboxes import Mailbox
from maillab.world.choices import pick
from maillab.world.scenario import UserTable
from maillab.world.servers import MailServer

if TYPE_CHECKING:
    from maillab.world.world import World


class User:
    """Somebody who sends and reads mail.

    password   what this person types. The server has it hashed only, and in a world
               nothing is secret from its instructor.
    """

    def __init__(
        self,
        world: "World",
        account: Account,
        table: UserTable,
        host: Host,
        server: MailServer,
    ) -> None:
        self._world = world
        self.account = account
        self.name = table.name
        self.password = table.password
        self.host = host
        self.server = server
        self._message_ids = host.random(f"message ids of {account.address}")

    @property
    def address(self) -> str:
        """The mail address, which is also the login."""
        return self.account.address

    @property
    def local_part(self) -> str:
        """What stands before the @."""
        return self.account.local_part

    @property
    def inbox(self) -> Mailbox:
        """The INBOX, as it lies on the server."""
        return self.account.mailboxes.inbox

    @property
    def mua(self) -> MUA:
        """This person's mail program, set up as the account is now."""
        server = self.server
        settings = MailSettings(
            self.address,
            self.address,
            self.password,
            server.name,
            self.name,
            allow_plain=server.plain_login,
        )
        ca = self._world.ca
        tls = ca.client_context(self.host.name) if server.tls is not None else None
        return MUA(self.host, settings, tls, self._message_ids)

    def set_password(self, password: str) -> None:
        """Choose a new password: the server takes it, and mail programs know it."""
        self.server.directory.set_password(self.address, password)
        self.password = password

    def send(self, recipients: str | list[str], subject: str, text: str = "") -> str:
        """Write a letter and submit it. Returns the server's reply.

        Raises LabError when the server refuses it.
        """
        to = [recipients] if isinstance(recipients, str) else recipients
        mua = self.mua
        content = mua.compose(to, subject, text)
        reply = self._world.run(mua.submit(content, to), on=self.host)
        return str(reply)

    def read(self, protocol: str = "IMAP") -> list[bytes]:
        """Fetch all letters in the INBOX by "IMAP" or "POP3". Raises LabError."""
        readers = {"IMAP": read_by_imap, "POP3": read_by_pop3}
        reader = pick(protocol.upper(), readers, "protocol")
        mua = self.mua
        letters = self._world.run(
            reader(self.host, mua.settings, mua.tls), on=self.host
        )
        self._world.settle()
        return letters

    def __repr__(self) -> str:
        return f"<User {self.address} at {self.host.name}>"
