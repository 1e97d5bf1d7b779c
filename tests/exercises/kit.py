"""Answers to exercises: right ones in different words, the empty one, mistakes.

Each `answers_NN*.py` has `ANSWERS`: exercise -> `Answers`. An answer is a function of
the lab and the task that does what a student would do; what it returns is handed to
`lab.check`. The last of `wrong` need not be mistakes of thought; the first is `empty`.
"""

import importlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from maillab.grading import Lab, Task, open_lab
from maillab.grading.verdict import Verdict

Answer = Callable[[Lab, Task], Any]
HERE = Path(__file__).parent


class Several(tuple[Any, ...]):
    """Answers of one exercise that are handed to the check side by side."""


class Answers(NamedTuple):
    """right: at least two; wrong: `empty` and at least three more, with the reason."""

    right: list[Answer]
    wrong: list[tuple[Answer, str]]


def empty(lab: Lab, task: Task) -> None:
    """The empty answer: the scaffold as it was given, run."""


def handing_in(value: object, name: str = "") -> Answer:
    """The answer that does nothing but hand in this value: a function, a table."""

    def answer(lab: Lab, task: Task) -> object:
        return value

    answer.__name__ = name or getattr(value, "__name__", repr(value))
    return answer


def reasons(verdict: Verdict) -> str:
    """What a failed check says of each part, without why and packets."""
    failed = [o.failed for o in verdict.outcomes if o.failed]
    return "\n".join(f"{one} {one.perhaps}" for one in failed)


@cache
def all_answers() -> dict[str, Answers]:
    """Of all exercises."""
    found: dict[str, Answers] = {}
    for file in sorted(HERE.glob("answers_*.py")):
        module = importlib.import_module(f"tests.exercises.{file.stem}")
        found |= module.ANSWERS
    return found


def number_of(exercise: str) -> str:
    """The notebook in which an exercise stands.

    >>> number_of("10.2")
    '10'
    """
    return exercise.partition(".")[0].zfill(2)


def outcome(exercise: str, answer: Answer, seed: str = "test") -> Verdict:
    """What the check says when a student writes `answer`."""
    with open_lab(number_of(exercise), seed) as lab:
        given = answer(lab, lab.begin(exercise))
        if isinstance(given, Several):
            return lab.check(exercise, *given)
        return lab.check(exercise, *(() if given is None else (given,)))
