"""What an exercise is made of.

Goes in: a world, and what the student did in it. Comes out: evidence, or what is
missing.

Rule 1: a check returns evidence: facts that are the same for every right answer, and
        differ from seed to seed. Never a bare True.
Rule 2: a check that fails says what was expected, what was found, where to read about
        it, and the likely mistake when one is known.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maillab.grading.lab import Lab

Evidence = dict[str, Any]  # what JSON can hold


class Failed(Exception):
    """An exercise is not solved yet.

    see      an RFC section, or what to type to look closer
    perhaps  the likely mistake
    """

    def __init__(
        self, expected: str, found: str, see: str = "", perhaps: str = ""
    ) -> None:
        super().__init__(f"expected {expected}, found {found}")
        self.expected = expected
        self.found = found
        self.see = see
        self.perhaps = perhaps


class Task:
    """What the student is given: names with values, drawn from the seed.

    >>> task = Task("1.1", "Send it", subject="Croquet")
    >>> task.subject
    'Croquet'
    >>> task
    1.1  Send it
      task.subject  'Croquet'
    """

    def __init__(self, id: str, title: str, **values: Any) -> None:
        self.id = id
        self.title = title
        self.values = MappingProxyType(values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self.values:
            raise AttributeError(f"task has {', '.join(self.values)}, not {name!r}")
        return self.values[name]

    def __repr__(self) -> str:
        width = max(map(len, self.values), default=0)
        rows = (f"  task.{n:<{width}}  {v!r}" for n, v in self.values.items())
        return "\n".join([f"{self.id}  {self.title}", *rows])


@dataclass(frozen=True, slots=True)
class Exercise:
    """One graded exercise.

    title  what is true when it is solved; stands in the line of a passed check
    begin  puts the world in its starting state, and says what is asked
    check  returns the evidence, or raises `Failed`; gets the student's answers, if any
    """

    id: str
    points: int
    title: str
    begin: "Callable[[Lab], Task]"
    check: Callable[..., Evidence]
