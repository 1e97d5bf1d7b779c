"""Packets whose row in the list mentions some words.

Goes in: a list of packets, words. Comes out: a page of the packets that fit, and where
to go on.

Rule 1: a packet fits when each word stands somewhere in its row; case is nothing.
Rule 2: no more rows are made than the page needs.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from maillab.progress import watched
from maillab.trace.lines import clean
from maillab.trace.view import Table, View, plural

if TYPE_CHECKING:
    from maillab.trace.packet_list import PacketList

ROWS_AT_ONCE = 500


class PacketsFound(View):
    """`capture.find("rcpt 192.0.2.1")`.

    first    the number of the packet where the search begins
    count    how many are wanted
    numbers  what was found
    next     where the rest begins; 0 when there is no more
    """

    def __init__(
        self, packets: "PacketList", words: str, first: int, count: int
    ) -> None:
        self.packets = packets
        self.words = words
        self.first = max(1, first)
        self.count = max(1, count)
        self._reached = 0  # how many packets were looked at

    @cached_property
    def _found(self) -> list[Sequence[str]]:
        """The rows of this page, and of one packet more."""
        total = len(self.packets.packets) or 1
        with watched("Packets are searched", lambda: self._reached / total):
            return list(islice(self._fitting(), self.count + 1))

    def _fitting(self) -> Iterator[Sequence[str]]:
        words = self.words.lower().split()
        size = ROWS_AT_ONCE if words else self.count + 1
        for first in range(self.first, len(self.packets.packets) + 1, size):
            self._reached = first
            for row in self.packets.listing(first, size).table().rows:
                told = " ".join(row).lower()
                if all(word in told for word in words):
                    yield row

    @property
    def rows(self) -> list[Sequence[str]]:
        """The rows of this page."""
        return self._found[: self.count]

    @property
    def numbers(self) -> list[int]:
        """The numbers of these packets."""
        return [number_in(row) for row in self.rows]

    @property
    def next(self) -> int:
        """The number of the first packet of the next page; 0: there is none."""
        more = self._found[self.count :]
        return number_in(more[0]) if more else 0

    def describe(self) -> str:
        """One sentence."""
        more = " (there are more)" if self.next else ""
        verb = "mentions" if len(self.rows) == 1 else "mention"
        about = f" that {verb} {clean(self.words)!r}" if self.words.strip() else ""
        found = plural(len(self.rows), "packet")
        return f"{found}{about}, from number {self.first}{more}."

    def table(self) -> Table:
        """A row for each packet."""
        columns = self.packets.listing(1, 1).table().columns
        return Table(f"Packets from number {self.first}", columns, self.rows)

    def text(self) -> str:
        """All of it for a terminal."""
        return f"{self.describe()}\n\n{self.table().text()}"


def number_in(row: Sequence[str]) -> int:
    """The number of a packet, which stands first in its row.

    >>> number_in(("1,024", "0.000"))
    1024
    """
    return int(row[0].replace(",", ""))
