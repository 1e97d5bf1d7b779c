"""Watching packets while a world runs.

Goes in: a place. Comes out: scapy's packets, one after another, as they pass there.
"""

from collections.abc import Callable, Iterator
from typing import Any

from maillab.trace import bridges
from maillab.world.duration import seconds_of


class Sniffing:
    """The part of a `World` that is about watching packets."""

    def sniff(
        self,
        place: str,
        count: int = 0,
        *,
        timeout: float | str = 10,
        only: Callable[[Any], bool] | None = None,
    ) -> Iterator[Any]:
        """Packets that pass a place from now on, as scapy's packets.

            packets = world.sniff("mx.beta.example", count=20)
            world.send("alice", "bob", "Hi")
            for packet in packets:
                print(packet.summary())

        place    as in `trace.capture`: "pc", "router/outside"
        count    how many; 0 means all, until nothing comes any more
        timeout  that is: for so long in this world, in seconds or as "1 min"
        only     which packets are wanted: `lambda packet: "TCP" in packet`

        While it waits, the world goes on. Raises LabError.
        """
        wanted = {"count": count, "timeout": seconds_of(timeout), "only": only}
        return bridges.make("scapy sniffer", self, place, **wanted)
