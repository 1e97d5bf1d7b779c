"""Where each frame of a capture file stands: an index, so that no frame is copied.

Goes in: what a reader finds, frame by frame. Comes out: columns with one entry for each
frame, and what the file tells besides: names, TLS keys, where it is damaged.

Rule 1: memory grows with the file and with nothing that is written in it.
Rule 2: times are nanoseconds since 1970, whatever the file counts.
"""

from array import array
from dataclasses import dataclass, field

LATEST = (1 << 63) - 1  # nanoseconds: the year 2262
NO_LINK = 0xFFFF  # an entry that Wireshark numbers, and that is no packet


@dataclass(slots=True)
class Frames:
    """The frames of one file. Number n (from 1) stands at n - 1.

    times     nanoseconds since 1970
    starts    where its octets begin in `octets`; `sizes`: how many were captured
    links     its link type, as pcap numbers them
    options   where its options begin; 0 when it cannot have any
    names     what the file calls an address (its octets)
    keys      NSS key log lines
    sections  where each section of a pcapng file begins, and its byte order: "<" or ">"
    damage    why reading ended before the end of the file; "" when it did not
    """

    octets: bytes
    times: "array[int]" = field(default_factory=lambda: array("q"))
    starts: "array[int]" = field(default_factory=lambda: array("Q"))
    sizes: "array[int]" = field(default_factory=lambda: array("I"))
    links: "array[int]" = field(default_factory=lambda: array("H"))
    options: "array[int]" = field(default_factory=lambda: array("Q"))
    names: dict[bytes, list[str]] = field(default_factory=dict[bytes, list[str]])
    keys: list[str] = field(default_factory=list[str])
    damage: str = ""
    sections: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def __len__(self) -> int:
        return len(self.times)

    def add(self, time: int, start: int, size: int, link: int) -> None:
        """One frame more, without options."""
        self.times.append(time)
        self.starts.append(start)
        self.sizes.append(size)
        self.links.append(link)
        self.options.append(0)

    def octets_of(self, number: int) -> bytes:
        """One frame."""
        start = self.starts[number - 1]
        return self.octets[start : start + self.sizes[number - 1]]
