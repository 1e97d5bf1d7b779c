"""What a submission may use while it is graded.

Goes in: wishes of the instructor. Comes out: one value that goes with every grading.

Rule: no wish means the defaults, which are enough for the notebooks of the course.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

Jail = Literal["auto", "bwrap", "docker", "none"]
JAILS: tuple[str, ...] = get_args(Jail)

MEBI = 1 << 20
SET_UP = 20.0  # seconds: a busy computer is nobody's mistake


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one grading.

    jail      "auto": bubblewrap where it works, else none, which is said loudly
    cell      seconds for one cell, unless its author gave it more; then it is
              interrupted, and killed a bit later. Cells that are the instructor's own
              have SET_UP seconds at least
    notebook  seconds for all of it; what is not run by then is "not-run"
    memory    octets for all processes of a submission together
    processes and threads that it may have at once
    disk      octets that it may write
    output    octets that one cell may show
    messages  pieces of output that one cell may show
    image     of docker, in which Python and all that maillab needs is installed
    """

    jail: Jail = "auto"
    cell: float = 20.0
    notebook: float = 300.0
    memory: int = 1024 * MEBI
    processes: int = 64
    disk: int = 64 * MEBI
    output: int = 1_000_000
    messages: int = 2_000
    image: str = "maillab"


def as_authored(limits: Limits, notebook: dict[str, Any]) -> Limits:
    """The limits with the seconds that the author of a notebook gave it.

    They are settings of the notebook: `cell_timeout` and `timeout` in NN-name.toml.
    """
    told: Any = notebook["metadata"].get("maillab", {})

    def seconds(name: str, otherwise: float) -> float:
        wish: Any = told.get(name) if isinstance(told, dict) else None  # pyright: ignore
        return float(wish) if isinstance(wish, int | float) and wish > 0 else otherwise

    return replace(
        limits,
        cell=seconds("cell_timeout", limits.cell),
        notebook=seconds("timeout", limits.notebook),
    )
