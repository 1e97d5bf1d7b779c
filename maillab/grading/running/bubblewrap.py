"""The jail of bubblewrap: namespaces, without rights of an administrator.

Goes in: a folder of the grader, limits. Comes out: a `Cage`.

What is in it: no network; own process numbers; a root that cannot be written; /jail,
/tmp and /dev/shm in memory, each of a limited size; libraries, read-only.

Rule 1: nothing of this computer's disks can be written, not even a socket: the grader
        reaches the kernel's sockets through /proc/PID/root.
Rule 2: the kernel may not make further user namespaces: in one of these it could mount
        file systems without a limit.
Rule 3: the first process of the jail, bubblewrap's own, has none of the grader's
        environment: where the grader is not root, the kernel can read it there.
Rule 4: the limit of processes does not bind root. So root steps down to a user who owns
        nothing, after the mounts are made; then a second bubblewrap shuts the door.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from maillab.grading.running.jail import LAUNCHER, Cage, variables, visible
from maillab.grading.running.limits import Limits

HOME = "/jail"
SOCKETS = "/sockets"
FIRST_UID = 1_000_000_000  # of users who own nothing, one for each grader
SYSTEM = (
    *("/usr", "/lib", "/lib32", "/lib64", "/bin", "/etc/ld.so.cache"),
    *("/etc/localtime", "/etc/alternatives", "/etc/fonts"),
)
SHUT = ("--unshare-user", "--disable-userns", "--cap-drop", "ALL")
PERSON = ("--uid", "1000", "--gid", "1000")


def bubblewrap(desk: Path, limits: Limits) -> Cage:
    """A jail with no network, no disk and few rights."""
    read, write = os.pipe()
    return Cage(
        [
            *("bwrap", "--info-fd", str(write), *_walls(limits)),
            *_settings(),
            *_descent(),
            *(sys.executable, "-c", LAUNCHER),
        ],
        HOME,
        SOCKETS,
        lambda pid: f"/proc/{pid}/root{SOCKETS}",
        {"PATH": os.environ.get("PATH", os.defpath)},
        info_fd=(read, write),
        counts=counts_apart(),
    )


@cache
def bubblewrap_works() -> bool:
    """Whether a jail can be made here: Linux, bubblewrap 0.8, user namespaces."""
    if sys.platform != "linux" or shutil.which("bwrap") is None:
        return False
    command = ["bwrap", *_walls(Limits()), *_descent(), sys.executable, "-c", "pass"]
    tried = subprocess.run(command, capture_output=True, check=False)
    return tried.returncode == 0


@cache
def counts_apart() -> bool:
    """Whether Linux counts the processes of a jail apart from those of its user.

    It does since 5.14; and root runs each jail as a user of its own.
    """
    numbers = re.match(r"(\d+)\.(\d+)", platform.release())
    recent = numbers is not None and (int(numbers[1]), int(numbers[2])) >= (5, 14)
    return recent or not os.geteuid()


def _walls(limits: Limits) -> list[str]:
    most, some = limits.disk // 2, limits.disk // 5
    sizes = {HOME: most, "/tmp": some, SOCKETS: limits.disk // 20}
    return [
        *("--die-with-parent", "--new-session", "--unshare-pid", "--unshare-net"),
        *("--unshare-ipc", "--unshare-uts", "--hostname", "grader"),
        *(("--unshare-cgroup-try",) if not os.geteuid() else (*SHUT, *PERSON)),
        *(_root_rights() if not os.geteuid() else ()),
        *("--proc", "/proc", "--dev", "/dev", *_tmpfs("/dev/shm", some)),
        *("--remount-ro", "/dev"),
        *[word for path, size in sizes.items() for word in _tmpfs(path, size)],
        *_libraries(),
        *("--remount-ro", "/", "--chdir", HOME),
    ]


def _root_rights() -> tuple[str, ...]:
    return ("--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")


def _tmpfs(path: str, size: int) -> tuple[str, ...]:
    return ("--perms", "1777", "--size", str(size), "--tmpfs", path)


def _libraries() -> list[str]:
    words: list[str] = []
    for path in map(Path, SYSTEM):
        if path.is_symlink():
            words += ["--symlink", os.readlink(path), str(path)]  # noqa: PTH115
        elif path.exists():
            words += ["--ro-bind", str(path), str(path)]
    for path in visible():
        if path.is_relative_to("/usr"):
            continue
        for parent in reversed(path.parents[:-1]):  # bwrap would make them 0700
            words += ["--perms", "0755", "--dir", str(parent)]
        words += ["--ro-bind", str(path), str(path)]
    return words


def _settings() -> list[str]:
    pairs = variables(HOME, SOCKETS) | {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin"}
    words = [word for pair in pairs.items() for word in ("--setenv", *pair)]
    return ["--clearenv", *words]


def _descent() -> list[str]:
    """What root does further: become nobody in particular, and shut the door."""
    if os.geteuid():
        return []
    uid = str(FIRST_UID + os.getpid())
    return [
        *("setpriv", "--reuid", uid, "--regid", uid, "--clear-groups"),
        *("bwrap", "--die-with-parent", *SHUT, *PERSON),
        *("--bind", "/", "/", "--dev-bind", "/dev", "/dev", "--chdir", HOME),
    ]
