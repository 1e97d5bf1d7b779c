"""All results of a class, by student and by notebook.

Goes in: the results in the folder of `maillab grade`, and a roster. Comes out: a
`Course`, of which every report is a picture.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from maillab.errors import LabError
from maillab.grading.batch.results import Entry, Results, plain
from maillab.grading.reporting.roster import Person, read_roster
from maillab.grading.results import CheckResult, Result


@dataclass(frozen=True, slots=True)
class Exercise:
    """A column: an exercise of a notebook, and its points."""

    notebook: str
    id: str
    of: int


@dataclass(frozen=True)
class Course:
    """A class.

    people   all students, in the order of their names
    titles   number of a notebook -> its title
    results  (student, number of a notebook) -> what came out
    logins   the same -> the system from which it came, and the student's name there
    """

    people: Sequence[Person]
    titles: Mapping[str, str]
    results: Mapping[tuple[str, str], Result]
    logins: Mapping[tuple[str, str], tuple[str, str]]

    @classmethod
    def read(cls, folder: Path, students: Path | None = None) -> "Course":
        """That of a folder of results. Raises LabError."""
        found = Results(folder)
        found.demand()
        entries = found.entries()
        if not entries:
            raise LabError(f"{folder}: nothing was graded yet: maillab grade LAB FILES")
        return cls.of(entries, read_roster(students) if students else [])

    @classmethod
    def of(cls, entries: Sequence[Entry], roster: Sequence[Person] = ()) -> "Course":
        """Those of the roster, and everybody else who handed in."""
        people = {person.student: person for person in roster}
        results: dict[tuple[str, str], Result] = {}
        logins: dict[tuple[str, str], tuple[str, str]] = {}
        for entry in entries:
            person = _person(entry, roster)
            people[person.student] = person
            key = (person.student, entry.result.notebook)
            results[key] = entry.result
            logins[key] = (entry.system, entry.login)
        ordered = sorted(people.values(), key=_by_name)
        return cls(ordered, _titles(results.values()), results, logins)

    def exercises(self, notebook: str) -> list[Exercise]:
        """The exercises of a notebook, in their order."""
        found: dict[str, Exercise] = {}
        for result in self.of_notebook(notebook):
            for check in result.checks:
                found.setdefault(check.id, Exercise(notebook, check.id, check.of))
        return sorted(found.values(), key=lambda e: natural(e.id))

    def of_notebook(self, notebook: str) -> list[Result]:
        """All results of a notebook."""
        return [r for (_, number), r in self.results.items() if number == notebook]

    def of_student(self, student: str) -> list[Result]:
        """All results of a student, in the order of the notebooks."""
        found = (self.results.get((student, number)) for number in self.titles)
        return [result for result in found if result]

    def points(self, student: str, exercise: Exercise) -> int | None:
        """None: nothing was handed in. What could not be graded is worth 0."""
        check = self.check(student, exercise)
        return check.points if check else None

    def check(self, student: str, exercise: Exercise) -> CheckResult | None:
        """The result of one check."""
        result = self.results.get((student, exercise.notebook))
        checks = result.checks if result else ()
        return next((check for check in checks if check.id == exercise.id), None)

    def graded(self, student: str, exercise: Exercise) -> CheckResult | None:
        """The same, of a notebook that could be run."""
        result = self.results.get((student, exercise.notebook))
        return self.check(student, exercise) if result and not result.trouble else None

    def login(self, student: str, notebook: str, system: str) -> str:
        """How a system from which a notebook came calls the student, or ""."""
        came_from, login = self.logins.get((student, notebook), ("", ""))
        return login if came_from == system else ""

    def worth(self, notebook: str) -> int:
        """The points that can be reached."""
        return sum(exercise.of for exercise in self.exercises(notebook))


def natural(id: str) -> tuple[int, ...]:
    """A key to sort by: 10.2 comes after 9.1.

    >>> sorted(["10.2", "9.1"], key=natural)
    ['9.1', '10.2']
    """
    return tuple(int(part) for part in id.split(".") if part.isdigit())


def _by_name(person: Person) -> tuple[str, str]:
    """Å stands beside A, and capitals do not matter."""
    return plain(person.called).casefold(), person.student


def _titles(results: Iterable[Result]) -> dict[str, str]:
    known: dict[str, str] = {}
    for result in results:
        known[result.notebook] = known.get(result.notebook) or result.title
    return dict(sorted(known.items()))


def _person(entry: Entry, roster: Sequence[Person]) -> Person:
    """Who handed this in."""
    name = entry.result.student
    return next((p for p in roster if p.is_called(name)), Person(name))
