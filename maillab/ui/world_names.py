"""The DNS of a world as a page of its explorer.

Goes in: a world. Comes out: what was asked so far; or an answer to a question of one's
own, which really travels.
"""

from typing import Any

from maillab.trace.view import View
from maillab.ui.controls import Explorer, called, control, row
from maillab.world.world import World

TYPES = ("MX", "A", "AAAA", "TXT", "NS", "SOA", "PTR", "CNAME", "SRV", "TLSA")


class NamesPage(Explorer):
    """Questions and answers."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self._answer: tuple[View, str] | None = None  # and the call that gave it
        self._make_controls()
        self.on(self.all, self._forget)
        self.on(self.ask, lambda: self._ask("dig"))
        self.on(self.walk, lambda: self._ask("dns_walk"))
        self.arrange(
            row(self.host, self.name, self.type),
            row(self.ask, self.walk, self.all),
            self.picture,
        )

    def _make_controls(self) -> None:
        desks = [user.host.name for user in self.world.users.values()]
        self.host: Any = control(
            "Dropdown",
            "Asked by",
            options=list(self.world.hosts),
            value=next(iter([*desks, *self.world.hosts]), None),
            tooltip="The computer that asks",
        )
        self.name: Any = control(
            "Text",
            "Name",
            placeholder="beta.example",
            tooltip="A domain name, or an address for its PTR record",
        )
        self.type: Any = control(
            "Dropdown", "Type", options=TYPES, tooltip="The type of record"
        )
        self.ask: Any = control(
            "Button", "Ask", tooltip="Ask as the programs of this computer ask"
        )
        self.walk: Any = control(
            "Button",
            "Walk from the root",
            tooltip="Ask server by server, from the root",
        )
        self.all: Any = control(
            "Button", "All questions so far", tooltip="What the trace knows"
        )

    def refresh(self) -> None:
        """Draw the last answer; else what was asked so far, by anybody."""
        everything = self.world.trace.dns_walk(), "world.trace.dns_walk()"
        self.show(*(self._answer or everything))

    def _forget(self) -> None:
        self._answer = None
        self.refresh()

    def _ask(self, method: str) -> None:
        name, kind, host = self.name.value.strip(), self.type.value, self.host.value
        answer = getattr(self.world, method)(name, kind, host=host)
        call = called(f"world.{method}", name, kind, host=host)
        self._answer = answer, call
        self.show(answer, call)
        self.did(call)
