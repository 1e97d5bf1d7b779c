"""Capture files of other programs: the same views as for a world.

Goes in: a file of tcpdump, Wireshark or maillab, and perhaps the keys of its TLS
connections. Comes out: its packets, and the trace that they tell.

Rule 1: one file, one vantage point, one clock: events have the times of the packets,
        and no latency.
Rule 2: hosts have the names that the file gives them, else their addresses.
Rule 3: keys are those of the file, and those that the caller names; nothing is looked
        for in the environment.
"""

from array import array
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, overload

from maillab.errors import LabError
from maillab.progress import watched
from maillab.trace.events import Event
from maillab.trace.packet_list import PacketList
from maillab.trace.packets import Packet
from maillab.trace.pcapng import OUTBOUND
from maillab.trace.reading.capture_reading import Reading
from maillab.trace.reading.frames import NO_LINK, Frames
from maillab.trace.reading.garbage import few_collections
from maillab.trace.reading.ip_reader import end_of
from maillab.trace.reading.key_log import read_keys, with_keys
from maillab.trace.reading.link_layers import NONE, find_ip, is_known, is_outgoing
from maillab.trace.reading.pcap_reader import read_file, read_octets
from maillab.trace.reading.pcapng_reader import remarks_of
from maillab.trace.recorder import Told, Trace
from maillab.trace.view import plural

if TYPE_CHECKING:
    from maillab.trace.session import Session


class CaptureFile(PacketList):
    """A capture that was read. `CaptureFile.read("mail.pcapng")` makes one.

    damage  why the file could not be read to its end; "" when it could
    """

    def __init__(self, frames: Frames, name: str = "", keys: str = "") -> None:
        self.name = name
        self.frames = frames
        self.damage = frames.damage
        epoch_ns = min(frames.times, default=0)
        lines = [*frames.keys, *read_keys(keys)]
        with few_collections():
            told, self._numbers = Reading(frames, epoch_ns).run()
            told, self._numbers = with_keys(told, self._numbers, lines)
        notes = self._notes()
        self._numbers = array("L", [0] * len(notes)) + self._numbers
        self.trace = Trace.of_told([*notes, *told] if notes else told, epoch_ns)

    @classmethod
    def read(cls, path: Path | str, keys: str = "") -> "CaptureFile":
        """Read a pcap or pcapng file, also a gzipped one.

        keys  path of an SSLKEYLOGFILE, or its text. Raises LabError.
        """
        with watched(f"Reading {path}", lambda: -1.0):
            return cls(read_file(path), str(path), keys)

    @classmethod
    def from_bytes(cls, octets: bytes, keys: str = "") -> "CaptureFile":
        """The same from the octets of such a file."""
        return cls(read_octets(octets), keys=keys)

    def __repr__(self) -> str:
        where = f" {self.name}" if self.name else ""
        count = plural(len(self.frames), "packet")
        return f"<CaptureFile{where}: {count}>"

    @property
    def packets(self) -> Sequence[Packet]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """All packets, in order; each is made when it is asked for."""
        return FilePackets(self.frames, self.epoch_ns)

    @cached_property
    def sessions(self) -> "list[Session]":
        """The TCP connections in it."""
        return self.trace.sessions

    def frame(self, number: int) -> bytes:
        """The octets of one frame as they stand in the file, link layer included."""
        return self.frames.octets_of(self.check_number(number))

    def link_of(self, number: int) -> int:
        """Its link type: 1 Ethernet, 101 raw IP; 65535 for an entry of a journal."""
        return self.frames.links[self.check_number(number) - 1]

    def number_of(self, event: Event | int) -> int:
        """The packet that told of an event of `trace`; 0 when no single one did."""
        number = event.number if isinstance(event, Event) else event
        if 1 <= number <= len(self._numbers):
            return self._numbers[number - 1]
        raise LabError(
            f"event {number}: expected a number from 1 to {len(self._numbers)}"
        )

    def _notes(self) -> list[Told]:
        """What one should know of the file before one believes it."""
        texts = [self.damage] if self.damage else []
        links = set(self.frames.links) - {NO_LINK}
        unknown = sorted(link for link in links if not is_known(link))
        if unknown:
            names = ", ".join(map(str, unknown))
            texts.append(f"maillab cannot read frames of link type {names}")
        return [(0, "note", "", "", {"text": text}) for text in texts]


class FilePackets(Sequence[Packet]):
    """The packets of a file: IP packets; `data` is empty for any other frame."""

    def __init__(self, frames: Frames, epoch_ns: int) -> None:
        self._frames = frames
        self._epoch_ns = epoch_ns

    def __len__(self) -> int:
        return len(self._frames)

    @overload
    def __getitem__(self, at: int) -> Packet: ...
    @overload
    def __getitem__(self, at: slice) -> list[Packet]: ...
    def __getitem__(self, at: int | slice) -> Packet | list[Packet]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        number = range(1, len(self) + 1)[at]
        frames = self._frames
        start, link = frames.starts[number - 1], frames.links[number - 1]
        end = start + frames.sizes[number - 1]
        begin = find_ip(frames.octets, start, end, link)
        data = b""
        if begin != NONE:
            data = frames.octets[begin : end_of(frames.octets, begin, end)]
        comment, direction = remarks_of(frames, number)
        outbound = direction == OUTBOUND or is_outgoing(frames.octets, start, link)
        time = frames.times[number - 1] - self._epoch_ns
        return Packet(time, data, outbound, comment)
