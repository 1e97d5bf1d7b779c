"""Which jail there is, and what is said when there is none.

Goes in: a wish. Comes out: the jail that will be used; a warning on stderr, or an error
when a jail was named that does not work here.

Rule: a named jail is used or refused. Only "auto" may become "none", and says so.
"""

import multiprocessing
import sys
from functools import cache
from pathlib import Path

from maillab.errors import LabError
from maillab.grading.running.bubblewrap import bubblewrap, bubblewrap_works
from maillab.grading.running.docker import docker, docker_works
from maillab.grading.running.jail import Cage, no_cage
from maillab.grading.running.limits import JAILS, Jail, Limits

CAGES = {"bwrap": bubblewrap, "docker": docker, "none": no_cage}
INSTALL = {
    "bwrap": "it needs Linux, user namespaces and bubblewrap 0.8 "
    "(apt-get install bubblewrap)",
    "docker": "the program docker must be there and reach its daemon",
}
WARNING = """\
***********************************************************************************
*  NO JAIL: the code of students runs with your rights, files and network.        *
*  Grade only what you would run yourself, or install bubblewrap (Linux) or       *
*  docker, and say --jail bwrap or --jail docker.                                 *
***********************************************************************************"""


def choose_jail(wish: Jail) -> Jail:
    """The jail that is used for a wish. Raises LabError."""
    if wish == "auto":
        return "bwrap" if bubblewrap_works() else "none"
    if wish not in JAILS:
        raise LabError(f"there is no jail {wish!r}: expected {', '.join(JAILS)}")
    works = {"bwrap": bubblewrap_works, "docker": docker_works}.get(wish, _always)
    if not works():
        raise LabError(
            f"the jail {wish} does not work here: {INSTALL[wish]}; "
            f"--jail none grades without one"
        )
    return wish


def warn_of(jail: Jail) -> None:
    """Say it loudly, once, when there is no jail; workers leave it to their parent."""
    if jail == "none" and multiprocessing.parent_process() is None:
        _warn()


@cache
def _warn() -> None:
    sys.stderr.write(WARNING + "\n")
    sys.stderr.flush()


def _always() -> bool:
    return True


def cage_for(desk: Path, limits: Limits) -> Cage:
    """The cage of a jail that was chosen."""
    return CAGES[choose_jail(limits.jail)](desk, limits)
