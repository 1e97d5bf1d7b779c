"""`maillab backup` and `maillab restore`: all that a server keeps, and back.

Goes in: the folder of a server, running or not; the folder of a backup. Comes out: the
other one, and what to say about it.

    mail/      by `store.backup`: each user as at one moment
    queue/     messages that wait: files that are never half written
    the rest   settings, accounts, certificates with their keys

Rule 1: a backup is for the eyes of its owner only: it holds mail, hashes and keys.
Rule 2: nothing is overwritten: neither a backup nor a server.
Rule 3: what waited when the backup was made is sent again after `restore`: better
        twice than never (RFC 5321 §4.1.1.4, RFC 1047).
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from maillab.errors import LabError
from maillab.gateway.serving.folder import ServerFolder, private_files
from maillab.store import backup as mail

FILES = ("maillab.toml", "accounts.toml", "ca.pem")
FOLDERS = ("tls",)
MESSAGES = Path("queue", "messages")
MAIL = "mail"


def back_up(source: Path, target: Path) -> Iterator[str]:
    """Copy a server. Raises LabError. Yields what has been copied."""
    private_files()
    folder = ServerFolder(source)
    folder.require()
    make_empty(target)
    copy_files(folder.path, target)
    yield f"queue: {copy_queue(folder.path, target)} messages"
    if folder.mail.exists():
        yield from told(mail.backup(folder.mail, target / MAIL))
    yield f"backup of {folder.path}: {target}"


def bring_back(source: Path, target: Path) -> Iterator[str]:
    """Make a server's folder from a backup. Raises LabError."""
    private_files()
    if not (source / "maillab.toml").is_file():
        raise LabError(
            f"{source} is no backup (it has no maillab.toml); give the folder that "
            f"`maillab backup` has made"
        )
    make_empty(target)
    target.chmod(0o755)
    copy_files(source, target)
    yield f"queue: {copy_queue(source, target)} messages"
    if (source / MAIL).exists():
        yield from told(mail.restore(source / MAIL, target / MAIL))
    yield f"restored to {target}: maillab serve --dir {target}"


def told(report: mail.Report) -> Iterator[str]:
    """What became of the mailboxes."""
    yield f"mail: {report}"
    yield from report.problems


def make_empty(target: Path) -> None:
    """A folder for the copy. Raises LabError when something is there."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise LabError(f"{target} is there already; give a folder that is not")
    target.mkdir(parents=True, exist_ok=True)


def copy_files(source: Path, target: Path) -> None:
    """Settings, accounts, certificates."""
    for name in FILES:
        if (source / name).is_file():
            shutil.copy2(source / name, target / name)
    for name in FOLDERS:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name)


def copy_queue(source: Path, target: Path) -> int:
    """The messages that wait; one that leaves meanwhile is left out."""
    (target / MESSAGES).mkdir(parents=True)
    for file in (source / MESSAGES).glob("*.mail"):
        with suppress(FileNotFoundError):
            shutil.copy2(file, target / MESSAGES / file.name)
    return len([*(target / MESSAGES).iterdir()])
