"""What an exercise is made of.

Goes in: a world, and what the student did in it. Comes out: evidence, or what is
missing.

Rule 1: a check returns evidence: facts that are the same for every right answer, and
        differ from seed to seed. Never a bare True; never what the task says: only what
        was found in the world and its trace.
Rule 2: a check that fails says what was expected, what was found, where to read about
        it, and the likely mistake when one is known.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from maillab.grading.variants import Named
from maillab.trace.events import Event

if TYPE_CHECKING:
    from maillab.grading.lab import Lab

Evidence = dict[str, Any]  # what JSON can hold


class Failed(Exception):
    """An exercise is not solved yet.

    see      an RFC section, or what to type to look closer
    perhaps  the likely mistake, in words that are the same for all students: the
             overview of a class counts them
    event    the event of the trace (or its number) that shows it, if there is one:
             the student is told why it happened
    at       the place whose capture has that event: the student is told the packets
    """

    def __init__(  # noqa: PLR0913  (each is a line of what the student reads)
        self,
        expected: str,
        found: str,
        see: str = "",
        perhaps: str = "",
        *,
        event: Event | int | None = None,
        at: str = "",
    ) -> None:
        super().__init__(f"expected {expected}, found {found}")
        self.expected = expected
        self.found = found
        self.see = see
        self.perhaps = perhaps
        self.event = event
        self.at = at
        self.why = ""  # the lab fills these in, from its trace
        self.packets: tuple[int, ...] = ()


class Task(Named):
    """What the student is given: names with values, drawn from the seed.

    >>> task = Task("1.1", "Send it", subject="Croquet")
    >>> task.subject
    'Croquet'
    >>> task
    1.1  Send it
      task.subject  'Croquet'
    """

    def __init__(self, id: str, title: str, **values: Any) -> None:
        super().__init__("task", values)
        self.id = id
        self.title = title

    def __repr__(self) -> str:
        head = f"{self.id}  {self.title}"
        return f"{head}\n{super().__repr__()}" if self.values else head


class Part(NamedTuple):
    """A part of an exercise that has points of its own."""

    name: str
    points: int
    title: str


Parts = Mapping[str, "Evidence | Failed"]  # what became of each part


@dataclass(frozen=True, slots=True)
class Exercise:
    """One graded exercise.

    title  what is true when it is solved; stands in the line of a passed check
    begin  puts the world in its starting state, and says what is asked
    check  returns the evidence, or raises `Failed`; gets the student's answers, if any
    parts  when there are some, `check` returns evidence or `Failed` for each by name
           (see `attempt`), and their points add up to `points`
    """

    id: str
    points: int
    title: str
    begin: "Callable[[Lab], Task]"
    check: "Callable[..., Evidence | Parts]"
    parts: tuple[Part, ...] = ()


def attempt(check: Callable[..., Any], *arguments: Any) -> Any:
    """What a check, or that of one part, returns; or the `Failed` that it raises."""
    try:
        return check(*arguments)
    except Failed as failed:
        return failed
