"""The empty answer earns nothing, whatever of the check is silenced.

A student's code runs in the process of the checks, and can replace any function of
them. What it cannot replace is the grader, which compares the evidence with that of
the reference. So a function that does nothing, or says what is easy to say, must leave
another evidence behind.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, NamedTuple

import pytest

from maillab.grading import Exercise, Lab, open_lab
from maillab.grading.exercise import Failed, attempt
from maillab.world.world import World
from tests.exercises.kit import Answer, Several, all_answers, number_of, outcome

pytestmark = [
    pytest.mark.slow,
    *map(pytest.mark.filterwarnings, ("ignore::pytest.PytestWarning", "ignore")),
]

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


class Looked(NamedTuple):
    """What a check said.

    parts    those that passed
    stopped  the innermost functions in which it failed
    """

    parts: Parts
    stopped: list[FunctionType]


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


def look(lab: Lab, exercise: str, given: Any) -> Looked:
    """Check; a check that breaks says nothing, and earns nothing."""
    answers = given if isinstance(given, Several) else (given,)
    try:
        verdict = lab.check(exercise, *(() if given is None else answers))
        parts = {o.part.name: o.to_json() for o in verdict.outcomes if not o.failed}
    except Exception:  # noqa: BLE001  (whatever it is)
        return Looked({}, [])
    known = functions_of(verdict.exercise)
    fails = [outcome.failed for outcome in verdict.outcomes if outcome.failed]
    return Looked(parts, [f for failed in fails for f in innermost(failed, known)])


def innermost(
    failed: Failed, known: dict[CodeType, FunctionType]
) -> list[FunctionType]:
    trace, codes = failed.__traceback__, list[CodeType]()
    while trace:
        codes.append(trace.tb_frame.f_code)
        trace = trace.tb_next
    return [known[code] for code in reversed(codes) if code in known][:1]


@contextmanager
def breakable(exercise: str) -> Iterator[Lab]:
    """A lab that may be broken when it is closed."""
    lab = open_lab(number_of(exercise), SEED)
    yield lab
    with suppress(Exception):
        lab.close()


def empty_of(exercise: str) -> Answer:
    return ANSWERS[exercise].wrong[0][0]


def begun(lab: Lab, exercise: str) -> Any:
    """Begin, give the empty answer; the world breaks if that was silenced."""
    try:
        return empty_of(exercise)(lab, lab.begin(exercise))
    except Exception:  # noqa: BLE001  (whatever it is)
        return None


def called(
    exercise: Exercise, function: Callable[..., Any], *arguments: Any
) -> list[FunctionType]:
    """The functions that can be silenced, among those that a function calls."""
    codes: set[CodeType] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            codes.add(frame.f_code)

    sys.setprofile(note)
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
    return [f for code, f in functions_of(exercise).items() if code in codes]


# Tests --------------------------------------------------------------------------------


@cache
def wanted(exercise: str) -> Parts:
    """What the reference leaves."""
    verdict = outcome(exercise, ANSWERS[exercise].right[0], SEED)
    return {one.part.name: one.to_json() for one in verdict.outcomes}


def holes(
    looked: Looked, exercise: str, mute: Sequence[FunctionType], kind: str
) -> list[str]:
    names = ", ".join(function.__name__ for function in mute)
    right = [n for n, part in looked.parts.items() if part == wanted(exercise)[n]]
    return [f"{name or exercise} when {names} returns {kind}" for name in right]


def report(found: list[str]) -> str:
    return "points for nothing:\n" + "\n".join(found)


def exercise_of(lab: Lab, id: str) -> Exercise:
    return next(exercise for exercise in lab.exercises if exercise.id == id)


@pytest.mark.parametrize("exercise", ANSWERS)
def test_silence_during_the_check_earns_nothing(exercise: str) -> None:
    found: list[str] = []
    with breakable(exercise) as lab:
        given = begun(lab, exercise)
        for function in called(exercise_of(lab, exercise), look, lab, exercise, given):
            for kind in KINDS:
                with silenced([function], kind):
                    looked = look(lab, exercise, given)
                found += holes(looked, exercise, [function], kind)
    assert not found, report(found)


@pytest.mark.parametrize("exercise", ANSWERS)
def test_silence_from_the_beginning_earns_nothing(exercise: str) -> None:
    found: list[str] = []
    with breakable(exercise) as lab:
        of = exercise_of(lab, exercise)
        for function in called(of, begun, lab, exercise):
            for kind in KINDS:
                with silenced([function], kind):
                    looked = look(lab, exercise, begun(lab, exercise))
                found += holes(looked, exercise, [function], kind)
    assert not found, report(found)


@pytest.mark.parametrize("exercise", ANSWERS)
def test_whoever_silences_one_complaint_after_the_other_earns_nothing(
    exercise: str,
) -> None:
    found: list[str] = []
    with breakable(exercise) as lab:
        given = begun(lab, exercise)
        for kind in KINDS:
            mute: list[FunctionType] = []
            for _ in range(DEEPEST):
                with silenced(mute, kind):
                    looked = look(lab, exercise, given)
                found += holes(looked, exercise, mute, kind)
                mute += [one for one in looked.stopped if one not in mute]
    assert not found, report(found)
