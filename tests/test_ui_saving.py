"""What a saved notebook keeps of an explorer."""

from typing import Any

from maillab.grading.authoring.notebook import PICTURE_TYPE, WIDGET_TYPE
from maillab.ui.controls import Explorer
from maillab.ui.saving import keep_pictures


def saved(data: dict[str, Any]) -> dict[str, Any]:
    """What is left of an output with this data."""
    cells = [
        {"cell_type": "markdown", "source": "Look:"},
        {"cell_type": "code", "outputs": [{"output_type": "stream"}, {"data": data}]},
    ]
    model = {"type": "notebook", "content": {"cells": cells}}
    keep_pictures(model=model, path="a.ipynb", contents_manager=None)
    return data


def test_an_explorer_leaves_its_text_and_picture() -> None:
    bundle = Explorer()._repr_mimebundle_()
    assert WIDGET_TYPE in bundle
    assert saved(dict(bundle)).keys() == {"text/plain", PICTURE_TYPE}


def test_a_widget_without_a_picture_stays() -> None:
    data = {WIDGET_TYPE: {"model_id": "1"}, "text/plain": "IntSlider(value=0)"}
    assert saved(dict(data)) == data


def test_other_files_and_folders_are_left_alone() -> None:
    for model in ({"type": "file", "content": "x"}, {"type": "notebook"}):
        before = dict(model)
        keep_pictures(model=model, path="a", contents_manager=None)
        assert model == before


def test_the_static_picture_tells_how_to_get_controls() -> None:
    assert "run this cell" in Explorer()._repr_mimebundle_()[PICTURE_TYPE]
