"""Lengths of time as people write them: `"5 days"`, `"30 min"`, `90`."""

import re

from maillab.errors import LabError

SECONDS = {
    "ms": 0.001,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "min": 60.0,
    "m": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
    "week": 604800.0,
}
PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*")


def seconds_of(length: float | str) -> float:
    """The seconds of a length of time. Raises LabError.

    >>> seconds_of("1 h 30 min"), seconds_of("5 days"), seconds_of(2)
    (5400.0, 432000.0, 2.0)
    """
    if not isinstance(length, str):
        if length < 0:
            raise LabError(f"time cannot go back: {length} s")
        return float(length)
    parts = PART.findall(length.lower())
    if not parts or PART.sub("", length.lower()):
        raise bad_length(length)
    return sum(float(number) * unit(word, length) for number, word in parts)


def unit(word: str, length: str) -> float:
    """The seconds of one unit, singular or plural."""
    for name in (word, word.removesuffix("s")):
        if name in SECONDS:
            return SECONDS[name]
    raise bad_length(length)


def bad_length(length: str) -> LabError:
    """What to say about a text that is no length of time."""
    return LabError(
        f'{length!r} is not a length of time; write seconds or "30 min", "5 days"'
    )
