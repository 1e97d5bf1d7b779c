"""The folder with the results of a batch, and with its secret.

    DIR/secret-seed                  drawn once, if the teacher brings none
    DIR/results/01/STUDENT.json      the result that counts
    DIR/earlier/01/STUDENT/*.json    those of submissions that were replaced

Goes in: results, one by one. Comes out: files that REPORTs are made of, and the answer
to the question what is still to be graded.

Rule 1: a result is on the disk, or it is not: written, flushed, renamed.
Rule 2: nothing that was ever handed in and graded is thrown away.
Rule 3: only the owner may read the secret. It stands in no other file.
"""

import hmac
import json
import os
import re
import secrets
from dataclasses import dataclass
from hashlib import blake2s
from pathlib import Path
from typing import Any

from maillab.errors import LabError
from maillab.grading.results import Result
from maillab.store.folders import sync_folder

SECRET = "secret-seed"
SHORTEST = 8  # octets of a secret that somebody brings
PLAIN = re.compile(  # the same on every disk, and nothing that `file_name` would make
    r"(?!(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)|.*-[0-9a-f]{10}$)"
    r"[a-z0-9][a-z0-9_.-]{0,63}(?<!\.)"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A result, and what belongs to it.

    key     of all that could change the result; the same key, the same result
    system  where the notebook came from: "moodle", "canvas", "nbgrader" or ""
    login   how that system calls the student (its number, its short name), or ""
    """

    result: Result
    key: str
    system: str = ""
    login: str = ""

    def to_json(self) -> str:
        """The result's own text, and three more facts."""
        told = json.loads(self.result.to_json())
        told |= {"key": self.key, "system": self.system, "login": self.login}
        return json.dumps(told, indent=1, ensure_ascii=False, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Entry":
        """Read it back. Raises LabError."""
        result = Result.from_json(text)
        told: dict[str, Any] = json.loads(text)
        facts = (str(told.get(name, "")) for name in ("key", "system", "login"))
        return cls(result, *facts)


class Results:
    """The folder: `Results(Path("graded"))`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self) -> None:
        """Make it. Raises LabError."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LabError(
                f"--out {self.folder}: cannot be made ({error.strerror}); name a folder"
            ) from error

    def demand(self) -> None:
        """Raise LabError when nothing was graded into it."""
        if not (self.folder / "results").is_dir():
            raise LabError(
                f"{self.folder}: no results there; type first: "
                f"maillab grade LAB SUBMISSIONS --out {self.folder}"
            )

    # Results --------------------------------------------------------------------------

    def file(self, notebook: str, student: str) -> Path:
        """Where the result of a student is, or will be."""
        return self.folder / "results" / notebook / f"{file_name(student)}.json"

    def find(self, notebook: str, student: str) -> Entry | None:
        """What there is of a student; a damaged file is as good as none."""
        try:
            return Entry.from_json(self.file(notebook, student).read_text("utf-8"))
        except (OSError, UnicodeDecodeError, LabError):
            return None

    def keep(self, entry: Entry) -> Path:
        """Write a result to the disk, for good; an earlier one is put aside."""
        result = entry.result
        file = self.file(result.notebook, result.student)
        file.parent.mkdir(parents=True, exist_ok=True)
        before = self.find(result.notebook, result.student)
        if before and before.key != entry.key:
            self._put_aside(file, before)
        write_whole(file, entry.to_json())
        return file

    def entries(self, notebook: str = "") -> list[Entry]:
        """All that count, sorted by notebook and student. Raises LabError."""
        found: list[Entry] = []
        for file in sorted((self.folder / "results").glob(f"{notebook or '*'}/*.json")):
            try:
                found.append(Entry.from_json(file.read_text("utf-8")))
            except (OSError, UnicodeDecodeError, LabError) as error:
                raise LabError(
                    f"{file}: {error}; delete it, and grade once more"
                ) from error
        return sorted(found, key=lambda e: (e.result.notebook, e.result.student))

    def _put_aside(self, file: Path, before: Entry) -> None:
        drawer = self.folder / "earlier" / file.parent.name / file.stem
        drawer.mkdir(parents=True, exist_ok=True)
        name = f"{before.result.digest[:12]}-{before.key[:12]}.json"
        write_whole(drawer / name, file.read_text("utf-8"))

    # The secret -----------------------------------------------------------------------

    def secret(self, file: Path | None = None) -> str:
        """The secret seed: of a file, or drawn once and kept. Raises LabError."""
        if file is not None:
            return read_secret(file)
        kept = self.folder / SECRET
        try:
            handle = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as fresh:
                fresh.write(secrets.token_hex(32) + "\n")
                fresh.flush()
                os.fsync(handle)
        except FileExistsError:
            pass
        except OSError as error:
            raise LabError(f"{kept}: cannot be written: {error.strerror}") from error
        return read_secret(kept)


def read_secret(file: Path) -> str:
    """The secret in a file. Raises LabError."""
    try:
        secret = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", "") or "is not text"
        raise LabError(f"{file}: the secret seed cannot be read: {why}") from None
    if len(secret.encode()) < SHORTEST:
        raise LabError(
            f"{file}: a secret seed has at least {SHORTEST} characters, expected a "
            f"line that nobody guesses"
        )
    return secret


def seed_of(secret: str, notebook: str, student: str = "") -> str:
    """The seed of a student's world; without a student, of the world of all.

    >>> seed_of("not very secret", "01", "ann")
    '829d7feeff26b3db'
    """
    told = f"{notebook}:{student}".encode()
    return hmac.digest(secret.encode(), told, "sha256").hex()[:16]


def file_name(student: str) -> str:
    """A name for a file: readable, harmless, and another one for each student.

    >>> file_name("ann")
    'ann'
    >>> file_name("../Zoë Ångström")
    'zoe-angstrom-52e06fa53d'
    """
    if PLAIN.fullmatch(student):
        return student
    letters = re.sub(r"[^a-z0-9]+", "-", plain(student).lower()).strip("-")[:40]
    mark = blake2s(student.encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()
    return f"{letters or 'student'}-{mark}"


def plain(text: str) -> str:
    """Without accents."""
    from unicodedata import combining, normalize

    return "".join(c for c in normalize("NFKD", text) if not combining(c))


def write_whole(file: Path, text: str) -> None:
    """Write a file so that nobody ever finds half of it."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    with fresh.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)
    sync_folder(file.parent)
