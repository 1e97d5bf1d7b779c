"""Packets in order, whether maillab derived them or read them from a file.

Goes in: packets. Comes out: a table of them, one taken apart, an explorer, scapy's.

Rule: packets are numbered from 1, as Wireshark numbers the frames of the same file.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from maillab.errors import LabError
from maillab.trace import bridges
from maillab.trace.packets import Packet

if TYPE_CHECKING:
    from maillab.trace.dissect.dissection import Dissection
    from maillab.trace.dissect.packet_search import PacketsFound
    from maillab.trace.dissect.packet_table import PacketTable
    from maillab.trace.recorder import Trace
    from maillab.trace.session import Session


class PacketList:
    """What `Capture` (derived) and `CaptureFile` (read) have in common.

    packets   IP packets with times since the capture (or the world) began; a frame that
              is none has no `data`
    epoch_ns  what to add to these times: nanoseconds since 1970
    trace     what the packets tell, as events
    """

    trace: "Trace"

    @cached_property
    def packets(self) -> Sequence[Packet]:
        """All packets, in order: number n is `packets[n - 1]`."""
        raise NotImplementedError

    @cached_property
    def sessions(self) -> "list[Session]":
        """The TCP connections in it."""
        raise NotImplementedError

    @property
    def epoch_ns(self) -> int:
        """Nanoseconds since 1970 at time 0."""
        return self.trace.epoch_ns

    def frame(self, number: int) -> bytes:
        """The octets of one frame as they stand in the file, link layer included."""
        raise NotImplementedError

    def link_of(self, number: int) -> int:
        """The link type of one frame, as pcap numbers them: 1 Ethernet, 101 raw IP."""
        raise NotImplementedError

    # Views ----------------------------------------------------------------------------

    def listing(self, first: int = 1, count: int | None = None) -> "PacketTable":
        """A row for each packet, from number `first`."""
        from maillab.trace.dissect.packet_table import PacketTable

        return PacketTable(self, first, count)

    def find(self, words: str, *, first: int = 1, count: int = 20) -> "PacketsFound":
        """Packets whose row has all these words: `count` of them, from `first` on."""
        from maillab.trace.dissect.packet_search import PacketsFound

        return PacketsFound(self, words, first, count)

    def dissect(self, number: int) -> "Dissection":
        """One packet, octet by octet, with numbered ranges that say what they are."""
        from maillab.trace.dissect.dissection import dissect_frame

        return dissect_frame(self, self.check_number(number))

    def explore(self) -> Any:
        """Packet list, details and octets, with controls (JupyterLab)."""
        return bridges.make("capture explorer", self)

    def to_scapy(self) -> Any:
        """The packets as scapy's `PacketList`, with layers for the mail protocols."""
        return bridges.make("scapy packets", self)

    def check_number(self, number: int) -> int:
        """`number`, if there is such a packet. Raises LabError."""
        if 1 <= number <= len(self.packets):
            return number
        raise LabError(
            f"packet {number}: expected a number from 1 to {len(self.packets)}"
        )
