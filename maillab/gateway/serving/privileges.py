"""Give up root: once the ports are open, the server needs it no longer.

Goes in: the name of a user. Comes out: a process that is that user for good.

Rule: groups first, then the group, then the user: afterwards there is no way back, and
      that is tried out.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from maillab.errors import LabError


@dataclass(frozen=True, slots=True)
class Identity:
    """A user of this computer."""

    name: str
    uid: int
    gid: int


def is_root() -> bool:
    """This process may do anything."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def find_user(name: str) -> Identity:
    """Whom to become. Raises LabError."""
    if not hasattr(os, "setuid"):
        raise LabError(f"user = {name!r}: this system has no way to change the user")
    import pwd

    try:
        found = pwd.getpwnam(name)
    except KeyError:
        raise LabError(
            f'user = {name!r}: this computer has no such user; write one such as "mail"'
        ) from None
    if not is_root() and found.pw_uid != os.geteuid():
        raise LabError(f'user = {name!r}: only root may change the user; leave it ""')
    return Identity(name, found.pw_uid, found.pw_gid)


def give(paths: Iterable[Path], user: Identity) -> None:
    """Let files, and all in folders, be the user's. Links are not followed."""
    for path in paths:
        if path.is_symlink() or not path.exists():
            continue
        os.chown(path, user.uid, user.gid)
        for place, folders, files in os.walk(path):
            for name in (*folders, *files):
                os.chown(Path(place) / name, user.uid, user.gid, follow_symlinks=False)


def let_read(file: Path, user: Identity) -> None:
    """Let the user read a file that stays root's."""
    os.chown(file, -1, user.gid)
    file.chmod(file.stat().st_mode | 0o040)


def become(user: Identity) -> None:
    """Be this user, for good. Raises LabError."""
    if not is_root():
        return
    os.setgroups(os.getgrouplist(user.name, user.gid))
    os.setgid(user.gid)
    os.setuid(user.uid)
    if user.uid != 0 and can_return():
        raise LabError(f"user = {user.name!r}: the privileges of root did not go away")


def can_return() -> bool:
    """Root can be had back: that must not be."""
    try:
        os.setuid(0)
    except PermissionError:
        return False
    return True


def check_reach(folder: Path, user: Identity) -> None:
    """Raises LabError when the user of now cannot work in the folder."""
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise LabError(
            f"{folder}: the user {user.name!r} cannot reach this folder: let the "
            f"folders above be open to all (chmod o+x), or move it"
        )
