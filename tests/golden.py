"""Texts and pictures that views must go on giving: tests/golden/*.txt, *.svg.

    check_golden("ladder.txt", session.ladder().text())

`pytest --rewrite` writes what the views really give; the test fails once, with what has
changed, as transcripts do.
"""

import difflib
import sys
from pathlib import Path

GOLDEN = Path(__file__).with_name("golden")
REWRITES = "--rewrite" in sys.argv


def check_golden(
    name: str, text: str, *, folder: Path = GOLDEN, rewrites: bool = REWRITES
) -> None:
    """Fail with a diff unless the file `name` holds `text`.

    SVG stands there with a line for each element, so that a diff can be read.
    """
    path = folder / name
    shown = (text.replace("><", ">\n<") if name.endswith(".svg") else text) + "\n"
    known = path.read_text("utf-8") if path.exists() else ""
    if shown == known:
        return
    if rewrites:
        path.parent.mkdir(exist_ok=True)
        path.write_text(shown, "utf-8", newline="\n")
    rows = known.splitlines(), shown.splitlines()
    changed = "\n".join(difflib.unified_diff(*rows, f"golden/{name}", "now", n=2))
    raise AssertionError(
        f"{name} is not what it was; if that is right, type pytest --rewrite\n{changed}"
    )
