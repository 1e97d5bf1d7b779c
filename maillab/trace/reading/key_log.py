"""TLS keys of a capture: each belongs to the connection whose hello has its number.

Goes in: lines of a key log (RFC 9850, SSLKEYLOGFILE), events. Comes out: the
events with "keylog" events among them.

Rule 1: a key log line names the client's random number (RFC 8446 §4.1.2), and this
        number stands in the ClientHello of its connection.
Rule 2: a key is told before the octets that it opens. Keys of other connections are
        left out: a key log is often that of a whole day.
"""

import re
from array import array
from collections.abc import Iterable
from pathlib import Path

from maillab.errors import LabError
from maillab.trace.reading.pcapng_reader import KEY_LINE, key_lines
from maillab.trace.recorder import Told

_LARGEST = 1 << 26  # octets of a key log
_HELLO = re.compile(rb"\x16\x03[\x00-\x04]..\x01...\x03[\x00-\x04](.{32})", re.S)
_HELLO_SIZE = 43  # octets of what is looked for


def read_keys(keys: str) -> list[str]:
    """The lines of a key log: `keys` is its text, its path, or "" for none."""
    if not keys.strip():
        return []
    first = next((line for line in keys.splitlines() if line.strip()), "")
    if "\n" not in keys and not KEY_LINE.fullmatch(first.strip()):
        return _from_file(Path(keys))
    found = key_lines(keys)
    if not found:
        raise LabError(f"no TLS keys in {first[:60]!r}…: {_EXPECTED}")
    return found


_EXPECTED = (
    "expected lines such as CLIENT_RANDOM 3a5f… 9b1c…, as programs write them "
    "when the environment names a file: SSLKEYLOGFILE=keys.txt"
)


def _from_file(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            octets = file.read(_LARGEST)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise LabError(f"keys {str(path)!r}: {why}; {_EXPECTED}") from None
    found = key_lines(octets.decode("latin-1"))
    if not found and octets.strip():
        raise LabError(f"no TLS keys in {path}: {_EXPECTED}")
    return found


def with_keys(
    told: list[Told], numbers: "array[int]", lines: Iterable[str]
) -> "tuple[list[Told], array[int]]":
    """The events, with the keys of each connection before its first ClientHello."""
    by_random: dict[str, list[str]] = {}
    for line in dict.fromkeys(lines):
        by_random.setdefault(line.split(" ")[1].lower(), []).append(line)
    if not by_random:
        return told, numbers
    found: list[Told] = []
    frames: array[int] = array("L")
    before: dict[str, bytes] = {}
    for event, number in zip(told, numbers, strict=True):
        keys: Iterable[str] = ()
        if event[1] == "bytes" and event[4]["side"] == "C":
            keys = by_random.pop(_random_of(event, before), ())
        time, _, host, id, _ = event
        found += ((time, "keylog", host, id, {"line": line}) for line in keys)
        found.append(event)
        frames.extend([number] * (len(found) - len(frames)))
    return found, frames


def _random_of(event: Told, before: dict[str, bytes]) -> str:
    """The client's random number, when the rest of it stands in these octets.

    It may follow STARTTLS in one segment, or come in pieces; `before`: the last octets
    of each connection.
    """
    octets = before.get(event[3], b"") + event[4]["data"]
    hello = _HELLO.search(octets)
    before[event[3]] = octets[1 - _HELLO_SIZE :] if not hello else b""
    return hello[1].hex() if hello else ""
