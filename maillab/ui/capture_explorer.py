"""The packets of a capture with controls: a list in pages, one packet taken apart.

Goes in: a capture, or a file that was read. Comes out: an explorer; `.call` is the call
for the list or the packet that is shown.

Rule: only the rows of one page are made.
"""

from typing import Any

from maillab.trace.capture import Capture
from maillab.trace.dissect.packet_search import PacketsFound, number_in
from maillab.trace.lines import clean
from maillab.trace.packet_list import PacketList
from maillab.trace.view import plural
from maillab.ui.controls import FULL, Explorer, called, control, kit, row

PAGE = 20  # packets
PAGES = (10, 20, 50, 100, 200)
NONE = 0  # the number of no packet


class CaptureExplorer(Explorer):
    """`capture.explore()`.

    of  what the capture is called where it was asked for
    """

    def __init__(self, capture: PacketList, *, of: str = "") -> None:
        super().__init__()
        self.capture = capture
        self.name = of or name_of(capture)
        self._starts = [1]  # of this page and those before it
        self._next = 0  # where the next page begins
        self._make_controls()
        self.on(self.wanted, self._search)
        self.on(self.size, self._search)
        self.on(self.go, self._go)
        self.on(self.before, self._page_back)
        self.on(self.after, self._page_on)
        self.on(self.packet, self._choose)
        self.arrange(
            row(self.wanted, self.size, self.go),
            row(self.before, self.after, self.note),
            self.packet,
            row(*self.steppers(self.packet, self._choose)),
            self.picture,
        )
        self.guarded(self.refresh)

    def _make_controls(self) -> None:
        self.wanted: Any = control(
            "Text",
            "Only with",
            placeholder="smtp 192.0.2.1",
            tooltip="List only packets whose row has all these words",
        )
        self.size: Any = control(
            "Dropdown", "Page", options=PAGES, value=PAGE, tooltip="Packets on a page"
        )
        self.go: Any = control(
            "BoundedIntText",
            "Packet number",
            value=1,
            min=1,
            max=max(1, len(self.capture.packets)),
            layout={"width": "14em"},
            tooltip="Take this packet apart",
        )
        self.before: Any = control("Button", "Page back", tooltip="Earlier packets")
        self.after: Any = control("Button", "Page on", tooltip="Later packets")
        self.note: Any = kit().HTML()
        self.packet: Any = control(
            "Dropdown",  # the list itself stands below, in columns
            "Packet",
            options=[("the list", NONE)],
            layout={"width": FULL},
            tooltip="The packet to take apart",
        )

    # The list -------------------------------------------------------------------------

    def refresh(self) -> None:
        """List the page that begins at the last start."""
        first, size, words = self._starts[-1], self.size.value, self.wanted.value
        found = PacketsFound(self.capture, words, first, size)
        self._next = found.next
        self.before.disabled, self.after.disabled = (
            len(self._starts) == 1,
            not self._next,
        )
        labels = [(clean("  ".join(cells)), number_in(cells)) for cells in found.rows]
        self.packet.options = [("the list", NONE), *labels]
        self.packet.value = NONE
        total = plural(len(self.capture.packets), "packet")
        self.note.value = (
            f'<p role="status">Page {len(self._starts)}, {total} in all</p>'
        )
        if words.strip():
            call = called(f"{self.name}.find", words, first=first, count=size)
            self.show(found, call)
        else:
            call = called(f"{self.name}.listing", first, size)
            self.show(self.capture.listing(first, size), call)

    def _search(self) -> None:
        self._starts = [1]
        self.refresh()

    def _page_on(self) -> None:
        if self._next:
            self._starts.append(self._next)
            self.refresh()

    def _page_back(self) -> None:
        if len(self._starts) > 1:
            self._starts.pop()
            self.refresh()

    # One packet -----------------------------------------------------------------------

    def _choose(self) -> None:
        if self.packet.value == NONE:
            self.refresh()
        else:
            self.go.value = self.packet.value
            self._dissect(self.packet.value)

    def _go(self) -> None:
        known = [number for _, number in self.packet.options]
        if self.go.value in known:
            self.packet.value = self.go.value
        self._dissect(self.go.value)

    def _dissect(self, number: int) -> None:
        view = self.capture.dissect(number)
        self.show(view, called(f"{self.name}.dissect", number))


def name_of(capture: PacketList) -> str:
    """The call that gives a capture; what was read from a file is `capture`."""
    if not isinstance(capture, Capture):
        return "capture"
    link = {} if capture.link == "raw" else {"link": capture.link}
    left_out = not capture.log and Capture(capture.trace, capture.place).log
    log = {"log": False} if left_out else {}
    return called("world.trace.capture", capture.place, **link, **log)
