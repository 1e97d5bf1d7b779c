"""Packets for scapy: those of a capture, and those that pass a place of a world.

Goes in: a packet list, or a running world. Comes out: scapy's packets, with the times
of the capture, comments, and layers for the mail protocols.

Rule 1: scapy is loaded when somebody asks for its packets, not before.
Rule 2: sniffing changes nothing but the time: a world goes on while one waits.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from maillab.errors import LabError
from maillab.trace.dissect.link import RAW
from maillab.trace.packet_list import PacketList
from maillab.trace.packets import Packet
from maillab.trace.vantage import SIDES_OF_A_GATEWAY
from maillab.ui.scapy_layers import layers

_NS = 1_000_000_000
STEP = 0.05  # seconds that a world goes on at a time
_JOURNAL = b"__"  # how an entry of a journal begins
Chosen = Callable[[Any], bool]


def to_scapy(packets: PacketList) -> Any:
    """All packets, as scapy's `PacketList`."""
    from scapy.plist import PacketList as ScapyList

    numbers = range(1, len(packets.packets) + 1)
    return ScapyList([scapy_packet(packets, n) for n in numbers], name="maillab")


def scapy_packet(packets: PacketList, number: int) -> Any:
    """One packet; a frame that holds none is `Raw`."""
    from scapy.utils import EDecimal

    packet = packets.packets[number - 1]
    octets = packets.frame(number)
    made = _class_of(packets.link_of(number), octets, bool(packet.data))(octets)
    made.time = EDecimal(packets.epoch_ns + packet.time_ns) / _NS
    if packet.comment:
        made.comment = packet.comment.encode()
    return made


def _class_of(link: int, octets: bytes, holds_packet: bool) -> Any:
    """The class of scapy that reads a frame."""
    from scapy.config import conf
    from scapy.layers import dns, inet, inet6, l2

    del dns, l2  # they make themselves known
    layers()
    if link in RAW and holds_packet:
        return inet6.IPv6 if octets[0] >> 4 == 6 else inet.IP
    known = link not in RAW and (holds_packet or not octets.startswith(_JOURNAL))
    return conf.l2types.get(link, conf.raw_layer) if known else conf.raw_layer


# Sniffing -----------------------------------------------------------------------------


def sniff(world: Any, place: str, *, count: int = 0, **options: Any) -> Iterator[Any]:
    """Packets as they pass a place of a running world, from now on.

    place    as in `trace.capture`: "pc", "router/outside"
    count    how many; 0 means until nothing comes any more
    timeout  that is: for so many seconds of the world (10)
    only     a function that says which packets are wanted
    """
    wanted = PacketWatch(world, place, count, **options)
    return iter(wanted)


class PacketWatch:
    """An iteration over packets; it lets the world go on when it has none."""

    def __init__(
        self,
        world: Any,
        place: str,
        count: int = 0,
        timeout: float = 10.0,
        only: Chosen | None = None,
    ) -> None:
        self._world = world
        self._place = _checked(world, place)
        self._left = count or -1
        self._timeout = timeout
        self._only = only
        self._known = -1  # events of the trace at the last look
        self._listed: Sequence[Packet] = ()
        self._capture: PacketList | None = None
        self._seen = Counter(_mark(packet) for packet in self._passed())

    def __iter__(self) -> Iterator[Any]:
        quiet_since = self._world.time
        while self._left and self._world.time - quiet_since <= self._timeout:
            numbers = list(self._new())
            for number in numbers:
                yield from self._wanted(number)
                if not self._left:
                    return
            if numbers:
                quiet_since = self._world.time
            else:
                self._world.advance(STEP)

    def _wanted(self, number: int) -> Iterator[Any]:
        """The packet, unless it is none of those that are asked for."""
        assert self._capture is not None, "there are numbers only of a capture"
        made = scapy_packet(self._capture, number)
        if self._only is None or self._only(made):
            self._left -= 1
            yield made

    def _new(self) -> Iterator[int]:
        """The numbers of the packets that have passed since the last look."""
        if self._is_as_before():
            return
        known, passed = self._seen, self._passed()
        self._seen = Counter(map(_mark, passed))
        for number, packet in enumerate(passed, 1):
            mark = _mark(packet)
            if known[mark]:
                known[mark] -= 1
            else:
                yield number

    def _is_as_before(self) -> bool:
        """Nothing has happened, and nothing that was on its way has come."""
        same = self._known == len(self._world.trace)
        return same and self._count_passed() == self._seen.total()

    def _passed(self) -> Sequence[Packet]:
        """What has passed until now: what is on its way comes later."""
        if self._known != len(self._world.trace):
            self._known = len(self._world.trace)
            with suppress(LabError):  # nothing has passed there yet
                self._capture = self._world.trace.capture(self._place, log=False)
            self._listed = self._capture.packets if self._capture else ()
        return self._listed[: self._count_passed()]

    def _count_passed(self) -> int:
        now = round(self._world.time * _NS)
        return bisect_right(self._listed, now, key=lambda packet: packet.time_ns)


def _mark(packet: Packet) -> tuple[int, bytes]:
    return packet.time_ns, packet.data


def _checked(world: Any, place: str) -> str:
    """The place, if the world has it. Raises LabError."""
    node, _, side = place.partition("/")
    world.host(node)
    if side in ("", *SIDES_OF_A_GATEWAY) and (not side or node in world.gateways):
        return place
    raise LabError(
        f"sniff({place!r}): expected a host such as 'pc', or a side of a gateway such "
        f"as 'router/inside'"
    )
