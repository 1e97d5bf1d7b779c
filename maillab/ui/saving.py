"""What a notebook that is saved keeps of an explorer: its picture, without controls.

Goes in: what JupyterLab is about to save. Comes out: the same without widgets that have
a static picture beside them.

Rule 1: without its kernel a widget is only "model not found", and hides the picture.
Rule 2: widgets of others, which have no picture, stay.
"""

from typing import Any

WIDGET_TYPE = "application/vnd.jupyter.widget-view+json"
PICTURE_TYPE = "text/html"


def keep_pictures(model: dict[str, Any], **_: Any) -> None:
    """A hook for Jupyter's contents manager: called before a file is saved."""
    if model.get("type") != "notebook" or not model.get("content"):
        return
    for cell in model["content"].get("cells", []):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if PICTURE_TYPE in data:
                data.pop(WIDGET_TYPE, None)
