"""What a notebook that is saved keeps of an explorer: its picture, without controls.

Goes in: what JupyterLab is about to save. Comes out: the same without the controls of
explorers (`grading.authoring.notebook.without_widgets` says why).
"""

from typing import Any

from maillab.grading.authoring.notebook import without_widgets


def keep_pictures(model: dict[str, Any], **_: Any) -> None:
    """A hook for Jupyter's contents manager: called before a file is saved."""
    if model.get("type") != "notebook" or not model.get("content"):
        return
    for cell in model["content"].get("cells", []):
        without_widgets(cell)
