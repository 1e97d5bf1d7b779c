"""Capture files of tcpdump, Wireshark and maillab, as an index of their frames.

Goes in: the octets of a pcap (draft-ietf-opsawg-pcap) or pcapng file, perhaps packed
with gzip (RFC 1952). Comes out: `Frames`.

Rule 1: a file that ends too early, or goes wrong somewhere, is read as far as it goes;
        `Frames.damage` says why no further. Only what is no capture is refused.
Rule 2: what a file says of itself is never believed: sizes are checked against what is
        there, and what is unpacked has a limit.
"""

import struct
import zlib
from pathlib import Path

from maillab.errors import LabError
from maillab.trace.reading.frames import Frames
from maillab.trace.reading.pcapng_reader import SECTION, read_pcapng

LARGEST = 1 << 30  # octets of a file
LARGEST_UNPACKED = 1 << 28  # octets of what gzip packed
_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 20
_HEADER, _RECORD = 24, 16
_LONGEST = 1 << 18  # libpcap's MAXIMUM_SNAPLEN: no frame is longer
_FORMATS = {  # magic number -> byte order, nanoseconds per unit of the fraction
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}


def read_file(path: Path | str) -> Frames:
    """The frames of a file. Raises LabError when there is no capture in it."""
    path = Path(path)
    try:
        size = path.stat().st_size
        octets = path.read_bytes() if size <= LARGEST else b""
    except OSError as error:
        why = error.strerror or str(error)
        raise LabError(
            f"{path}: {why}; expected a capture file, such as mail.pcapng"
        ) from None
    if size > LARGEST:
        raise LabError(
            f"{path} has {size:,} octets, expected at most {LARGEST:,}; "
            f"type: editcap -c 1000000 {path.name} part.pcapng"
        )
    return read_octets(octets, str(path))


def read_octets(octets: bytes, name: str = "the capture") -> Frames:
    """The frames of what stands in a file called `name`."""
    damage = ""
    if octets[:2] == _GZIP:
        octets, damage = _unpacked(octets, name)
    frames = Frames(octets)
    magic = octets[:4]
    if magic in _FORMATS and len(octets) >= _HEADER:
        _read_pcap(frames, *_FORMATS[magic])
    elif magic == SECTION:
        read_pcapng(frames)
    else:
        raise LabError(
            f"{name} is no capture: {_instead(octets)}; expected a pcap or pcapng "
            f"file, as tcpdump -w and Wireshark write them"
        )
    frames.damage = frames.damage or damage
    return frames


def _instead(octets: bytes) -> str:
    """What stands in a file that holds no packets."""
    if not octets:
        return "it is empty"
    if octets[:4] in _FORMATS:
        return f"it ends after {len(octets)} octets, within its header"
    return f"it begins with {octets[:4].hex(' ')}"


def _unpacked(packed: bytes, name: str) -> tuple[bytes, str]:
    """What gzip packed, and what was wrong with it (RFC 1952 §2.2: several members)."""
    found = bytearray()
    try:
        while packed:
            member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            while packed and not member.eof:
                found += member.decompress(packed, _CHUNK)
                packed = member.unconsumed_tail
                _check_size(len(found), name)
            if not member.eof:
                return bytes(found), "the gzip file ends too early"
            packed = member.unused_data.lstrip(b"\0")
    except zlib.error:
        return bytes(found), "the gzip file is damaged"
    return bytes(found), ""


def _check_size(size: int, name: str) -> None:
    if size > LARGEST_UNPACKED:
        raise LabError(
            f"{name} holds more than {LARGEST_UNPACKED:,} octets packed with gzip; "
            f"type gunzip first, and editcap -c 1000000 if it is large"
        )


def _read_pcap(frames: Frames, order: str, unit: int) -> None:
    """The records behind the header (draft-ietf-opsawg-pcap)."""
    octets = frames.octets
    record = struct.Struct(f"{order}IIII").unpack_from
    link: int = struct.unpack_from(f"{order}I", octets, 20)[0] & 0xFFFF
    at, last = _HEADER, len(octets) - _RECORD
    while at <= last:
        seconds, fraction, size, _ = record(octets, at)
        if size > _LONGEST or at + _RECORD + size > len(octets):
            break
        time = seconds * 1_000_000_000 + fraction * unit
        frames.add(time, at + _RECORD, size, link)
        at += _RECORD + size
    if at < len(octets):
        frames.damage = _damage(at, len(frames))


def _damage(at: int, count: int) -> str:
    return (
        f"the file ends, or is damaged, in the record at octet {at:,}: "
        f"{count:,} frames could be read"
    )
