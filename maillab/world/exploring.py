"""Looking into a world by hand: explorers, mail as a user sees it, single steps.

Goes in: the calls of notebooks. Comes out: views; explorers that `maillab.ui` makes.

Rule: whatever an explorer shows or does, a call here or elsewhere does, too.
"""

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from maillab.errors import LabError
from maillab.net.driver import Driver
from maillab.net.host import Host
from maillab.net.sockets import WorldLoop
from maillab.trace import bridges
from maillab.trace.recorder import Trace
from maillab.world.choices import pick
from maillab.world.duration import seconds_of
from maillab.world.mail_reading import (
    INBOX,
    Letter,
    MailList,
    folders_by_imap,
    letter_by_imap,
    letter_by_pop3,
    list_by_imap,
    list_by_pop3,
)

if TYPE_CHECKING:
    from maillab.world.user import User

Result = TypeVar("Result")
SHORTEST = 1e-9  # seconds: what two times may differ by when they are added


class Exploring:
    """The part of a `World` that is about looking around in it."""

    loop: WorldLoop
    driver: Driver
    trace: Trace

    if TYPE_CHECKING:

        @property
        def time(self) -> float:
            """`World.time`."""
            ...

        def user(self, name: str) -> User:
            """`World.user`."""
            ...

        def run(
            self, coroutine: Coroutine[Any, Any, Result], *, on: str | Host = ""
        ) -> Result:
            """`World.run`."""
            ...

        def settle(self, at_most: float | str = "10 min") -> None:
            """`World.settle`."""
            ...

    # With controls --------------------------------------------------------------------

    def explore(self) -> Any:
        """All of this world with controls (JupyterLab)."""
        return bridges.make("world explorer", self)

    def read_mail(self, user: str = "") -> Any:
        """A mail reader, which fetches as this user's mail program (JupyterLab)."""
        return bridges.make("mailbox reader", self, self._address(user))

    def compose(self, user: str = "") -> Any:
        """A form to write and send a letter with (JupyterLab)."""
        return bridges.make("composer", self, self._address(user))

    def _address(self, user: str) -> str:
        return self.user(user).address if user else ""

    # Mail as a user sees it -----------------------------------------------------------

    def folders(self, user: str) -> list[str]:
        """The mailboxes of a user, asked for by IMAP. Raises LabError, OSError."""
        person = self.user(user)
        found = self.run(folders_by_imap(person), on=person.host)
        self.settle()
        return [folder.name for folder in found if folder.selectable]

    def list_mail(
        self, user: str, folder: str = INBOX, *, protocol: str = "IMAP"
    ) -> MailList:
        """The letters in a mailbox, fetched as this user's mail program would.

        By POP3 there is one mailbox only. Raises LabError, OSError.
        """
        person, by_imap = self.user(user), is_imap(protocol)
        listing = list_by_imap(person, folder) if by_imap else list_by_pop3(person)
        letters = self.run(listing, on=person.host)
        self.settle()
        return MailList(person, folder, protocol.upper(), letters)

    def letter(
        self, user: str, number: int, folder: str = INBOX, *, protocol: str = "IMAP"
    ) -> Letter:
        """One letter, fetched as this user's mail program would: then it is read.

        `number` as `list_mail` has it. Raises LabError, OSError.
        """
        person, by_imap = self.user(user), is_imap(protocol)
        fetching = (
            letter_by_imap(person, folder, number)
            if by_imap
            else letter_by_pop3(person, number)
        )
        content = self.run(fetching, on=person.host)
        self.settle()
        return Letter(person, number, content)

    # Time -----------------------------------------------------------------------------

    def step(self, at_most: float | str = "1 day") -> None:
        """Let time pass until the next thing happens that the trace tells.

        Raises LabError in a live world: its clock goes by itself.
        """
        if self.loop.live:
            raise LabError("a live world goes by itself: close it to step through time")
        end, before = self.time + seconds_of(at_most), len(self.trace)
        while len(self.trace) == before and self.time < end:
            when = self.loop.next_timer()
            if when is None:  # nothing will ever happen by itself
                self.driver.advance(0)
                return
            self.driver.advance(max(min(when, end) - self.time, SHORTEST))


def is_imap(protocol: str) -> bool:
    """IMAP, or POP3. Raises LabError."""
    return pick(protocol.upper(), {"IMAP": True, "POP3": False}, "protocol")
