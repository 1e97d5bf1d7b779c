"""What a machine can check of the style: sizes, spelling, handlers, forbidden words."""

import ast
import re
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
THIS = Path(__file__).resolve()
CODE = sorted((ROOT / "maillab").rglob("*.py"))
OTHER_CODE = sorted([*(ROOT / "tests").rglob("*.py"), *(ROOT / "scripts").glob("*.py")])

Function = ast.FunctionDef | ast.AsyncFunctionDef

FILE_LIMIT = 400
FUNCTION_LIMIT = 40
BUDGETS = {
    "an SMTP server": (
        ["wire/lines.py", "wire/smtp.py", "protocol/smtp_server.py"],
        900,
    ),
    "a POP3 server": (["protocol/pop3_server.py"], 350),
    "the virtual network": (
        ["net/loop.py", "net/tcp.py", "net/host.py", "net/network.py"],
        1200,
    ),
}

# RFC5321.MailFrom and RFC822.SIZE are names; rfc-editor addresses are addresses.
MISSPELT_RFC = re.compile(
    r"""(?<![/\w-])RFC-?(?!822\b)\d{3,}(?![\d.]*[A-Z]) # RFC5321
      | \b(?:rfc|Rfc)[ ]\d{3,}                         # rfc 5321
      | \bRFC[ ]\d+,?[ ](?:[Ss]ec(?:tion|\.)|ch\.)     # RFC 5321 section 4
      | \bRFC[ ]\d+[ ](?:§[ ]|\d+\.\d)                 # RFC 5321 § 4, RFC 5321 4.5
      | \bRFC[ ]\d+§                                   # RFC 5321§4
      | \bRFCs?[ ]{2,}\d                               # RFC  5321
    """,
    re.VERBOSE,
)
FORBIDDEN = {
    "a path of one machine": re.compile(
        r"(?<![\w./:$~-])/(?:home|root|Users|work|tmp)/[\w.]|\.pyenv\b"
    ),
    "the address of a package registry": re.compile(
        r"pypi\.org|pythonhosted|registry\.npmjs|anaconda\.(?:org|com)|crates\.io"
        r"|(?:deb|security|archive)\.(?:debian|ubuntu)\.(?:org|com)"
        r"|--(?:extra-)?index-url|--find-links"
    ),
}
TEXTS = {"", ".cfg", ".html", ".ipynb", ".md", ".py", ".sh", ".svg", ".toml", ".txt"}
TEXTS |= {".yml", ".yaml", ".zone", ".json", ".ini"}


def tracked_files() -> list[Path]:
    """Every file of the repository: from git, or from the disk where git is missing."""
    try:
        git = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True)
        files = [ROOT / name for name in git.stdout.decode().splitlines()]
    except OSError:
        files = []
    if not files:
        found = (path.relative_to(ROOT) for path in ROOT.rglob("*"))
        made = {".venv", ".hypothesis", "maillab-workbench", "build", "dist"}
        files = [ROOT / f for f in found if not made & set(f.parts)]
        files = [f for f in files if not any(p.endswith("_cache") for p in f.parts)]
    return [f for f in files if f.is_file() and f.suffix in TEXTS and f != THIS]


def short(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def functions(file: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, Function):
            yield node


def length(function: Function) -> int:
    """Lines from `def` to the end, without the docstring."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        lines -= (first.end_lineno or 0) - first.lineno + 1
    return lines


def matches(pattern: re.Pattern[str], file: Path) -> list[str]:
    """Where `pattern` occurs, as `file:line: text`."""
    text = file.read_text("utf-8", "replace")
    found = ((text.count("\n", 0, m.start()) + 1, m[0]) for m in pattern.finditer(text))
    return [f"{short(file)}:{line}: {words}" for line, words in found]


def test_no_file_is_longer_than_400_lines() -> None:
    sizes = {f: len(f.read_text("utf-8").splitlines()) for f in [*CODE, *OTHER_CODE]}
    long = [
        f"{short(f)}: {size} lines" for f, size in sizes.items() if size > FILE_LIMIT
    ]
    assert not long


def test_no_function_is_longer_than_40_lines() -> None:
    long = [
        f"{short(file)}:{function.lineno}: {function.name}, {length(function)} lines"
        for file in [*CODE, *OTHER_CODE]
        for function in functions(file)
        if length(function) > FUNCTION_LIMIT
    ]
    assert not long


def test_most_functions_are_short() -> None:
    lengths = sorted(length(function) for file in CODE for function in functions(file))
    assert statistics.median(lengths) <= 8
    assert lengths[len(lengths) * 9 // 10] <= 25


@pytest.mark.parametrize("idea", BUDGETS)
def test_what_students_read_first_keeps_its_budget(idea: str) -> None:
    names, budget = BUDGETS[idea]
    files = [ROOT / "maillab" / name for name in names]
    assert sum(len(f.read_text("utf-8").splitlines()) for f in files) <= budget, idea


def test_every_module_says_what_it_is_for() -> None:
    silent = [f for f in CODE if not ast.get_docstring(ast.parse(f.read_text("utf-8")))]
    assert not list(map(short, silent))


def test_no_file_is_a_drawer_for_everything() -> None:
    drawers = {"utils.py", "util.py", "helpers.py", "helper.py", "misc.py", "common.py"}
    assert not [short(file) for file in CODE if file.name in drawers]


def test_rfc_references_have_one_spelling() -> None:
    wrong = [
        hit
        for file in tracked_files()
        if file.suffix in {".py", ".md", ".txt", ".toml", ".zone", ".ipynb"}
        for hit in matches(MISSPELT_RFC, file)
    ]
    assert not wrong


def rfc_of(decorator: ast.expr) -> str | None:
    """The `rfc=` of `@command(...)`: "" when it has none, None for other decorators."""
    match decorator:
        case ast.Call(func=ast.Name(id="command"), keywords=keywords):
            values = (k.value for k in keywords if k.arg == "rfc")
            texts = (v.value for v in values if isinstance(v, ast.Constant))
            return str(next(texts, ""))
    return None


def test_every_handler_names_its_rfc_section() -> None:
    nameless = [
        f"{short(file)}:{function.lineno}: {function.name}"
        for file in CODE
        for function in functions(file)
        for rfc in map(rfc_of, function.decorator_list)
        if rfc is not None and not re.match(r"RFC \d+ §[\dA-Z]", rfc)
    ]
    assert not nameless


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    pattern = FORBIDDEN[what]
    found = [hit for file in tracked_files() for hit in matches(pattern, file)]
    assert not found, what


@pytest.mark.parametrize(
    "text",
    ["RFC5321", "rfc 5321", "RFC 5321 section 4", "RFC 5321 § 4", "RFC 5321 4.1"],
)
def test_the_spelling_rule_sees(text: str) -> None:
    assert MISSPELT_RFC.search(text)


@pytest.mark.parametrize(
    "text",
    ["RFC 5321 §4.5.2", "RFC5321.MailFrom", "RFC822.SIZE", "/rfc/rfc5321", "RFC 5322"],
)
def test_the_spelling_rule_allows(text: str) -> None:
    assert not MISSPELT_RFC.search(text)
