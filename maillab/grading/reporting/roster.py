"""Who is in the class: a list that the school's system exported.

    student,name,email,id,section
    ann,"Lee, Ann",ann@school.example,s4711,A

Goes in: a CSV file, with commas, semicolons or tabs. Comes out: people, found by the
name that a submission carries.

Rule: a student who handed in nothing is in the reports, and one who is on no list is.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from maillab.errors import LabError

MAX_SIZE = 5_000_000  # octets
# Our column, and what Moodle, Canvas and others call it.
COLUMNS: dict[str, tuple[str, ...]] = {
    "student": ("student", "username", "login", "sis login id"),
    "name": ("name", "full name", "display name"),
    "email": ("email", "email address", "e-mail"),
    "id": ("id", "id number", "sis user id", "student id"),
    "section": ("section", "group", "groups"),
}


@dataclass(frozen=True, slots=True)
class Person:
    """A student: `student` is the name on the submission, the rest is for grade books.

    >>> ann = Person("ann", "Lee, Ann", "ann@school.example")
    >>> ann.called, ann.is_called("lee,  ann")
    ('Lee, Ann', True)
    >>> ann.is_called("Ann Lee"), ann.is_called("leeann")  # of Moodle, of Canvas
    (True, True)
    """

    student: str
    name: str = ""
    email: str = ""
    id: str = ""
    section: str = ""

    @property
    def called(self) -> str:
        """The name for people."""
        return self.name or self.student

    def is_called(self, name: str) -> bool:
        """Whether a submission with this name is this student's."""
        mine = (self.student, self.name, self.email, self.id)
        mailbox = self.email.partition("@")[0]
        known = {_folded(one) for one in (*mine, mailbox) if one}
        swapped = " ".join(reversed(self.name.split(",", 1)))  # "Lee, Ann": Ann Lee
        known |= {_folded(swapped), _letters(self.name)} if self.name else set()
        return _folded(name) in known


def read_roster(file: Path) -> list[Person]:
    """The people of a class. Raises LabError."""
    try:
        if file.stat().st_size > MAX_SIZE:
            raise LabError(f"{file}: more than {MAX_SIZE:,} octets is no roster")
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", "") or "it is not UTF-8"
        raise LabError(f"{file}: the roster cannot be read: {why}") from error
    table = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    head, *rows = list(table) or [[]]
    places = _places(head, file)
    people = [_person(row, places) for row in rows if any(map(str.strip, row))]
    return [person for person in people if person.student]


def _delimiter(text: str) -> str:
    head = text.partition("\n")[0]
    return max(",;\t", key=head.count)


def _places(head: Sequence[str], file: Path) -> dict[str, int]:
    """Where our columns are. Raises LabError."""
    given = [title.strip().lower() for title in head]
    places = {
        ours: given.index(theirs[0])
        for ours, titles in COLUMNS.items()
        if (theirs := [title for title in titles if title in given])
    }
    if not {"student", "name", "email"} & set(places):
        raise LabError(
            f"{file}: its first line is {', '.join(head)[:80]!r}, expected student, "
            f"name, email, id, section (one of the first three is needed)"
        )
    return places


def _person(row: Sequence[str], places: dict[str, int]) -> Person:
    found = {n: row[at].strip() for n, at in places.items() if at < len(row)}
    student = found.get("student") or found.get("email") or found.get("name", "")
    return Person(**found | {"student": student})


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def _letters(name: str) -> str:
    """A name as Canvas puts it before the name of a file: leeann."""
    return "".join(c for c in name.casefold() if c.isalnum())
