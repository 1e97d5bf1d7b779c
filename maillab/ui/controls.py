"""What all explorers share: a view above, controls, the call that gives the same.

Goes in: a view and the call that makes it. Comes out: widgets of ipywidgets.

Rule 1: an explorer shows nothing that a printed call does not give: `.call` is that
        call, and what was clicked before is in `.calls`.
Rule 2: an error in a callback is shown in the explorer: JupyterLab would only log it.
Rule 3: every control has a description that a screen reader reads, and works by
        keyboard. Nothing is written in JavaScript. In lists JupyterLab takes the
        arrow keys for itself, so two buttons go through each.
Rule 4: without a kernel there is the static view: text and HTML.
"""

import traceback
from collections.abc import Callable, Sequence
from functools import cache
from html import escape
from importlib import import_module
from typing import Any

from maillab.errors import LabError, ProtocolError, WorldError
from maillab.trace.lines import clean
from maillab.trace.view import View

EXPECTED = (LabError, ProtocolError, WorldError, OSError)  # their text says enough
WIDE = {"description_width": "initial"}
FULL = "calc(100% - 4px)"  # a widget has a margin of 2 px on each side
_KEPT_CALLS = 200
# Stands in a notebook that is opened without its kernel.
_NO_CONTROLS = "<p>For the controls, run this cell.</p>"


@cache
def kit() -> Any:
    """The module `ipywidgets`, which takes a while to import."""
    return import_module("ipywidgets")


def control(kind: str, description: str, **traits: Any) -> Any:
    """A widget with a description that is never cut."""
    tooltip = traits.pop("tooltip", description)
    if kind in ("Button", "ToggleButton"):
        layout = {"width": "auto"}
        return getattr(kit(), kind)(
            description=description, tooltip=tooltip, layout=layout, **traits
        )
    if kind in ("Text", "Textarea"):  # said once, before the click that leaves it
        traits["continuous_update"] = False
    looks = {
        "style": traits.pop("style", WIDE),
        "layout": traits.pop("layout", {"width": "auto", "max_width": "100%"}),
    }
    return getattr(kit(), kind)(
        description=description, tooltip=tooltip, **looks, **traits
    )


def row(*widgets: Any) -> Any:
    """Side by side; below each other where the window is narrow."""
    layout = {
        "flex_flow": "row wrap",
        "align_items": "center",
        "grid_gap": "0 12px",
    }
    return kit().HBox(list(widgets), layout=layout)


def column(*widgets: Any) -> Any:
    """Below each other."""
    return kit().VBox(list(widgets))


def page() -> Any:
    """A place for HTML; wide things scroll inside it."""
    return kit().HTML(layout={"overflow": "auto", "width": FULL})


class Explorer:
    """The base of all explorers.

    widget  what JupyterLab shows
    call    the call that gives what is shown now
    calls   what was done by clicks, as calls, in order; then `call`
    view    the static view that is shown now
    trouble the text of the last error; "" when the last click went well
    """

    def __init__(self) -> None:
        self.view: View | None = None
        self.call = ""
        self.trouble = ""
        self._done: list[str] = []
        self._busy = False
        self.parent: Explorer | None = None
        self.picture = page()
        self._trouble = kit().HTML()
        self._printed = kit().HTML()
        self._bars = column()  # of long work
        self.widget: Any = column()

    # Showing --------------------------------------------------------------------------

    def arrange(self, *widgets: Any) -> None:
        """Put the parts in order; below stand errors and the printed call."""
        self.widget.children = (*widgets, self._bars, self._trouble, self._printed)

    def show(self, view: View, call: str) -> None:
        """Show a view, and print the call that makes it."""
        self.view, self.call = view, call
        self.picture.value = view.html()
        self.reprint()
        if self.parent is not None:
            self.parent.took(self)

    def took(self, part: "Explorer") -> None:
        """What a part shows is what the whole shows."""
        self.view, self.call = part.view, part.call
        if self.parent is not None:
            self.parent.took(self)

    def did(self, call: str) -> None:
        """Remember, and print, what a click has done."""
        if self.parent is not None:
            self.parent.did(call)
            return
        self._done.append(call)
        del self._done[:-_KEPT_CALLS]
        self.reprint()

    def share(self, parent: "Explorer") -> None:
        """Become a part of another explorer: one list of what was clicked for all."""
        self.parent, self._done = parent, parent._done

    def refresh(self) -> None:
        """Show what the controls say."""

    def redraw(self) -> None:
        """The same, from outside: what controls are set to is no click."""
        before, self._busy = self._busy, True
        try:
            self.refresh()
        finally:
            self._busy = before

    @property
    def calls(self) -> list[str]:
        """What gives this state in a cell, in order."""
        done = [self.call] if self.call and self.call not in self._done[-1:] else []
        return [*self._done, *done]

    def text(self) -> str:
        """What is shown now, for a terminal."""
        shown = self.view.text() if self.view is not None else ""
        return "\n\n".join(filter(None, [shown, self.trouble, self._told()]))

    def html(self) -> str:
        """What is shown now, without controls."""
        shown = self.view.html() if self.view is not None else ""
        return f"{shown}{self._trouble.value}{self._printed.value}"

    def _told(self) -> str:
        return "The same by:\n" + "\n".join(f"  {call}" for call in self.calls)

    def reprint(self) -> None:
        """Print the calls anew."""
        code = escape("\n".join(map(clean, self.calls)))
        self._printed.value = f"<p>The same by:</p><pre><code>{code}</code></pre>"

    # Reacting -------------------------------------------------------------------------

    def on(self, widget: Any, do: Callable[[], None], what: str = "value") -> None:
        """Call `do` when a button is clicked, or a value changes."""

        def react(_: object) -> None:
            self.guarded(do)

        if hasattr(widget, "on_click"):
            widget.on_click(react)
        else:
            widget.observe(react, names=what)

    def steppers(self, listed: Any, choose: Callable[[], None]) -> tuple[Any, Any]:
        """Buttons that choose what stands before and after in a list."""
        what = listed.description

        def step(by: int) -> None:
            last = len(listed.options) - 1
            listed.index = min(max(0, (listed.index or 0) + by), last)
            choose()

        back = control("Button", f"{what} back", tooltip="The one above in the list")
        on = control("Button", f"{what} on", tooltip="The next one in the list")
        self.on(back, lambda: step(-1))
        self.on(on, lambda: step(1))
        return back, on

    def guarded(self, do: Callable[[], None]) -> None:
        """Do it once at a time, and show what goes wrong."""
        if self._busy:  # a control that another one sets: that one goes on
            return
        self._busy = True
        try:
            with import_module("maillab.ui.progress").shown_in(self._bars):
                do()
        except EXPECTED as error:
            self._fail(str(error) or type(error).__name__, "")
        except Exception as error:  # noqa: BLE001  (nobody else would show it)
            told = f"{type(error).__name__}: {error}"
            self._fail(told, "".join(traceback.format_exception(error)))
        else:
            self._fail("", "")
        finally:
            self._busy = False

    def _fail(self, told: str, details: str) -> None:
        self.trouble = clean(told)
        more = "\n".join(map(clean, details.splitlines()))
        fold = f"<details><summary>Traceback</summary><pre>{escape(more)}</pre>"
        self._trouble.value = (
            f'<p role="alert">⚠ {escape(self.trouble)}</p>'
            f"{f'{fold}</details>' if more else ''}"
            if told
            else ""
        )

    # In Jupyter -----------------------------------------------------------------------

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, Any]:
        bundle: dict[str, Any] = dict(self.widget._repr_mimebundle_() or {})
        return bundle | {
            "text/plain": self.text(),
            "text/html": self.html() + _NO_CONTROLS,
        }

    def __repr__(self) -> str:
        return self.text()


def offer(listed: Any, options: Sequence[Any], otherwise: Any) -> None:
    """New options for a list: what was chosen stays chosen, if it is still there.

    `options` are pairs of a label and a value, or values alone.
    """
    before = listed.value
    known: list[Any] = [o[1] if isinstance(o, tuple) else o for o in options]
    if tuple(options) != tuple(listed.options):
        listed.options = options
    listed.value = before if before in known else otherwise


def choices(values: Sequence[str]) -> list[tuple[str, str]]:
    """Options of a list: what a peer could have said is made printable."""
    return [(clean(value), value) for value in values]


def called(function: str, *arguments: object, **options: object) -> str:
    """A call as one types it.

    >>> called("world.advance", "10 min")
    "world.advance('10 min')"
    >>> called("session.transcript", fold=None)
    'session.transcript(fold=None)'
    """
    given = [*map(repr, arguments), *(f"{k}={v!r}" for k, v in options.items())]
    return f"{function}({', '.join(given)})"
