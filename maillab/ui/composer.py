"""A form to write a letter with, and to send it as a user of a world.

Goes in: a world, a user. Comes out: the letter in the world; the server's reply.

Rule: `Send` waits until the mail servers have settled it, as `world.send` does.
"""

from dataclasses import dataclass
from typing import Any

from maillab.trace.lines import clean
from maillab.trace.view import Table, View
from maillab.ui.controls import FULL, Explorer, called, choices, column, control, row
from maillab.world.world import World

WIDTH = {"width": FULL, "max_width": "52em"}
FIELD = {"layout": WIDTH, "style": {"description_width": "4.5em"}}


@dataclass(frozen=True)
class Sent(View):
    """What became of a letter."""

    sender: str
    recipient: str
    subject: str
    reply: str

    def describe(self) -> str:
        """One sentence."""
        return clean(
            f"{self.sender} sent a letter to {self.recipient}; "
            f"the server replied: {self.reply}"
        )

    def table(self) -> Table:
        """The letter in a row."""
        cells = (self.sender, self.recipient, self.subject, self.reply)
        columns = ("from", "to", "subject", "reply")
        return Table("Sent", columns, [tuple(map(clean, cells))])

    def text(self) -> str:
        """The sentence."""
        return self.describe()


class Composer(Explorer):
    """`world.compose("alice@alpha.example")`."""

    def __init__(self, world: World, user: str = "") -> None:
        super().__init__()
        self.world = world
        self._make_controls(user or next(iter(world.users), ""))
        for one in (self.sender, self.recipient, self.subject, self.body):
            self.on(one, self.refresh)
        self.on(self.send, self._send)
        self.arrange(
            column(self.sender, self.recipient, self.subject, self.body),
            row(self.send),
            self.picture,
        )
        self.refresh()

    def _make_controls(self, user: str) -> None:
        self.sender: Any = control(
            "Dropdown",
            "From",
            options=choices(list(self.world.users)),
            value=user or None,
            **FIELD,
            tooltip="Who writes",
        )
        self.recipient: Any = control(
            "Text",
            "To",
            placeholder="bob@beta.example",
            **FIELD,
            tooltip="A mail address",
        )
        self.subject: Any = control(
            "Text", "Subject", **FIELD, tooltip="What the letter is about"
        )
        self.body: Any = control(
            "Textarea",
            "Text",
            rows=6,
            **FIELD,
            tooltip="The letter itself",
        )
        self.send: Any = control(
            "Button", "Send", tooltip="Send the letter, and wait until it is settled"
        )

    @property
    def _letter(self) -> tuple[str, str, str, str]:
        values = (self.sender, self.recipient, self.subject, self.body)
        sender, recipient, subject, body = (one.value or "" for one in values)
        return sender, recipient.strip(), subject, body

    def refresh(self) -> None:
        """Print the call that would send it."""
        self.call = called("world.send", *self._letter)
        self.reprint()
        if self.parent is not None:
            self.parent.took(self)

    def _send(self) -> None:
        sender, recipient, subject, body = self._letter
        reply = self.world.send(sender, recipient, subject, body)
        self.did(called("world.send", sender, recipient, subject, body))
        self.show(Sent(sender, recipient, subject, reply), "")
