"""Whose is it? The student's name, from where a file lies and what it is called.

    submitted/ann/ps1/01-a-letter.ipynb             nbgrader's course folder
    ann+ps1+2026-01-31 10:00:00 UTC+x/01.ipynb      nbgrader's exchange
    Ann Lee_4711_assignsubmission_file_/01.ipynb    Moodle, with folders
    Ann Lee_4711_assignsubmission_file_01.ipynb     Moodle, without
    leeann_LATE_123_456_01.ipynb                    Canvas
    ann/01.ipynb                                    a folder for each
    ann.ipynb                                       a file for each

Goes in: the parts of a path. Comes out: an `Author`.

Rule 1: a name is a text and never a path: nothing is opened or written by it.
Rule 2: only the topmost part counts. What is below it, the student has named.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

SYSTEMS = {
    "moodle": re.compile(r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_[a-z]+(?:_.*)?"),
    "canvas": re.compile(r"(?P<name>[^_]+)_(?:LATE_)?(?P<id>\d+)_\d+_.+"),
    "nbgrader": re.compile(r"(?P<name>[^+]+)\+[^+]+\+\d{4}-\d\d-\d\d [^+]*(?:\+.*)?"),
}
LONGEST = 200  # characters of a name


@dataclass(frozen=True, slots=True)
class Author:
    """A student.

    student  the name that results and reports carry
    system   "moodle", "canvas", "nbgrader", or "" for plain files and folders
    login    how that system calls the student: a number, a short name, or ""
    """

    student: str
    system: str = ""
    login: str = ""


def author_of(
    parts: Sequence[str], titles: Sequence[str] = (), system: str = ""
) -> Author:
    """Whose file this is.

    parts   of its path below the folder (or the zip file) that was named, the file last
    titles  what the notebook itself is called: such a stem is no name ("")
    system  "nbgrader" where the first part is known to be the student

    >>> author_of(["Ann Lee_4711_assignsubmission_file_", "01.ipynb"])
    Author(student='Ann Lee', system='moodle', login='4711')
    >>> author_of(["leeann_LATE_123_456_01.ipynb"])
    Author(student='leeann', system='canvas', login='123')
    >>> author_of(["ann", "mine.ipynb"]).student, author_of(["ann.ipynb"]).student
    ('ann', 'ann')
    """
    first = parts[0]
    for name, pattern in SYSTEMS.items():
        if found := pattern.fullmatch(first):
            login = found.groupdict().get("id") or found["name"]
            return Author(clean(found["name"]), name, login)
    if system and len(parts) > 1:
        return Author(clean(first), system, first)
    return Author(clean(_first_name(parts, titles)))


def is_named(part: str) -> bool:
    """A system has given this file, or folder, its name."""
    return any(pattern.fullmatch(part) for pattern in SYSTEMS.values())


def _first_name(parts: Sequence[str], titles: Sequence[str]) -> str:
    """The folder of the student, or the name of the file when that is a name."""
    stem = re.sub(r"\.(ipynb|zip)$", "", parts[0], flags=re.IGNORECASE)
    alone = re.sub(r"( \(\d+\)|-Copy\d*|-\d+)$", "", stem)  # as browsers and Jupyter do
    return "" if len(parts) == 1 and alone in titles else stem


def clean(name: str) -> str:
    """One line of printable characters."""
    letters = "".join(c if c.isprintable() else " " for c in name)
    return " ".join(letters.split())[:LONGEST]
