"""Where the student's code runs: in bubblewrap, in docker, or without any jail.

Goes in: a wish, and a folder of the grader's own. Comes out: a `Cage`, which says how
to start a kernel and where its sockets are.

Rule 1: a missing jail is said on stderr, never passed over.
Rule 2: of this computer the kernel sees Python, its libraries, `maillab` and its labs;
        neither references nor tests nor what others handed in.
"""

import compileall
import os
import site
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import maillab
from maillab.grading.running.limits import Limits

PACKAGE = Path(maillab.__file__).parent
LAUNCHER = Path(__file__).with_name("launcher.py").read_text("utf-8")
HANDED_DOWN = (  # to a kernel without a jail: what programs need to be found
    *("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV", "CONDA_PREFIX"),
    *("SYSTEMROOT", "WINDIR", "COMSPEC", "PATHEXT", "TEMP", "TMP", "TMPDIR"),
)


@dataclass(frozen=True)
class Cage:
    """How to start a kernel.

    argv     the command; it reads the wishes of `launcher.py` on its stdin
    home     the working directory as the kernel sees it, empty at first
    sockets  a folder as the kernel sees it
    outside  the same folder as the grader sees it, from the id of a process in it
    closing  a further command that ends everything in it
    counts   a limit of processes counts those in it only, not all of the user
    """

    argv: list[str]
    home: str
    sockets: str
    outside: Callable[[int], str]
    environment: dict[str, str] = field(default_factory=dict[str, str])
    info_fd: tuple[int, int] | None = None
    closing: list[str] = field(default_factory=list[str])
    folder: Path | None = None
    counts: bool = False


def variables(home: str, aside: str) -> dict[str, str]:
    """The environment variables of a kernel; programs keep their own things `aside`.

    The seed, which others on this computer could see here, comes by stdin.
    """
    return {
        "HOME": home,
        "IPYTHONDIR": f"{aside}/ipython",
        "LANG": "C.UTF-8",
        "LOGNAME": "student",
        "MPLCONFIGDIR": f"{aside}/matplotlib",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": str(PACKAGE.parent),
        "PYTHONSAFEPATH": "1",
    }


def no_cage(desk: Path, limits: Limits) -> Cage:
    """A working directory of its own, and nothing else."""
    home = desk / "home"
    home.mkdir()
    handed = {name: os.environ[name] for name in HANDED_DOWN if name in os.environ}
    return Cage(
        [sys.executable, "-c", LAUNCHER],
        str(home),
        str(desk),
        lambda _: str(desk),
        handed | variables(str(home), str(desk)) | {"JPY_PARENT_PID": str(os.getpid())},
        folder=home,
    )


@cache
def compile_once(
    folders: tuple[Path, ...] = (PACKAGE, PACKAGE.parent / "labs"),
) -> None:
    """Compile what every kernel imports: none can keep what it compiled itself."""
    if not sys.dont_write_bytecode:
        for folder in folders:
            compileall.compile_dir(folder, quiet=2)


def visible() -> list[Path]:
    """The folders that a kernel must be able to read, without their subfolders."""
    wanted = [*_pythons(), PACKAGE, PACKAGE.parent / "labs"]
    found: list[Path] = []
    for path in sorted({path for path in wanted if path.is_dir()}):
        if not any(path.is_relative_to(other) for other in found):
            found.append(path)
    return found


def _pythons() -> Iterator[Path]:
    yield Path(sys.prefix)
    yield Path(sys.base_prefix)
    if site.ENABLE_USER_SITE:
        yield Path(site.getusersitepackages())
    for entry in sys.path:
        if Path(entry).name in {"site-packages", "dist-packages"}:
            yield Path(entry)
