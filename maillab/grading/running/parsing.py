"""A submission as cells.

Goes in: the octets of a file that anybody may have written. Comes out: cells that have
the parts of a cell.

Rule: what is damaged is left out and said; only a file with no cell at all is refused.
"""

import json
from typing import Any

from maillab.errors import LabError
from maillab.grading.authoring.notebook import MAX_SIZE, Cell, is_cell, source_of


def parse(content: bytes) -> tuple[list[Cell], list[str]]:
    """The cells of a notebook, and what was remarkable. Raises LabError."""
    if len(content) > MAX_SIZE:
        raise LabError(
            f"the file has more than {MAX_SIZE:,} octets: clear the outputs "
            f"(Kernel, Restart Kernel and Clear Outputs) and hand it in again"
        )
    try:
        found: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        why = str(error).splitlines()[0][:100]
        raise LabError(f"the file is not a notebook, or is damaged: {why}") from error
    return cells_of(found)


def cells_of(found: Any) -> tuple[list[Cell], list[str]]:
    """What of a JSON value are cells. Raises LabError."""
    whole: dict[str, Any] = found if isinstance(found, dict) else {}  # pyright: ignore
    if whole.get("nbformat") != 4:
        raise LabError(
            f"a notebook of format 4 was expected, found {str(whole.get('nbformat'))!r}"
            f": open it in JupyterLab, save it and hand it in again"
        )
    cells: Any = whole.get("cells")
    listed: list[Any] = cells if isinstance(cells, list) else []  # pyright: ignore
    sound = [cleaned(cell) for cell in listed if is_cell(cell)]
    if not sound:
        raise LabError("the notebook has no cells, or all of them are damaged")
    lost = len(listed) - len(sound)
    return sound, ([f"{lost} damaged cells were left out"] if lost else [])


def cleaned(cell: Cell) -> Cell:
    """A cell whose source is text that can be sent; its outputs are thrown away."""
    text = source_of(cell).encode("utf-8", "replace").decode()
    kept = {"id": cell.get("id"), "metadata": cell["metadata"]}
    return {**kept, "cell_type": cell["cell_type"], "source": text, "outputs": []}
