"""What a machine can check of the template of a graded notebook.

Goes in: the cells of a notebook. Comes out: complaints; none when it keeps the rules.

A graded notebook has: a title block; a story with a picture; a set-up cell; rounds
(predict, look, explain); exercises (an imperative, a folded hint, a begin, an answer, a
check); something broken and repaired; a table of other people's words; a summary and
the points.

Rule 1: exercises and points are those of the lab.
Rule 2: no cell of code writes a name that differs from student to student.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from maillab.errors import LabError
from maillab.grading.authoring.notebook import (
    Cell,
    grade_id,
    is_answer,
    is_check,
    nbgrader,
    source_of,
)

TITLE_BLOCK = ("**You will**", "**You need**", "**Time**")
PREDICTION = "*Your prediction:*"
HINT = re.compile(r"<details>\s*<summary>Hint")
IMPERATIVE = re.compile(r"\*\*[A-Z][^*]*(?:`[^`]*`[^*]*)*\.\*\*")
RFC_SECTION = re.compile(r"\bRFC \d+ (?:§|appendix)|lab\.source\(")
PICTURE = re.compile(r"^```|!\[[^\]]+\]\(|<img ", re.MULTILINE)
CHECK_CALL = r"^lab\.check\("
HIDDEN_BEGIN = "### BEGIN HIDDEN TESTS"
MARKERS = re.compile(r"### (BEGIN|END) (SOLUTION|HIDDEN TESTS)$", re.MULTILINE)

Section = tuple[str, list[Cell]]  # its heading, its cells


def template_complaints(cells: Sequence[Cell]) -> Iterator[str]:
    """All that is missing in a graded notebook, or stands in the wrong order."""
    yield from _title(cells)
    yield from _story(cells)
    for heading, section in sections(cells):
        yield from _section(heading, section)
    yield from _closing(cells)
    for exercise in dict.fromkeys(map(exercise_of, cells)):
        if exercise:
            yield from _order(exercise, cells)
    for number, cell in enumerate(cells):
        yield from (f"cell {number}: {what}" for what in _graded_cell(cell))
    yield from _lab(cells)


# The parts of the template ------------------------------------------------------------


def _title(cells: Sequence[Cell]) -> Iterator[str]:
    block = source_of(cells[0])
    for words in TITLE_BLOCK:
        if words not in block:
            yield f"the title block says nothing about {words}"
    points = sum(nbgrader(cell).get("points", 0) for cell in cells if is_check(cell))
    if f"**{points} points**" not in block:
        yield f"the title block should say **{points} points**: the sum of the checks"
    if not re.search(r"\bRFC \d+", block):
        yield "the title block names no RFC to read"


def _story(cells: Sequence[Cell]) -> Iterator[str]:
    before = [n for n, cell in enumerate(cells) if cell["cell_type"] == "code"][:1]
    story = "\n".join(source_of(cell) for cell in cells[1 : before[0] if before else 1])
    views = "\n".join(source_of(cell) for cell in cells[: (before or [0])[0] + 3])
    if not story:
        yield "there is no story between the title and the set-up cell"
    elif not PICTURE.search(story) and "topology()" not in views:
        yield "the story has no picture of the world (```text, or world.topology())"
    if before and grade_id(cells[before[0]]) != "set-up":
        yield 'the first code cell is the set-up: # %% locked="set-up"'


def _section(heading: str, section: Sequence[Cell]) -> Iterator[str]:
    text = "\n".join(source_of(c) for c in section if c["cell_type"] == "markdown")
    if re.match("## Exercise ", heading):
        if not HINT.search(text):
            yield f"{heading!r} has no folded hint: <details><summary>Hint</summary>"
        if not IMPERATIVE.search(text):
            yield f"{heading!r} has no bold imperative: **Do this and that.**"
    elif re.match(r"## (Round|Break)", heading):
        everything = "\n".join(map(source_of, section))
        if not RFC_SECTION.search(everything):
            yield f"{heading!r} names no section of an RFC"
    if re.match("## Round", heading):
        yield from _round(heading, section)


def _round(heading: str, section: Sequence[Cell]) -> Iterator[str]:
    """Predict, then look."""
    predicted = [n for n, cell in enumerate(section) if PREDICTION in source_of(cell)]
    looked = [n for n, cell in enumerate(section) if cell["cell_type"] == "code"]
    if not predicted:
        yield f"{heading!r} asks for no prediction: *Your prediction:* …"
    elif not looked or looked[-1] < predicted[0]:
        yield f"{heading!r} has nothing to look at behind its prediction"


def _closing(cells: Sequence[Cell]) -> Iterator[str]:
    found = {heading.lower(): section for heading, section in sections(cells)}
    for words in ("break it", "in the real world", "summary"):
        if not any(words in heading for heading in found):
            yield f"there is no section with {words!r} in its heading"
    for heading, section in found.items():
        text = "\n".join(map(source_of, section))
        if "in the real world" in heading and not re.search(
            r"^\|[-| ]+\|$", text, re.M
        ):
            yield "the real world needs a table of other people's words"
    if "lab.report()" not in source_of(cells[-1]):
        yield "the last cell shows the points: lab.report()"


# Exercises ----------------------------------------------------------------------------


def _order(exercise: str, cells: Sequence[Cell]) -> Iterator[str]:
    """Heading, begin, answer, check."""
    name = exercise.replace(".", "-")
    at = {grade_id(cell): n for n, cell in enumerate(cells) if grade_id(cell)}
    titles = {
        n
        for n, cell in enumerate(cells)
        if source_of(cell).startswith(f"## Exercise {exercise}:")
    }
    if not titles:
        yield f"there is no heading '## Exercise {exercise}: …'"
    wanted = [f"{part}-{name}" for part in ("begin", "answer", "check")]
    missing = [part for part in wanted if part not in at]
    if missing:
        yield f"exercise {exercise} has no {' and no '.join(missing)}"
        return
    places = [*sorted(titles)[:1], *(at[part] for part in wanted)]
    if any(first >= second for first, second in pairwise(places)):
        yield f"exercise {exercise}: heading, begin, answer, check is the order"


def _graded_cell(cell: Cell) -> Iterator[str]:
    source, name = source_of(cell), grade_id(cell)
    marks = [(m[1], m[2]) for m in MARKERS.finditer(source)]
    if marks and marks != [
        (w, kind) for _, kind in marks[::2] for w in ("BEGIN", "END")
    ]:
        yield "BEGIN and END of solutions or hidden tests are not in pairs"
    if any(kind == "SOLUTION" for _, kind in marks) and not is_answer(cell):
        yield "a solution stands in a cell that is no answer"
    if is_check(cell):
        last = source.strip().splitlines()[-1] if source.strip() else ""
        if not re.match(CHECK_CALL, last) or f'"{exercise_of(cell)}"' not in source:
            call = f'lab.check("{exercise_of(cell)}", …)'
            yield f"the last line of {name} must be {call}; hidden tests stand above it"


# The lab ------------------------------------------------------------------------------


def _lab(cells: Sequence[Cell]) -> Iterator[str]:
    """The exercises of the lab, and its names, against those of the notebook."""
    code = [source_of(cell) for cell in cells if cell["cell_type"] == "code"]
    opened = re.search(r"open_lab\(\s*[\"'](\w+)[\"']", "\n".join(code))
    if opened is None:
        yield 'the set-up cell opens no lab: open_lab("01")'
        return
    try:
        exercises, varied = _of_lab(opened[1])
    except LabError as error:
        yield str(error)
        return
    found = {exercise_of(c): nbgrader(c).get("points", 0) for c in cells if is_check(c)}
    if found != exercises:
        yield f"the lab has the exercises {exercises}, the notebook has {found}"
    for name in varied:
        yield from _varied(name, cells)


def _of_lab(number: str) -> tuple[dict[str, int], list[str]]:
    """Points by exercise, and the names that differ. Raises LabError."""
    from maillab.grading.lab import NOTEBOOKS, exercises_of
    from maillab.world.files import find_scenario, load

    if number not in NOTEBOOKS:
        raise LabError(f"there is no lab {number!r} in NOTEBOOKS of grading/lab.py")
    file = find_scenario(NOTEBOOKS[number])
    exercises: Any = exercises_of(file.parent)
    table = load(file).scenario.variants
    points = {exercise.id: exercise.points for exercise in exercises}
    return points, [*table.domains, *table.addresses]


def _varied(name: str, cells: Sequence[Cell]) -> Iterator[str]:
    """Where a cell of code writes a name that is another one for other students."""
    pattern = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-]|\.\w)", re.I)
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code" and (hit := pattern.search(source_of(cell))):
            yield f"cell {number}: {hit[0]!r} differs from student to student: names.…"


# Cells --------------------------------------------------------------------------------


def sections(cells: Sequence[Cell]) -> list[Section]:
    """The cells below each `##`."""
    found: list[Section] = []
    for cell in cells:
        for heading in headings(cell):
            if heading.startswith("## "):
                found.append((heading, []))
        if found:
            found[-1][1].append(cell)
    return found


def exercise_of(cell: Cell) -> str:
    """The exercise to which a graded cell belongs: "1.1"; "" when it has none.

    >>> exercise_of({"metadata": {"nbgrader": {"grade_id": "check-10-2"}}})
    '10.2'
    """
    found = re.fullmatch(r"(?:begin|answer|check)-(\d+)-(\d+)", grade_id(cell))
    return f"{found[1]}.{found[2]}" if found else ""


def headings(cell: Cell) -> list[str]:
    """The headings of a markdown cell."""
    if cell["cell_type"] != "markdown":
        return []
    return [r for r in prose(source_of(cell)).splitlines() if re.match("#+ ", r)]


def prose(source: str) -> str:
    """Markdown without its blocks of code and its tags; tables without their bars."""
    text = re.sub(r"^```.*?^```", "", source, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"<[^>]*>|\|[-| ]*", " ", text)
