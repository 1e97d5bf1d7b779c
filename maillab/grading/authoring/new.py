"""Begin a notebook: files that run and pass their own tests, to be rewritten.

Goes in: a number and a title. Comes out: the author's text and its settings, a lab with
a world and a check, answers for the tests, and a line in `NOTEBOOKS`.

Rule: nothing that is there is overwritten.
"""

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from maillab.errors import LabError
from maillab.grading.authoring.notebook import from_text
from maillab.grading.authoring.settings import Settings

SCAFFOLD = Path(__file__).parent / "scaffold"
TABLE = "maillab/grading/lab.py"  # where NOTEBOOKS stands
FILES = {  # in the scaffold -> in the checkout
    "notebook.py.txt": "notebooks/instructor/@NUMBER@-@SLUG@.py",
    "world.toml.txt": "labs/@SLUG@/world.toml",
    "root.zone.txt": "labs/@SLUG@/zones/root.zone",
    "post.example.zone.txt": "labs/@SLUG@/zones/post.example.zone",
    "README.md.txt": "labs/@SLUG@/README.md",
    "checks.py.txt": "labs/@SLUG@/checks.py",
    "answers.py.txt": "tests/exercises/answers_@NUMBER@.py",
}


def create(number: str, title: str, root: Path) -> list[Path]:
    """Write the files into a checkout; which ones. Raises LabError."""
    words = words_for(number, title)
    table = root / TABLE
    if not table.is_file():
        raise LabError(f"{root}: is no checkout of maillab ({TABLE} is missing)")
    text = with_lab(table.read_text("utf-8"), words["NUMBER"], words["SLUG"])
    made = {root / filled(to, words): SCAFFOLD / of for of, to in FILES.items()}
    there = [file for file in made if file.exists()]
    if there:
        raise LabError(f"{there[0]} is there already; nothing was written")
    for file, template in made.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        content = filled(template.read_text("utf-8"), words)
        file.write_text(content, "utf-8", newline="\n")
    source = next(file for file in made if file.parent.name == "instructor")
    settings = source.with_suffix(".toml")
    toml = Settings.of(from_text(source.read_text("utf-8"))).to_toml()
    settings.write_text(toml, "utf-8", newline="\n")
    table.write_text(text, "utf-8", newline="\n")
    return [*made, settings, table]


def words_for(number: str, title: str) -> dict[str, str]:
    """What is filled in. Raises LabError.

    >>> words_for("7", "Who reads it?")["SLUG"], words_for("7", "x")["NUMBER"]
    ('who-reads-it', '07')
    """
    if not re.fullmatch(r"\d{1,2}", number):
        raise LabError(f"{number!r} is no number of a notebook, expected 13")
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    if not slug or not title.isprintable() or '"' in title:
        raise LabError(f'{title!r} is no title, expected words: "The lost letter"')
    number = number.zfill(2)
    return {
        "NUMBER": number,
        "SHORT": str(int(number)),
        "TITLE": title,
        "SLUG": slug,
    }


def filled(text: str, words: Mapping[str, str]) -> str:
    """A template with the words in their places."""
    for name, word in words.items():
        text = text.replace(f"@{name}@", word)
    return text


def with_lab(table: str, number: str, slug: str) -> str:
    """The text of `lab.py` with one more line in NOTEBOOKS. Raises LabError."""
    found = re.search(r"^NOTEBOOKS = \{[^\n]*\n(.*?)^\}", table, re.M | re.S)
    if found is None:
        raise LabError(f"{TABLE} has no NOTEBOOKS to add {number!r} to")
    rows = found[1].splitlines(keepends=True)
    if any(row.strip().startswith(f'"{number}"') for row in rows):
        raise LabError(f"there is a notebook {number!r} already: {TABLE}")
    rows = sorted([*rows, f'    "{number}": "{slug}",\n'])
    return table[: found.start(1)] + "".join(rows) + table[found.end(1) :]
