"""pcapng (draft-ietf-opsawg-pcapng): sections, interfaces, packets, names, keys.

Goes in: the octets of a file. Comes out: an index of its frames.

Rule 1: each section has its own byte order and its own interfaces (§4.1).
Rule 2: a block of an unknown type is skipped (§3.1); a block whose two lengths differ
        ends the reading.
Rule 3: journal entries are frames without a packet: Wireshark numbers them, too.
"""

import re
import struct
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from maillab.trace.reading.frames import LATEST, NO_LINK, Frames

SECTION = b"\x0a\x0d\x0d\x0a"
_INTERFACE, _OLD_PACKET, _SIMPLE, _NAMES, _PACKET = 1, 2, 3, 4, 6
_JOURNAL, _SECRETS = 9, 10
_BYTE_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_IF_TSRESOL, _IF_TSOFFSET = 9, 14
_COMMENT, _FLAGS = 1, 2
_NAME_OF_IPV4, _NAME_OF_IPV6 = 1, 2
_TLS_KEY_LOG = 0x544C534B
_SECOND = 1_000_000_000
_DIGITS = 18  # of a time in microseconds
KEY_LINE = re.compile(r"[A-Z][A-Z0-9_]{3,63} [0-9a-fA-F]{2,128} [0-9a-fA-F]{2,256}")


class Interface(NamedTuple):
    """How to read a packet of one interface: time * `times` // `over` + `offset`."""

    link: int
    snaplen: int
    times: int = 1000  # §4.2: microseconds when the file does not say
    over: int = 1
    offset: int = 0


class _Damaged(Exception):
    """A block is not what it should be."""


def read_pcapng(frames: Frames) -> None:
    """Fill an empty index from `frames.octets`."""
    reader = _Reader(frames)
    try:
        while reader.at < len(frames.octets):
            reader.next_section()
    except (_Damaged, struct.error):
        frames.damage = (
            f"the file ends, or is damaged, in the block at octet {reader.at:,}: "
            f"{len(frames):,} frames could be read"
        )
    _fill_times(frames)


class _Reader:
    """Stands at `at`, where a block begins."""

    def __init__(self, frames: Frames) -> None:
        self.frames = frames
        self.octets = frames.octets
        self.at = 0
        self.order = "<"
        self.interfaces: list[Interface] = []

    def next_section(self) -> None:
        """A section header and all blocks up to the next one."""
        order = _BYTE_ORDERS.get(self.octets[self.at + 8 : self.at + 12])
        if order is None or self.octets[self.at : self.at + 4] != SECTION:
            raise _Damaged
        self.order = order
        self.interfaces = []
        self.frames.sections.append((self.at, order))
        self._skip(*struct.unpack_from(f"{order}II", self.octets, self.at))
        self._blocks()

    def _blocks(self) -> None:
        """Packets are read here, where time counts; other blocks elsewhere."""
        octets, frames = self.octets, self.frames
        packet = struct.Struct(f"{self.order}IIIIIII").unpack_from
        word = struct.Struct(f"{self.order}I").unpack_from
        last, known = len(octets) - 32, -1
        link = times = over = offset = 0  # of the interface whose number is known
        while self.at <= last:
            at = self.at
            kind, total, interface, high, low, size, _ = packet(octets, at)
            if kind != _PACKET:
                if octets[at : at + 4] == SECTION:
                    return
                self._other(kind, total)
                continue
            end = at + total - 4
            if total & 3 or size > total - 32 or word(octets, end)[0] != total:
                raise _Damaged
            if interface != known:
                link, _, times, over, offset = self._interface(interface)
                known = interface
            time = (high << 32 | low) * times // over + offset
            frames.times.append(time if 0 <= time <= LATEST else LATEST)
            frames.starts.append(at + 28)
            frames.sizes.append(size)
            frames.links.append(link)
            frames.options.append(at + 28 + size + (-size & 3))
            self.at = end + 4
        self._last_blocks()

    def _last_blocks(self) -> None:
        """What is too short to be a packet may stand at the end."""
        while self.at < len(self.octets):
            if self.octets[self.at : self.at + 4] == SECTION:
                return
            self._other(*struct.unpack_from(f"{self.order}II", self.octets, self.at))

    def _interface(self, number: int) -> Interface:
        if number >= len(self.interfaces):
            raise _Damaged
        return self.interfaces[number]

    def _skip(self, kind: int, total: int) -> None:
        """Go behind a block; `kind` is not looked at."""
        del kind
        end = self.at + total
        if total < 12 or total & 3 or end > len(self.octets):
            raise _Damaged
        if self._word(end - 4) != total:
            raise _Damaged
        self.at = end

    def _word(self, at: int) -> int:
        return struct.unpack_from(f"{self.order}I", self.octets, at)[0]

    def _other(self, kind: int, total: int) -> None:
        began = self.at
        self._skip(kind, total)
        try:
            _BLOCKS.get(kind, _Reader._unknown)(self, began + 8, self.at - 4)
        except (_Damaged, struct.error):
            self.at = began
            raise

    def _unknown(self, start: int, end: int) -> None:
        """§3.1: blocks of unknown types are skipped."""

    def _new_interface(self, start: int, end: int) -> None:
        """Interface description (§4.2): link type, and how times are counted."""
        link, _, snaplen = struct.unpack_from(f"{self.order}HHI", self.octets, start)
        times, over, offset = 1000, 1, 0
        for code, value in self._options(start + 8, end):
            if code == _IF_TSRESOL and value:
                times, over = _resolution(value[0])
            elif code == _IF_TSOFFSET and len(value) >= 8:
                offset = struct.unpack_from(f"{self.order}q", value)[0] * _SECOND
        self.interfaces.append(Interface(link, snaplen, times, over, offset))

    def _simple(self, start: int, end: int) -> None:
        """A simple packet (§4.4) has no time: that of the frame before."""
        interface = self._interface(0)
        size = min(self._word(start), end - start - 4)
        if interface.snaplen:
            size = min(size, interface.snaplen)
        time = self.frames.times[-1] if len(self.frames) else 0
        self.frames.add(time, start + 4, size, interface.link)

    def _old_packet(self, start: int, end: int) -> None:
        """A packet block of the first draft (appendix A of the draft)."""
        fields = struct.unpack_from(f"{self.order}HHIIII", self.octets, start)
        number, _, high, low, size, _ = fields
        if size > end - start - 20:
            raise _Damaged
        link, _, times, over, offset = self._interface(number)
        time = (high << 32 | low) * times // over + offset
        time = time if 0 <= time <= LATEST else LATEST
        self.frames.add(time, start + 20, size, link)
        self.frames.options[-1] = start + 20 + size + (-size & 3)

    def _journal(self, start: int, end: int) -> None:
        """An entry of a systemd journal (draft-richardson-opsawg-pcapng-extras)."""
        entry = self.octets[start:end].rstrip(b"\0")
        told = _field(entry, b"__REALTIME_TIMESTAMP")
        time = self.frames.times[-1] if len(self.frames) else 0
        if told.isdigit() and len(told) <= _DIGITS:
            time = min(int(told) * 1000, LATEST)
        self.frames.add(time, start, len(entry), NO_LINK)

    def _names(self, start: int, end: int) -> None:
        """Name resolution (§4.5): an address, then its names, each with a zero."""
        for code, value in self._options(start, end):
            size = {_NAME_OF_IPV4: 4, _NAME_OF_IPV6: 16}.get(code)
            if size is None or len(value) <= size:
                continue
            hosts = value[size:].split(b"\0")
            known = self.frames.names.setdefault(value[:size], [])
            known += (host.decode("utf-8", "replace") for host in hosts if host)

    def _secrets(self, start: int, end: int) -> None:
        """Decryption secrets (§4.6): a TLS key log; other kinds are left alone."""
        kind, size = struct.unpack_from(f"{self.order}II", self.octets, start)
        if kind == _TLS_KEY_LOG:
            log = self.octets[start + 8 : min(start + 8 + size, end)]
            self.frames.keys += key_lines(log.decode("latin-1"))

    def _options(self, at: int, end: int) -> Iterator[tuple[int, bytes]]:
        return read_options(self.octets, at, end, self.order)


_BLOCKS = {
    _INTERFACE: _Reader._new_interface,  # pyright: ignore[reportPrivateUsage]
    _OLD_PACKET: _Reader._old_packet,  # pyright: ignore[reportPrivateUsage]
    _SIMPLE: _Reader._simple,  # pyright: ignore[reportPrivateUsage]
    _NAMES: _Reader._names,  # pyright: ignore[reportPrivateUsage]
    _JOURNAL: _Reader._journal,  # pyright: ignore[reportPrivateUsage]
    _SECRETS: _Reader._secrets,  # pyright: ignore[reportPrivateUsage]
}


def key_lines(log: str) -> list[str]:
    """The lines of a key log that are what they should be; comments are left out."""
    lines = (line.strip() for line in log.splitlines())
    return [line for line in lines if KEY_LINE.fullmatch(line)]


def read_options(
    octets: bytes, at: int, end: int, order: str
) -> Iterator[tuple[int, bytes]]:
    """Code and value of each option (§3.5); a damaged one ends them."""
    head = struct.Struct(f"{order}HH")
    while at + 4 <= end:
        code, size = head.unpack_from(octets, at)
        if code == 0 or at + 4 + size > end:
            return
        yield code, octets[at + 4 : at + 4 + size]
        at += 4 + size + (-size & 3)


def remarks_of(frames: Frames, number: int) -> tuple[str, int]:
    """Comments (or log line) and direction: 1 inbound, 2 outbound, 0 unknown."""
    if frames.links[number - 1] == NO_LINK:
        return _journal_text(frames.octets_of(number)), 0
    at = frames.options[number - 1]
    if not at:
        return "", 0
    order, end = _block_of(frames, number)
    comments: list[str] = []
    direction = 0
    for code, value in read_options(frames.octets, at, end, order):
        if code == _COMMENT:
            comments.append(value.decode("utf-8", "replace"))
        elif code == _FLAGS and len(value) == 4:
            direction = struct.unpack(f"{order}I", value)[0] & 3
    return "\n".join(comments), direction


def _journal_text(entry: bytes) -> str:
    """Who said what, in the log of a machine."""
    who, said = (_field(entry, name) for name in (b"SYSLOG_IDENTIFIER", b"MESSAGE"))
    text = said.decode("utf-8", "replace")
    return f"{who.decode('utf-8', 'replace')}: {text}" if who else text


def _field(entry: bytes, name: bytes) -> bytes:
    """A field of the Journal Export Format, if it is text; those of octets are not."""
    found = re.search(rb"^%b=(.*)$" % name, entry, re.M)
    return found[1] if found else b""


def _block_of(frames: Frames, number: int) -> tuple[str, int]:
    """Byte order and end of the block of a frame."""
    start = frames.starts[number - 1] - 28
    section = bisect_right(frames.sections, start, key=lambda pair: pair[0])
    order = frames.sections[section - 1][1]
    return order, start + struct.unpack_from(f"{order}I", frames.octets, start + 4)[0]


def _resolution(value: int) -> tuple[int, int]:
    """if_tsresol (§4.2): a power of ten, or of two when the highest bit is set."""
    power = value & 0x7F
    if value & 0x80:
        return _SECOND, 1 << power
    return (10 ** (9 - power), 1) if power <= 9 else (1, 10 ** (power - 9))


def _fill_times(frames: Frames) -> None:
    """Frames without a time before the first one with a time: all begin together."""
    first = next((time for time in frames.times if time), 0)
    for at, time in enumerate(frames.times):
        if time:
            return
        frames.times[at] = first
