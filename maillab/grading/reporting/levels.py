"""How much students are told.

Goes in: a level. Comes out: which reasons of a failed check it lets through.
"""

from collections.abc import Mapping
from typing import Literal, get_args

Feedback = Literal[
    "full",  # every reason that the check gave
    "brief",  # what was expected and where to read, not what was found
    "points",  # points, and nothing else
]
Levels = Mapping[str, Feedback]  # number of a notebook -> level
LEVELS: tuple[str, ...] = get_args(Feedback)
BRIEF = ("expected", "see")


def let_through(reasons: Mapping[str, str], level: Feedback) -> dict[str, str]:
    """The reasons that a student reads.

    >>> let_through({"expected": "a letter", "found": "none"}, "brief")
    {'expected': 'a letter'}
    """
    if level == "points":
        return {}
    wanted = tuple(reasons) if level == "full" else BRIEF
    return {name: text for name, text in reasons.items() if name in wanted}
