"""The bars that long work shows: in notebooks by ipywidgets, in terminals by rich.

Goes in: what is done, and how much of it. Comes out: a bar, which goes when it is over.

Rule: inside an explorer the bar stands in the explorer.
"""

from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from maillab.progress import Bar, in_notebook
from maillab.trace.lines import clean
from maillab.ui.controls import control, kit

_places: list[Any] = []  # the boxes of explorers that are at work, the last one counts


@contextmanager
def shown_in(box: Any) -> Generator[None]:
    """Bars of the work inside stand in this box."""
    _places.append(box)
    try:
        yield
    finally:
        _places.pop()


def new_bar(what: str) -> Bar:
    """A bar where it can be seen."""
    if _places or in_notebook():
        return NotebookBar(what, _places[-1] if _places else None)
    return TerminalBar(what)


class NotebookBar:
    """A bar in a notebook: in a box, or below the cell."""

    def __init__(self, what: str, box: Any = None) -> None:
        self.widget: Any = control(
            "FloatProgress",
            clean(what),
            min=0.0,
            max=1.0,
            layout={"width": "100%", "max_width": "52em"},
        )
        self._box: Any = box if box is not None else kit().VBox()
        self._box.children = (*self._box.children, self.widget)
        self._shown: Any = None
        if box is None:
            display = import_module("IPython.display").display
            self._shown = display(self._box, display_id=True)

    def to(self, part: float) -> None:
        """So much is done; a full striped bar when nobody knows."""
        self.widget.bar_style = "info" if part < 0 else ""
        self.widget.value = 1.0 if part < 0 else min(part, 1.0)

    def close(self) -> None:
        """Take it away."""
        others = (one for one in self._box.children if one is not self.widget)
        self._box.children = tuple(others)
        self.widget.close()
        if self._shown is not None:  # nothing of it stays in the notebook
            self._shown.update({}, raw=True)
            self._box.close()


class TerminalBar:
    """A bar on standard error, where output to files does not meet it."""

    def __init__(self, what: str, console: Any = None) -> None:
        rich: Any = import_module("rich.progress")
        err: Any = console or import_module("rich.console").Console(stderr=True)
        self._progress: Any = rich.Progress(console=err, transient=True)
        self._task: Any = self._progress.add_task(
            import_module("rich.markup").escape(clean(what)), total=1.0
        )
        self._progress.start()

    def to(self, part: float) -> None:
        """So much is done; a moving bar when nobody knows."""
        if part < 0:
            self._progress.update(self._task, total=None)
        else:
            self._progress.update(self._task, total=1.0, completed=min(part, 1.0))

    def close(self) -> None:
        """Take it away."""
        self._progress.stop()
