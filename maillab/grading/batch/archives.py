"""Zip files as Moodle, Canvas and students make them.

Goes in: a zip file, which may hold other zip files. Comes out: what is in it, each with
a function that reads it.

Rule 1: it is never unpacked to a disk, so its names can do no harm (`../../x`).
Rule 2: as much is read as a notebook may have, and not more: an archive can hold
        1,000 times of what it weighs.
"""

import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO

from maillab.errors import LabError
from maillab.grading.authoring.notebook import MAX_SIZE

MOST_MEMBERS = 20_000
BIGGEST_INSIDE = 50_000_000  # octets of a zip file in a zip file, unpacked
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    UnicodeError,
    ValueError,
)  # encrypted ones raise RuntimeError

Opened = Callable[[], "IO[bytes] | Path"]


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a zip file.

    parts    of its path
    time     when it was changed: seconds since 1970
    content  reads it, up to MAX_SIZE + 1 octets. Raises LabError
    """

    parts: tuple[str, ...]
    time: float
    content: Callable[[], bytes]


def members(file: Path, remarks: list[str]) -> Iterator[Member]:
    """All files of a zip file, and of the zip files in it. What is damaged is said."""
    yield from _members(lambda: file, str(file), remarks, deeper=True)


def _members(
    opened: Opened, name: str, remarks: list[str], *, deeper: bool
) -> Iterator[Member]:
    try:
        with zipfile.ZipFile(opened()) as archive:
            inside = archive.infolist()
    except DAMAGED as error:
        remarks.append(f"{name}: is not a whole zip file ({error})")
        return
    if len(inside) > MOST_MEMBERS:
        remarks.append(f"{name}: more than {MOST_MEMBERS:,} files: not read")
        return
    for info in inside:
        parts = parts_of(info.filename)
        if info.is_dir() or not parts:
            continue
        if parts[-1].lower().endswith(".zip"):
            if deeper:
                yield from _inner(opened, info, name, remarks)
        else:
            yield Member(parts, _time(info), _reader(opened, info, name))


def _inner(
    opened: Opened, info: zipfile.ZipInfo, name: str, remarks: list[str]
) -> Iterator[Member]:
    """What is in a zip file in a zip file: the path leads through both."""
    above = parts_of(info.filename)

    def inner() -> IO[bytes]:
        octets = read_member(opened, info, BIGGEST_INSIDE)
        if len(octets) > BIGGEST_INSIDE:
            raise ValueError(f"more than {BIGGEST_INSIDE:,} octets")
        return BytesIO(octets)

    for member in _members(inner, f"{name}: {info.filename}", remarks, deeper=False):
        yield Member((*above, *member.parts), member.time, member.content)


def _reader(opened: Opened, info: zipfile.ZipInfo, name: str) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            return read_member(opened, info, MAX_SIZE)
        except DAMAGED as error:
            raise LabError(
                f"{name}: {info.filename}: cannot be read ({error})"
            ) from None

    return read


def read_member(opened: Opened, info: zipfile.ZipInfo, most: int) -> bytes:
    """At most one octet more than `most`."""
    with zipfile.ZipFile(opened()) as archive, archive.open(info) as stream:
        return stream.read(most + 1)


def parts_of(name: str) -> tuple[str, ...]:
    """The parts of a path in a zip file, without those that climb.

    >>> parts_of("../../ann/./01.ipynb")
    ('ann', '01.ipynb')
    """
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return tuple(part for part in parts if part.strip("./"))


def _time(info: zipfile.ZipInfo) -> float:
    """Zip files have local time without a zone; it only has to sort."""
    try:
        return datetime(*info.date_time).astimezone().timestamp()
    except (OverflowError, ValueError, OSError):
        return 0.0
