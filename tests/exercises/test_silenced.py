"""The empty answer earns nothing, whatever of the check is silenced.

A student's code runs in the process of the checks, and can replace any function of
them. What it cannot replace is the grader, which compares the evidence with that of
the reference. So a function that does nothing, or says what is easy to say, must leave
another evidence behind.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, NamedTuple

import pytest

from maillab.grading import Exercise, Lab, open_lab
from maillab.grading.exercise import Failed, attempt
from maillab.world.world import World
from tests.exercises.kit import Answer, Several, all_answers, number_of

pytestmark = pytest.mark.slow

ANSWERS = all_answers()
SEED = "silenced"
KINDS: dict[str, Callable[..., Any]] = {
    "nothing": lambda *a, **k: None,
    "its first argument": lambda *a, **k: a[0] if a else None,
    "an empty list": lambda *a, **k: [],
    "yes": lambda *a, **k: True,
}
MACHINERY = (
    *(Lab.task, Lab.sessions, Lab.examine, Lab.fill_inbox, Lab.watch, Lab.history),
    *(Lab.random, Lab.words, World.user, World.server, World.dig, World.run, attempt),
)
DEEPEST = 8  # functions that are silenced at once
Parts = dict[str, dict[str, Any]]


class Run(NamedTuple):
    """The evidence of the parts that passed, and the functions that were called.

    stopped  the innermost function in which the check failed, if it can be silenced
    """

    parts: Parts
    stopped: list[FunctionType]
    begun: set[CodeType]
    checked: set[CodeType]


# Silencing ----------------------------------------------------------------------------


def functions_of(exercise: Exercise) -> dict[CodeType, FunctionType]:
    """The functions and methods of a lab and of its machinery, by their code."""
    package = exercise.check.__module__.partition(".")[0]
    found: list[Any] = list(MACHINERY)
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{package}."):
            found += members_of(module)
    own = (exercise.check, exercise.begin)  # cells of the grader call these
    plain = [f for f in found if isinstance(f, FunctionType) and f not in own]
    return {f.__code__: f for f in plain if not f.__code__.co_freevars}


def members_of(module: ModuleType) -> Iterator[Any]:
    for value in vars(module).values():
        if getattr(value, "__module__", "") != module.__name__:
            continue
        inside = vars(value).items() if isinstance(value, type) else ()
        found = [value, *(one for name, one in inside if not name.startswith("__"))]
        for one in found:
            one = getattr(one, "fget", None) or getattr(one, "__func__", one)
            yield getattr(one, "__wrapped__", one)


@contextmanager
def silenced(functions: Sequence[FunctionType], kind: str) -> Iterator[None]:
    """Each does something easy, wherever it is known by a name."""
    kept = [function.__code__ for function in functions]
    try:
        for function in functions:
            function.__code__ = KINDS[kind].__code__
        yield
    finally:
        for function, code in zip(functions, kept, strict=True):
            function.__code__ = code


# Running ------------------------------------------------------------------------------


def run(
    exercise: str,
    answer: Answer,
    before: Sequence[FunctionType] = (),
    after: Sequence[FunctionType] = (),
    kind: str = "nothing",
) -> Run:
    """Begin, answer, check; `before` is silenced from the begin on, `after` later."""
    begun: set[CodeType] = set()
    checked: set[CodeType] = set()
    with open_lab(number_of(exercise), SEED) as lab:
        try:
            with silenced(before, kind):
                with noting(begun):
                    task = lab.begin(exercise)
                given = answer(lab, task)
                with silenced(after, kind), noting(checked):
                    parts, stopped = checked_parts(lab, exercise, given)
        except Exception:  # a check that breaks gives no verdict, and no points
            return Run({}, [], begun, checked)
    return Run(parts, stopped, begun, checked)


def checked_parts(
    lab: Lab, exercise: str, given: Any
) -> tuple[Parts, list[FunctionType]]:
    answers = given if isinstance(given, Several) else (given,)
    verdict = lab.check(exercise, *(() if given is None else answers))
    parts = {o.part.name: o.to_json() for o in verdict.outcomes if not o.failed}
    known = functions_of(verdict.exercise)
    fails = [outcome.failed for outcome in verdict.outcomes if outcome.failed]
    return parts, [f for failed in fails for f in innermost(failed, known)]


def innermost(
    failed: Failed, known: dict[CodeType, FunctionType]
) -> list[FunctionType]:
    trace, codes = failed.__traceback__, []
    while trace:
        codes.append(trace.tb_frame.f_code)
        trace = trace.tb_next
    return [known[code] for code in reversed(codes) if code in known][:1]


@contextmanager
def noting(called: set[CodeType]) -> Iterator[None]:
    """Note the functions that are called."""

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            called.add(frame.f_code)

    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)


def holes(of: Parts, wanted: Parts) -> list[str]:
    return [name for name, part in of.items() if part == wanted[name]]


# Tests --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exercises() -> dict[str, Exercise]:
    found: dict[str, Exercise] = {}
    for number in {number_of(exercise) for exercise in ANSWERS}:
        with open_lab(number, SEED) as lab:
            found |= {exercise.id: exercise for exercise in lab.exercises}
    return found


@pytest.mark.parametrize("exercise", ANSWERS)
def test_one_silenced_function_earns_nothing(
    exercise: str, exercises: dict[str, Exercise]
) -> None:
    reference = run(exercise, ANSWERS[exercise].right[0])
    empty = ANSWERS[exercise].wrong[0][0]
    assert reference.parts
    known = functions_of(exercises[exercise])
    found: list[str] = []
    for code, function in known.items():
        for kind in KINDS:
            if code in reference.begun:
                got = run(exercise, empty, before=[function], kind=kind).parts
                found += told("before", [function], kind, holes(got, reference.parts))
            if code in reference.checked:
                got = run(exercise, empty, after=[function], kind=kind).parts
                found += told("after", [function], kind, holes(got, reference.parts))
    assert found == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("exercise", ANSWERS)
def test_whoever_silences_one_complaint_after_the_other_earns_nothing(
    exercise: str, kind: str
) -> None:
    reference = run(exercise, ANSWERS[exercise].right[0])
    empty = ANSWERS[exercise].wrong[0][0]
    mute: list[FunctionType] = []
    for _ in range(DEEPEST):
        got = run(exercise, empty, after=mute, kind=kind)
        assert told("after", mute, kind, holes(got.parts, reference.parts)) == []
        more = [function for function in got.stopped if function not in mute]
        if not more:
            return
        mute += more


def told(
    when: str, functions: Sequence[FunctionType], kind: str, parts: list[str]
) -> list[str]:
    names = ", ".join(function.__name__ for function in functions)
    return [f"{part or 'all'} for {names} that returns {kind}, {when} it began" for part in parts]
