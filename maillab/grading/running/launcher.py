"""The first thing that runs in the jail: it takes limits upon itself, then the kernel.

Goes in: one line of JSON on stdin. Comes out: a kernel that listens.

Rule 1: the text of this file is handed to Python with `-c`, because the jail does not
        see the grader's files. So it imports nothing of maillab.
Rule 2: a limit that this computer does not know is left out; the jail has others.
Rule 3: each student pays for this start: what a graded notebook has no use for (the
        debugger, a search for garbage among modules) is left out.
"""

import contextlib
import gc
import json
import os
import sys
from pathlib import Path
from typing import Any

GARBAGE = 20_000  # new objects between two searches for garbage


def take_limits(limits: dict[str, int]) -> None:
    """Lower what this process and its children may use."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for name, wanted in limits.items():
        which = getattr(resource, f"RLIMIT_{name}", None)
        if which is not None:
            lower(resource, which, wanted)


def lower(resource: Any, which: int, wanted: int) -> None:
    """Lower one limit, but never above what is allowed already."""
    hard = resource.getrlimit(which)[1]
    value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(ValueError, OSError):  # macOS: a name without a meaning
        resource.setrlimit(which, (value, value))


def start_kernel(connection_file: str) -> None:
    """Become a kernel. Returns when it is shut down."""
    modules: dict[str, Any] = sys.modules
    modules.setdefault("rfc3987_syntax", None)  # see faststart.py
    modules.setdefault("debugpy", None)
    gc.set_threshold(GARBAGE)
    from ipykernel.kernelapp import IPKernelApp  # pyright: ignore

    app: Any = IPKernelApp.instance()
    app.initialize(["-f", connection_file, "--HistoryManager.enabled=False"])
    app.start()


def main() -> None:
    """Read what is wished for, and do it."""
    wishes: dict[str, Any] = json.loads(sys.stdin.readline())
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)  # nobody answers questions here
    Path(wishes["connection_file"]).write_text(json.dumps(wishes["connection"]))
    os.environ |= wishes["environment"]
    take_limits(wishes["limits"])
    start_kernel(wishes["connection_file"])


if __name__ == "__main__":
    main()
