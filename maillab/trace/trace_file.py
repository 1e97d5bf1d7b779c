"""Trace files: JSONL, read and written one event at a time.

Goes in: events, or a file. Comes out: the file, or its events.

Rule 1: a big file is never in memory as a whole, only its events are.
Rule 2: whatever else the file is, the answer is one sentence that says so.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TextIO

from maillab.errors import LabError
from maillab.trace import events
from maillab.trace.events import Event

LONGEST = 64 * 1024 * 1024  # of one line: an event with a whole message in it
_LONGEST_HEADER = 1000


def write_file(path: Path | str, epoch_ns: int, recorded: Iterable[Event]) -> None:
    """Save events. Raises LabError when the file cannot be written."""
    try:
        with Path(path).open("w", encoding="ascii", newline="\n") as file:
            file.write(events.header_line(epoch_ns) + "\n")
            file.writelines(events.to_line(event) + "\n" for event in recorded)
    except OSError as error:
        raise LabError(f"{path}: cannot be written ({error.strerror})") from None


def read_file(path: Path | str) -> tuple[int, list[Event]]:
    """When its world began, and the events. Raises LabError."""
    try:
        with Path(path).open(encoding="ascii", newline="\n") as file:
            epoch_ns = events.read_header(file.readline(_LONGEST_HEADER).rstrip("\n"))
            return epoch_ns, list(events.read_lines(_lines(file)))
    except OSError as error:
        raise LabError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise LabError(
            f"{path}: not a trace file: expected the text that trace.write(path) "
            f"writes; packets are read by Trace.from_capture(path)"
        ) from None
    except LabError as error:
        raise LabError(f"{path}: {error}") from None


def _lines(file: TextIO) -> Iterator[str]:
    """Without their ends. A line that is too long is cut: then it is no event."""
    return (line.rstrip("\n") for line in iter(partial(file.readline, LONGEST), ""))
