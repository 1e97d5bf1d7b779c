"""The folder in which a student works: own copies of the notebooks.

Goes in: the notebooks that came with maillab. Comes out: copies to write into, so that
a checkout stays clean and an update never meets a student's answers.

Rule 1: what a student changed is never overwritten.
Rule 2: what nobody touched follows the original when that changes.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import maillab
from maillab.errors import LabError

NOT_FOR_STUDENTS = {"instructor", ".ipynb_checkpoints", "__pycache__"}
NOTE = ".originals.json"  # file name -> digest of the original that was copied


@dataclass(slots=True)
class Refreshed:
    """What `refresh` did. File names, relative to the folder."""

    copied: list[str] = field(default_factory=list[str])
    outdated: list[str] = field(default_factory=list[str])


def originals() -> Path:
    """The folder of the notebooks: inside an installed package, else beside it."""
    package = Path(maillab.__file__).parent
    for folder in (package / "_notebooks", package.parent / "notebooks"):
        if folder.is_dir():
            return folder
    raise LabError("The notebooks are missing: install maillab anew.")


def refresh(source: Path, folder: Path) -> Refreshed:
    """Bring the copies in `folder` up to date with `source`.

    Raises LabError when the folder cannot be written.
    """
    done = Refreshed()
    if folder.exists() and folder.samefile(source):
        return done  # the originals themselves are opened
    try:
        folder.mkdir(parents=True, exist_ok=True)
        seen = _read_note(folder)
        for name in _files(source):
            _refresh_one(name, source, folder, seen, done)
        (folder / NOTE).write_text(json.dumps(seen, indent=1) + "\n", "utf-8")
    except OSError as error:
        raise LabError(
            f"Cannot write the notebooks into {folder} ({error.strerror}). "
            "Choose another place: maillab lab --folder DIRECTORY"
        ) from error
    return done


def _refresh_one(
    name: str, source: Path, folder: Path, seen: dict[str, str], done: Refreshed
) -> None:
    original, copy = source / name, folder / name
    wanted = _digest(original)
    has = _digest(copy) if copy.exists() else None
    if has == wanted:
        seen[name] = wanted
    elif has is None or has == seen.get(name):
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original, copy)
        seen[name] = wanted
        done.copied.append(name)
    elif seen.get(name) != wanted:
        done.outdated.append(name)


def _files(source: Path) -> list[str]:
    found = (path.relative_to(source) for path in source.rglob("*") if path.is_file())
    return sorted(p.as_posix() for p in found if not NOT_FOR_STUDENTS & set(p.parts))


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _read_note(folder: Path) -> dict[str, str]:
    note = folder / NOTE
    return json.loads(note.read_text("utf-8")) if note.exists() else {}
