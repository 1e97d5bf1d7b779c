"""A mail reader with controls, which fetches as the user's mail program.

Goes in: a world, a user. Comes out: folders, letters, one letter.

Rule 1: nothing is fetched before a button is pressed or a letter is chosen: each is a
        session of its own on the network, and in the trace.
Rule 2: a letter that is opened by IMAP is read then: `\\Seen` (RFC 9051 §2.3.2).
"""

from typing import Any

from maillab.trace.lines import clean
from maillab.ui.controls import FULL, Explorer, called, choices, control, offer, row
from maillab.world.mail_reading import INBOX, MailList
from maillab.world.world import World

PROTOCOLS = ("IMAP", "POP3")
NONE = 0  # the number of no letter


class MailboxReader(Explorer):
    """`world.read_mail("bob@beta.example")`."""

    def __init__(self, world: World, user: str = "") -> None:
        super().__init__()
        self.world = world
        self._make_controls(user or next(iter(world.users), ""))
        self.on(self.user, self._change_user)
        self.on(self.protocol, self._change_user)
        self.on(self.folder, self._list)
        self.on(self.fetch, self._fetch)
        self.on(self.letters, self._open)
        self.arrange(
            row(self.user, self.protocol, self.folder, self.fetch),
            self.letters,
            row(*self.steppers(self.letters, self._open)),
            self.picture,
        )
        self.reprint()

    def _make_controls(self, user: str) -> None:
        self.user: Any = control(
            "Dropdown",
            "User",
            options=choices(list(self.world.users)),
            value=user or None,
            tooltip="Whose mail program this is",
        )
        self.protocol: Any = control(
            "Dropdown", "Protocol", options=PROTOCOLS, tooltip="How it fetches"
        )
        self.folder: Any = control(
            "Dropdown", "Folder", options=[INBOX], tooltip="The mailbox to list"
        )
        self.fetch: Any = control(
            "Button", "Fetch mail", tooltip="Connect, log in, and list the letters"
        )
        self.letters: Any = control(
            "Select",
            "Letter",
            options=[("no letter chosen", NONE)],
            rows=6,
            layout={"width": FULL},
            tooltip="The letter to open",
        )

    def refresh(self) -> None:
        """What was fetched stays; time alone fetches nothing."""
        self.reprint()
        if self.view is not None:
            self.show(self.view, self.call)

    # Fetching -------------------------------------------------------------------------

    @property
    def _where(self) -> tuple[tuple[str, ...], dict[str, str]]:
        """Folder and options, as calls take them."""
        if self.protocol.value == "POP3":
            return (), {"protocol": "POP3"}
        folder = self.folder.value
        return () if folder == INBOX else (folder,), {}

    def _change_user(self) -> None:
        """Another program: what this one shows is from somebody else."""
        self.folder.options, self.folder.value = [INBOX], INBOX
        self.folder.disabled = self.protocol.value == "POP3"
        self._offer([])

    def _fetch(self) -> None:
        user = self.user.value
        if not user:
            return
        if self.protocol.value == "IMAP":
            found = self.world.folders(user)
            self.did(called("world.folders", user))
            offer(self.folder, choices(found), INBOX)
        self._list()

    def _list(self) -> None:
        user, (folder, options) = self.user.value, self._where
        listing = self.world.list_mail(user, *folder, **options)
        self._offer(labels_of(listing))
        call = called("world.list_mail", user, *folder, **options)
        self.show(listing, call)
        self.did(call)

    def _open(self) -> None:
        number = self.letters.value
        if not number:
            return
        user, (folder, options) = self.user.value, self._where
        letter = self.world.letter(user, number, *folder, **options)
        call = called("world.letter", user, number, *folder, **options)
        self.show(letter, call)
        self.did(call)

    def _offer(self, labels: list[tuple[str, int]]) -> None:
        self.letters.options = [("no letter chosen", NONE), *labels]
        self.letters.value = NONE


def labels_of(listing: MailList) -> list[tuple[str, int]]:
    """Letters in a list, the newest first."""
    rows = [letter.row for letter in reversed(listing.letters)]
    words = (
        " ".join(filter(None, [n, new, who, what])) for n, new, who, what, *_ in rows
    )
    return list(zip(map(clean, words), reversed(listing.numbers), strict=True))
