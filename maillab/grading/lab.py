"""The world of a notebook, with its exercises.

Goes in: the number of a notebook and a seed. Comes out: a `Lab` to work in.

Rule 1: the seed decides passwords, words and letters; the same seed, the same lab.
Rule 2: an exercise can be begun again as often as one likes.
"""

import importlib
import os
import random
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from maillab.errors import LabError
from maillab.grading.exercise import Exercise, Failed, Task, attempt
from maillab.grading.failure import explain_failure
from maillab.grading.variants import WORDS, Named, draw_renaming
from maillab.grading.verdict import Report, Verdict, outcomes_of
from maillab.store.mailboxes import Change, Mailbox
from maillab.trace.session import Session
from maillab.world.console import Console
from maillab.world.files import find_scenario, load
from maillab.world.renaming import Renaming
from maillab.world.world import World

if TYPE_CHECKING:
    from maillab.grading.sources import Source

NOTEBOOKS = {  # number -> lab
    "01": "letter-by-hand",
    "02": "receiver",
    "04": "routing",
    "06": "five-days",
    "07": "eavesdropper",
    "08": "open-door",
    "10": "blocked-port",
    "11": "smart-host",
}
SEED_VARIABLE = "MAILLAB_SEED"
PUBLIC_SEED = "public"


def open_lab(number: str, seed: str = "") -> "Lab":
    """Open the world of notebook `number` ("01"). Raises LabError.

    `seed` makes your own variant of it; without one, the environment variable
    MAILLAB_SEED decides.
    """
    if number not in NOTEBOOKS:
        known = ", ".join(map(repr, NOTEBOOKS))
        raise LabError(f"there is no graded notebook {number!r}; there is {known}")
    return Lab(NOTEBOOKS[number], seed or os.environ.get(SEED_VARIABLE) or PUBLIC_SEED)


class Lab:
    """A running world, and the exercises in it.

    world      what you may do everything with
    names      what hosts, domains and addresses are called in your world
    exercises  what you should do with it
    """

    def __init__(self, name: str, seed: str) -> None:
        file = find_scenario(name)
        self.name = name
        self.seed = seed
        self.renaming = renaming_of(file, seed)
        self.world = World(load(file, self.renaming), seed)
        called = self.world.scenario.variants.names
        self.names = Named("names", called)
        self.exercises: Sequence[Exercise] = exercises_of(file.parent)
        self.verdicts: dict[str, Verdict] = {}
        self._tasks: dict[str, Task] = {}
        self._began: dict[str, int] = {}  # exercise -> connections there were before
        self._histories: dict[str, list[Change]] = {}  # user -> changes of the INBOX
        self._own: set[str] = set()  # connections that checks opened
        self._draw_passwords()

    # For the student ------------------------------------------------------------------

    def begin(self, exercise: str) -> Task:
        """Begin an exercise, or begin it again: its mailbox is as it was at first."""
        found = self._exercise(exercise)
        self._began[exercise] = len(self.world.trace.sessions)
        self._tasks[exercise] = found.begin(self)
        return self._tasks[exercise]

    def check(self, exercise: str, *answers: object) -> Verdict:
        """Look whether an exercise is solved. Changes no mailbox, costs nothing."""
        found = self._exercise(exercise)
        verdict = self._judge(found, answers)
        self.verdicts[exercise] = verdict
        return verdict

    def report(self) -> Report:
        """The points so far, by the last check of each exercise."""
        return Report(self.exercises, self.verdicts)

    def source(self, verb: str, protocol: str = "SMTP") -> "Source":
        """The code of our own server for a command: `lab.source("RCPT")`."""
        from maillab.grading.sources import handler_source

        return handler_source(verb, protocol)

    def close(self) -> None:
        """Stop the world."""
        self.world.close()

    def __enter__(self) -> "Lab":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # For exercises --------------------------------------------------------------------

    def random(self, use: str) -> random.Random:
        """Dice that fall the same way for the same seed and use."""
        return random.Random(f"{self.seed}:{self.name}:{use}")

    def words(self, use: str, count: int) -> list[str]:
        """Some different words; asked for more, the first ones stay the same.

        None of them is the name of a domain in this world.
        """
        drawn = self.random(use).sample(WORDS, len(WORDS))
        taken = {name.partition(".")[0] for name in self.renaming.names.values()}
        return [word for word in drawn if word not in taken][:count]

    def task(self, exercise: str) -> Task:
        """What was asked. Raises Failed when the exercise was not begun."""
        if exercise not in self._tasks:
            raise Failed(
                f'lab.begin("{exercise}") before the check',
                "none",
                perhaps="run the cells of the exercise from its first one",
            )
        return self._tasks[exercise]

    def sessions(self, exercise: str, protocol: str, user: str = "") -> list["Session"]:
        """The sessions since the exercise began; those of one user, if one is named."""
        new = self.world.trace.sessions[self._began.get(exercise, 0) :]
        found = [s for s in new if s.protocol == protocol and s.id not in self._own]
        return [s for s in found if not user or user in self._logins(s)]

    def examine(self, host: str, server: str, port: int) -> Console:
        """A console for a check: what it does is not taken for the student's work."""
        console = self.world.console(host, server, port)
        self._own.add(console.id)
        return console

    def restore(self, server: str) -> None:
        """A mail server as the scenario has it: its settings, and an empty queue."""
        found = self.world.server(server)
        found.mta.settings = self.world.scenario.hosts[found.name].settings
        found.queue.clear()

    def fill_inbox(self, user: str, letters: Sequence[bytes]) -> Mailbox:
        """Empty the INBOX of a user and put letters in it."""
        person = self.world.user(user)
        inbox = person.inbox
        inbox.expunge(message.uid for message in inbox.messages)
        for letter in letters:
            inbox.append(letter, self.world.network.now())
        return inbox

    def watch(self, user: str) -> None:
        """Remember from now on what happens to an INBOX."""
        if user not in self._histories:
            inbox = self.world.user(user).inbox
            inbox.watch(lambda change: self._histories[user].append(change))
        self._histories[user] = []

    def history(self, user: str) -> list[Change]:
        """What happened to an INBOX since `watch`."""
        return self._histories.get(user, [])

    # Inside ---------------------------------------------------------------------------

    def _logins(self, session: Session) -> set[str]:
        """The addresses that logged in on a session."""
        found: set[str] = set()
        for event in session.all("auth"):
            if event["ok"]:
                server = self.world.server(session.server)
                account = server.directory.find_login(str(event["user"]))
                found.add(account.local_part if account else "")
        return found

    def _judge(self, exercise: Exercise, answers: tuple[object, ...]) -> Verdict:
        found = attempt(exercise.check, self, *answers)
        verdict = Verdict(exercise, outcomes_of(exercise, found))
        for outcome in verdict.outcomes:
            if outcome.failed:
                explain_failure(self.world, outcome.failed)
        return verdict

    def _exercise(self, id: str) -> Exercise:
        for exercise in self.exercises:
            if exercise.id == id:
                return exercise
        known = ", ".join(repr(exercise.id) for exercise in self.exercises)
        raise LabError(f"there is no exercise {id!r} here; there is {known}")

    def _draw_passwords(self) -> None:
        for user in self.world.users.values():
            first, second = self.words(f"password:{user.address}", 2)
            user.set_password(f"{first}-{second}")

    def __repr__(self) -> str:
        of = sum(exercise.points for exercise in self.exercises)
        exercises = f"{len(self.exercises)} exercises, {of} points"
        return f"<Lab {self.name}: {exercises}, {self.world!r}>"


@cache
def renaming_of(file: Path, seed: str) -> Renaming:
    """What is called otherwise in the world of a seed; nothing in the public one."""
    table = load(file).scenario.variants
    if seed == PUBLIC_SEED or not (table.domains or table.addresses):
        return Renaming()
    files = [file, *sorted(file.parent.glob("zones/*"))]
    text = "\n".join(one.read_text("utf-8") for one in files)
    return draw_renaming(table, text, random.Random(f"{seed}:{file.parent.name}:names"))


@cache
def exercises_of(folder: Path) -> Sequence[Exercise]:
    """The exercises in all `checks*.py` of a lab's folder. Raises LabError."""
    files = sorted(folder.glob("checks*.py"))
    if not files:
        raise LabError(f"the lab {folder.name!r} has no exercises (checks.py)")
    found = [exercise for file in files for exercise in _module(file).EXERCISES]
    return tuple(sorted(found, key=lambda exercise: exercise.id))


def _module(file: Path) -> Any:
    """A Python file of a lab. Its neighbours it imports as `.name`."""
    package = f"maillab_lab_{file.parent.name.replace('-', '_')}"
    if package not in sys.modules:
        sys.modules[package] = ModuleType(package)
        sys.modules[package].__path__ = [str(file.parent)]
    return importlib.import_module(f"{package}.{file.stem}")
