"""The queues of a world as a page of its explorer.

Goes in: a world. Comes out: what waits at a mail server, with buttons for what an
administrator does.
"""

from typing import Any

from maillab.errors import LabError
from maillab.trace.lines import clean
from maillab.ui.controls import Explorer, called, control, offer, row
from maillab.world.world import World

NOTHING = ""  # the value when nothing waits
ACTIONS = {
    "Try now": ("retry", "Try this message, or all, at once"),
    "Hold": ("hold", "Keep this message until it is released"),
    "Release": ("release", "Let a held message go"),
    "Delete": ("delete", "Give this message up; its sender is told"),
}


class QueuesPage(Explorer):
    """One server's queue."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.server: Any = control(
            "Dropdown",
            "Server",
            options=list(world.servers),
            tooltip="The mail server whose queue is shown",
        )
        self.message: Any = control(
            "Dropdown",
            "Message",
            options=[("all", NOTHING)],
            tooltip="The message that the buttons are for",
        )
        self.buttons: dict[str, Any] = {
            name: control("Button", name, tooltip=what)
            for name, (_, what) in ACTIONS.items()
        }
        for name, (verb, _) in ACTIONS.items():
            self.on(self.buttons[name], lambda verb=verb: self._operate(verb))
        self.on(self.server, self.refresh)
        buttons = row(*self.buttons.values())
        self.arrange(row(self.server, self.message), buttons, self.picture)

    def refresh(self) -> None:
        """Draw the queue as it is now."""
        if not self.world.servers:
            return
        name = self.server.value
        entries = self.world.server(name).queue.entries
        options = [("all", NOTHING)]
        options += [
            (clean(f"{id}: {', '.join(map(str, entry.recipients))}"), id)
            for id, entry in entries.items()
        ]
        offer(self.message, options, NOTHING)
        self.show(self.world.queue(name), called("world.queue", name))

    def _operate(self, verb: str) -> None:
        name, id = self.server.value, self.message.value
        if not id and verb != "retry":
            raise LabError("Choose a message first: this is done to one at a time.")
        asked = id or "all"
        getattr(self.world.server(name).queue, verb)(asked)
        queue = f"{called('world.server', name)}.queue"
        self.did(called(f"{queue}.{verb}", asked))
        self.refresh()
