"""What a machine can check of a notebook for students.

Goes in: a notebook. Comes out: complaints; none when it keeps the rules.

Here stand the sizes; the template of a graded notebook is in `lint_template.py`.

Rule 1: solutions do not count as long cells: students never see them.
Rule 2: a picture may have as many lines of text as it needs below it.
"""

import re
from collections.abc import Iterator
from itertools import groupby
from statistics import median

from maillab.grading.authoring.lint_template import headings, prose, template_complaints
from maillab.grading.authoring.notebook import (
    SOLUTION,
    Cell,
    Notebook,
    grade_id,
    is_check,
    nbgrader,
    source_of,
)

CODE_LINES, CODE_MEDIAN, CODE_WIDTH = 12, 3, 88
CODE_IN_A_ROW = 2
WORDS = 120
CELLS = range(25, 61)
OUTPUT_LINES = 25
FORBIDDEN = {
    r";\s*$": "ends in a semicolon: nbval shows what that hides",
    r"\bsleep\(": "sleeps; use world.advance()",
    r"^\s*(import|from) (socket|ssl|smtplib|urllib|requests)\b": "uses a real network",
}


def complaints(notebook: Notebook) -> list[str]:
    """Everything that is wrong with a notebook."""
    cells: list[Cell] = notebook["cells"]
    found = [
        f"cell {n}: {what}" for n, cell in enumerate(cells) for what in _cell(cell)
    ]
    graded = any(map(is_check, cells))
    return [*found, *_whole(cells), *(template_complaints(cells) if graded else ())]


def _whole(cells: list[Cell]) -> Iterator[str]:
    titles = [s for c in cells for s in headings(c) if s.startswith("# ")]
    if len(titles) != 1 or not source_of(cells[0]).startswith("# "):
        yield f"one title, in the first cell: found {titles}"
    if len(cells) not in CELLS:
        yield f"{len(cells)} cells, expected {CELLS.start} to {CELLS.stop - 1}"
    for kind, group in groupby(cells, key=lambda cell: cell["cell_type"]):
        if kind == "code" and len(run := list(group)) > CODE_IN_A_ROW:
            yield f"{len(run)} code cells in a row, from {source_of(run[0])!r}"
    code = [c for c in cells if c["cell_type"] == "code"]
    if code and median(map(code_lines, code)) > CODE_MEDIAN:
        yield f"half of the code cells have more than {CODE_MEDIAN} lines"
    importing = [c for c in code if re.search(r"^(import|from) ", source_of(c), re.M)]
    if importing not in ([], code[:1]):
        yield "imports stand in the first code cell and nowhere else"
    names = [grade_id(c) for c in cells if nbgrader(c)]
    if len(names) != len(set(names)):
        yield f"a grade_id occurs twice: {names}"


def _cell(cell: Cell) -> Iterator[str]:
    if cell["cell_type"] == "code":
        yield from _code(cell)
    else:
        yield from _text(source_of(cell))


def _code(cell: Cell) -> Iterator[str]:
    source = source_of(cell)
    if code_lines(cell) > CODE_LINES:
        yield f"{code_lines(cell)} lines of code, at most {CODE_LINES}"
    if max(map(len, source.splitlines()), default=0) > CODE_WIDTH:
        yield f"a line of code has more than {CODE_WIDTH} characters"
    for pattern, why in FORBIDDEN.items():
        if re.search(pattern, source, re.MULTILINE):
            yield why
    if is_check(cell) and not nbgrader(cell).get("points"):
        yield "a check without points"
    for output in cell["outputs"]:
        lines = output_lines(output)
        if lines > OUTPUT_LINES:
            yield f"{lines} lines of output, at most {OUTPUT_LINES}"
        html = "".join(output.get("data", {}).get("text/html", ""))
        yield from _pictures(html)


def _text(source: str) -> Iterator[str]:
    words = len(prose(source).split())
    if words > WORDS:
        yield f"{words} words, at most {WORDS}: {source[:40]!r}"
    yield from _pictures(source)


def _pictures(source: str) -> Iterator[str]:
    without = r"!\[\s*\]\(|<img(?![^>]*\balt=\"[^\"]+\")"
    if re.search(without, source):
        yield "a picture without alt text"


def code_lines(cell: Cell) -> int:
    """Lines that students read or write."""
    return len(SOLUTION.sub("", source_of(cell)).strip().splitlines())


def output_lines(output: Cell) -> int:
    """Lines that one output takes; a picture takes one."""
    data = output.get("data", {})
    if "<img" in "".join(data.get("text/html", "")):
        return 1
    text = output.get("text") or data.get("text/plain") or ""
    return len("".join(text).splitlines())
