"""A running world with controls: a clock above, and a page for each part of it.

Goes in: a world. Comes out: an explorer with pages for network and rules, sessions,
mailboxes, queues, names, and for writing letters.

Rule 1: every page is an explorer of its own; all share one list of what was clicked.
Rule 2: only the page that is open is drawn: whatever changes the world redraws it.
"""

from typing import Any

from maillab.trace.view import plural
from maillab.ui.composer import Composer
from maillab.ui.controls import Explorer, called, column, control, kit, row
from maillab.ui.mailbox_reader import MailboxReader
from maillab.ui.trace_explorer import TraceExplorer
from maillab.ui.world_letters import LettersPage
from maillab.ui.world_names import NamesPage
from maillab.ui.world_network import NetworkPage
from maillab.ui.world_queues import QueuesPage
from maillab.world.world import World

PAGES = ("Network", "Sessions", "Mailboxes", "Queues", "DNS", "Write", "Letters")


class WorldExplorer(Explorer):
    """`world.explore()`.

    pages  title -> explorer
    """

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        made: tuple[Explorer, ...] = (
            NetworkPage(world),
            TraceExplorer(world.trace, of="world.trace", at_once=False),
            MailboxReader(world),
            QueuesPage(world),
            NamesPage(world),
            Composer(world),
            LettersPage(world.trace, of="world.trace"),
        )
        self.pages: dict[str, Any] = dict(zip(PAGES, made, strict=True))
        for page in self.pages.values():
            page.share(self)
        self._make_clock()
        self.tabs: Any = kit().Tab([page.widget for page in self.pages.values()])
        for at, title in enumerate(self.pages):
            self.tabs.set_title(at, title)
        self.on(self.tabs, self.refresh, "selected_index")
        buttons = (self.advance, self.step, self.settle, self.again)
        clock = column(self.clock, row(self.length, *buttons))
        self.widget.children = (clock, self._bars, self._trouble, self.tabs)
        self.tabs.selected_index = 0
        self.guarded(self.refresh)

    def _make_clock(self) -> None:
        self.clock: Any = kit().HTML()
        self.length: Any = control(
            "Text",
            "Time to pass",
            value="10 min",
            layout={"width": "14em"},
            tooltip="Seconds, or a text such as 30 min, 5 days",
        )
        self.advance: Any = control(
            "Button", "Advance", tooltip="Let this time pass in the world"
        )
        self.step: Any = control(
            "Button", "Step", tooltip="Go on until the next thing happens"
        )
        self.settle: Any = control(
            "Button", "Settle", tooltip="Go on until all mail is settled"
        )
        self.again: Any = control(
            "Button", "Refresh", tooltip="Show what other cells have done since"
        )
        self.on(self.again, self.refresh)
        self.on(self.advance, self._advance)
        self.on(self.step, self._step)
        self.on(self.settle, self._settle)

    # The clock ------------------------------------------------------------------------

    def _advance(self) -> None:
        length = self.length.value
        self.world.advance(length)
        self.did(called("world.advance", length))

    def _step(self) -> None:
        self.world.step()
        self.did("world.step()")

    def _settle(self) -> None:
        self.world.settle()
        self.did("world.settle()")

    # The pages ------------------------------------------------------------------------

    @property
    def page(self) -> Explorer:
        """The page that is open."""
        at = self.tabs.selected_index
        return list(self.pages.values())[at if at is not None else 0]

    @property
    def open_page(self) -> str:
        """Its title; set it to open another one."""
        return list(self.pages)[self.tabs.selected_index or 0]

    @open_page.setter
    def open_page(self, title: str) -> None:
        self.tabs.selected_index = list(self.pages).index(title)

    def did(self, call: str) -> None:
        """Remember what was clicked, here or on a page, and draw anew."""
        super().did(call)
        self.refresh()

    def refresh(self) -> None:
        """Draw the clock and the open page."""
        happened = plural(len(self.world.trace), "event")
        now = self.world.now.replace("+00:00", " UTC")
        self.clock.value = (
            f'<p role="status" style="margin:0"><b>{now}</b>, '
            f"{self.world.time:,.3f} s, {happened}</p>"
        )
        self.page.redraw()
        self.took(self.page)

    def text(self) -> str:
        """Clock and open page, for a terminal."""
        head = f"{self.world!r}: {self.open_page}"
        return "\n\n".join(filter(None, [head, self.trouble, self.page.text()]))

    def html(self) -> str:
        """Clock and open page, without controls."""
        return f"{self.clock.value}{self._trouble.value}{self.page.html()}"
