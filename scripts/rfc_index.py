"""Write docs/rfc-index.md: where each RFC section is implemented, shown and taught.

Goes in: every `RFC 5321 §4.5.2` in maillab/, tests/transcripts/ and notebooks/, and
docs/rfc-status.toml, which says how much of each RFC is there. Comes out: one page.

    python scripts/rfc_index.py           write the page
    python scripts/rfc_index.py --check   fail when the page is stale
"""

import ast
import json
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "rfc-index.md"
STATUS = ROOT / "docs" / "rfc-status.toml"
REFERENCE = re.compile(r"RFC (\d+)(?: §([0-9A-Z]\w*(?:\.\d+)*))?")
COLUMNS = ("Code", "Transcripts", "Notebooks")
HEAD = """\
# RFC index

Where each section is implemented, shown as a session, and taught. Written by
`make docs` from the references in the code, which all have one spelling:
`RFC 5321 §4.5.2`. How much of an RFC is implemented is said in
[rfc-status.toml](rfc-status.toml); an RFC without a word there is only mentioned.

"""


@dataclass(frozen=True, slots=True, order=True)
class Mention:
    """One place that names an RFC: a cell of the tables."""

    rfc: int
    section: str  # "" for the whole RFC
    column: str
    link: str


def mentions() -> Iterator[Mention]:
    """Everything in the repository that names an RFC."""
    for file in sorted((ROOT / "maillab").rglob("*.py")):
        yield from _in_code(file)
    for file in sorted((ROOT / "tests" / "transcripts").rglob("*.txt")):
        name = file.relative_to(ROOT / "tests" / "transcripts").with_suffix("")
        yield from _in_text(file.read_text("utf-8"), "Transcripts", _link(file, name))
    for file in sorted((ROOT / "notebooks").glob("*.ipynb")):
        yield from _in_text(_prose(file), "Notebooks", _link(file, file.stem))


def _in_code(file: Path) -> Iterator[Mention]:
    text = file.read_text("utf-8")
    owners = _owners(ast.parse(text), len(text.splitlines()) + 1)
    module = file.relative_to(ROOT / "maillab")
    for number, line in enumerate(text.splitlines(), start=1):
        owner = f" `{owners[number]}`" if owners[number] else ""
        yield from _in_text(line, "Code", _link(file, module) + owner)


def _in_text(text: str, column: str, link: str) -> Iterator[Mention]:
    for found in REFERENCE.finditer(text):
        yield Mention(int(found[1]), found[2] or "", column, link)


def _owners(tree: ast.AST, lines: int) -> list[str]:
    """For each line the innermost class or function around it, as `Class.method`."""
    owners = [""] * (lines + 1)

    def visit(node: ast.AST, name: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                full = f"{name}.{child.name}".lstrip(".")
                first = min([child.lineno, *(d.lineno for d in child.decorator_list)])
                last = child.end_lineno or child.lineno
                owners[first : last + 1] = [full] * (last + 1 - first)
                visit(child, full)
            else:
                visit(child, name)

    visit(tree, "")
    return owners


def _prose(notebook: Path) -> str:
    cells = json.loads(notebook.read_text("utf-8")).get("cells", [])
    return "\n".join("".join(cell["source"]) for cell in cells)


def _link(file: Path, text: object) -> str:
    return f"[{text}](../{file.relative_to(ROOT).as_posix()})"


def render() -> str:
    """The whole page."""
    status: dict[str, Any] = tomllib.loads(STATUS.read_text("utf-8"))
    table: dict[int, dict[str, dict[str, set[str]]]] = defaultdict(dict)
    for mention in mentions():
        columns = table[mention.rfc].setdefault(mention.section, defaultdict(set))
        columns[mention.column].add(mention.link)
    for rfc in sorted(table):
        if str(rfc) not in status:
            print(f"docs/rfc-status.toml says nothing of RFC {rfc}", file=sys.stderr)
    pages = [
        _of_one_rfc(rfc, status.get(str(rfc)), table[rfc]) for rfc in sorted(table)
    ]
    return HEAD + _overview(status, set(table)) + "".join(pages)


def _overview(status: dict[str, Any], mentioned: set[int]) -> str:
    rows = ["| RFC | Title | Implemented | What is missing |", "|---|---|---|---|"]
    for number, entry in sorted(status.items(), key=lambda item: int(item[0])):
        name = f"[RFC {number}](#rfc-{number})" if int(number) in mentioned else number
        state, missing = entry.get("state", ""), entry.get("missing", "")
        rows.append(f"| {name} | {entry['title']} | {state} | {missing} |")
    return "\n".join(rows) + "\n"


def _of_one_rfc(
    rfc: int, entry: dict[str, str] | None, sections: dict[str, dict[str, set[str]]]
) -> str:
    rows = [f"| Section | {' | '.join(COLUMNS)} |", "|---|---|---|---|"]
    for section in sorted(sections, key=_section_order):
        cells = ("<br>".join(sorted(sections[section][c])) for c in COLUMNS)
        rows.append(f"| {'§' + section if section else ''} | {' | '.join(cells)} |")
    title = entry["title"] if entry else "(not in rfc-status.toml)"
    return f"\n## RFC {rfc}\n\n{title}\n\n" + "\n".join(rows) + "\n"


def _section_order(section: str) -> list[tuple[int, str]]:
    parts = section.split(".") if section else []
    return [(int(p), "") if p.isdigit() else (1000, p) for p in parts]


def main() -> None:
    """Write the page, or compare it."""
    page = render()
    if "--check" in sys.argv[1:]:
        if PAGE.read_text("utf-8") != page:
            raise SystemExit(f"{PAGE.name} is stale: make docs")
        return
    PAGE.write_text(page, "utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {page.count('[')} links")


if __name__ == "__main__":
    main()
