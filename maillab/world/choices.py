"""Find something by the name that a person typed, or say what there is."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

from maillab.errors import LabError

Thing = TypeVar("Thing")


def pick(name: str, things: Mapping[str, Thing], what: str) -> Thing:
    """The thing of this name. Raises LabError with the names that exist."""
    if name in things:
        return things[name]
    close = get_close_matches(name, things, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(things)}"
    raise LabError(f"there is no {what} {name!r}; {hint}")
