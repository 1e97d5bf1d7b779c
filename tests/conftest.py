"""Play tests/transcripts/FOLDER/*.txt: every transcript is one test.

    # RFC 5321 §4.1.1.5: a comment; the first line names the section that is shown
    --- WITH max_size=1000     settings for the player, before anything else
    C: line                    the client says the line and CRLF
    C! raw\\r\\n                 the client says exactly this (Python's escapes)
    S: line                    the server says this; `*` stands for anything
    S...                       the server may say more here, up to the next `S:`
    S-not: line                the server says no such line before the next action
    C2: / C2! / S2: / S2...    the same on a second connection, and so on
    $name                      binds once (to a word), then stands for what it was
    @ +30m                     virtual time passes (s, m, h, d)
    --- STARTTLS [2]           the TLS handshake is done (on connection 2)
    --- CLOSED [2]             the server has hung up

A folder's player is tests/FOLDER_player.py. Its `new_session(**settings)` gives an
object with `greeting(connection)`, `hear(connection, data)`, `advance(seconds)`,
`starttls(connection)` and, for `--- CLOSED`, `closed(connection)`.

`pytest --rewrite` writes what the server really said.
"""

import difflib
import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

TRANSCRIPTS = Path(__file__).with_name("transcripts")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
ROW = re.compile(r"([CS])(\d*)(:|!|\.\.\.|-not:)(?: (.*))?$")
ACTION = re.compile(r"(C\d*[:!]|@ |--- (?!CLOSED))")
VARIABLE = re.compile(r"\$[a-z][a-z0-9_]*")
UNPRINTABLE = re.compile(r"[^\t\x20-\x7e\x80-\U0010ffff]")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite", action="store_true", help="write what the server really said"
    )


def pytest_collect_file(
    parent: pytest.Collector, file_path: Path
) -> pytest.Collector | None:
    if file_path.suffix == ".txt" and TRANSCRIPTS in file_path.parents:
        return TranscriptFile.from_parent(parent, path=file_path)
    return None


class TranscriptFile(pytest.File):
    def collect(self) -> Iterator[pytest.Item]:
        yield Transcript.from_parent(self, name=self.path.stem)


class Mismatch(Exception):
    """The server said something else."""


class Transcript(pytest.Item):
    def runtest(self) -> None:
        script = self.path.read_text("utf-8").splitlines()
        folder = self.path.relative_to(TRANSCRIPTS).parts[0]
        real = Play(player(folder)).run(script)
        if real == script:
            return
        if self.config.getoption("--rewrite"):
            self.path.write_text("\n".join(real) + "\n", "utf-8")
        names = ("transcript", "server")
        raise Mismatch("\n".join(difflib.unified_diff(script, real, *names, n=99)))

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        if isinstance(excinfo.value, Mismatch):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"transcript {self.name}"


@cache
def player(folder: str) -> ModuleType:
    """Load tests/FOLDER_player.py, however pytest imports the tests themselves."""
    path = TRANSCRIPTS.parent / f"{folder}_player.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None, path
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Play:
    """One performance. `run` returns the script as it really went."""

    def __init__(self, stage: ModuleType) -> None:
        self.stage = stage
        self.settings: dict[str, str] = {}
        self.session: Any = None
        self.waiting: dict[int, list[str]] = {}  # lines said and not yet expected
        self.said: dict[int, list[str]] = {}  # lines said since the last action
        self.tails: dict[int, bytes] = {}  # half a line
        self.bound: dict[str, str] = {}

    def run(self, script: list[str]) -> list[str]:
        real: list[str] = []
        for number, row in enumerate(script):
            if ACTION.match(row):
                self.open_for(row)
                real += self.unexpected()
                self.act(row)
                real.append(row)
            elif match := ROW.match(row):
                real += self.expect(row, match, script[number + 1 :])
            elif row.startswith("--- CLOSED"):
                real += self.unexpected()
                if self.session.closed(int(row[10:] or 1)):
                    real.append(row)
            else:
                real.append(row)
        return real + self.unexpected()

    def act(self, row: str) -> None:
        """Do what a `C:`, `C!`, `@` or `---` row says."""
        if row.startswith("--- WITH "):
            self.settings = dict(word.split("=", 1) for word in row[9:].split())
            return
        self.said = {connection: [] for connection in self.said}
        if match := re.match(r"@ \+(\d+)([smhd])$", row):
            self.session.advance(int(match[1]) * SECONDS[match[2]])
        elif match := re.match(r"--- STARTTLS ?(\d*)$", row):
            self.session.starttls(int(match[1] or 1))
        elif match := ROW.match(row):
            connection = int(match[2] or 1)
            data = self.octets(match[3], match[4] or "")
            self.take(connection, self.session.hear(connection, data))
        else:
            raise ValueError(f"this row means nothing: {row!r}")
        for connection in self.waiting:  # news, and what time has brought
            self.take(connection, self.session.hear(connection, b""))

    def octets(self, kind: str, text: str) -> bytes:
        text = VARIABLE.sub(lambda name: self.bound.get(name[0], name[0]), text)
        if kind == "!":
            return text.encode().decode("unicode_escape").encode("latin-1")
        return text.encode() + b"\r\n"

    def open_for(self, row: str) -> None:
        """Greetings come before the first action."""
        if not row.startswith("--- WITH "):
            match = ROW.match(row)
            self.open(1)
            self.open(int(match[2] or 1) if match else 1)

    def open(self, connection: int) -> None:
        """Connections open when a row first mentions them."""
        if self.session is None:
            self.session = self.stage.new_session(**self.settings)
        if connection not in self.waiting:
            self.waiting[connection] = []
            self.said[connection] = []
            self.tails[connection] = b""
            self.take(connection, self.session.greeting(connection))

    def take(self, connection: int, data: bytes) -> None:
        *lines, tail = (self.tails[connection] + data).split(b"\r\n")
        self.tails[connection] = tail
        texts = [readable(line) for line in lines]
        self.waiting[connection] += texts
        self.said[connection] += texts

    def expect(self, row: str, match: re.Match[str], later: list[str]) -> list[str]:
        """What really came where `row` was expected."""
        connection, kind, pattern = int(match[2] or 1), match[3], match[4] or ""
        self.open(connection)
        waiting = self.waiting[connection]
        if kind == "-not:":
            bad = [line for line in self.said[connection] if self.agrees(pattern, line)]
            return [f"{row}   (but it said: {line})" for line in bad] or [row]
        if kind == "...":
            wanted = next_expected(later, connection)
            while waiting and (wanted is None or not self.agrees(wanted, waiting[0])):
                waiting.pop(0)
            return [row]
        if not waiting:
            return []
        line = waiting.pop(0)
        return [row] if self.agrees(pattern, line) else [said(connection, line)]

    def agrees(self, pattern: str, line: str) -> bool:
        """Compare, and bind the variables that are new."""
        seen: list[str] = []

        def piece(token: str) -> str:
            if token == "*":
                return ".*"
            if not VARIABLE.fullmatch(token):
                return re.escape(token)
            if token in self.bound:
                return re.escape(self.bound[token])
            if token in seen:
                return f"(?P={token[1:]})"
            seen.append(token)
            return rf"(?P<{token[1:]}>[^\s\])>]+)"

        tokens = re.split(r"(\*|\$[a-z][a-z0-9_]*)", pattern)
        # A line that is the pattern itself agrees too: `$name` may be meant so.
        found = re.fullmatch("".join(map(piece, tokens)), line, re.DOTALL)
        if found:
            self.bound |= {name: found[name[1:]] for name in seen}
        return bool(found) or pattern == line

    def unexpected(self) -> list[str]:
        """What was said and no row expected."""
        rows: list[str] = []
        for connection, waiting in self.waiting.items():
            rows += [said(connection, line) for line in waiting]
            waiting.clear()
        return rows


def next_expected(rows: list[str], connection: int) -> str | None:
    """The next `S:` pattern for this connection before anything else happens."""
    for row in rows:
        if ACTION.match(row):
            return None
        match = ROW.match(row)
        if match and match[3] == ":" and int(match[2] or 1) == connection:
            return match[4] or ""
    return None


def said(connection: int, line: str) -> str:
    return f"S{connection if connection > 1 else ''}: {line}".rstrip()


def readable(line: bytes) -> str:
    text = line.decode("utf-8", "backslashreplace")
    return UNPRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


@pytest.fixture
def queue_world(tmp_path):
    """`queue_world(records)`: see `tests.queue_worlds`; checked at the end."""
    from tests.queue_worlds import ONE_MX, QueueWorld

    made = []

    def build(records=ONE_MX):
        made.append(QueueWorld(tmp_path, records))
        return made[-1]

    yield build
    for one in made:
        one.close()
