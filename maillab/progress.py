"""Long work says how far it is, and somebody may be looking: a notebook, a terminal.

Goes in: work, and a function that tells which part of it is done. Comes out: a bar,
while the work lasts, made by `maillab.ui.progress`.

Rule 1: the work knows nothing of it: another thread looks on. So results are the same,
        and it costs nothing where nobody looks (files, pipes, tests).
Rule 2: what takes less than a second shows nothing.
"""

import os
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Protocol

SHOWN_AFTER = 1.0  # real seconds
LOOK_EVERY = 0.2


class Bar(Protocol):
    """A bar that somebody sees."""

    def to(self, part: float) -> None:
        """So much is done: 0.0 to 1.0; below 0, nobody knows."""
        ...

    def close(self) -> None:
        """Take it away."""
        ...


def somebody_looks() -> bool:
    """A notebook runs this, or a person sits before the terminal."""
    return in_notebook() or (sys.stderr is not None and sys.stderr.isatty())


def in_notebook() -> bool:
    """This process is the kernel of a notebook that somebody has open.

    A Jupyter server says so; who runs a notebook for its output (nbconvert) does not,
    and gets no bars in it.
    """
    ipython: Any = sys.modules.get("IPython")
    is_kernel = ipython is not None and hasattr(ipython.get_ipython(), "kernel")
    return is_kernel and "JPY_SESSION_NAME" in os.environ


def new_bar(what: str) -> Bar:
    """A bar where it can be seen."""
    return import_module("maillab.ui.progress").new_bar(what)


@contextmanager
def watched(what: str, how_far: Callable[[], float]) -> Generator[None]:
    """Show how far the work inside is, if it takes long and somebody looks.

    how_far  which part is done, 0.0 to 1.0; below 0 when nobody knows. It is called by
             another thread.
    """
    if not somebody_looks():
        yield
        return
    over = threading.Event()
    looking = threading.Thread(target=_look_on, args=(what, how_far, over), daemon=True)
    looking.start()
    try:
        yield
    finally:
        over.set()
        looking.join()


def _look_on(what: str, how_far: Callable[[], float], over: threading.Event) -> None:
    if over.wait(SHOWN_AFTER):
        return
    bar = new_bar(what)
    try:
        bar.to(how_far())
        while not over.wait(LOOK_EVERY):
            bar.to(how_far())
    finally:
        bar.close()
