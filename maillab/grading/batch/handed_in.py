"""What was handed in: notebooks in files, folders and zip files, one for each student.

Goes in: paths that somebody typed. Comes out: one `HandedIn` for each student, sorted,
and what was remarkable.

Rule 1: nothing is unpacked to a disk. What is in a zip file is read in memory, with
        limits on number and size, whatever its names are.
Rule 2: links are not followed: a student's link leads to a file of the teacher.
Rule 3: of several notebooks of one student the newest counts, and that is said.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from maillab.errors import LabError
from maillab.grading.authoring.notebook import MAX_SIZE
from maillab.grading.batch.archives import members
from maillab.grading.batch.names import Author, author_of, clean, is_named

NBGRADER = "submitted"  # nbgrader's folder: submitted/STUDENT/ASSIGNMENT/FILE
TIMESTAMP = "timestamp.txt"  # in it nbgrader writes when something was handed in
NOT_HANDED_IN = {".ipynb_checkpoints", "__MACOSX", "__pycache__"}
MOST = 20_000  # files that are looked at


@dataclass(frozen=True, slots=True)
class HandedIn:
    """A notebook that somebody handed in.

    author   whose it is
    file     its name, for people
    time     when it was handed in, or last changed: seconds since 1970
    content  reads it: its octets, of a big one the first MAX_SIZE + 1. Raises LabError
    remarks  what is to be told about it
    """

    author: Author
    file: str
    time: float
    content: Callable[[], bytes]
    remarks: tuple[str, ...] = ()

    def digest(self) -> str:
        """SHA-256 of what was handed in, of what is read of it."""
        return sha256(self.content()).hexdigest()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which notebooks are looked for.

    titles   the names that the file has when nobody has renamed it
    answers  `grade_id`s of its answer cells
    """

    titles: Sequence[str] = ()
    answers: Sequence[str] = ()

    def is_in(self, one: HandedIn) -> bool:
        """Whether this is that notebook, as far as one sees without reading it well."""
        try:
            text = one.content()
        except LabError:
            return False
        return any(f'"{name}"'.encode() in text for name in self.answers)


@dataclass(slots=True)
class Collected:
    """What was found: a notebook for each student, and remarks."""

    notebooks: list[HandedIn] = field(default_factory=list[HandedIn])
    remarks: list[str] = field(default_factory=list[str])


def collect(paths: Iterable[Path], wanted: Wanted) -> Collected:
    """All that was handed in. Raises LabError when there is nothing."""
    found = Collected()
    for path in paths:
        found.notebooks += _at(path, wanted, found.remarks)
    if not found.notebooks:
        found.remarks.append("expected notebooks (.ipynb), in folders or zip files")
        raise LabError("nothing was handed in: " + "; ".join(found.remarks))
    alike = _told_apart(found.notebooks)
    found.notebooks = [_newest(alike[name], wanted) for name in sorted(alike)]
    return found


# Files, folders, zip files ------------------------------------------------------------


def _at(path: Path, wanted: Wanted, remarks: list[str]) -> Iterator[HandedIn]:
    if path.is_dir():
        return _in_folder(path, wanted, remarks)
    if not path.is_file():
        raise LabError(f"{path}: there is no such file or folder; name what to grade")
    if path.suffix.lower() == ".zip":
        return _in_zip(path, place_of(path, wanted), remarks)
    if path.suffix.lower() != ".ipynb":
        raise LabError(f"{path}: expected a notebook (.ipynb), a folder or a zip file")
    return iter([_one(path, path.parts[-1:], place_of(path, wanted))])


def _one(file: Path, parts: Sequence[str], place: "Place") -> HandedIn:
    author = place.author(parts)
    return HandedIn(author, clean(file.name), _time(file), lambda: read_some(file))


@dataclass(frozen=True, slots=True)
class Place:
    """Where notebooks were looked for, and what that tells of their authors.

    wanted  which notebooks are looked for
    name    the student, if nothing below tells another name
    system  "nbgrader" below its folder `submitted`
    above   parts of the path above this place that tell whose it is
    """

    wanted: Wanted
    name: str
    system: str = ""
    above: tuple[str, ...] = ()

    def author(self, parts: Sequence[str]) -> Author:
        """Whose file this is."""
        whole = (*self.above, *parts)
        found = author_of(whole, self.wanted.titles, self.system)
        return found if found.student else replace(found, student=self.name)


def place_of(path: Path, wanted: Wanted) -> Place:
    """What a path that was typed tells."""
    whole = path.resolve() if ".." in path.parts else path.absolute()
    *above, last = whole.parts
    if NBGRADER in above:
        below = above[above.index(NBGRADER) + 1 :]
        folder = [last] if path.is_dir() else []
        return Place(wanted, path.stem, "nbgrader", (*below, *folder))
    system = "nbgrader" if last == NBGRADER else ""
    if path.is_dir():
        return Place(wanted, last, system, (last,) if is_named(last) else ())
    lone = path.suffix.lower() == ".ipynb"
    told = (above[-1],) if lone and is_named(above[-1]) else ()
    return Place(wanted, above[-1] if lone else path.stem, system, told)


def _in_folder(folder: Path, wanted: Wanted, remarks: list[str]) -> Iterator[HandedIn]:
    if (folder / NBGRADER).is_dir():
        folder = folder / NBGRADER
    place = place_of(folder, wanted)
    files = list(_files(folder, remarks))
    below = _without_wrapping([file.relative_to(folder).parts for file in files])
    for file, parts in zip(files, below, strict=True):
        if file.suffix.lower() == ".zip":
            inside = replace(place, above=(*place.above, *parts))
            yield from _in_zip(file, inside, remarks)
        else:
            yield _one(file, parts, place)


def _files(folder: Path, remarks: list[str]) -> Iterator[Path]:
    """Notebooks and zip files below a folder."""
    for number, file in enumerate(sorted(folder.rglob("*"))):
        if number == MOST:
            raise LabError(f"{folder}: more than {MOST:,} files; name a smaller folder")
        parts = file.relative_to(folder).parts
        if not is_notebook(parts) and file.suffix.lower() != ".zip":
            continue
        if any(
            folder.joinpath(*parts[: n + 1]).is_symlink() for n in range(len(parts))
        ):
            remarks.append(f"{file}: is a link, and is not followed")
        elif file.is_file():
            yield file


def _without_wrapping(below: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """Without the one folder around all, as unpacking makes it."""
    first = {parts[0] for parts in below}
    second = {parts[1] for parts in below if len(parts) > 1}
    deep = all(len(parts) > 1 for parts in below)
    wraps = len(first) == 1 and deep and len(second) > 1 and all(map(is_named, second))
    return [parts[1:] if wraps else parts for parts in below]


def _in_zip(file: Path, place: Place, remarks: list[str]) -> Iterator[HandedIn]:
    """Notebooks in a zip file: of a class, or, inside a folder, of one student."""
    found = [m for m in members(file, remarks) if is_notebook(m.parts)]
    below = _without_wrapping([m.parts for m in found])
    for m, parts in zip(found, below, strict=True):
        yield HandedIn(place.author(parts), clean(m.parts[-1]), m.time, m.content)


def is_notebook(parts: Sequence[str]) -> bool:
    """A path that somebody may have handed in: neither hidden nor a spare copy."""
    if any(part in NOT_HANDED_IN or part.startswith("._") for part in parts):
        return False
    return parts[-1].lower().endswith(".ipynb")


def read_some(path: Path) -> bytes:
    """A file, or the beginning of one that is too big. Raises LabError."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_SIZE + 1)
    except OSError as error:
        raise LabError(f"{path}: cannot be read: {error.strerror}") from error


def _time(path: Path) -> float:
    """When it was handed in, as nbgrader noted, else when it was changed."""
    try:
        text = (path.parent / TIMESTAMP).read_text("utf-8").strip()
        return datetime.fromisoformat(re.sub(r" UTC$", "+00:00", text)).timestamp()
    except (OSError, ValueError):
        return path.stat().st_mtime


# Students -----------------------------------------------------------------------------


def _told_apart(found: Sequence[HandedIn]) -> dict[str, list[HandedIn]]:
    """By name; two students of one name get their numbers behind it."""
    logins: dict[str, set[str]] = {}
    for one in found:
        logins.setdefault(one.author.student, set()).add(one.author.login)
    apart: dict[str, list[HandedIn]] = {}
    for one in found:
        author = one.author
        name = author.student
        if len(logins[author.student]) > 1 and author.login:
            name = f"{name} ({author.login})"
        named = replace(one, author=replace(author, student=name))
        apart.setdefault(name, []).append(named)
    return apart


def _newest(found: Sequence[HandedIn], wanted: Wanted) -> HandedIn:
    """The one that counts: of those that are this notebook, the newest."""
    if len(found) == 1:
        return found[0]
    likely = [one for one in found if wanted.is_in(one)] or list(found)
    best = max(likely, key=lambda one: (one.time, _natural(one.file)))
    if len(likely) == 1:
        return best
    told = f"{len(likely)} notebooks were handed in: {best.file}, the newest, counts"
    return replace(best, remarks=(told,))


def _natural(name: str) -> list[tuple[int, str]]:
    """For sorting: letter-2 comes before letter-10."""
    words = re.findall(r"\d+|\D+", name)
    return [(int(word), "") if word.isdecimal() else (0, word) for word in words]
