"""`maillab backup` and `maillab restore`: all that a server keeps, and back.

Goes in: the folder of a server, running or not; the folder of a backup. Comes out: the
other one, and what to say about it.

    mail/      by `store.backup`: each user as at one moment
    queue/     messages that wait: files that are never half written
    mailroot/  Pickup, Drop, Badmail
    the rest   settings, accounts (also an SQLite file of this folder), certificates
               with their keys, as far as they are in this folder

Rule 1: a backup is for the eyes of its owner only: it holds mail, hashes and keys.
Rule 2: nothing is overwritten: neither a backup nor a server.
Rule 3: what waited when the backup was made is sent again after `restore`: better
        twice than never (RFC 5321 §4.1.1.4, RFC 1047).
"""

import shutil
import sqlite3
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from maillab.errors import LabError
from maillab.gateway.serving.folder import ServerFolder, private_files
from maillab.gateway.serving.settings import ServeSettings
from maillab.store import backup as mail

FILES = ("maillab.toml", "accounts.toml", "ca.pem")
FOLDERS = ("tls", "mailroot")
MESSAGES = Path("queue", "messages")
MAIL = "mail"
Copy = Callable[[Path, Path], mail.Report]


def back_up(source: Path, target: Path) -> Iterator[str]:
    """Copy a server. Raises LabError. Yields what has been copied."""
    private_files()
    folder = ServerFolder(source)
    folder.require()
    with whole(target):
        make_empty(target)
        copy_files(folder.path, target)
        copied = copy_queue(folder.path, target)
    yield f"queue: {copied} messages"
    if folder.mail.exists():
        yield from told(copied_mail(mail.backup, folder.mail, target))
    yield f"backup of {folder.path}: {target}"


def bring_back(source: Path, target: Path) -> Iterator[str]:
    """Make a server's folder from a backup. Raises LabError."""
    private_files()
    if not (source / "maillab.toml").is_file():
        raise LabError(
            f"{source} is no backup (it has no maillab.toml); give the folder that "
            f"`maillab backup` has made"
        )
    with whole(target):
        make_empty(target)
        target.chmod(0o755)
        copy_files(source, target)
        copied = copy_queue(source, target)
    yield f"queue: {copied} messages"
    if (source / MAIL).exists():
        yield from told(copied_mail(mail.restore, source / MAIL, target))
    yield f"restored to {target}: maillab serve --dir {target}"


def copied_mail(copy: Copy, source: Path, target: Path) -> mail.Report:
    """The mailboxes. Raises LabError: then the other copies are of no use alone."""
    try:
        return copy(source, target / MAIL)
    except LabError as error:
        raise LabError(f"{error} (all of {target} has to go)") from error


def told(report: mail.Report) -> Iterator[str]:
    """What became of the mailboxes."""
    yield f"mail: {report}"
    yield from report.problems


def make_empty(target: Path) -> None:
    """A folder for the copy. Raises LabError when something is there."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise LabError(f"{target} is there already; give a folder that is not")
    target.mkdir(parents=True, exist_ok=True)


@contextmanager
def whole(target: Path) -> Generator[None]:
    """Raises LabError where a copy cannot be finished."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise LabError(
            f"the copy in {target} is not whole: {reason}; remove {target}, make room "
            "or give rights, and try again"
        ) from error


def copy_files(source: Path, target: Path) -> None:
    """Settings, accounts, certificates, folders of mail."""
    named = named_in(ServerFolder(source).load())
    files = [name for name in (*FILES, *named) if (source / name).is_file()]
    for folder in FOLDERS:
        inside = sorted((source / folder).rglob("*"))
        files += [str(one.relative_to(source)) for one in inside if one.is_file()]
    for name in files:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if is_database(source / name):
            copy_database(source / name, target / name)
            continue
        with suppress(FileNotFoundError):  # a file of mail that leaves meanwhile
            shutil.copy2(source / name, target / name)


def named_in(settings: ServeSettings) -> list[str]:
    """Files of the server's folder that only its settings know."""
    names = [settings.tls.certificate, settings.tls.key]
    if settings.accounts.startswith("sqlite"):
        names.append(settings.accounts.partition(":///")[2])
    inside = [one for one in names if one and ".." not in Path(one).parts]
    return [one for one in inside if not Path(one).is_absolute()]


def is_database(path: Path) -> bool:
    """As SQLite marks its files."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"
    return False


def copy_database(source: Path, target: Path) -> None:
    """An SQLite file, also while others write into it."""
    with (
        closing(sqlite3.connect(source)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)


def copy_queue(source: Path, target: Path) -> int:
    """The messages that wait; one that leaves meanwhile is left out."""
    (target / MESSAGES).mkdir(parents=True)
    for file in (source / MESSAGES).glob("*.mail"):
        with suppress(FileNotFoundError):
            shutil.copy2(file, target / MESSAGES / file.name)
    return len([*(target / MESSAGES).iterdir()])
