"""What one asks a trace for, and `maillab.ui` makes: explorers, plots, scapy packets.

Goes in: what is asked for. Comes out: what the maker in `maillab.ui` makes of it.

Rule 1: nothing here imports `maillab.ui`; makers are named, and loaded when asked for.
Rule 2: whoever has installed maillab without Jupyter is told what to type.
"""

from importlib import import_module
from typing import Any, NamedTuple

from maillab.errors import LabError


class Maker(NamedTuple):
    """A callable of `maillab.ui`, and the library that it needs."""

    module: str
    name: str
    library: str


MAKERS = {
    "session explorer": Maker("session_explorer", "SessionExplorer", "ipywidgets"),
    "trace explorer": Maker("trace_explorer", "TraceExplorer", "ipywidgets"),
    "capture explorer": Maker("capture_explorer", "CaptureExplorer", "ipywidgets"),
    "world explorer": Maker("world_explorer", "WorldExplorer", "ipywidgets"),
    "mailbox reader": Maker("mailbox_reader", "MailboxReader", "ipywidgets"),
    "composer": Maker("composer", "Composer", "ipywidgets"),
    "time-sequence plot": Maker("plots", "time_sequence_svg", "matplotlib"),
    "time-sequence PNG": Maker("plots", "time_sequence_png", "matplotlib"),
    "scapy packets": Maker("scapy_bridge", "to_scapy", "scapy"),
    "scapy sniffer": Maker("scapy_bridge", "sniff", "scapy"),
}


def make(what: str, *of: Any, **options: Any) -> Any:
    """Let `maillab.ui` make something. Raises LabError when its library is missing."""
    maker = MAKERS[what]
    try:
        import_module(maker.library)
    except ImportError as error:
        raise LabError(
            f"A {what} needs {maker.library}, which is not installed. "
            f"Type: pip install 'maillab[lab]'"
        ) from error
    made = getattr(import_module(f"maillab.ui.{maker.module}"), maker.name)
    return made(*of, **options)
